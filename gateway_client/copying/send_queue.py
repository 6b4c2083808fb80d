"""The send queue (#2006.035) as a gateway sees it that copies files to one router's location."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway_client.broker import Broker
from gateway_client.errors import BrokerRefused

#: Kinds of transmission (MECH): here it is always the first.
COPY = "1"
#: Copies that are taken from the list of those that are to be purged at once, and one more.
_AT_ONCE = 100
_NO_MORE, _A_FILE = "0", "1"


@dataclass(frozen=True, slots=True)
class Entry:
    r"""What MAG DICOM ROUTE NEXT FILE answers: a file of an image, and its path below its destination, `\SL00\00\name.DCM`."""

    number: int
    image: int
    path: str
    path_there: str


@dataclass(frozen=True, slots=True)
class OldCopy:
    """An element of MAG DICOM ROUTE GET PURGE: `2005^image^copy^sent^file`."""

    line: str
    image: int
    file: str

    @property
    def start(self) -> str:
        """Write the element with which a list begins at this one."""
        return f"^^^{'^'.join(self.line.split('^')[:3])}"


class SendQueue:
    """What waits for one destination at one location. Its methods raise xwb.XWBError."""

    def __init__(self, location: int, destination: int) -> None:
        self._location = str(location)
        self._destination = str(destination)

    def lock(self, broker: Broker) -> bool:
        """Become the one who copies to the destination, as long as the session lasts; False while somebody else is."""
        return broker.call("MAG DICOM ROUTE LOCK TRANSMIT", self._destination, self._location, "1").text == "1"

    def put_back_begun(self, broker: Broker) -> int:
        """Let what was taken and never reported wait again; with the lock nobody else can be at it. Gives how many."""
        answer = broker.call("MAGB ROUTE REQUEUE", self._location, self._destination).text
        if not answer.isdigit():
            raise BrokerRefused(f"MAGB ROUTE REQUEUE answers {answer!r}.")
        return int(answer)

    def next(self, broker: Broker) -> Entry | None:
        """Take the next file; entries without one are done with on the way. Raises BrokerRefused."""
        while True:
            served = [f"{COPY}^{self._destination}"]
            lines = broker.call("MAG DICOM ROUTE NEXT FILE", self._location, "", "", COPY, served).lines
            first = lines[0] if lines else ""
            if first == _NO_MORE:
                return None
            if first not in (_A_FILE, "2") or len(lines) < 12 or not (lines[8].isdigit() and lines[11].isdigit()):
                raise BrokerRefused(f"The send queue answers {first!r}.")
            if first == _A_FILE:
                return Entry(int(lines[8]), int(lines[11]), lines[6], lines[7])

    def sent(self, broker: Broker, entry: Entry, began: str) -> None:
        """Report a copy that is durable, and when it was begun, as FileMan writes it."""
        self._log(broker, entry, "SENT", began)

    def failed(self, broker: Broker, entry: Entry, began: str) -> None:
        """Report an entry that is given up."""
        self._log(broker, entry, "FAILED", began)

    def _log(self, broker: Broker, entry: Entry, status: str, began: str) -> None:
        arguments = (str(entry.number), self._destination, self._location, status, entry.path_there, began, COPY)
        answer = broker.call("MAG DICOM ROUTE LOG XMIT", *arguments).text
        if answer not in ("1", "-1,0"):  # 0 is an entry that somebody has deleted since
            raise BrokerRefused(f"MAG DICOM ROUTE LOG XMIT answers {answer!r}.")

    def put_back(self, broker: Broker, entry: Entry) -> None:
        """Let an entry wait again."""
        broker.call("MAG DICOM ROUTE STATUS", str(entry.number), "WAITING", self._location)

    def set_off_line(self, broker: Broker) -> None:
        """Have nothing given out for the destination for a quarter of an hour."""
        broker.call("MAG DICOM NETWORK STATUS", self._destination, "0")

    def old_copies(self, broker: Broker, done: Sequence[OldCopy] = (), after: OldCopy | None = None) -> list[OldCopy]:
        """Report copies that are gone, or list those that have been kept long enough, the oldest first, from one on."""
        said = [copy.line for copy in done] or ([after.start] if after is not None else [])
        return _copies(broker.call("MAG DICOM ROUTE GET PURGE", self._location, self._destination, str(_AT_ONCE), said).lines)

    def copies_of(self, broker: Broker, images: Sequence[int]) -> list[OldCopy]:
        """List the copies of images that lie at the destination, however old."""
        return _copies(broker.call("MAGB ROUTE COPIES", self._destination, [str(image) for image in images]).lines)


def _copies(lines: Sequence[str]) -> list[OldCopy]:
    pieces = [(line, *[*line.split("^", 4), *[""] * 5][:5]) for line in lines[1:]]
    return [OldCopy(line, int(image), file) for line, _, image, _, _, file in pieces if image.isdigit()]
