"""DICOM SOP CLASS (#2006.532): the classes VistA numbers, and which of them share an image group."""

from __future__ import annotations

_STORAGE = "1.2.840.10008.5.1.4.1.1."

#: Entry numbers by the last components of the storage SOP Class UID, in the file's order from 1.
_ENTRIES = (
    "1 1.1 1.1.1 1.2 1.2.1 1.3 1.3.1 2 3 3.1 4 5 6 6.1 7 7.1 7.2 7.3 7.4 8 9 9.1.1 9.1.2 9.1.3 9.2.1 9.3.1 9.4.1 10 11"
    " 11.1 12.1 12.2 12.3 20 66 66.1 66.2 77.1 77.2 77.1.1 77.1.1.1 77.1.2 77.1.2.1 77.1.3 77.1.4 77.1.4.1 77.1.5.1"
    " 77.1.5.2 77.1.5.3 88.40 128 129 481.1 481.2 481.3 481.4 481.5 481.6 481.7 104.1 104.2 131 481.8 77.1.5.4"
)
_POINTERS = {_STORAGE + components: number for number, components in enumerate(_ENTRIES.split(), start=1)}

_UIDS = {number: uid for uid, number in _POINTERS.items()}

#: Entries that go into the group of another: DX with CR, multi-frame secondary capture with single, and so on.
_LEADERS = {2: 1, 16: 15, 17: 15, 18: 15, 19: 15, 48: 47}


def sop_class_pointer(uid: str) -> int | None:
    """Give the entry number of a SOP Class UID; None for a class that VistA does not know."""
    return _POINTERS.get(uid)


def sop_class_uid(pointer: int) -> str:
    """Give the SOP Class UID of an entry; empty for an entry that is not there."""
    return _UIDS.get(pointer, "")


def sop_class_uids() -> list[str]:
    """Give every SOP Class UID of the file, in its order."""
    return list(_POINTERS)


def same_group(first: int | None, second: int | None) -> bool:
    """Tell whether two classes share a group. An unknown class shares with none, not even itself (EQUIVGRP^MAGDFCNV)."""
    if not first or not second:
        return False
    return _LEADERS.get(first, first) == _LEADERS.get(second, second)
