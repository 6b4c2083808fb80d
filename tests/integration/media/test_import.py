"""Import from media: what a gateway does with it at a real broker, whoever wrote the medium, and whatever is cut off."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pydicom.data
from pydicom import dcmread
from sqlalchemy import select

from fileman.files import DicomFailedImage, Image, ImportableObject
from gateway_client import Gateway
from gateway_client.objects.part10 import digest_of
from tests.integration.gateway.conftest import wait_for
from tests.integration.media.test_file_sets import SAMPLES, dcmmkdir, make
from tests.support.broker import RunningBroker
from tests.support.dicom import make_slices
from tests.support.services import magbroker

MakeGateway = Callable[..., Gateway]


def imported(directory: Path, *arguments: str) -> dict[str, object]:
    """Import with the command, for the gateway that lies in a data directory; what it says as JSON."""
    run = magbroker("dicomdir", "import", *arguments, "--data", str(directory), "--json")
    assert run.stdout, run.stderr
    return {"status": run.returncode, **json.loads(run.stdout)}


def states(directory: Path) -> dict[str, str]:
    """Read the states of the gateway's objects from its journal."""
    connection = sqlite3.connect(directory / "gateway" / "journal.db")
    rows = connection.execute("SELECT sop_instance_uid, state FROM instance").fetchall()
    connection.close()
    return dict(rows)


def test_what_fits_an_exam_is_filed_and_what_does_not_goes_to_import_reconciliation(
    tmp_path: Path, demo_broker: RunningBroker, make_gateway: MakeGateway
) -> None:
    slices = make_slices(tmp_path / "slices", 3)
    make(tmp_path / "cd", tmp_path / "slices", SAMPLES / "MR_small.dcm")
    assert imported(tmp_path, str(tmp_path / "cd"))["handed_over"] == 4  # before the gateway's first start
    make_gateway(demo_broker.port)
    wait_for(lambda: list(states(tmp_path).values()).count("FILED") == 3 and "CORRECT" in states(tmp_path).values())
    filed = demo_broker.store.read(lambda connection: connection.execute(select(Image.uid).where(Image.uid.in_(slices))).all())
    assert {row.uid for row in filed} == set(slices)
    (waiting,) = demo_broker.store.read(lambda connection: connection.execute(select(*ImportableObject.__table__.columns)).all())
    assert waiting.image_uid == str(dcmread(SAMPLES / "MR_small.dcm").SOPInstanceUID)
    assert digest_of(Path(waiting.file_path)) == digest_of(SAMPLES / "MR_small.dcm")
    assert demo_broker.store.read(lambda connection: connection.execute(select(DicomFailedImage.ien)).all()) == []


def test_a_medium_of_dcmtk_is_imported_while_the_gateway_runs_and_again_without_effect(
    tmp_path: Path, demo_broker: RunningBroker, make_gateway: MakeGateway
) -> None:
    root = tmp_path / "cd"
    root.mkdir()
    for number, path in enumerate(make_slices(tmp_path / "slices", 3).values()):
        shutil.copy(path, root / f"CT{number}")
    dcmmkdir(root, "CT0", "CT1", "CT2")
    (root / "CT2").unlink()
    make_gateway(demo_broker.port)
    said = imported(tmp_path, str(root))
    assert (said["status"], said["handed_over"], said["gateway_running"]) == (1, 2, True)
    assert "CT2" in str(said["missing"])
    wait_for(lambda: list(states(tmp_path).values()) == ["FILED"] * 2)
    assert imported(tmp_path, str(root / "DICOMDIR"))["handed_over"] == 2
    wait_for(lambda: not os.listdir(tmp_path / "gateway" / "import" / "ready"))
    assert list(states(tmp_path).values()) == ["FILED"] * 2


def test_folders_without_a_directory_and_damaged_media_are_imported_file_by_file(tmp_path: Path) -> None:
    make(tmp_path / "cd", SAMPLES / "CT_small.dcm", SAMPLES / "MR_small.dcm")
    (tmp_path / "cd" / "DICOMDIR").write_bytes(b"worn")
    refused = magbroker("dicomdir", "import", str(tmp_path / "cd"), "--data", str(tmp_path))
    assert (refused.returncode, "cannot be read as a DICOMDIR" in refused.stderr) == (1, True)
    assert imported(tmp_path, str(tmp_path / "cd"), "--all")["handed_over"] == 2
    (tmp_path / "cd" / "DICOMDIR").unlink()
    assert imported(tmp_path, str(tmp_path / "cd"))["handed_over"] == 2


def test_an_import_that_is_killed_has_handed_over_whole_lots_only_and_goes_on_when_it_is_run_again(tmp_path: Path) -> None:
    slices = make_slices(tmp_path / "slices", 600)
    ready = tmp_path / "gateway" / "import" / "ready"
    command = [sys.executable, "-m", "console.cli.main", "dicomdir", "import", str(tmp_path / "slices"), "--data", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: ready.is_dir() and os.listdir(ready), 60)
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    whole = [json.loads((lot / "lot.json").read_bytes()) for lot in sorted(ready.iterdir())]
    assert [len(entries) for entries in whole][:1] == [256]
    assert magbroker("dicomdir", "import", str(tmp_path / "slices"), "--data", str(tmp_path)).returncode == 0
    assert not os.listdir(tmp_path / "gateway" / "import" / "new")
    entries = [(lot, entry) for lot in sorted(ready.iterdir()) for entry in json.loads((lot / "lot.json").read_bytes())]
    assert {entry["sop_instance_uid"] for _, entry in entries} == set(slices)
    assert all(digest_of(lot / entry["name"]) == entry["digest"] for lot, entry in entries)


def test_an_import_stops_where_the_spool_would_get_too_full(tmp_path: Path) -> None:
    settings = tmp_path / "magbroker.toml"
    settings.write_text(f"[gateway]\nfree_space_floor_bytes = {1 << 60}\n", encoding="utf-8")
    sample = str(Path(pydicom.data.__file__).parent / "test_files" / "CT_small.dcm")
    run = magbroker("dicomdir", "import", sample, "--data", str(tmp_path), "--config", str(settings))
    assert (run.returncode, "make room" in run.stderr) == (1, True)
    assert not os.listdir(tmp_path / "gateway" / "import" / "new")
