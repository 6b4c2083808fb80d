"""Where commands about tasks are handed in: at a running broker, as a signed-on user, or at the database, as its owner.

Both do the same: each command is an action of `rpcs.actions`, called as the procedure of its name, or in one transaction of
this process. A short transaction beside a running broker is what SQLite bears; TaskMan finds what it left within half a second.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from getpass import getuser
from pathlib import Path
from typing import Any, Protocol

from console.addresses import format_address, parse_address
from console.complaints import CALL_REFUSALS, CONTEXT_REFUSALS, SIGN_ON_REFUSALS, Complaint, explain
from console.database import opened
from console.errors import ConsoleError, WrongUsage
from console.packs import load_packs
from console.serving import ciphers_of
from fileman import Store
from rpcs.actions import ACTIONS, Act, ActionError, BadRequest, Caller, NotFound, answer_of, perform
from runtime import Clock, Settings, SystemClock, read_run_file
from xwb import AnswerTooLong, BrokerClient, Cipher, ConnectionLost, SecurityRefused, SignOnRefused

#: The option of type B that opens the procedures of TaskMan.
CONTEXT = "MAGB TASKMAN"
#: Seconds that an answer may take.
TIMEOUT = 30.0


class NothingThere(ConsoleError):
    """There is nothing of this name or number."""

    status = 3


_STATUS: dict[type[ActionError], type[ConsoleError]] = {NotFound: NothingThere, BadRequest: WrongUsage}


class Desk(Protocol):
    """Takes requests. Raises ConsoleError for what is refused."""

    def ask(self, procedure: str, asked: Mapping[str, str] | None = None) -> Any:
        """Carry an action out and give what it gives."""


@dataclass(frozen=True, slots=True)
class Way:
    """How to come to TaskMan, as the command line says it. Without codes the database is opened."""

    settings: Settings
    access: str | None = None
    verify: str | None = None
    broker: str | None = None
    tls: bool = False
    authority: Path | None = None


@dataclass(frozen=True, slots=True)
class OwnersDesk:
    """The database, opened by who may read its file or knows its URL."""

    settings: Settings
    store: Store
    caller: Caller
    clock: Clock

    def ask(self, procedure: str, asked: Mapping[str, str] | None = None) -> Any:
        """Carry an action out in a transaction of this process, or beside the others when it only reads."""
        action = ACTIONS[procedure]
        if action.writes:  # an option of a pack is to be known
            load_packs([], installed=self.settings.installed_packs)
        run = self.store.transact if action.writes else self.store.read
        try:
            return run(lambda connection: perform(action, Act(connection, self.caller, self.clock, asked or {}))).value
        except ActionError as error:
            raise _said(error) from error


@dataclass(slots=True)
class BrokersDesk:
    """A session at a broker; one that was lost is begun again."""

    host: str
    port: int
    codes: tuple[str, str]
    cipher: Cipher
    tls: ssl.SSLContext | None = None
    _client: BrokerClient | None = field(default=None)

    def ask(self, procedure: str, asked: Mapping[str, str] | None = None) -> Any:
        """Call the procedure."""
        try:
            if self._client is None or not self._client.connected:
                self._client = self._signed_on()
            return answer_of(self._client.call(procedure, dict(asked or {})).text)
        except SecurityRefused as error:
            raise _explained(error.text, CALL_REFUSALS, "The broker refuses the call") from error
        except ActionError as error:
            raise _said(error) from error
        except AnswerTooLong:
            raise
        except ConnectionLost as error:
            where = format_address(self.host, self.port)
            raise ConsoleError(
                f"{error} Is a broker running at {where}? 'magbroker doctor {where}' says what is wrong there; --broker names "
                "another one, and without --access and --verify the database of --data is opened instead."
            ) from error

    def _signed_on(self) -> BrokerClient:
        client = BrokerClient(
            self.host, self.port, timeout=TIMEOUT, cipher=self.cipher, name="magbroker tasks", tls=self.tls
        ).connect()
        try:
            if client.sign_on(*self.codes).verify_must_change:
                raise ConsoleError("The verify code must be changed before this user can work (XUS CVC).")
            client.create_context(CONTEXT)
        except SignOnRefused as error:
            client.close()
            raise _explained(error.text, SIGN_ON_REFUSALS, "The broker refuses the sign-on") from error
        except SecurityRefused as error:
            client.close()
            raise _explained(error.text, CONTEXT_REFUSALS, "The broker refuses the context") from error
        except ConsoleError:
            client.close()
            raise
        return client

    def close(self) -> None:
        """Take leave."""
        if self._client is not None:
            self._client.bye()


def _explained(text: str, complaints: Iterable[Complaint], otherwise: str) -> ConsoleError:
    found, advice = explain(text, complaints, otherwise)
    return ConsoleError(f"{found} {advice.replace('--cipher-table', 'the setting cipher_table')}")


def _said(error: ActionError) -> ConsoleError:
    return _STATUS.get(type(error), ConsoleError)(str(error))


@contextmanager
def open_desk(way: Way) -> Iterator[Desk]:
    """Open the way to TaskMan. Raises ConsoleError, which says what to do."""
    if (way.access is None) != (way.verify is None):
        raise WrongUsage("Give both --access and --verify (MAGBROKER_ACCESS, MAGBROKER_VERIFY), or neither.")
    if way.authority is not None and not way.tls:
        raise WrongUsage("--ca is for TLS: say --tls too.")
    if way.access is None or way.verify is None:
        if way.broker is not None or way.tls:
            raise WrongUsage("A broker wants to know who asks: give --access and --verify.")
        with _database(way.settings) as desk:
            yield desk
        return
    host, port = _address(way)
    session = BrokersDesk(host, port, (way.access, way.verify), ciphers_of(way.settings)[0], _tls(way))
    try:
        yield session
    finally:
        session.close()


@contextmanager
def _database(settings: Settings) -> Iterator[Desk]:
    with opened(settings) as store:
        yield OwnersDesk(settings, store, Caller(0, f"owner {getuser()}", owner=True), SystemClock())


def _address(way: Way) -> tuple[str, int]:
    """Give the broker that was named, or the one that runs on the data directory, or the one of the settings."""
    if way.broker is not None:
        return parse_address(way.broker)
    settings = way.settings
    everywhere = settings.broker_host in ("", "0.0.0.0", "::")
    host = "127.0.0.1" if everywhere else settings.broker_host
    running = read_run_file(settings.data) or {}
    name, port = ("broker_tls_port", settings.broker_tls_port) if way.tls else ("broker_port", settings.broker_port)
    chosen = running.get(name, port)
    if not chosen:
        raise WrongUsage("No TLS port is known: name the broker, --broker HOST:PORT.")
    return host, int(chosen)


def _tls(way: Way) -> ssl.SSLContext | None:
    if not way.tls:
        return None
    try:
        return ssl.create_default_context(cafile=way.authority)
    except OSError as error:
        raise ConsoleError(
            f"{way.authority} cannot be used as a certificate authority (PEM): {error.strerror or error}."
        ) from error
