"""A gateway that is held on to at any step gives a spool and journal from which everything is filed once."""

from __future__ import annotations

import copy
import errno
import os
import shutil
import sqlite3
import threading
from collections import Counter
from pathlib import Path

import pytest

from gateway_client import JournalError, NotFrozen, freeze_gateway
from gateway_client.frozen_gateway import FrozenGateway
from gateway_client.journal import Journal, State
from tests.unit.gateway_client.fakes import Desk, stored_file
from xwb import ConnectionLost

#: Half-steps of a road of some objects, after each of which the gateway is held on to.
MOMENTS = 8


def laid_down(frozen: FrozenGateway, directory: Path) -> Path:
    """Write what is held on to as a gateway's directory, as a restore does."""
    gateway = directory / "gateway"
    gateway.mkdir(parents=True)
    frozen.copy_journal(gateway / "journal.db")
    for name, path in frozen.files():
        (gateway / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, gateway / name)
    return directory


def half_steps(desk: Desk, moment: int) -> None:
    """Receive objects, and go so many half-steps on the road, the first of them without any."""
    for number in range(3):
        desk.receive(f"1.2.{number}", tell=number < 2)  # of the last one the journal has not heard
    for number in range(moment):
        if number % 2:
            desk.releasing.step(desk.broker)
        else:
            desk.storing.offline()
            desk.storing.step(desk.broker)
        if number == 1:
            desk.receive("1.2.9")


@pytest.mark.parametrize("moment", range(MOMENTS))
@pytest.mark.parametrize("lost", [None, 0, 1], ids=["heard", "store in doubt", "release in doubt"])
def test_what_is_restored_from_any_moment_files_everything_once(
    desk: Desk, tmp_path: Path, moment: int, lost: int | None
) -> None:
    if lost is not None:
        call = desk.imaging.__class__.__call__
        seen: list[int] = []

        def answer(request: list[str]) -> list[str]:
            seen.append(len(seen))
            if len(seen) - 1 == lost:
                desk.imaging.lose.append(ConnectionLost("gone"))
            return call(desk.imaging, request)

        desk.broker.handlers["MAG DICOM IMAGE PROCESSING"] = answer
    try:
        half_steps(desk, moment)
    except ConnectionLost:
        assert lost is not None
    received = {uid for uid in ("1.2.0", "1.2.1", "1.2.2", "1.2.9") if uid != "1.2.9" or (moment > 1 and lost is None)}
    with freeze_gateway(desk.configuration.directory) as frozen:
        imaging = copy.deepcopy(desk.imaging)
        frozen.go_on()
        placed = tmp_path / "image1"
        there = laid_down(frozen, tmp_path / "restored")
        if placed.exists():
            shutil.copytree(placed, there / "image1")
    again = Desk(there, imaging, desk.clock)
    try:
        while again.step():
            pass
        filed = Counter(imaging.images.values())
        assert max(filed.values()) == 1
        assert received <= filed.keys() <= {"1.2.0", "1.2.1", "1.2.2", "1.2.9"}
        assert set(again.states().values()) == {State.FILED}
        assert Counter(imaging.processed) == Counter(imaging.images.keys())
        assert all(stored_file(again, number).is_file() for number in imaging.images)
        assert again.spool.names() == []
    finally:
        again.close()


def test_a_gateway_takes_no_step_until_it_may_go_on_and_then_does(desk: Desk, tmp_path: Path) -> None:
    desk.receive("1.2.1")
    quick = sqlite3.connect(desk.configuration.journal, timeout=0, isolation_level=None)
    with freeze_gateway(desk.configuration.directory) as frozen:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            quick.execute("BEGIN IMMEDIATE")
        frozen.go_on()
        while desk.step():
            pass
        assert desk.states() == {"1.2.1": State.FILED}
        there = laid_down(frozen, tmp_path / "restored")
    quick.close()
    assert len(list((there / "gateway/spool/in").iterdir())) == 1, "of the moment, though it is filed since"
    journal = Journal(there / "gateway/journal.db")
    assert journal.counts() == {}
    journal.close()


def test_nothing_is_left_of_it_in_the_gateways_directory(desk: Desk) -> None:
    desk.receive("1.2.1")
    abandoned = desk.configuration.directory / ".frozen-999999999"
    abandoned.mkdir()
    with freeze_gateway(desk.configuration.directory):
        assert not abandoned.exists(), "what a killed backup left is removed"
        (links,) = desk.configuration.directory.glob(".frozen-*")
        assert links.stat().st_mode & 0o077 == 0
    assert list(desk.configuration.directory.glob(".frozen-*")) == []


def test_what_waits_from_a_medium_and_the_key_of_pseudonyms_are_kept_and_what_is_being_received_is_not(
    desk: Desk, tmp_path: Path
) -> None:
    directory = desk.configuration.directory
    desk.spool.begin(desk.receive("1.2.1").meta).write(b"half of it")
    for name in ("import/ready/1/lot.json", "import/ready/1/1.dcm", "import/new/2/1.dcm", "pseudonyms.key", "sending.notes"):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(name)
    for folder in ("held", "kept", "original"):
        (directory / "spool" / folder).mkdir(exist_ok=True)
        (directory / "spool" / folder / "1.dcm").write_text(folder)
    with freeze_gateway(directory) as frozen:
        names = {name for name, _ in frozen.files()}
    (waiting,) = desk.spool.names()
    expected = {f"spool/in/{waiting}", "spool/held/1.dcm", "spool/kept/1.dcm", "spool/original/1.dcm", "pseudonyms.key"}
    assert names == expected | {"import/ready/1/lot.json", "import/ready/1/1.dcm"}


def test_where_files_have_one_name_only_they_are_copied(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.receive("1.2.1")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    with freeze_gateway(desk.configuration.directory) as frozen:
        there = laid_down(frozen, tmp_path / "restored")
    (copied,) = (there / "gateway/spool/in").iterdir()
    assert copied.read_bytes() == desk.spool.path(copied.name).read_bytes()
    assert copied.stat().st_mtime_ns == desk.spool.path(copied.name).stat().st_mtime_ns


def test_a_journal_that_somebody_else_holds_is_an_error_and_nothing_is_left(desk: Desk) -> None:
    with desk.journal.transaction():
        failed: list[NotFrozen] = []

        def freeze() -> None:
            try:
                with freeze_gateway(desk.configuration.directory, patience=0.01):
                    pass
            except NotFrozen as error:
                failed.append(error)

        thread = threading.Thread(target=freeze)
        thread.start()
        thread.join()
    assert "locked" in str(failed[0])
    assert list(desk.configuration.directory.glob(".frozen-*")) == []


def test_a_journal_of_no_gateway_is_no_error_of_sqlite(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_text("this is no journal of any kind")
    with pytest.raises(NotFrozen, match="not a database"), freeze_gateway(tmp_path):
        pass
    with pytest.raises(JournalError):
        Journal(tmp_path / "journal.db")
