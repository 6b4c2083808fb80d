"""The caret transport's decoders: bytes in, requests or answers out."""

from xwb.array import parse_subscripts
from xwb.caret import (
    BYE,
    CONTEXT,
    KEYWORDS,
    LIST,
    SIGN_ON,
    Answer,
    AnswerBroken,
    AnswerReceived,
    ByeRequested,
    CallRequested,
    CaretEvent,
    ContextRequested,
    ErrorKind,
    ErrorReceived,
    RequestRefused,
    SignOnRequested,
    unescape,
)
from xwb.errors import BadSubscript, CannotEncode
from xwb.events import LIMIT_BYTES
from xwb.parameters import ListParameter, Literal

LINE_LIMIT = 1024 * 1024
LINES_LIMIT = 500_000
ARGUMENTS_LIMIT = 1000
ANSWER_LIMIT = 64 * 1024 * 1024
ANSWER_LINES_LIMIT = 5_000_000

_EXPECTED = {SIGN_ON: "SIGNON^access^verify", CONTEXT: "CONTEXT^name", BYE: "BYE alone"}


class _Lines:
    """Cut a stream into lines of bounded length; each byte is searched once."""

    __slots__ = ("_buffer", "_searched", "limit", "overflowed")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.overflowed = False
        self._buffer = bytearray()
        self._searched = 0

    @property
    def held(self) -> int:
        return len(self._buffer)

    def add(self, data: bytes) -> None:
        self._buffer += data

    def clear(self) -> None:
        self._buffer.clear()
        self._searched = 0

    def next_line(self) -> bytes | None:
        """Give the next line without its end; None when it is not whole yet, or too long, which `overflowed` tells."""
        end = self._buffer.find(b"\n", self._searched)
        line = None if end < 0 else bytes(self._buffer[:end]).removesuffix(b"\r")
        if (len(self._buffer) - 1 if line is None else len(line)) > self.limit:  # the last byte may be a CR yet
            self.overflowed = True
            self.clear()
            return None
        if line is None:
            self._searched = len(self._buffer)
            return None
        del self._buffer[: end + 1]
        self._searched = 0
        return line


class CaretDecoder:
    """Decode a client's requests. Feed it with `receive_data`, then ask `next_event` until it gives None.

    A line may have `limit_line` bytes, a request's lists `limit_lines` lines, a request altogether `limit_bytes` bytes.
    A request that is not understood is read to its end, lists included, before it is refused, so that the next one is
    understood.
    """

    def __init__(self, limit_line: int = LINE_LIMIT, limit_lines: int = LINES_LIMIT, limit_bytes: int = LIMIT_BYTES) -> None:
        self.limit_lines = limit_lines
        self.limit_bytes = limit_bytes
        self._lines = _Lines(limit_line)
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._call: list[bytes] = []
        self._lists: list[ListParameter] = []
        self._lists_wanted = 0
        self._pairs: list[tuple[bytes, bytes]] = []
        self._refused: RequestRefused | None = None
        self._count = 0
        self._bytes = 0

    @property
    def held(self) -> int:
        """The bytes that are held and not decoded yet."""
        return self._lines.held

    @property
    def retained(self) -> int:
        """The bytes in memory: what is held, and what was decoded of a request that is not whole yet."""
        return self._bytes + self._lines.held

    @property
    def items(self) -> int:
        """The lines of lists that were decoded of a request that is not whole yet."""
        return self._count

    @property
    def mid_request(self) -> bool:
        """Whether a request has begun and is not complete."""
        return self._lists_wanted > 0 or self.held > 0

    def receive_data(self, data: bytes) -> None:
        """Take bytes as they came, in any cut."""
        if not self._closed:
            self._lines.add(data)

    def next_event(self) -> CaretEvent | None:
        """Give the next event, None when more bytes are needed."""
        while not self._closed:
            line = self._lines.next_line()
            if line is None:
                return self._waiting()
            self._bytes += len(line) + 1
            if self._bytes > self.limit_bytes:
                return self._limit(f"a request of at most {self.limit_bytes} bytes")
            if self._lists_wanted:
                self._count += 1
                if self._count > self.limit_lines:
                    return self._limit(f"lists of at most {self.limit_lines} lines")
                self._list_line(line)
            elif line:
                if line.count(b"^") > ARGUMENTS_LIMIT:
                    return self._limit(f"at most {ARGUMENTS_LIMIT} arguments")
                self._first_line(line)
            else:
                self._bytes = 0  # an empty line between requests is none
                continue
            if event := self._complete():
                return event
        return None

    def _waiting(self) -> CaretEvent | None:
        """Wait for the rest of a line, unless it is too long for itself or its request already."""
        if self._lines.overflowed:
            return self._limit(f"a line of at most {self._lines.limit} bytes")
        return self._limit(f"a request of at most {self.limit_bytes} bytes") if self.retained > self.limit_bytes else None

    def _complete(self) -> CaretEvent | None:
        """Give the request when all its lists are there."""
        if self._lists_wanted:
            return None
        event = self._refused or self._request()
        self._begin()
        return event

    def _limit(self, expected: str) -> RequestRefused:
        self._closed = True
        self._lines.clear()
        self._begin()
        return RequestRefused(ErrorKind.LIMIT, f"Expected {expected}.", fatal=True)

    def _refuse(self, text: str) -> None:
        """Remember the first fault of a request."""
        if self._refused is None:
            self._refused = RequestRefused(ErrorKind.SYNTAX, text)

    def _first_line(self, line: bytes) -> None:
        parts = line.split(b"^")
        if parts[0] not in KEYWORDS:
            self._lists_wanted = parts[1:].count(LIST)
        self._call = parts
        if not parts[0]:
            self._refuse("Expected a procedure name, SIGNON, CONTEXT or BYE before the first caret.")

    def _list_line(self, line: bytes) -> None:
        if not line:
            self._lists.append(ListParameter(tuple(self._pairs)))
            self._pairs.clear()
            self._lists_wanted -= 1
            return
        subscript, equals, value = line.partition(b"=")
        if not equals:
            self._refuse("Expected subscript=value, or an empty line to end the list.")
            return
        try:
            subscript, value = unescape(subscript), unescape(value)
            parse_subscripts(subscript)
            self._pairs.append((subscript, value))
        except (CannotEncode, BadSubscript) as error:
            self._refuse(str(error))

    def _request(self) -> CaretEvent:
        keyword = self._call[0]
        try:
            parts = [unescape(part) for part in self._call]
        except CannotEncode as error:
            return RequestRefused(ErrorKind.SYNTAX, str(error))
        match [keyword, *parts[1:]]:
            case [b"SIGNON", access, verify]:
                return SignOnRequested(access, verify)
            case [b"CONTEXT", name]:
                return ContextRequested(name)
            case [b"BYE"]:
                return ByeRequested()
            case [b"SIGNON" | b"CONTEXT" | b"BYE" as keyword, *_]:
                return RequestRefused(ErrorKind.SYNTAX, f"Expected {_EXPECTED[keyword]}.")
        lists = iter(self._lists)
        raw_parts = zip(self._call[1:], parts[1:], strict=True)
        parameters = [next(lists) if raw == LIST else Literal(part) for raw, part in raw_parts]
        return CallRequested(parts[0], tuple(parameters))


class CaretAnswerDecoder:
    """Decode a broker's answers; `limit_bytes` bounds one of them."""

    def __init__(self, limit_bytes: int = ANSWER_LIMIT) -> None:
        self.limit_bytes = limit_bytes
        self._lines = _Lines(limit_bytes)
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._wanted: int | None = None
        self._got: list[bytes] = []
        self._bytes = 0

    @property
    def held(self) -> int:
        """The bytes that are held and not decoded yet."""
        return self._lines.held

    @property
    def retained(self) -> int:
        """The bytes in memory: what is held, and what was decoded of an answer that is not whole yet."""
        return self._bytes + self._lines.held

    def receive_data(self, data: bytes) -> None:
        """Take bytes as they came, in any cut."""
        if not self._closed:
            self._lines.add(data)

    def next_event(self) -> Answer | None:
        """Give the next answer, None when more bytes are needed."""
        while not self._closed:
            if self._wanted is not None and len(self._got) == self._wanted:
                answer = AnswerReceived(tuple(self._got))
                self._begin()
                return answer
            line = self._lines.next_line()
            if line is None:
                too_long = self._lines.overflowed or self.retained > self.limit_bytes
                return self._broken("An answer is too long.") if too_long else None
            self._bytes += len(line) + 1
            if self._bytes > self.limit_bytes:
                return self._broken("An answer is too long.")
            try:
                if self._wanted is not None:
                    self._got.append(unescape(line))
                elif (event := self._status(line)) is not None:
                    return event
            except CannotEncode as error:
                return self._broken(str(error))
        return None

    def _status(self, line: bytes) -> Answer | None:
        word, _, rest = line.partition(b" ")
        if word == b"OK" and rest.isdigit() and len(rest) <= 9 and int(rest) <= ANSWER_LINES_LIMIT:
            self._wanted = int(rest)
            return None
        if word == b"ERROR":
            kind, _, text = rest.partition(b" ")
            self._begin()
            return ErrorReceived(kind.decode("ascii", "replace"), unescape(text))
        return self._broken("Expected OK and a number, or ERROR.")

    def _broken(self, reason: str) -> AnswerBroken:
        self._closed = True
        self._lines.clear()
        self._begin()
        return AnswerBroken(reason)
