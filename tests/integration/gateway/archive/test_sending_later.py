"""What a C-MOVE cannot send is sent by the transmitter, once, though the gateway is killed in between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime import free_port
from tests.support.dcmtk_retrieval import movescu
from tests.support.dicom import Storescp, data_set_bytes, make_slices, storescu
from tests.support.services import Services, demo_site
from tests.support.waiting import until

COUNT = 4
#: The destination's AE title, as the demo site has it.
AE_TITLE = "DCMTK"
STATES = "SELECT status, count(*) FROM dicom_export_image GROUP BY status"


@pytest.fixture
def sink(tmp_path: Path) -> Storescp:
    return Storescp(tmp_path / "sink", free_port())


@pytest.fixture
def running(tmp_path: Path, sink: Storescp) -> Iterator[Services]:
    """Run broker and gateway, whose destination is down."""
    environment = {"MAGBROKER_GATEWAY__DESTINATION": json.dumps({"*": {"retry_minutes": 0.01, "retries": 1000}})}
    site = demo_site(tmp_path / "site.toml", (AE_TITLE, sink.port))
    with Services(tmp_path / "var", site, None, environment) as services:
        yield services


def test_a_study_for_a_destination_that_is_down_arrives_once_after_a_kill(
    running: Services, sink: Storescp, tmp_path: Path
) -> None:
    slices = make_slices(tmp_path / "slices", COUNT)
    storescu(running.dicom_port, *slices.values())
    until(lambda: running.rows("SELECT count(*) FROM archive_instance") == [(COUNT,)], "the slices are archived")
    ((study,),) = running.rows("SELECT study_uid FROM archive_study")
    keys = ["QueryRetrieveLevel=STUDY", f"StudyInstanceUID={study}"]
    moved = movescu(("MAGBROKER", running.dicom_port), keys, AE_TITLE)
    running.kill(running.gateway)
    assert (moved.status, moved.completed, moved.failed) == (0xB000, 0, COUNT)
    assert f"{COUNT} will be sent later" in moved.said
    assert all(uid in moved.said for uid in slices), "the failed ones are named"
    assert sum(count for _state, count in running.rows(STATES)) == COUNT
    with sink:
        running.start(running.gateway)
        until(lambda: running.rows(STATES) == [("SUCCESS", COUNT)], "all is sent")
        arrived = sink.received()
    assert {uid: [data_set_bytes(it) for it in paths] for uid, paths in arrived.items()} == {
        uid: [data_set_bytes(path)] for uid, path in slices.items()
    }
