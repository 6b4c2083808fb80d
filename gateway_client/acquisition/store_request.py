"""The REQUEST list of MAG DICOM IMAGE PROCESSING as this gateway fills it (ENTRY^MAGDIR8)."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from gateway_client.objects.header import HeaderItem, InstanceHeader

#: The latest values are remembered as they are told: most are those of the image before.
_REMEMBERED = 4096
DICOM_PARAMETERS = "<DICOM>"
#: ORIGIN INDEX of what this site's modalities send; MEDIA of what is imported.
VISTA_ORIGIN, DISK = "V", "D"

_ESCAPES = {"|": r"\|", "\\": r"\\", "\r": r"\r", "\n": r"\n"}
_UNESCAPES = {"|": "|", "\\": "\\", "r": "\r", "n": "\n"}
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), " ")
_ESCAPE_TABLE = str.maketrans({**{chr(code): " " for code in _CONTROLS}, **_ESCAPES})
_NAME_TABLE = str.maketrans({**_CONTROLS, ord("|"): " "})
#: What needs no translation, as nearly every value: a search finds that out in a fraction of the time.
_PLAIN = re.compile(r"[^|\\\x00-\x1f\x7f-\x9f\u0100-\U0010ffff]*").fullmatch
#: What the wire's ISO-8859-1 lacks, and how it is written and read.
_BEYOND = re.compile(r"[\u0100-\U0010ffff]")
_ESCAPED = re.compile(r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|(.?))", re.DOTALL)
_PLAIN_PIECE = re.compile(r"[^|^\x00-\x1f\x7f-\x9f]*").fullmatch
_PIECE_TABLE = str.maketrans({**_CONTROLS, ord("|"): " ", ord("^"): " "})


@dataclass(frozen=True, slots=True)
class Station:
    """Which gateway speaks, and for which instrument.

    Institution and name are the gateway's, mnemonic, imaging service and the second institution the instrument's; without the
    latter it stands where the gateway does.
    """

    location: int
    machine: str
    instrument: str
    service: str = "RAD"
    instrument_location: int | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """From where on a medium an object came, and its ORIGIN INDEX: V, F, D or N."""

    old_path: str
    origin: str


@dataclass(frozen=True, slots=True)
class StoreItem:
    """One object to be stored: for which instrument, its header, where it lies, when it came, digest and size of its data set.

    By the case number VistA finds its exam; `parameters` are image processing rules. One that was `imported` goes to import
    reconciliation (#2006.5752), not to DICOM CORRECT, when it fits no exam.
    """

    station: Station
    header: InstanceHeader
    case_number: str
    path: str
    received_at: datetime
    digest: str
    size: int = 0
    parameters: str = DICOM_PARAMETERS
    first_try: bool = True
    imported: Imported | None = None


def escape(text: str) -> str:
    r"""Write a header value into a piece: bar, backslash, CR and LF as `\|`, `\\`, `\r`, `\n`; other controls are blanks.

    A character that ISO-8859-1 lacks goes by its number, as `\u{1F600}`; half of a surrogate pair is none and goes as U+FFFD.
    """
    return text if _PLAIN(text) else _BEYOND.sub(_numbered, text.translate(_ESCAPE_TABLE))


def _numbered(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\u{{{0xFFFD if 0xD800 <= number < 0xE000 else number:X}}}"


def unescape(text: str) -> str:
    """Read what `escape` wrote; an escape that it never writes stays as it is."""
    return _ESCAPED.sub(_meant, text)


def _meant(found: re.Match[str]) -> str:
    if found[1] is None:
        return _UNESCAPES.get(found[2], found[0])
    number = int(found[1], 16)
    return chr(number) if 0xFF < number <= sys.maxunicode and not 0xD800 <= number < 0xE000 else found[0]


def clean(text: str) -> str:
    """Make a value fit for a piece of STORE1 or STORE2, where nothing can be escaped: no bars, carets or controls."""
    return (text if _PLAIN_PIECE(text) else text.translate(_PIECE_TABLE)).strip()


def clean_name(text: str) -> str:
    """Clean a person name, whose carets part family and given name; of its groups only the alphabetic is sent."""
    return text.partition("=")[0].translate(_NAME_TABLE).strip()


def fileman_moment(moment: datetime) -> str:
    """Give a date and time as FileMan writes it: years since 1700, zeros at the end of the time dropped."""
    time = f"{moment.hour:02d}{moment.minute:02d}{moment.second:02d}".rstrip("0")
    day = f"{moment.year - 1700:03d}{moment.month:02d}{moment.day:02d}"
    return f"{day}.{time}" if time else day


def store_lines(uuid: str, items: Sequence[StoreItem]) -> list[str]:
    """Give the elements 2, 3... of REQUEST that store some objects in one call.

    The request begins with its UUID, so that the broker answers it once only, however often it comes.
    """
    lines = [f"REQUEST|{uuid}"]
    for item in items:
        if item.first_try:
            lines.append(f"ACQUIRED||{item.station.location}|{clean(item.station.instrument)}")
        lines.append(_store1(item))
        lines.append(_store2(item))
        uid = clean(item.header.sop_instance_uid)
        lines += [f"HEADER|{uid}|{_told(element)}" for element in item.header.items]
        lines.append(f"DIGEST|{uid}|{item.digest}|{item.size}")
    return lines


def processed_lines(uuid: str, station: Station, images: Sequence[tuple[str, int]]) -> list[str]:
    """Give the elements of REQUEST which say that the files of some images are in place and may be judged by the rules.

    Images are given with their instruments, none for that of the station.
    """
    location, machine = station.location, clean(station.machine)
    return [
        f"REQUEST|{uuid}",
        *(f"PROCESSED||{location}|{clean(mnemonic or station.instrument)}|{image}|1|1|{machine}" for mnemonic, image in images),
    ]


def rollback_lines(uuid: str, images: Sequence[int]) -> list[str]:
    """Give the elements of REQUEST that take images back whose files cannot be placed."""
    return [f"REQUEST|{uuid}", *(f"ROLLBACK||{image}" for image in images)]


def request_list(lines: Sequence[str]) -> list[str]:
    """Give REQUEST whole: its first element is the subscript of the last one."""
    return [str(len(lines) + 1), *lines]


@lru_cache(maxsize=_REMEMBERED)
def _told(item: HeaderItem) -> str:
    """Write one value of one data element."""
    return f"{item.path}|{item.vr}|{item.number}|{escape(item.value)}"


def _store1(item: StoreItem) -> str:
    header, station = item.header, item.station
    pieces = (
        "",  # status: not read
        str(station.location),
        clean(station.machine),
        station.service,
        clean(station.instrument),
        clean(item.path),
        clean(header.patient_id),
        clean_name(header.patient_name),
        clean(item.case_number),  # CASENUMB: the key by which the exam is found
        clean(header.accession),
        clean(header.study_date),
        clean(header.study_time),
        "0" if item.imported is None else "1",  # the importer's flag
        clean(header.modality),
        "",  # image name: dental only
        clean(item.parameters),
        clean(header.series_number),
        clean(header.instance_number),
        str(station.location if station.instrument_location is None else station.instrument_location),
        "0",  # one file holds all frames
        clean(station.machine),
        "",  # mail group
    )
    return "STORE1|" + "|".join(pieces)


def _store2(item: StoreItem) -> str:
    header, imported = item.header, item.imported
    pieces = (
        clean(header.study_uid),
        clean(header.series_uid),
        clean(header.sop_instance_uid),
        clean(header.sop_class_uid),
        "0",  # LASTIMG: the journal, not a counter, tells what was filed
        "1",
        clean(header.manufacturer),
        clean(header.model),
        fileman_moment(item.received_at),
        VISTA_ORIGIN if imported is None else imported.origin,
        "" if imported is None else DISK,
        "" if imported is None else clean(imported.old_path),
    )
    return "STORE2|" + "|".join(pieces)
