"""TeleReader's lists: which sites acquire, what a reader reads, and which consults wait to be read."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import Row, bindparam, select, update

from fileman import from_fileman, to_fileman
from fileman.files import AcquisitionSite, Exam, ImageIndex, Patient, TeleReader, UnreadConsult
from rpcs.call import Call
from rpcs.icn import full_icn
from rpcs.numbers import entry_number
from rpcs.registry import Access, Availability, literal, procedure
from xwb import ResultType, m_number

#: The files of specialties and of procedures and events.
SPECIALTIES, PROCEDURES = "2005.84", "2005.85"
#: Every status, as a list without STATLIST has them.
STATUSES = "CDLRUW"
UNREAD, LOCKED = "U", "L"
#: Minutes after which no lock is looked at more closely: some two years.
LONGEST_LOCK = 1e6
#: More procedures than any reader reads of a specialty: so many are looked up in one call.
MOST_PROCEDURES = 500

_SITES = select(*AcquisitionSite.__table__.columns).order_by(AcquisitionSite.institution)
_SITE = select(*AcquisitionSite.__table__.columns).where(AcquisitionSite.institution == bindparam("site_"))
_READS = select(*TeleReader.__table__.columns).where(TeleReader.duz == bindparam("duz_")).order_by(TeleReader.position)
_KEY = (
    TeleReader.duz == bindparam("duz_"),
    TeleReader.site == bindparam("site_"),
    TeleReader.specialty == bindparam("specialty_"),
    TeleReader.procedure == bindparam("procedure_"),
)
_SELECT = update(TeleReader).where(*_KEY).values(selected=bindparam("wanted"))
_NAME = select(ImageIndex.name, ImageIndex.abbreviation).where(
    ImageIndex.file == bindparam("file_"), ImageIndex.ien == bindparam("ien_")
)
_PLACE = (
    UnreadConsult.site == bindparam("site_"),
    UnreadConsult.specialty == bindparam("specialty_"),
    UnreadConsult.procedure == bindparam("procedure_"),
)
_COLUMNS = select(*UnreadConsult.__table__.columns)
_OF_STATUS = _COLUMNS.where(*_PLACE, UnreadConsult.status == bindparam("status_")).order_by(UnreadConsult.ien)
_SINCE = _COLUMNS.where(*_PLACE, UnreadConsult.last_activity > bindparam("since")).order_by(
    UnreadConsult.last_activity, UnreadConsult.ien
)
_ENTRY = _COLUMNS.where(UnreadConsult.ien == bindparam("ien_"))
_READER = {
    "reader": bindparam("reader_"),
    "reader_initials": bindparam("initials"),
    "reader_duz_here": bindparam("here"),
    "reader_duz": bindparam("there"),
    "reader_site": bindparam("from_site"),
    "reading_began": bindparam("began"),
    "reading_ended": "",
    "last_activity": bindparam("now"),
}
_LOCK = (
    update(UnreadConsult)
    .where(UnreadConsult.ien == bindparam("ien_"), UnreadConsult.status == UNREAD)
    .values(status=LOCKED, **_READER)
)
_UNLOCK = (
    update(UnreadConsult)
    .where(UnreadConsult.ien == bindparam("ien_"), UnreadConsult.status == LOCKED)
    .values(status=UNREAD, **_READER)
)
_UNLOCK_OLD = (
    update(UnreadConsult)
    .where(
        UnreadConsult.ien == bindparam("ien_"),
        UnreadConsult.status == LOCKED,
        UnreadConsult.reading_began == bindparam("began_then"),
    )
    .values(status=UNREAD, **_READER)
)
_NOBODY = {"reader_": "", "initials": "", "here": None, "there": "", "from_site": None, "began": ""}
_CONSULT = (
    select(Exam.urgency, Exam.procedure, Patient.dfn, Patient.name, Patient.ssn, Patient.icn)
    .join(Patient, Patient.dfn == Exam.patient)
    .where(Exam.service == "CON", Exam.service_ien == bindparam("consult_"))
    .limit(1)
)

#: What LOCK FLAG 1 says of each status that cannot be locked, and 0 of each that cannot be unlocked; * is any other.
_NOT_LOCKED = {
    "R": "-4|Already resulted and can't be locked",
    "C": "-5|Already cancelled and can't be locked",
    "W": "-6|Waiting and can't be locked",
    "*": "-7|Can't be locked because of Unknown Status",
}
_NOT_UNLOCKED = {
    UNREAD: "2|Already unlocked",
    "R": "-9|Already resulted and can't be unlocked",
    "C": "-10|Already cancelled and can't be unlocked",
    "W": "-11|Waiting and can't be unlocked",
    "*": "-12|Can't be unlocked because of Unknown Status",
}


def _station(call: Call, institution: int) -> str:
    found = call.site.institutions.get(institution)
    return found.station if found is not None else ""


def _institution_name(call: Call, institution: int) -> str:
    found = call.site.institutions.get(institution)
    return found.name if found is not None else ""


def _of_station(call: Call, station: str) -> int:
    """Find the institution of a station number; 0 for none."""
    return next((it.ien for it in call.site.institutions.values() if station and it.station == station), 0)


def _flag(active: bool) -> str:
    return "1" if active else "0"


@procedure(
    "MAG DICOM CON UNREAD ACQ SITES",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="GETSITES^MAGDTR06",
    availability=Availability.PUBLIC,
)
def unread_acquisition_sites(call: Call) -> list[str]:
    """Answer a count, and `station|name|station of the primary site|active|minutes of a lock` of each acquisition site."""
    rows = call.connection.execute(_SITES).all()
    return [str(len(rows)), *(_described(call, row, row.active) for row in rows)]


def _described(call: Call, site: Row[tuple[object, ...]], active: bool) -> str:
    names = f"{_station(call, site.institution)}|{_institution_name(call, site.institution)}"
    return f"{names}|{_station(call, site.primary_site)}|{_flag(active)}|{site.lock_minutes}"


@procedure(
    "MAG DICOM CON GET TELE READER",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="GETREAD^MAGDTR06",
    availability=Availability.PUBLIC,
)
def get_tele_reader(call: Call) -> list[str]:
    """Answer a count, and what the user reads, a line for each procedure of a specialty at a site.

    A line is the site as MAG DICOM CON UNREAD ACQ SITES has it, then `|specialty|name|active|procedure|name|active|selected`.
    A site that is not active is not for any reader either.
    """
    sites = {row.institution: row for row in call.connection.execute(_SITES)}
    lines = []
    for row in call.connection.execute(_READS, {"duz_": call.session.duz}):
        site = sites.get(row.site)
        if site is None:
            continue
        specialty, procedure_name = _name(call, SPECIALTIES, row.specialty)[0], _name(call, PROCEDURES, row.procedure)[0]
        lines.append(
            f"{_described(call, site, row.site_active and site.active)}"
            f"|{row.specialty}|{specialty}|{_flag(row.specialty_active)}"
            f"|{row.procedure}|{procedure_name}|{_flag(row.procedure_active)}|{_flag(row.selected)}"
        )
    return [str(len(lines)), *lines]


def _name(call: Call, file: str, ien: int) -> tuple[str, str]:
    """Give the name and the abbreviation of an entry of an index file; empty ones for none."""
    row = call.connection.execute(_NAME, {"file_": file, "ien_": ien}).first()
    return ("", "") if row is None else (row.name, row.abbreviation)


@procedure(
    "MAG DICOM CON SET TELE READER",
    access=Access.WRITES,
    routine="SETREAD^MAGDTR06",
    parameters=(literal("IENPARAM", required=True), literal("SELECT", required=True)),
    formals=("STATNUMB", "ISPECIDX", "IPROCIDX", "USERPREF"),
    availability=Availability.PUBLIC,
)
def set_tele_reader(call: Call) -> str:
    """Select, or leave out, a procedure of a specialty at a site, by its station number, in the user's own list.

    Answers `1, USER PREFERENCE SET`, `2, USER PREFERENCE ALREADY SET`, or -1 to -10 with what is missing.
    """
    station, specialty, event, wanted = (call.text(index) for index in range(4))
    if not m_number(station):
        return "-1, ACQUISITION STATION NUMBER PARAMETER IS NOT DEFINED"
    if not m_number(specialty):
        return "-2, SPECIALTY PARAMETER IS NOT DEFINED"
    if not m_number(event):
        return "-3, PROCEDURE PARAMETER IS NOT DEFINED"
    if len(call.arguments) < 4:
        return "-4, USER PREFERENCE SELCTION IS NOT DEFINED"
    if wanted not in ("0", "1"):
        return f"-5, ILLEGAL VALUE FOR USER PREFERENCE: <<{wanted}>>"
    rows = call.connection.execute(_READS, {"duz_": call.session.duz}).all()
    if not rows:
        return f"-6, USER (DUZ) #{call.session.duz} IS NOT DEFINED IN FILE 2006.5849"
    site = _of_station(call, station)
    if not site:
        return f"-7, ACQUISITION STATION NUMBER {station} IS NOT DEFINED IN FILE 4"
    rows = [row for row in rows if row.site == site]
    if not rows:
        return f"-8, ACQUISITION SITE #{site} IS NOT DEFINED IN FILE 2006.5849"
    rows = [row for row in rows if row.specialty == entry_number(specialty)]
    if not rows:
        return f"-9, SPECIALTY #{specialty} IS NOT DEFINED IN FILE 2006.5849"
    rows = [row for row in rows if row.procedure == entry_number(event)]
    if not rows:
        return f"-10, PROCEDURE #{event} IS NOT DEFINED IN FILE 2006.5849"
    row = rows[0]
    if row.selected == (wanted == "1"):
        return "2, USER PREFERENCE ALREADY SET"
    key = {"duz_": row.duz, "site_": site, "specialty_": row.specialty, "procedure_": row.procedure}
    call.connection.execute(_SELECT, {**key, "wanted": wanted == "1"})
    return "1, USER PREFERENCE SET"


@procedure(
    "MAG DICOM CON UNREADLIST GET",
    returns=ResultType.ARRAY,
    access=Access.SCANS,
    routine="LOOKUP^MAGDTR05",
    parameters=(
        literal("ACQSITE", required=True),
        literal("SPECIALITY INDEX", required=True),
        literal("PROCEDURE INDEX", required=True),
        literal("TIMESTAMP", required=True),
        literal("DUZ"),
        literal("READER SITE"),
        literal("LOCKTIME"),
        literal("STATLIST"),
        literal("READER STATION"),
    ),
)
def unread_list_get(call: Call) -> list[str]:
    """Answer the consults of an acquisition site that are to be read, or were, in a specialty and some procedures.

    ACQSITE is a station number, PROCEDURE INDEX numbers apart by commas, of which the first 500 different ones count, STATLIST
    the statuses wanted. TIMESTAMP 0 lists all, a FileMan moment what changed since. With DUZ only what that reader may see: not
    what waits for images, nor what another has locked. With LOCKTIME, minutes, and a reader's site, locks of that site that are
    older are taken away first.

    First comes one more than the lines that follow; a line has 33 pieces apart by `|`: entry, consult, station, site, patient,
    identification, ICN, short identification, sensitivity, specialty and procedure with abbreviations, first and last image,
    last activity, images, status, kind, urgency, of an inter-facility consult six, of the reader five, begin, end, station. An
    unknown station is `-1, ...`; nothing found is no line at all.
    """
    station, specialty, events, since, duz, reader_site, minutes, statuses, reader_station = (
        call.text(index) for index in range(9)
    )
    site = _of_station(call, station)
    if not site:
        return [f"-1, ACQUISITION STATION NUMBER {station} IS NOT DEFINED IN FILE 4"]
    from_site = _of_station(call, reader_station) or entry_number(reader_site)
    wanted = "".join(status for status in dict.fromkeys(statuses.upper() or STATUSES) if status in STATUSES)
    procedures = islice(dict.fromkeys(number for event in events.split(",") if (number := entry_number(event))), MOST_PROCEDURES)
    places = [{"site_": site, "specialty_": entry_number(specialty), "procedure_": event} for event in procedures]
    if m_number(minutes) and from_site:
        _unlock_old(call, places, from_site, min(float(m_number(minutes)), LONGEST_LOCK))
    lines = []
    for row in _listed(call, places, since, wanted):
        if m_number(duz) and (row.status == "W" or (row.status == LOCKED and row.reader_duz not in ("", duz))):
            continue
        if (line := _line(call, row, station, site)) is not None:
            lines.append(line)
    return [str(len(lines) + 1), *lines] if lines else []


def _listed(call: Call, places: list[dict[str, int]], since: str, wanted: str) -> list[Row[tuple[object, ...]]]:
    """Give the entries of some places: all of the wanted statuses but D, in their order, or what changed since a moment."""
    found: list[Row[tuple[object, ...]]] = []
    if not m_number(since):
        for status in wanted.replace("D", ""):
            for place in places:
                found += call.connection.execute(_OF_STATUS, {**place, "status_": status}).all()
        return found
    for place in places:
        found += [row for row in call.connection.execute(_SINCE, {**place, "since": since}).all() if row.status in wanted]
    return found


def _line(call: Call, row: Row[tuple[object, ...]], station: str, site: int) -> str | None:
    """Write an entry; None for one whose consult is gone."""
    consult = call.connection.execute(_CONSULT, {"consult_": row.consult}).first()
    if consult is None:
        return None
    short = f"{consult.name[:1]}{consult.ssn[-4:]}"
    number = f"{consult.ssn[:3]}-{consult.ssn[3:5]}-{consult.ssn[5:]}" if len(consult.ssn) == 9 else consult.ssn
    pieces = [
        *(row.ien, row.consult, station, _institution_name(call, site)),
        *(consult.name, number, full_icn(consult.icn), short, "0"),
        *_name(call, SPECIALTIES, row.specialty),
        *_name(call, PROCEDURES, row.procedure),
        *(row.first_image, row.last_image, row.last_activity, row.images, row.status, "C", consult.urgency),
        *("", "", "", "", "", ""),
        *(row.reader, row.reader_initials, row.reader_duz_here or "", row.reader_duz, row.reader_site or ""),
        *(row.reading_began, row.reading_ended, ""),
    ]
    return "|".join(map(str, pieces))


def _unlock_old(call: Call, places: list[dict[str, int]], from_site: int, minutes: float) -> None:
    """Take away the locks of a reading site that are older than so many minutes."""
    now = call.clock.now()
    limit = now - timedelta(minutes=minutes)
    locked = [row for place in places for row in call.connection.execute(_OF_STATUS, {**place, "status_": LOCKED})]
    old = [row for row in locked if row.reader_site == from_site and _before(row.reading_began, limit)]
    if old:
        unlock = [{**_NOBODY, "ien_": row.ien, "began_then": row.reading_began, "now": to_fileman(now)} for row in old]
        call.store.transact(lambda connection: connection.execute(_UNLOCK_OLD, unlock))


def _before(moment: str, limit: datetime) -> bool:
    try:
        return from_fileman(moment) < limit
    except ValueError:
        return True


@procedure(
    "MAG DICOM CON UNREADLIST LOCK",
    access=Access.WRITES,
    routine="LOCK^MAGDTR04",
    parameters=(
        literal("UNREAD LIST POINTER", required=True),
        literal("LOCK FLAG", required=True),
        literal("FULL NAME", required=True),
        literal("NAME ABBREVIATION", required=True),
        literal("REMOTE DUZ", required=True),
        literal("LOCAL DUZ", required=True),
        literal("READER SITE", required=True),
        literal("READER STATION"),
    ),
)
def unread_list_lock(call: Call) -> str:
    """Lock an entry of the list for a reader, or unlock it (LOCK FLAG 0), by the reader's name.

    Answers `code|text|status`: 0 done, 1 locked by the same reader before, 2 unlocked before, -1 to -12 why not.
    """
    pointer, flag, name, initials, _here, duz, site, station = (call.text(index) for index in range(8))
    if not m_number(pointer):
        return "-1|No UNREAD parameter set|"
    entry = {"ien_": entry_number(pointer)}
    row = call.connection.execute(_ENTRY, entry).first()
    if row is None:
        return f"-2|UNREAD parameter wrong -- ^MAG(2006.5849,{pointer},0) is undefined|"
    now = to_fileman(call.clock.now())
    if m_number(flag):
        if row.status == UNREAD:
            reader = {"reader_": name, "initials": initials, "here": call.session.duz, "there": duz, "began": now}
            place = _of_station(call, station) or entry_number(site) or None
            if call.connection.execute(_LOCK, {**entry, **reader, "from_site": place, "now": now}).rowcount:
                return f"0|Successful Lock|{LOCKED}"
            row = call.connection.execute(_ENTRY, entry).one()
        if row.status == LOCKED:
            same = row.reader == name
            return f"{'1|Already locked by same user' if same else '-3|Already locked by a different user'}|{LOCKED}"
        return f"{_NOT_LOCKED.get(row.status[:1], _NOT_LOCKED['*'])}|{row.status}"
    if row.status == LOCKED:
        if row.reader != name:
            return f"-8|Locked by different user, can't be unlocked|{LOCKED}"
        call.connection.execute(_UNLOCK, {**_NOBODY, **entry, "now": now})
        return f"0|Successful Unlock|{UNREAD}"
    return f"{_NOT_UNLOCKED.get(row.status[:1], _NOT_UNLOCKED['*'])}|{row.status}"
