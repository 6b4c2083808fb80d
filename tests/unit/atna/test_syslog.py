"""Syslog messages and frames are written and read alike: whole, one byte at a time, and with what follows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from console.atna.syslog import BOM, BadSyslog, Frames, Record, framed

RECORDS = [
    (
        Record(1795516200.125, "host.example", "magbroker", "4711", b"<AuditMessage/>"),
        b"<85>1 2026-11-24T10:30:00.125Z host.example magbroker 4711 DICOM+RFC3881 - " + BOM + b"<AuditMessage/>",
    ),
    (
        Record(1795516200.0, "h", "a", "1", "<x>é</x>".encode(), severity=4),
        b"<84>1 2026-11-24T10:30:00.000Z h a 1 DICOM+RFC3881 - " + BOM + b"<x>\xc3\xa9</x>",
    ),
    (
        Record(1795516200.0, "h", "a", "1", b"", severity=7, facility=23, name="X"),
        b"<191>1 2026-11-24T10:30:00.000Z h a 1 X - " + BOM,
    ),
]


@pytest.mark.parametrize(("record", "data"), RECORDS)
def test_a_record_is_written_and_read_back(record: Record, data: bytes) -> None:
    assert record.encode() == data
    assert Record.decode(data) == record


def test_what_a_header_cannot_have_is_left_out_and_nothing_is_a_dash() -> None:
    data = Record(0.0, "a host\n", "é", "", b"x").encode()
    assert data.startswith(b"<85>1 1970-01-01T00:00:00.000Z ahost - - DICOM+RFC3881 - ")


@pytest.mark.parametrize(
    "data", [b"", b"<85>", b"<85>2 - h a p m - x", b"<192>1 2026-11-24T10:30:00Z h a p m - x", b"<85>1 x h a p m - x"]
)
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(BadSyslog):
        Record.decode(data)


@given(some.lists(some.binary(min_size=1, max_size=50), max_size=5), some.binary(max_size=3))
def test_frames_come_out_of_a_stream_however_it_comes(messages: list[bytes], rest: bytes) -> None:
    stream = b"".join(map(framed, messages))
    assert Frames().feed(stream) == messages
    singly = Frames()
    assert [found for byte in stream for found in singly.feed(bytes([byte]))] == messages
    followed = Frames()
    assert followed.feed(stream + b"9" + framed(rest + b"123456789")[:0]) == messages


@pytest.mark.parametrize("data", [b"x", b" 12 x", b"012 x", b"99999999 x", b"2000000 x", b"1x x"])
def test_what_has_no_length_is_refused(data: bytes) -> None:
    with pytest.raises(BadSyslog):
        Frames().feed(data)
