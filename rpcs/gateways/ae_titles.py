"""DICOM AE SECURITY MATRIX (#2006.9192): which application may do what, and under which title we meet it."""

from __future__ import annotations

from rpcs.call import Call
from rpcs.registry import Access, literal, procedure
from rpcs.site import ApplicationData
from xwb import ResultType

#: Between the pieces of an answer, and between flags.
SEPARATOR, FLAG_SEPARATOR = "`", "|"


def _described(application: ApplicationData, location: str, *, capitals: bool = False, blank_retries: bool = False) -> str:
    """Give an entry as AEINST^MAGVRS52 does: what it is, its flags, its services with their roles, delay and retries."""
    pieces = [
        application.name,
        application.ae_title,
        application.local_title,
        location,
        application.host,
        str(application.port or ""),
        application.force_reconciliation,
        application.origin,
    ]
    if capitals:
        pieces = [piece.upper() if index != 3 else piece for index, piece in enumerate(pieces)]
    flags = FLAG_SEPARATOR.join(f"{name}={value}" for name, value in application.flags.items())
    return SEPARATOR.join(["0," + pieces[0], *pieces[1:], flags, f"SERVICE MESSAGE={_permitted(application, blank_retries)}"])


def _permitted(application: ApplicationData, blank_retries: bool) -> str:
    services = "".join(f"{service}^" for service in application.services)
    delay = 60 * (application.response_delay or 0)
    retries = application.response_retries
    return SEPARATOR.join([services, str(delay), "" if blank_retries and retries is None else str(retries or 0)])


@procedure(
    "MAG DICOM CHECK AE TITLE",
    returns=ResultType.ARRAY,
    access=Access.SESSION,
    routine="AETITLE^MAGVRS52",
    parameters=(
        literal("TITLE", 16, required=True),
        literal("SERVICE", 20, required=True),
        literal("LOCATION", 6, required=True, sequence=2),
        literal("ROLE", 3, required=True, sequence=3),
    ),
    formals=("TITLE", "LOCATION"),
    word_wrap=False,
    version=4,
)
def check_ae_title(call: Call) -> list[str]:
    """Answer what is known of an application by its AE title, in any letter case, at whatever location it stands.

    `0,` with its name, title, our title, location, host, port, two codes, flags, services, delay in seconds and retries, apart
    by grave accents; the services of further entries of the title follow. `-1`, `-3` without title or location, `-2` for none.
    """
    title, location = call.text(0), call.text(1)
    if not title:
        return ["-1,No AE Title specified"]
    if not location:
        return ["-3,No Location specified"]
    found = [it for it in call.site.applications if it.location and it.ae_title.upper() == title.upper()]
    if not found:
        asked = title.upper() if call.site.applications else title
        return [f'-2,No entry for AE Title "{asked}" at location "{location}".']
    first, *others = found
    return [_described(first, location, capitals=True) + "".join(_permitted(it, False) for it in others)]


@procedure(
    "MAG DICOM GET AE ENTRY",
    returns=ResultType.ARRAY,
    access=Access.SESSION,
    routine="AENAME^MAGVCAE",
    parameters=(literal("APPNAME", required=True), "LOCATION"),
    word_wrap=False,
)
def get_ae_entry(call: Call) -> list[str]:
    """Answer the entry of an application name at a station, as MAG DICOM CHECK AE TITLE does; `-1`, `-2`, `-3` likewise."""
    name, station = call.text(0), call.text(1)
    if not name:
        return ["-1,No Application Name specified"]
    if not station:
        return ["-3,No Location specified"]
    found = [it for it in call.site.applications if it.name == name and _station(call, it) == station]
    if not found:
        return [f'-2,No entry for Application Name "{name}" at location "{station}".']
    first, *others = found
    return [_described(first, station, blank_retries=True) + "".join(_permitted(it, True) for it in others)]


def _station(call: Call, application: ApplicationData) -> str:
    institution = call.site.institutions.get(application.location)
    return institution.station if institution is not None else ""


def _in_role(call: Call, service: str, role: str, location: str) -> ApplicationData | str:
    """Find the first application at a location that may do a service in a role, or say what is missing."""
    for value, name in ((location, "LOCATION"), (service, "SERVICE"), (role, "ROLE")):
        if not value:
            return f"-2{SEPARATOR}No {name} provided."
    for application in call.site.applications:
        if str(application.location) == location and f"{service}^{role}" in application.services:
            return application
    return f'-1{SEPARATOR}No title for "{service}", "{role}" at location "{location}".'


@procedure(
    "MAG DICOM GET AE ENTRY LOC",
    returns=ResultType.ARRAY,
    access=Access.SESSION,
    routine="AENTRYLC^MAGVCAE",
    parameters=(literal("SERVICE", required=True), literal("ROLE", required=True), "LOCATION"),
    word_wrap=False,
)
def get_ae_entry_at(call: Call) -> list[str]:
    """Answer the first entry at an institution that may do a service in a role; `-2` for what is missing, `-1` for none."""
    location = call.text(2)
    found = _in_role(call, call.text(0), call.text(1), location)
    return [found if isinstance(found, str) else _described(found, location, blank_retries=True)]


@procedure(
    "MAG DICOM VISTA AE TITLE",
    access=Access.SESSION,
    routine="VATITLE^MAGVRS52",
    parameters=(
        literal("SERVICE", 20, required=True),
        literal("ROLE", 3, required=True),
        literal("LOCATION", 6, required=True),
    ),
    word_wrap=False,
    version=3,
)
def vista_ae_title(call: Call) -> str:
    """Answer the AE title of the first entry at an institution that may do a service in a role, after `0` and a grave accent.

    `-2` and a grave accent before what is missing, `-1` for none.
    """
    found = _in_role(call, call.text(0), call.text(1), call.text(2))
    return found if isinstance(found, str) else f"0{SEPARATOR}{found.ae_title}"
