"""The export queue as the transmitter sees it: entries are taken by destination, and what became of them is told."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway_client.broker import Broker
from gateway_client.configuration import Configuration, Peer
from gateway_client.errors import BrokerRefused
from gateway_client.transmission.consignment import Destination
from gateway_client.transmission.transmissions import Sending, Transmission
from xwb import SecurityRefused

log = logging.getLogger(__name__)

NOTHING = "-2,"
#: Lines that an entry has.
_LINES = 13
_REASON_LIMIT = 200
_IN_HAND = "KEPT"
_REPORTED = {Sending.SENT: "SUCCESS", Sending.WAITING: "WAITING", Sending.FAILED: "FAIL"}


@dataclass(frozen=True, slots=True)
class Entry:
    """What MAG DICOM GET NEXT QUEUE ENTRY answers of one image (NEXTIMG^MAGDRPC4)."""

    entry: int
    sequence: int
    application: str
    group: str
    image: int
    path: str

    @classmethod
    def read(cls, lines: Sequence[str]) -> Entry:
        """Read an entry's lines. Raises BrokerRefused for anything else."""
        first = lines[0] if lines else ""
        if first != "1" or len(lines) < 10 or not (lines[1].isdigit() and lines[2].isdigit()):
            raise BrokerRefused(f"The export queue answers {first!r}.")
        return cls(int(lines[1]), int(lines[2]), lines[3], lines[4], int(lines[6]) if lines[6].isdigit() else 0, lines[9])


def read_entries(lines: Sequence[str]) -> list[Entry]:
    """Read the lines of some entries; there are none when nothing waits. Raises BrokerRefused for any other answer."""
    if lines and lines[0].startswith(NOTHING):
        return []
    return [Entry.read(lines[at : at + _LINES]) for at in range(0, max(1, len(lines)), _LINES)]


def read_destinations(lines: Sequence[str], machine: str) -> dict[str, Destination]:
    """Read `ien^name^AE title^host^port^gateway^location` lines; of several of one name ours goes first."""
    found: dict[str, Destination] = {}
    for line in lines:
        _, name, title, host, port, gateway = [*line.split("^"), *[""] * 6][:6]
        if name and host and port.isdigit() and (name not in found or gateway == machine):
            found[name] = Destination(name, title, host, int(port), gateway)
    return found


def destinations_of_peers(peers: Mapping[str, Peer]) -> dict[str, Destination]:
    """Give the peers of the settings that can be sent to; a C-MOVE may name them, and their AE titles are their names."""
    return {title: Destination(title, title, peer.host, peer.port) for title, peer in peers.items() if peer.host and peer.port}


def known_destinations(lines: Sequence[str], configuration: Configuration) -> dict[str, Destination]:
    """Give by their names the destinations that the broker tells of, and besides them the peers of the settings."""
    return {**destinations_of_peers(configuration.peers), **read_destinations(lines, configuration.machine)}


class ExportQueue:
    """One institution's export queue at a broker; at a VistA, which gives the next one of any destination, one at a time."""

    def __init__(self, location: int) -> None:
        self._location = str(location)
        self.one_at_a_time = False

    def exchange(
        self,
        broker: Broker,
        items: Sequence[Transmission],
        room: Sequence[str],
        wait: float,
        now: float,
        in_hand: Sequence[str] = (),
    ) -> list[Entry]:
        """Report what became of entries and take the next ones: `room` has elements `application^count^export`.

        `in_hand` names entries that are to stay with this machine. Where there are none the broker may wait so many seconds;
        `now` is in seconds since the epoch. Raises xwb.XWBError; what was reported may then be known.
        """
        if not self.one_at_a_time:
            results = [*(_result_line(item, now) for item in items), *(f"{key}^{_IN_HAND}" for key in in_hand)]
            try:
                lines = broker.call("MAGB EXPORT NEXT", [self._location], results, "1", f"{wait:g}", list(room)).lines
            except SecurityRefused as error:
                log.warning("Entries of the export queue are taken one at a time: %s", error)
                self.one_at_a_time = True
            else:
                return read_entries(lines)
        return self._exchange_one(broker, items, now)

    def _exchange_one(self, broker: Broker, items: Sequence[Transmission], now: float) -> list[Entry]:
        """Do as VistA knows it; what its procedure cannot say, repeats, reasons, what is to be tried again, is told before."""
        plain = [item for item in items if item.state is Sending.SENT and not (item.doubts or item.repeated or item.reason)]
        others = [item for item in items if item not in plain]
        if others:
            broker.call("MAGB EXPORT RESULT", [_result_line(item, now) for item in others])
        sent = [f"{item.key}^SUCCESS" for item in plain]
        return read_entries(broker.call("MAG DICOM GET NEXT QUEUE ENTRY", [self._location], sent).lines)


def _result_line(item: Transmission, now: float) -> str:
    """Write `entry^image^status^repeat^reason`, and the seconds to the next try where that is not up to the broker."""
    reason = "".join(" " if character in "^\r\n" else character for character in item.reason)[:_REASON_LIMIT]
    pause = f"^{max(0.0, item.next_try - now):.0f}" if item.state is Sending.WAITING and item.next_try else ""
    return f"{item.key}^{_REPORTED[item.state]}^{int(bool(item.doubts or item.repeated))}^{reason}{pause}"
