"""MAGB MPPS: what modalities tell of the steps that they perform, and what that says of scheduled steps and exams."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update

from fileman import Event, record_events
from fileman.files import Exam, PerformedOrder, PerformedSeries, PerformedStep, ScheduledStep
from fileman.worklist import CANCELLED, COMPLETED, SCHEDULED, STARTED, StepKey, find_step, lock_worklist, set_status
from rpcs.call import Call
from rpcs.registry import Access, listed, procedure
from rpcs.worklist import performed
from rpcs.worklist.performed import Attributes, DoneFor, Refused
from rpcs.worklist.requests import BadRequest, read_object

#: The stage of what is told of a step in its story.
STAGE = "PERFORMED STEP"
#: Where a radiology exam stands while its steps do; one that stands elsewhere is left there.
WAITING, CALLED, EXAMINED = "WAITING FOR EXAM", "CALLED FOR EXAM", "EXAMINED"
_MOVED_BY_STEPS = frozenset({"", WAITING, CALLED, EXAMINED})

_STEP = select(PerformedStep.attributes).where(PerformedStep.uid == bindparam("uid_"))
_INSERT, _INSERT_SERIES, _INSERT_ORDERS = insert(PerformedStep), insert(PerformedSeries), insert(PerformedOrder)
_UPDATE = update(PerformedStep).where(PerformedStep.uid == bindparam("uid_"))
_NO_SERIES = delete(PerformedSeries).where(PerformedSeries.step == bindparam("uid_"))
_ORDERS = select(PerformedOrder.accession, PerformedOrder.scheduled).where(PerformedOrder.step == bindparam("uid_"))
_OF_STUDY = (
    select(ScheduledStep.ien, ScheduledStep.step_id, ScheduledStep.accession)
    .where(ScheduledStep.study_uid == bindparam("study"), ScheduledStep.status != CANCELLED)
    .order_by(ScheduledStep.ien)
)
_PERFORMED = select(PerformedStep.status).join(PerformedOrder, PerformedOrder.step == PerformedStep.uid)
_OF_SCHEDULED = _PERFORMED.where(PerformedOrder.scheduled == bindparam("scheduled_"))
_OF_ACCESSION = _PERFORMED.where(PerformedOrder.accession == bindparam("accession_"))
_SCHEDULED_STATUS = select(ScheduledStep.status).where(ScheduledStep.ien == bindparam("ien_"))
_SCHEDULED_OF = select(ScheduledStep.status).where(
    ScheduledStep.accession == bindparam("accession_"), ScheduledStep.status != CANCELLED
)
_EXAMS = select(Exam.ien, Exam.status).where(
    Exam.service == "RAD", or_(Exam.accession == bindparam("accession_"), Exam.site_accession == bindparam("accession_"))
)
_SET_EXAM = update(Exam).where(Exam.ien == bindparam("ien_")).values(status=bindparam("status_"))


@procedure("MAGB MPPS", access=Access.WRITES, routine="worklist", parameters=(listed("REQUEST", required=True),))
def mpps(call: Call) -> str:
    """Take what a modality tells of a performed procedure step; answer `{"status": "0000"}` when it is on disk.

    REQUEST is JSON, `{"uid": SOP Instance UID, "action": "CREATE", "SET" or "GET", "ae_title": whose, "attributes": {tag:
    values}}`, sequences as lists of objects. What is refused is answered `{"status": "0110", "error": why, "error_id": "A710"}`
    with the status of PS3.4 F.7.2; GET answers the attributes, of those that it names where it names any. The same told again
    is answered as the first time. Scheduled steps and exams follow: STARTED and CALLED FOR EXAM, COMPLETED and EXAMINED, and
    SCHEDULED and WAITING FOR EXAM again where a step is discontinued.
    """
    try:
        request = read_object(call, 0)
        answer = _ACTIONS.get(str(request.get("action")), _unknown)(call, request)
    except BadRequest as error:
        return json.dumps({"status": performed.PROCESSING_FAILURE, "error": str(error)})
    except Refused as refused:
        told = {"status": refused.status, "error": str(refused)}
        return json.dumps(told | ({"error_id": refused.error_id} if refused.error_id else {}))
    return json.dumps({"status": performed.SUCCESS, **answer})


def _unknown(_call: Call, request: Mapping[str, Any]) -> dict[str, Any]:
    raise BadRequest(f"there is no action {str(request.get('action'))[:20]!r}")


def _attributes(request: Mapping[str, Any]) -> dict[str, Any]:
    attributes = request.get("attributes", {})
    if not isinstance(attributes, dict):
        raise BadRequest("attributes is to be an object of tags with lists of values")
    return attributes


def _create(call: Call, request: Mapping[str, Any]) -> dict[str, Any]:
    uid, attributes = str(request.get("uid", "")), _attributes(request)
    performed.created(uid, attributes)
    lock_worklist(call.connection)
    before = _read(call.connection, uid)
    if before is not None:
        if before != attributes:
            raise Refused(performed.DUPLICATE, "there is a step of this SOP Instance UID")
        return {}
    now = call.clock.seconds()
    call.connection.execute(_INSERT, {"uid": uid, "created_at": now, **_columns(call, request, attributes)})
    orders = [
        {"step": uid, "position": position, **_order(call.connection, done_for)}
        for position, done_for in enumerate(performed.done_for(attributes))
    ]
    call.connection.execute(_INSERT_ORDERS, orders)
    _file_series(call.connection, uid, attributes)
    _follow(call, uid, request, attributes)
    return {}


def _set(call: Call, request: Mapping[str, Any]) -> dict[str, Any]:
    uid, change = str(request.get("uid", "")), _attributes(request)
    lock_worklist(call.connection)
    before = _existing(call.connection, uid)
    after = performed.changed(before, change)
    if after == before:
        return {}
    call.connection.execute(_UPDATE.values(_columns(call, request, after)), {"uid_": uid})
    _file_series(call.connection, uid, after)
    _follow(call, uid, request, after)
    return {}


def _get(call: Call, request: Mapping[str, Any]) -> dict[str, Any]:
    attributes, wanted = _existing(call.connection, str(request.get("uid", ""))), _attributes(request)
    return {"attributes": {tag: attributes[tag] for tag in wanted if tag in attributes} if wanted else attributes}


_ACTIONS: dict[str, Callable[[Call, Mapping[str, Any]], dict[str, Any]]] = {"CREATE": _create, "SET": _set, "GET": _get}


def _read(connection: Connection, uid: str) -> dict[str, Any] | None:
    kept = connection.execute(_STEP, {"uid_": uid}).scalar()
    if kept is None:
        return None
    attributes: dict[str, Any] = json.loads(kept)
    return attributes


def _existing(connection: Connection, uid: str) -> dict[str, Any]:
    attributes = _read(connection, uid)
    if attributes is None:
        raise Refused(performed.NO_SUCH_INSTANCE, "there is no step of this SOP Instance UID")
    return attributes


def _columns(call: Call, request: Mapping[str, Any], attributes: Attributes) -> dict[str, object]:
    def said(tag: str) -> str:
        return performed.text(attributes, tag)

    return {
        "status": said(performed.STATUS),
        "ae_title": str(request.get("ae_title", ""))[:64],
        "station_name": said(performed.STATION_NAME),
        "step_id": said(performed.STEP_ID),
        "modality": said(performed.MODALITY),
        "patient_name": said(performed.PATIENT_NAME),
        "patient_id": said(performed.PATIENT_ID),
        "study_uid": next((done_for.study_uid for done_for in performed.done_for(attributes)), ""),
        "start_at": said(performed.START_DATE) + said(performed.START_TIME),
        "end_at": said(performed.END_DATE) + said(performed.END_TIME),
        "attributes": json.dumps(attributes),
        "changed_at": call.clock.seconds(),
    }


def _file_series(connection: Connection, uid: str, attributes: Attributes) -> None:
    connection.execute(_NO_SERIES, {"uid_": uid})
    rows = [{"step": uid, "position": place, **asdict(made)} for place, made in enumerate(performed.series_of(attributes))]
    if rows:
        connection.execute(_INSERT_SERIES, rows)


def _order(connection: Connection, done_for: DoneFor) -> dict[str, object]:
    """Find the entry that a step was done for: by accession number and step ID, or else by study; None for an unscheduled one."""
    told = {"accession": done_for.accession, "step_id": done_for.step_id}
    if done_for.accession and done_for.step_id:
        step = find_step(connection, StepKey(done_for.accession, done_for.step_id))
        if step is not None and step["study_uid"] == done_for.study_uid:
            return {**told, "scheduled": step["ien"]}
    of_study = [
        row for row in connection.execute(_OF_STUDY, {"study": done_for.study_uid}) if done_for.step_id in ("", row.step_id)
    ]
    if len(of_study) != 1:
        return {**told, "scheduled": None}
    (found,) = of_study
    return {"accession": done_for.accession or found.accession, "step_id": found.step_id, "scheduled": found.ien}


def _follow(call: Call, uid: str, request: Mapping[str, Any], attributes: Attributes) -> None:
    """Let scheduled steps and exams stand where what was performed for them says, and tell the story."""
    connection, now = call.connection, call.clock.seconds()
    orders = connection.execute(_ORDERS, {"uid_": uid}).all()
    for ien in {order.scheduled for order in orders if order.scheduled is not None}:
        status = connection.execute(_SCHEDULED_STATUS, {"ien_": ien}).scalar()
        if status not in (None, CANCELLED):
            set_status(connection, ien, status_of(connection.execute(_OF_SCHEDULED, {"scheduled_": ien}).scalars()), now)
    moved = [told for accession in sorted({it.accession for it in orders} - {""}) for told in _move_exam(connection, accession)]
    title, outcome = str(request.get("ae_title", ""))[:64], performed.text(attributes, performed.STATUS)
    made = sum(series.instances for series in performed.series_of(attributes))
    detail = "; ".join([f"step {performed.text(attributes, performed.STEP_ID)}", f"{made} instances", *moved])
    record_events(connection, [Event(uid, None, STAGE, now, title, outcome, detail)])


def status_of(statuses: Iterable[str]) -> str:
    """Tell where a scheduled step stands for which some steps were performed: one that goes on counts, then one that is done."""
    told = set(statuses)
    if performed.IN_PROGRESS in told:
        return STARTED
    return COMPLETED if performed.COMPLETED in told else SCHEDULED


def _move_exam(connection: Connection, accession: str) -> list[str]:
    """Let an exam stand where its steps do; two exams of one number count as none. Gives what is to be told of it."""
    exams = connection.execute(_EXAMS, {"accession_": accession}).all()
    if len(exams) != 1 or exams[0].status not in _MOVED_BY_STEPS:
        return []
    (exam,) = exams
    steps = set(connection.execute(_SCHEDULED_OF, {"accession_": accession}).scalars())
    steps = steps or {status_of(connection.execute(_OF_ACCESSION, {"accession_": accession}).scalars())}
    status = EXAMINED if steps == {COMPLETED} else CALLED if steps & {COMPLETED, STARTED} else WAITING
    if status != exam.status:
        connection.execute(_SET_EXAM, {"ien_": exam.ien, "status_": status})
    return [f"exam {accession} is {status}"]
