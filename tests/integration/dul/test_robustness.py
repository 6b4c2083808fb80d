"""Peers that mean no good, or know no better: each costs little memory, is answered as PS3.8 says, and is in the log."""

from __future__ import annotations

import logging
import socket
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import accumulate, repeat
from pathlib import Path

import pytest

from dul import Command, CommandField, Timeouts, encode_command, found_by
from dul.pdata import pdv_header, split
from dul.pdus import RELEASE_RP, RELEASE_RQ, encode_abort
from gateway_client.reception.receiving import Receiver
from gateway_client.reception.spool import Spool
from gateway_client.reception.spooling import SpoolThread
from runtime import ReactorThread, SystemClock
from tests.integration.dul.conftest import Port
from tests.support.waiting import until
from tests.unit.dul.feeding import CT, RQ

Listen = Callable[..., Port]
STORE = encode_command(
    Command(field=CommandField.C_STORE_RQ, sop_class=CT, sop_instance="1.2.3", priority=0, message_id=1, has_data=True)
)
ECHO = encode_command(Command(field=CommandField.C_ECHO_RQ, sop_class="1.2.840.10008.1.1", message_id=1))
FIND = encode_command(Command(field=CommandField.C_FIND_RQ, sop_class=CT, priority=0, message_id=1, has_data=True))
MEBIBYTE = 1 << 20


class Raw:
    """A peer that writes bytes of its own."""

    def __init__(self, port: Port, *, associated: bool = True, room: int | None = None) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(30)
        if room is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.socket.connect(("127.0.0.1", port.number))
        if associated:
            self.socket.sendall(RQ)
            assert self.read_pdu()[0] == 2

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Write; a peer that is cut off may fail to."""
        with suppress(ConnectionError):
            self.socket.sendall(data)

    def read_pdu(self) -> bytes:
        """Read one PDU, nothing where there is none any more."""
        header = self._read(6)
        return header + self._read(struct.unpack(">xxI", header)[0]) if header else b""

    def _read(self, count: int) -> bytes:
        data = b""
        with suppress(ConnectionError):
            while len(data) < count and (more := self.socket.recv(count - len(data))):
                data += more
        return data

    def close(self) -> None:
        """Vanish."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


@contextmanager
def less_than(limit: int) -> Iterator[None]:
    """Promise that at no time more memory is taken."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < limit


def test_connections_that_say_nothing_are_bounded_and_left(listen: Listen, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    port = listen(associations=4, timeouts=Timeouts(artim=1.0))
    idle = [Raw(port, associated=False) for _ in range(8)]
    until(lambda: port.connections() == 8, "all are taken")
    for _ in range(20):
        with Raw(port, associated=False) as beyond:
            assert beyond.read_pdu() == b""
    assert caplog.text.count("127.0.0.1 is not answered: 8 connections are open") == 20
    for raw in idle:
        assert raw.read_pdu() == b""
        raw.socket.close()
    assert caplog.text.count("127.0.0.1 did not ask for an association within 1 s") == 8
    until(lambda: port.connections() == 0, "none is open")
    Raw(port).socket.close()


# What comes, whether over an association, and the abort and the byte that it comes to.
VIOLATIONS = {
    "a request of 4 GiB": (b"\1\0\xff\xff\xff\xff", False, (0, 0), 0),
    "no DICOM at all": (b"GET / HTTP/1.1\r\n\r\n", False, (0, 0), 0),
    "data of 4 GiB": (b"\4\0\xff\xff\xff\xff", True, (2, 6), 0),
    "a release of 4 GiB": (b"\5\0\xff\xff\xff\xff", True, (2, 6), 0),
    "a PDU of no type": (b"\x63\0\0\0\0\0", True, (2, 1), 0),
    "a second request": (RQ, True, (2, 2), 0),
    "a context that was not accepted": (pdv_header(9, 4, command=True, last=True) + b"data", True, (2, 6), 6),
    "a data set before its command set": (pdv_header(3, 4, command=False, last=True) + b"data", True, (2, 6), 12),
    "a command set that is none": (pdv_header(3, 4, command=True, last=True) + b"data", True, (2, 6), 12),
    "a response to nothing": (
        split(1, encode_command(Command(field=0x8030, responds_to=5, status=0)), None, 16384)[0],
        True,
        (2, 6),
        12,
    ),
}


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_a_violation_has_its_answer_and_its_line(listen: Listen, violation: str, caplog: pytest.LogCaptureFixture) -> None:
    data, associated, (source, reason), position = VIOLATIONS[violation]
    port = listen()
    with Raw(port, associated=associated) as raw, less_than(2 * MEBIBYTE):
        raw.send(data + bytes(100_000))
        assert raw.read_pdu() == encode_abort(source, reason)
        until(lambda: port.associations() == 0, "the association has ended")
    until(lambda: port.connections() == 0, "the connection is closed")
    (line,) = (record.getMessage() for record in caplog.records if "breaks the protocol" in record.getMessage())
    assert line.startswith("127.0.0.1 breaks the protocol: ")
    assert line.endswith(f"(byte {position + len(RQ) * associated})")


def test_a_command_set_without_end_is_cut_off(listen: Listen, caplog: pytest.LogCaptureFixture) -> None:
    port = listen()
    fragment = pdv_header(3, 1000, command=True, last=False) + bytes(1000)
    with Raw(port) as raw, less_than(2 * MEBIBYTE):
        for _ in range(1000):
            raw.send(fragment)
        assert raw.read_pdu() == encode_abort(2, 6)
        until(lambda: port.associations() == 0, "the association has ended")
    assert f"a command set is longer than 65536 bytes (byte {len(RQ) + 65 * len(fragment) + 12})" in caplog.text


def test_a_data_set_in_single_bytes_takes_the_memory_of_its_bytes(listen: Listen, tmp_path: Path, reactor: ReactorThread) -> None:
    spool = Spool(tmp_path, SystemClock())
    spooling = SpoolThread(spool, lambda _file: None, reactor.soon)
    receiver = Receiver(spooling)
    port = listen(services={CommandField.C_STORE_RQ: receiver.store})
    single = (pdv_header(3, 1, command=False, last=False) + b"\0") * 1000
    with Raw(port) as raw, less_than(10 * MEBIBYTE):
        raw.send(b"".join(split(3, STORE, None, 16384)))
        for _ in range(100):
            raw.send(single)
        raw.send(pdv_header(3, 0, command=False, last=True))
        assert raw.read_pdu()[0] == 4, "it is refused, as it is no data set"
    spooling.stop()
    spool.close()


def test_a_peer_that_reads_nothing_is_left_and_little_is_kept_for_it(listen: Listen, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    match = bytes(60_000)
    find = found_by(lambda _request, _data: repeat(match))
    port = listen(services={CommandField.C_FIND_RQ: find}, timeouts=Timeouts(artim=0.5, idle=1.0))
    with Raw(port) as raw, less_than(16 * MEBIBYTE):
        raw.send(b"".join(split(3, FIND, b"query", 16384)))
        until(lambda: port.connections() == 0, "it is left", 30)
    assert "127.0.0.1 took nothing for 1 s" in caplog.text


def test_requests_of_a_peer_that_reads_no_answer_do_not_pile_up(listen: Listen, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    port = listen(timeouts=Timeouts(artim=0.5, idle=3.0))
    echoes = b"".join(split(1, ECHO, None, 16384)) * 1000
    raw = Raw(port, room=4096)
    raw.socket.settimeout(30)
    with less_than(8 * MEBIBYTE):
        with suppress(OSError):
            for _ in range(2000):
                raw.socket.sendall(echoes)
        until(lambda: port.connections() == 0, "it is left", 30)
    raw.socket.close()
    assert "127.0.0.1 took nothing for " in caplog.text


_OBJECT = [pdv_header(3, 1000, command=False, last=last) + bytes(1000) for last in (False, False, True)]
#: A whole association with one object, by its PDUs.
PDUS = [RQ, b"".join(split(3, STORE, None, 16384)), *_OBJECT, RELEASE_RQ]
WHOLE = b"".join(PDUS)
BORDERS = [0, *accumulate(map(len, PDUS))]
#: When the last byte of the object is there.
STORED_AT = BORDERS[5]


def checked(port: Port, sent: int, stored: int) -> None:
    """Nothing is left of an association that ended there, and the object was kept only if all of it had come."""
    until(lambda: port.connections() == 0, "the connection is closed")
    assert port.associations() == 0
    assert len(port.stored) == stored + (sent >= STORED_AT)


def test_a_peer_may_abort_after_each_pdu(listen: Listen) -> None:
    port = listen()
    for sent in BORDERS[:-1]:
        stored = len(port.stored)
        with Raw(port, associated=sent > len(RQ)) as raw:
            raw.send(WHOLE[len(RQ) if sent > len(RQ) else 0 : sent] + encode_abort(0, 0))
            while pdu := raw.read_pdu():
                assert pdu[0] in (2, 4), "an abort is not answered"
        checked(port, sent, stored)


@pytest.mark.parametrize("vanish", [Raw.close, lambda raw: raw.socket.shutdown(socket.SHUT_WR)], ids=["reset", "end"])
def test_a_peer_may_vanish_at_any_byte(listen: Listen, vanish: Callable[[Raw], None]) -> None:
    port = listen()
    points = sorted({*range(0, len(WHOLE), 97), *(border + off for border in BORDERS[1:-1] for off in (-1, 0, 1, 6, 12))})
    for sent in points:
        stored = len(port.stored)
        with Raw(port, associated=sent >= len(RQ)) as raw:
            raw.send(WHOLE[len(RQ) if sent >= len(RQ) else 0 : sent])
            if sent >= STORED_AT:
                assert raw.read_pdu()[0] == 4
            vanish(raw)
            checked(port, sent, stored)
    assert port.abandoned > 10


def test_a_whole_association_is_released(listen: Listen) -> None:
    port = listen()
    with Raw(port) as raw:
        raw.send(WHOLE[len(RQ) :])
        assert raw.read_pdu()[0] == 4
        assert raw.read_pdu() == RELEASE_RP
    checked(port, len(WHOLE), 0)
