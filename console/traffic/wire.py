"""What a recording needs of a transport: its messages as values, and the same messages with other values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from xwb import Parameter

COMMAND = "(command) "
"""What stands before the name of a request that calls no procedure."""

CRLF = "\r\n"

#: The least that a decoder can be told to take.
_SHORTEST_LIMIT = 16


@dataclass(frozen=True, slots=True)
class Request:
    """A request, whatever its transport.

    `rpc` names it as recordings do. A `command` is known by its name alone. `last` ends the session. `mode` is what else
    tells it from other calls of the procedure.
    """

    rpc: str
    parameters: tuple[Parameter, ...] = ()
    command: bool = False
    wants_answer: bool = True
    last: bool = False
    mode: str = ""


class Answer(Protocol):
    """An answer, whatever its transport."""

    @property
    def texts(self) -> tuple[bytes, ...]:
        """What it says, the values as they are meant; lines end with CR LF."""

    @property
    def failure(self) -> str:
        """In a word how it failed: refused, error or M error; empty when it did not."""

    def again(self, texts: Sequence[bytes]) -> bytes:
        """Write it with other texts. Raises CannotEncode."""

    def shown(self) -> dict[str, Any]:
        """Give its fields in a recording."""


class Decoder(Protocol):
    """Takes a client's bytes in any cut and gives what they mean."""

    @property
    def held(self) -> int:
        """The bytes that are not decoded yet."""

    def receive_data(self, data: bytes) -> None:
        """Take bytes as they came."""

    def next_event(self) -> object:
        """Give the next event, None when more bytes are needed."""


class Wire(Protocol):
    """One transport's messages.

    Where `escapes` is true values do not stand in a message as they are. `end` is the last byte of every answer.
    """

    escapes: bool
    end: bytes

    def decoder(self, limit_bytes: int) -> Decoder:
        """Make what decodes a client's bytes."""

    def named(self, event: object) -> Request | None:
        """Give a decoder's event as a request; None where it is none that can be named."""

    def is_broken(self, event: object) -> bool:
        """Tell whether a decoder's event is its last: where the next message begins is unknown."""

    def request_again(self, sent: bytes, parameters: Sequence[Parameter]) -> bytes:
        """Write a whole request with other parameters. Raises CannotEncode."""

    def is_plain(self, sent: bytes) -> bool:
        """Tell whether a whole request holds no data besides its name and parameters."""

    def answer(self, received: bytes) -> Answer | None:
        """Decode the one whole answer that some bytes are; None for bytes that are anything else."""

    def is_whole(self, received: bytes) -> bool:
        """Tell whether an answer looks whole, though more of it may come."""

    def first_end(self, data: bytes) -> int | None:
        """Find where the first of several answers ends."""

    def mended(self, beginning: bytes) -> bytes:
        """Make a whole answer of the beginning of one."""

    def comparable(self, received: bytes) -> bytes:
        """Give an answer in the form in which normalisations know it."""

    def lines(self, comparable: bytes) -> list[str]:
        """Give such a form as lines for people, what reports an error first."""

    def courtesy(self, request: Request) -> bytes | None:
        """Give what every broker answers to a request; None where that is not known."""

    def refusal(self, request: Request, text: bytes) -> bytes:
        """Write an error that says why a request has no answer."""


def only_event(wire: Wire, sent: bytes) -> object:
    """Decode the one message that some bytes are; None for bytes that are anything else."""
    decoder = wire.decoder(max(len(sent), _SHORTEST_LIMIT))
    decoder.receive_data(sent)
    event = decoder.next_event()
    return None if decoder.held else event
