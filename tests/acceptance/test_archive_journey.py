"""A study's whole way through an archive by AE titles alone, whose processes are killed and started again between the steps."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pydicom import dcmread

from runtime import free_port
from tests.support.archive_services import ArchiveServices
from tests.support.commitment import Modality
from tests.support.dicom import Storescp, data_set_bytes, make_slices
from tests.support.waiting import until

COUNT = 40
CREATOR = "0029,0010=SIEMENS MEDCOM HEADER"


def check_journey(tmp_path: Path, database: str = "") -> None:
    """Send a study through an archive, and kill its processes on the way."""
    slices = make_slices(tmp_path / "slices", COUNT)
    one = dcmread(next(iter(slices.values())), stop_before_pixels=True)
    study = f"StudyInstanceUID={one.StudyInstanceUID}"
    asked = ("QueryRetrieveLevel=STUDY", study, "StorageMediaFileSetID", "NumberOfStudyRelatedInstances", "RetrieveAETitle")
    references = [(str(one.SOPClassUID), uid) for uid in slices]
    viewer = Storescp(tmp_path / "received")
    archive = ArchiveServices(tmp_path / "archive", viewer.port, free_port(), database)

    def states(role: str) -> list[tuple[str, int]]:
        found = archive.find(role, *asked)
        return [(it.StorageMediaFileSetID, it.NumberOfStudyRelatedInstances) for it in found]

    with archive, viewer:
        archive.store(*slices.values())
        until(lambda: states("short_term") == [("INSTORE", COUNT)], "the study is in store")

        with Modality("MODALITY1", port=archive.modality_port) as modality:
            with modality.association(archive.ports["commitment"], archive.titles["commitment"]) as association:
                status, transaction = modality.ask(association, references)
            assert status == 0x0000
            archive.kill()
            told = modality.hears()
        assert (told.event_type, told.transaction, told.failed) == (1, transaction, [])
        assert Counter(told.committed) == Counter(references)
        assert told.retrieve_ae_title == archive.titles["short_term"]

        archive.run("MAGB COPY LONG-TERM")
        until(lambda: any(archive.long_term.rglob("*.DCM")), "copies are made")
        archive.kill(archive.taskman)
        archive.run("MAGB COPY LONG-TERM")
        until(lambda: len(list(archive.long_term.rglob("*.DCM"))) == COUNT, "every image has a long-term copy", seconds=120)

        archive.run("MAGB RELEASE SHORT-TERM")
        until(lambda: len(list(archive.short_term.rglob("*.DCM"))) < COUNT, "images are released")
        archive.kill(archive.taskman)
        archive.run("MAGB RELEASE SHORT-TERM")
        until(lambda: not any(archive.short_term.rglob("*.DCM")), "the study is purged from short-term storage", seconds=120)
        archive.restart()

        for role in ("short_term", "long_term"):
            assert states(role) == [("NEAR-LINE", COUNT)]
        (match,) = archive.find("long_term", *asked, CREATOR, "0029,1053", "0029,1054")
        assert match[0x0029, 0x1053].value == "NEARLINE"
        assert float(match[0x0029, 0x1054].value) >= 30
        assert viewer.received() == {}

        said = archive.move("long_term", "VIEWER", "QueryRetrieveLevel=STUDY", study)
        until(lambda: len(viewer.received()) == COUNT, f"the study is at its peer; movescu said {said[-2000:]}", seconds=120)
        assert "Received Final Move Response (Success)" in said
        received = viewer.received()
        assert states("short_term") == [("INSTORE", COUNT)]
        archive.kill()
        assert states("long_term") == [("INSTORE", COUNT)]
        faults = archive.told("archive", "list")["faults"]
    assert faults == []
    assert {uid: [data_set_bytes(path) for path in copies] for uid, copies in received.items()} == {
        uid: [data_set_bytes(path)] for uid, path in slices.items()
    }


def test_a_study_is_received_committed_archived_released_found_near_line_and_moved(tmp_path: Path) -> None:
    check_journey(tmp_path)
