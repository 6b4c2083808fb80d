"""Imports: what was handed over is filed once with the importer's flag, whatever is cut off in between."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from pydicom import dcmread

from gateway_client import LotWriter
from gateway_client.acquisition import imported, lots, storing
from gateway_client.acquisition.imported import LOT_PAUSE
from gateway_client.acquisition.normalising import Normalising
from gateway_client.errors import JournalError
from gateway_client.journal import State
from gateway_client.objects.part10 import FileMeta, digest_of, encode_head
from gateway_client.reception.spool import Spool, SpooledFile
from tests.unit.gateway_client.fakes import CT, EXPLICIT, Desk, data_set

#: A name that has another form once it is normalised.
NAME = "Demo^Patient"


def put(desk: Desk, lot: LotWriter, uid: str, name: str = NAME) -> None:
    """Put an object into a lot."""
    data = data_set(uid, name=name)
    lot.path().write_bytes(encode_head(FileMeta(CT, uid, EXPLICIT)) + data)
    lot.add(uid, hashlib.sha256(data).hexdigest(), f"/cd/{uid}", "N")


def hand_over(desk: Desk, *uids: str) -> None:
    """Hand a lot of objects to the gateway."""
    with LotWriter(desk.configuration.imports, desk.clock) as lot:
        for uid in uids:
            put(desk, lot, uid)
        lot.hand_over()


@pytest.fixture
def normalising(tmp_path: Path) -> Iterator[Desk]:
    """Give a desk that normalises names."""
    desk = Desk(tmp_path, changes={"normalise_patient_name": True})
    yield desk
    desk.close()


def finish(desk: Desk) -> None:
    """Do all that there is to do."""
    while desk.step():
        pass


def stored(desk: Desk) -> list[str]:
    """Give the UIDs of the STORE requests, in their order."""
    lines = [line for request in desk.requests() for line in request if line.startswith("STORE2|")]
    return [line.split("|")[3] for line in lines]


def test_an_imported_object_is_stored_with_the_importers_flag_and_the_path_that_it_came_from(desk: Desk) -> None:
    hand_over(desk, "1.2.1")
    finish(desk)
    assert desk.states() == {"1.2.1": "FILED"}
    store = desk.requests()[0]
    (first,) = (line.split("|") for line in store if line.startswith("STORE1|"))
    (second,) = (line.split("|") for line in store if line.startswith("STORE2|"))
    assert (first[13], second[10:13]) == ("1", ["N", "D", "/cd/1.2.1"])
    assert not os.listdir(desk.configuration.imports / "ready")


def test_what_a_modality_sends_goes_before_what_is_imported(desk: Desk) -> None:
    hand_over(desk, "1.2.1")
    desk.receive("1.2.2")
    finish(desk)
    assert stored(desk) == ["1.2.2", "1.2.1"]
    assert [line.split("|")[13] for request in desk.requests() for line in request if line.startswith("STORE1|")] == ["0", "1"]


def test_what_was_imported_already_is_known_by_its_digest(desk: Desk) -> None:
    hand_over(desk, "1.2.1", "1.2.2")
    finish(desk)
    desk.restart()
    hand_over(desk, "1.2.1", "1.2.3", "1.2.3")
    finish(desk)
    assert stored(desk) == ["1.2.1", "1.2.2", "1.2.3"]
    assert [event[0] for event in desk.events() if event[2] == "IMPORT"] == ["1.2.1", "1.2.3"]


def test_a_gateway_that_was_stopped_takes_over_what_was_handed_to_it_meanwhile(desk: Desk) -> None:
    desk.journal.close()
    desk.spool.close()
    hand_over(desk, "1.2.1")
    desk._start()
    finish(desk)
    assert stored(desk) == ["1.2.1"]


class Killed(BaseException):
    """The process ends here."""


def kill_before(monkeypatch: pytest.MonkeyPatch, where: object, name: str, count: int = 1) -> None:
    """End at the beginning of a call of a function."""
    left, real = [count], getattr(where, name)

    def dies(*arguments: object, **named: object) -> object:
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return real(*arguments, **named)

    monkeypatch.setattr(where, name, dies)


#: Where a gateway that takes a lot of three over may be killed: before a call of a function.
PLACES: dict[str, tuple[object, str, int]] = {
    "before the journal knows": (imported.ImportedObjects, "_sorted", 1),
    "before anything is moved": (Spool, "take_over", 1),
    "between two files": (Path, "rename", 2),
    "before they are journaled": (storing.Storing, "_take", 1),
    "before the lot is removed": (imported, "remove_lot", 1),
    "while the lot is removed": (lots.shutil, "rmtree", 1),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_gateway_that_is_killed_while_it_takes_over_files_each_object_once(
    place: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_over(desk, "1.2.1", "1.2.2", "1.2.3")
    with monkeypatch.context() as patched:
        kill_before(patched, *PLACES[place])
        with pytest.raises(Killed):
            desk.step()
    desk.restart()
    finish(desk)
    assert sorted(stored(desk)) == ["1.2.1", "1.2.2", "1.2.3"]
    flags = {line.split("|")[13] for request in desk.requests() for line in request if line.startswith("STORE1|")}
    assert flags == {"1"}
    assert set(desk.states().values()) == {"FILED"}
    assert not os.listdir(desk.configuration.imports / "ready")


def test_a_move_that_fails_is_taken_up_again_without_a_restart(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    hand_over(desk, "1.2.1", "1.2.2", "1.2.3")
    with monkeypatch.context() as patched:
        kill_before(patched, Path, "rename", 3)
        with pytest.raises(Killed):
            desk.step()
    finish(desk)
    assert sorted(stored(desk)) == ["1.2.1", "1.2.2", "1.2.3"]


def test_a_lot_whose_writer_was_killed_is_nobodys_and_goes_with_the_next(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LotWriter, "__exit__", lambda writer, *error: os.close(writer._lock))
    with LotWriter(desk.configuration.imports, desk.clock) as lot:
        put(desk, lot, "1.2.1")
    monkeypatch.undo()
    finish(desk)
    assert stored(desk) == []
    with LotWriter(desk.configuration.imports, desk.clock) as other:
        assert len(os.listdir(desk.configuration.imports / "new")) == 1
        with LotWriter(desk.configuration.imports, desk.clock):  # the lot of one who lives is left
            assert other.path().parent.is_dir()


SPOILED: dict[str, Callable[[Path], object]] = {
    "no JSON": lambda file: file.write_text("{", encoding="ascii"),
    "no entries": lambda file: file.write_text('[{"name": "x"}]', encoding="ascii"),
    "a name that leads out": lambda file: file.write_text(file.read_text("ascii").replace('"name": "', '"name": "../'), "ascii"),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_lot_that_cannot_be_read_is_put_aside_and_holds_nothing_up(
    how: str, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    hand_over(desk, "1.2.1")
    (spoiled,) = (desk.configuration.imports / "ready").iterdir()
    SPOILED[how](spoiled / "lot.json")
    desk.clock.advance(1)
    hand_over(desk, "1.2.2")
    finish(desk)
    assert stored(desk) == ["1.2.2"]
    assert "put aside" in caplog.text
    assert (desk.configuration.imports / "held" / spoiled.name / "lot.json").exists()


def test_a_lot_that_cannot_be_moved_is_left_for_later_and_holds_nothing_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hand_over(desk, "1.2.1", "1.2.2")
    desk.clock.advance(1)
    hand_over(desk, "1.2.3")
    real = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.name.endswith(".dcm") and "-000001-" in path.name:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", refuse)
        finish(desk)
        assert stored(desk) == ["1.2.3"]
        assert "Permission denied" in caplog.text
        finish(desk)
    finish(desk)
    assert stored(desk) == ["1.2.3"], "it is not tried at every turn"
    desk.clock.advance(LOT_PAUSE)
    finish(desk)
    assert stored(desk) == ["1.2.3", "1.2.1", "1.2.2"]


def test_a_lot_that_cannot_be_removed_files_nothing_twice_and_holds_nothing_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_lot: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    hand_over(desk, "1.2.1")
    with monkeypatch.context() as patched:
        patched.setattr(imported, "remove_lot", refuse)
        finish(desk)
    desk.clock.advance(LOT_PAUSE)
    finish(desk)
    assert stored(desk) == ["1.2.1"]
    assert not os.listdir(desk.configuration.imports / "ready")


def test_what_was_deleted_on_file_is_imported_anew(desk: Desk) -> None:
    hand_over(desk, "1.2.1", "1.2.2")
    finish(desk)
    files = {path.stem[-1]: path for path in desk.configuration.data.rglob("image1/**/*.DCM")}
    assert len(files) == 2
    files["2"].unlink()
    desk.imaging.images.clear()
    hand_over(desk, "1.2.1", "1.2.2")
    finish(desk)
    anew = [event[0] for event in desk.events() if event[2] == "IMPORT"]
    assert (len(stored(desk)), len(anew)) == (3, 1), "one of the two was known"


def test_an_object_of_a_lot_that_cannot_be_read_is_set_aside_with_its_reason(desk: Desk) -> None:
    hand_over(desk, "1.2.1", "1.2.2")
    (lot,) = (desk.configuration.imports / "ready").iterdir()
    spoilt = min(lot.glob("*.dcm"))
    spoilt.write_bytes(b"what the disk made of it")
    finish(desk)
    assert stored(desk) == ["1.2.2"]
    assert desk.journal.counts() == {"FILED": 1, "REFUSED": 1}
    assert desk.spool.held_path(spoilt.name).exists()


def test_what_a_modality_sent_is_known_on_a_medium_though_its_name_was_normalised(normalising: Desk) -> None:
    desk = normalising
    desk.receive("1.2.1", name=NAME)
    finish(desk)
    hand_over(desk, "1.2.1")
    finish(desk)
    assert stored(desk) == ["1.2.1"]
    assert [event[5] for event in desk.events() if event[2] == "IMPORT"] == ["known"]


def test_what_was_imported_is_known_when_a_modality_sends_it_though_its_name_is_normalised_then(normalising: Desk) -> None:
    desk = normalising
    hand_over(desk, "1.2.1")
    finish(desk)
    desk.receive("1.2.1", name=NAME)
    finish(desk)
    assert stored(desk) == ["1.2.1"]
    assert desk.journal.counts() == {"FILED": 1, "DUPLICATE": 1}


def test_what_was_corrected_since_is_known_on_a_medium_as_it_came(desk: Desk) -> None:
    file = desk.receive("1.2.1", name=NAME)
    finish(desk)
    with desk.journal.transaction() as connection:
        statement = "INSERT INTO correction (name, new_values, tried_at, original_digest) VALUES (?, '[]', 0, ?)"
        connection.execute(statement, (file.name, file.digest))
        connection.execute("UPDATE instance SET digest='corrected'")
    hand_over(desk, "1.2.1")
    finish(desk)
    assert desk.journal.counts() == {"FILED": 1}


def test_an_imported_object_keeps_its_name_when_a_kill_left_it_in_the_spool(
    normalising: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = normalising
    hand_over(desk, "1.2.1")
    with monkeypatch.context() as patched:
        kill_before(patched, storing.Storing, "_take")
        with pytest.raises(Killed):
            desk.step()
    desk.restart()
    finish(desk)
    (filed,) = (desk.directory / "image1").rglob("*.DCM")
    assert dcmread(filed).PatientName == NAME


@pytest.mark.parametrize("place", [(os, "rename"), (storing.Storing, "_take")])
def test_what_an_object_was_is_known_wherever_a_kill_falls_while_its_name_is_normalised(
    place: tuple[object, str], normalising: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = normalising
    desk.receive("1.2.1", name=NAME)
    with monkeypatch.context() as patched:
        kill_before(patched, *place)
        with pytest.raises(Killed):
            desk.step()
    desk.restart()
    finish(desk)
    (filed,) = (desk.directory / "image1").rglob("*.DCM")
    assert dcmread(filed).PatientName == "DEMO^PATIENT"
    hand_over(desk, "1.2.1")
    finish(desk)
    assert desk.journal.counts() == {"FILED": 1}


def test_names_that_were_normalised_before_the_journal_failed_are_journaled_as_they_are_then(
    normalising: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = normalising
    for uid in ("1.2.1", "1.2.2"):
        desk.receive(uid, name=NAME)
    real, times = Normalising._normalise, list[int]()

    def fails_once(normalising: Normalising, files: Sequence[SpooledFile]) -> list[SpooledFile]:
        times.append(1)
        if len(times) == 2:
            raise JournalError("The journal does not work.")
        return real(normalising, files)

    monkeypatch.setattr("gateway_client.acquisition.normalising._AT_ONCE", 1)
    monkeypatch.setattr(Normalising, "_normalise", fails_once)
    with pytest.raises(JournalError):
        desk.step()
    finish(desk)
    filed = desk.journal.with_uid("1.2.1", (State.FILED,)) + desk.journal.with_uid("1.2.2", (State.FILED,))
    assert [digest_of(Path(one.placed)) for one in filed] == [one.digest for one in filed]
    assert len(filed) == 2
    hand_over(desk, "1.2.1", "1.2.2")
    finish(desk)
    assert desk.journal.counts() == {"FILED": 2}


def test_a_list_of_a_lot_says_where_each_object_came_from(desk: Desk) -> None:
    hand_over(desk, "1.2.1")
    (lot,) = (desk.configuration.imports / "ready").iterdir()
    (entry,) = json.loads((lot / "lot.json").read_bytes())
    assert (entry["old_path"], entry["origin"], entry["sop_instance_uid"]) == ("/cd/1.2.1", "N", "1.2.1")
