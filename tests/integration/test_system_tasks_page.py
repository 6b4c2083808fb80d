"""The page of system tasks, the demo site and the registry agree, and every option of the demo runs."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
from sqlalchemy import select, update

import console.routines  # noqa: F401  registers what the page tells of
from console.site_state import SiteState
from fileman import SiteKey, Store, parse_site
from fileman.files import BackgroundQueue, OptionSchedule, Task, TaskError
from runtime import Settings, SystemClock
from taskman import Engine, find_option, options
from taskman.schedule import schedule_problems
from tests.support.services import DEMO_SITE

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "system-tasks.md").read_text(encoding="utf-8")
DEMO = parse_site((resources.files("magbroker_data") / "demo.toml").read_text(encoding="utf-8"), "demo.toml", schedule_problems)
#: The options that this program brings along; tests register others.
SYSTEM = [one for one in options() if one.entry_point.endswith("^MAGBSYS")]


def test_the_page_has_every_option_with_what_it_does_its_frequency_and_its_variables() -> None:
    rows = [[cell.strip() for cell in line.split("|")[1:5]] for line in PAGE.splitlines() if line.startswith("| `")]
    said = {option.strip("`"): cells for option, *cells in rows}
    expected = {
        one.option: [
            one.label,
            f"`{one.frequency}`",
            ", ".join(f"`{name}` = {value:g}" for name, value in one.variables.items()),
        ]
        for one in SYSTEM
    }
    assert said == expected
    assert len(said) == 14


def test_every_system_task_is_scheduled_in_the_demo_site_as_often_as_is_proposed() -> None:
    assert {row.option: row.frequency for row in DEMO.option_schedule} == {one.option: one.frequency for one in SYSTEM}


def test_every_option_that_the_demo_site_schedules_exists() -> None:
    for row in DEMO.option_schedule:
        assert find_option(row.option).label


def test_the_example_of_the_page_is_a_site_file() -> None:
    (text,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (row,) = parse_site(text, "page", schedule_problems).option_schedule
    assert (row.option, row.next, row.variables) == ("MAGB PURGE QUEUES", "3261201.014", {"days": 60})


@pytest.fixture
def engine(store: Store, site_key: SiteKey, tmp_path: Path) -> Iterator[Engine]:
    """Run TaskMan on the demo site, each of whose options is due at once."""
    clock = SystemClock()
    SiteState(Settings(data=tmp_path, database=store.url), store, site_key, clock, set()).load(DEMO_SITE)
    store.transact(lambda connection: connection.execute(update(OptionSchedule).values(next_at=clock.seconds())))
    engine = Engine(store, clock, tmp_path)
    engine.launch()
    yield engine
    engine.shutdown()


def test_every_option_of_the_demo_site_runs_and_comes_to_a_good_end(engine: Engine) -> None:
    store = engine.store
    waiting, deadline = threading.Event(), time.monotonic() + 60
    ran = select(OptionSchedule.option, OptionSchedule.task).where(OptionSchedule.last_at.is_not(None))
    active = select(Task.number).where(Task.status.in_([*"12345"]))
    while True:
        done = dict(tuple(row) for row in store.read(lambda connection: connection.execute(ran).all()))
        if len(done) == len(SYSTEM) and not store.read(lambda connection: connection.execute(active).all()):
            break
        assert time.monotonic() < deadline, f"only {sorted(done)} ran"
        waiting.wait(0.05)
    assert store.read(lambda connection: connection.execute(select(TaskError.text)).scalars().all()) == []
    left = store.read(lambda connection: connection.execute(select(Task.option, Task.status)).all())
    assert {status for _option, status in left} == {"6"}
    assert {option for option, _status in left} == {
        one.option for one in SYSTEM if one.frequency not in ("15S", "60S", "300S", "600S")
    }, "what found nothing to do left no record"
    assert store.read(lambda connection: connection.execute(select(BackgroundQueue.ien)).all()) == []
