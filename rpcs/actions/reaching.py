"""Whether what the site names can be reached from the broker: destinations by C-ECHO, the folders of network locations.

Everybody who may use the context may ask. It is asked before any transaction, as an answer may take long.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, bindparam, or_, select

from fileman.files import NetworkLocation, TransmitDestination
from fileman.watermarks import Watermarks
from rpcs.actions import parameters as takes
from rpcs.actions.action import Act, Beforehand, action
from rpcs.actions.errors import BadRequest, NotFound, RefusedAction
from rpcs.numbers import subscript
from rpcs.storage_folders import FolderState, look_at
from runtime import other_names

#: Seconds that an answer may take, at most and unless said otherwise.
MOST_SECONDS, SECONDS = 10, 5
#: As whom a destination is asked for which the site has no title.
CALLING = "MAGBROKER"
#: Characters of an AE title.
TITLE_LIMIT = 16

_SECONDS = takes.number("SECONDS", "For how many seconds an answer is waited for.", default=SECONDS, most=MOST_SECONDS)
_DESTINATIONS = (
    select(
        TransmitDestination.ien,
        TransmitDestination.name,
        TransmitDestination.ae_title,
        TransmitDestination.host,
        TransmitDestination.port,
        TransmitDestination.gateway,
        TransmitDestination.gateway_ae_title,
    )
    .where(or_(TransmitDestination.name == bindparam("name_"), TransmitDestination.ien == bindparam("ien_")))
    .order_by(TransmitDestination.ien)
)
_NAMES = select(TransmitDestination.name).distinct().order_by(TransmitDestination.name)
_LOCATION = select(
    NetworkLocation.ien,
    NetworkLocation.name,
    NetworkLocation.path,
    NetworkLocation.physical,
    NetworkLocation.online,
    NetworkLocation.high_watermark,
    NetworkLocation.low_watermark,
).where(NetworkLocation.ien == bindparam("ien_"), NetworkLocation.name != "")


def _ask_destination(asked: Beforehand) -> dict[str, Any]:
    from rpcs.verification import Called, TooManyAsked, verify  # commands that ask nobody start without Twisted

    row = _destination(asked)
    calling = asked.text("CALLING") or row.gateway_ae_title or CALLING
    if len(calling) > TITLE_LIMIT or not calling.isprintable() or "\\" in calling:
        raise BadRequest(f"CALLING is an AE title of at most {TITLE_LIMIT} characters, not {calling[:20]!r}.")
    called = Called(row.ae_title, row.host, row.port, calling)
    try:
        echo = verify(called, asked.number("SECONDS"))
    except TooManyAsked as error:
        raise RefusedAction(str(error)) from error
    return {
        "ien": row.ien,
        "name": row.name,
        "ae_title": row.ae_title,
        "host": row.host,
        "port": row.port,
        "calling": calling,
        **asdict(echo),
    }


def _destination(asked: Beforehand) -> Row[*tuple[Any, ...]]:
    """Find the destination that is meant. Raises NotFound, and BadRequest where several have the name."""
    wanted = asked.text("DESTINATION")
    key = {"name_": wanted, "ien_": subscript(wanted)}
    rows = asked.premises.store.read(lambda connection: connection.execute(_DESTINATIONS, key).all())
    if not rows:
        names = asked.premises.store.read(lambda connection: connection.execute(_NAMES).scalars().all())
        raise NotFound(f"There is no transmit destination {wanted[:60]!r}.{other_names(wanted, names)}")
    if len(rows) > 1:
        numbers = ", ".join(f"{row.ien} ({row.gateway or 'any gateway'})" for row in rows[:20])
        raise BadRequest(f"There are {len(rows)} destinations {wanted}: say the number of one, {numbers}.")
    return rows[0]


@action(
    "MAGB DESTINATION ECHO",
    takes.text("DESTINATION", "A transmit destination, by name or number.", required=True),
    takes.text("CALLING", "The calling AE title; the one that the destination's gateway has there, or MAGBROKER, if left out."),
    _SECONDS,
    prepare=_ask_destination,
)
def destination_echo(act: Act) -> dict[str, Any]:
    """Ask DESTINATION by C-ECHO whether it answers: with which status, in how many milliseconds, and what it says it is.

    The broker asks, from its own machine and without TLS: a gateway elsewhere, or one that secures its associations, may fare
    otherwise. Where there is no answer `reason` says why. Two are asked at the same time, more are refused.
    """
    return dict(act.prepared)


def _look_at_location(asked: Beforehand) -> FolderState:
    number = asked.number("IEN")
    row = asked.premises.store.read(lambda connection: connection.execute(_LOCATION, {"ien_": number}).first())
    if row is None:
        raise NotFound(f"There is no network location {number}; MAGB LOCATION LIST shows those there are.")
    return look_at(asked.premises.data / row.path, asked.number("SECONDS"))


@action(
    "MAGB LOCATION CHECK",
    takes.number("IEN", "The network location.", required=True),
    _SECONDS,
    prepare=_look_at_location,
)
def location_check(act: Act) -> dict[str, Any]:
    """Look whether the folder of a network location is there, may be written to, and how much room it has.

    It is looked at on the broker's own machine, `machine`: of a share that is mounted on a gateway's alone this says nothing.
    `over` tells how many bytes are used beyond the high watermark, where the location has one; `online` is what the site says.
    """
    row = act.connection.execute(_LOCATION, {"ien_": act.number("IEN")}).first()
    if row is None:
        raise NotFound(f"There is no network location {act.number('IEN')} any more.")
    state: FolderState = act.prepared
    told = {"ien": row.ien, "name": row.name, "physical": row.physical, "online": bool(row.online), **asdict(state)}
    marks = Watermarks.parse(row.high_watermark, row.low_watermark)
    if marks is not None and state.total is not None and state.free is not None:
        told["over"] = max(marks.high.bytes_above(_Used(state.total, state.free)), 0)
    return told


class _Used:
    """How much of a file system is used, as a watermark asks."""

    def __init__(self, total: int, free: int) -> None:
        self.total, self.free, self.used = total, free, total - free
