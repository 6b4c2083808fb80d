"""The head of a DICOM file (PS3.10 7.1): written without pydicom, read without touching the data set."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from gateway_client.errors import NotPart10

#: Our own root below 2.25 (PS3.5 B.2), made from a random UUID.
IMPLEMENTATION_CLASS_UID = "2.25.248733101374563186412094561203217894523"
IMPLEMENTATION_VERSION = "MAGBROKER_01"

_PREAMBLE = bytes(128) + b"DICM"
#: VRs whose explicit header has two reserved bytes and a length of four (PS3.5 7.1.2).
LONG_VRS = {b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV"}
SHORT_VRS = frozenset(
    (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS", b"ST",
     b"TM", b"UI", b"UL", b"US")
)  # fmt: skip
#: Bytes of a file in which its head has its place.
HEAD_LIMIT = 65536
_CHUNK = 1 << 20
_read_element = struct.Struct("<HH2sH").unpack_from
#: The elements of group 2 that `FileMeta` tells.
_READ = frozenset((0x02, 0x03, 0x10, 0x16, 0x17, 0x18))


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What the head of a file says, and the offset at which its data set begins.

    The AE titles are those of the association that brought the object: (0002,0017) sent it, (0002,0018) received it. In the
    head they outlive the journal; our heads name the sender as the source (0002,0016) too, in older ones it stands there only.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    sending_ae_title: str = ""
    receiving_ae_title: str = ""
    offset: int = 0


def _element(number: int, vr: bytes, value: bytes) -> bytes:
    if len(value) % 2:
        value += b"\0" if vr in (b"UI", b"OB") else b" "
    head = struct.pack("<HH2s", 2, number, vr)
    return head + (struct.pack("<HI", 0, len(value)) if vr in LONG_VRS else struct.pack("<H", len(value))) + value


@lru_cache(maxsize=64)
def _constant(sop_class_uid: str) -> bytes:
    return _element(1, b"OB", b"\0\1") + _element(2, b"UI", sop_class_uid.encode("ascii", "replace"))


@lru_cache(maxsize=256)
def _tail(transfer_syntax: str, sending: str, receiving: str) -> bytes:
    parts = [
        _element(0x10, b"UI", transfer_syntax.encode("ascii", "replace")),
        _element(0x12, b"UI", IMPLEMENTATION_CLASS_UID.encode("ascii")),
        _element(0x13, b"SH", IMPLEMENTATION_VERSION.encode("ascii")),
    ]
    titles = {0x16: sending, 0x17: sending, 0x18: receiving}
    parts += [_element(number, b"AE", title.encode("ascii", "replace")) for number, title in titles.items() if title]
    return b"".join(parts)


def encode_head(meta: FileMeta) -> bytes:
    """Give preamble, prefix and file meta information; the data set follows as it is."""
    elements = (
        _constant(meta.sop_class_uid)
        + _element(3, b"UI", meta.sop_instance_uid.encode("ascii", "replace"))
        + _tail(meta.transfer_syntax, meta.sending_ae_title, meta.receiving_ae_title)
    )
    return _PREAMBLE + _element(0, b"UL", struct.pack("<I", len(elements))) + elements


def decode_head(head: bytes, path: Path | str) -> FileMeta:
    """Read the head of a file from its first bytes. Raises NotPart10.

    The group length (0002,0000) is not trusted: the data set begins where group 2 ends.
    """
    if head[128:132] != b"DICM":
        raise NotPart10(path, "the letters DICM are missing")
    position, texts = 132, dict[int, str]()
    while len(head) >= position + 8:
        group, number, vr, length = _read_element(head, position)
        if group != 2:
            break
        start = position + 8
        if vr in LONG_VRS:
            if len(head) < position + 12:
                raise NotPart10(path, "it is cut off")
            (length,), start = struct.unpack_from("<I", head, position + 8), position + 12
        position = start + length
        if position > len(head):
            raise NotPart10(path, "it is cut off")
        if number in _READ:
            texts[number] = head[start:position].strip(b"\0 ").decode("ascii", "replace")
    for number, name in ((2, "SOP Class UID"), (3, "SOP Instance UID"), (0x10, "Transfer Syntax UID")):
        if not texts.get(number):
            raise NotPart10(path, f"Media Storage {name} is missing" if number != 0x10 else f"{name} is missing")
    sending = texts.get(0x17) or texts.get(0x16, "")
    return FileMeta(texts[2], texts[3], texts[0x10], sending, texts.get(0x18, ""), position)


def read_meta(path: Path) -> FileMeta:
    """Read the head of a file. Raises NotPart10, and OSError when there is no such file."""
    with path.open("rb") as file:
        return decode_head(file.read(HEAD_LIMIT), path)


def digest_of(path: Path) -> str:
    """Give the SHA-256 of a file's data set, in hexadecimal. Raises NotPart10 and OSError."""
    with path.open("rb") as file:
        file.seek(decode_head(file.read(HEAD_LIMIT), path).offset)
        return _digest(file)


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()
