"""Syslog: a stream of framed messages, and the messages in it."""

from __future__ import annotations

import contextlib

from console.atna.syslog import BadSyslog, Frames, Record, framed

_RECORD = Record(1795516200.125, "host", "magbroker", "4711", b"<AuditMessage/>").encode()
STREAMS = (framed(_RECORD), framed(_RECORD) + framed(b"x"), framed(_RECORD)[:30])
#: Bytes of a message.
LIMIT = 4096


def streams(data: bytes) -> None:
    """Read a stream: whole or one byte at a time it has the same messages, and what is read is written alike."""
    whole, broken = _read(data, len(data) or 1)
    assert (whole, broken) == _read(data, 1)
    for message in whole:
        with contextlib.suppress(BadSyslog):
            record = Record.decode(message)
            assert Record.decode(record.encode()).text == record.text


def _read(data: bytes, step: int) -> tuple[list[bytes], bool]:
    frames, found = Frames(LIMIT), []
    for at in range(0, len(data), step):
        try:
            found += frames.feed(data[at : at + step])
        except BadSyslog:
            return found, True
        assert frames.held <= LIMIT + 10, "more is held than a message may have"
    try:
        frames.feed(b"")
    except BadSyslog:
        return found, True
    return found, False
