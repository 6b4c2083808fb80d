"""One request and its answer, and its form in a recording: a JSON object a line, as the recorded answers of VistA have it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from console.errors import ConsoleError
from xwb import (
    CHARSET,
    EOT,
    CallReceived,
    Cipher,
    CommandReceived,
    GlobalParameter,
    ListParameter,
    Literal,
    NSDecoder,
    Parameter,
    Reference,
    ResponseDecoder,
    ResponseReceived,
)

COMMAND, RAW, READ = "(command) ", "(raw)", "(read)"
"""What stands in `rpc` besides names: a command, bytes that are no whole request, bytes that nobody asked for."""

CONTEXT_CALL = "XWB CREATE CONTEXT"
CRLF = "\r\n"

_NUMBER = re.compile(r"-?[0-9.]+")
_TEXT = re.compile(r'"((?:[^"]|"")*)"')
_KINDS = {Literal: "literal", Reference: "reference", ListParameter: "list", GlobalParameter: "global"}

Request = CallReceived | CommandReceived


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
    part. `cut` says that a part was longer than the recorder's limit.
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

    def replaced(self, part: Part) -> frozenset[str]:
        """Give what was replaced in one part."""
        return frozenset(kind for where, kind in self.masked if where is part)


def decode_request(sent: bytes) -> Request | None:
    """Decode the one whole request that some bytes are; None for bytes that are anything else."""
    decoder = NSDecoder(limit_bytes=max(len(sent), 16))
    decoder.receive_data(sent)
    event = decoder.next_event()
    return event if isinstance(event, Request) and not decoder.held else None


def decode_answer(received: bytes) -> ResponseReceived | None:
    """Decode the one whole answer that some bytes are; None for bytes that are anything else."""
    decoder = ResponseDecoder()
    decoder.receive_data(received)
    return decoder.next_event()


def error_of(exchange: Exchange) -> str:
    """Tell in a word how an answer failed: refused, error or M error; empty when it did not."""
    response = decode_answer(exchange.received) if exchange.received else None
    if response is None:
        return ""
    return "refused" if response.security else "error" if response.application else "M error" if response.m_error else ""


def rpc_of(request: Request) -> str:
    """Name a request as recordings do."""
    name = request.name.decode(CHARSET)
    return f"{COMMAND}{name}" if isinstance(request, CommandReceived) else name


def to_json(exchange: Exchange, cipher: Cipher) -> str:
    """Write an exchange as one line, its end not included. The bytes are the truth, the decoded fields are for readers."""
    request = decode_request(exchange.sent)
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
        if response := decode_answer(exchange.received):
            record["result"] = _result(response)
    record["elapsed_s"] = round(exchange.elapsed, 6)
    record["closed"] = exchange.closed
    if exchange.masked:
        record["masked"] = {part.value: sorted(exchange.replaced(part)) for part in Part if exchange.replaced(part)}
    if exchange.cut:
        record["cut"] = True
    return json.dumps(record)


def _shown(parameter: Parameter, request: Request, cipher: Cipher) -> dict[str, Any]:
    match parameter:
        case Literal(value) if isinstance(request, CallReceived) and rpc_of(request) == CONTEXT_CALL:
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


def _result(response: ResponseReceived) -> dict[str, Any]:
    data = (response.data + (EOT if response.m_error else b"")).decode(CHARSET)
    result: dict[str, Any] = {
        "security": response.security.decode(CHARSET),
        "app_error": response.application.decode(CHARSET),
        "data": data,
    }
    if CRLF in data:
        lines = data.split(CRLF)
        result["lines"] = lines if lines[-1] else lines[:-1]
    return result


def read_recording(path: Path) -> list[Exchange]:
    """Read a recording: ours, or one of the recorded VistA, whose changes of state and dumps are passed over.

    Raises BadRecording for a line that is no exchange.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            return list(_exchanges(path, lines))
    except (OSError, UnicodeError) as error:
        raise ConsoleError(f"The recording {path} cannot be read: {error}.") from error


def _exchanges(path: Path, lines: Iterable[str]) -> Iterator[Exchange]:
    counts: dict[int, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise TypeError("an object was expected")
            exchange = _from_record(record, counts)
        except (ValueError, TypeError, LookupError) as error:
            raise BadRecording(path, number, f"it is no recorded exchange ({error})") from error
        if exchange is not None:
            yield exchange


def _from_record(record: dict[str, Any], counts: dict[int, int]) -> Exchange | None:
    rpc = record.get("rpc")
    if "sent_hex" not in record or not (record["sent_hex"] or rpc in (READ, RAW)):
        return None
    conn = int(record.get("conn", 0))
    counts[conn] = counts.get(conn, 0) + 1
    received = record.get("received_hex")
    masked = record.get("masked", {})
    return Exchange(
        conn=conn,
        seq=int(record.get("seq", counts[conn])),
        rpc=str(rpc),
        sent=bytes.fromhex(record["sent_hex"]),
        received=None if received is None or record.get("volatile") else bytes.fromhex(received),
        elapsed=float(record.get("elapsed_s", 0.0)),
        closed=bool(record.get("closed", False)),
        masked=tuple((part, str(kind)) for part in Part for kind in masked.get(part, ())),
        cut=bool(record.get("cut", False)),
    )
