"""HEADER and DIGEST: what our own gateway tells of an object besides STORE1 and STORE2. VistA ignores both."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from typing import TypedDict

from sqlalchemy import Connection, bindparam, update

from fileman import UID_LENGTH, ManyRows, upserts
from fileman.files import Image, ImageHeader
from rpcs.image_processing.pending import Pending
from rpcs.image_processing.request import Item

#: Characters of a SHA-256 in hexadecimal.
DIGEST_LENGTH = 64

_SET_DIGEST = update(Image).where(Image.ien == bindparam("entry")).values(digest=bindparam("new_digest"))
_HEADERS = ManyRows(
    upserts(
        ImageHeader,
        lambda insert: insert.on_conflict_do_update(
            index_elements=[ImageHeader.uid],
            set_={"image": insert.excluded.image, "elements": insert.excluded.elements, "size": insert.excluded.size},
        ),
    )
)
#: What is encoded holds no part of itself, which is not checked therefore.
_ENCODE = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_ESCAPES = {"|": "|", "\\": "\\", "r": "\r", "n": "\n"}
#: A bar, or an escape.
_MARKS = re.compile(r"\||\\(u\{([0-9A-Fa-f]{1,6})\}|.?)", re.DOTALL)
#: More digits than any object's size has.
_SIZE = re.compile(r"[0-9]{1,18}")


class Element(TypedDict):
    """A data element as it is kept."""

    vr: str
    values: list[str]


@dataclass(slots=True)
class HeaderData:
    """The header items of one call, gathered by SOP Instance UID."""

    elements: dict[str, dict[str, Element]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def add_header(self, item: Item) -> None:
        """Take one `HEADER|uid|path|VR|n|value`; a path is `gggg,eeee`, in sequences with `>item>gggg,eeee`."""
        pieces = split_escaped(item.arguments)
        uid, path, vr, number, value = pieces if len(pieces) == 5 else (*pieces, "", "", "", "", "")[:5]
        elements = self.elements.get(uid)
        if elements is None:
            elements = self.elements[uid] = {}
        values = [value] if number.isdigit() else []
        if path in elements:
            elements[path]["values"] += values
        else:
            elements[path] = {"vr": vr, "values": values}

    def add_digest(self, item: Item) -> None:
        """Take one `DIGEST|uid|SHA-256 of the data set, in hexadecimal|its size in bytes`; the size may be left out."""
        uid, digest, size = item.pieces(3)
        if len(digest) <= DIGEST_LENGTH:
            self.digests[uid] = digest
        if _SIZE.fullmatch(size):
            self.sizes[uid] = int(size)

    def save(self, connection: Connection, images: dict[str, int], pending: Pending) -> None:
        """Store one row per image; `images` gives the entry numbers of those that were filed in this call.

        The digest of an entry that is not written yet goes with it.

        What is longer than any UID or digest is not kept: the object is refused for it (#-103), and a digest is of no use.
        """
        rows = [
            {"uid": uid, "image": images.get(uid), "elements": _ENCODE(elements), "size": self.sizes.get(uid, 0)}
            for uid, elements in self.elements.items()
            if len(uid) <= UID_LENGTH
        ]
        _HEADERS.write(connection, rows)
        for uid, digest in self.digests.items():
            image = images.get(uid)
            if image in pending.images:
                pending.images[image]["digest"] = digest
            elif image is not None:
                connection.execute(_SET_DIGEST, {"entry": image, "new_digest": digest})


def split_escaped(text: str) -> list[str]:
    r"""Split at bars; `\|`, `\\`, `\r` and `\n` stand for bar, backslash, CR and LF, `\u{1F600}` for what ISO-8859-1 lacks."""
    if "\\" not in text:
        return text.split("|")
    pieces, end = [""], 0
    for mark in _MARKS.finditer(text):
        pieces[-1] += text[end : mark.start()]
        end = mark.end()
        if mark[0] == "|":
            pieces.append("")
        else:
            pieces[-1] += _ESCAPES.get(mark[1], mark[0]) if mark[2] is None else _character(mark)
    pieces[-1] += text[end:]
    return pieces


def _character(mark: re.Match[str]) -> str:
    """Give the character that is named by its number; an escape that names none that is escaped so stays as it is."""
    number = int(mark[2], 16)
    return chr(number) if 0xFF < number <= sys.maxunicode and not 0xD800 <= number < 0xE000 else mark[0]
