"""What the imaging workstation asks of every broker, and gateways too: who the user is, and taking leave."""

from __future__ import annotations

from rpcs.call import Call
from rpcs.registry import Access, literal, procedure
from xwb import ResultType


@procedure(
    "MAGGUSER2",
    returns=ResultType.ARRAY,
    access=Access.SESSION,
    routine="USERINF2^MAGGTU3",
    parameters=(literal("MAGGWRKID", 240),),
)
def user_information(call: Call) -> list[str]:
    """Answer who is signed on and where, line by line.

    0 `1^`; 1 DUZ, name, initials; 2 network user and password, which are not told; 3 the MUSE site, 1; 4 place, its code, the
    user's division, the name of the place's institution, consolidated, the division's station; 5 the version of Clinical
    Procedures, of which there is none; 6 and 7 warnings; 8 production; 9 the Vista site service, none; 10 the domain; 11 and
    12 the primary division and its station; 13 and 14 where manuals are. For a division without imaging only the first two.
    """
    session, site = call.session, call.site
    if not session.duz:
        return ["0^DUZ Undefined, Null or Zero"]
    lines = ["1^", f"{session.duz}^{session.name}^"]
    place = site.place_of(session.division)
    if place is None:
        return lines
    names = {number: it.name for number, it in site.institutions.items()}
    stations = {number: it.station for number, it in site.institutions.items()}
    settings = site.settings
    where = [place.ien, place.code, session.division, names.get(place.institution, "")]
    primary = settings.default_institution or session.division
    return [
        *lines,
        "^",
        "1",
        "^".join(map(str, [*where, int(settings.consolidated), stations.get(session.division, "")])),
        "0^",
        "",
        "",
        str(int(settings.production)),
        "",
        settings.domain,
        str(primary),
        stations.get(primary, ""),
        "",
        "",
    ]


@procedure("MAGG LOGOFF", access=Access.NOTHING, routine="LOGOFF^MAGGTAU")
def log_off(_call: Call) -> str:
    """Answer 1: the imaging session is over. The broker's session goes on."""
    return "1"
