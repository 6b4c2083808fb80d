"""A real broker for one test: database, site, sign-on and contexts as `magbroker broker` has them, inside the test's process."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, func, insert, select
from twisted.internet.defer import Deferred

from broker import BrokerService, Dispatcher, Hub, Limits, Listener, Outcome, text_listener
from console.errors import ConsoleError
from console.reactor_thread import in_reactor, reactor
from fileman import (
    Fault,
    SiteFile,
    SiteKey,
    Store,
    apply_site,
    bump_site_version,
    clear_faults,
    parse_site,
    read_site_file,
    restore_snapshot,
    set_fault,
)
from fileman.files import Option, OptionRpc
from rpcs import STANDARD, Environment, Pack, Procedure, Registry, Session, SiteCache
from runtime import Clock, NotReady, SystemClock, wait_until_ready
from xwb import BrokerClient, Cipher, Parameter, XWBError
from xwb.testing import python_value

#: Seconds that connections have to close when a broker stops.
CLOSING_SECONDS = 5.0


class SiteTemplate:
    """A database filled from a site file once, to be copied for every broker: codes are hashed and tables made only here."""

    def __init__(self, directory: Path, site: SiteFile | Path | str | None = None, clock: Clock | None = None) -> None:
        """Fill the database.

        Args:
            directory: where it lies.
            site: a site file: read, its path, or its text; None is the demo site.
            clock: tells when verify codes were changed.
        """
        self.file = directory / "template.db"
        self.key = SiteKey.load_or_create(directory / "site.key")
        read, now = _site_file(site), (clock or SystemClock()).now()
        store = Store(f"sqlite:///{self.file}", synchronous="NORMAL")
        try:
            store.transact(lambda connection: apply_site(connection, read, self.key, now))
        finally:
            store.close()


def _site_file(site: SiteFile | Path | str | None) -> SiteFile:
    if isinstance(site, SiteFile):
        return site
    if isinstance(site, str):
        return parse_site(site)
    if site is not None:
        return read_site_file(site)
    return parse_site((resources.files("magbroker_data") / "demo.toml").read_text(encoding="utf-8"), "demo.toml")


@dataclass
class IdleTaskMan:
    """TaskMan as a broker sees it: takes every task and runs none, so that a test decides what happens next."""

    taken: list[int] = field(default_factory=list)

    def accepting(self) -> bool:
        """Tell that tasks are taken."""
        return True

    def enqueue(self, task_number: int) -> None:
        """Take a task."""
        self.taken.append(task_number)

    def reject(self, task_number: int, reason: str) -> None:
        """Hear that a task is rejected; none is, since all are taken."""


@dataclass(slots=True)
class ObservedDispatcher(Dispatcher):
    """A dispatcher that notes every call, refused ones too, before it is carried out."""

    calls: list[tuple[str, list[Any]]] = field(default_factory=list)

    def call(
        self,
        session: Session,
        name: bytes,
        parameters: Sequence[Parameter] | None,
        *,
        version: bytes = b"0",
        contexts: bool = True,
    ) -> Outcome | Deferred[Outcome]:
        """Note a call and run it."""
        self.calls.append((name.decode("iso-8859-1"), [python_value(parameter) for parameter in parameters or ()]))
        return Dispatcher.call(self, session, name, parameters, version=version, contexts=contexts)


def signed_on_client(port: int, access: str, verify: str, context: str = "") -> BrokerClient:
    """Connect to a broker in this process, sign on, and enter a context unless it is empty."""
    client = BrokerClient(RealBroker.host, port, name="test-client").connect()
    try:
        client.sign_on(access, verify)
        if context:
            client.create_context(context)
    except XWBError:
        client.close()
        raise
    return client


class RealBroker:
    """A broker on free loopback ports, with a database of its own; a context manager.

    `calls` holds the name and arguments of every call, lists as dictionaries; `tasks` the numbers of tasks that were
    handed to TaskMan, which does not run here; `store` the database, to look into it.
    """

    host = "127.0.0.1"

    def __init__(
        self, template: SiteTemplate, directory: Path, *, clock: Clock | None = None, limits: Limits | None = None
    ) -> None:
        """Copy the template's database into the directory and listen."""
        self._template = template
        directory.mkdir(parents=True, exist_ok=True)
        file = directory / "magbroker.db"
        shutil.copyfile(template.file, file)
        self.store = Store(f"sqlite:///{file}", synchronous="NORMAL")
        self.registry: Registry = STANDARD.copy()
        self._taskman = IdleTaskMan()
        clock, cipher = clock or SystemClock(), Cipher.standard()
        environment = Environment(self.store, clock, template.key, cipher, self._taskman.accepting, self.registry)
        self._dispatcher = ObservedDispatcher(self.registry, environment, SiteCache(self.store), reactor, self._taskman)
        self._hub = Hub(self._dispatcher, limits or Limits(), reactor)
        self._service = BrokerService(self._hub, reactor, {"broker": Listener(0), "text": text_listener(0)})
        in_reactor(self._service.start)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    @property
    def port(self) -> int:
        """The port of `[XWB]` and its kin."""
        return self._service.ports["broker"]

    @property
    def text_port(self) -> int:
        """The port of the text transport."""
        return self._service.ports["text"]

    @property
    def calls(self) -> list[tuple[str, list[Any]]]:
        """The calls that came, in their order."""
        return list(self._dispatcher.calls)

    @property
    def tasks(self) -> list[int]:
        """The numbers of the tasks that were handed to TaskMan."""
        return list(self._taskman.taken)

    def calls_of(self, name: str) -> list[list[Any]]:
        """Give the arguments of every call of one procedure."""
        return [arguments for called, arguments in self.calls if called == name]

    def client(self, access: str, verify: str, context: str = "") -> BrokerClient:
        """Connect, sign on, and enter a context unless it is empty."""
        return signed_on_client(self.port, access, verify, context)

    def add(self, *added: Pack | Procedure, context: str = "") -> None:
        """Add procedures; those of the same name are replaced. With `context`, an OPTION that is there, they stand in it.

        Raises ConsoleError when the site has no such context.
        """
        procedures = [it for one in added for it in (one.procedures if isinstance(one, Pack) else [one])]
        for procedure in procedures:
            self.registry.add(procedure)
        if context:
            self.store.transact(lambda connection: _register(connection, context, [it.name for it in procedures]))

    def fault(self, kind: str, **facts: object) -> None:
        """Set a fault, as `magbroker fault set` does: `fault("slow-answer", rpc="XWB IM HERE", seconds=2, times=1)`."""
        fault = Fault.parse(kind, {key: str(value) for key, value in facts.items()})
        self.store.transact(lambda connection: set_fault(connection, fault))
        self._dispatcher.site()

    def clear_faults(self, kind: str = "") -> None:
        """Clear the faults of a kind, or all."""
        self.store.transact(lambda connection: clear_faults(connection, kind))
        self._dispatcher.site()

    def reset(self) -> None:
        """Put the database back to its beginning and forget calls and tasks; sessions and added procedures stay."""
        restore_snapshot(self.store, self._template.file, self._template.key)
        self._dispatcher.site()
        self._dispatcher.calls.clear()
        self._taskman.taken.clear()

    def drop_connections(self) -> None:
        """Cut every connection as a broker that dies does; new ones are taken."""

        def cut() -> None:
            for connection in list(self._hub.connections):
                connection.abort()

        in_reactor(cut)

    def close(self) -> None:
        """Stop listening, close every connection and the database."""
        in_reactor(self._service.stop)
        with contextlib.suppress(NotReady):  # whoever does not let himself be closed is cut below
            wait_until_ready(lambda: True if in_reactor(lambda: not self._hub.connections) else None, "", CLOSING_SECONDS)
        self.drop_connections()
        self.store.close()


_OPTION = select(Option.ien)
_LAST_POSITION = select(func.coalesce(func.max(OptionRpc.position), -1))


def _register(connection: Connection, context: str, names: Sequence[str]) -> None:
    option = connection.execute(_OPTION.where(Option.name == context)).scalar()
    if option is None:
        raise ConsoleError(f"The site has no context {context!r}.")
    first = connection.execute(_LAST_POSITION.where(OptionRpc.option == option)).scalar_one() + 1
    rows = [{"option": option, "position": first + place, "rpc": name} for place, name in enumerate(names)]
    if rows:
        connection.execute(insert(OptionRpc), rows)
    bump_site_version(connection)
