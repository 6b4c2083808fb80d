"""One call of a remote procedure, as its handler sees it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Connection

from fileman import LOCK_SECONDS, SiteKey, Store
from rpcs.errors import undefined
from rpcs.registry import Procedure, Registry, standard
from rpcs.session import Session
from rpcs.site import SiteData
from runtime import Clock
from xwb import Cipher, LocalArray


@dataclass(frozen=True, slots=True)
class ScratchGlobal:
    """A global parameter: the routine gets the name of a scratch global, below which the nodes stand."""

    name: str
    nodes: LocalArray[str]


Argument = str | LocalArray[str] | ScratchGlobal | None


#: Begins the name of every broker.
BROKER = "broker "


def name_of_broker() -> str:
    """Name this process as no other was or will be named, so that a reader knows where it runs or ran."""
    return f"{BROKER}{socket.gethostname()} {os.getpid()} {uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True)
class Environment:
    """What every call of one broker shares.

    `engine_accepts` tells whether TaskMan takes tasks now. `broker` names this process in the sign-on log and among the
    holders of LOCKs. With `other_ciphers`, by name, a client that uses the wrong table is told from one that gives wrong
    codes. `lock_seconds` is how long what this broker's sessions hold stays taken when it dies. `data` is the data directory, in
    which network locations with relative paths lie.
    """

    store: Store
    clock: Clock
    key: SiteKey
    cipher: Cipher
    engine_accepts: Callable[[], bool]
    registry: Registry = field(default_factory=standard)
    broker: str = field(default_factory=name_of_broker)
    other_ciphers: Mapping[str, Cipher] = field(default_factory=dict)
    lock_seconds: float = LOCK_SECONDS
    data: Path = Path()

    def holder(self, session: Session) -> str:
        """Name a session of this broker as the holder of LOCKs."""
        return f"{self.broker} session {session.id}"


@dataclass(frozen=True, slots=True)
class Call:
    """A call: who calls, with which arguments, on which connection to the database.

    `connection` is an AUTOCOMMIT one for readers, the writer's transaction for writers; SESSION procedures have none.
    `version` is the procedure's version that the client named (XWBAPVER). `waited` is for how many seconds it has been run
    again and again for what is to come (AskAgain, AskWhenWoken).
    """

    procedure: Procedure
    session: Session
    arguments: tuple[Argument, ...]
    environment: Environment
    site: SiteData
    database: Connection | None = None
    prepared: object = None
    version: str = ""
    waited: float = 0.0

    @property
    def connection(self) -> Connection:
        """The database connection; only procedures declared to use the database have one."""
        if self.database is None:
            raise RuntimeError(f"{self.procedure.name} is not declared to use the database")
        return self.database

    def text(self, index: int, default: str | None = "") -> str:
        """Give a literal argument, the root of a list, or the name of a scratch global.

        With `default` None a missing one is an M error, as where VistA reads it unguarded.
        """
        value = self.arguments[index] if index < len(self.arguments) else None
        if isinstance(value, str):
            return value
        if isinstance(value, LocalArray):
            return value.root or ""
        if isinstance(value, ScratchGlobal):
            return value.name
        if default is None:
            raise undefined(self.procedure.routine.replace("^", "+1^"), self.procedure.variables[index])
        return default

    def list(self, index: int) -> LocalArray[str]:
        """Give a list argument, or the nodes of a scratch global; anything else is an array without nodes."""
        value = self.arguments[index] if index < len(self.arguments) else None
        if isinstance(value, ScratchGlobal):
            return value.nodes
        return value if isinstance(value, LocalArray) else LocalArray()

    @property
    def store(self) -> Store:
        """The database."""
        return self.environment.store

    @property
    def clock(self) -> Clock:
        """The clock."""
        return self.environment.clock
