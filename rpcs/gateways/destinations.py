"""DICOM TRANSMIT DESTINATION (#2006.587): the list that gateways keep of where they can send to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from fileman import bump_site_version, lock_for_transaction, next_ien, to_fileman
from fileman.files import TransmitDestination, TransmitService
from rpcs.call import Call
from rpcs.errors import undefined
from rpcs.numbers import entry_number
from rpcs.registry import Access, listed, literal, procedure
from xwb import LocalArray, ResultType, m_number

#: What a gateway stands for that means all of them.
ALL_GATEWAYS = "--All DICOM Gateways--"
INCONSISTENT = "-1,Missing or Inconsistent Parameters."
_PIECES = 7
#: The keys of RENAME^MAGBRTUT: pieces 5 and 6 of an entry, the gateway's name and its AE title.
_KEYS = {5: TransmitDestination.gateway, 6: TransmitDestination.gateway_ae_title}

_OF_GATEWAY = (
    select(TransmitDestination.ien, TransmitDestination.name)
    .where(TransmitDestination.gateway == bindparam("gw"), TransmitDestination.location == bindparam("loc"))
    .order_by(TransmitDestination.ien)
)
_ALL_OF_GATEWAY = select(TransmitDestination.ien).where(TransmitDestination.gateway == bindparam("gw"))
_UPDATE = update(TransmitDestination).where(TransmitDestination.ien == bindparam("entry"))
_DELETE = delete(TransmitDestination).where(TransmitDestination.ien == bindparam("entry"))
_INSERT = insert(TransmitDestination)
_LAST = select(func.max(TransmitDestination.ien))
_NAMED = (
    select(
        TransmitDestination.ien,
        TransmitDestination.ae_title,
        TransmitDestination.host,
        TransmitDestination.port,
        TransmitDestination.gateway,
        TransmitDestination.gateway_ae_title,
        TransmitDestination.location,
    )
    .where(TransmitDestination.name == bindparam("dest"))
    .order_by(TransmitDestination.ien)
)
_NAMES = select(TransmitDestination.name).distinct().order_by(TransmitDestination.name)
_GATEWAYS = select(TransmitDestination.gateway).where(TransmitDestination.gateway != "").distinct()
_SERVICES = (
    select(TransmitService.service, TransmitService.user, TransmitService.provider)
    .where(TransmitService.destination == bindparam("entry"))
    .order_by(TransmitService.service)
)
_DELETE_SERVICES = delete(TransmitService).where(TransmitService.destination == bindparam("entry"))
_ADD_SERVICES = insert(TransmitService)
_BY_KEY = {key: select(TransmitDestination.ien).where(column == bindparam("old")) for key, column in _KEYS.items()}
_RENAME = {
    key: update(TransmitDestination).where(column == bindparam("old")).values({column: bindparam("new")})
    for key, column in _KEYS.items()
}

#: A service by its name: whether we may begin it, whether the destination may.
Services = Mapping[str, tuple[bool, bool]]


def _lock(call: Call) -> None:
    lock_for_transaction(call.connection, "transmit_destination")


def _entries(count: int) -> str:
    return f"{count} entr{'y' if count == 1 else 'ies'}"


def _set_services(call: Call, entry: int, services: Services) -> None:
    call.connection.execute(_DELETE_SERVICES, {"entry": entry})
    rows = [
        {"destination": entry, "service": name, "user": user, "provider": provider} for name, (user, provider) in services.items()
    ]
    if rows:
        call.connection.execute(_ADD_SERVICES, rows)


def _remove(call: Call, entry: int) -> None:
    call.connection.execute(_DELETE_SERVICES, {"entry": entry})
    call.connection.execute(_DELETE, {"entry": entry})


def _next_entry(call: Call) -> int:
    """Give a number that no destination had: a site file may have numbered some beyond those that were given."""
    last = call.connection.execute(_LAST).scalar() or 0
    while (number := next_ien(call.connection, "transmit_destination")) <= last:
        pass
    return number


def _flags(text: str) -> tuple[bool, bool]:
    user, provider, *_ = [*text.split("^"), ""]
    return bool(m_number(user)), bool(m_number(provider))


def _told(applications: LocalArray[str]) -> dict[str, tuple[dict[str, Any], dict[str, tuple[bool, bool]]]] | None:
    """Read the list of a gateway: columns and services by application; None when something is missing or inconsistent."""
    found: dict[str, tuple[dict[str, Any], dict[str, tuple[bool, bool]]]] = {}
    names: dict[str, str] = {}
    owners = set()
    for subscripts, text in applications.items():
        if len(subscripts) != 1 or "_" in subscripts[0]:
            continue
        name, ae_title, host, port, gateway, gateway_ae, location = [*text.split("^"), *[""] * _PIECES][:_PIECES]
        owners.add((gateway, location))
        if (
            not all((name, ae_title, host, gateway, gateway_ae))
            or not 0 < entry_number(port) < 65536
            or not entry_number(location)
        ):
            return None
        names[subscripts[0]] = name
        columns = {
            "name": name,
            "ae_title": ae_title,
            "host": host,
            "port": entry_number(port),
            "gateway": gateway,
            "gateway_ae_title": gateway_ae,
            "location": entry_number(location),
        }
        found[name] = (columns, {})
    if len(owners) > 1:
        return None
    for subscripts, text in applications.items():
        which, mark, service = subscripts[0].partition("_")
        if mark and service and which in names:
            services = found[names[which]][1]
            services[service] = _flags(text)
            services["C-ECHO"] = (True, True)
    return found


@procedure(
    "MAG DICOM UPDATE SCU LIST",
    access=Access.WRITES,
    routine="UPDTAPP^MAGDRPC8",
    parameters=(listed("APP", 10000, required=True),),
    version=3,
)
def update_scu_list(call: Call) -> str:
    """Put a gateway's list of destinations in place of the one it gave before; answer `1, n added, n removed, n updated`.

    An element is `name^AE title^host^port^gateway^its AE title^location`; one with `_` and a service behind its subscript says
    who may begin that service, `us^them`. `-1` when a piece is missing, or when two elements name different gateways.
    """
    told = _told(call.list(0))
    if told is None:
        return INCONSISTENT
    _lock(call)
    now = to_fileman(call.clock.now())
    removed = updated = 0
    owner = next(iter(told.values()), ({"gateway": "", "location": 0}, {}))[0]
    for row in call.connection.execute(_OF_GATEWAY, {"gw": owner["gateway"], "loc": owner["location"]}).all():
        if row.name not in told:
            _remove(call, row.ien)
            removed += 1
            continue
        columns, services = told.pop(row.name)
        call.connection.execute(_UPDATE.values({**columns, "updated": now}), {"entry": row.ien})
        _set_services(call, row.ien, services)
        updated += 1
    for columns, services in told.values():
        entry = _next_entry(call)
        call.connection.execute(_INSERT, {**columns, "ien": entry, "updated": now})
        _set_services(call, entry, services)
    bump_site_version(call.connection)
    counts = ((len(told), "added"), (removed, "removed"), (updated, "updated"))
    return ", ".join(["1", *(f"{count} {what}" for count, what in counts if count)])


@procedure(
    "MAG DICOM UPDATE GATEWAY NAME",
    access=Access.WRITES,
    routine="UPDTGW^MAGDRPC8",
    parameters=(
        literal("OLDNAM", 30, required=True),
        literal("NEWNAM", 20, required=True),
        literal("OLDLOC", 30, required=True),
        literal("NEWLOC", 20, required=True),
    ),
    version=3,
)
def update_gateway_name(call: Call) -> str:
    """Give the destinations of a gateway its new name and location; answer how many. `-1`, `-2` without name or location."""
    old, new, location = call.text(0), call.text(1), entry_number(call.text(3))
    if not new:
        return "-1,No Gateway Name specified"
    if not location:
        return "-2,No Gateway Location specified"
    _lock(call)
    entries = call.connection.execute(_ALL_OF_GATEWAY, {"gw": old}).scalars().all()
    for entry in entries:
        call.connection.execute(_UPDATE.values(gateway=new, location=location), {"entry": entry})
    bump_site_version(call.connection)
    return str(len(entries))


def _key(text: str) -> int | None:
    """Read which name of a gateway is meant: its own unless said otherwise; None for what is no key."""
    number = entry_number(text) or 5
    return number if number in _KEYS else None


@procedure(
    "MAG DICOM XMIT RENAME GATEWAY",
    access=Access.WRITES,
    routine="RENAME^MAGBRTUT",
    parameters=("OLD", "NEW", "KEY"),
    word_wrap=False,
)
def rename_gateway(call: Call) -> str:
    """Rename a gateway wherever it stands; with KEY 6 its AE title. Answers `n entries renamed`, or what is missing."""
    old, new, key = call.text(0), call.text(1), _key(call.text(2))
    if not old:
        return "-1,No previous Gateway name specified"
    if not new:
        return "-2,No new Gateway name specified"
    if key is None:
        return f"-3,Invalid key specified ({call.text(2)})"
    _lock(call)
    count = call.connection.execute(_RENAME[key], {"old": old, "new": new}).rowcount
    bump_site_version(call.connection)
    return f"{_entries(count)} renamed"


@procedure(
    "MAG DICOM XMIT REMOVE GATEWAY",
    access=Access.WRITES,
    routine="REMOVE^MAGBRTUT",
    parameters=("OLD", "KEY"),
    word_wrap=False,
)
def remove_gateway(call: Call) -> str:
    """Remove the destinations of a gateway, or with KEY 6 of an AE title. Answers `n entries removed`, or what is missing."""
    old, key = call.text(0), _key(call.text(1))
    if not old:
        return "-1,No Gateway name specified"
    if key is None:
        return f"-3,Invalid key specified ({call.text(1)})"
    _lock(call)
    entries = call.connection.execute(_BY_KEY[key], {"old": old}).scalars().all()
    for entry in entries:
        _remove(call, entry)
    bump_site_version(call.connection)
    return f"{_entries(len(entries))} removed"


@procedure(
    "MAG GET DICOM DEST",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="GET^MAGDQR21",
    parameters=("DEST", "GATEWAY"),
    word_wrap=False,
)
def get_dicom_destination(call: Call) -> list[str]:
    """Answer a line count and what a destination is, `piece^value` from 2 to 6, then `service^us^them`.

    Without DEST every name is answered as `B^name`, then every gateway as `D^gateway`. An M error for an unknown destination.
    """
    destination, gateway = call.text(0), _gateway(call.text(1))
    if not destination:
        lines = [f"B^{name}" for name in call.connection.execute(_NAMES).scalars()]
        lines += [f"D^{name}" for name in sorted(call.connection.execute(_GATEWAYS).scalars())]
        return [str(1 + len(lines)), *lines]
    rows = call.connection.execute(_NAMED, {"dest": destination}).all()
    row = next((row for row in rows if gateway in ("", row.gateway)), None)
    if row is None:
        raise undefined("GET+24^MAGDQR21", "N")
    lines = [
        f"2^{row.ae_title}",
        f"3^{row.host}",
        f"4^{row.port}",
        f"5^{row.gateway_ae_title}",
        f"6^{row.location}",
    ]
    services = call.connection.execute(_SERVICES, {"entry": row.ien})
    lines += [f"{it.service}^{int(it.user)}^{int(it.provider)}" for it in services]
    return [str(1 + len(lines)), *lines]


def _gateway(name: str) -> str:
    return "" if name == ALL_GATEWAYS else name


@procedure(
    "MAG SET DICOM DEST",
    access=Access.WRITES,
    routine="SET^MAGDQR21",
    parameters=(listed("DATA"), "DEST", "GATEWAY"),
    word_wrap=False,
)
def set_dicom_destination(call: Call) -> str:
    """Change a destination, of one gateway or of all; answer how many entries. `-1` without a name.

    DATA is as MAG GET DICOM DEST answers it: what is empty stays, and the services are put in place of those before.
    """
    destination, gateway = call.text(1), _gateway(call.text(2))
    if not destination:
        return "-1,No Destination Specified."
    columns, services = _changes(call.list(0))
    _lock(call)
    rows = [row for row in call.connection.execute(_NAMED, {"dest": destination}).all() if gateway in ("", row.gateway)]
    for row in rows[:1] if gateway else rows:
        if columns:
            call.connection.execute(_UPDATE.values(columns), {"entry": row.ien})
        _set_services(call, row.ien, services)
    bump_site_version(call.connection)
    return str(len(rows[:1] if gateway else rows))


def _changes(data: LocalArray[str]) -> tuple[dict[str, Any], dict[str, tuple[bool, bool]]]:
    """Read what a destination is to be. A port or location that is no number stays as it was."""
    texts = {2: "ae_title", 3: "host", 5: "gateway_ae_title"}
    numbers = {4: "port", 6: "location"}
    columns: dict[str, Any] = {}
    services: dict[str, tuple[bool, bool]] = {}
    for element in data.values():
        first, mark, rest = element.partition("^")
        if not mark:
            continue
        piece, value = entry_number(first), rest.partition("^")[0]
        if piece in texts:
            columns |= {texts[piece]: value} if value else {}
        elif piece in numbers:
            columns |= {numbers[piece]: entry_number(value)} if entry_number(value) else {}
        else:
            services[first] = _flags(rest)
    return columns, services
