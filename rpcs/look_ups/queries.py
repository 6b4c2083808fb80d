"""DICOM queries, answered by a TaskMan task and fetched in parts (MAG CFIND QUERY); what is current of an image."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import bindparam, delete, insert, select, update

import taskman.api as taskman
from fileman import next_ien, to_fileman
from fileman.files import Image, QueryResult, QueryResultLine
from rpcs.call import Call
from rpcs.look_ups.find_studies import ENTRY_POINT, UNKNOWN
from rpcs.look_ups.integrity import is_deleted
from rpcs.look_ups.study_values import STUDIES, TAGS, Study
from rpcs.numbers import LARGEST, count, entry_number
from rpcs.registry import Access, listed, literal, procedure
from xwb import LocalArray, ResultType, m_number

NOT_ACCEPTED = "TaskMan did not Accept Request"
#: What the header of an exported image says of its patient and its study.
OF_THE_STUDY = (
    *("0008,0020", "0008,0030", "0008,0050", "0008,0090", "0008,1030"),
    *("0010,0010", "0010,0020", "0010,0030", "0010,0040", "0010,1000", "0020,000D", "0020,0010"),
)
#: Lines that one call answers unless it says so; days until a result that nobody fetched goes.
LINES, KEPT_DAYS = 100, 5
#: Most lines that one call answers, and most results that one deletes, none after so many lines: MAGB PURGE QUEUES deletes the
#: others.
MOST_LINES, MOST_RESULTS, MOST_DELETED = 10_000, 100, 50_000

_STATUS = select(QueryResult.status, QueryResult.task).where(QueryResult.ien == bindparam("result"))
_SET_TASK = update(QueryResult).where(QueryResult.ien == bindparam("result")).values(task=bindparam("number"))
_PART = (
    select(QueryResultLine.line, QueryResultLine.text)
    .where(QueryResultLine.result == bindparam("result"), QueryResultLine.line > bindparam("after"))
    .order_by(QueryResultLine.line)
    .limit(bindparam("most"))
)
_DELETE_LINES = delete(QueryResultLine).where(QueryResultLine.result == bindparam("result"))
_DELETE = delete(QueryResult).where(QueryResult.ien == bindparam("result"))
_IMAGE = select(
    Image.ien, Image.uid, Image.export_uid, Image.series_uid, Image.parent, Image.image_number, Image.series_number
).where(Image.ien == bindparam("ien"))
_STUDY = STUDIES.where(Image.ien == bindparam("ien"))
_OLD = select(QueryResult.ien).where(QueryResult.changed < bindparam("day")).order_by(QueryResult.changed).limit(MOST_RESULTS)


@procedure(
    "MAG CFIND QUERY",
    returns=ResultType.ARRAY,
    access=Access.WRITES,
    routine="FIND^MAGDQR01",
    parameters=(
        listed("TAGS", 32000, required=True),
        literal("RESULT", 20, required=True),
        literal("OFFSET", 20, required=True),
        literal("MAX", 10, required=True),
        literal("AENAME", 127),
    ),
    word_wrap=False,
    version=3,
)
def cfind_query(call: Call) -> list[str]:
    """Start a query, ask whether it is done, fetch a part of what it found, or clean up.

    Without RESULT the TAGS, `tag|VR|flag|value`, are queried by a TaskMan task: `0,result,Query Started through TaskMan`. With
    RESULT and OFFSET 0 the first lines are answered, `tag^value`, or `-1,TaskMan still active`; with the OFFSET of the first
    line of an answer those after them, until `0,No more results.`; with OFFSET -1 the result is deleted. A result holds at
    most 5000 studies, and a last comment when there are more. A query finds nothing when a key has more than 500 values, or more
    than 20000 entries begin as the values of a key do up to their first wild cards, or that many image groups are meant.
    """
    result, offset = entry_number(call.text(1)), m_number(call.text(2))
    if not result:
        return _start(call)
    if offset < 0:
        _forget(call, result)
        return ["1,Result Set Cleaned Up"]
    if not offset and (waiting := _not_done(call, result)):
        return [waiting]
    most = min(count(call.text(3)) or LINES, MOST_LINES)
    part = call.connection.execute(_PART, {"result": result, "after": min(int(offset), LARGEST), "most": most}).all()
    if not part:
        return ["0,No more results."]
    return [f"{len(part)},{part[-1].line},result(s).", *(row.text for row in part)]


def request_of(tags: LocalArray[str]) -> dict[str, list[str]]:
    """Read the elements of a query: what is asked for by tag, with the values that it has to have."""
    request: dict[str, list[str]] = {}
    for element in tags.values():
        tag, _vr, _flag, value = [*element.split("|", 3), "", "", ""][:4]
        if tag:
            known = [] if value.lower() == UNKNOWN else [it for it in value.split("\\") if it]
            request[tag.upper()] = known if all(it.strip("*") for it in known) else []
    return request


def _asks_something(request: Mapping[str, list[str]]) -> bool:
    return any(value.strip("*?") for values in request.values() for value in values)


def _start(call: Call) -> list[str]:
    request = request_of(call.list(0))
    if not _asks_something(request):
        return ["-2,Errors encountered", "No permission to query whole database."]
    if not call.environment.engine_accepts():
        return ["-2,Errors encountered", NOT_ACCEPTED]
    result = next_ien(call.connection, "query_result")
    now = to_fileman(call.clock.now())
    call.connection.execute(insert(QueryResult).values(ien=result, status="IP", changed=now, task=None))
    number = taskman.load(
        call.connection,
        ENTRY_POINT,
        arguments={"result": result, "request": request},
        description=f"Perform DICOM Query, result-set={result}",
        duz=call.session.duz,
        now=call.clock.seconds(),
    )
    call.connection.execute(_SET_TASK, {"result": result, "number": number})
    return [f"0,{result},Query Started through TaskMan"]


def _not_done(call: Call, result: int) -> str:
    """Say why a result cannot be fetched; nothing when it can."""
    row = call.connection.execute(_STATUS, {"result": result}).first()
    if row is None or row.status == "OK":
        return ""
    if row.status == "X":
        return "-2,No result returned"
    status = taskman.stat(call.connection, row.task or 0)
    if not status.text.startswith("Inactive"):
        return "-1,TaskMan still active"
    return "" if "Finished" in status.text else f"-13,TaskMan aborted: {status.text}"


def _forget(call: Call, result: int) -> int:
    """Delete a result; tell how many lines it had."""
    lines = call.connection.execute(_DELETE_LINES, {"result": result}).rowcount
    call.connection.execute(_DELETE, {"result": result})
    return lines


@procedure("MAG DICOM QUERY CLEANUP", access=Access.WRITES, routine="CLEAN^MAGDQR04", word_wrap=False)
def query_cleanup(call: Call) -> str:
    """Delete results of queries that are five days old or older, the oldest 100 or 50000 lines of them; the answer is empty."""
    day, lines = to_fileman((call.clock.now() - timedelta(days=KEPT_DAYS - 1)).date()), 0
    for result in call.connection.execute(_OLD, {"day": day}).scalars().all():
        lines += _forget(call, result)
        if lines >= MOST_DELETED:
            break
    return ""


@procedure(
    "MAG IMAGE CURRENT INFO",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="INFO^MAGDQR04",
    parameters=(literal("IMAGE", 20, required=True),),
    word_wrap=False,
    version=3,
)
def current_info(call: Call) -> list[str]:
    """Answer a count and `tag^value` of what the header of an exported image has to say now, by tag; empty values are left out.

    They are those that MAG CFIND QUERY answers, and the image's own UIDs and numbers. `-1` for what is no entry number, `-2`
    for an entry that is not there, `-3` for a deleted image.
    """
    text = call.text(0)
    ien = entry_number(text)
    if not ien:
        return [f"-1,Invalid IEN ({text})"]
    if is_deleted(call.connection, ien):
        return [f"-3,Image #{text} has been deleted."]
    image = call.connection.execute(_IMAGE, {"ien": ien}).first()
    if image is None:
        return [f'-2,No data for "{text}".']
    group = call.connection.execute(_STUDY, {"ien": image.parent or ien}).one()
    study = Study(call.connection, group, call.clock.now().date())
    values = {tag: TAGS[tag](study) for tag in OF_THE_STUDY}
    if image.parent:
        values |= {"0008,0018": image.export_uid or image.uid, "0020,000E": image.series_uid}
        values |= {"0020,0011": image.series_number, "0020,0013": image.image_number}
    lines = [f"{tag}^{value}" for tag, value in sorted(values.items()) if value]
    return [str(len(lines)), *lines]
