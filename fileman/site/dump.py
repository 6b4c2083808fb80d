"""The site written out as a site file: absolute dates, hashes and enciphered codes instead of clear ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from pydantic import BaseModel
from sqlalchemy import Connection

from fileman.dates import from_fileman, to_fileman
from fileman.site.destinations import DESTINATIONS
from fileman.site.patients import EXAMS, PATIENTS, TIU_NOTES
from fileman.site.people import PEOPLE
from fileman.site.places import HOLIDAYS, IMAGING_SITES, INSTITUTIONS, NETWORK_LOCATIONS
from fileman.site.radiology import CODES, RADIOLOGY
from fileman.site.schedule import OPTION_SCHEDULES
from fileman.site.settings import SiteSettings, site_settings
from fileman.site.tele_reader import ACQUISITION, READERS
from fileman.site.worklist import SCHEDULED_STEPS

#: The tables after [site], in the order in which they are written.
_SECTIONS = (
    INSTITUTIONS,
    IMAGING_SITES,
    *PEOPLE,
    PATIENTS,
    EXAMS,
    TIU_NOTES,
    SCHEDULED_STEPS,
    NETWORK_LOCATIONS,
    *DESTINATIONS,
    *RADIOLOGY,
    HOLIDAYS,
    OPTION_SCHEDULES,
    *ACQUISITION,
    READERS,
    *CODES,
)
#: Keys whose FileMan text is written as a TOML date.
_DATES = {
    "active_from",
    "birth_date",
    "date",
    "datetime",
    "entered",
    "inactive",
    "locked_until",
    "next",
    "purged",
    "reactivated",
    "terminated",
    "updated",
    "verify_changed",
}


def dump_site(connection: Connection) -> str:
    """Write the site as the text of a site file. Loading it with the same site key and dumping again gives the same text."""
    parts = [_table("[site]", site_settings(connection).model_dump(), SiteSettings)]
    for section in _SECTIONS:
        parts += [_table(f"[[{section.name}]]", content, section.model) for content in section.contents(connection)]
    return "\n\n".join(parts) + "\n"


def _table(heading: str, content: Mapping[str, object], model: type[BaseModel]) -> str:
    """Write one table; what is empty is left out unless the reader would put something else in its place."""
    lines = [heading]
    for key, value in content.items():
        empty = value in ("", (), [], {})
        if value is None or (empty and model.model_fields[key].get_default(call_default_factory=True) in ("", (), {}, None)):
            continue
        lines.append(f"{key} = {toml_value(toml_date(str(value)) if key in _DATES else value)}")
    return "\n".join(lines)


def toml_date(text: str) -> date | datetime | str:
    """Turn FileMan text into a TOML date; what no calendar has (2700229) stays text."""
    try:
        moment = from_fileman(text)
    except ValueError:
        return text
    value = moment if "." in text else moment.date()
    return value if to_fileman(value) == text else text


def toml_value(value: object) -> str:
    """Write a value as TOML. Raises TypeError for what a site file cannot hold."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return repr(value)
        case dict():
            return "{" + ", ".join(f"{toml_value(name)} = {toml_value(item)}" for name, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(toml_value(item) for item in value) + "]"
        case date():
            return value.isoformat()
        case str():
            text = value.replace("\\", "\\\\").replace('"', '\\"')
            return '"' + "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in text) + '"'
    raise TypeError(f"a site file holds no {type(value).__name__}")
