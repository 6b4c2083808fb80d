"""What routing's procedures leave in the database, written as VistA's nodes, is what they left there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from fileman import SiteKey, Store
from tests.oracle import queue_nodes, replay
from tests.oracle.records import read_records
from tests.oracle.state_hook import CHANGES
from tests.oracle.test_replay import PACE, options_for
from tests.support.broker import RunningBroker

DUMP = "(global dump)"
#: How a recorded node begins that is compared, and what writes ours.
WRITERS: dict[str, Callable[[Connection], Iterable[str]]] = {
    r"\^MAGQUEUE\(2006\.035,": queue_nodes.send_queue,
    r"\^MAG\(2005\.2,(1[0-8]|99),[03]\)": queue_nodes.network_locations,
    r'\^MAG\(2005,(\d+,4,\d+,0\)|"ROUTE")': queue_nodes.routed_copies,
    r"\^MAGDOUTP\(2006\.574,": queue_nodes.dicom_export,
}
#: Of d3 what routing answers, and what leads to it.
OURS = re.compile(
    r"MAG DICOM (ROUTE .*|NETWORK STATUS|QUEUE .*|GET NEXT QUEUE ENTRY|IMAGE PROCESSING)|XUS .*|XWB .*|\(command\) .*"
)


class Comparing:
    """Brings about changes of state, and compares a dump where one was recorded."""

    def __init__(self, store: Store, key: SiteKey) -> None:
        self.store, self.key = store, key
        self.nodes = 0

    def hook(self, _hook: str | None, _path: Path, record: dict[str, Any]) -> bool:
        if record["state_change"] == DUMP:
            self._compare(record)
        else:
            self.store.transact(lambda connection: CHANGES[record["state_change"].strip()](connection, self.key))
        return True

    def _compare(self, record: dict[str, Any]) -> None:
        for begin, write in WRITERS.items():
            recorded = queue_nodes.without_moments(node for node in record["globals"] if re.match(begin, node))
            if not recorded:
                continue
            ours = self.store.read(lambda connection, write=write: list(write(connection)))
            if write is queue_nodes.network_locations:  # a dump tells of some locations only
                named = {node.split("=")[0] for node in recorded}
                ours = [node for node in ours if node.split("=")[0] in named]
            assert queue_nodes.without_moments(ours) == recorded, record["id"]
            self.nodes += len(recorded)


def dumps_as_changes(records: Iterable[dict[str, Any]], path: Path) -> Path:
    """Write records with dumps as changes of state, so that they are come to in their turn."""
    lines = [{**record, "state_change": DUMP} if record.get("rpc") == DUMP else record for record in records]
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def scenario(oracle_store: Store, site_key: SiteKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replay records; give the counts and how many nodes were compared."""

    def play(records: Iterable[dict[str, Any]]) -> tuple[dict[str, int], int]:
        comparing = Comparing(oracle_store, site_key)
        monkeypatch.setattr(replay, "run_hook", comparing.hook)
        broker = RunningBroker(oracle_store, site_key, pace=PACE)
        try:
            counts = replay.replay(dumps_as_changes(records, tmp_path / "records.jsonl"), options_for(broker.port, None))
        finally:
            broker.stop()
        return counts, comparing.nodes

    return play


def test_the_send_queue_and_its_destinations_are_left_as_recorded(scenario: Any) -> None:
    counts, nodes = scenario(read_records("d2_route_queue"))
    assert counts["different"] == 0
    assert nodes > 250


def test_copies_the_export_queue_and_the_state_of_locations_are_as_recorded(scenario: Any) -> None:
    records = [
        record
        for record in read_records("d3_misc_rpcs")
        if record.get("state_change", "").strip() in CHANGES or OURS.fullmatch(record.get("rpc", "")) or record.get("rpc") == DUMP
    ]
    counts, nodes = scenario(records)
    assert counts["different"] == 0
    assert counts["equal"] > 40
    assert nodes == 29
