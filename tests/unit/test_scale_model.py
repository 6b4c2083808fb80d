"""The scale model does its arithmetic, and docs/scaling.md shows what the tools print."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from bench import scale, scale_model
from bench.scale_model import WANTED_LOAD, Costs, Outcome, Plan, Scenario, busiest_hour, plan_for, simulate

ROOT = Path(__file__).parents[2]
MEASURED = ROOT / "bench" / "measured_costs.json"
COSTS = Costs(
    gateway_ms=10,
    broker_ms=6,
    worker_ms=3,
    postgresql_ms=12,
    database_bytes=8000,
    log_bytes=12000,
    rest_worker_ms=0,
    rest_postgresql_ms=0,
)


def lines_of(table: Table) -> list[str]:
    shown = io.StringIO()
    Console(width=130, file=shown).print(table, highlight=False)
    return [line.rstrip() for line in shown.getvalue().splitlines()]


@pytest.mark.parametrize("what", ["measured", "modelled"])
def test_the_page_shows_what_the_tools_print(what: str) -> None:
    measured = [scale.Cost(**run) for run in json.loads(MEASURED.read_text(encoding="utf-8"))["runs"]]
    table = scale.show(measured) if what == "measured" else scale_model.show(Costs.read(MEASURED), seed=1)
    lines = lines_of(table)
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) > 8
    assert [line for line in lines if line not in page] == []


def test_the_page_says_what_an_evaluator_costs_that_rests() -> None:
    resting = scale.Resting(**json.loads(MEASURED.read_text(encoding="utf-8"))["resting"])
    assert scale.tell(resting) in (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8").splitlines()


def test_evaluators_that_rest_take_cores_and_places() -> None:
    resting = replace(COSTS, rest_worker_ms=0.59, rest_postgresql_ms=0.29)
    plan = plan_for(Scenario("still", 10_000, 10), resting)
    assert plan == Plan(1, broker_cores=1, worker_cores=10, database_cores=5, gateway_cores=1, workers=313)
    outcome = simulate(Scenario("still", 10_000, 10), plan, resting, seed=1)
    assert outcome.load["workers"] < 0.01


def test_the_busiest_hour_is_worked_out_by_hand() -> None:
    assert busiest_hour(3600 * 103) == pytest.approx(10.0), "10 of 103 shares of the day"


def test_a_plan_takes_the_cores_that_the_busiest_hour_fills_to_the_wanted_load() -> None:
    ten_thousand_a_second = Scenario("x", 1000, 3600 * 103 * 1000)
    plan = plan_for(ten_thousand_a_second, COSTS)
    assert plan == Plan(partitions=7, broker_cores=15, worker_cores=8, database_cores=29, gateway_cores=1, workers=8)
    assert plan_for(Scenario("small", 1, 10), COSTS) == Plan(1, 1, 1, 1, 1, 1)


def run(costs: Costs, images: float = 3600 * 103) -> tuple[Plan, Outcome]:
    scenario = Scenario("x", 50, images)
    plan = plan_for(scenario, costs)
    return plan, simulate(scenario, plan, costs, seed=3)


def test_no_stage_that_grows_is_busier_than_wanted_for_long() -> None:
    _plan, outcome = run(COSTS)
    assert set(outcome.load) == {"gateway", "broker", "PostgreSQL", "evaluator of a location", "workers"}
    assert max(outcome.load[name] for name in ("broker", "PostgreSQL", "workers")) < WANTED_LOAD * 1.5
    assert outcome.peak_per_second > 10.0
    assert outcome.wait["gateway"] > outcome.wait["broker"], "a gateway files one image after the other"


def test_a_stage_that_costs_more_makes_images_wait_longer() -> None:
    quick, slow = (run(Costs(gateway, 1, 1, 1, 1, 1, 0, 0), 100_000)[1] for gateway in (10, 100))
    assert slow.wait["gateway"] > quick.wait["gateway"] * 5
    assert slow.load["gateway"] > quick.load["gateway"] * 5


def test_what_arrives_leaves_and_no_faster_than_the_stage_can() -> None:
    arriving = np.zeros((2, scale_model.MINUTES))
    arriving[0, 10] = 1000.0
    load: dict[str, float] = {}
    wait: dict[str, float] = {}
    leaving = scale_model._work_off("stage", arriving, 300.0, load, wait)
    assert leaving[0, 9:15].tolist() == [0, 300, 300, 300, 100, 0]
    assert leaving[1].sum() == 0
    assert load["stage"] == pytest.approx(1000 / (300 * 60))
    assert wait["stage"] == pytest.approx(700 / 300 * 60)
