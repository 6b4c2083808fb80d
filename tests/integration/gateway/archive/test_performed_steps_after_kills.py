"""What a modality tells of its steps is there once, though the broker or the gateway is killed meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from console.processes import Child
from tests.support.performing import Modality, Told, begun, ended
from tests.support.services import DEMO_SITE, Services
from tests.support.waiting import until

DONE = Told(0x0000)
ACCESSION, UID = "021026-201", "2.25.9101"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with Services(tmp_path_factory.mktemp("kills") / "var", DEMO_SITE) as running:
        yield running


def killed_when(services: Services, child: Child, tell: Callable[[], Told], there: str) -> Told:
    """Kill a process as soon as the database has what is told; give what the modality heard, and start the process again."""
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(tell)
        until(lambda: services.rows(there) == [(1,)], "what was told is on disk")
        services.kill(child)
        heard = told.result(60)
    services.start(child)
    return heard


def test_a_step_is_kept_once_whatever_is_killed_when(services: Services) -> None:
    modality = Modality(services.dicom_port, "MAGBROKER")
    (scheduled,) = modality.worklist(ACCESSION)
    services.kill(services.broker)
    refused = modality.create(UID, begun(scheduled))
    assert refused == Told(0x0110, "The archive cannot be reached, ask again later")
    services.start(services.broker)
    of_step = f"FROM performed_step WHERE uid = '{UID}'"
    heard = killed_when(services, services.broker, lambda: modality.create(UID, begun(scheduled)), f"SELECT count(*) {of_step}")
    assert heard.status in (0x0000, 0x0110)
    assert modality.create(UID, begun(scheduled)) == DONE
    completed = f"SELECT count(*) {of_step} AND status = 'COMPLETED'"
    killed_when(services, services.gateway, lambda: modality.change(UID, ended("COMPLETED")), completed)
    assert modality.change(UID, ended("COMPLETED")) == DONE
    assert services.rows(f"SELECT status {of_step}") == [("COMPLETED",)]
    assert services.rows("SELECT step, instances FROM performed_series") == [(UID, 2)]
    assert services.rows("SELECT step, accession FROM performed_order") == [(UID, ACCESSION)]
    assert services.rows(f"SELECT status FROM scheduled_step WHERE accession = '{ACCESSION}'") == [("COMPLETED",)]
    assert services.rows(f"SELECT status FROM exam WHERE accession = '{ACCESSION}'") == [("EXAMINED",)]
    story = f"SELECT outcome FROM image_event WHERE uid = '{UID}' ORDER BY ien"
    assert services.rows(story) == [("IN PROGRESS",), ("COMPLETED",)], "each is told once"
    assert modality.worklist(ACCESSION) == []
