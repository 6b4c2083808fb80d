"""A broker in memory that files images as VistA does, objects to file, and a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway_client.acquisition.answers import NOT_ON_FILE
from gateway_client.acquisition.filing import Means
from gateway_client.acquisition.releasing import Releasing
from gateway_client.acquisition.storing import Storing
from gateway_client.configuration import Configuration
from gateway_client.journal import Journal
from gateway_client.objects.part10 import FileMeta
from gateway_client.reception.spool import Origin, Spool, SpooledFile
from runtime import FixedClock
from xwb import Argument

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
MOMENT = datetime.fromisoformat("2026-11-21T09:30")
SHARE = "\\\\DEMO-IMG1\\IMAGE1$\\"


@dataclass(frozen=True)
class FakeAnswer:
    """The lines of an answer."""

    lines: list[str]

    @property
    def text(self) -> str:
        """The first line."""
        return self.lines[0] if self.lines else ""


Handler = Callable[..., Sequence[str] | str]


@dataclass
class FakeBroker:
    """Carries out procedures that are Python functions; one that is missing answers nothing. `calls` has them all."""

    handlers: dict[str, Handler] = field(default_factory=dict)
    calls: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    closed: bool = False

    def call(self, name: str, *arguments: Argument) -> FakeAnswer:
        """Call a procedure."""
        self.calls.append((name, arguments))
        handler = self.handlers.get(name)
        answer = handler(*arguments) if handler is not None else []
        return FakeAnswer([answer] if isinstance(answer, str) else list(answer))

    def bye(self) -> None:
        """Take leave."""
        self.closed = True

    def close(self) -> None:
        """Close."""
        self.closed = True

    def of(self, name: str) -> list[tuple[Any, ...]]:
        """Give the arguments of every call of a procedure."""
        return [arguments for called, arguments in self.calls if called == name]


@dataclass
class Imaging:
    """MAG DICOM IMAGE PROCESSING: numbers images, remembers REQUEST items, refuses what `refusals` names by UID.

    `lose` makes it carry out that many calls and lose the answer.
    """

    refusals: dict[str, list[str]] = field(default_factory=dict)
    images: dict[int, str] = field(default_factory=dict)
    processed: list[int] = field(default_factory=list)
    answered: dict[str, list[str]] = field(default_factory=dict)
    raises: list[Exception] = field(default_factory=list)
    lose: list[Exception] = field(default_factory=list)
    given: int = 0

    def __call__(self, request: Sequence[str]) -> list[str]:
        """Carry out one REQUEST list."""
        if self.raises:
            raise self.raises.pop(0)
        lines = request[1 : int(request[0])]
        uuid = lines[0].removeprefix("REQUEST|")
        if uuid not in self.answered:
            results = [answer for line in lines for answer in self._item(line)]
            self.answered[uuid] = [str(len(results) + 1), *results] if results else []
        if self.lose:
            raise self.lose.pop(0)
        return self.answered[uuid]

    def _item(self, line: str) -> list[str]:
        opcode, _, arguments = line.partition("|")
        pieces = arguments.split("|")
        if opcode == "STORE2":
            return self._store(pieces[2])
        if opcode == "ROLLBACK":
            known = self.images.pop(int(pieces[1]), None) is not None
            return [f"ROLLBACK|0||{pieces[1]}" if known else f"ROLLBACK|-1|{NOT_ON_FILE}|{pieces[1]}"]
        if opcode == "PROCESSED":
            self.processed.append(int(pieces[3]))
            return [f"PROCESSED||{'|'.join(pieces[1:])}"]
        return []

    def _store(self, uid: str) -> list[str]:
        if uid in self.refusals:
            return self.refusals[uid]
        if uid in self.images.values():
            return ["STORE|-1 Image already in database||MAGDIR81|", f"MSG|END|UID = {uid}"]
        self.given += 2
        number = self.given
        self.images[number] = uid
        return [f"STORE|0|{number}^{SHARE}SL00\\00\\^SL{number:012d}.DCM^1|DEMO,PATIENT|666001100^666-00-1100|||M^MALE|"]


def element(group: int, number: int, vr: str, value: str) -> bytes:
    """Encode one short element in explicit VR little endian."""
    data = value.encode("ascii")
    data += (b"\0" if vr == "UI" else b" ") * (len(data) % 2)
    return group.to_bytes(2, "little") + number.to_bytes(2, "little") + vr.encode() + len(data).to_bytes(2, "little") + data


def data_set(
    uid: str,
    accession: str = "021026-201",
    extra: bytes = b"",
    equipment: tuple[str, str] = ("", ""),
    study: str = "1.2.3",
    name: str = "DEMO^PATIENT^ONE",
) -> bytes:
    """Make a small CT data set in explicit VR little endian, of equipment by manufacturer and model."""
    return (
        element(8, 0x16, "UI", CT)
        + element(8, 0x18, "UI", uid)
        + element(8, 0x50, "SH", accession)
        + element(8, 0x60, "CS", "CT")
        + element(8, 0x70, "LO", equipment[0])
        + element(8, 0x1090, "LO", equipment[1])
        + element(0x10, 0x10, "PN", name)
        + element(0x10, 0x20, "LO", "666-00-1100")
        + element(0x20, 0x0D, "UI", study)
        + element(0x20, 0x0E, "UI", "1.2.3.1")
        + extra
    )


@dataclass
class Desk:
    """Both filing tasks with everything around it; `restart` is what a kill and a new start leave."""

    directory: Path
    imaging: Imaging = field(default_factory=Imaging)
    clock: FixedClock = field(default_factory=lambda: FixedClock(MOMENT))
    batch: int = 32
    changes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start."""
        self.broker = FakeBroker(
            {
                "MAGB NETWORK LOCATIONS": lambda: [f"1^RAID1^{SHARE}^image1"],
                "MAG DICOM IMAGE PROCESSING": self.imaging,
                "MAGB IMAGE EVENTS": lambda lines: str(len(lines)),
            }
        )
        self._start()

    def _start(self) -> None:
        self.configuration = Configuration(self.directory / "gateway", self.directory, batch=self.batch, **self.changes)
        self.configuration.directory.mkdir(exist_ok=True)
        self.spool = Spool(self.configuration.spool, self.clock)
        self.journal = Journal(self.configuration.journal, synchronous="NORMAL")
        means = Means(self.configuration, self.spool, self.journal, self.clock, lambda: 0.5)
        self.storing, self.releasing = Storing(means), Releasing(means)
        self.storing.recover()
        self.storing.connected(self.broker)
        self.releasing.connected(self.broker)

    def restart(self) -> None:
        """End without a word and start again on the same directory."""
        self.journal.close()
        self.spool.close()
        self._start()

    def receive(
        self,
        uid: str,
        extra: bytes = b"",
        *,
        instrument: str = "",
        equipment: tuple[str, str] = ("", ""),
        study: str = "1.2.3",
        name: str = "DEMO^PATIENT^ONE",
        tell: bool = True,
    ) -> SpooledFile:
        """Put an object into the spool, and tell filing of it."""
        writer = self.spool.begin(
            FileMeta(CT, uid, EXPLICIT, "MODALITY"), Origin("MODALITY", "MAGBROKER", "127.0.0.1", instrument)
        )
        writer.write(data_set(uid, extra=extra, equipment=equipment, study=study, name=name))
        file = writer.commit()
        if tell:
            self.storing.received(file)
        return file

    def step(self) -> bool:
        """Do one step of each task, as their workers do."""
        self.storing.offline()
        stored = self.storing.step(self.broker)
        return self.releasing.step(self.broker) or stored

    def states(self) -> dict[str, str]:
        """Give the states of the objects by UID, the newest one's."""
        with self.journal.transaction() as connection:
            rows = connection.execute("SELECT sop_instance_uid, state FROM instance ORDER BY id").fetchall()
        return {row[0]: row[1] for row in rows}

    def requests(self) -> list[list[str]]:
        """Give the REQUEST lists that were sent, without their first element."""
        sent = self.broker.of("MAG DICOM IMAGE PROCESSING")
        return [list(request[1:]) for (request,) in sent]

    def events(self) -> list[list[str]]:
        """Give the events that the broker was told."""
        return [line.split("^") for (lines,) in self.broker.of("MAGB IMAGE EVENTS") for line in lines]

    def close(self) -> None:
        """End."""
        self.journal.close()
        self.spool.close()


def stored_file(desk: Desk, number: int) -> Path:
    """Say where the file of an image is placed."""
    return desk.directory / "image1" / "SL00" / "00" / f"SL{number:012d}.DCM"
