"""What a gateway asks when it starts: domain, places, its machine number, the server's version."""

from __future__ import annotations

from sqlalchemy import insert, select

from fileman import lock_for_transaction, next_ien
from fileman.files import GatewayMachine
from rpcs.call import Call
from rpcs.registry import Access, literal, procedure
from rpcs.site import InstitutionData
from xwb import ResultType

_MACHINE = select(GatewayMachine.ien)


@procedure("MAG DICOM GET DOMAIN", access=Access.SESSION, routine="DOMAIN^MAGDRPC1", version=3)
def get_domain(call: Call) -> str:
    """Answer the MAIL domain of this VistA."""
    return call.site.settings.domain


@procedure(
    "MAG DICOM GET MACHINE ID",
    access=Access.WRITES,
    routine="GETID^MAGDRPC1",
    parameters=(literal("HOSTNAME", 30, required=True),),
    word_wrap=False,
    version=3,
)
def get_machine_id(call: Call) -> str:
    """Answer the number of a gateway's host; the first time VistA answers the letter B, and so do we."""
    host = call.text(0).upper()
    if not host:
        return "-1,No Hostname Specified"
    lock_for_transaction(call.connection, "gateway_machine")
    number = call.connection.execute(_MACHINE.where(GatewayMachine.host == host)).scalar()
    if number is not None:
        return str(number)
    number = next_ien(call.connection, "gateway_machine")
    call.connection.execute(insert(GatewayMachine).values(ien=number, host=host))
    return "B"


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
    "MAG DICOM GET PLACE",
    access=Access.SESSION,
    routine="GETPLACE^MAGDRPC8",
    parameters=(literal("LOCATION", 30, required=True),),
    version=3,
)
def get_place(call: Call) -> str:
    """Answer the entry of IMAGING SITE PARAMETERS that an institution has."""
    location = call.text(0)
    place = call.site.place_of(location)
    return str(place.ien) if place is not None else f'-1,Location "{location}" not found.'


@procedure("MAG DICOM GET VERSION", access=Access.SESSION, routine="IMGVER^MAGDRPC2", version=3)
def get_version(call: Call) -> str:
    """Answer the numbers of the imaging patches, oldest first, then the newest with its test version: `54,138,221,221-T7`."""
    installed = []
    for line in call.site.settings.patches:
        name, day, test, *_ = [*line.split(), "", "", ""]
        package, version, number = [*name.split("*"), "", "", ""][:3]
        if package == "MAG" and version == "3.0" and number.isdigit() and day and test:
            installed.append((day, number, f"{number}-{test}"))
    installed.sort()
    numbers = dict.fromkeys(number for _day, number, _full in installed)
    return ",".join([*numbers, *([installed[-1][2]] if installed else [])])
