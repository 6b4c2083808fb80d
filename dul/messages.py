"""DIMSE messages out of the fragments of an association: a command set, and the data set that may follow in pieces."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from dul.command import Command, decode_command
from dul.errors import BadCommand, PeerViolation
from dul.events import Fragment
from dul.pdus import AbortReason

#: The longest command set; the longest that PS3.7 describes, with a long list of tags, is far below it.
COMMAND_LIMIT = 65536


@dataclass(slots=True)  # as its fragments
class Begun:
    """A message begins, its command set whole; pieces follow where `command.has_data`."""

    context_id: int
    command: Command


@dataclass(slots=True)  # as its fragments
class Piece:
    """Bytes of the data set of the message that has begun."""

    data: memoryview
    last: bool


Part: TypeAlias = Begun | Piece


@dataclass(slots=True)
class MessageReader:
    """Puts fragments together; fragments of messages are not mixed on an association (PS3.8 annex E)."""

    _command: bytearray = field(default_factory=bytearray)
    _context: int | None = None
    _in_data: bool = False

    @property
    def in_message(self) -> bool:
        """Tell whether a message has begun and not ended."""
        return self._context is not None

    def read(self, fragment: Fragment) -> Part | None:
        """Take a fragment; None where a command set has not ended with it. Raises PeerViolation."""
        if self._context is None:
            self._context = fragment.context_id
        elif fragment.context_id != self._context:
            raise PeerViolation("fragments of two presentation contexts are mixed", AbortReason.INVALID_PARAMETER)
        if fragment.command is self._in_data:
            expected = "a data set has to end" if self._in_data else "a command set has to come first"
            raise PeerViolation(expected, AbortReason.INVALID_PARAMETER)
        if self._in_data:
            if fragment.last:
                self._in_data, self._context = False, None
            return Piece(fragment.data, fragment.last)
        self._command += fragment.data
        if len(self._command) > COMMAND_LIMIT:
            raise PeerViolation(f"a command set is longer than {COMMAND_LIMIT} bytes", AbortReason.INVALID_PARAMETER)
        return self._begun(fragment.context_id) if fragment.last else None

    def _begun(self, context_id: int) -> Begun:
        data = bytes(self._command)
        self._command.clear()
        try:
            command = decode_command(data)
        except BadCommand as error:
            raise PeerViolation(str(error), AbortReason.INVALID_PARAMETER) from error
        self._in_data = command.has_data
        if not command.has_data:
            self._context = None
        return Begun(context_id, command)
