"""What a person does with the worklist: put entries on it, and look at it."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import bindparam, select

from fileman.files import ScheduledStep
from fileman.worklist import StepKey, find_step
from rpcs.actions import parameters as takes
from rpcs.actions.action import Act, action
from rpcs.actions.errors import BadRequest
from rpcs.actions.rules import KEY
from rpcs.worklist.feeding import take_rows
from rpcs.worklist.requests import is_storable
from rpcs.worklist.tables import TableError, TableRow, checked_row

#: Entries that are put on the worklist by one call, and that are listed by one.
MOST_ROWS, MOST_LISTED = 500, 1000

_LISTED = (
    ScheduledStep.ien,
    ScheduledStep.status,
    ScheduledStep.source,
    ScheduledStep.accession,
    ScheduledStep.step_id,
    ScheduledStep.start_date,
    ScheduledStep.start_time,
    ScheduledStep.modality,
    ScheduledStep.station_ae_titles,
    ScheduledStep.patient_id,
    ScheduledStep.patient_name,
    ScheduledStep.procedure_description,
)
_FROM = select(*_LISTED).where(ScheduledStep.ien > bindparam("after_")).order_by(ScheduledStep.ien).limit(bindparam("most"))
_OPEN = _FROM.where(ScheduledStep.open.is_(True))


@action(
    "MAGB WORKLIST FEED",
    takes.pieces("ROWS", "JSON, [[line, {column: value}]], of at most 500 entries.", required=True),
    writes=True,
    key=KEY,
)
def worklist_feed(act: Act) -> dict[str, int]:
    """Put entries on the worklist, or change those of the same accession number and step ID; answer how many.

    The texts ROWS1, ROWS2 and so on are together JSON, `[[line, {column: value}]]`, of at most 500 entries. An error names the
    line and the column, and nothing is done then.
    """
    try:
        rows = _rows(act)
        for row in rows:
            key = StepKey(row.values.get("accession", ""), row.values.get("step_id") or row.values.get("accession", ""))
            before = find_step(act.connection, key)
            told = None if before is None else {name: before[name] for name in row.values if name in before}
            act.changed(f"scheduled step {key.accession} {key.step_id}", told, dict(row.values))
        return {"entries": take_rows(act.connection, rows, act.now)}
    except TableError as error:
        raise BadRequest(str(error)) from error


def _rows(act: Act) -> list[TableRow]:
    """Read ROWS1 and so on. Raises BadRequest and TableError."""
    try:
        rows: Any = json.loads(act.pieces("ROWS"))
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list) or len(rows) > MOST_ROWS or not all(map(_is_row, rows)):
        raise BadRequest(f"ROWS1 and so on are to be JSON, [[line, {{column: value}}]], of at most {MOST_ROWS} entries.")
    return [checked_row(line, values) for line, values in rows]


def _is_row(row: object) -> bool:
    if not (isinstance(row, list) and len(row) == 2 and isinstance(row[0], int) and isinstance(row[1], dict)):
        return False
    return all(isinstance(value, str) and is_storable(value) for value in row[1].values())


@action(
    "MAGB WORKLIST LIST",
    takes.flag("ALL", "What is done or cancelled, too."),
    takes.after(),
    takes.limit(MOST_LISTED),
    lists={"entries": ("ien", "accession", "start_date", "modality", "patient_name", "procedure_description", "status")},
)
def worklist_list(act: Act) -> dict[str, Any]:
    """List the entries of the worklist after the number AFTER, LIMIT at most; with ALL 1 what is done or cancelled, too."""
    most = act.number("LIMIT")
    statement = _FROM if act.flag("ALL") else _OPEN
    rows = act.connection.execute(statement, {"after_": act.number("AFTER"), "most": most + 1}).mappings().all()
    return {"entries": [dict(row) for row in rows[:most]], "more": len(rows) > most}
