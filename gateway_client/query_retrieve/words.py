"""Words for what peers say: statuses, UIDs, and text that may be anything."""

from __future__ import annotations

from collections.abc import Mapping

from pydicom.uid import UID
from pynetdicom import status as tables

Meanings = Mapping[int, tuple[str, str]]
"""What statuses mean: their category, and words for it."""
STORAGE: Meanings = {**tables.GENERAL_STATUS, **tables.STORAGE_SERVICE_CLASS_STATUS}
QUERIES: Meanings = {
    **tables.GENERAL_STATUS,
    **tables.QR_FIND_SERVICE_CLASS_STATUS,
    **tables.QR_MOVE_SERVICE_CLASS_STATUS,
}


def told_status(status: int, comment: str = "", meanings: Meanings = QUERIES) -> str:
    """Give a status as a number, in words where it has a meaning, and an Error Comment (0000,0902)."""
    words = meanings.get(status, ("", ""))[1]
    return f"{status:04X}{f' ({words})' if words else ''}{f': {printable(comment)}' if comment else ''}"


def named(uid: str) -> str:
    """Give the name of a UID, itself where it has none."""
    return printable(UID(uid).name)


def printable(text: str) -> str:
    """Give text of a peer without what would steer a terminal; line ends and other controls are blanks."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else " " for sign in text)
