"""multipart/related (RFC 2046 5.1, RFC 2387): written part by part, and read from pieces of any size, without I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from uuid import uuid4

from console.web.dicomweb.errors import BadAsked

#: Bytes of the headers of a part, and of what may stand before the first part.
MOST_HEADERS, MOST_PREAMBLE = 16_384, 65_536
#: Blanks that may stand behind a boundary (RFC 2046 5.1.1).
MOST_PADDING = 256
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
_PADDING = b" \t"


# ---- writing ----


def new_boundary() -> str:
    """Make a boundary that stands in no part."""
    return uuid4().hex


def content_type(part_type: str, boundary: str) -> str:
    """Give the Content-Type of a message of parts of one media type."""
    return f'multipart/related; type="{part_type}"; boundary={boundary}'


def encode_part_head(boundary: str, headers: Mapping[str, str]) -> bytes:
    """Give what stands before a part; the part's bytes follow."""
    lines = [f"--{boundary}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode("ascii", "replace")


def encode_end(boundary: str) -> bytes:
    """Give what stands behind the last part."""
    return f"\r\n--{boundary}--\r\n".encode("ascii")


# ---- reading ----


class BadMultipart(BadAsked):
    """The body is no multipart message."""


@dataclass(frozen=True, slots=True)
class PartBegins:
    """A part begins; the names of its headers are in lower case."""

    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PartData:
    """Bytes of the part that has begun."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnds:
    """The part is whole."""


Event = PartBegins | PartData | PartEnds


class _State(Enum):
    PREAMBLE = "before the first part"
    HEADERS = "in the headers of a part"
    BODY = "in a part"
    EPILOGUE = "behind the last part"


class MultipartReader:
    """Reads a message: bytes in, events out. No more is held than the headers of a part, or a boundary."""

    def __init__(self, boundary: str) -> None:
        """Begin to read. Raises BadMultipart for what can be no boundary."""
        if not _BOUNDARY.fullmatch(boundary):
            raise BadMultipart("The boundary of the body is missing, or is none.")
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        self._held = bytearray(b"\r\n")  # that of the first boundary may be missing
        self._state = _State.PREAMBLE
        self._passed = self._to_drop = 0

    def receive(self, data: bytes) -> Iterator[Event]:
        """Read some bytes. Raises BadMultipart."""
        if self._state is _State.EPILOGUE:
            return
        self._held += data
        while True:
            if self._state is _State.HEADERS:
                headers = self._headers()
                if headers is None:
                    return
                self._state = _State.BODY
                yield PartBegins(headers)
            before, found = self._to_delimiter()
            dropped = min(self._to_drop, len(before))
            before, self._to_drop = before[dropped:], 0 if found is not None else self._to_drop - dropped
            if self._state is _State.PREAMBLE:
                self._passed += len(before)
                if self._passed > MOST_PREAMBLE:
                    raise BadMultipart("No part begins.")
            elif before:
                yield PartData(before)
            if found is None:
                return
            if self._state is _State.BODY:
                yield PartEnds()
            self._state = found
            if found is _State.EPILOGUE:
                self._held.clear()
                return

    def close(self) -> None:
        """Say that no more comes. Raises BadMultipart where the message is not whole."""
        if self._state is not _State.EPILOGUE:
            raise BadMultipart(f"The body ends {self._state.value}.")

    def _headers(self) -> dict[str, str] | None:
        """Take the headers of a part, from the line end before them on; None where they are not whole."""
        end = self._held.find(b"\r\n\r\n")
        if end > MOST_HEADERS or (end < 0 and len(self._held) > MOST_HEADERS + 3):
            raise BadMultipart(f"The headers of a part are longer than {MOST_HEADERS} bytes.")
        if end < 0:
            return None
        text = bytes(self._held[2:end]).decode("iso-8859-1")
        del self._held[: end + 2]
        self._to_drop = 2  # unless a boundary follows at once, whose line end it is then
        headers = {}
        for line in filter(None, re.sub(r"\r\n[ \t]+", " ", text).split("\r\n")):
            name, colon, value = line.partition(":")
            if not colon:
                raise BadMultipart(f"{line[:60]!r} is no header of a part.")
            headers[name.strip().lower()] = value.strip()
        return headers

    def _to_delimiter(self) -> tuple[bytes, _State | None]:
        """Take the bytes before the next boundary; tell what follows that, None where it is not there, or not whole."""
        at = 0
        while True:
            at = self._held.find(self._delimiter, at)
            if at < 0:
                return self._take(max(0, len(self._held) - len(self._delimiter) + 1)), None
            behind = at + len(self._delimiter)
            if self._held[behind : behind + 2] == b"--":
                return self._take(at), _State.EPILOGUE
            end = behind
            while self._held[end : end + 1] and self._held[end] in _PADDING:
                end += 1
            if end - behind > MOST_PADDING:
                raise BadMultipart("A boundary does not end.")
            following = bytes(self._held[end : end + 2])
            if following == b"\r\n":
                taken = self._take(at)
                del self._held[: end - at]
                return taken, _State.HEADERS
            if b"\r\n".startswith(following) or (end == behind and b"--".startswith(following)):
                return self._take(at), None  # more has to come before it is known
            at += 1  # the beginning of a longer line

    def _take(self, count: int) -> bytes:
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken
