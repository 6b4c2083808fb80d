"""C-ECHO: whether a destination answers, how fast, and what it says of itself (PS3.4 A)."""

from __future__ import annotations

from dataclasses import dataclass
from threading import BoundedSemaphore
from time import perf_counter
from typing import Any

from twisted.internet.defer import Deferred

from dul import VERIFICATION, AssociationRejected, DulError, RequestFailed, Timeouts, c_echo, connect, propose
from rpcs.errors import RpcError
from runtime import ReactorThread, format_address

#: Explicit VR, which every application has, and implicit VR little endian, which it has to (PS3.5 10.1).
_SYNTAXES = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
#: Destinations that are asked at the same time: the threads that wait for them are few, and are needed for other things.
AT_ONCE = 2
#: Seconds after which nobody waits any more: one limit holds for all of it.
_NEVER = 60.0
_ROOM = BoundedSemaphore(AT_ONCE)


class TooManyAsked(RpcError):
    """Other destinations are being asked at this moment; ask again in some seconds."""


@dataclass(frozen=True, slots=True)
class Called:
    """Who is asked, and as whom."""

    ae_title: str
    host: str
    port: int
    calling: str

    def __str__(self) -> str:
        return f"{self.ae_title} at {format_address(self.host, self.port)}"


@dataclass(frozen=True, slots=True)
class Echo:
    """What came of a C-ECHO: whether it was answered, with which status, in how many milliseconds from the first byte on.

    Of who accepts the association: what it is, and the longest PDU that it takes. Without an answer `reason` says why.
    """

    answered: bool
    milliseconds: float
    status: str = ""
    implementation: str = ""
    implementation_uid: str = ""
    maximum_pdu: int | None = None
    reason: str = ""


def verify(called: Called, seconds: float) -> Echo:
    """Ask a destination whether it answers, within so many seconds. It waits: not for the reactor's thread.

    Raises TooManyAsked.
    """
    if not _ROOM.acquire(blocking=False):
        raise TooManyAsked
    try:
        thread = ReactorThread("echo")
        try:
            echo: Echo = thread.call(_within, thread.reactor, called, seconds)
            return echo
        finally:
            thread.soon(thread.reactor.stop)  # what looks a name up may take longer, and is not waited for
    finally:
        _ROOM.release()


def _within(reactor: Any, called: Called, seconds: float) -> Deferred[Echo]:
    began = perf_counter()

    def silent(_given_up: object, _seconds: float) -> Echo:
        return Echo(False, _since(began), reason=f"{called} did not answer within {seconds:g} s.")

    asked = Deferred.fromCoroutine(_asked(reactor, called, began))
    asked.addTimeout(seconds, reactor, silent)
    asked.addErrback(lambda failure: _unanswered(failure, called, _since(began)))
    return asked


def _unanswered(failure: Any, called: Called, milliseconds: float) -> Echo:
    failure.trap(DulError)
    match error := failure.value:
        case RequestFailed():
            return Echo(True, milliseconds, f"{error.status:04X}", reason=f"{called}: {error}")
        case AssociationRejected():
            return Echo(False, milliseconds, reason=f"{called} rejected the association: {error}")
    return Echo(False, milliseconds, reason=f"{called}: {error}")


async def _asked(reactor: Any, called: Called, began: float) -> Echo:
    exchange = await connect(
        reactor,
        (called.host, called.port),
        propose(called.ae_title, called.calling, [(VERIFICATION, _SYNTAXES)]),
        timeouts=Timeouts(artim=_NEVER, idle=_NEVER),
        connect_seconds=_NEVER,
        response_seconds=_NEVER,
    )
    try:
        response = await c_echo(exchange)
        milliseconds = _since(began)
        await exchange.release()
    except BaseException:
        exchange.abort()
        raise
    accept = exchange.accept
    assert accept is not None
    return Echo(
        True,
        milliseconds,
        f"{response.command.status or 0:04X}",
        accept.implementation_version_name,
        accept.implementation_class_uid,
        accept.maximum_length,
    )


def _since(began: float) -> float:
    """Give the milliseconds since then."""
    return round((perf_counter() - began) * 1000, 1)
