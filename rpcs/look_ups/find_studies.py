"""The task behind MAG CFIND QUERY: it finds studies by what a DICOM query asks for (QUERY^MAGDQR02)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Executable, bindparam, delete, insert, literal_column, or_, select, update

from fileman import EXAM_POINTERS, beginning, begins, groups_of, to_fileman
from fileman.files import Exam, Image, Patient, QueryResult, QueryResultLine
from rpcs.look_ups.exams import consult_of
from rpcs.look_ups.study_values import COMPARED, STUDIES, TAGS, Study
from rpcs.numbers import entry_number
from taskman import TaskContext, routine

ENTRY_POINT = "QUERY^MAGDQR02"
#: What a query says of a value that it does not know.
UNKNOWN = "<unknown>"
#: The tag of a line that begins a result, or that says what is wrong.
COMMENT = "0000,0902"

Request = Mapping[str, Sequence[str]]
T = TypeVar("T")

_CLOCK = re.compile(r"[0-9]{1,6}")
#: Studies that one result holds; different values that a key may have; entries looked at for a key, for all its values together,
#: and image groups for a query.
MOST_STUDIES, MOST_VALUES, MOST_MATCHES = 5000, 500, 20_000
#: Lines that one transaction adds to a result.
LINES_AT_ONCE = 1000

_PATIENTS = select(Patient.dfn, Patient.name, Patient.ssn).where(begins(Patient.name)).limit(MOST_MATCHES + 1)
_PATIENTS_BY_ID = select(Patient.dfn, Patient.name, Patient.ssn).where(begins(Patient.ssn)).limit(MOST_MATCHES + 1)
_EXAMS_BY_ACCESSION = (
    select(Exam.ien)
    .where(
        or_(
            Exam.accession == bindparam("number"),
            Exam.site_accession == bindparam("number"),
            (Exam.service == "CON") & (Exam.service_ien == bindparam("consult")),
        )
    )
    .limit(MOST_MATCHES + 1)
)
_EXAMS_BY_BEGINNING = (
    select(Exam.ien, Exam.accession, Exam.site_accession)
    .where(or_(begins(Exam.accession), begins(Exam.site_accession)))
    .limit(MOST_MATCHES + 1)
)
_EXAMS_BY_CASE = (
    select(Exam.ien)
    .where(
        or_(
            Exam.case_number == bindparam("number"),
            (Exam.service == "CON") & (Exam.service_ien == bindparam("entry")),
            (Exam.service == "LAB") & (Exam.accession == bindparam("number")),
        )
    )
    .limit(MOST_MATCHES + 1)
)
_EXAM = select(*EXAM_POINTERS).where(Exam.ien == bindparam("exam_"))
#: The object type is part of the text, so that the index of groups by their moment is used.
_GROUPS = STUDIES.where(Image.object_type == literal_column("11"), Image.uid != "").order_by(Image.ien).limit(MOST_MATCHES + 1)
_BY_UID = _GROUPS.where(Image.uid == bindparam("uid"))
_BY_UID_BEGINNING = _GROUPS.where(begins(Image.uid))
_BY_IEN = _GROUPS.where(Image.ien == bindparam("group_"))
_BY_PATIENT = _GROUPS.where(Image.patient == bindparam("dfn"))
_BY_DATE = _GROUPS.where(Image.procedure_time >= bindparam("first"), Image.procedure_time <= bindparam("last"))
_ADD_LINES = insert(QueryResultLine)
_NO_LINES = delete(QueryResultLine).where(QueryResultLine.result == bindparam("result"))
_DONE = update(QueryResult).where(QueryResult.ien == bindparam("result")).values(status="OK", changed=bindparam("now"))
#: Held, so that nobody deletes the result before its lines are committed.
_KNOWN = select(QueryResult.ien).where(QueryResult.ien == bindparam("result")).with_for_update(key_share=True)


class Refused(Exception):
    """The query finds nothing; the arguments say why, one line each."""


@dataclass(frozen=True, slots=True)
class Period:
    """What the study date and time of a query leave: FileMan dates, both included; `asked` when it names any."""

    first: str = "0"
    last: str = "9999999.24"
    asked: bool = False

    def holds(self, moment: str) -> bool:
        """Tell whether a study of a moment is meant."""
        return not self.asked or self.first <= moment <= self.last


@routine(ENTRY_POINT)
def find_studies(task: TaskContext) -> None:
    """Find the studies of a DICOM query, and leave them as a result set to be fetched."""
    result, request = int(task.arguments["result"]), task.arguments["request"]
    today = task.clock.now().date()
    lines = task.store.read(lambda connection: search(connection, request, today))
    rows = [{"result": result, "line": number, "text": text} for number, text in enumerate(lines, start=1)]
    _change(task, result, _NO_LINES, {"result": result})
    for start in range(0, len(rows), LINES_AT_ONCE):
        _change(task, result, _ADD_LINES, rows[start : start + LINES_AT_ONCE])
    _change(task, result, _DONE, {"result": result, "now": to_fileman(task.clock.now())})


def _change(task: TaskContext, result: int, statement: Executable, values: Any) -> None:
    """Change a result for which somebody still waits, in a transaction that commits only while the task is this attempt's."""

    def work(connection: Connection) -> None:
        task.fence(connection)
        if connection.execute(_KNOWN, {"result": result}).first() is not None:
            connection.execute(statement, values)

    task.store.transact(work)


def search(connection: Connection, request: Request, today: date) -> list[str]:
    """Give the lines of a result: for every study a comment, then `tag^value` of what was asked for; or what is wrong."""
    try:
        period = read_period(request)
        found = list(_candidates(connection, request, period))
        return _Results(connection, request, today).lines(found)
    except Refused as refused:
        return [f"{COMMENT}^{reason}" for reason in refused.args]


def read_period(request: Request) -> Period:
    """Read the study date and time of a query. Raises Refused."""
    dates = [value for value in request.get("0008,0020", ()) if value]
    times = [value for value in request.get("0008,0030", ()) if value]
    errors = [f"More than one study {what} specified." for what, given in (("date", dates), ("time", times)) if len(given) > 1]
    first, last = _ends(dates)
    errors += [
        f"Invalid '{end}' date: \"{value}\"." for end, value in (("from", first), ("until", last)) if value and not _is_day(value)
    ]
    start, stop = _ends(times)
    errors += [
        f'Invalid {wrong}: "{value}".'
        for end, value in (("from", start), ("until", stop))
        if value
        for wrong in _wrong(value, end)
    ]
    if errors:
        raise Refused(*errors)
    if not (dates or times):
        return Period()
    return Period(
        f"{_fileman_day(first, '0000000')}.{start}".rstrip("0").rstrip(".") if start else _fileman_day(first, "0000000"),
        f"{_fileman_day(last, '9999999')}.{stop.ljust(6, '9') if stop else '24'}",
        asked=True,
    )


def _ends(values: Sequence[str]) -> tuple[str, str]:
    if not values:
        return "", ""
    first, dash, last = values[0].partition("-")
    return first, last if dash else first


def _wrong(clock: str, end: str) -> list[str]:
    """Tell what is wrong with a time, `HHMMSS` or its beginning."""
    if not clock:
        return []
    if not _CLOCK.fullmatch(clock):
        return [f"'{end}' time"]
    parts = (
        (clock[:2], 23, f"hours in '{end}' time"),
        (clock[2:4], 59, f"minutes in '{end}' time"),
        (clock[4:], 59, f"seconds '{end}' time"),  # worded as VistA words it
    )
    return [named for part, most, named in parts if int(part or 0) > most]


def _is_day(value: str) -> bool:
    return value.isdecimal() and len(value) == 8


def _fileman_day(value: str, otherwise: str) -> str:
    return str(int(value) - 17000000) if value else otherwise


def _asked(request: Request, tag: str) -> list[str]:
    """Give the different values of a key. Raises Refused when they are too many."""
    values = list(dict.fromkeys(value for value in request.get(tag, ()) if value))
    if len(values) > MOST_VALUES:
        raise Refused(f"More than {MOST_VALUES} values for tag {tag}")
    return values


def va_name(name: str) -> str:
    """Write a DICOM name, wild cards included, as VistA keeps names: `Doe^John^Q` is `DOE,JOHN Q`, `Doe` is `DOE,*`."""
    family, given, middle = [part.strip() for part in [*name.upper().replace(",", "^").split("^"), "", ""][:3]]
    written = f"{family},{given}" + (f" {middle}" if middle else "")
    return written + "*" if written.endswith(",") else written


def _matches(value: str, pattern: str) -> bool:
    return fnmatchcase(value, pattern.replace("[", "[[]"))


def _beginning(pattern: str) -> dict[str, str]:
    """Give the range of all matches: they begin as the pattern does up to its first wild card."""
    return beginning(re.split(r"[*?]", pattern, maxsplit=1)[0])


def _patients(connection: Connection, request: Request) -> set[int] | None:
    """Find the patients of a query; None when it names none. Raises Refused when one of its keys has no match, or too many."""

    def named(pattern: str) -> Iterator[int | None]:
        for row in connection.execute(_PATIENTS, _beginning(pattern)):
            yield row.dfn if _matches(row.name, pattern) else None

    def numbered(pattern: str) -> Iterator[int | None]:
        for row in connection.execute(_PATIENTS_BY_ID, _beginning(pattern)):
            yield row.dfn if _matches(row.ssn, pattern) else None

    by_name = _found("0010,0010", [va_name(value) for value in _asked(request, "0010,0010")], named)
    by_id = _found("0010,0020", [value.replace("-", "") for value in _asked(request, "0010,0020")], numbered)
    return _both(by_name, by_id, "Patient Name and ID")


def _exams(connection: Connection, request: Request) -> set[int] | None:
    """Find the exams of a query by accession number and study ID; None when it names none. Raises Refused."""

    def of_case(number: str) -> Iterable[int]:
        entry = entry_number(number) if number.isdecimal() else 0
        return connection.execute(_EXAMS_BY_CASE, {"number": number, "entry": entry}).scalars()

    accessions = [value for value in _asked(request, "0008,0050") if value != "GMRC-"]
    by_accession = _found("0008,0050", accessions, lambda pattern: _of_accession(connection, pattern))
    by_case = _found("0020,0010", _asked(request, "0020,0010"), of_case)
    return _both(by_accession, by_case, "Accession and Study ID")


def _of_accession(connection: Connection, pattern: str) -> Iterator[int | None]:
    """Find exams by accession number, consults in either format; by what it begins with where there are wild cards."""
    if not _wild(pattern):
        yield from connection.execute(_EXAMS_BY_ACCESSION, {"number": pattern, "consult": consult_of(pattern)}).scalars()
        return
    for row in connection.execute(_EXAMS_BY_BEGINNING, _beginning(pattern)):
        yield row.ien if _matches(row.accession, pattern) or _matches(row.site_accession, pattern) else None


def _found(tag: str, patterns: Sequence[str], look_up: Callable[[str], Iterable[int | None]]) -> set[int] | None:
    """Find the entries of a key, of which `look_up` gives all that it looks at, None for one that does not fit."""
    if not patterns:
        return None
    looked_at = _bounded((entry for pattern in patterns for entry in look_up(pattern)), f"tag {tag}")
    found = {entry for entry in looked_at if entry is not None}
    if not found:
        raise Refused(f"No matches for tag {tag}")
    return found


def _bounded(rows: Iterable[T], what: str) -> list[T]:
    """Give what is looked at. Raises Refused when it is too much."""
    found = list(islice(rows, MOST_MATCHES + 1))
    if len(found) > MOST_MATCHES:
        raise Refused(f"More than {MOST_MATCHES} matches for {what}")
    return found


def _both(first: set[int] | None, second: set[int] | None, what: str) -> set[int] | None:
    if first is None or second is None:
        return first if second is None else second
    if not first & second:
        raise Refused(f"No matches left, conflict between {what}")
    return first & second


def _candidates(connection: Connection, request: Request, period: Period) -> list[Any]:
    """Find the image groups that a query means. Raises Refused."""
    patients, exams = _patients(connection, request), _exams(connection, request)
    of_exams = None if exams is None else _groups_of_exams(connection, exams)
    uids = _asked(request, "0020,000D")
    if uids:
        groups = _groups_of_uids(connection, uids)
        if len({row.patient for row in groups}) > 1 and _keep(request) == "0" and len(uids) == 1 and not _wild(uids[0]):
            raise Refused("Duplicate Study UID (tag 0020,000D)")
    elif of_exams is not None:
        groups = [row for group in of_exams for row in connection.execute(_BY_IEN, {"group_": group})]
    elif patients is not None:
        of_patients = (row for dfn in sorted(patients) for row in connection.execute(_BY_PATIENT, {"dfn": dfn}))
        groups = _bounded(of_patients, "the query")
    elif period.asked:
        groups = _bounded(connection.execute(_BY_DATE, {"first": period.first, "last": period.last}), "the query")
        if not groups:
            raise Refused("No matches for tag 0008,0020 / 0008,0030")
    else:
        raise Refused("No Selection Specified.")
    fitting = [
        row
        for row in groups
        if (patients is None or row.patient in patients)
        and (of_exams is None or row.ien in of_exams)
        and period.holds(row.procedure_time)
    ]
    if groups and patients is not None and of_exams is not None and not fitting:
        raise Refused("No matches left, conflict between Patient and Study Info")
    return fitting


def _groups_of_exams(connection: Connection, exams: set[int]) -> dict[int, None]:
    """Give the image groups of exams, each once, in the order of the exams. Raises Refused when they are too many."""
    rows = (connection.execute(_EXAM, {"exam_": ien}).one() for ien in sorted(exams))
    return dict.fromkeys(_bounded((group for exam in rows for group in groups_of(connection, exam)), "the query"))


def _wild(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


def _groups_of_uids(connection: Connection, uids: Sequence[str]) -> list[Any]:
    """Give the image groups of study UIDs. Raises Refused when too many begin as they do."""

    def looked_at(uid: str) -> Iterable[Any]:
        return connection.execute(_BY_UID_BEGINNING, _beginning(uid)) if _wild(uid) else connection.execute(_BY_UID, {"uid": uid})

    found = _bounded(((row, uid) for uid in uids for row in looked_at(uid)), "tag 0020,000D")
    return [row for row, uid in found if _matches(row.uid, uid)]


def _keep(request: Request) -> str:
    """Give what is to be done about a UID that two patients have: 1 all, 2 the oldest, 3 the newest; 0 is an error."""
    given = [value for value in _asked(request, COMMENT) if value in ("1", "2", "3")]
    return given[-1] if given else "0"


@dataclass(slots=True)
class _Results:
    """The studies of a query, one after the other."""

    connection: Connection
    request: Request
    today: date
    seen: set[str] = field(default_factory=set)
    wanted: dict[str, list[str]] = field(default_factory=dict)

    def lines(self, groups: Sequence[Any]) -> list[str]:
        """Give the lines of studies that fit, numbered from 1, and a comment when they are not all.

        Raises Refused for a tag that has no value here.
        """
        if unknown := [tag for tag in sorted(self.request) if tag not in TAGS and tag != COMMENT]:
            raise Refused(*(f'Cannot calculate value for tag: "{tag}".' for tag in unknown))
        self.wanted = {tag: _asked(self.request, tag) for tag in self.request}
        keep = _keep(self.request)
        ordered = sorted(groups, key=lambda row: row.saved_at, reverse=keep == "3") if keep in ("2", "3") else groups
        found: list[str] = []
        number = 0
        for group in ordered:
            if group.uid in self.seen:
                continue
            values = self._values(group)
            if values is None:
                continue
            self.seen.add(group.uid)
            if number == MOST_STUDIES:
                return [*found, f"{COMMENT}^Only the first {MOST_STUDIES} results are given."]
            number += 1
            found += [f"{COMMENT}^Result # {number}", *(f"{tag}^{value}" for tag, value in sorted(values.items()))]
        return found

    def _values(self, group: Any) -> dict[str, str] | None:
        """Give what is asked for of a study; None when a value is not the wanted one."""
        study = Study(self.connection, group, self.today)
        values = {}
        for tag in {*self.request, "0020,000D"} - {COMMENT}:
            value = TAGS[tag](study)
            wanted = self.wanted.get(tag, [])
            if tag == "0008,0052":
                value = wanted[0] if wanted else ""
            elif wanted and tag in COMPARED and not any(_matches(part, one) for one in wanted for part in value.split("\\")):
                return None
            values[tag] = value
        return values
