"""Imports: what was handed over is filed once with the importer's flag, whatever is cut off in between."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway_client import LotError, LotWriter
from gateway_client.acquisition import imported, lots, storing
from gateway_client.objects.part10 import FileMeta, encode_head
from gateway_client.reception.spool import Spool
from tests.unit.gateway_client.fakes import CT, EXPLICIT, Desk, data_set


def put(desk: Desk, lot: LotWriter, uid: str, *, accession: str = "021026-201") -> None:
    """Put an object into a lot."""
    data = data_set(uid, accession)
    lot.path().write_bytes(encode_head(FileMeta(CT, uid, EXPLICIT)) + data)
    lot.add(uid, hashlib.sha256(data).hexdigest(), f"/cd/{uid}", "N")


def hand_over(desk: Desk, *uids: str) -> None:
    """Hand a lot of objects to the gateway."""
    with LotWriter(desk.configuration.imports, desk.clock) as lot:
        for uid in uids:
            put(desk, lot, uid)
        lot.hand_over()


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
    "before the lot is removed": (storing, "remove_lot", 1),
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
def test_a_lot_that_cannot_be_read_is_put_aside_and_holds_nothing_up(how: str, desk: Desk) -> None:
    hand_over(desk, "1.2.1")
    (spoiled,) = (desk.configuration.imports / "ready").iterdir()
    SPOILED[how](spoiled / "lot.json")
    desk.clock.advance(1)
    hand_over(desk, "1.2.2")
    with pytest.raises(LotError, match="put aside"):
        desk.step()
    finish(desk)
    assert stored(desk) == ["1.2.2"]
    assert (desk.configuration.imports / "held" / spoiled.name / "lot.json").exists()


def test_a_list_of_a_lot_says_where_each_object_came_from(desk: Desk) -> None:
    hand_over(desk, "1.2.1")
    (lot,) = (desk.configuration.imports / "ready").iterdir()
    (entry,) = json.loads((lot / "lot.json").read_bytes())
    assert (entry["old_path"], entry["origin"], entry["sop_instance_uid"]) == ("/cd/1.2.1", "N", "1.2.1")
