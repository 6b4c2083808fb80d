"""What Prometheus reads: well formed, counted where it happens, and each metric documented and shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fileman import add_alert
from runtime.metrics import REGISTRY
from tests.integration.rpcs.two_users import MAY
from tests.integration.web.conftest import Served
from xwb import SecurityRefused

ROOT = Path(__file__).parents[3]


def value_of(page: str, name: str, **labels: str) -> float | None:
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    return None


def own_names() -> set[str]:
    return {family.name for family in REGISTRY.collect() if family.name.startswith("magbroker_")}


def test_calls_and_actions_are_counted(served: Served) -> None:
    before = served.nobody.get("/metrics").body
    with served.broker.client(MAY.access, MAY.verify, "MAGB GATEWAY") as client:
        client.call("MAGB STATUS", {})
        served.user(MAY).post("/api/export/hold", destination="NOWHERE")
        after = served.nobody.get("/metrics").body
        assert value_of(after, "magbroker_sessions") == 1.0
    calls = {"procedure": "MAGB STATUS", "outcome": "answered"}
    assert (
        value_of(after, "magbroker_rpc_calls_total", **calls) == (value_of(before, "magbroker_rpc_calls_total", **calls) or 0) + 1
    )
    refused = {"action": "MAGB EXPORT HOLD", "outcome": "missing"}
    assert (
        value_of(after, "magbroker_actions_total", **refused) == (value_of(before, "magbroker_actions_total", **refused) or 0) + 1
    )
    assert (value_of(after, "process_open_fds") or 0) > 0


def test_open_alerts_are_counted_by_kind(served: Served) -> None:
    now = served.clock.seconds()
    served.store.transact(lambda it: add_alert(it, "gateway", "GW1", "GW1 is silent.", now, raised=True))
    page = served.nobody.get("/metrics").body
    assert value_of(page, "magbroker_alerts_open", kind="gateway") == 1.0
    assert value_of(page, "magbroker_alerts_open", kind="disk") == 0.0


def test_a_call_of_nothing_makes_no_metric_of_its_own(served: Served) -> None:
    with served.broker.client(MAY.access, MAY.verify, "MAGB GATEWAY") as client:
        for number in range(3):
            with pytest.raises(SecurityRefused):
                client.call(f"ZZ NOTHING {number}")
    page = served.nobody.get("/metrics").body
    assert "ZZ NOTHING" not in page
    assert (value_of(page, "magbroker_rpc_calls_total", procedure="unknown", outcome="refused") or 0) >= 3


def test_every_metric_is_documented_and_shown() -> None:
    page = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(magbroker_\w+)", page, re.MULTILINE))
    assert documented == own_names()
    dashboard = json.loads((ROOT / "deploy/grafana/magbroker.json").read_text(encoding="utf-8"))
    shown = "\n".join(target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ()))
    asked = set(re.findall(r"magbroker_\w+?(?=_total|_bucket|_sum|_count|[^\w]|$)", shown))
    assert asked == own_names(), "each metric has its panel, and no panel asks for another"
