"""The items of A-ASSOCIATE PDUs (PS3.8 9.3.1): counted, and those that have no meaning left out, before a codec reads them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from dul.errors import PeerViolation
from dul.pdus import HEADER_LENGTH, AbortReason

CONTEXTS_LIMIT = 128
"""The most presentation contexts: as many as there are odd bytes."""
ITEMS_LIMIT = 10_000
"""The most items and sub-items of one PDU: 128 contexts with every transfer syntax that there is have some 6,000."""
SYNTAXES_LIMIT = 256
"""The most sub-items of one context, several times as many as there are transfer syntaxes: the codec compares each with all."""

CONTEXT_RQ, CONTEXT_AC, _USER_INFORMATION = 0x20, 0x21, 0x50
_APPLICATION_CONTEXT = 0x10
_FIXED_LENGTH = 68
_KNOWN_ITEMS = {_APPLICATION_CONTEXT, CONTEXT_RQ, CONTEXT_AC, _USER_INFORMATION}
#: Which items have sub-items, where these begin, and the types that have a meaning there.
_SUB_ITEMS_AT = {CONTEXT_RQ: 8, CONTEXT_AC: 8, _USER_INFORMATION: 4}
_KNOWN_SUB_ITEMS = {
    CONTEXT_RQ: {0x30, 0x40},
    CONTEXT_AC: {0x40},
    _USER_INFORMATION: {0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59},
}


def known_items(data: bytes, context_type: int, position: int) -> bytes:
    """Give a PDU without the items that have no meaning; raises PeerViolation when items do not fill it, or are too many."""
    start = HEADER_LENGTH + _FIXED_LENGTH
    kept = bytearray(data[:start])
    count = contexts = 0
    for kind, at, end in _items(data, start, len(data), position):
        contexts += kind == context_type
        sub_at = at + _SUB_ITEMS_AT.get(kind, end - at)
        if sub_at > end:
            raise _violation(f"An item of type {kind:02X} is too short.", position + at)
        most = SYNTAXES_LIMIT if kind in (CONTEXT_RQ, CONTEXT_AC) else ITEMS_LIMIT
        sub_items = list(islice(_items(data, sub_at, end, position), most + 1))
        if len(sub_items) > most:
            raise _violation(f"An item of type {kind:02X} has more than {most} sub-items.", position + at)
        count += 1 + len(sub_items)
        if contexts > CONTEXTS_LIMIT or count > ITEMS_LIMIT:
            raise _violation(f"There are more than {CONTEXTS_LIMIT} presentation contexts or {ITEMS_LIMIT} items.", position + at)
        if kind in _KNOWN_ITEMS:
            known = [data[start:stop] for sub_kind, start, stop in sub_items if sub_kind in _KNOWN_SUB_ITEMS[kind]]
            length = sub_at - at - 4 + sum(map(len, known))
            kept += data[at : at + 2] + length.to_bytes(2, "big") + data[at + 4 : sub_at] + b"".join(known)
    return bytes(kept)


def _items(data: bytes, at: int, end: int, position: int) -> Iterator[tuple[int, int, int]]:
    """Give the type, the start and the end of each item that fills a stretch."""
    while at < end:
        stop = at + 4 + int.from_bytes(data[at + 2 : at + 4], "big")
        if at + 4 > end or stop > end:
            raise _violation(f"An item of type {data[at]:02X} is longer than what it stands in.", position + at)
        yield data[at], at, stop
        at = stop


def _violation(message: str, position: int) -> PeerViolation:
    return PeerViolation(message, AbortReason.INVALID_PARAMETER, position)
