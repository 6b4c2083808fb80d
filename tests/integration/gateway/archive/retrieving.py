"""An entity that retrieves, on a port, over a broker in memory; destinations that answer as a test says; requests to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from pydicom.filereader import read_dataset
from twisted.internet.defer import Deferred

from dul import (
    AS_SCP,
    AssociateReject,
    Command,
    CommandField,
    Exchange,
    InMemory,
    Listener,
    Listening,
    Policy,
    Request,
    Response,
    Service,
    Sink,
    connect,
    negotiate,
    propose,
)
from gateway_client.archive.entities import ApplicationEntity, EntityRole
from gateway_client.archive.errands import Means
from gateway_client.archive.offers import ServiceClass, offer_of
from gateway_client.archive.retrieve import Retrieving
from gateway_client.configuration import Configuration, Peer
from gateway_client.journal import Journal
from gateway_client.objects.part10 import read_meta
from gateway_client.transmission.scu import StorageSCU
from runtime import DestinationSettings, FixedClock, ReactorThread
from tests.support.dicom import data_set_bytes
from tests.unit.gateway_client.fakes import MOMENT, SHARE, FakeAnswer
from xwb import XWBError

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
PATIENT_ROOT, STUDY_ROOT, PATIENT_STUDY = (f"1.2.840.10008.5.1.4.1.2.{number}" for number in (1, 2, 3))
MOVE, GET = ".2", ".3"
VIEWER, STORE = "VIEWER", "STORE"


@dataclass
class FakeArchive:
    """A broker's procedures of the archive over files in a folder: whatever is asked for it lists all of `files`.

    `states` are of images that are not in store, `recalled` gives what becomes of them, call by call; `refused` and `lost` are
    what MAGB RETRIEVE answers in place of a page, `listing` is what it waits for.
    """

    root: Path
    files: list[Path] = field(default_factory=list)
    page: int = 500
    states: dict[int, str] = field(default_factory=dict)
    recalled: list[dict[int, str] | XWBError] = field(default_factory=list)
    refused: dict[str, str] | None = None
    lost: bool = False
    listing: Deferred[None] | None = None
    destinations: list[str] = field(default_factory=list)
    put_off: list[dict[str, Any]] = field(default_factory=list)
    put_off_answer: str = ""
    asked: list[tuple[str, Any]] = field(default_factory=list)
    #: Where files lie by now that MAGB RETRIEVE still tells elsewhere, by their places.
    lost_files: dict[int, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Know how large the files are."""
        self.sizes = [path.stat().st_size if path.exists() else 0 for path in self.files]

    async def call(self, name: str, *arguments: Any) -> FakeAnswer:
        """Carry out a procedure."""
        request: Any = json.loads("".join(arguments[0])) if arguments else None
        self.asked.append((name, request))
        if name == "MAGB TRANSMIT DESTINATIONS":
            return FakeAnswer(self.destinations)
        if name == "MAGB NETWORK LOCATIONS":
            return FakeAnswer([f"1^RAID1^{SHARE}^{self.root}"])
        if name == "MAGB RETRIEVE":
            if self.listing is not None:
                await self.listing
            return self._retrieve(arguments[1])
        if name == "MAGB RECALL":
            return self._recall(request["images"])
        assert name == "MAGB EXPORT MOVE", name
        self.put_off.append(request)
        return FakeAnswer([self.put_off_answer or str(len(request["images"]))])

    def _retrieve(self, after: str) -> FakeAnswer:
        if self.lost:
            raise XWBError("The broker has gone.")
        if self.refused is not None:
            return FakeAnswer([json.dumps(self.refused)])
        start = int(after or 0)
        rows = [json.dumps(self.row(number)) for number in range(start, min(start + self.page, len(self.files)))]
        more = str(start + self.page) if start + self.page < len(self.files) else None
        return FakeAnswer([json.dumps({"more": more}), *rows])

    def row(self, number: int) -> list[Any]:
        """Give an image as MAGB RETRIEVE lists it; image 1 is the first file."""
        path = self.files[number]
        there = self._now(number)
        meta = read_meta(there) if there.exists() else None
        uids = (meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax) if meta else ("1.2.3", "1.2.3.4", EXPLICIT)
        return [*uids, number + 1, "", self._path(path), self.states.get(number + 1, "INSTORE"), "RAID1", self.sizes[number]]

    def _now(self, number: int) -> Path:
        return self.lost_files.get(number, self.files[number])

    def _path(self, path: Path) -> str:
        return SHARE + str(path.relative_to(self.root)).replace("/", "\\")

    def _recall(self, images: Sequence[int]) -> FakeAnswer:
        answers = self.recalled.pop(0) if self.recalled else {}
        if isinstance(answers, XWBError):
            raise answers
        rows = [[image, answers.get(image, "WAITING"), self._path(self._now(image - 1)), "a detail"] for image in images]
        return FakeAnswer([json.dumps(row) for row in rows])


@dataclass
class Store:
    """A move destination: keeps what it gets, and answers each object with the next of `statuses`, success after them.

    Of the first of `syntaxes` that is proposed contexts are made, of all where there are none; `rejects` rejects associations.
    """

    statuses: list[int] = field(default_factory=list)
    syntaxes: tuple[str, ...] = ()
    rejects: bool = False
    hold: bool = False
    abort_at: int = 0
    got: list[tuple[Command, str, bytes]] = field(default_factory=list)
    held: list[Request] = field(default_factory=list)
    associations: list[Exchange] = field(default_factory=list)
    before: Callable[[int], None] = lambda _count: None
    port: int = 0

    def listen(self, reactor: ReactorThread, port: int = 0) -> Any:
        """Listen on a port."""
        policy = Policy(choose=self._choose, operations_window=(1, 1))

        def decide(request: Any, _peer: str) -> Any:
            return AssociateReject(2, 3, 2) if self.rejects else negotiate(request, policy)

        listening = Listening(decide, {CommandField.C_STORE_RQ: self.store}, established=self.associations.append)
        listener = Listener(listening, reactor.reactor)
        opened = reactor.call(listener.listen, port, "127.0.0.1")
        self.port = opened.getHost().port
        return opened

    def _choose(self, _abstract_syntax: str, proposed: tuple[str, ...]) -> str:
        return next((it for it in proposed if not self.syntaxes or it in self.syntaxes), "")

    def store(self, request: Request) -> Sink:
        """Take an object."""

        def whole(data: bytes) -> None:
            self.got.append((request.command, request.transfer_syntax, data))
            self.before(len(self.got))
            if self.abort_at == len(self.got):
                request.exchange.abort()
            elif self.hold:
                self.held.append(request)
            else:
                request.respond(self.statuses.pop(0) if self.statuses else 0)

        return InMemory(whole, 1 << 26)

    @property
    def uids(self) -> list[str]:
        """The SOP Instance UIDs of what it got."""
        return [command.sop_instance or "" for command, _syntax, _data in self.got]


@dataclass
class House:
    """The entity with everything around it."""

    reactor: ReactorThread
    archive: FakeArchive
    store: Store
    journal: Journal
    scu: StorageSCU
    listening: Any
    listener: Listener
    port: int

    def ask(
        self,
        field: CommandField,
        keys: dict[int, str],
        model: str = STUDY_ROOT,
        *,
        destination: str = STORE,
        syntax: str = IMPLICIT,
        storage: Sequence[tuple[str, tuple[str, ...]]] = (),
        priority: int = 0,
        cancel_after: int | None = None,
        services: dict[CommandField, Service] | None = None,
        told: Callable[[Response], None] = lambda _response: None,
    ) -> list[Response]:
        """Make a request over an association of its own; give all answers. After so many pending ones it is cancelled."""
        sop_class = model + (MOVE if field is CommandField.C_MOVE_RQ else GET)
        contexts = [(sop_class, (syntax,)), *storage]
        roles = {uid: AS_SCP for uid, _syntaxes in storage}
        data = identifier(keys, syntax)

        async def run() -> list[Response]:
            request = propose("QUERY", VIEWER, contexts, roles)
            exchange = await connect(self.reactor.reactor, ("127.0.0.1", self.port), request, services=services)
            move = destination if field is CommandField.C_MOVE_RQ else None
            command = Command(field=field, sop_class=sop_class, priority=priority, move_destination=move)
            asked = exchange.ask(1, command, data)
            found: list[Response] = []
            while not found or found[-1].command.status == 0xFF00:
                if cancel_after is not None and len(found) == cancel_after:
                    asked.cancel()
                try:
                    found.append(await asked.response())
                except Exception:
                    if not found:
                        raise
                    return found
                told(found[-1])
            await exchange.release()
            return found

        answers: list[Response] = self.reactor.call(lambda: Deferred.fromCoroutine(run()))
        return answers

    def begin_move(self) -> Callable[[], list[Response]]:
        """Begin a C-MOVE of a study; gives what waits for its answers."""
        answered: Future[list[Response]] = Future()
        threading.Thread(target=lambda: answered.set_result(self.move()), daemon=True).start()
        return partial(answered.result, 60)

    def move(self, keys: dict[int, str] | None = None, **others: Any) -> list[Response]:
        """Ask for a C-MOVE, of a study unless keys are given."""
        return self.ask(CommandField.C_MOVE_RQ, keys or {0x00080052: "STUDY", 0x0020000D: "1.2"}, **others)

    def get(self, keys: dict[int, str] | None = None, **others: Any) -> list[Response]:
        """Ask for a C-GET."""
        return self.ask(CommandField.C_GET_RQ, keys or {0x00080052: "STUDY", 0x0020000D: "1.2"}, **others)

    def stories(self) -> list[list[str]]:
        """Give the steps of stories that were noted."""
        lines, _numbers = self.journal.events(10_000)
        return [line.split("^") for line in lines]


@contextmanager
def house(
    directory: Path,
    files: Sequence[Path],
    *,
    store: Store | None = None,
    settings: dict[str, DestinationSettings] | None = None,
    peers: dict[str, Peer] | None = None,
    dimse_timeout: float = 30.0,
    **of_entity: Any,
) -> Iterator[House]:
    """Run an entity over files in a folder, and one destination that is named STORE."""
    reactor = ReactorThread("house")
    store = store or Store()
    opened = store.listen(reactor)
    configuration = Configuration(
        directory / "gateway", directory, destinations=settings or {}, dimse_timeout=dimse_timeout,
        peers={STORE: Peer("127.0.0.1", store.port), **(peers or {})},
    )  # fmt: skip
    configuration.directory.mkdir()
    journal = Journal(configuration.journal, synchronous="NORMAL")
    scu = StorageSCU(configuration, reactor=reactor)
    archive = FakeArchive(directory, list(files))
    means = Means(configuration, archive, archive, scu, journal, reactor.reactor, FixedClock(MOMENT))
    retrieving = Retrieving(means)
    entity = replace(ApplicationEntity(EntityRole.SHORT_TERM, "QUERY"), **of_entity)
    offer = offer_of(entity, {ServiceClass.MOVE: retrieving.move_services, ServiceClass.GET: retrieving.get_services})
    listening = Listening(lambda request, _peer: negotiate(request, offer.policy(request)), offer.services)
    listener = Listener(listening, reactor.reactor)
    port = reactor.call(listener.listen, 0, "127.0.0.1")
    try:
        yield House(reactor, archive, store, journal, scu, opened, listener, port.getHost().port)
    finally:
        reactor.call(lambda: Deferred.fromCoroutine(retrieving.close()))
        scu.close()
        reactor.stop()
        journal.close()


def identifier(keys: dict[int, str], syntax: str = IMPLICIT) -> bytes:
    """Write an identifier in a transfer syntax."""
    vrs = {0x00080052: "CS", 0x00100020: "LO", 0x00080020: "DA"}
    order: Literal["big", "little"] = "big" if syntax == BIG else "little"
    parts = []
    for tag in sorted(keys):
        vr, value = vrs.get(tag, "UI"), keys[tag].encode()
        value += (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
        head = (tag >> 16).to_bytes(2, order) + (tag & 0xFFFF).to_bytes(2, order)
        length = len(value).to_bytes(4, order) if syntax == IMPLICIT else vr.encode() + len(value).to_bytes(2, order)
        parts += [head, length, value]
    return b"".join(parts)


def failed_uids(response: Response, syntax: str = IMPLICIT) -> list[str]:
    """Read Failed SOP Instance UID List of a final answer."""
    if response.data is None:
        return []
    found = read_dataset(BytesIO(response.data), syntax == IMPLICIT, syntax != BIG)
    value = found[0x0008, 0x0058].value
    return [str(value)] if isinstance(value, str) else [str(it) for it in value]


def counts(response: Response) -> tuple[int | None, int | None, int | None, int | None]:
    """Give remaining, completed, failed and warning sub-operations."""
    command = response.command
    return command.remaining, command.completed, command.failed, command.warning


def same(path: Path, data: bytes) -> bool:
    """Tell whether a data set is that of a file, byte by byte."""
    return data_set_bytes(path) == data


def uid_of(path: Path) -> str:
    """Give the SOP Instance UID of a file."""
    return read_meta(path).sop_instance_uid
