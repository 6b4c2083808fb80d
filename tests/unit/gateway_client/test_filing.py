"""Filing: every image answered 0000 is filed exactly once, whatever is cut off in between."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from gateway_client.acquisition import placement, storing
from gateway_client.acquisition.filing import TRIES, Filing
from gateway_client.acquisition.placement import place
from gateway_client.acquisition.releasing import Releasing
from gateway_client.acquisition.storing import LOCK_PAUSE, Storing
from gateway_client.broker import Worker
from gateway_client.errors import JournalError, SpoolShort
from gateway_client.journal import Journal, Request
from gateway_client.objects.header import HeaderItem, InstanceHeader, read_header
from gateway_client.objects.part10 import digest_of, read_meta
from gateway_client.reception import spool
from gateway_client.reception.spool import Spool, SpooledFile
from runtime import SystemClock
from tests.unit.gateway_client.fakes import SHARE, Desk, stored_file
from xwb import ApplicationError, ConnectionLost, MError, SecurityRefused


def test_objects_are_stored_in_one_call_placed_released_and_leave_the_spool(desk: Desk) -> None:
    files = [desk.receive(f"1.2.{number}") for number in range(3)]
    assert desk.step() is True
    assert desk.step() is False
    assert desk.states() == {"1.2.0": "FILED", "1.2.1": "FILED", "1.2.2": "FILED"}
    store, processed = desk.requests()
    assert [line.partition("|")[0] for line in store if not line.startswith("HEADER")] == [
        "REQUEST",
        *(["ACQUIRED", "STORE1", "STORE2", "DIGEST"] * 3),
    ]
    assert processed[1:] == [f"PROCESSED||660|DEMO|{image}|1|1|DEMOGW1" for image in (2, 4, 6)]
    assert store[0] != processed[0]
    assert desk.spool.names() == []
    assert [digest_of(stored_file(desk, image)) for image in (2, 4, 6)] == [file.digest for file in files]
    stages = [(event[0], event[2], event[5]) for event in desk.events() if event[0] == "1.2.0"]
    assert stages == [("1.2.0", "RECEIVE", "received"), ("1.2.0", "PLACE", "linked")]


def test_a_batch_has_no_more_objects_than_configured(tmp_path: Path) -> None:
    desk = Desk(tmp_path, batch=2)
    for number in range(5):
        desk.receive(f"1.2.{number}")
    while desk.step():
        pass
    counts = [sum(line.startswith("STORE1") for line in request) for request in desk.requests()]
    assert counts == [2, 0, 2, 0, 1, 0]
    desk.close()


@pytest.mark.parametrize("lost_call", [0, 1])
def test_a_request_whose_answer_was_lost_is_sent_again_word_for_word(desk: Desk, lost_call: int) -> None:
    desk.receive("1.2.1")
    desk.receive("1.2.2")
    if lost_call == 0:
        desk.imaging.lose = [ConnectionLost("cut")]
    else:
        real = desk.releasing._release

        def lose_what_is_released() -> Request | None:
            desk.imaging.lose = [ConnectionLost("cut")]
            return real()

        desk.releasing._release = lose_what_is_released  # the test cuts here
    with pytest.raises(ConnectionLost):
        desk.step()
    desk.restart()
    while desk.step():
        pass
    requests = desk.requests()
    assert requests[lost_call] == requests[lost_call + 1]
    assert len(requests) == 3
    assert desk.imaging.images == {2: "1.2.1", 4: "1.2.2"}
    assert desk.imaging.processed == [2, 4]
    assert desk.states() == {"1.2.1": "FILED", "1.2.2": "FILED"}


STEPS = [
    *((Storing, step) for step in ("_item", "_carry_out", "_finish")),
    *((Releasing, step) for step in ("_place", "_make_durable", "_release", "_carry_out", "_finish", "_clear")),
]


@pytest.mark.parametrize(("task", "step"), STEPS)
def test_a_kill_before_any_step_loses_nothing_and_files_nothing_twice(
    desk: Desk, task: type[Filing], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """The process ends here."""

    def kill(*_: object) -> None:
        raise Killed

    files = [desk.receive("1.2.1"), desk.receive("1.2.2")]
    with monkeypatch.context() as patch:
        patch.setattr(task, step, kill)
        with pytest.raises(Killed):
            desk.step()
    desk.restart()
    while desk.step():
        pass
    assert desk.states() == {"1.2.1": "FILED", "1.2.2": "FILED"}
    assert desk.imaging.images == {2: "1.2.1", 4: "1.2.2"}
    assert desk.imaging.processed == [2, 4]
    assert desk.spool.names() == []
    assert [digest_of(stored_file(desk, number)) for number in (2, 4)] == [file.digest for file in files]


def test_a_file_that_was_placed_but_not_journaled_is_recognised(desk: Desk) -> None:
    file = desk.receive("1.2.1")
    place(desk.spool.path(file.name), stored_file(desk, 2), file.digest)
    desk.step()
    assert desk.states() == {"1.2.1": "FILED"}
    assert [event[5] for event in desk.events() if event[2] == "PLACE"] == ["already there"]


def test_what_the_spool_holds_and_the_journal_does_not_is_filed_after_a_start(desk: Desk) -> None:
    desk.receive("1.2.1", tell=False)
    desk.restart()
    desk.step()
    assert desk.states() == {"1.2.1": "FILED"}
    assert desk.events()[0][:3:2] == ["1.2.1", "RECEIVE"]


def test_what_a_process_that_died_left_is_filed_once_whether_it_told_of_it_or_not(desk: Desk) -> None:
    told, untold = desk.receive("1.2.1"), desk.receive("1.2.2", tell=False)
    other = Spool(desk.configuration.spool, desk.clock, tag="00000002")
    half = other.begin(told.meta)
    tag = Path(untold.name).stem.rpartition("-")[2]
    desk.spool.begin(told.meta)
    desk.storing.lost(tag)
    desk.step()
    assert desk.states() == {"1.2.1": "FILED", "1.2.2": "FILED"}
    received = [event[0] for event in desk.events() if event[2] == "RECEIVE"]
    assert received == ["1.2.1", "1.2.2"]
    assert [path.name for path in (desk.configuration.spool / "tmp").iterdir()] == [Path(half._path).name]
    other.close()


def fail_to_read(monkeypatch: pytest.MonkeyPatch, name: str, error: int) -> None:
    """Have the disk fail where a data set is read."""

    def read(path: Path) -> str:
        if path.name == name:
            raise OSError(error, os.strerror(error))
        return digest_of(path)

    monkeypatch.setattr(spool, "digest_of", read)


def test_what_cannot_be_read_of_a_process_that_died_is_set_aside_with_its_reason_and_the_rest_is_filed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = desk.receive("1.2.1", tell=False), desk.receive("1.2.2", tell=False)
    tag = Path(good.name).stem.rpartition("-")[2]
    strange = f"00000000000000000-000000-{tag}.dcm"
    desk.spool.path(strange).write_bytes(b"not a DICOM file")
    fail_to_read(monkeypatch, bad.name, errno.EIO)
    desk.storing.lost(tag)
    while desk.step():
        pass
    assert desk.states() == {"": "REFUSED", "1.2.1": "REFUSED", "1.2.2": "FILED"}
    assert desk.spool.held_path(bad.name).exists()
    assert desk.spool.held_path(strange).exists()
    (held,) = [event for event in desk.events() if event[0] == "1.2.1"]
    assert (held[2], held[5]) == ("HOLD", "refused")
    assert "Input/output error" in held[6]
    desk.restart()
    assert desk.journal.counts() == {"FILED": 1, "REFUSED": 2}


def test_what_cannot_be_read_for_want_of_open_files_is_filed_when_there_are_some(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = desk.receive("1.2.1", tell=False)
    desk.storing.lost(Path(file.name).stem.rpartition("-")[2])
    with monkeypatch.context() as patched:
        fail_to_read(patched, file.name, errno.EMFILE)
        with pytest.raises(SpoolShort):
            desk.step()
    desk.step()
    assert desk.states() == {"1.2.1": "FILED"}


@pytest.fixture
def read_whole(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the files that are read whole, each while the journal is anybody's: it may take long."""
    read: list[str] = []

    def digest(path: Path) -> str:
        other = threading.Thread(target=desk.journal.counts, daemon=True)
        other.start()
        other.join(20)
        assert not other.is_alive(), "the journal is held"
        read.append(path.name)
        return digest_of(path)

    for module in (placement, storing):
        monkeypatch.setattr(module, "digest_of", digest)
    return read


def test_what_is_filed_is_compared_while_the_journal_is_free(desk: Desk, read_whole: list[str]) -> None:
    desk.receive("1.2.1")
    desk.step()
    with desk.journal.transaction() as connection:
        connection.execute("UPDATE instance SET digest='of the file as it was'")
    desk.receive("1.2.1")
    while desk.step():
        pass
    assert (desk.states(), read_whole) == ({"1.2.1": "DUPLICATE"}, ["SL000000000002.DCM"])


def test_what_cannot_be_placed_is_looked_at_while_the_journal_is_free(desk: Desk, read_whole: list[str]) -> None:
    (desk.directory / "image1").touch()
    file = desk.receive("1.2.1")
    desk.storing.offline()
    desk.storing.step(desk.broker)
    desk.spool.path(file.name).write_bytes(b"overwritten by something")
    while desk.step():
        pass
    assert (desk.states(), read_whole) == ({"1.2.1": "REFUSED"}, [file.name] * 2)


def test_a_file_that_cannot_be_removed_keeps_nothing_from_being_filed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    first = desk.receive("1.2.1")
    real = os.unlink

    def refuse(path: str) -> None:
        if path.endswith(first.name):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refuse)
        desk.receive("1.2.2")
        while desk.step():
            pass
    assert desk.states() == {"1.2.1": "FILED", "1.2.2": "FILED"}
    assert desk.spool.names() == [first.name]
    desk.restart()
    assert desk.spool.names() == []


def test_files_of_objects_that_are_done_are_cleaned_away_at_a_start(desk: Desk) -> None:
    file = desk.receive("1.2.1")
    kept = desk.directory / "copy"
    shutil.copy(desk.spool.path(file.name), kept)
    desk.step()
    shutil.copy(kept, desk.spool.path(file.name))
    desk.restart()
    assert desk.spool.names() == []


def test_what_is_no_dicom_file_is_put_aside_at_a_start(desk: Desk) -> None:
    desk.spool.path("00-strange").write_bytes(b"not a DICOM file")
    desk.restart()
    assert desk.spool.names() == []
    assert desk.spool.held_path("00-strange").exists()


def test_a_mismatch_waits_on_the_correct_list_with_its_file(desk: Desk) -> None:
    desk.imaging.refusals["1.2.1"] = ["STORE|-2 Image Association Problem||MAGDIR81|", "MSG|END|-4,PID ERROR"]
    file = desk.receive("1.2.1")
    desk.receive("1.2.2")
    while desk.step():
        pass
    assert desk.states() == {"1.2.1": "CORRECT", "1.2.2": "FILED"}
    assert desk.spool.names() == [file.name]
    desk.restart()
    assert desk.step() is False


def test_a_locked_exam_is_asked_for_again_after_a_pause(desk: Desk) -> None:
    desk.imaging.refusals["1.2.1"] = ["STORE|-399^radiology exam locked||MAGDIR81|", "MSG|END|locked"]
    desk.receive("1.2.1")
    desk.step()
    assert desk.states() == {"1.2.1": "WAITING"}
    assert desk.step() is False
    del desk.imaging.refusals["1.2.1"]
    desk.clock.advance(LOCK_PAUSE + 1)
    assert desk.step() is True
    assert desk.states() == {"1.2.1": "FILED"}


def test_a_failure_is_asked_about_again_and_then_held(desk: Desk) -> None:
    desk.imaging.refusals["1.2.1"] = [
        "STORE|-103|DICOM IMAGE PROCESSING ERROR|MAGDIR81|1",
        "MSG||NEED WRITE LOCATION",
        "MSG|END|",
    ]
    file = desk.receive("1.2.1")
    for number in range(TRIES):
        assert desk.states().get("1.2.1", "RECEIVED") == "RECEIVED", number
        desk.step()
        desk.clock.advance(400)
    assert desk.states() == {"1.2.1": "REFUSED"}
    assert desk.spool.held_path(file.name).exists()
    assert [line.partition("|")[0] for line in desk.requests()[1]].count("ACQUIRED") == 0
    assert desk.events()[-1][5:] == ["refused", "-103 NEED WRITE LOCATION"]


@pytest.mark.parametrize("error", [MError("STORE+1^X, broken"), ApplicationError("no")])
def test_after_a_failed_call_its_objects_are_tried_one_by_one(desk: Desk, error: Exception) -> None:
    for number in range(3):
        desk.receive(f"1.2.{number}")
    desk.imaging.raises = [error]
    while desk.step():
        pass
    stores = [sum(line.startswith("STORE1") for line in request) for request in desk.requests()]
    assert stores[0] == 3
    assert [count for count in stores[1:] if count] == [1, 1, 1]
    assert len({request[0] for request in desk.requests()}) == len(desk.requests())
    assert set(desk.states().values()) == {"FILED"}


def test_an_object_that_breaks_every_call_is_held_and_the_others_are_filed(desk: Desk) -> None:
    def imaging(request: Sequence[str]) -> list[str]:
        if any("1.2.666" in line for line in request):
            raise MError("broken")
        return desk.imaging(request)

    desk.broker.handlers["MAG DICOM IMAGE PROCESSING"] = imaging
    for uid in ("1.2.1", "1.2.666", "1.2.2"):
        desk.receive(uid)
    for _ in range(TRIES + 2):
        desk.step()
        desk.clock.advance(301)
    assert desk.states() == {"1.2.1": "FILED", "1.2.666": "REFUSED", "1.2.2": "FILED"}


def test_an_answer_that_does_not_fit_files_nothing_twice(desk: Desk) -> None:
    desk.broker.handlers["MAG DICOM IMAGE PROCESSING"] = lambda request: []
    file = desk.receive("1.2.1")
    desk.step()
    assert desk.states() == {"1.2.1": "REFUSED"}
    assert desk.spool.held_path(file.name).exists()
    assert desk.step() is False


def test_a_refusal_of_the_call_leaves_the_request_open(desk: Desk) -> None:
    desk.imaging.raises = [SecurityRefused("not registered to the option")]
    desk.receive("1.2.1")
    with pytest.raises(SecurityRefused):
        desk.step()
    desk.step()
    first, second, _ = desk.requests()
    assert first == second
    assert desk.states() == {"1.2.1": "FILED"}


def test_an_image_that_the_broker_does_not_know_when_released_is_held(desk: Desk) -> None:
    def imaging(request: Sequence[str]) -> list[str]:
        if any(line.startswith("PROCESSED") for line in request):
            return ["3", "PROCESSED|-403|DICOM IMAGE PROCESSING ERROR|MAGDIR82|0", "MSG|END|Image pointer: 2"]
        return desk.imaging(request)

    desk.broker.handlers["MAG DICOM IMAGE PROCESSING"] = imaging
    file = desk.receive("1.2.1")
    desk.step()
    assert desk.states() == {"1.2.1": "REFUSED"}
    assert desk.spool.held_path(file.name).exists()


def test_a_share_that_nobody_knows_keeps_the_image_waiting(desk: Desk) -> None:
    desk.broker.handlers["MAGB NETWORK LOCATIONS"] = list
    desk.releasing.connected(desk.broker)
    desk.receive("1.2.1")
    desk.step()
    assert desk.states() == {"1.2.1": "STORED"}
    desk.broker.handlers["MAGB NETWORK LOCATIONS"] = lambda: [f"1^RAID1^{SHARE}^image1"]
    desk.clock.advance(10)
    desk.step()
    assert desk.states() == {"1.2.1": "FILED"}


def test_a_location_that_cannot_be_written_keeps_the_image_waiting(desk: Desk) -> None:
    (desk.directory / "image1").write_text("a file where a directory should be")
    file = desk.receive("1.2.1")
    desk.step()
    assert desk.states() == {"1.2.1": "STORED"}
    assert desk.spool.names() == [file.name]
    (desk.directory / "image1").unlink()
    desk.clock.advance(10)
    desk.step()
    assert desk.states() == {"1.2.1": "FILED"}
    assert desk.imaging.images == {2: "1.2.1"}


def test_an_object_whose_header_cannot_be_read_is_held_and_the_others_are_filed(desk: Desk) -> None:
    file = desk.receive("1.2.1")
    path = desk.spool.path(file.name)
    path.write_bytes(path.read_bytes()[: read_meta(path).offset])
    desk.receive("1.2.2")
    desk.step()
    assert desk.states() == {"1.2.1": "REFUSED", "1.2.2": "FILED"}
    assert desk.spool.held_path(file.name).exists()


def test_an_object_on_whose_header_the_gateway_itself_fails_is_held_and_the_others_are_filed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path, _paths: Sequence[str]) -> InstanceHeader:
        if path.name == bad.name:
            raise RuntimeError("a fault")
        return read_header(path)

    monkeypatch.setattr(storing, "read_header", read)
    bad = desk.receive("1.2.1")
    desk.receive("1.2.2")
    while desk.step():
        pass
    assert desk.states() == {"1.2.1": "REFUSED", "1.2.2": "FILED"}
    assert desk.spool.held_path(bad.name).exists()


def test_events_that_the_broker_does_not_take_are_kept(desk: Desk) -> None:
    def refuse(_: object) -> str:
        raise SecurityRefused("unknown procedure")

    desk.broker.handlers["MAGB IMAGE EVENTS"] = refuse
    desk.receive("1.2.1")
    desk.step()
    assert desk.states() == {"1.2.1": "FILED"}
    assert len(desk.journal.events(10)[0]) == 2


def test_the_journal_takes_objects_while_the_broker_is_away(desk: Desk) -> None:
    desk.receive("1.2.1")
    desk.storing.offline()
    journal = Journal(desk.configuration.journal)
    assert journal.counts() == {"RECEIVED": 1}
    journal.close()


def test_an_object_that_could_not_be_journaled_is_journaled_later(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sender was told that it is safe."""
    add = Journal.add
    failing = iter([JournalError("the disk is full")])

    def full(journal: Journal, files: Sequence[SpooledFile]) -> list[int]:
        for error in failing:
            raise error
        return add(journal, files)

    monkeypatch.setattr(Journal, "add", full)
    desk.receive("1.2.1")
    with pytest.raises(JournalError):
        desk.storing.offline()
    desk.receive("1.2.2")
    desk.step()
    assert desk.states() == {"1.2.1": "FILED", "1.2.2": "FILED"}


def test_a_text_file_that_cannot_be_written_keeps_its_image_waiting_and_the_others_are_filed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def full(path: str, *arguments: int) -> int:
        if str(path).endswith("SL000000000002.TXT.part"):
            raise OSError(errno.ENOSPC, "no space")
        return real(path, *arguments)

    desk.receive("1.2.1")
    desk.receive("1.2.2")
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        desk.step()
    assert desk.states() == {"1.2.1": "STORED", "1.2.2": "FILED"}
    desk.clock.advance(10)
    desk.step()
    assert desk.states() == {"1.2.1": "FILED", "1.2.2": "FILED"}
    assert stored_file(desk, 2).with_suffix(".TXT").exists()


def test_names_that_are_not_durable_release_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise OSError(errno.EIO, "lost")

    desk.receive("1.2.1")
    with monkeypatch.context() as patch:
        patch.setattr(placement, "sync_directory", fail)
        desk.step()
    assert desk.states() == {"1.2.1": "STORED"}
    assert desk.imaging.processed == []
    desk.clock.advance(10)
    desk.step()
    assert desk.states() == {"1.2.1": "FILED"}


def test_two_objects_of_one_uid_are_not_under_way_together_while_both_tasks_work(desk: Desk) -> None:
    """The second waits until the first is filed, however far the tasks are from one another."""
    desk.receive("1.2.1")
    desk.storing.offline()
    assert desk.storing.step(desk.broker) is True
    desk.receive("1.2.1", extra=b"\x28\x00\x10\x00US\x02\x00\x80\x00")
    desk.storing.offline()
    assert desk.storing.step(desk.broker) is False
    assert desk.releasing.step(desk.broker) is True
    assert desk.storing.step(desk.broker) is True
    assert desk.journal.counts() == {"FILED": 1, "REFUSED": 1}


def test_both_tasks_at_work_at_once_file_everything_once_whatever_answers_are_lost(tmp_path: Path) -> None:
    desk = Desk(tmp_path, batch=4)
    uids = [f"1.2.{number}" for number in range(60)]
    asked: set[str] = set()
    one_at_a_time, all_released = threading.Lock(), threading.Event()

    def imaging(request: Sequence[str]) -> list[str]:
        with one_at_a_time:
            number = request[1]
            if number not in asked and len(asked) % 3 == 1:  # lost again and again it would wait longer and longer
                desk.imaging.lose = [ConnectionLost("cut")]
            asked.add(number)
            try:
                return desk.imaging(request)
            finally:
                if len(desk.imaging.processed) == len(uids):
                    all_released.set()

    desk.broker.handlers["MAG DICOM IMAGE PROCESSING"] = imaging
    workers = [
        Worker("test", task, lambda: desk.broker, SystemClock(), lambda: 0.0, idle_seconds=0.01)
        for task in (desk.storing, desk.releasing)
    ]
    workers[0].neighbours, workers[1].neighbours = (workers[1],), (workers[0],)
    for worker in workers:
        worker._backoff.first = 0.01
        worker.start()
    for uid in uids:
        desk.receive(uid)
    assert all_released.wait(30)
    for worker in workers:
        worker.stop()
        worker.join(10)
    while desk.step():
        pass
    assert desk.journal.counts() == {"FILED": len(uids)}
    assert sorted(desk.imaging.images.values()) == sorted(uids)
    assert sorted(desk.imaging.processed) == sorted(desk.imaging.images)
    assert desk.spool.names() == []
    desk.close()


def test_a_header_that_came_with_its_object_is_not_read_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    file = desk.receive("1.2.1", tell=False)
    header = read_header(desk.spool.path(file.name))
    desk.storing.received(replace(file, header=header._replace(modality="MR")))
    with monkeypatch.context() as patch:
        patch.setattr(storing, "read_header", None)
        desk.step()
    assert desk.states() == {"1.2.1": "FILED"}
    assert "|MR|" in next(line for line in desk.requests()[0] if line.startswith("STORE1"))


def test_headers_are_kept_as_long_as_there_is_room() -> None:
    header = InstanceHeader(patient_id="x" * 500, items=(HeaderItem("0010,0020", "LO", 1, "x" * 500),))
    headers = storing.Headers(room=2200)
    for name in ("a", "b", "c"):
        headers.keep(name, header)
        headers.keep(name, header)
    assert [headers.take(name) for name in ("a", "b", "c")] == [header, header, None]
    assert headers.take("a") is None
    headers.keep("d", header)
    headers.keep("e", header)
    assert [headers.take(name) for name in ("d", "e")] == [header, header]
