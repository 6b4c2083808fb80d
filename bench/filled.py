"""A broker's database with very much in it: written from outside, in a few statements, as filing would have left it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    Integer,
    String,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal,
    select,
    update,
)

from fileman import next_iens
from fileman.engines import writing_engine
from fileman.files import (
    BackgroundQueue,
    DicomExport,
    DicomExportImage,
    DicomFailedImage,
    Exam,
    File,
    Image,
    ImageEvent,
    Patient,
    Report,
    ReportImage,
    SendQueue,
)

#: Exams whose images are on file, with so many images each, and exams of today, whose images are to come.
EXAMS, PER_EXAM, TODAY = 10_000, 100, 200
ROOT = "1.2.826.0.1.3680043.8.498.77"
NAME, MOMENT = "BENCH,PATIENT", "3260101.12"
#: Patients and exams of the bench begin after those of the demo site.
FIRST = 100_000
#: People whose images may come, and the first of them.
PEOPLE, FAR = 100_000, 1_000_000
#: Exams that are filled at a time.
CHUNK = 1_000

_COUNTED = select(bindparam("first", type_=Integer).label("i")).cte("counted", recursive=True)
_NUMBERS = _COUNTED.union_all(select(_COUNTED.c.i + 1).where(_COUNTED.c.i + 1 < bindparam("until", type_=Integer)))
_I: ColumnElement[int] = _NUMBERS.c.i
_EXAM, _MEMBER = _I // PER_EXAM, _I % PER_EXAM + 1
#: The IENs of a group and its images follow each other: those before them are given when it is written.
_GROUP = bindparam("base", type_=Integer) + _EXAM * (PER_EXAM + 1)
#: The UIDs of exams are scattered over the index, as those of many modalities are.
_SCATTERED = 2_654_435_761, 4_294_967_296


def study_uid(exam: int) -> str:
    """Give the Study Instance UID of an exam."""
    return f"{ROOT}.{exam * _SCATTERED[0] % _SCATTERED[1]}"


def accession(exam: int) -> str:
    """Give the accession number of an exam."""
    return f"020126-{exam}"


def patient_id(exam: int) -> str:
    """Give the number of an exam's patient."""
    return f"666{exam:06d}"


def _text(number: ColumnElement[int]) -> ColumnElement[str]:
    return cast(number, String)


def _study(exam: ColumnElement[int]) -> ColumnElement[str]:
    return f"{ROOT}." + _text(exam * _SCATTERED[0] % _SCATTERED[1])


def _made(file: type[File], **values: object) -> Insert:
    """Make an entry of each number."""
    columns = [value if isinstance(value, ColumnElement) else literal(value) for value in values.values()]
    return insert(file).from_select(list(values), select(*columns).select_from(_NUMBERS))


_NAMED = {"name": NAME, "saved_at": MOMENT, "saved_by": 0, "parent_file": "74", "acquisition_site": 660, "image_class": 1}
_PATIENTS = _made(Patient, dfn=FIRST + _I, name=NAME, ssn=func.printf("666%06d", _I), birth_date="2500131", sex="M")
#: People with names of many letters, a thousand of each last name, and one exam each within a year.
_PEOPLE = _made(
    Patient,
    dfn=FAR + _I,
    name=func.printf("%c%sEN%cON,%cAR%c", 65 + _I % 20, "AND", 65 + _I // 20 % 5, 65 + _I // 100 % 26, 65 + _I // 2600 % 26),
    ssn=func.printf("6665%05d", _I),
    birth_date=func.printf("2%02d06%02d", _I % 80 + 10, _I % 28 + 1),
    sex=case((_I % 2 == 0, "F"), else_="M"),
)
_THEIR_EXAMS = _made(
    Exam,
    ien=FAR + _I,
    service="RAD",
    accession="030126-" + _text(_I),
    patient=FAR + _I,
    exam_date=func.printf("326%02d%02d.0930", _I % 12 + 1, _I % 28 + 1),
    procedure="CT HEAD W/O CONT",
    status="WAITING FOR EXAM",
    location=660,
)
_EXAMS = _made(
    Exam,
    ien=FIRST + _I,
    service="RAD",
    accession="020126-" + _text(_I),
    patient=FIRST + _I,
    exam_date="3260201.0930",
    procedure="CHEST 2 VIEWS PA&LAT",
    status="EXAMINED",
    location=660,
)
#: A study whose name, number and accession have a letter or digit wrong each.
_NOT_FILED = {
    "ien": FAR,
    "file_path": "1.dcm",
    "reason": "BAD CASE #",
    "entered": "3260613",
    "machine": "BENCH",
    "study_uid": f"{ROOT}.9",
    "image_uid": f"{ROOT}.9.1",
    "name": "BANDENBOM,KARE",
    "original_name": "BANDENBOM~KARE",
    "patient_id": "666-50-1062",
    "accession": "030126-106",
    "modality": "CT",
    "first_of_study": True,
}
_REPORTS = _made(
    Report,
    ien=bindparam("report", type_=Integer) + _I,
    service="RAD",
    accession="020126-" + _text(_I),
    exam=FIRST + _I,
    patient=FIRST + _I,
    exam_date="3260201.0930",
    entered=MOMENT,
    entered_by=0,
)
_POINT = (
    update(Exam)
    .where(Exam.ien >= FIRST + bindparam("first"), Exam.ien < FIRST + bindparam("until"))
    .values(report=bindparam("report", type_=Integer) + Exam.ien - FIRST)
)
_LINKS = _made(
    ReportImage,
    report=bindparam("report", type_=Integer) + _I,
    sequence=1,
    image=bindparam("base", type_=Integer) + _I * (PER_EXAM + 1),
)
_GROUPS = _made(
    Image,
    **_NAMED,
    ien=bindparam("base", type_=Integer) + _I * (PER_EXAM + 1),
    object_type=11,
    patient=FIRST + _I,
    parent_ien=bindparam("report", type_=Integer) + _I,
    report=bindparam("report", type_=Integer) + _I,
    uid=_study(_I),
    sop_class=1,
    members=PER_EXAM,
    last_member=PER_EXAM,
)
_IMAGES = _made(
    Image,
    **_NAMED,
    ien=_GROUP + _MEMBER,
    file_ref=func.printf("DEMO%010d.DCM", _GROUP + _MEMBER),
    location=1,
    abstract_location=1,
    object_type=100,
    patient=FIRST + _EXAM,
    parent=_GROUP,
    parent_ien=bindparam("report", type_=Integer) + _EXAM,
    report=bindparam("report", type_=Integer) + _EXAM,
    uid=_study(_EXAM) + ".1." + _text(_MEMBER),
    series_uid=_study(_EXAM) + ".1",
    sop_class=1,
    group_sequence=_MEMBER,
    image_number=_text(_MEMBER),
)
_EVENTS = _made(
    ImageEvent,
    uid=_study(_EXAM) + ".1." + _text(_MEMBER),
    image=_GROUP + _MEMBER,
    stage="STORE",
    at=0.0,
    peer="BENCH",
    outcome="filed",
)

#: One entry of so many failed, or waits; the others are done.
_ODD = 1000
_EXPORTED = {"origin": 660, "priority": 500, "application": "READING ROOM"}
_EXPORTS = _made(
    DicomExport,
    **_EXPORTED,
    ien=bindparam("export", type_=Integer) + _I,
    group=_GROUP,
    requested=MOMENT,
    study_uid=_study(_I),
    last_sequence=PER_EXAM,
    image_count=PER_EXAM,
)
_EXPORT_IMAGES = _made(
    DicomExportImage,
    **_EXPORTED,
    export=bindparam("export", type_=Integer) + _EXAM,
    sequence=_MEMBER,
    image=_GROUP + _MEMBER,
    status=case((_I % _ODD == 0, "FAIL"), (_I % _ODD == 1, "WAITING"), else_="SUCCESS"),
    status_at=1.0 * _I,
)
_SENDS = _made(
    SendQueue,
    ien=bindparam("send", type_=Integer) + _I,
    image=_GROUP + _MEMBER,
    destination="4;MAG(2005.2,",
    file_type="FULL",
    mechanism=1,
    origin=660,
    status=case((_I % _ODD == 0, "FAILED"), (_I % _ODD == 1, "WAITING"), else_="SENT"),
    priority=500,
    queued=MOMENT,
    status_at=1.0 * _I,
)
_QUEUED = _made(
    BackgroundQueue,
    ien=bindparam("queued", type_=Integer) + _I,
    queue="JUKEBOX",
    duz=0,
    requested=MOMENT,
    status=case((_I % _ODD == 0, "FAILED"), else_="NOT_PROCESSED"),
    image=_GROUP + _MEMBER,
    place=1,
)


@contextmanager
def written(database: Path) -> Iterator[Connection]:
    """Write into a broker's database from outside of it, in one transaction."""
    engine = writing_engine(f"sqlite:///{database}", "OFF")
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def fill_exams(database: Path) -> None:
    """Put in the exams, each of a patient of its own: first those that images are put in for, then today's."""
    with written(database) as connection:
        for statement in (_PATIENTS, _EXAMS):
            connection.execute(statement, {"first": 0, "until": EXAMS + TODAY})


def fill_people(database: Path) -> None:
    """Put in people with an exam each, and a study on the CORRECT list whose name and number are another's than its accession."""
    with written(database) as connection:
        for statement in (_PEOPLE, _THEIR_EXAMS):
            connection.execute(statement, {"first": 0, "until": PEOPLE})
        connection.execute(insert(DicomFailedImage), [_NOT_FILED])


def fill_images(database: Path, first: int, until: int) -> None:
    """Put in the images of exams from one number up to another, with groups, reports and stories."""
    for begin in range(first, until, CHUNK):
        end = min(begin + CHUNK, until)
        with written(database) as connection:
            base = next_iens(connection, "image", (end - begin) * (PER_EXAM + 1))[0]
            report = next_iens(connection, "report", end - begin)[0]
            key = {"base": base - begin * (PER_EXAM + 1), "report": report - begin}
            for statement in (_REPORTS, _POINT, _LINKS, _GROUPS):
                connection.execute(statement, {**key, "first": begin, "until": end})
            for statement in (_IMAGES, _EVENTS):
                connection.execute(statement, {**key, "first": begin * PER_EXAM, "until": end * PER_EXAM})


def fill_queues(database: Path, base: int) -> None:
    """Put an entry of each image into the queues: most are done, some failed; `base` is the IEN of the first exam's group."""
    images = EXAMS * PER_EXAM
    with written(database) as connection:
        names = {"export": ("dicom_export", EXAMS), "send": ("send_queue", images), "queued": ("background_queue", images)}
        key = {"base": base, **{name: next_iens(connection, file, count)[0] for name, (file, count) in names.items()}}
        connection.execute(_EXPORTS, {**key, "first": 0, "until": EXAMS})
        for statement in (_EXPORT_IMAGES, _SENDS, _QUEUED):
            connection.execute(statement, {**key, "first": 0, "until": images})
