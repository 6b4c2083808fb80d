"""Acquisition in the face of trouble: what DCMTK sends is filed in the end, and what cannot be keeps nothing else waiting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid
from sqlalchemy import func, select

from fileman import Fault, Store, clear_faults, set_fault
from fileman.files import Image, ImageAudit
from gateway_client import Gateway
from gateway_client.acquisition import storing, taking_back
from tests.integration.gateway.conftest import storescu, wait_for
from tests.integration.gateway.test_with_a_broker import ACCESSION, make_file
from tests.support.broker import RunningBroker

MakeGateway = Callable[..., Gateway]


def make_study(directory: Path, count: int, accession: str = ACCESSION) -> list[Path]:
    """Make the files of one study."""
    study, paths = generate_uid(), []
    for _ in range(count):
        path = make_file(directory, accession=accession)
        dataset = dcmread(path)
        dataset.StudyInstanceUID = study
        dataset.save_as(path)
        paths.append(path)
    return paths


def uid_of(path: Path) -> str:
    return str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)


def filed(store: Store, *paths: Path) -> int:
    """Count the images on file of some objects."""
    wanted = select(func.count()).where(Image.uid.in_([uid_of(path) for path in paths]))
    return int(store.transact(lambda connection: connection.execute(wanted).scalar_one()))


def test_a_locked_exam_holds_up_its_own_study_only(
    demo_broker: RunningBroker, make_gateway: MakeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "LOCK_PAUSE", 0.3)
    store = demo_broker.store
    store.transact(lambda connection: set_fault(connection, Fault.parse("locked-exam", {"accession": ACCESSION})))
    gateway = make_gateway(demo_broker.port)
    locked, other = make_study(tmp_path, 40), make_study(tmp_path, 3, "021126-202")
    assert storescu(gateway.port, *locked).returncode == 0
    assert storescu(gateway.port, *other).returncode == 0
    wait_for(lambda: gateway.status().get("spool_waiting") == 40 and gateway.status().get("studies_waiting") == 1)
    wait_for(lambda: sum(int(str(gateway.status().get(f"spool_{state}", 0))) for state in ("filed", "correct")) == 3)
    assert filed(store, *locked) == 0
    store.transact(lambda connection: clear_faults(connection, "locked-exam"))
    wait_for(lambda: filed(store, *locked) == 40 and not gateway.status().get("spool_waiting"))


def test_a_study_is_filed_when_its_sender_has_been_quiet(
    demo_broker: RunningBroker, make_gateway: MakeGateway, tmp_path: Path
) -> None:
    gateway = make_gateway(demo_broker.port, study_quiet_seconds=6.0)
    study = make_study(tmp_path, 3)
    for path in study:
        assert storescu(gateway.port, path).returncode == 0
    wait_for(lambda: gateway.status().get("spool_waiting") == 3)
    wait_for(lambda: filed(demo_broker.store, *study) == 3)


def test_an_image_whose_location_is_gone_is_taken_back_and_filed_when_it_is_there_again(
    demo_broker: RunningBroker, make_gateway: MakeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking_back, "ANEW_PAUSE", 0.5)
    store, (path,) = demo_broker.store, make_study(tmp_path, 1)
    location = tmp_path / "image1"
    location.write_text("a share that is not mounted")
    gateway = make_gateway(demo_broker.port, placement_tries=1)
    assert storescu(gateway.port, path).returncode == 0
    deleted = select(func.count()).where(ImageAudit.uid == uid_of(path))
    wait_for(lambda: store.transact(lambda connection: connection.execute(deleted).scalar_one()) == 1)
    location.unlink()
    gateway.stop()
    again = make_gateway(demo_broker.port)
    wait_for(lambda: again.status().get("spool_filed") == 1)
    assert filed(store, path) == 1
    (file,) = location.rglob("*.DCM")
    assert dcmread(file).PixelData == dcmread(path).PixelData
