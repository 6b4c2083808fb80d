"""The task behind MAG CFIND QUERY: it finds studies by what a DICOM query asks for (QUERY^MAGDQR02)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Executable, bindparam, delete, insert, literal_column, or_, select, update

from fileman import EXAM_POINTERS, beginning, begins, groups_of, to_fileman
from fileman.files import Exam, Image, Patient, QueryResult, QueryResultLine
from rpcs.look_ups.exams import consult_of
from rpcs.look_ups.study_values import COMPARED, STUDIES, TAGS, Study
from taskman import TaskContext, routine

ENTRY_POINT = "QUERY^MAGDQR02"
#: What a query says of a value that it does not know.
UNKNOWN = "<unknown>"
#: The tag of a line that begins a result, or that says what is wrong.
COMMENT = "0000,0902"

Request = Mapping[str, Sequence[str]]

_CLOCK = re.compile(r"[0-9]{1,6}")
#: Studies that one result holds; entries of a file that one key of a query may mean, and image groups looked at for it.
MOST_STUDIES, MOST_MATCHES = 5000, 20_000
#: Lines that one transaction adds to a result.
LINES_AT_ONCE = 1000

_PATIENTS = select(Patient.dfn, Patient.name, Patient.ssn).where(begins(Patient.name)).limit(MOST_MATCHES + 1)
_PATIENTS_BY_ID = select(Patient.dfn, Patient.name, Patient.ssn).where(begins(Patient.ssn)).limit(MOST_MATCHES + 1)
_EXAMS_BY_ACCESSION = select(Exam.ien).where(
    or_(
        Exam.accession == bindparam("number"),
        Exam.site_accession == bindparam("number"),
        (Exam.service == "CON") & (Exam.service_ien == bindparam("consult")),
    )
)
_EXAMS_BY_BEGINNING = (
    select(Exam.ien, Exam.accession, Exam.site_accession)
    .where(or_(begins(Exam.accession), begins(Exam.site_accession)))
    .limit(MOST_MATCHES + 1)
)
_EXAMS_BY_CASE = select(Exam.ien).where(
    or_(
        Exam.case_number == bindparam("number"),
        (Exam.service == "CON") & (Exam.service_ien == bindparam("entry")),
        (Exam.service == "LAB") & (Exam.accession == bindparam("number")),
    )
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
_KNOWN = select(QueryResult.ien).where(QueryResult.ien == bindparam("result"))


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
    return [value for value in request.get(tag, ()) if value]


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
    """Find the patients of a query; None when it names none. Raises Refused when one of its keys has no match."""
    by_name = _found(
        "0010,0010",
        [va_name(value) for value in _asked(request, "0010,0010")],
        lambda pattern: [row.dfn for row in _rows(connection, _PATIENTS, pattern) if _matches(row.name, pattern)],
    )
    by_id = _found(
        "0010,0020",
        [value.replace("-", "") for value in _asked(request, "0010,0020")],
        lambda pattern: [row.dfn for row in _rows(connection, _PATIENTS_BY_ID, pattern) if _matches(row.ssn, pattern)],
    )
    return _both(by_name, by_id, "Patient Name and ID")


def _exams(connection: Connection, request: Request) -> set[int] | None:
    """Find the exams of a query by accession number and study ID; None when it names none. Raises Refused."""
    by_accession = _found(
        "0008,0050",
        [value for value in _asked(request, "0008,0050") if value != "GMRC-"],
        lambda pattern: _of_accession(connection, pattern),
    )
    by_case = _found(
        "0020,0010",
        _asked(request, "0020,0010"),
        lambda number: connection.execute(
            _EXAMS_BY_CASE, {"number": number, "entry": int(number) if number.isdecimal() and len(number) < 10 else 0}
        ).scalars(),
    )
    return _both(by_accession, by_case, "Accession and Study ID")


def _of_accession(connection: Connection, pattern: str) -> list[int]:
    """Find exams by accession number, consults in either format; by what it begins with where there are wild cards."""
    if not _wild(pattern):
        key = {"number": pattern, "consult": consult_of(pattern)}
        return list(connection.execute(_EXAMS_BY_ACCESSION, key).scalars())
    rows = _rows(connection, _EXAMS_BY_BEGINNING, pattern)
    return [row.ien for row in rows if _matches(row.accession, pattern) or _matches(row.site_accession, pattern)]


def _rows(connection: Connection, statement: Executable, pattern: str) -> Sequence[Any]:
    """Give the rows that begin as a pattern does. Raises Refused when they are too many to be looked at."""
    rows = connection.execute(statement, _beginning(pattern)).all()
    if len(rows) > MOST_MATCHES:
        raise Refused(f'More than {MOST_MATCHES} matches for "{pattern}".')
    return rows


def _found(tag: str, patterns: Sequence[str], look_up: Callable[[str], Iterable[int]]) -> set[int] | None:
    if not patterns:
        return None
    found = {entry for pattern in patterns for entry in look_up(pattern)}
    if not found:
        raise Refused(f"No matches for tag {tag}")
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
        groups = [row for uid in uids for row in _groups_of_uid(connection, uid)]
        if len({row.patient for row in groups}) > 1 and _keep(request) == "0" and len(uids) == 1 and not _wild(uids[0]):
            raise Refused("Duplicate Study UID (tag 0020,000D)")
    elif of_exams is not None:
        groups = _first(row for group in of_exams for row in connection.execute(_BY_IEN, {"group_": group}))
    elif patients is not None:
        groups = _first(row for dfn in sorted(patients) for row in connection.execute(_BY_PATIENT, {"dfn": dfn}))
    elif period.asked:
        groups = _first(connection.execute(_BY_DATE, {"first": period.first, "last": period.last}))
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


def _first(groups: Iterable[Any]) -> list[Any]:
    """Give image groups. Raises Refused when they are too many to be looked at."""
    found = list(islice(groups, MOST_MATCHES + 1))
    if len(found) > MOST_MATCHES:
        raise Refused(f"More than {MOST_MATCHES} matches for the query.")
    return found


def _groups_of_exams(connection: Connection, exams: set[int]) -> dict[int, None]:
    """Give the image groups of exams, each once, in the order of the exams."""
    rows = (connection.execute(_EXAM, {"exam_": ien}).one() for ien in sorted(exams))
    return dict.fromkeys(group for exam in rows for group in groups_of(connection, exam))


def _wild(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


def _groups_of_uid(connection: Connection, uid: str) -> list[Any]:
    if not _wild(uid):
        return list(connection.execute(_BY_UID, {"uid": uid}))
    return [row for row in _rows(connection, _BY_UID_BEGINNING, uid) if _matches(row.uid, uid)]


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

    def lines(self, groups: Sequence[Any]) -> list[str]:
        """Give the lines of studies that fit, numbered from 1, and a comment when they are not all.

        Raises Refused for a tag that has no value here.
        """
        if unknown := [tag for tag in sorted(self.request) if tag not in TAGS and tag != COMMENT]:
            raise Refused(*(f'Cannot calculate value for tag: "{tag}".' for tag in unknown))
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
            wanted = [one for one in self.request.get(tag, ()) if one]
            if tag == "0008,0052":
                value = wanted[0] if wanted else ""
            elif wanted and tag in COMPARED and not any(_matches(part, one) for one in wanted for part in value.split("\\")):
                return None
            values[tag] = value
        return values
