"""FileMan's view of our tables: the only files and fields that may be read by number, and the few that may be changed.

Codes, passwords and hashes stand in none of them. A field's `accept` turns what a caller writes into the column's value; a
field without it is read only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Integer, String, bindparam, cast, delete, func, select, tuple_, update

from fileman import external_date
from fileman.files import (
    AcquisitionDevice,
    DicomFailedImage,
    File,
    Image,
    ImagingSite,
    Institution,
    NetworkLocation,
    NewPerson,
    Patient,
    TransmitDestination,
)
from rpcs.call import Call
from xwb import m_number, m_text

Row = Mapping[str, Any]
External = Callable[[Call, str], str]
Accept = Callable[[str], object]
#: Most entries that one call lists.
MOST = 1000


class NotAccepted(ValueError):
    """The value is none that the field takes."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field: the column that holds it, and its value in words where that is another than the stored one."""

    number: str
    label: str
    column: str
    external: External | None = None
    accept: Accept | None = None

    def internal(self, row: Row) -> str:
        """Give the stored value as FileMan keeps it; a number 0 is no pointer, so nothing."""
        value = row[self.column]
        if isinstance(value, bool):
            return str(int(value))
        return str(value) if value not in (None, 0) else ""

    def values(self, call: Call, row: Row) -> tuple[str, str]:
        """Give the value as it is stored and in words."""
        internal = self.internal(row)
        if not internal or self.external is None:
            return internal, internal
        return internal, self.external(call, internal)


@dataclass(frozen=True, slots=True)
class FileView:
    """A file that may be read; its .01 field comes first. An entry of one that is `deletable` may be deleted.

    A table may hold rows besides that are no entries: those of which `there` is not true.
    """

    number: str
    name: str
    table: type[File]
    key: ColumnElement[Any]
    fields: tuple[Field, ...]
    deletable: bool = False
    there: ColumnElement[bool] | None = None
    _by_key: Any = field(init=False, repr=False, compare=False)
    _by_name: Any = field(init=False, repr=False, compare=False)
    _from_behind: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Build the statements that read it, once."""
        columns = sorted({one.column for one in self.fields})
        query = select(self.key.label("ien"), *(getattr(self.table, column) for column in columns))
        query = query if self.there is None else query.where(self.there)
        name = cast(getattr(self.table, self.fields[0].column), String)
        beginning = func.substr(name, 1, bindparam("length")) == bindparam("beginning")
        named = query.where(beginning).limit(bindparam("most"))
        place = tuple_(name, self.key)
        object.__setattr__(self, "_by_key", query.where(self.key == bindparam("key_")))
        since = tuple_(bindparam("since_name", type_=String), bindparam("since_key", type_=Integer))
        object.__setattr__(self, "_by_name", named.where(place > since).order_by(name, self.key))
        behind = named.where((bindparam("since_name", type_=String) == "") | (place < since))
        object.__setattr__(self, "_from_behind", behind.order_by(name.desc(), self.key.desc()))

    def entry(self, call: Call, ien: int) -> Row | None:
        """Read an entry; None when there is none."""
        row = call.connection.execute(self._by_key, {"key_": ien}).mappings().first()
        return None if row is None else dict(row)

    def named(
        self, call: Call, beginning: str, most: int, since: tuple[str, int] = ("", 0), *, backwards: bool = False
    ) -> list[Row]:
        """Give entries whose .01 begins with a text, in order of it (cross-reference B), after a name and an entry of it."""
        asked = {"beginning": beginning, "length": len(beginning), "most": min(most, MOST + 1)}
        place = {"since_name": since[0], "since_key": since[1]}
        rows = call.connection.execute(self._from_behind if backwards else self._by_name, {**asked, **place}).mappings()
        return [dict(row) for row in rows]

    def field(self, number: str) -> Field | None:
        """Find a field by its number or its label."""
        wanted = number.strip().upper()
        canonical = m_text(m_number(wanted)) if wanted[:1] in "0123456789." else wanted
        return next((one for one in self.fields if canonical in (one.number, one.label)), None)

    def change(self, call: Call, ien: int, values: Mapping[str, object]) -> bool:
        """Set columns of an entry; False when there is none."""
        return call.connection.execute(update(self.table).where(self.key == ien).values(**values)).rowcount == 1

    def remove(self, call: Call, ien: int) -> bool:
        """Delete an entry; False when there is none."""
        return call.connection.execute(delete(self.table).where(self.key == ien)).rowcount == 1


def find_file(number: str) -> FileView | None:
    """Find a file that may be read by its number; None for any other."""
    return _BY_NUMBER.get(number.strip())


def _date(_call: Call, internal: str) -> str:
    return external_date(internal.partition(".")[0])


def _words(codes: Mapping[str, str]) -> External:
    return lambda _call, internal: codes.get(internal, internal)


def _institution(call: Call, internal: str) -> str:
    found = call.site.institutions.get(int(internal))
    return found.name if found is not None else ""


def _location(call: Call, internal: str) -> str:
    found = call.site.locations.get(int(internal))
    return found.name if found is not None else ""


def _one_of(codes: Mapping[str, object]) -> Accept:
    def accept(text: str) -> object:
        if text.upper() not in codes:
            raise NotAccepted(text)
        return codes[text.upper()]

    return accept


def _text(most: int) -> Accept:
    def accept(text: str) -> object:
        if not 0 < len(text) <= most or "^" in text or not text.isprintable():
            raise NotAccepted(text)
        return text

    return accept


def _number(least: int, most: int) -> Accept:
    def accept(text: str) -> object:
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most):
            raise NotAccepted(text)
        return int(text)

    return accept


_ON_LINE = {"1": "ON-LINE", "0": "OFF-LINE"}
_TAKEN_ON_LINE = {"1": True, "ON-LINE": True, "0": False, "OFF-LINE": False}

FILES: tuple[FileView, ...] = (
    FileView(
        "2",
        "PATIENT",
        Patient,
        Patient.__table__.c.dfn,
        (
            Field(".01", "NAME", "name"),
            Field(".02", "SEX", "sex", _words({"M": "MALE", "F": "FEMALE"})),
            Field(".03", "DATE OF BIRTH", "birth_date", _date),
            Field(".09", "SOCIAL SECURITY NUMBER", "ssn"),
        ),
    ),
    FileView(
        "4",
        "INSTITUTION",
        Institution,
        Institution.__table__.c.ien,
        (Field(".01", "NAME", "name"), Field("99", "STATION NUMBER", "station")),
    ),
    FileView("200", "NEW PERSON", NewPerson, NewPerson.__table__.c.duz, (Field(".01", "NAME", "name"),)),
    FileView(
        "2005",
        "IMAGE",
        Image,
        Image.__table__.c.ien,
        (
            Field(".01", "OBJECT NAME", "name"),
            Field("1", "FILEREF", "file_ref"),
            Field("2", "DISK & VOLUME, MAGNETIC", "location", _location),
            Field("3", "OBJECT TYPE", "object_type"),
            Field("5", "PATIENT", "patient"),
            Field("6", "PROCEDURE", "procedure"),
            Field("7", "DATE/TIME IMAGE SAVED", "saved_at", _date),
            Field("10", "SHORT DESCRIPTION", "short_description"),
            Field("14", "GROUP PARENT", "parent"),
            Field("60", "PACS UID", "uid"),
        ),
    ),
    FileView(
        "2005.2",
        "NETWORK LOCATION",
        NetworkLocation,
        NetworkLocation.__table__.c.ien,
        (
            Field(".01", "NETWORK LOCATION", "name"),
            Field("1", "PHYSICAL REFERENCE", "physical"),
            Field("5", "OPERATIONAL STATUS", "online", _words(_ON_LINE), _one_of(_TAKEN_ON_LINE)),
            Field("6", "STORAGE TYPE", "kind"),
            Field("26", "ROUTER", "router", _words({"1": "YES", "0": "NO"})),
            Field(".04", "PLACE", "site"),
            Field("23", "RETENTION PERIOD", "retention_days", accept=_number(0, 36500)),
        ),
    ),
    FileView(
        "2006.04",
        "ACQUISITION DEVICE",
        AcquisitionDevice,
        AcquisitionDevice.__table__.c.ien,
        (Field(".01", "NAME", "name"), Field("1", "SITE", "location")),
    ),
    FileView(
        "2006.1",
        "IMAGING SITE PARAMETERS",
        ImagingSite,
        ImagingSite.__table__.c.ien,
        (
            Field(".01", "INSTITUTION NAME", "institution", _institution),
            Field(".02", "INITIALS", "namespace"),
            Field(".03", "WRITE LOCATION", "write_location", _location),
            Field("1.03", "PACS WRITE LOCATION", "pacs_write_location", _location),
        ),
    ),
    FileView(
        "2006.575",
        "DICOM FAILED IMAGES",
        DicomFailedImage,
        DicomFailedImage.__table__.c.ien,
        (
            Field(".01", "IMAGE FILEPATH", "file_path"),
            Field("1", "REASON", "reason"),
            Field("2", "MACHINE ID", "machine"),
            Field("3", "LOCATION", "location"),
            Field("4", "STUDY UID", "study_uid"),
        ),
        there=DicomFailedImage.removed.is_(False),
    ),
    FileView(
        "2006.587",
        "DICOM TRANSMIT DESTINATION",
        TransmitDestination,
        TransmitDestination.__table__.c.ien,
        (
            Field(".01", "SERVICE NAME", "name"),
            Field("2", "PROVIDER AE TITLE", "ae_title", accept=_text(16)),
            Field("3", "IP ADDRESS", "host", accept=_text(255)),
            Field("4", "PORT", "port", accept=_number(1, 65535)),
            Field("5", "GATEWAY SYSTEM TITLE", "gateway"),
            Field("7", "LOCATION", "location", _institution),
        ),
        deletable=True,
    ),
)

_BY_NUMBER = {view.number: view for view in FILES}
