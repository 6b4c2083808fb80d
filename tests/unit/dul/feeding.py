"""Ways to bring an association into a state and to feed it, and what several tests compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dul import (
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    Association,
    ContextResult,
    Event,
    Fragment,
    Policy,
    ProposedContext,
    Role,
    State,
    Write,
)
from dul.associate_codec import encode_associate_accept, encode_associate_reject, encode_associate_request
from dul.pdata import pdv_header
from dul.pdus import RELEASE_RP, RELEASE_RQ, encode_abort

CT, VERIFICATION = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.1"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
IMPLEMENTATION = "1.2.826.0.1.3680043.9.3811.1"
REQUEST = AssociateRequest(
    "ARCHIVE",
    "CT1",
    (ProposedContext(1, VERIFICATION, (IMPLICIT,)), ProposedContext(3, CT, (EXPLICIT, IMPLICIT))),
    implementation_class_uid=IMPLEMENTATION,
)
ACCEPT = AssociateAccept(
    "ARCHIVE",
    "CT1",
    (ContextResult(1, 0, IMPLICIT), ContextResult(3, 0, EXPLICIT)),
    implementation_class_uid=IMPLEMENTATION,
)
REJECT = AssociateReject(1, 1, 3)
TAKES_ALL = Policy(choose=lambda _abstract_syntax, proposed: proposed[0])

RQ = encode_associate_request(REQUEST)
AC = encode_associate_accept(ACCEPT)
RJ = encode_associate_reject(REJECT)
ABORT = encode_abort(0, 0)
DATA = pdv_header(1, 4, command=True, last=True) + b"\1\2\3\4"
ECHO = DATA


def acceptor(*steps: bytes | str) -> Association:
    """Give an acceptor that heard bytes and did what it was told, after its connection was opened."""
    return _driven(Association(Role.ACCEPTOR), "connected", *steps)


def requestor(*steps: bytes | str) -> Association:
    """Give a requestor that asked for an association, heard bytes and did what it was told."""
    return _driven(Association(Role.REQUESTOR), "open", *steps)


def _driven(association: Association, *steps: bytes | str) -> Association:
    for step in steps:
        if isinstance(step, bytes):
            association.receive(step)
        else:
            LOCAL[step](association)
    return association


#: What the local user, and the transport, can say.
LOCAL: dict[str, Callable[[Association], list[Event]]] = {
    "open": lambda association: association.open(REQUEST),
    "connected": Association.connected,
    "accept": lambda association: association.accept(ACCEPT),
    "reject": lambda association: association.reject(REJECT),
    "send": lambda association: association.send(1, b"\1\2\3\4"),
    "release": Association.release,
    "respond_release": Association.respond_release,
    "abort": Association.abort,
    "connection_closed": Association.connection_closed,
    "timer_expired": Association.timer_expired,
}

#: How each state is come to.
IN_STATE: dict[State, list[Callable[[], Association]]] = {
    State.Sta1: [lambda: Association(Role.ACCEPTOR), lambda: Association(Role.REQUESTOR)],
    State.Sta2: [acceptor],
    State.Sta3: [lambda: acceptor(RQ)],
    State.Sta4: [requestor],
    State.Sta5: [lambda: requestor("connected")],
    State.Sta6: [lambda: requestor("connected", AC), lambda: acceptor(RQ, "accept")],
    State.Sta7: [lambda: requestor("connected", AC, "release"), lambda: acceptor(RQ, "accept", "release")],
    State.Sta8: [lambda: requestor("connected", AC, RELEASE_RQ), lambda: acceptor(RQ, "accept", RELEASE_RQ)],
    State.Sta9: [lambda: requestor("connected", AC, "release", RELEASE_RQ)],
    State.Sta10: [lambda: acceptor(RQ, "accept", "release", RELEASE_RQ)],
    State.Sta11: [lambda: requestor("connected", AC, "release", RELEASE_RQ, "respond_release")],
    State.Sta12: [lambda: acceptor(RQ, "accept", "release", RELEASE_RQ, RELEASE_RP)],
    State.Sta13: [
        lambda: acceptor(RQ, "reject"),
        lambda: acceptor(RQ, "accept", RELEASE_RQ, "respond_release"),
        lambda: requestor("connected", "abort"),
        lambda: requestor("connected", AC, "abort"),
    ],
}


def in_every_state() -> Iterable[tuple[State, Association]]:
    """Give associations in every state."""
    return ((state, make()) for state, ways in IN_STATE.items() for make in ways)


def whole(data: bytes) -> list[bytes]:
    return [data]


def byte_by_byte(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


def in_sevens(data: bytes) -> list[bytes]:
    return [data[index : index + 7] for index in range(0, len(data), 7)]


CUTS: list[Callable[[bytes], list[bytes]]] = [whole, byte_by_byte, in_sevens]


def feed(association: Association, pieces: Iterable[bytes]) -> list[object]:
    """Feed pieces one after another; give what came of it, merged."""
    return merged(event for piece in pieces for event in association.receive(piece))


def merged(events: Iterable[Event]) -> list[object]:
    """Put the pieces of fragments together, and the buffers of writes: neither is the same in another cut."""
    found: list[object] = []
    open_fragment = False
    for event in events:
        if isinstance(event, Fragment):
            kind = (event.context_id, event.command)
            if open_fragment and found[-1][:2] == kind:  # type: ignore[index]
                *_, before = found.pop()  # type: ignore[misc]
            else:
                before = b""
            found.append((*kind, event.last, before + bytes(event.data)))
            open_fragment = not event.last
        else:
            open_fragment = False
            found.append(written(event) if isinstance(event, Write) else event)
    return found


def written(event: Event) -> bytes:
    """Give the bytes of a write."""
    assert isinstance(event, Write)
    return b"".join(event.data)
