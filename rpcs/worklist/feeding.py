"""What feeds say of the worklist, done: orders of HL7 and rows of tables become entries, change them, take them off."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, or_, select

from fileman.files import Exam, Institution, RadiologyProcedure
from fileman.worklist import (
    CANCELLED,
    COMPLETED,
    CSV,
    HL7,
    IMAGING_TYPES,
    MODALITIES,
    Row,
    StepKey,
    WorklistError,
    find_step,
    lock_worklist,
    put_step,
    set_status,
    steps_of,
)
from rpcs.worklist.hl7_fields import OrderError
from rpcs.worklist.orders import Action, OrderedStep, read_orders
from rpcs.worklist.tables import TableError, TableRow

_PLACE = select(Institution.ien).where(or_(Institution.station == bindparam("named"), Institution.name == bindparam("named")))
_EXAM = (
    select(RadiologyProcedure.modalities, RadiologyProcedure.imaging_type)
    .join(Exam, Exam.procedure_ien == RadiologyProcedure.ien)
    .where(Exam.service == "RAD", or_(Exam.accession == bindparam("accession_"), Exam.site_accession == bindparam("accession_")))
)


def take_orders(connection: Connection, ordered: Sequence[OrderedStep], now: float) -> None:
    """Do what orders say, one after the other. Raises WorklistError; the caller undoes what was done before."""
    if ordered:
        lock_worklist(connection)
    for one in ordered:
        before = _meant(one, steps_of(connection, one.order))
        if one.action is Action.PUT:
            _put(connection, one, before, now)
        else:
            status = COMPLETED if one.action is Action.COMPLETE else CANCELLED
            for step in before:
                if step["status"] != COMPLETED:
                    set_status(connection, step["ien"], status, now)


def _meant(one: OrderedStep, steps: Sequence[Row]) -> list[Row]:
    """Give the entries of an order that are meant: the one of its step ID where it has one. Raises WorklistError."""
    wanted = one.given.get("step_id")
    meant = [step for step in steps if wanted in (None, step["step_id"])]
    if any(step["patient_id"] != one.given["patient_id"] for step in meant):
        raise WorklistError(f"order {one.order.filler or one.order.placer or one.order.accession} is another patient's")
    return meant


def _put(connection: Connection, one: OrderedStep, before: Sequence[Row], now: float) -> None:
    given = dict(one.given)
    if len(before) == 1:
        given = {"accession": before[0]["accession"], "step_id": before[0]["step_id"]} | given
    given.setdefault("accession", one.order.filler or one.order.placer)
    given.setdefault("step_id", given["accession"])
    if find_step(connection, StepKey(given["accession"], given["step_id"])) is None:
        given.setdefault("procedure_id", given["accession"])
        if "modality" not in given:
            given |= _of_exam(connection, given["accession"])
        place = connection.execute(_PLACE, {"named": one.facility}).scalar() if one.facility else None
        if place is not None:
            given["location"] = str(place)
    put_step(connection, HL7, given, now)


def _of_exam(connection: Connection, accession: str) -> dict[str, str]:
    """Give the modality of the procedure that is registered for an exam, for orders that do not say it."""
    found = connection.execute(_EXAM, {"accession_": accession}).first()
    if found is None:
        return {}
    kind = IMAGING_TYPES.get(found.imaging_type, "")
    modality = found.modalities.split(",")[0] or MODALITIES.get(kind, "")
    return {"modality": modality, "imaging_type": kind} if modality else {}


def take_rows(connection: Connection, rows: Sequence[TableRow], now: float) -> int:
    """Put lines of a table on the worklist; give how many. Raises TableError; the caller undoes what was done before."""
    lock_worklist(connection)
    for row in rows:
        try:
            put_step(connection, CSV, row.values, now)
        except WorklistError as error:
            raise TableError(str(error), row.line, error.column) from error
    return len(rows)


def take_message(connection: Connection, segments: str, now: float) -> str:
    """Do what an HL7 message says of the worklist, all of it or nothing; give why it cannot be done, "" when it is.

    Messages that are no orders have nothing to say of it.
    """
    try:
        with connection.begin_nested():
            take_orders(connection, read_orders(segments), now)
    except (OrderError, WorklistError) as error:
        return str(error)
    return ""
