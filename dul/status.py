"""Status codes of DIMSE (PS3.7 annex C) by what they mean."""

from __future__ import annotations

from enum import Enum

SUCCESS, CANCEL, PENDING, PENDING_WITH_WARNING = 0x0000, 0xFE00, 0xFF00, 0xFF01
#: PS3.7 C.5: what any service may answer.
UNABLE_TO_PROCESS, NO_SUCH_OBJECT, PROCESSING_FAILURE = 0x0122, 0x0112, 0x0110
DUPLICATE_INVOCATION, UNRECOGNIZED_OPERATION, RESOURCE_LIMITATION = 0x0210, 0x0211, 0x0213
#: PS3.4 C.4: what queries and retrievals come to besides.
OUT_OF_RESOURCES, UNABLE_TO_COUNT_MATCHES, UNABLE_TO_PERFORM_SUBOPERATIONS = 0xA700, 0xA701, 0xA702
MOVE_DESTINATION_UNKNOWN, IDENTIFIER_DOES_NOT_MATCH, CANNOT_UNDERSTAND = 0xA801, 0xA900, 0xC001
SUBOPERATIONS_FAILED = 0xB000
_WARNINGS = {0x0001, 0x0107, 0x0116}


class Category(Enum):
    """What a status comes to."""

    SUCCESS = "success"
    WARNING = "warning"
    PENDING = "pending"
    CANCEL = "cancel"
    FAILURE = "failure"


_CATEGORIES = {
    SUCCESS: Category.SUCCESS,
    CANCEL: Category.CANCEL,
    PENDING: Category.PENDING,
    PENDING_WITH_WARNING: Category.PENDING,
    **dict.fromkeys(_WARNINGS, Category.WARNING),
}


def category(status: int) -> Category:
    """Tell what a status comes to; one that PS3.7 does not name is a failure, of 0xB... a warning."""
    return _CATEGORIES.get(status) or (Category.WARNING if status >> 12 == 0xB else Category.FAILURE)
