"""Objects are grouped by what they say, the association that they came over, and when they came."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway_client.acquisition.folders import Folder, Folders, Grouping
from gateway_client.journal import Journal
from gateway_client.objects.header import HeaderItem, InstanceHeader
from gateway_client.objects.part10 import FileMeta
from gateway_client.reception.spool import SpooledFile
from tests.unit.gateway_client.fakes import CT, EXPLICIT

A, B = Folder(7, "a", 100.0), Folder(8, "b", 110.0)


@pytest.mark.parametrize(
    ("merge", "folders", "association", "at", "chosen"),
    [
        (0.0, [], "a", 100.0, None),
        (0.0, [A], "a", 9999.0, A),  # one association, however long it lasts
        (0.0, [A], "b", 100.0, None),  # the default: each association has folders of its own
        (30.0, [A], "b", 129.9, A),
        (30.0, [A], "b", 130.0, None),
        (30.0, [B, A], "c", 131.0, B),  # the one that came last
        (0.0, [B, A], "a", 120.0, A),  # two that send side by side stay apart
        (30.0, [B, A], "a", 120.0, A),
        (0.0, [Folder(9, "", 100.0)], "", 100.0, None),  # not known after a kill
        (30.0, [Folder(9, "", 100.0)], "", 105.0, Folder(9, "", 100.0)),
        (30.0, [A], "b", 95.0, A),  # received before, journaled after
    ],
)
def test_an_object_belongs_to_one_folder(
    merge: float, folders: list[Folder], association: str, at: float, chosen: Folder | None
) -> None:
    assert Grouping(merge_seconds=merge).choose(folders, association, at) == chosen


@pytest.mark.parametrize(("by_step", "key"), [(False, ("1.2", "")), (True, ("1.2", "PPS1"))])
def test_a_procedure_step_parts_a_study_where_that_is_asked_for(by_step: bool, key: tuple[str, str]) -> None:
    header = InstanceHeader(study_uid="1.2", items=(HeaderItem("0040,0253", "SH", 1, "PPS1"),))
    assert Grouping(by_step).key(header) == key
    assert Grouping(by_step).key(InstanceHeader(study_uid="1.2")) == ("1.2", "")


def test_numbers_are_kept_with_the_objects_and_never_given_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    folders = Folders(journal, Grouping(merge_seconds=10.0))
    journal.add([SpooledFile(name, FileMeta(CT, f"1.{name}", EXPLICIT), 1, name, 1.0) for name in "stuvwx"])
    study, other = InstanceHeader(study_uid="1.2"), InstanceHeader(study_uid="1.3")
    given = [
        folders.assign("s", study, "a", 100.0),
        folders.assign("t", other, "a", 101.0),
        folders.assign("u", study, "b", 109.0),  # within the time of the first
        folders.assign("v", study, "c", 118.0),  # and of the one before
        folders.assign("w", study, "c", 300.0),
        folders.assign("x", study, "d", 400.0),
    ]
    assert given == [1, 2, 1, 1, 1, 3]
    assert folders.assign("s", study, "z", 999.0) == 1, "an object keeps its folder"
    journal.purge(500.0)
    journal.add([SpooledFile("y", FileMeta(CT, "1.y", EXPLICIT), 1, "y", 1.0)])
    assert folders.assign("y", study, "a", 501.0) == 4
    journal.close()
