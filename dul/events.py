"""What an association asks its adapter to do, and what it tells its user: values, in the order in which they are to be heeded.

The actions of PS3.8 9.2 come out as these. None of them does anything by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from dul.associate import AssociateAccept, AssociateReject, AssociateRequest


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes for the peer, to be written at once and in this order."""

    data: Sequence[bytes | memoryview]


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Start the ARTIM timer, anew when it runs."""


@dataclass(frozen=True, slots=True)
class StopTimer:
    """Stop the ARTIM timer."""


@dataclass(frozen=True, slots=True)
class CloseConnection:
    """Close the connection, when what was written before is sent."""


@dataclass(frozen=True, slots=True)
class OpenConnection:
    """Connect to the peer (requestor, AE-1)."""


@dataclass(frozen=True, slots=True)
class Requested:
    """A-ASSOCIATE indication: the peer asks for an association; answer with `accept` or `reject`."""

    request: AssociateRequest


@dataclass(frozen=True, slots=True)
class Accepted:
    """A-ASSOCIATE confirmation: the peer accepted."""

    accept: AssociateAccept


@dataclass(frozen=True, slots=True)
class Rejected:
    """A-ASSOCIATE confirmation: the peer rejected."""

    reject: AssociateReject


@dataclass(slots=True)  # one that is frozen takes twice as long to make, several for each message
class Fragment:
    """P-DATA indication: bytes of a command set or of a data set; a fragment comes in as many pieces as it arrives in.

    `last` is set on the last piece of a message's last fragment (PS3.8 E.2). `data` is a view of what was received, and keeps
    that in memory as long as it is kept itself. `position` is the byte of the connection at which it begins.
    """

    context_id: int
    command: bool
    last: bool
    data: memoryview
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class ReleaseRequested:
    """A-RELEASE indication: the peer asks for the end; answer with `respond_release`.

    `collision` when both asked: the requestor answers at once, the acceptor when it hears Released.
    """

    collision: bool = False


@dataclass(frozen=True, slots=True)
class Released:
    """A-RELEASE confirmation: the association has ended in order, but for the acceptor's answer after a collision."""


@dataclass(frozen=True, slots=True)
class Aborted:
    """A-ABORT or A-P-ABORT indication: the association has ended; `source` and `reason` are those of PS3.8 table 9-26.

    `problem` says what the peer did when this side aborted because of it, which it may do before an association is asked for;
    `lost` that the connection ended without a word.
    """

    source: int
    reason: int
    problem: str = ""
    lost: bool = False


Event: TypeAlias = (
    Write
    | StartTimer
    | StopTimer
    | CloseConnection
    | OpenConnection
    | Requested
    | Accepted
    | Rejected
    | Fragment
    | ReleaseRequested
    | Released
    | Aborted
)
