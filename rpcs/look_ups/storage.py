"""Network locations as clients see them: the list of shares, and the directories of a file on one."""

from __future__ import annotations

from rpcs import file_find
from rpcs.call import Call
from rpcs.errors import MError
from rpcs.numbers import entry_number
from rpcs.registry import Access, literal, procedure
from rpcs.site import LocationData
from xwb import ResultType

#: STORAGE TYPE (#2005.2, 6) as VistA's codes have it.
STORAGE_TYPES = {"MAG": "MAG", "JUKEBOX": "WORM-OTG", "ROUTER": "RTR"}


@procedure(
    "MAG GET NETLOC",
    returns=ResultType.ARRAY,
    access=Access.SESSION,
    routine="SHARE^MAGGTU6",
    formals=("TYPE",),
    word_wrap=False,
)
def get_netloc(call: Call) -> list[str]:
    """Answer `1^SUCCESS`, then `ien^share^storage type^1^user^password^^^^place` of the shares that are on line.

    TYPE is a storage type, ALL or nothing. Shares that are told alike stand there once; drives of a machine are left out.
    """
    wanted = call.text(0) or "ALL"
    found: dict[str, int] = {}
    for location in call.site.locations.values():
        kind = STORAGE_TYPES[location.kind]
        if location.online and _is_share(location.physical) and (wanted == "ALL" or wanted in kind):
            found.setdefault(_told(call, location, kind), location.ien)
    return ["1^SUCCESS", *(f"{ien}^{told}" for told, ien in sorted(found.items()))]


def _is_share(physical: str) -> bool:
    return physical.startswith("\\\\") and "." not in physical and ":" not in physical


def _told(call: Call, location: LocationData, kind: str) -> str:
    password = call.environment.key.decipher(location.password)
    return f"{location.physical.removesuffix(chr(92))}^{kind}^1^{location.user}^{password}^^^^{location.site}"


@procedure(
    "MAG DIRHASH",
    access=Access.SESSION,
    routine="DHRPC^MAGQBUT4",
    parameters=(literal("Filenamd", 30, required=True), literal("Network location file pointer.", 999, required=True)),
    word_wrap=False,
    version=3,
)
def directory_hash(call: Call) -> str:
    """Answer the directories of a file name on a network location, `SLC0\\00\\00\\00\\00\\`; `^` on one without.

    An M error for a location that there is not.
    """
    location = call.site.locations.get(entry_number(call.text(1)))
    if location is None:
        node = f"^MAG(2005.2,{entry_number(call.text(1)) or chr(34) * 2},0)"
        raise MError(f"DIRHASH+8^MAGFILEB, Global variable undefined: {node},150372994,-%GTM-E-GVUNDEF", node)
    return file_find.directory_hash(location.hash, call.text(0)) or "^"
