"""From what an image costs here to ten thousand gateways: how many processes and databases it takes, and how long images wait.

Usage: python -m bench.scale_model [--costs FILE]. FILE is what `python -m bench.scale --json` wrote; without it the figures of
docs/scaling.md are taken. A simulation, minute by minute through a working day; nothing is measured here.

The model. A location's gateway receives studies at random moments of the day's course, each of some hundred images. Gateway,
broker, evaluator and PostgreSQL are servers in a row; each works off a queue at the rate that its cores allow. A location's
evaluator is one thread, whatever the site has: it is the only stage that does not grow with machines. Locations are shared out
among partitions, each a PostgreSQL server with brokers and workers of its own, since nothing that an image needs to be filed,
judged and sent lies in another location's data.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from taskman import Pace

MINUTES = 24 * 60
#: What a core may be busy with in the mean of the busiest hour: what is left takes the bursts.
WANTED_LOAD = 0.6
#: Cores of a node for brokers or workers, and of a database server.
NODE_CORES, DATABASE_CORES = 8, 32
#: Evaluators that one worker runs at a time.
SLOTS = Pace().slots
#: Images of a study: median, and the spread of its logarithm (a chest film has 2, a cardiac CT 3,000).
STUDY_MEDIAN, STUDY_SPREAD = 120.0, 1.3
#: The share of a day's studies in each hour, from midnight on.
COURSE = np.array([1, 1, 1, 1, 1, 2, 4, 7, 9, 10, 10, 9, 8, 8, 8, 7, 5, 3, 2, 2, 1, 1, 1, 1], dtype=float)


_OF_AN_IMAGE = ("gateway_ms", "broker_ms", "worker_ms", "postgresql_ms", "database_bytes", "log_bytes")


@dataclass(frozen=True, slots=True)
class Costs:
    """What one image costs: milliseconds of a core at each stage, bytes of database and of write-ahead log.

    `rest_worker_ms` and `rest_postgresql_ms` are what a location's evaluator costs each second though nothing comes.
    """

    gateway_ms: float
    broker_ms: float
    worker_ms: float
    postgresql_ms: float
    database_bytes: float
    log_bytes: float
    rest_worker_ms: float
    rest_postgresql_ms: float

    @classmethod
    def read(cls, file: Path) -> Costs:
        """Take the mean of the runs of several processes."""
        measured = json.loads(file.read_text(encoding="utf-8"))
        runs, resting = measured["runs"], measured["resting"]
        means = (float(np.mean([run[name] for run in runs])) for name in _OF_AN_IMAGE)
        return cls(*means, resting["worker_ms"], resting["postgresql_ms"])


@dataclass(frozen=True, slots=True)
class Scenario:
    """A number of gateways, each at a location of its own, and the images that all of them receive in a day."""

    name: str
    gateways: int
    images_per_day: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What a scenario takes: partitions, and in each of them cores of brokers, workers and database, and worker processes."""

    partitions: int
    broker_cores: int
    worker_cores: int
    database_cores: int
    gateway_cores: int
    workers: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the simulated day brought: the busiest hour of each stage at the busiest place, and the longest wait in seconds."""

    peak_per_second: float
    load: dict[str, float]
    wait: dict[str, float]


SCENARIOS = (
    Scenario("a hospital", 10, 50_000),
    Scenario("a region", 100, 1_000_000),
    Scenario("a billion\na year", 10_000, 1e9 / 365),
    Scenario("a billion\na day", 10_000, 1e9),
)


def busiest_hour(images_per_day: float) -> float:
    """Give the images per second of the busiest hour."""
    return images_per_day * float(COURSE.max() / COURSE.sum()) / 3600


def plan_for(scenario: Scenario, costs: Costs) -> Plan:
    """Share locations out so that no stage is busier than wanted in the mean of the busiest hour."""
    rate = busiest_hour(scenario.images_per_day)
    database = _cores(rate * costs.postgresql_ms + scenario.gateways * costs.rest_postgresql_ms)
    partitions = max(1, math.ceil(database / DATABASE_CORES))
    share, locations = rate / partitions, math.ceil(scenario.gateways / partitions)
    loads = (
        share * costs.broker_ms,
        share * costs.worker_ms + locations * costs.rest_worker_ms,
        share * costs.postgresql_ms + locations * costs.rest_postgresql_ms,
        rate / scenario.gateways * costs.gateway_ms,
    )
    broker, worker, server, gateway = (max(1, math.ceil(_cores(load))) for load in loads)
    return Plan(partitions, broker, worker, server, gateway, max(worker, math.ceil(locations / SLOTS)))


def _cores(milliseconds_a_second: float) -> float:
    """Give the cores that so much work takes, none busier than wanted."""
    return milliseconds_a_second / 1000 / WANTED_LOAD


def simulate(scenario: Scenario, plan: Plan, costs: Costs, seed: int) -> Outcome:
    """Go through a day: studies arrive, each stage works off what it can, the rest waits."""
    chance = np.random.default_rng(seed)
    arriving = _arrivals(scenario, chance)
    partition = np.arange(scenario.gateways) % plan.partitions
    wait: dict[str, float] = {}
    load: dict[str, float] = {}
    gateway = 60_000 / costs.gateway_ms * plan.gateway_cores
    leaving = _work_off("gateway", arriving, gateway, load, wait)
    per_partition = np.zeros((plan.partitions, MINUTES))
    np.add.at(per_partition, partition, leaving)
    locations = math.ceil(scenario.gateways / plan.partitions)
    for name, cores, milliseconds, rest in (
        ("broker", plan.broker_cores, costs.broker_ms, 0.0),
        ("PostgreSQL", plan.database_cores, costs.postgresql_ms, costs.rest_postgresql_ms),
    ):
        per_partition = _work_off(name, per_partition, _images(cores, milliseconds, locations * rest), load, wait)
    _work_off("evaluator of a location", leaving, 60_000 / costs.worker_ms, load, wait)
    workers = _images(plan.worker_cores, costs.worker_ms, locations * costs.rest_worker_ms)
    _work_off("workers", per_partition, workers, load, wait)
    return Outcome(float(arriving.sum(axis=0).max() / 60), load, wait)


def _images(cores: int, milliseconds: float, rest: float) -> float:
    """Give the images that cores take in a minute beside what evaluators without work use of them each second."""
    return (cores * 1000 - rest) * 60 / milliseconds


def _arrivals(scenario: Scenario, chance: np.random.Generator) -> np.ndarray:
    """Draw the images that each gateway receives in each minute: a study comes whole within its minute and the next ones."""
    mean_study = STUDY_MEDIAN * math.exp(STUDY_SPREAD**2 / 2)
    studies_per_day = scenario.images_per_day / scenario.gateways / mean_study
    course = np.repeat(COURSE / COURSE.sum() / 60, 60) * studies_per_day
    studies = chance.poisson(np.broadcast_to(course, (scenario.gateways, MINUTES)))
    images = np.zeros((scenario.gateways, MINUTES))
    where = np.nonzero(studies)
    counts = studies[where]
    sizes = np.array([chance.lognormal(math.log(STUDY_MEDIAN), STUDY_SPREAD, size=count).sum() for count in counts])
    images[where] = sizes
    return images


def _work_off(name: str, arriving: np.ndarray, per_minute: float, load: dict[str, float], wait: dict[str, float]) -> np.ndarray:
    """Let servers work off what comes; note the highest load of an hour and the longest wait, and give what leaves them."""
    backlog = np.zeros(arriving.shape[0])
    leaving = np.empty_like(arriving)
    longest = 0.0
    for minute in range(MINUTES):
        backlog += arriving[:, minute]
        done = np.minimum(backlog, per_minute)
        backlog -= done
        leaving[:, minute] = done
        longest = max(longest, float(backlog.max()) / per_minute * 60)
    hours = leaving.reshape(arriving.shape[0], 24, 60).sum(axis=2)
    load[name], wait[name] = float(hours.max()) / (per_minute * 60), longest
    return leaving


def show(costs: Costs, seed: int) -> Table:
    """Simulate every scenario, and lay them out, a column each."""
    table = Table(box=None, padding=(0, 2), header_style="bold")
    table.add_column("")
    columns: list[dict[str, str]] = []
    for scenario in SCENARIOS:
        plan = plan_for(scenario, costs)
        outcome = simulate(scenario, plan, costs, seed)
        table.add_column(scenario.name, justify="right")
        columns.append(_column(scenario, plan, outcome, costs))
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))
    return table


def _column(scenario: Scenario, plan: Plan, outcome: Outcome, costs: Costs) -> dict[str, str]:
    cores = plan.broker_cores + plan.worker_cores
    rows = {
        "gateways": f"{scenario.gateways:,}",
        "images a day": f"{scenario.images_per_day:,.0f}",
        "images/s in the busiest hour": f"{busiest_hour(scenario.images_per_day):,.0f}",
        "images/s in the busiest minute": f"{outcome.peak_per_second:,.0f}",
        "partitions (PostgreSQL servers)": f"{plan.partitions:,}",
        "locations of a partition": f"{math.ceil(scenario.gateways / plan.partitions):,}",
        "cores of a server": f"{plan.database_cores:,}",
        "broker cores of a partition": f"{plan.broker_cores:,}",
        "worker cores of a partition": f"{plan.worker_cores:,}",
        "worker processes of a partition": f"{plan.workers:,}",
        f"nodes of {NODE_CORES} cores for both, in all": f"{plan.partitions * math.ceil(cores / NODE_CORES):,}",
        "cores of a gateway": f"{plan.gateway_cores:,}",
        "database growth a year, all": _size(scenario.images_per_day * 365 * costs.database_bytes),
        "write-ahead log a day, all": _size(scenario.images_per_day * costs.log_bytes),
    }
    for name in outcome.load:
        rows[f"{name}: busy, longest wait"] = f"{outcome.load[name]:.0%}, {outcome.wait[name]:,.0f} s"
    return rows


def _size(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if count < 1000:
            return f"{count:,.0f} {unit}"
        count /= 1000
    return f"{count:,.1f} PB"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--costs", type=Path, default=Path(__file__).with_name("measured_costs.json"))
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    Console(width=130).print(show(Costs.read(chosen.costs), chosen.seed), highlight=False)


if __name__ == "__main__":
    main()
