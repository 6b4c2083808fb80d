"""`magbroker queue`: the owner of a database holds, releases and lists what is to be sent."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from fileman import Store
from rules.evaluator.queueing import Object, Origin, Study, queue_objects
from tests.support.services import DEMO_SITE, magbroker


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give a data directory with one image waiting for the reading room."""
    assert magbroker("site", "load", str(DEMO_SITE), "--data", str(tmp_path)).returncode == 0
    store = Store(f"sqlite:///{tmp_path / 'magbroker.db'}")
    origin = Origin(660, "3261121.12", datetime.fromisoformat("2026-11-21T12:00").timestamp())
    one = Object(2, Study("READING ROOM", 1, "1.2.3", 500), "021026-201")
    store.transact(lambda connection: queue_objects(connection, [one], origin))
    store.close()
    return tmp_path


def test_a_destination_is_held_shown_and_released(data: Path) -> None:
    def queue(*arguments: str) -> str:
        run = magbroker("queue", *arguments, "--data", str(data))
        assert run.returncode == 0, run.stderr
        return run.stdout

    assert queue("hold", "--destination", "READING ROOM") == "1 entry held\n"
    listed = queue("list", "--status", "HOLD")
    assert "READING ROOM is held since" in listed
    assert "1^1" in listed
    assert "READING ROOM" in magbroker("status", "--data", str(data)).stdout
    state = json.loads(magbroker("status", "--json", "--data", str(data)).stdout)
    assert (state["held"], state["exports"]) == (["READING ROOM"], {"HOLD": 1})
    assert json.loads(queue("release", "--destination", "READING ROOM", "--json")) == {"entries": 1}
    assert queue("hold", "1^1", "7^7") == "1 entry held\n"
    assert queue("release", "1^1", "--failed") == "1 entry released\n"
    assert queue("list") == "no entry has status FAIL\n"


def test_what_is_meant_has_to_be_said(data: Path) -> None:
    run = magbroker("queue", "hold", "--data", str(data))
    assert (run.returncode, "Traceback" in run.stderr) == (2, False)
    assert "Either DESTINATION or ENTRIES" in run.stderr
