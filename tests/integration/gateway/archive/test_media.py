"""A study that leaves short-term storage: every query tells where it is, right after each move, and media are asked for."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from sqlalchemy import select, update

import console.routines  # noqa: F401  registers what is run here
from fileman.files import Image, NetworkLocation
from gateway_client.configuration import Peer
from rpcs.actions import ACTIONS, Act, Caller, perform
from runtime import SystemClock
from taskman.system import releases
from tests.integration.system.archive_site import RECALL, RELEASE, fill, mark
from tests.integration.system.conftest import Site
from tests.support.archive_site import ROOT, SUFFIXES, ArchiveSite, an_object
from tests.support.dicom import NO_DELAY, Storescp

COPY = "MAGB COPY LONG-TERM"
STUDY, SERIES = "1.2.3.77", "1.2.3.77.1"
JUKEBOX = 2
LABEL = "PLATTER-0001"
PATIENT = {"PatientID": "666-00-1100", "PatientName": "DEMO^PATIENT^ONE", "AccessionNumber": "021026-201"}


@pytest.fixture
def viewer(tmp_path: Path) -> Iterator[Storescp]:
    """Let a peer listen."""
    with Storescp(tmp_path / "received") as peer:
        yield peer


@pytest.fixture
def archive(tmp_path: Path, viewer: Storescp) -> Iterator[ArchiveSite]:
    """Run an archive that holds a study of three images, whose long-term location is a medium with a label."""
    peers = {"VIEWER": Peer("127.0.0.1", viewer.port)}
    tables = {role: {"recall_seconds": 0} for role in ("short_term", "long_term")}
    with ArchiveSite(tmp_path / "site", tables, {"peers": peers}) as site:
        medium = update(NetworkLocation).where(NetworkLocation.ien == JUKEBOX).values(label=LABEL, retrieve_seconds=45)
        site.store.transact(lambda connection: connection.execute(medium))
        site.keep(
            [
                an_object(SOPInstanceUID=f"{SERIES}.{number}", StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES, **PATIENT)
                for number in range(3)
            ]
        )
        yield site


@pytest.fixture
def tasks(archive: ArchiveSite) -> Site:
    """Give TaskMan's options, to be run by hand."""
    return Site(archive.store, SystemClock(), archive.directory)


def states(archive: ArchiveSite, level: str = "STUDY", role: str = "short_term") -> list[tuple[str, str, float]]:
    """Ask where the study is: its file-set, Image Location Status and Estimated Retrieve Time."""
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID, asked.StorageMediaFileSetID = level, STUDY, ""
    if level != "STUDY":
        asked.SeriesInstanceUID = SERIES
    if level == "IMAGE":
        asked.SOPInstanceUID = ""
    block = asked.private_block(0x0029, "SIEMENS MEDCOM HEADER", create=True)
    block.add_new(0x53, "CS", "")
    block.add_new(0x54, "DS", "")
    return [_told(match) for match in archive.find(level, asked, role=role).matches]


def _told(match: Dataset) -> tuple[str, str, float]:
    block = match.private_block(0x0029, "SIEMENS MEDCOM HEADER")
    return str(match.StorageMediaFileSetID), str(block[0x53].value), float(block[0x54].value)


def act(archive: ArchiveSite, name: str, **asked: str) -> Any:
    """Have the owner of the data directory do something."""
    request = {key.upper(): text for key, text in asked.items()}
    owner = Caller(0, "OWNER", owner=True)
    return archive.store.transact(
        lambda connection: perform(ACTIONS[f"MAGB ARCHIVE {name}"], Act(connection, owner, SystemClock(), request)).value
    )


def move(archive: ArchiveSite, role: str = "short_term") -> str:
    """Have the study moved to the viewer, with DCMTK; give what it said."""
    command = ["movescu", "-v", "-S", "-aet", "VIEWER", "-aem", "VIEWER", "-aec", ROOT + SUFFIXES[role]]
    command += ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={STUDY}", "127.0.0.1", str(archive.port(role))]
    run = subprocess.run(command, capture_output=True, text=True, env=NO_DELAY, timeout=60, check=False)
    return run.stdout + run.stderr


def test_each_query_after_a_move_tells_where_the_study_is_and_an_operator_is_asked_for_its_medium(
    archive: ArchiveSite, tasks: Site, viewer: Storescp, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark(tasks)
    fill(monkeypatch, 99_000_000)
    assert states(archive) == [("INSTORE", "ONLINE", 1.0)]
    tasks.run(COPY)
    assert states(archive) == [("INSTORE", "ONLINE", 1.0)], "a long-term copy changes nothing"
    assert "3 images released" in tasks.run(RELEASE).said
    for level, matches in (("STUDY", 1), ("SERIES", 1), ("IMAGE", 3)):
        assert states(archive, level) == [("NEAR-LINE", "NEARLINE", 46.0)] * matches
    assert states(archive, role="long_term") == [("NEAR-LINE", "NEARLINE", 46.0)]

    act(archive, "UNMOUNT", label=LABEL)
    for role in ("short_term", "long_term"):
        assert states(archive, role=role) == [("OFFLINE", "OFFLINE", -1.0)]
    assert act(archive, "REQUESTS")["requests"] == []
    assert "Success" not in move(archive).partition("Received Final Move Response")[2]
    assert viewer.received() == {}
    (request,) = act(archive, "REQUESTS")["requests"]
    assert (request["label"], request["asked_by"], request["images"]) == (LABEL, "VIEWER", 3)

    assert act(archive, "MOUNT", label=LABEL)["asked_for"] is True
    assert act(archive, "REQUESTS")["requests"] == []
    assert states(archive) == [("NEAR-LINE", "NEARLINE", 46.0)]
    tasks.run(RECALL)
    assert states(archive, "IMAGE") == [("INSTORE", "ONLINE", 1.0)] * 3
    assert "Received Final Move Response (Success)" in move(archive)
    assert sorted(viewer.received()) == [f"{SERIES}.{number}" for number in range(3)]


def test_a_study_of_which_some_images_are_near_line_is_near_line(
    archive: ArchiveSite, tasks: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark(tasks)
    fill(monkeypatch, 99_000_000)
    monkeypatch.setattr(releases, "MOST", 1)
    tasks.run(COPY)
    assert "1 images released" in tasks.run(RELEASE).said
    assert states(archive) == [("NEAR-LINE", "NEARLINE", 46.0)]
    assert sorted(states(archive, "IMAGE")) == [("INSTORE", "ONLINE", 1.0)] * 2 + [("NEAR-LINE", "NEARLINE", 46.0)]
    act(archive, "UNMOUNT", label=LABEL)
    assert states(archive) == [("OFFLINE", "OFFLINE", -1.0)]


@pytest.mark.parametrize(("flag", "copied"), [(0x51, True), (0x52, False)])
def test_a_header_keeps_its_image_on_line_or_out_of_long_term_storage_until_a_person_says_otherwise(
    archive: ArchiveSite, tasks: Site, monkeypatch: pytest.MonkeyPatch, flag: int, copied: bool
) -> None:
    flagged = an_object(SOPInstanceUID=f"{SERIES}.9", StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES, **PATIENT)
    flagged.private_block(0x0029, "SIEMENS MEDCOM HEADER", create=True).add_new(flag, "CS", "01")
    archive.keep([flagged])
    place = select(Image.location, Image.jukebox_location).where(Image.uid == flagged.SOPInstanceUID)
    mark(tasks)
    fill(monkeypatch, 99_000_000)
    tasks.run(COPY)
    tasks.run(RELEASE)
    assert tasks.all(place) == [(1, JUKEBOX if copied else None)]
    assert sorted(states(archive, "IMAGE")) == [("INSTORE", "ONLINE", 1.0)] + [("NEAR-LINE", "NEARLINE", 46.0)] * 3
    act(archive, "RULE", scope="STUDY", subject=STUDY, rule="RELEASE")
    tasks.run(COPY)
    tasks.run(RELEASE)
    assert tasks.all(place) == [(None, JUKEBOX)]
    assert states(archive, "IMAGE") == [("NEAR-LINE", "NEARLINE", 46.0)] * 4
