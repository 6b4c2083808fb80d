"""DIMSE command sets (PS3.7 6.3 and annex E): implicit VR little endian, written and read by struct."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from operator import attrgetter
from typing import Any

from dul.errors import BadCommand

#: What Command Data Set Type (0000,0800) says where no data set follows; any other value says that one does.
NO_DATA_SET, DATA_SET = 0x0101, 0x0001
#: The bit of Command Field (0000,0100) that makes a response of it.
RESPONSE = 0x8000
_HEADER = struct.Struct("<HHI")
_US, _LENGTH = struct.Struct("<H"), struct.Struct("<I")
_GROUP_LENGTH = struct.pack("<HHI", 0, 0, 4)


class CommandField(IntEnum):
    """Command Field (0000,0100), PS3.7 table E.1-1."""

    C_STORE_RQ = 0x0001
    C_STORE_RSP = 0x8001
    C_GET_RQ = 0x0010
    C_GET_RSP = 0x8010
    C_FIND_RQ = 0x0020
    C_FIND_RSP = 0x8020
    C_MOVE_RQ = 0x0021
    C_MOVE_RSP = 0x8021
    C_ECHO_RQ = 0x0030
    C_ECHO_RSP = 0x8030
    N_EVENT_REPORT_RQ = 0x0100
    N_EVENT_REPORT_RSP = 0x8100
    N_GET_RQ = 0x0110
    N_GET_RSP = 0x8110
    N_SET_RQ = 0x0120
    N_SET_RSP = 0x8120
    N_ACTION_RQ = 0x0130
    N_ACTION_RSP = 0x8130
    N_CREATE_RQ = 0x0140
    N_CREATE_RSP = 0x8140
    N_DELETE_RQ = 0x0150
    N_DELETE_RSP = 0x8150
    C_CANCEL_RQ = 0x0FFF


@dataclass(slots=True, kw_only=True)  # one that is frozen takes four times as long to make, twice for each message
class Command:
    """A command set, never changed; what is None does not stand in it. `field` may be one that `CommandField` does not name.

    `sop_class` and `sop_instance` are the affected ones, `requested_sop_class` and `requested_sop_instance` those of N-SET,
    N-GET, N-ACTION and N-DELETE requests. `offending` and `attributes` are tags as numbers, 0x00100020.
    """

    field: int
    has_data: bool = False
    sop_class: str | None = None
    requested_sop_class: str | None = None
    message_id: int | None = None
    responds_to: int | None = None
    move_destination: str | None = None
    priority: int | None = None
    status: int | None = None
    offending: tuple[int, ...] | None = None
    error_comment: str | None = None
    error_id: int | None = None
    sop_instance: str | None = None
    requested_sop_instance: str | None = None
    event_type: int | None = None
    attributes: tuple[int, ...] | None = None
    action_type: int | None = None
    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None
    move_originator: str | None = None
    move_originator_message_id: int | None = None

    @property
    def is_response(self) -> bool:
        """Tell whether it answers a request."""
        return bool(self.field & RESPONSE)

    def response(self, status: int, **more: Any) -> Command:
        """Make the response to this request; `more` are fields of it."""
        return Command(
            field=self.field | RESPONSE,
            responds_to=self.message_id,
            sop_class=self.sop_class or self.requested_sop_class,
            sop_instance=more.pop("sop_instance", None) or self.sop_instance or self.requested_sop_instance,
            status=status,
            **more,
        )


def _uid(value: str) -> bytes:
    data = value.encode("ascii", "replace")
    return data + b"\0" if len(data) % 2 else data


def _text(value: str) -> bytes:
    data = value.encode("iso8859-1", "replace")
    return data + b" " if len(data) % 2 else data


def _tags(value: tuple[int, ...]) -> bytes:
    return b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in value)


def _read_number(value: bytes) -> int:
    if len(value) != _US.size:
        raise ValueError
    return int.from_bytes(value, "little")


def _read_uid(value: bytes) -> str:
    return value.decode("ascii").strip("\0 ")


def _read_text(value: bytes) -> str:
    return value.decode("iso8859-1").strip("\0 ")


def _read_tags(value: bytes) -> tuple[int, ...]:
    pairs = struct.unpack(f"<{len(value) // 4 * 2}H", value)
    return tuple(group << 16 | element for group, element in zip(pairs[::2], pairs[1::2], strict=True))


def _write_presence(there: bool) -> bytes:
    return _US.pack(DATA_SET if there else NO_DATA_SET)


def _read_presence(value: bytes) -> bool:
    return _read_number(value) != NO_DATA_SET


_NUMBER = (_US.pack, _read_number)
_UID = (_uid, _read_uid)
_TEXT = (_text, _read_text)
_TAGS = (_tags, _read_tags)
_Writer = Callable[[Any], bytes]
_Reader = Callable[[bytes], Any]
#: Elements of group 0000 in their order, with the fields of `Command` that they are.
_ELEMENTS: tuple[tuple[int, str, tuple[_Writer, _Reader]], ...] = (
    (0x0002, "sop_class", _UID),
    (0x0003, "requested_sop_class", _UID),
    (0x0100, "field", _NUMBER),
    (0x0110, "message_id", _NUMBER),
    (0x0120, "responds_to", _NUMBER),
    (0x0600, "move_destination", _TEXT),
    (0x0700, "priority", _NUMBER),
    (0x0800, "has_data", (_write_presence, _read_presence)),
    (0x0900, "status", _NUMBER),
    (0x0901, "offending", _TAGS),
    (0x0902, "error_comment", _TEXT),
    (0x0903, "error_id", _NUMBER),
    (0x1000, "sop_instance", _UID),
    (0x1001, "requested_sop_instance", _UID),
    (0x1002, "event_type", _NUMBER),
    (0x1005, "attributes", _TAGS),
    (0x1008, "action_type", _NUMBER),
    (0x1020, "remaining", _NUMBER),
    (0x1021, "completed", _NUMBER),
    (0x1022, "failed", _NUMBER),
    (0x1023, "warning", _NUMBER),
    (0x1030, "move_originator", _TEXT),
    (0x1031, "move_originator_message_id", _NUMBER),
)
_READERS = {element: (name, read) for element, name, (_write, read) in _ELEMENTS}
_WRITERS = [(struct.pack("<HH", 0, element), write) for element, _name, (write, _read) in _ELEMENTS]
_values_of = attrgetter(*(name for _element, name, _codec in _ELEMENTS))


def encode_command(command: Command) -> bytes:
    """Write a command set, its group length first."""
    return _encode(_values_of(command))


@lru_cache(maxsize=64)  # the pending responses to a request are all alike, often hundreds
def _encode(values: tuple[Any, ...]) -> bytes:
    parts = []
    for (header, write), value in zip(_WRITERS, values, strict=True):
        if value is not None:
            data = write(value)
            parts.append(header)
            parts.append(_LENGTH.pack(len(data)))
            parts.append(data)
    body = b"".join(parts)
    return _GROUP_LENGTH + _LENGTH.pack(len(body)) + body


def decode_command(data: bytes) -> Command:
    """Read a command set; elements that `Command` has no field for are passed over. Raises BadCommand.

    So are those of other groups: where a C-GET failed in part Orthanc 1.10 has Failed SOP Instance UID List (0008,0058) here, not
    in a data set.
    """
    found: dict[str, Any] = {}
    position, end = 0, len(data)
    while position < end:
        if end - position < _HEADER.size:
            raise BadCommand(f"The command set ends within an element's header at byte {position}.")
        group, element, length = _HEADER.unpack_from(data, position)
        position += _HEADER.size
        stop = position + length
        if stop > end:
            raise BadCommand(f"({group:04X},{element:04X}) of {length} bytes stands in the command set at byte {position - 8}.")
        if not group and element in _READERS and length:
            name, read = _READERS[element]
            try:
                found[name] = read(data[position:stop])
            except (struct.error, ValueError):
                raise BadCommand(f"(0000,{element:04X}) of the command set has a value that it cannot have.") from None
        position = stop
    for name, text in (("field", "Command Field (0000,0100)"), ("has_data", "Command Data Set Type (0000,0800)")):
        if name not in found:
            raise BadCommand(f"The command set has no {text}.")
    return Command(**found)
