"""The evaluator fills logs and queues as the recorded MAGBRTE4 did."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from fileman import Store, bump_site_version, from_fileman, next_ien
from fileman.files import BackgroundQueue, Holiday, ImagingSite, StudyDecision, Task
from rules.evaluator import ENTRY_POINT, Evaluator
from rules.evaluator.versions import Loaded, load
from runtime import FixedClock
from taskman import TaskContext, tasks
from taskman.record import RUNNING
from tests.integration.rules.recorded_site import (
    clear_queues,
    dump,
    fill_recorded_images,
    let_priors_be_found,
    recorded_nodes,
    stored_elements,
)
from tests.oracle.records import read_records

CASES = [
    record
    for record in read_records("c1_rules")
    if "rules" in record
    and record["image"] not in (17, 999)  # without a file: no rule is asked
    and "hang" not in record["result"]  # VistA never came back
]
#: The recording gave PRIOR1^MAGJEX2 its answer; these are those that the patient's exams give, too.
PRIOR_CASES = [
    {"keep": 0, "ztsk": 777, "location": 660, **record, "result": {"now": "SAT 3261121.033812", **record["result"]}}
    for record in read_records("c2_priorstudy")
    if record["id"][-3:] in ("001", "003", "004", "005", "006")
]


def queue(store: Store, image: int, location: int) -> None:
    def add(connection: Connection) -> None:
        place = connection.execute(select(ImagingSite.ien).where(ImagingSite.institution == location)).scalar_one()
        ien = next_ien(connection, "background_queue")
        values = {"queue": "EVAL", "duz": 9002, "requested": "3261121", "image": image, "place": place}
        connection.execute(insert(BackgroundQueue).values(ien=ien, **values))

    store.transact(add)


def set_holidays(store: Store, dates: list[str]) -> None:
    def change(connection: Any) -> None:
        connection.execute(delete(Holiday))
        for date in dates:
            connection.execute(insert(Holiday).values(date=date, name="TEST HOLIDAY"))
        bump_site_version(connection)

    store.transact(change)


def make_running(connection: Connection, number: int) -> None:
    """Give the evaluator the task of the recording, unless it has it already."""
    if tasks.read_task(connection, number) is None:
        facts = {"entry_point": ENTRY_POINT, "description": "", "duz": 9002, "created_at": 0.0, "status_at": 0.0}
        connection.execute(insert(Task).values(number=number, status=RUNNING, **facts))


def give_other_rules(connection: Connection, rules: Loaded) -> None:
    """Let what was decided before be decided of other rules: the recording gave them to one task, as no evaluator has them."""
    for row in connection.execute(select(StudyDecision).where(StudyDecision.version != rules.id)).mappings().all():
        decided = [rule.number for rule in load(connection, row["version"]).compiled.rules]
        if row["decided_rules"]:
            decided = sorted({*decided, *json.loads(row["decided_rules"])})
        values = {"version": rules.id, "decided_rules": json.dumps(decided)}
        connection.execute(update(StudyDecision).where(StudyDecision.study_uid == row["study_uid"]).values(**values))


def evaluate(store: Store, record: dict[str, Any]) -> dict[str, list[str]]:
    """Bring about one case and tell what is stored after it."""
    if record["keep"] == 0:
        store.transact(clear_queues)
    set_holidays(store, re.findall(r"\^HOLIDAY\((\d{7}),0\)", record.get("pre") or ""))
    queue(store, record["image"], record["location"])
    clock = FixedClock(from_fileman(record["result"]["now"].split(" ")[1]))
    before = len(store.read(lambda connection: dump(connection, record["ztsk"]))["log"])
    rules = stored_elements(store, record["rules"])
    store.transact(lambda connection: make_running(connection, record["ztsk"]))
    store.transact(lambda connection: give_other_rules(connection, rules))
    task = TaskContext(record["ztsk"], {}, 9002, store, clock)
    assert Evaluator(task, record["location"], rules).work_off() == 1
    stored = store.read(lambda connection: dump(connection, record["ztsk"]))
    stamp = clock.now().strftime("%a %H:%M ")
    stored["log"] = [stamp + line for line in rules.log] + stored["log"][before:]
    return stored


def test_log_decisions_and_queues_are_as_recorded(oracle_store: Store) -> None:
    oracle_store.transact(fill_recorded_images)
    assert len(CASES) > 240
    assert differences(oracle_store, CASES) == {}


def test_prior_studies_are_queued_as_recorded(oracle_store: Store) -> None:
    oracle_store.transact(fill_recorded_images)
    oracle_store.transact(let_priors_be_found)
    assert len(PRIOR_CASES) == 5
    assert differences(oracle_store, PRIOR_CASES) == {}


def differences(store: Store, records: Iterable[dict[str, Any]]) -> dict[str, Any]:
    wrong = {}
    for record in records:
        stored, recorded = evaluate(store, record), recorded_nodes(record["result"])
        differing = {name: (stored[name], recorded[name]) for name in recorded if stored[name] != recorded[name]}
        if differing:
            wrong[record["id"]] = differing
    return wrong
