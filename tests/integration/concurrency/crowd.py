"""Sessions that all do random things at one broker at once, and write down what they were answered."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random

from fileman import note_processed
from tests.support.broker import RunningBroker
from xwb import BrokerClient, MError

#: Radiology exams of the recorded site, each with its patient's number and name.
EXAMS = (
    ("061024-101", "666000001", "IMAGPATIENT^ONE^M"),
    ("061124-102", "666000001", "IMAGPATIENT^ONE^M"),
    ("061224-103", "666000002", "IMAGPATIENT^TWO"),
    ("061924-110", "666000008", "GARCIA-LOPEZ^MARIA^ELENA"),
)
CR, CT = "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.2"
PLACES = {"660": 1, "688": 2}
INSTRUMENTS = ("CT1", "CR1", "US1")
ROUTERS = (14, 15)
APPLICATIONS = ("PACS-ARCHIVE", "WORKSTATION-1")
#: Objects that there are in all: several sessions bring each of them.
OBJECTS = 240
MOMENT = "3261121.12"


@dataclass(frozen=True, slots=True)
class DicomObject:
    """One of the objects that instruments send, by its number."""

    number: int

    @property
    def exam(self) -> tuple[str, str, str]:
        """The exam's accession number, and its patient as the header has him."""
        return EXAMS[self.number % len(EXAMS)]

    @property
    def sop_class(self) -> str:
        """Objects of a study are of two families of SOP classes."""
        return CR if self.number // len(EXAMS) % 2 else CT

    @property
    def study(self) -> str:
        """An exam has two studies."""
        return f"1.2.3.{self.number % len(EXAMS)}.{self.number // len(EXAMS) // 2 % 2}"

    @property
    def uid(self) -> str:
        """The SOP Instance UID."""
        return f"{self.study}.{self.number}"

    @property
    def family(self) -> tuple[str, str, str]:
        """What the members of one group have in common."""
        return self.exam[0], self.study, self.sop_class


@dataclass(slots=True)
class Notes:
    """What was answered, of one session or of all."""

    stored: list[tuple[int, DicomObject]] = field(default_factory=list)
    again: Counter[str] = field(default_factory=Counter)
    refused: set[tuple[str, str]] = field(default_factory=set)
    deleted: list[int] = field(default_factory=list)
    rolled_back: list[int] = field(default_factory=list)
    acquired: Counter[tuple[str, str]] = field(default_factory=Counter)
    processed: Counter[tuple[str, str]] = field(default_factory=Counter)
    for_jukebox: set[tuple[int, int]] = field(default_factory=set)
    for_evaluator: Counter[tuple[int, int]] = field(default_factory=Counter)
    evaluations: Counter[int] = field(default_factory=Counter)
    evaluated: dict[int, int] = field(default_factory=dict)
    transactions: list[str] = field(default_factory=list)
    files: list[tuple[int, str]] = field(default_factory=list)
    statuses: dict[int, str] = field(default_factory=dict)
    logged: list[int] = field(default_factory=list)
    requeued: int = 0
    exports: list[tuple[int, int]] = field(default_factory=list)
    exported: set[tuple[int, int]] = field(default_factory=set)
    taken_out: set[tuple[int, int]] = field(default_factory=set)
    unexpected: list[str] = field(default_factory=list)

    def add(self, other: Notes) -> None:
        """Add what another session was answered."""
        for name in self.__slots__:
            mine, theirs = getattr(self, name), getattr(other, name)
            match mine:
                case list():
                    mine.extend(theirs)
                case Counter() | set():
                    mine.update(theirs)
                case dict():
                    mine.update({key: max(value, mine.get(key, value)) for key, value in theirs.items()})
                case int():
                    setattr(self, name, mine + theirs)


@dataclass(slots=True)
class Known:
    """What the sessions know of each other's images: everybody may touch everything."""

    images: list[int] = field(default_factory=list)
    taken_out: list[tuple[int, int]] = field(default_factory=list)


@dataclass(slots=True)
class CrowdSession:
    """A gateway's session, with a machine of its own."""

    number: int
    client: BrokerClient
    broker: RunningBroker
    random: Random
    known: Known
    notes: Notes = field(default_factory=Notes)
    sending: list[int] = field(default_factory=list)
    exporting: list[tuple[int, int]] = field(default_factory=list)

    @property
    def machine(self) -> str:
        """The machine ID of the gateway."""
        return f"GW{self.number}"

    def expect(self, fine: bool, what: str, answer: object) -> bool:
        """Note an answer that nobody should get."""
        if not fine:
            self.notes.unexpected.append(f"{what}: {answer}")
        return fine

    def process(self, *items: str) -> list[str]:
        """Call IMAGE PROCESSING; give the results without their count."""
        listed = {1: str(len(items) + 1), **dict(enumerate(items, 2))}
        return list(self.client.call("MAG DICOM IMAGE PROCESSING", listed).lines[1:])

    def an_image(self) -> int:
        """Choose an image that somebody stored, the last one or perhaps a deleted one; 0 before there is one."""
        recent = self.known.images[-self.random.choice((1, 60)) :]
        return self.random.choice(recent) if recent else 0


def store(session: CrowdSession) -> None:
    """Store one to six objects in one call, which others store too."""
    wanted = [DicomObject(session.random.randrange(OBJECTS)) for _ in range(session.random.choice((1, 1, 2, 6)))]
    items = [item for one in wanted for item in _store_items(session, one, one.exam[0], f"C:\\{one.number}.DCM")]
    results = [line.split("|") for line in session.process(*items) if line.startswith("STORE|")]
    waiting = iter(wanted)
    again = False
    for result in results:
        code = result[1]
        if code == "1 Image partially in the database":
            again = True
            continue
        one = next(waiting)
        if code == "0":
            image = int(result[2].partition("^")[0])
            session.notes.stored.append((image, one))
            session.notes.again[one.uid] += again
            session.known.images.append(image)
        else:
            session.expect(code == "-1 Image already in database", "STORE", result)
        again = False
    session.expect(next(waiting, None) is None, "STORE", results)


def store_for_nobody(session: CrowdSession) -> None:
    """Store an object of an exam that is not there: it waits on the CORRECT list, once for each file of a gateway."""
    one = DicomObject(session.random.randrange(12))
    path = f"C:\\LOST{one.number}.DCM"
    answer = session.process(*_store_items(session, one, "010101-9999", path))
    if session.expect(answer[0].startswith("STORE|-2 Image Association Problem|"), "STORE", answer):
        session.notes.refused.add((session.machine, path))


def _store_items(session: CrowdSession, one: DicomObject, accession: str, path: str) -> tuple[str, str]:
    _, number, name = one.exam
    uid = one.uid if accession == one.exam[0] else f"{one.uid}.9.{session.number}"
    return (
        f"STORE1||660|{session.machine}|RAD|CT1|{path}|{number}|{name}|{accession}|{accession}|20240610|093000|0|CR"
        f"||<DICOM>|1|1|660|0|GW|",
        f"STORE2|{one.study}|{one.study}.1|{uid}|{one.sop_class}|0|1|ACME|X{one.number % 5}||V||",
    )


def acquire(session: CrowdSession) -> None:
    """Count an object as acquired."""
    where, instrument = session.random.choice(list(PLACES)), session.random.choice(INSTRUMENTS)
    answer = session.process(f"ACQUIRED||{where}|{instrument}")
    if session.expect(answer == [], "ACQUIRED", answer):
        session.notes.acquired[where, instrument] += 1


def process(session: CrowdSession) -> None:
    """Say that an image is in its place, for the jukebox and perhaps for the evaluator, and let an evaluator get on."""
    image = session.an_image()
    if not image:
        return
    where, instrument = session.random.choice(list(PLACES)), session.random.choice(INSTRUMENTS)
    evaluate, place = session.random.randrange(2), PLACES[where]
    item = f"PROCESSED||{where}|{instrument}|{image}|1|{evaluate}|{session.machine}"
    answer = session.process(item)
    if not session.expect(answer == [item], "PROCESSED", answer):
        return
    session.notes.processed[where, instrument] += 1
    session.notes.for_jukebox.add((place, image))
    if evaluate:
        session.notes.for_evaluator[place, image] += 1
    if evaluate and session.random.randrange(2):
        entry = session.random.randrange(1, 10_000)
        session.broker.store.transact(lambda connection: note_processed(connection, place, "EVAL", entry, MOMENT))
        session.notes.evaluations[place] += 1
        session.notes.evaluated[place] = max(entry, session.notes.evaluated.get(place, 0))


def roll_back(session: CrowdSession) -> None:
    """Take an image back, which another session may be deleting."""
    if image := session.an_image():
        (answer,) = session.process(f"ROLLBACK||{image}")
        if answer == f"ROLLBACK|0||{image}":
            session.notes.deleted.append(image)
            session.notes.rolled_back.append(image)
        else:
            session.expect(answer == f"ROLLBACK|-1|Image entry doesn't exist in image file|{image}", "ROLLBACK", answer)


def delete(session: CrowdSession) -> None:
    """Delete an image as MAGQ DIK does."""
    if image := session.an_image():
        answer = session.client.call("MAGQ DIK", f"{image}^1").lines
        if answer[0] == "1^Deletion of Image was Successful.":
            session.notes.deleted.append(image)
        else:
            session.expect(answer[0] == "0^Image entry doesn't exist in image file", "MAGQ DIK", answer)


def query(session: CrowdSession) -> None:
    """Ask for what was corrected: nothing was."""
    answer = session.process(f"CORRECT|QUERY|660|{session.machine}")
    session.expect(answer == [], "CORRECT", answer)


def begin_transaction(session: CrowdSession) -> None:
    """Ask for a transaction."""
    session.notes.transactions.append(session.client.call("MAG DICOM ROUTE GET TRANS ID", "660").text)


def route(session: CrowdSession) -> None:
    """Have all images of a report sent to a router; what waits for it is not queued again."""
    report = session.random.randint(1, len(EXAMS))
    router, priority = session.random.choice(ROUTERS), session.random.choice((250, 500, 750))
    answer = session.client.call("MAGJ ROUTE EXAMS", [f"{router}^{priority}|1^1^1^{report}"]).lines
    session.expect(answer[0].endswith(("queued to be routed.", "queue any exams for routing.")), "MAGJ ROUTE EXAMS", answer)


def next_file(session: CrowdSession) -> None:
    """Take a file to send."""
    served = [f"1^{router}" for router in ROUTERS]
    answer = session.client.call("MAG DICOM ROUTE NEXT FILE", "660", "", "", "1", served).lines
    if answer[0] in ("1", "2"):
        entry = int(answer[8])
        session.notes.files.append((entry, answer[0]))
        if answer[0] == "1":
            session.sending.append(entry)
    else:
        session.expect(answer == ["0"], "NEXT FILE", answer)


def report_file(session: CrowdSession) -> None:
    """Say what became of a file that this session sent, with or without writing it down at the image."""
    if not session.sending:
        return
    entry = session.sending.pop()
    status = session.random.choice(("SENT", "FAILED", "NOT FOUND"))
    if session.random.randrange(2):
        answer = session.client.call("MAG DICOM ROUTE STATUS", str(entry), status, "660").text
    else:
        arguments = (str(entry), "14", "660", status, "A.DCM", MOMENT, "1")
        answer = session.client.call("MAG DICOM ROUTE LOG XMIT", *arguments).text
        session.notes.logged += [entry] if status != "FAILED" else []
    if session.expect(answer == "1", "STATUS", answer):
        session.notes.statuses[entry] = status


def requeue(session: CrowdSession) -> None:
    """Let what failed or is being sent wait again."""
    session.notes.requeued += int(session.client.call("MAG DICOM ROUTE REQUEUE", "660").text)


def queue_image(session: CrowdSession) -> None:
    """Have an image exported; one that is deleted has no accession number any more."""
    if image := session.an_image():
        application, where = session.random.choice(APPLICATIONS), session.random.choice(list(PLACES))
        arguments = (str(image), application, where, "", "5", "", session.random.choice(("500", "700")), "0")
        answer = session.client.call("MAG DICOM QUEUE IMAGE", *arguments).text
        session.expect(answer == "1" or answer.startswith("-4,Accession Number Lookup Problem"), "QUEUE IMAGE", answer)


def next_entry(session: CrowdSession) -> None:
    """Report what was exported, at whatever location, take some of it out of the queue, and take the next."""
    said = []
    while session.exporting and session.random.randrange(3):
        export, sequence = session.exporting.pop()
        if session.random.randrange(2):
            said.append(f"{export}^{sequence}^SUCCESS")
            session.notes.exported.add((export, sequence))
        else:
            said.append(f"{export}^{sequence}^")
            session.notes.taken_out.add((export, sequence))
            session.known.taken_out.append((export, sequence))
    if session.known.taken_out:  # somebody else says so, too
        export, sequence = session.known.taken_out[-1]
        said.append(f"{export}^{sequence}^")
    origins = session.random.choice((["660"], ["688"], ["660", "688"]))
    answer = session.client.call("MAG DICOM GET NEXT QUEUE ENTRY", origins, said, "").lines
    if answer[0] == "1":
        session.exporting.append((int(answer[1]), int(answer[2])))
        session.notes.exports.append(session.exporting[-1])
    else:
        session.expect(answer[0].startswith("-2,"), "GET NEXT QUEUE ENTRY", answer)


Action = Callable[[CrowdSession], None]

#: What sessions do, and how often: everything but letting files wait again, after which a late report could mean either sending.
FILING_AND_SENDING: dict[Action, int] = {
    store: 10,
    store_for_nobody: 2,
    acquire: 2,
    process: 5,
    roll_back: 3,
    delete: 3,
    query: 1,
    begin_transaction: 1,
    route: 1,
    next_file: 5,
    report_file: 4,
    queue_image: 3,
    next_entry: 4,
}
#: Deleting the newest images, so that the numbers that are given next could be theirs again.
TAKING_BACK: dict[Action, int] = {roll_back: 1, delete: 1}
#: Taking files while others let them wait again; nobody reports any.
REQUEUEING: dict[Action, int] = {next_file: 20, requeue: 1, route: 1, store: 1}


class Crowd:
    """Sessions at one broker, all connected at the same time."""

    def __init__(self, broker: RunningBroker, sessions: int, seed: int) -> None:
        self._stack = ExitStack()
        self._pool = ThreadPoolExecutor(sessions)
        known = Known()

        def enter(number: int) -> CrowdSession:
            client = broker.client("FAKEPRG1", "1PRG!@#$")
            return CrowdSession(number, client, broker, Random(f"{seed} {number}"), known)

        self.sessions: Sequence[CrowdSession] = list(self._pool.map(enter, range(1, sessions + 1)))
        for session in self.sessions:
            self._stack.enter_context(session.client)

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._stack.close()
        self._pool.shutdown()

    def run(self, mix: dict[Action, int], calls: int) -> Notes:
        """Let every session do so many random things, all of them beginning at once; give all that was answered in it."""
        together = threading.Barrier(len(self.sessions))

        def act(session: CrowdSession) -> Notes:
            session.notes = Notes()
            together.wait(60)
            for action in session.random.choices(list(mix), list(mix.values()), k=calls):
                try:
                    action(session)
                except MError as error:
                    session.expect(False, action.__name__, error)
            return session.notes

        everything = Notes()
        for notes in self._pool.map(act, self.sessions):
            everything.add(notes)
        return everything
