"""The PDUs of the upper layer but those of association and data: their headers, release, rejection, abort (PS3.8 9.3)."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct

from dul.errors import PeerViolation
from dul.states import Evt

HEADER_LENGTH = 6
PDU_LIMIT = 1 << 20
"""The longest PDU that is read, whatever was announced: senders exceed by some bytes what they were told."""
DEFAULT_MAXIMUM = 128 << 10
"""The maximum PDU length that is announced when nothing else is said."""

_HEADER = Struct(">BxI")
_SMALL = Struct(">BxIxBBB")  # type, length, reserved, and the three fields of a rejection; an abort uses the last two
_SMALL_LENGTH = 4


class PduType(IntEnum):
    """The types of PS3.8 9.3.2 to 9.3.8."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    P_DATA_TF = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class AbortSource(IntEnum):
    """Who aborts (PS3.8 table 9-26)."""

    SERVICE_USER = 0
    SERVICE_PROVIDER = 2


class AbortReason(IntEnum):
    """Why a service provider aborts (PS3.8 table 9-26)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


EVENT_OF_PDU: dict[int, Evt] = {
    PduType.ASSOCIATE_RQ: Evt.ASSOCIATE_RQ_PDU,
    PduType.ASSOCIATE_AC: Evt.ASSOCIATE_AC_PDU,
    PduType.ASSOCIATE_RJ: Evt.ASSOCIATE_RJ_PDU,
    PduType.P_DATA_TF: Evt.P_DATA_PDU,
    PduType.RELEASE_RQ: Evt.RELEASE_RQ_PDU,
    PduType.RELEASE_RP: Evt.RELEASE_RP_PDU,
    PduType.ABORT: Evt.ABORT_PDU,
}

RELEASE_RQ = _SMALL.pack(PduType.RELEASE_RQ, _SMALL_LENGTH, 0, 0, 0)
RELEASE_RP = _SMALL.pack(PduType.RELEASE_RP, _SMALL_LENGTH, 0, 0, 0)


def encode_reject(result: int, source: int, reason: int) -> bytes:
    """Write an A-ASSOCIATE-RJ (PS3.8 table 9-21)."""
    return _SMALL.pack(PduType.ASSOCIATE_RJ, _SMALL_LENGTH, result, source, reason)


def encode_abort(source: int, reason: int) -> bytes:
    """Write an A-ABORT (PS3.8 table 9-26). The reason of a service user is sent as 0."""
    significant = reason if source == AbortSource.SERVICE_PROVIDER else AbortReason.NOT_SPECIFIED
    return _SMALL.pack(PduType.ABORT, _SMALL_LENGTH, 0, source, significant)


def decode_reject(body: bytes | bytearray) -> tuple[int, int, int]:
    """Read the result, source and reason of an A-ASSOCIATE-RJ, from the bytes after its header."""
    return body[1], body[2], body[3]


def decode_abort(body: bytes | bytearray) -> tuple[int, int]:
    """Read the source and reason of an A-ABORT, from the bytes after its header."""
    return body[2], body[3]


def read_header(data: bytes | bytearray | memoryview, at: int) -> tuple[int, int]:
    """Read the type and the length of the PDU that begins at a place."""
    kind, length = _HEADER.unpack_from(data, at)
    return kind, length


def check_header(kind: int, length: int, data_limit: int, position: int) -> None:
    """Raise PeerViolation for a type that is none, and for a length that no PDU of the type may have.

    `data_limit` is the longest P-DATA-TF that is taken.
    """
    if kind not in EVENT_OF_PDU:
        raise PeerViolation(f"There is no PDU of type {kind:02X}.", AbortReason.UNRECOGNIZED_PDU, position)
    least, most = (0, data_limit) if kind == PduType.P_DATA_TF else _LENGTHS[kind]
    if not least <= length <= most:
        name = PduType(kind).name
        raise PeerViolation(
            f"A PDU {name} of {length} bytes: {least} to {most} are allowed.", AbortReason.INVALID_PARAMETER, position
        )


_ASSOCIATE = (68, PDU_LIMIT)
_SMALL_ONLY = (_SMALL_LENGTH, _SMALL_LENGTH)
_LENGTHS: dict[int, tuple[int, int]] = {
    PduType.ASSOCIATE_RQ: _ASSOCIATE,
    PduType.ASSOCIATE_AC: _ASSOCIATE,
    PduType.ASSOCIATE_RJ: _SMALL_ONLY,
    PduType.RELEASE_RQ: _SMALL_ONLY,
    PduType.RELEASE_RP: _SMALL_ONLY,
    PduType.ABORT: _SMALL_ONLY,
}
