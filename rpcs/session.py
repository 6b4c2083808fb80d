"""A broker session as a value, and what an answer may do to it.

Handlers never change a session: they return effects, the broker applies them here and performs the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

#: The context that stands in force until a user has signed on (CHKPRMIT^XWBSEC).
SIGN_ON_CONTEXT = "XUS SIGNON"

#: The key whose holder may call every procedure and enter every option.
PROGRAMMER = "XUPROGMODE"


class Delay(Enum):
    """Why an answer waits, where VistA waits; `broker/timing.py` says how long."""

    REFUSAL = "refusal"
    M_ERROR = "m error"
    LOCKOUT = "lockout"
    M2M_READER = "m-to-m reader"
    OLD_REFUSAL = "refusal in the old style"
    MISSING_IMAGES = "images that may be missing"


@dataclass(frozen=True, slots=True)
class Session:
    """Who is connected, from where, signed on as whom, in which context, with which LOCKs. `id` is its own for ever.

    `attempts` counts failed sign-ons (XUFAC), `tried` is whose access code came last (XUF(.3)): both last as long as the
    connection. `pending_duz` is who has to change a verify code. `keys` are those at sign-on: what is allowed now the site says.
    """

    id: str = ""
    address: str = ""
    client: str = ""
    transport: str = "NS"
    duz: int = 0
    name: str = ""
    division: int = 0
    context: str = SIGN_ON_CONTEXT
    keys: frozenset[str] = frozenset()
    prepared: bool = False
    attempts: int = 0
    tried: int = 0
    pending_duz: int = 0
    timeout: int = 180
    sign_on: int = 0
    locks: tuple[str, ...] = ()

    @property
    def machine(self) -> str:
        """Name the client's machine: what it called itself, or its address."""
        return self.client or self.address

    @property
    def programmer(self) -> bool:
        """Tell whether the user held XUPROGMODE at sign-on, which made DUZ(0) an `@`."""
        return PROGRAMMER in self.keys


@dataclass(frozen=True, slots=True)
class SignOnPrepared:
    """XUS SIGNON SETUP was called; XUS AV CODE may follow. Nobody is signed on now."""

    def apply(self, session: Session) -> Session:
        """Set up."""
        return replace(session, prepared=True, duz=0, name="", keys=frozenset())


@dataclass(frozen=True, slots=True)
class SignedOn:
    """The user is known now. `sign_on` is the entry of the SIGN-ON LOG that #BYE# closes."""

    duz: int
    name: str
    division: int
    keys: frozenset[str]
    timeout: int
    sign_on: int

    def apply(self, session: Session) -> Session:
        """Sign on; the context stays XUS SIGNON until another is created."""
        return replace(
            session,
            duz=self.duz,
            name=self.name,
            division=self.division,
            keys=self.keys,
            timeout=self.timeout,
            sign_on=self.sign_on,
            tried=self.duz,
            pending_duz=0,
        )


@dataclass(frozen=True, slots=True)
class SignOnFailed:
    """No sign-on: a signed-on session loses its user. None leaves what the session remembers as it is."""

    attempts: int | None = None
    tried: int | None = None
    pending_duz: int | None = None

    def apply(self, session: Session) -> Session:
        """Sign off and remember."""
        return replace(
            session,
            duz=0,
            name="",
            keys=frozenset(),
            attempts=session.attempts if self.attempts is None else self.attempts,
            tried=session.tried if self.tried is None else self.tried,
            pending_duz=session.pending_duz if self.pending_duz is None else self.pending_duz,
        )


@dataclass(frozen=True, slots=True)
class ContextSet:
    """XWB CREATE CONTEXT set a context; an empty one is none."""

    context: str

    def apply(self, session: Session) -> Session:
        """Set the context."""
        return replace(session, context=self.context)


@dataclass(frozen=True, slots=True)
class DivisionSet:
    """The user works in another division (DUZ(2))."""

    division: int

    def apply(self, session: Session) -> Session:
        """Set the division."""
        return replace(session, division=self.division)


@dataclass(frozen=True, slots=True)
class Pause:
    """The answer waits as VistA's does."""

    delay: Delay

    def apply(self, session: Session) -> Session:
        """Leave the session as it is."""
        return session


@dataclass(frozen=True, slots=True)
class AskAgain:
    """What was asked for is not there yet: the procedure runs again every second until it is, for so many seconds."""

    seconds: float

    def apply(self, session: Session) -> Session:
        """Leave the session as it is."""
        return session


@dataclass(frozen=True, slots=True)
class AskWhenWoken:
    """There is nothing yet: the procedure runs once more when a topic is woken (see `Sleepers`), or after so many seconds.

    `since` is the sleepers' count before it looked.
    """

    topics: tuple[str, ...]
    seconds: float
    since: int

    def apply(self, session: Session) -> Session:
        """Leave the session as it is."""
        return session


@dataclass(frozen=True, slots=True)
class StartTask:
    """A task stands in the database and is to be handed to TaskMan after the commit.

    When TaskMan does not take it, the task is marked as rejected and `refused` is answered instead.
    """

    number: int
    refused: str

    def apply(self, session: Session) -> Session:
        """Leave the session as it is."""
        return session


@dataclass(frozen=True, slots=True)
class LockTaken:
    """A LOCK was taken (a lease whose holder is the session's id); it lives as long as the session."""

    name: str

    def apply(self, session: Session) -> Session:
        """Remember the lock, so that it is renewed, and given back at the end."""
        return replace(session, locks=(*session.locks, self.name))


@dataclass(frozen=True, slots=True)
class LockGiven:
    """A LOCK was given back, or one of the times that it was taken."""

    name: str

    def apply(self, session: Session) -> Session:
        """Forget the lock."""
        locks = list(session.locks)
        if self.name in locks:
            locks.remove(self.name)
        return replace(session, locks=tuple(locks))


Effect = (
    AskAgain
    | AskWhenWoken
    | DivisionSet
    | LockGiven
    | LockTaken
    | SignOnPrepared
    | SignedOn
    | SignOnFailed
    | ContextSet
    | Pause
    | StartTask
)
