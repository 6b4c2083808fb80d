"""One request and its answer, and its form in a recording: a JSON object a line, as the recorded answers of VistA have it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import Any

from console.errors import ConsoleError
from console.traffic.wire import Answer, Request, Wire, only_event
from console.traffic.wires import WIRES
from xwb import CHARSET, Cipher, GlobalParameter, ListParameter, Literal, Parameter, Reference, Transport, first_five

RAW, READ = "(raw)", "(read)"
"""What stands in `rpc` besides names and commands: bytes that are no whole request, bytes that nobody asked for."""

CONTEXT_CALL = "XWB CREATE CONTEXT"

_NUMBER = re.compile(r"-?[0-9.]+")
_TEXT = re.compile(r'"((?:[^"]|"")*)"')
_KINDS = {Literal: "literal", Reference: "reference", ListParameter: "list", GlobalParameter: "global"}


class Part(StrEnum):
    """The two halves of an exchange."""

    REQUEST = "request"
    ANSWER = "answer"


class BadRecording(ConsoleError):
    """A line of a recording cannot be read."""

    def __init__(self, path: Path, line: int, why: str) -> None:
        self.path = path
        self.line = line
        super().__init__(f"{path}, line {line}: {why}.")


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a client sent and what came back, in bytes.

    `seq` counts the exchanges of one connection. `received` is None where a recording keeps the answer back. `elapsed` is
    in seconds, from the last byte of the request to the last of the answer. `closed` says that the server closed before it
    gave a whole answer, or, where nothing was sent, that it closed by itself. `masked` names what was replaced in each
    part. `cut` says that a part was longer than the recorder's limit. `transport` is what the connection spoke.
    """

    conn: int
    seq: int
    rpc: str
    sent: bytes
    received: bytes | None
    elapsed: float = 0.0
    closed: bool = False
    masked: tuple[tuple[Part, str], ...] = ()
    cut: bool = False
    transport: Transport = Transport.NS

    @property
    def wire(self) -> Wire | None:
        """What knows its messages; None for a transport that is not decoded."""
        return WIRES.get(self.transport)

    @property
    def request(self) -> Request | None:
        """The request, decoded anew each time; None where it is no whole one."""
        return decode_request(self.sent, self.transport)

    @property
    def answer(self) -> Answer | None:
        """The answer, decoded anew each time; None where it is no whole one."""
        return self.wire.answer(self.received) if self.wire and self.received else None

    def replaced(self, part: Part) -> frozenset[str]:
        """Give what was replaced in one part."""
        return frozenset(kind for where, kind in self.masked if where is part)


def decode_request(sent: bytes, transport: Transport = Transport.NS) -> Request | None:
    """Decode the one whole request that some bytes are; None for bytes that are anything else."""
    wire = WIRES.get(transport)
    return wire.named(only_event(wire, sent)) if wire else None


def error_of(exchange: Exchange) -> str:
    """Tell in a word how an answer failed: refused, error or M error; empty when it did not."""
    answer = exchange.answer
    return answer.failure if answer else ""


def to_json(exchange: Exchange, cipher: Cipher) -> str:
    """Write an exchange as one line, its end not included. The bytes are the truth, the decoded fields are for readers."""
    request = exchange.request
    record: dict[str, Any] = {
        "id": f"{exchange.conn}-{exchange.seq:03d}",
        "conn": exchange.conn,
        "seq": exchange.seq,
        "rpc": exchange.rpc,
        "params": [_shown(parameter, request, cipher) for parameter in request.parameters] if request else [],
        "sent_hex": exchange.sent.hex(),
    }
    if exchange.received is not None:
        record["received_hex"] = exchange.received.hex()
        if answer := exchange.answer:
            record["result"] = answer.shown()
    record["elapsed_s"] = round(exchange.elapsed, 6)
    record["closed"] = exchange.closed
    if exchange.masked:
        record["masked"] = {part.value: sorted(exchange.replaced(part)) for part in Part if exchange.replaced(part)}
    if exchange.cut:
        record["cut"] = True
    if exchange.transport is not Transport.NS or first_five(exchange.sent) is Transport.M2M:  # a reader would take it for that
        record["transport"] = exchange.transport.name
    return json.dumps(record)


def _shown(parameter: Parameter, request: Request, cipher: Cipher) -> dict[str, Any]:
    match parameter:
        case Literal(value) if request.rpc == CONTEXT_CALL:
            return {"type": "literal", "value": value.decode(CHARSET), "clear": cipher.decipher(value).decode(CHARSET)}
        case Literal(value) | Reference(value):
            return {"type": _KINDS[type(parameter)], "value": value.decode(CHARSET)}
        case ListParameter(pairs) | GlobalParameter(pairs):
            shown = [[_subscript(key), "" if value == b"\x01" else value.decode(CHARSET)] for key, value in pairs]
            return {"type": _KINDS[type(parameter)], "value": shown}
    return {"type": "empty", "value": ""}


def _subscript(key: bytes) -> str:
    """Show a number as it is, a quoted text without its quotes, any other M text after an equals sign."""
    text = key.decode(CHARSET)
    if _NUMBER.fullmatch(text):
        return text
    quoted = _TEXT.fullmatch(text)
    if quoted and not _NUMBER.fullmatch(quoted[1]) and not quoted[1].startswith("="):
        return quoted[1].replace('""', '"')
    return f"={text}"


def read_recording(path: Path, torn: Callable[[BadRecording], None] | None = None) -> list[Exchange]:
    """Read a recording: ours, or one of the recorded VistA, whose changes of state and dumps are passed over.

    Raises BadRecording for a line that is no exchange. With `torn`, a last line that has no end is passed over and told it:
    the recorder was killed while it wrote.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            return list(_exchanges(path, lines, torn))
    except (OSError, UnicodeError) as error:
        raise ConsoleError(f"The recording {path} cannot be read: {error}.") from error


def _exchanges(path: Path, lines: Iterable[str], torn: Callable[[BadRecording], None] | None) -> Iterator[Exchange]:
    counts: dict[int, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            exchange = _read(line, counts)
        except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
            why = "it is nested too deeply" if isinstance(error, RecursionError) else error
            bad = BadRecording(path, number, f"it is no recorded exchange ({why})")
            if torn is None or line.endswith("\n"):
                raise bad from error
            torn(bad)
            return
        if exchange is not None:
            yield exchange


def _read(line: str, counts: dict[int, int]) -> Exchange | None:
    record = json.loads(line)
    if not isinstance(record, dict):
        raise TypeError("an object was expected")
    return _from_record(record, counts)


def _from_record(record: dict[str, Any], counts: dict[int, int]) -> Exchange | None:
    rpc = record.get("rpc")
    if "sent_hex" not in record or not (record["sent_hex"] or rpc in (READ, RAW)):
        return None
    conn = int(record.get("conn", 0))
    counts[conn] = counts.get(conn, 0) + 1
    received = record.get("received_hex")
    masked = record.get("masked", {})
    if not isinstance(masked, dict):
        raise TypeError("masked is no object")
    return Exchange(
        conn=conn,
        seq=int(record.get("seq", counts[conn])),
        rpc=str(rpc),
        sent=bytes.fromhex(record["sent_hex"]),
        received=None if received is None or record.get("volatile") else bytes.fromhex(received),
        elapsed=_seconds(record.get("elapsed_s", 0.0)),
        closed=bool(record.get("closed", False)),
        masked=tuple((part, str(kind)) for part in Part for kind in masked.get(part, ())),
        cut=bool(record.get("cut", False)),
        transport=Transport[record["transport"]] if "transport" in record else _transport(record["sent_hex"]),
    )


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not isfinite(seconds):
        raise ValueError("elapsed_s is no number of seconds")
    return seconds


def _transport(sent_hex: str) -> Transport:
    """Tell the transport of a line that does not, as those of the recorded VistA: a document is M-to-M."""
    return Transport.M2M if first_five(bytes.fromhex(sent_hex)) is Transport.M2M else Transport.NS
