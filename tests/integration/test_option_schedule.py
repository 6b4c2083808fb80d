"""The schedule of a site file: put in at load, written by a dump, put back by snapshot and reset."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from sqlalchemy import select, update

from console.site_state import SiteState
from fileman import SiteFileError, SiteKey, Store, dump_site, parse_site
from fileman.files import OptionSchedule
from rpcs import STANDARD
from runtime import Settings, SystemClock
from taskman import schedule
from tests.conftest import ORACLE_SITE
from tests.support.services import DEMO_SITE

#: Options that the demo site schedules.
SCHEDULED = 14
HEAD = '[site]\ndomain = "TEST.EXAMPLE"\n\n'
#: Entries of every kind: what a dump has to bring back.
SCHEDULES = """
[[option_schedule]]
option = "MAGB PURGE QUEUES"
frequency = "D@01:40,E@01:40"
variables = {days = 60, answer_days = 2.5}
catch_up = true

[[option_schedule]]
option = "MAGB TRIM AUDIT LOGS"
frequency = "1M(L@23:00)"
next = 2027-03-28T02:30:00
paused = true
duz = 9001

[[option_schedule]]
option = "MAGB MAINTAIN DATABASE"
next = 2027-01-01

[[option_schedule]]
option = "MAGB RESTART EVALUATORS"
frequency = "60S"
special = "S"

[[option_schedule]]
option = "ZZ OF A PACK"
frequency = "2H"
special = "SP"
next = 2027-01-01T12:00:00
variables = {name = "a \\"word\\"", deep = true}
device = "ZZ"
volume = "ROU"
parameter = "X"
"""


@pytest.fixture
def state(store: Store, site_key: SiteKey, tmp_path: Path) -> SiteState:
    """Open an empty database as a command does."""
    settings = Settings(data=tmp_path, database=store.url)
    return SiteState(settings, store, site_key, SystemClock(), {procedure.name for procedure in STANDARD})


def load(state: SiteState, text: str) -> list[str]:
    file = state.settings.data / "given.toml"
    file.write_text(text, encoding="utf-8")
    return state.load(file)[1]


def entries(state: SiteState) -> list[schedule.Schedule]:
    found = state.store.read(schedule.list_schedules)
    return sorted(found, key=lambda entry: entry.ien)


def test_a_dump_loaded_and_dumped_again_is_the_same_text(state: SiteState) -> None:
    load(state, HEAD + SCHEDULES)
    dump = state.store.read(dump_site)
    before = [(entry.option, entry.next_at, entry.wall, entry.variables) for entry in entries(state)]
    assert dump.count("[[option_schedule]]") == 5
    load(state, dump)
    assert state.store.read(dump_site) == dump
    assert [(entry.option, entry.next_at, entry.wall, entry.variables) for entry in entries(state)] == before


def test_the_first_run_is_the_first_after_loading_unless_the_file_says_when(state: SiteState) -> None:
    before = time.time()
    load(state, HEAD + '[[option_schedule]]\noption = "MAGB RESTART EVALUATORS"\nfrequency = "60S"\n' + SCHEDULES)
    first, nightly, chosen, once, at_start, pack = entries(state)
    assert first.next_at is not None
    assert before + 59 <= first.next_at <= time.time() + 60
    assert nightly.next_at is not None
    assert nightly.wall.endswith("T01:40:00")
    assert before < nightly.next_at <= before + 25 * 3600
    assert (chosen.wall, chosen.paused, chosen.duz) == ("2027-03-28T02:30:00", True, 9001)
    assert (once.wall, once.frequency) == ("2027-01-01T00:00:00", "")
    assert at_start.special == "S"
    assert at_start.next_at is not None
    assert before + 59 <= at_start.next_at <= time.time() + 60, "at the start, and then again and again"
    assert pack.variables == {"name": 'a "word"', "deep": True}
    assert (pack.device, pack.volume, pack.parameter) == ("ZZ", "ROU", "X")


def test_a_file_without_schedules_leaves_none(state: SiteState) -> None:
    state.load(DEMO_SITE)
    assert len(entries(state)) == SCHEDULED
    state.load(ORACLE_SITE)
    assert entries(state) == []
    assert "option_schedule" not in state.store.read(dump_site)


def test_loading_again_replaces_the_schedule_and_gives_no_number_twice(state: SiteState) -> None:
    state.load(DEMO_SITE)
    first = {entry.ien for entry in entries(state)}
    state.load(DEMO_SITE)
    assert len(entries(state)) == SCHEDULED
    assert first.isdisjoint({entry.ien for entry in entries(state)})


def test_a_snapshot_brings_the_schedule_back_and_so_does_a_reset(state: SiteState) -> None:
    load(state, HEAD + SCHEDULES)
    dump = state.store.read(dump_site)
    state.snapshot("before")

    def spoil() -> None:
        state.store.transact(lambda connection: connection.execute(OptionSchedule.__table__.delete()))
        number = state.store.transact(lambda connection: schedule.add_schedule(connection, "MAGB CHECK DATABASE", "1D", 1e9))
        assert [entry.ien for entry in entries(state)] == [number]

    spoil()
    state.reset("before")
    assert state.store.read(dump_site) == dump
    spoil()
    state.reset(None)
    assert state.store.read(dump_site) == dump


def test_what_was_to_run_once_and_did_is_no_part_of_a_dump(state: SiteState) -> None:
    load(state, HEAD + '[[option_schedule]]\noption = "MAGB MAINTAIN DATABASE"\nnext = 2027-01-01\n')
    state.store.transact(lambda connection: connection.execute(update(OptionSchedule).values(next_at=None, wall="")))
    assert "option_schedule" not in state.store.read(dump_site)


def test_a_list_of_moments_that_are_all_over_is_taken_as_it_is(state: SiteState) -> None:
    load(state, HEAD + '[[option_schedule]]\noption = "MAGB MAINTAIN DATABASE"\nfrequency = "3240610.0930;3240701.06"\n')
    (entry,) = entries(state)
    assert entry.next_at is None
    dump = state.store.read(dump_site)
    load(state, dump)
    assert state.store.read(dump_site) == dump


def test_an_option_that_nothing_runs_stays_with_a_warning(state: SiteState) -> None:
    assert load(state, HEAD + SCHEDULES) == ["options that run nothing here stay scheduled: ZZ OF A PACK"]
    assert "ZZ OF A PACK" in {entry.option for entry in entries(state)}


#: What a line says in place of `paused = false` below, and what is said of it.
WRONG = {
    'frequency = "5X"': "option_schedule.frequency: frequency, column 2",
    "next = 2027-01-01T10:00:00Z": "option_schedule.next: dates carry no zone",
    'next = "3270230"': 'option_schedule.next: "3270230" is no date',
    'special = "X"': "option_schedule.special",
    "variables = {day = 3}": "option_schedule.variables: MAGB PURGE QUEUES: there is no variable day: it has answer_days, days,",
    "variables = {days = 0}": "option_schedule.variables: MAGB PURGE QUEUES: days is 0",
    'variables = {days = "3"}': "option_schedule.variables: MAGB PURGE QUEUES: days is '3'",
    "variables = {days = inf}": "option_schedule.variables: is no number",
    "variables = {days = [1]}": "option_schedule.variables",
    "every = 3": "option_schedule.every is not known here",
    "paused = 1": "option_schedule.paused",
}


@pytest.mark.parametrize(("line", "problem"), WRONG.items(), ids=WRONG)
def test_what_is_wrong_is_told_with_its_line_and_changes_nothing(state: SiteState, line: str, problem: str) -> None:
    load(state, HEAD)
    frequency = "" if line.startswith("frequency") else 'frequency = "1D"\n'
    wrong = f'{HEAD}[[option_schedule]]\noption = "MAGB PURGE QUEUES"\n{frequency}{line}\n'
    with pytest.raises(SiteFileError) as told:
        load(state, wrong)
    assert told.value.problem.startswith(problem), told.value.problem
    assert told.value.line == wrong.splitlines().index(line) + 1
    assert entries(state) == []


def test_an_entry_that_would_never_run_is_refused(state: SiteState) -> None:
    with pytest.raises(SiteFileError, match="would never run") as told:
        load(state, f'{HEAD}[[option_schedule]]\noption = "MAGB PURGE QUEUES"\n')
    assert told.value.line == 5


def test_a_reset_to_a_file_with_an_error_changes_nothing(state: SiteState) -> None:
    state.load(DEMO_SITE)
    bad = state.settings.data / "bad.toml"
    bad.write_text(f'{HEAD}[[option_schedule]]\noption = "X"\nfrequency = "5X"\n', encoding="utf-8")
    with pytest.raises(SiteFileError):
        state.reset(str(bad))
    assert len(entries(state)) == SCHEDULED


def test_the_recorded_site_file_is_read_as_it_is() -> None:
    assert parse_site(ORACLE_SITE.read_text(encoding="utf-8")).option_schedule == ()


def test_who_schedules_by_hand_is_told_of_variables_too(store: Store) -> None:
    with pytest.raises(schedule.BadVariables):
        store.transact(lambda connection: schedule.add_schedule(connection, "MAGB PURGE QUEUES", "1D", 1e9, variables={"day": 3}))
    assert store.read(lambda connection: connection.execute(select(OptionSchedule.ien)).all()) == []
