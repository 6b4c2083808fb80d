"""Institutions, places, and what a place says of its PACS."""

from __future__ import annotations

from sqlalchemy import bindparam, select, update

from fileman import bump_site_version
from fileman.files import ImagingSite
from rpcs.call import Call
from rpcs.numbers import entry_number
from rpcs.registry import Access, literal, procedure
from rpcs.site import InstitutionData, PlaceData
from xwb import ResultType, m_number, m_text

NO_PACS = "-2,No PACS Installed"
#: What SETPACS^MAGDRPC8 puts where nothing is set.
RETENTION_DAYS = 30

_PLACE = select(ImagingSite.pacs_retention_days).where(ImagingSite.ien == bindparam("place"))
_SET_PACS = (
    update(ImagingSite).where(ImagingSite.ien == bindparam("place")).values(pacs=True, pacs_retention_days=bindparam("days"))
)


@procedure("MAG DICOM VALID LOCATIONS", returns=ResultType.ARRAY, access=Access.SESSION, routine="LOCS^MAGDRPC8", version=3)
def valid_locations(call: Call) -> list[str]:
    """Answer a count and `ien^name^station` of the institutions that images may come from, by IEN.

    They are those of the imaging sites, the default institution and FileMan's site number.
    """
    settings = call.site.settings
    known = {*(place.institution for place in call.site.places), settings.default_institution, settings.site_number} - {0}
    found = [call.site.institutions.get(ien, InstitutionData(ien, "", "")) for ien in sorted(known)]
    return [str(len(found)), *(f"{institution.ien}^{institution.name}^{institution.station}" for institution in found)]


@procedure(
    "MAG DICOM FIND LOCATION",
    access=Access.SESSION,
    routine="FINDLOC^MAGDRPC8",
    parameters=(literal("NAME", 30, required=True),),
    version=3,
)
def find_location(call: Call) -> str:
    """Answer the institution of a name, or of its number; `-1,Invalid location "x".` for any other text."""
    name = call.text(0)
    if name.isdecimal() and entry_number(name) in call.site.institutions:
        return str(entry_number(name))
    for wanted in (name, name.upper()):
        found = [ien for ien, institution in call.site.institutions.items() if institution.name == wanted]
        if name and found:
            return str(min(found))
    return f'-1,Invalid location "{name}".'


@procedure(
    "MAG DICOM GET PLACE",
    access=Access.SESSION,
    routine="GETPLACE^MAGDRPC8",
    parameters=(literal("LOCATION", 30, required=True),),
    version=3,
)
def get_place(call: Call) -> str:
    """Answer the entry of IMAGING SITE PARAMETERS that an institution has, or that there is none."""
    location = m_text(m_number(call.text(0)))
    place = call.site.place_of(location)
    return str(place.ien) if place is not None else f'-1,Location "{location}" not found.'


def _pacs_place(call: Call) -> PlaceData | None:
    """Give the place with a PACS that a caller means; a site that is not consolidated has one for all, its last."""
    if not call.site.settings.consolidated:
        with_pacs = [place for place in call.site.places if place.pacs]
        return with_pacs[-1] if with_pacs else None
    ien = entry_number(call.text(0))
    return next((place for place in call.site.places if place.ien == ien and place.pacs), None)


@procedure(
    "MAG DICOM PACS CUTOFF DATE",
    access=Access.SESSION,
    routine="CUTOFF^MAGDRPC1",
    parameters=(literal("D0", 30, required=True),),
    version=3,
)
def pacs_cutoff_date(call: Call) -> str:
    """Answer how many days a place keeps on disk what went to a PACS; `-2` without a PACS, `-3` where nothing is set."""
    place = _pacs_place(call)
    if place is None:
        return NO_PACS
    return str(place.pacs_retention_days) if place.pacs_retention_days else "-3,PACS Retention Parameter not defined"


@procedure(
    "MAG DICOM PACS MINIMUM SPACE",
    access=Access.SESSION,
    routine="MINSPACE^MAGDRPC1",
    parameters=(literal("D0", 30, required=True),),
    version=3,
)
def pacs_minimum_space(call: Call) -> str:
    """Answer what percentage of a disk has to stay free at a place; `-2` without a PACS, `-3` where nothing is set."""
    place = _pacs_place(call)
    if place is None:
        return NO_PACS
    space = place.pacs_minimum_space
    return str(space) if space else "-3,PACS Minimum Space Percentage Parameter not defined"


@procedure(
    "MAG DICOM SET PACS PARAMS",
    access=Access.WRITES,
    routine="SETPACS^MAGDRPC8",
    parameters=(literal("PLACE", 30, required=True),),
    version=3,
)
def set_pacs_params(call: Call) -> str:
    """Give a place a PACS and, where none is set, a retention of 30 days; answer 1.

    `-1` without a place, `-2` for one that there is not. The share of free space that VistA sets is one that nothing reads.
    """
    place = entry_number(call.text(0))
    if not place:
        return "-1,No Place Specified."
    days = call.connection.execute(_PLACE, {"place": place}).scalar()
    if days is None:
        return "-2,Invalid Place Specified."
    call.connection.execute(_SET_PACS, {"place": place, "days": days or RETENTION_DAYS})
    bump_site_version(call.connection)
    return "1"
