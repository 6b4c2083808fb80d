"""What the recorded VistA answered, this broker answers, on both engines."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fileman import SiteKey, Store
from tests.oracle import replay
from tests.oracle.records import HERE, read_records
from tests.oracle.state_hook import CHANGES
from tests.support.broker import RunningBroker

#: The first road's records, file by file, with the least number of records that must agree.
STAGE_ONE = {"b1_store": 18, "b2_duplicates": 12}
#: Themes that agree whole.
WHOLE = {
    "a1_connect_signon": 27,
    "a2_av_code": 165,
    "a3_context": 58,
    "a4_rpc_errors": 53,
    "a5_protocol": 251,
    "a6_return_types": 20,
    "a7_idle_timeout": 27,
    "a8_m2m": 40,
    "b4_names": 50,
}
#: Long themes in which no answer depends on the database: one engine is enough for them.
WIRE_ONLY = ("a5_protocol", "a8_m2m")
ENGINES = [
    (engine, theme) for theme in WHOLE for engine in ("sqlite", "postgresql") if engine == "sqlite" or theme not in WIRE_ONLY
]
#: Of d3, what stands in this broker: procedures of the queues are left out, and what prepares them.
LOOK_UPS = "d3_misc_rpcs"
OF_QUEUES = ("MAG DICOM ROUTE", "MAG DICOM NETWORK STATUS", "MAG DICOM QUEUE", "MAG DICOM GET NEXT QUEUE ENTRY")
#: VistA's pauses of two seconds pass in a quarter of one.
PACE = 8.0


class HookedBroker:
    """A broker whose changes of state are made straight in its store."""

    def __init__(self, broker: RunningBroker, key: SiteKey) -> None:
        self.broker = broker
        self.key = key

    def hook(self, _hook: str | None, _path: Path, record: dict[str, str]) -> bool:
        """Make one change."""
        change = CHANGES.get(record["state_change"].strip())
        if change is None:
            return False
        self.broker.store.transact(lambda connection: change(connection, self.key))
        return True


@pytest.fixture
def hooked(oracle_store: Store, site_key: SiteKey, monkeypatch: pytest.MonkeyPatch) -> Iterator[HookedBroker]:
    broker = RunningBroker(oracle_store, site_key, pace=PACE)
    hooked = HookedBroker(broker, site_key)
    monkeypatch.setattr(replay, "run_hook", hooked.hook)
    yield hooked
    broker.stop()


def run(hooked: HookedBroker, theme: str | Path, stage: int | None) -> dict[str, int]:
    options = argparse.Namespace(
        host="127.0.0.1", port=hooked.broker.port, state_hook="in process", stage=stage, ids=True, show=5
    )
    return replay.replay(theme if isinstance(theme, Path) else HERE / f"{theme}.jsonl", options)


@pytest.mark.parametrize("theme", STAGE_ONE)
def test_the_first_road_answers_as_recorded(hooked: HookedBroker, theme: str) -> None:
    counts = run(hooked, theme, 1)
    assert counts["different"] == counts["skipped"] == 0
    assert counts["equal"] >= STAGE_ONE[theme]


@pytest.mark.parametrize(("database_url", "theme"), ENGINES, indirect=["database_url"])
def test_what_stands_already_answers_as_recorded(hooked: HookedBroker, theme: str) -> None:
    counts = run(hooked, theme, None)
    assert counts["different"] == counts["skipped"] == 0
    assert counts["equal"] >= WHOLE[theme]


def test_what_gateways_look_up_is_answered_as_recorded(hooked: HookedBroker, tmp_path: Path) -> None:
    kept = []
    for record in read_records(LOOK_UPS):
        unknown = "state_change" in record and record["state_change"].strip() not in CHANGES
        if not unknown and not str(record.get("rpc")).startswith(OF_QUEUES):
            kept.append(json.dumps(record))
    theme = tmp_path / f"{LOOK_UPS}.jsonl"
    theme.write_text("\n".join(kept), encoding="utf-8")
    counts = run(hooked, theme, None)
    assert counts["different"] == counts["skipped"] == 0
    assert counts["equal"] >= 63


def test_every_recorded_change_of_state_of_these_themes_is_known() -> None:
    themes = [*STAGE_ONE, *WHOLE]
    changes = {record["state_change"].strip() for theme in themes for record in read_records(theme) if "state_change" in record}
    assert changes <= set(CHANGES)
