"""What the recorded VistA answered, this broker answers, on both engines."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fileman import SiteKey, Store, to_fileman
from tests.oracle import changes, replay
from tests.oracle.nodes import differences
from tests.oracle.recorded_day import RecordedDay
from tests.oracle.records import HERE, read_records
from tests.oracle.state_hook import CHANGES
from tests.support.broker import RunningBroker

#: Themes that agree whole, with the least number of records that must be equal.
WHOLE = {
    "a1_connect_signon": 27,
    "a2_av_code": 165,
    "a3_context": 58,
    "a4_rpc_errors": 53,
    "a5_protocol": 251,
    "a6_return_types": 20,
    "a7_idle_timeout": 27,
    "a8_m2m": 40,
    "b1_store": 20,
    "b2_duplicates": 14,
    "b3_association_errors": 30,
    "b4_names": 50,
    "b5_opcodes": 34,
    "b6_store_failures": 19,
    "b7_multiframe": 9,
    "b8_patient_safety_rollback": 23,
    "b9_correct": 23,
    "d2_route_queue": 64,
    "d3_misc_rpcs": 86,
}
#: What the dumps of stored nodes are called, and how many there are.
DUMP = "(global dump)"
DUMPS = 36
#: Long themes in which no answer depends on the database: one engine is enough for them.
WIRE_ONLY = ("a5_protocol", "a8_m2m")
ENGINES = [
    (engine, theme) for theme in WHOLE for engine in ("sqlite", "postgresql") if engine == "sqlite" or theme not in WIRE_ONLY
]
#: VistA's pauses of two seconds pass in a quarter of one.
PACE = 8.0


class HookedBroker:
    """A broker whose changes of state are made straight in its store."""

    def __init__(self, broker: RunningBroker, key: SiteKey) -> None:
        self.broker = broker
        self.key = key
        self.began = self._day()
        self.dumps = 0

    def _day(self) -> str:
        return to_fileman(self.broker.clock.now().date())

    def hook(self, _hook: str | None, _path: Path, record: dict[str, str]) -> bool:
        """Make one change."""
        change = CHANGES.get(record["state_change"].strip())
        if change is None:
            return False
        self.broker.store.transact(lambda connection: change(connection, self.key))
        return True

    def dump_differences(self, _path: Path, record: dict[str, Any]) -> list[str]:
        """Compare a dump of stored nodes with what this broker stored."""
        if record.get("rpc") != DUMP:
            return []
        self.dumps += 1
        days = {self.began, self._day()}
        return self.broker.store.read(lambda connection: differences(connection, record, days, self.key))


@pytest.fixture
def hooked(oracle_store: Store, site_key: SiteKey, monkeypatch: pytest.MonkeyPatch) -> Iterator[HookedBroker]:
    clock = RecordedDay()
    broker = RunningBroker(oracle_store, site_key, pace=PACE, clock=clock)
    monkeypatch.setattr(changes, "CLOCK", clock)
    hooked = HookedBroker(broker, site_key)
    monkeypatch.setattr(replay, "run_hook", hooked.hook)
    monkeypatch.setattr(replay, "dump_differences", hooked.dump_differences)
    yield hooked
    broker.stop()


def options_for(port: int, stage: int | None) -> argparse.Namespace:
    """Give the options of a replay whose changes of state are made in this process."""
    return argparse.Namespace(host="127.0.0.1", port=port, state_hook="in process", stage=stage, ids=True, show=5)


def run(hooked: HookedBroker, theme: str) -> dict[str, int]:
    return replay.replay(HERE / f"{theme}.jsonl", options_for(hooked.broker.port, None))


def dumps_of(theme: str) -> int:
    return sum(record.get("rpc") == DUMP for record in read_records(theme))


@pytest.mark.parametrize(("database_url", "theme"), ENGINES, indirect=["database_url"])
def test_what_stands_already_answers_and_stores_as_recorded(hooked: HookedBroker, theme: str) -> None:
    counts = run(hooked, theme)
    assert counts["different"] == counts["skipped"] == 0
    assert counts["equal"] >= WHOLE[theme]
    assert hooked.dumps == dumps_of(theme)


def test_the_dumps_are_there_to_be_compared() -> None:
    assert sum(map(dumps_of, WHOLE)) == DUMPS


def test_a_node_that_is_missing_or_too_many_is_a_difference(oracle_store: Store) -> None:
    nodes = ['^MAG(2006.04,0)="ACQUISITION DEVICE^2006.04^1^1"']
    record = {"id": "made up", "globals": nodes}
    found = oracle_store.read(lambda connection: differences(connection, record, set()))
    assert found == [f"- {nodes[0]}", '+ ^MAG(2006.04,0)="ACQUISITION DEVICE^2006.04^^0"']


def test_every_recorded_change_of_state_of_these_themes_is_known() -> None:
    made = {record["state_change"].strip() for theme in WHOLE for record in read_records(theme) if "state_change" in record}
    assert made <= set(CHANGES)
