"""Files of the send queue are copied once, tried again as their location says, and purged when it has kept them long enough."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from gateway_client.commitment.kept import Kept
from gateway_client.commitment.requesting import REMEMBERED_FOR
from gateway_client.commitment.requests import CommitmentRequests, Taken
from gateway_client.commitment.transaction import CommitmentResult, Reference
from gateway_client.configuration import Configuration
from gateway_client.copying import copies as module
from gateway_client.copying.copies import Blame, NotCopied, copy_file
from gateway_client.copying.copying import ASK_AGAIN, Copying
from gateway_client.copying.routers import RETRIES, read_routers
from gateway_client.copying.serving import LOOK_AGAIN, Serving
from gateway_client.journal import Journal
from gateway_client.locations import NetworkLocations
from runtime import DestinationSettings, FixedClock
from tests.unit.gateway_client.fakes import MOMENT, SHARE, FakeBroker
from xwb import ConnectionLost, SecurityRefused

DAY = 86400.0
OUTREACH = "\\\\OUT\\INBOX$\\"


@dataclass
class Queue:
    """The broker's send queue for OUTREACH (IEN 3), as VistA's procedures work on it."""

    waiting: dict[int, list[str]] = field(default_factory=dict)
    sending: dict[int, list[str]] = field(default_factory=dict)
    logged: list[tuple[int, str, str]] = field(default_factory=list)
    old: list[str] = field(default_factory=list)
    reported: list[str] = field(default_factory=list)
    online: bool = True
    locked: bool = False

    def add(self, number: int, name: str, path: str = "") -> None:
        """Let a file wait."""
        there = path or f"\\{name}"
        line = ["1", "3", "500", "1", "", "", f"{SHARE}{name}", there, str(number), OUTREACH, "30^1^2", str(100 + number)]
        self.waiting[number] = [*line, "3261121", "NONE"]

    def broker(self) -> FakeBroker:
        """Give a broker with this queue."""
        return FakeBroker(
            {
                "MAG DICOM ROUTE LOCK TRANSMIT": lambda *_: "0" if self.locked else "1",
                "MAGB ROUTE REQUEUE": self._requeue,
                "MAG DICOM ROUTE NEXT FILE": self._next,
                "MAG DICOM ROUTE LOG XMIT": self._log,
                "MAG DICOM ROUTE STATUS": self._status,
                "MAG DICOM NETWORK STATUS": self._network,
                "MAG DICOM ROUTE GET PURGE": self._purge,
                "MAGB ROUTE COPIES": self._copies,
            }
        )

    def _requeue(self, *_: Any) -> str:
        count = len(self.sending)
        self.waiting |= self.sending
        self.sending = {}
        return str(count)

    def _next(self, *_: Any) -> list[str]:
        if not self.waiting or not self.online:
            return ["0"]
        number = min(self.waiting)
        self.sending[number] = self.waiting.pop(number)
        return self.sending[number]

    def _log(self, number: str, _to: str, _from: str, status: str, name: str, *_: Any) -> str:
        self.logged.append((int(number), status, name))
        del self.sending[int(number)]
        return "1"

    def _status(self, number: str, status: str, _from: str) -> str:
        assert status == "WAITING"
        self.waiting[int(number)] = self.sending.pop(int(number))
        return "1"

    def _network(self, _to: str, status: str) -> str:
        self.online = status == "1"
        return "1"

    def _purge(self, _from: str, _to: str, most: str, done: list[str]) -> list[str]:
        gone = [line for line in done if not line.startswith("^")]
        self.reported += gone
        self.old = [line for line in self.old if line not in gone]
        start = next((at for at, line in enumerate(self.old) if done and done[0] == "^^^" + "^".join(line.split("^")[:3])), 0)
        lines = self.old[start : start + int(most) - 1]
        return [str(len(lines) + 1), *lines]

    def _copies(self, _to: str, images: list[str]) -> list[str]:
        lines = [f"2005^{100 + number}^{number}^3261121^{name}" for number, status, name in self.logged if status == "SENT"]
        found = [line for line in lines if line.split("^")[1] in images]
        return [str(len(found)), *found]


@dataclass
class Desk:
    """A location OUTREACH with the task that copies to it; `restart` is what a kill and a new start leave."""

    directory: Path
    retention: str = "30"
    queue: Queue = field(default_factory=Queue)
    clock: FixedClock = field(default_factory=lambda: FixedClock(MOMENT))

    def __post_init__(self) -> None:
        self.archive = self.directory / "image1"
        self.archive.mkdir()
        self.there = self.directory / "outreach"
        self.configuration = Configuration(self.directory / "gateway", self.directory)
        self.journal = Journal(self.directory / "journal.db", synchronous="NORMAL")
        self.restart()

    def lines(self, path: str = "outreach") -> list[str]:
        return [f"1^RAID1^{SHARE}^image1", f"3^OUTREACH^{OUTREACH}^{path}"]

    def restart(self, path: str = "outreach") -> None:
        locations = NetworkLocations.parse(self.lines(path), self.directory)
        (router,) = read_routers([f"3^OUTREACH^{self.retention}^1^2"], locations)
        self.task = Copying(router, locations, self.configuration, self.journal, self.clock, lambda: 1.0)
        self.broker = self.queue.broker()
        self.task.connected(self.broker)

    def file(self, number: int, content: bytes = b"picture") -> None:
        """Let a file of the archive wait."""
        (self.archive / f"{number}.DCM").write_bytes(content)
        self.queue.add(number, f"{number}.DCM")

    def run(self) -> None:
        while self.task.step(self.broker):
            pass

    def stories(self) -> list[tuple[str, str]]:
        """Give image and outcome of what stories are told."""
        return [(line.split("^")[1], line.split("^")[5]) for line in self.journal.events(1000)[0]]

    def names(self) -> list[str]:
        return sorted(str(file.relative_to(self.there)) for file in self.there.rglob("*") if file.is_file())


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.journal.close()


def failing(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the disk answer with an error."""

    def write(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, "_write", write)


def test_files_are_copied_in_their_order_and_each_is_reported_with_where_it_lies(desk: Desk) -> None:
    for number in (1, 2):
        desk.file(number, bytes([number]) * 3_000_000)
    desk.queue.waiting[2][7] = "\\SUB\\SL00\\2.DCM"
    desk.run()
    assert desk.queue.logged == [(1, "SENT", "\\1.DCM"), (2, "SENT", "\\SUB\\SL00\\2.DCM")]
    assert desk.names() == ["1.DCM", "SUB/SL00/2.DCM"]
    assert (desk.there / "SUB" / "SL00" / "2.DCM").read_bytes() == b"\2" * 3_000_000
    assert desk.stories() == [("101", "copied"), ("102", "copied")]


@pytest.mark.parametrize("moment", ["MAG DICOM ROUTE LOG XMIT", "MAG DICOM ROUTE NEXT FILE"])
def test_what_a_kill_leaves_is_copied_and_reported_once(desk: Desk, moment: str) -> None:
    desk.file(1)
    kept = desk.broker.handlers[moment]

    def lose(*arguments: Any) -> Any:
        if moment == "MAG DICOM ROUTE NEXT FILE":
            kept(*arguments)
        raise ConnectionLost

    desk.broker.handlers[moment] = lose
    with pytest.raises(ConnectionLost):
        desk.run()
    before = [(desk.there / name).stat().st_ino for name in desk.names()]
    desk.restart()
    desk.run()
    assert desk.queue.logged == [(1, "SENT", "\\1.DCM")]
    assert [(desk.there / name).stat().st_ino for name in desk.names()][: len(before)] == before, "it is not copied again"
    assert desk.names() == ["1.DCM"]


def test_an_answer_that_was_lost_is_not_reported_again(desk: Desk) -> None:
    desk.file(1)
    log = desk.broker.handlers["MAG DICOM ROUTE LOG XMIT"]

    def lose(*arguments: Any) -> str:
        log(*arguments)
        raise ConnectionLost

    desk.broker.handlers["MAG DICOM ROUTE LOG XMIT"] = lose
    with pytest.raises(ConnectionLost):
        desk.run()
    desk.restart()
    desk.run()
    assert len(desk.queue.logged) == 1


def test_a_part_that_a_kill_left_and_another_file_of_the_name_are_replaced(desk: Desk) -> None:
    desk.there.mkdir()
    (desk.there / ".1.DCM.DEMOGW1.part").write_bytes(b"pic")
    (desk.there / "1.DCM").write_bytes(b"mistake")
    desk.file(1)
    desk.run()
    assert desk.names() == ["1.DCM"]
    assert (desk.there / "1.DCM").read_bytes() == b"picture"


def test_a_copy_that_differs_is_not_reported_as_sent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.file(1)
    monkeypatch.setattr(module, "_digest_on_disk", lambda _file: b"other")
    for _ in range(3):
        desk.run()
        desk.clock.advance(30)
    assert desk.queue.logged == [(1, "FAILED", "\\1.DCM")]
    assert desk.names() == []


def test_a_file_that_cannot_be_copied_is_given_up_after_its_tries_and_holds_up_no_other(desk: Desk) -> None:
    desk.queue.add(1, "gone.DCM")
    desk.queue.add(2, "2.DCM", "\\..\\image1\\2.DCM")
    desk.file(3)
    steps = []
    for _ in range(6):
        desk.run()
        steps.append(len(desk.queue.logged))
        desk.clock.advance(30)
    assert desk.queue.logged == [(1, "FAILED", "\\gone.DCM"), (2, "FAILED", "\\..\\image1\\2.DCM"), (3, "SENT", "\\3.DCM")]
    assert steps[:3] == [0, 0, 1], "two tries after the first"
    assert desk.stories() == [("101", "failed"), ("102", "failed"), ("103", "copied")]


def test_a_location_that_is_full_is_left_alone_after_its_tries_and_the_file_waits(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.file(1)
    with monkeypatch.context() as patch:
        failing(patch, errno.ENOSPC)
        for online in (True, True, False):
            desk.run()
            assert desk.queue.online is online
            desk.clock.advance(30)
        assert list(desk.queue.waiting) == [1]
        desk.run()
        assert list(desk.queue.waiting) == [1], "nothing is taken while it is off line"
    desk.queue.online = True
    desk.run()
    assert desk.queue.logged == [(1, "SENT", "\\1.DCM")]


@pytest.mark.parametrize(("number", "logged"), [(errno.EINVAL, 1), (errno.EIO, 0)])
def test_a_share_that_cannot_sync_names_is_taken_as_it_is_and_one_that_fails_is_not(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, number: int, logged: int
) -> None:
    def sync(_directory: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, "sync_directory", sync)
    desk.file(1)
    old = kept(desk, 2, 31)
    for _ in range(3):
        desk.run()
        desk.clock.advance(30)
    assert len(desk.queue.logged) == logged
    assert not old.exists()
    assert desk.queue.old == []


@pytest.mark.parametrize("path", ["image1", "image1/below", "."])
def test_nothing_is_copied_to_or_purged_from_the_archive(desk: Desk, path: str) -> None:
    (desk.archive / "below").mkdir()
    desk.restart(path)
    desk.file(1)
    desk.queue.old = ["2005^1^1^3261001^\\1.DCM"]
    for _ in range(2):
        desk.run()
        desk.clock.advance(30)
    assert (desk.archive / "1.DCM").exists()
    assert (desk.queue.logged, desk.queue.online, len(desk.queue.old)) == ([], False, 1)


@pytest.mark.parametrize("share", [OUTREACH, SHARE], ids=["it lies at the router", "its folder is mounted there too"])
def test_what_lies_in_its_place_itself_is_no_copy_and_is_not_purged(tmp_path: Path, share: str) -> None:
    """Neither when it is old nor when destinations have committed to it."""
    desk = Desk(tmp_path, retention="0")
    desk.file(1)
    original = desk.archive / "1.DCM"
    at = original.stat().st_mtime
    desk.queue.waiting[1][6] = f"{share}1.DCM"
    desk.there.mkdir()
    os.link(original, desk.there / "1.DCM")  # the same file, as through a second mount
    while desk.queue.waiting or desk.queue.sending:
        desk.run()
        desk.clock.advance(60)
    assert desk.queue.logged == [(1, "FAILED", "\\1.DCM")]
    assert desk.stories() == [("101", "failed")]
    assert original.stat().st_mtime == at, "and it is as old as it was"
    desk.journal.close()


def test_a_link_does_not_lead_out_of_the_location(desk: Desk) -> None:
    desk.there.mkdir()
    (desk.there / "SUB").symlink_to(desk.archive)
    desk.file(1)
    desk.queue.waiting[1][7] = "\\SUB\\2.DCM"
    for _ in range(3):
        desk.run()
        desk.clock.advance(30)
    assert desk.queue.logged == [(1, "FAILED", "\\SUB\\2.DCM")]
    assert not (desk.archive / "2.DCM").exists()


@pytest.mark.parametrize("answers", [True, False])
def test_an_archive_that_is_away_is_no_fault_of_the_file(desk: Desk, monkeypatch: pytest.MonkeyPatch, answers: bool) -> None:
    is_dir = Path.is_dir

    def answer(path: Path) -> bool:
        if path == desk.archive:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return is_dir(path)

    desk.file(1)
    desk.archive.rename(desk.directory / "away")
    with monkeypatch.context() as patch:
        if not answers:
            patch.setattr(Path, "is_dir", answer)
        desk.run()
    assert (list(desk.queue.waiting), desk.queue.online) == ([1], True)
    desk.run()
    assert desk.queue.logged == [], "it is not asked for at once"
    (desk.directory / "away").rename(desk.archive)
    desk.clock.advance(ASK_AGAIN)
    desk.run()
    assert desk.queue.logged == [(1, "SENT", "\\1.DCM")]


def test_a_location_to_which_another_gateway_copies_is_left_to_it(desk: Desk) -> None:
    desk.queue.locked = True
    desk.restart()
    desk.file(1)
    desk.run()
    assert list(desk.queue.waiting) == [1]
    desk.queue.locked = False
    desk.run()
    assert list(desk.queue.waiting) == [1]
    desk.clock.advance(ASK_AGAIN)
    desk.run()
    assert desk.queue.logged == [(1, "SENT", "\\1.DCM")]


def kept(desk: Desk, number: int, days: float) -> Path:
    """Put a copy there, so old, that the broker lists as one to be purged."""
    desk.there.mkdir(exist_ok=True)
    file = desk.there / f"{number}.DCM"
    file.write_bytes(b"copy")
    at = desk.clock.seconds() - days * DAY
    os.utime(file, (at, at))
    desk.queue.old.append(f"2005^{number}^1^3261001.12^\\{number}.DCM")
    return file


def test_old_copies_go_on_the_first_occasion_of_a_day(desk: Desk) -> None:
    files = [kept(desk, number, 31) for number in range(1, 251)]
    desk.run()
    assert desk.names() == []
    assert desk.queue.old == []
    again = kept(desk, 1, 31)
    desk.run()
    assert again.exists()
    desk.clock.advance(DAY)
    desk.run()
    assert not any(file.exists() for file in files)


def test_a_copy_that_was_sent_again_since_is_kept_for_its_later_entry(desk: Desk) -> None:
    young = kept(desk, 1, 3)
    desk.run()
    assert young.exists()
    assert desk.queue.old == []


def test_copies_that_cannot_be_removed_keep_no_others_from_it(desk: Desk) -> None:
    stuck = ["2005^7^1^3261001.12^\\..\\image1\\7.DCM", "2005^8^1^3261001.12^\\"]
    for number in range(1, 151):
        kept(desk, number, 31)
        desk.queue.old += stuck if number == 75 else []
    gone = kept(desk, 200, 31)
    gone.unlink()
    desk.run()
    assert desk.names() == []
    assert desk.queue.old == stuck


def test_a_location_without_retention_keeps_its_copies(tmp_path: Path) -> None:
    desk = Desk(tmp_path, retention="")
    copy = kept(desk, 1, 400)
    desk.run()
    assert copy.exists()
    desk.journal.close()


def test_numbers_that_a_location_does_not_say_are_the_defaults() -> None:
    locations = NetworkLocations.parse([f"3^OUTREACH^{OUTREACH}^outreach"], Path("/data"))
    (router,) = read_routers(["3^OUTREACH^^^", "4^ELSEWHERE^1^1^1"], locations)
    assert (router.retention_days, router.retry_connect, router.retry_transmit) == (None, RETRIES, RETRIES)


def test_the_source_that_cannot_be_read_is_no_fault_of_the_location(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(NotCopied) as caught:
        copy_file(tmp_path / "folder", tmp_path / "copy", "GW", 0.0)
    assert caught.value.blame is Blame.FILE


def test_each_location_has_a_worker_and_one_that_the_site_lacks_has_none_any_more(desk: Desk) -> None:
    routers = ["3^OUTREACH^30^1^2"]
    broker = FakeBroker({"MAGB ROUTE DESTINATIONS": lambda: list(routers), "MAGB NETWORK LOCATIONS": desk.lines})
    serving = Serving(desk.configuration, desk.journal, desk.queue.broker, desk.clock, lambda: 1.0)
    serving.connected(broker)
    (worker,) = serving.workers
    assert worker.name == "copying_OUTREACH"
    routers.clear()
    serving.step(broker)
    assert serving.workers == [worker], "it is not asked for all the time"
    desk.clock.advance(LOOK_AGAIN)
    serving.step(broker)
    worker.join(10)
    assert not worker.is_alive()
    routers.append("3^OUTREACH^30^1^2")
    desk.clock.advance(LOOK_AGAIN)
    serving.step(broker)
    (other,) = serving.workers
    assert other is not worker
    serving.stop()
    other.join(10)
    assert not other.is_alive()


def test_a_broker_that_knows_nothing_of_it_keeps_nothing_else_from_working(desk: Desk) -> None:
    def refuse() -> list[str]:
        raise SecurityRefused("MAGB ROUTE DESTINATIONS")

    serving = Serving(desk.configuration, desk.journal, desk.queue.broker, desk.clock, lambda: 1.0)
    serving.connected(FakeBroker({"MAGB ROUTE DESTINATIONS": refuse}))
    assert serving.workers == []


def committing(desk: Desk, *names: str) -> tuple[Callable[[str, int], None], Kept]:
    """Have copies at OUTREACH deleted when destinations have committed; give what has one commit to an image."""
    settings = {"OUTREACH": DestinationSettings(delete_after_commitment=names)}
    desk.configuration = replace(desk.configuration, destinations=settings)
    desk.restart()
    kept = Kept(desk.journal, desk.configuration)
    requests = CommitmentRequests(desk.journal, kept.committed)

    def commit(name: str, image: int) -> None:
        reference, now = Reference("1.2", f"1.2.{image}"), desk.clock.seconds()
        requests.gather(name, [Taken(reference, image)], now, now)
        (asking,) = requests.due(name, now, 1)
        request = requests.ask(asking, now, now)
        assert requests.heard(CommitmentResult(request.transaction, (reference,), ()), now)

    return commit, kept


def test_a_copy_goes_when_every_destination_that_must_has_committed_and_not_before(desk: Desk) -> None:
    commit, kept = committing(desk, "ARCHIVE", "VAULT")
    for number in (1, 2, 3):
        desk.file(number)
    desk.run()
    commit("ARCHIVE", 101)
    commit("READING ROOM", 101)
    commit("ARCHIVE", 102)
    desk.run()
    assert desk.names() == ["1.DCM", "2.DCM", "3.DCM"]
    commit("VAULT", 101)
    desk.run()
    assert desk.names() == ["2.DCM", "3.DCM"]
    assert desk.stories()[-1:] == [("101", "purged")]
    assert desk.queue.reported == ["2005^101^1^3261121^\\1.DCM"]
    assert kept.count("OUTREACH") == 2


def test_who_has_committed_is_remembered_until_the_others_have(desk: Desk) -> None:
    commit, kept = committing(desk, "ARCHIVE", "VAULT")
    requests = CommitmentRequests(desk.journal, kept.committed)
    for number in (1, 2):
        desk.file(number)
    desk.run()
    commit("ARCHIVE", 101)
    desk.clock.advance(REMEMBERED_FOR + 1)
    requests.purge(desk.clock.seconds() - REMEMBERED_FOR)
    assert requests.counts() == {"COMMITTED": 1}
    commit("VAULT", 101)
    desk.run()
    assert desk.names() == ["2.DCM"]
    desk.clock.advance(REMEMBERED_FOR + 1)
    requests.purge(desk.clock.seconds() - REMEMBERED_FOR)
    assert requests.counts() == {}


def test_a_copy_that_is_made_after_they_have_committed_goes_at_once(desk: Desk) -> None:
    commit, kept = committing(desk, "ARCHIVE")
    commit("ARCHIVE", 101)
    desk.file(1)
    desk.run()
    assert (desk.names(), kept.count("OUTREACH")) == ([], 0)
    assert desk.queue.logged == [(1, "SENT", "\\1.DCM")]


def test_what_fails_to_commit_stays_until_its_time_is_over(desk: Desk) -> None:
    _, kept = committing(desk, "ARCHIVE")
    desk.file(1)
    desk.run()
    desk.clock.advance(29 * DAY)
    desk.run()
    assert desk.names() == ["1.DCM"]
    desk.clock.advance(2 * DAY)
    desk.queue.old = ["2005^101^1^3261121^\\1.DCM"]
    desk.run()
    assert (desk.names(), kept.count("OUTREACH")) == ([], 0)


@pytest.mark.parametrize("moment", ["MAGB ROUTE COPIES", "MAG DICOM ROUTE GET PURGE"])
def test_a_deletion_that_was_cut_off_is_finished(desk: Desk, moment: str) -> None:
    commit, kept = committing(desk, "ARCHIVE")
    desk.file(1)
    desk.run()
    commit("ARCHIVE", 101)

    def lose(*_: Any) -> str:
        raise ConnectionLost

    desk.broker.handlers[moment] = lose
    with pytest.raises(ConnectionLost):
        desk.run()
    desk.restart()
    desk.run()
    assert (desk.names(), kept.count("OUTREACH")) == ([], 0)
    assert desk.queue.reported == ["2005^101^1^3261121^\\1.DCM"]


@pytest.mark.parametrize("content", [b"", b"other", b"picture"])
def test_a_copy_is_as_old_as_its_last_sending(desk: Desk, content: bytes) -> None:
    desk.there.mkdir()
    if content:
        (desk.there / "1.DCM").write_bytes(content)
    desk.clock.advance(DAY)
    desk.file(1)
    desk.run()
    assert (desk.there / "1.DCM").stat().st_mtime == pytest.approx(desk.clock.seconds())
