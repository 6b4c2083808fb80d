"""Studies on file at a broker go onto a medium: by their UIDs, and by what a query finds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import console.routines  # noqa: F401  registers the task that carries a query out
from fileman import Store
from gateway_client import Gateway
from gateway_client.objects.part10 import digest_of
from runtime import SystemClock
from taskman import Engine
from tests.integration.gateway.conftest import wait_for
from tests.integration.media.test_file_sets import complaints, digests
from tests.integration.media.test_import import states
from tests.support.broker import RunningBroker
from tests.support.dicom import make_slices, storescu
from tests.support.services import magbroker

MakeGateway = Callable[..., Gateway]


@pytest.fixture
def running(tmp_path: Path, demo_broker: RunningBroker) -> Iterator[RunningBroker]:
    """Run the demo's broker with a TaskMan that carries queries out."""
    store: Store = demo_broker.store
    engine = Engine(store, SystemClock(), tmp_path)
    engine.launch()
    broker = RunningBroker(store, demo_broker.key, engine=engine)
    yield broker
    broker.stop()
    engine.shutdown()


def exported(broker: RunningBroker, directory: Path, *arguments: str) -> tuple[int, dict[str, object] | str]:
    """Export with the command to the medium `cd`; its status, and what it says as JSON, or what is wrong."""
    codes = ("--access", "DEMOGW1", "--verify", "1GWY!@#$", "--broker", f"127.0.0.1:{broker.port}")
    run = magbroker("dicomdir", "export", str(directory / "cd"), *arguments, *codes, "--data", str(directory), "--json")
    return run.returncode, json.loads(run.stdout) if run.stdout else run.stderr


def test_a_study_on_file_is_put_on_a_medium_by_its_uid_and_by_queries(
    tmp_path: Path, running: RunningBroker, make_gateway: MakeGateway
) -> None:
    slices = make_slices(tmp_path / "slices", 3)
    gateway = make_gateway(running.port)
    storescu(gateway.port, tmp_path / "slices")
    wait_for(lambda: list(states(tmp_path).values()) == ["FILED"] * 3)
    status, said = exported(running, tmp_path, "--accession", "021026-201")
    assert (status, isinstance(said, dict) and said["added"]) == (0, 3), said
    assert digests(tmp_path / "cd") == {uid: digest_of(path) for uid, path in slices.items()}
    assert complaints(tmp_path / "cd") == []
    assert (tmp_path / "cd" / "INDEX.HTM").exists()
    study = json.loads(magbroker("dicomdir", "list", str(tmp_path / "cd"), "--json").stdout)[0]["below"][0]["StudyInstanceUID"]
    status, said = exported(running, tmp_path, "--study", study, "--patient-id", "666-00-1100", "--date", "20260210")
    assert (status, isinstance(said, dict) and said["known"]) == (0, 3), said
    next(path for path in (tmp_path / "image1").rglob("*.DCM")).unlink()
    status, said = exported(running, tmp_path, "--study", study)
    assert (status, isinstance(said, dict) and said["known"]) == (1, 2), said
    assert "not on this machine" in str(said)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--study", "1.2.3.4"), "no images of study"),
        (("--accession", "999999-999"), "No matches"),
        ((), "Say which studies"),
        (("--study", "1.2.3.4", "--context", "MAG DICOM VISA"), "context"),
    ],
)
def test_what_cannot_be_exported_is_said_and_no_medium_is_made(
    arguments: tuple[str, ...], words: str, tmp_path: Path, running: RunningBroker
) -> None:
    status, said = exported(running, tmp_path, *arguments)
    assert status != 0
    assert words in str(said).replace("\n", " ")
    assert not (tmp_path / "cd").exists()
