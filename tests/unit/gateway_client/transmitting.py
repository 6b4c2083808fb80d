"""A transmitter at work in memory: a broker's export queue, a sender that answers what the test says, kills."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway_client.commitment.requests import CommitmentRequests
from gateway_client.configuration import Configuration
from gateway_client.journal import Journal
from gateway_client.objects.part10 import FileMeta, encode_head
from gateway_client.priors.noting import StudiesSeen
from gateway_client.priors.searches import PriorSearches
from gateway_client.transmission.consignment import Consignment
from gateway_client.transmission.folder_contents import FolderContents
from gateway_client.transmission.notes import Mark, Notes
from gateway_client.transmission.object_file import Outcome, Result
from gateway_client.transmission.transmissions import Transmissions
from gateway_client.transmission.transmitter import Transmitter
from rpcs.export import Room
from runtime import DestinationSettings, FixedClock
from tests.unit.gateway_client.fakes import CT, EXPLICIT, MOMENT, SHARE, FakeBroker, data_set
from xwb import ConnectionLost, SecurityRefused

NOTHING = ["-2,Nothing to be transmitted."]
SENT = Outcome(Result.SENT)


class Killed(BaseException):
    """The process ends here."""


#: The process ends before the last byte of an object went out.
AT_ITS_BEGINNING = Killed()


@dataclass
class FakeSender:
    """Notes what is sent; answers what `outcomes` says by destination, in turn, and success after that."""

    outcomes: dict[str, list[Outcome | BaseException]] = field(default_factory=dict)
    sent: list[tuple[str, str, str]] = field(default_factory=list)
    #: Of each consignment the places that are sent whatever the destination says that it has.
    doubtful: list[list[int]] = field(default_factory=list)
    at_once: list[int] = field(default_factory=list)
    hanging: set[str] = field(default_factory=set)
    hung: list[Consignment] = field(default_factory=list)
    before: Callable[[], None] = field(default=lambda: None)
    #: The SOP Instance UIDs of what goes out compressed with losses, as another instance.
    compressed: dict[str, str] = field(default_factory=dict)

    def send(self, consignment: Consignment) -> None:
        """Send."""
        if consignment.destination.name in self.hanging:
            self.hung.append(consignment)
        else:
            self.finish(consignment)

    def resume(self) -> None:
        """Finish what hangs, and let nothing hang any more."""
        self.hanging.clear()
        hung, self.hung = self.hung, []
        for consignment in hung:
            self.finish(consignment)

    def finish(self, consignment: Consignment) -> None:
        """Send it now."""
        self.at_once.append(len(consignment.objects))
        self.doubtful.append(list(consignment.doubtful))
        try:
            for place, outcome in self._outcomes(consignment):
                consignment.tell(place, outcome)
        finally:
            for one in consignment.objects:
                one.close()
        consignment.ended(consignment)

    def _outcomes(self, consignment: Consignment) -> Iterator[tuple[int, Outcome]]:
        lost, name, note = "", consignment.destination.name, consignment.note
        for place, one in enumerate(consignment.objects):
            if lost:
                yield place, Outcome(Result.UNSENT, lost)
                continue
            self.before()
            self.sent.append((name, consignment.study, one.meta.sop_instance_uid))
            uid = one.meta.sop_instance_uid
            one.meta = replace(one.meta, sop_instance_uid=self.compressed.get(uid, uid))
            outcomes = self.outcomes.get(name, [])
            outcome = outcomes.pop(0) if outcomes else SENT
            if outcome is AT_ITS_BEGINNING:
                raise Killed
            if isinstance(outcome, BaseException) or outcome.result in (Result.DOUBT, Result.SENT):
                note(place, Mark.HANDED_OVER)
            if isinstance(outcome, BaseException):
                raise outcome
            if outcome.result not in (Result.SENT, Result.PRESENT, *([] if consignment.whole else [Result.REFUSED])):
                lost = outcome.reason
            yield place, outcome

    def close_idle(self) -> None:
        """Do nothing."""


@dataclass
class Queue:
    """The export queue of a broker."""

    waiting: list[tuple[int, int, str, str, int, str]] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    requeued: list[list[str]] = field(default_factory=list)
    rooms: list[list[str]] = field(default_factory=list)
    lose: bool = False

    def next(self, _froms: list[str], sent: list[str]) -> list[str]:
        """MAG DICOM GET NEXT QUEUE ENTRY."""
        self.results += [f"{element}^0^" for element in sent]
        if self.waiting and self.lose:
            raise ConnectionLost("cut")
        return self._lines(*self.waiting.pop(0)) if self.waiting else NOTHING

    def many(self, _location: list[str], results: list[str], _count: str, _wait: str, room: list[str]) -> list[str]:
        """MAGB EXPORT NEXT."""
        self.results += results
        self.rooms.append(room)
        lines = [Room.read(line) for line in room]
        others = next(it.count for it in lines if not it.application)
        taken: list[tuple[int, int, str, str, int, str]] = []
        for name in sorted({entry[2] for entry in self.waiting}):
            named = [it.count for it in lines if it.application == name]
            taken += [entry for entry in self.waiting if entry[2] == name][: sum(named) if named else others]
        for entry in taken:
            self.waiting.remove(entry)
        if taken and self.lose:
            raise ConnectionLost("cut")
        return [line for entry in taken for line in self._lines(*entry)] or NOTHING

    def _lines(self, entry: int, sequence: int, application: str, group: str, image: int, path: str) -> list[str]:
        return [
            "1",
            str(entry),
            str(sequence),
            application,
            group,
            "021026-201",
            str(image),
            "100",
            "x.DCM",
            path,
            "100",
            "",
            "1",
        ]

    def unknown(self, *_arguments: object) -> list[str]:
        """MAGB EXPORT NEXT at a VistA."""
        raise SecurityRefused("The remote procedure MAGB EXPORT NEXT is not registered to the option.")

    def result(self, lines: list[str]) -> str:
        """MAGB EXPORT RESULT."""
        self.results += lines
        return str(len(lines))

    def requeue(self, _machine: str, in_hand: list[str]) -> str:
        """MAGB EXPORT REQUEUE."""
        self.requeued.append(in_hand)
        return "0"


class Office:
    """A transmitter with everything around it."""

    def __init__(self, directory: Path, *, many: bool) -> None:
        self.directory = directory
        self.queue, self.sender, self.clock = Queue(), FakeSender(), FixedClock(MOMENT)
        self.boot = "since this morning"
        self.destinations: dict[str, DestinationSettings] = {}
        self.notes: Notes | None = None
        self.broker = FakeBroker(
            {
                "MAGB EXPORT NEXT": self.queue.many if many else self.queue.unknown,
                "MAG DICOM GET NEXT QUEUE ENTRY": self.queue.next,
                "MAGB EXPORT RESULT": self.queue.result,
                "MAGB EXPORT REQUEUE": self.queue.requeue,
                "MAGB NETWORK LOCATIONS": lambda: [f"1^RAID1^{SHARE}^image1"],
                "MAGB TRANSMIT DESTINATIONS": lambda: [
                    "1^READING ROOM^READROOM^127.0.0.1^11113^DEMOGW1^660",
                    "2^RESEARCH^RESEARCH^127.0.0.1^11114^DEMOGW1^660",
                ],
            }
        )
        (directory / "image1").mkdir()
        self.start()

    def configure(self, stop_seconds: float) -> None:
        """Let the transmitter wait at its end for so long."""
        self.transmitter._configuration = replace(self.transmitter._configuration, stop_seconds=stop_seconds)

    def start(self) -> None:
        """Start, also after a kill."""
        self.stop()
        self.notes = Notes(self.directory / "sending.notes", self.boot)
        self.journal = journal = Journal(self.directory / "journal.db", synchronous="NORMAL")
        self.transmissions, self.requests = Transmissions(journal), CommitmentRequests(journal, lambda _images: None)
        configuration = Configuration(self.directory, self.directory, stop_seconds=0.0, destinations=self.destinations)
        self.transmitter = Transmitter(
            configuration,
            self.transmissions,
            self.notes,
            self.sender,
            self.clock,
            lambda: 0.5,
            self.requests,
            FolderContents(journal, merge_seconds=30.0),
            StudiesSeen(configuration, PriorSearches(journal)),
        )
        self.transmitter.connected(self.broker)

    def stop(self) -> None:
        """Close files."""
        if self.notes is not None:
            self.transmitter.close()
            self.notes.close()
            for one in [one for consignment in self.sender.hung for one in consignment.objects]:
                one.close()

    def put(
        self,
        entry: int,
        application: str = "READING ROOM",
        *,
        file: bool = True,
        image: int = 0,
        group: str = "11",
        extra: bytes = b"",
    ) -> None:
        """Put an entry on the queue."""
        name = f"{entry}.DCM"
        if file:
            content = encode_head(FileMeta(CT, f"1.2.{entry}", EXPLICIT)) + data_set(f"1.2.{entry}", extra=extra)
            (self.directory / "image1" / name).write_bytes(content)
        self.queue.waiting.append((entry, 1, application, group, image or entry + 100, SHARE + name))

    def run(self) -> None:
        """Work until there is nothing to do."""
        while self.transmitter.step(self.broker):
            pass


def asked_for(office: Office) -> list[tuple[str, ...]]:
    """Give the SOP Instance UIDs that the destination is to be asked for, by transaction."""
    now = office.clock.seconds() + 60
    asked = [office.requests.ask(one, now, now) for one in office.requests.due("READING ROOM", now, 9)]
    return [tuple(it.sop_instance for it in request.references) for request in asked if request is not None]
