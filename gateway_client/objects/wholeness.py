"""Whether all of a data set is there: senders and disks leave objects that end in the middle of an element."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from gateway_client.errors import CutOff
from gateway_client.objects.elements import DEFLATED, IMPLICIT_LITTLE, order_of
from gateway_client.objects.part10 import HEAD_LIMIT, LONG_VRS, FileMeta, decode_head
from gateway_client.objects.scanning import Broken, Budget, Ended, FileStretch, Scanner, Stretch

#: The bytes of a data set that `ends_with` wants to see.
ENDING = 8
_UNDEFINED = 0xFFFFFFFF
#: The delimiter of a sequence, or of fragments (PS3.5 7.5).
_DELIMITER = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
#: Bytes that are inflated at a time, and in all, of a deflated data set; the rest may be a bomb.
_AT_ONCE, _INFLATED = 1 << 20, 1 << 28


def ends_with(head: bytes, place: int, transfer_syntax: str, size: int, end: bytes) -> bool:
    """Tell whether a data set ends where the element does that begins at a place of its first bytes, as pixel data mostly do."""
    order, start = order_of(transfer_syntax), place + 8
    if len(head) < place + 12:
        return False
    if transfer_syntax == IMPLICIT_LITTLE:
        (length,) = struct.unpack_from("<I", head, place + 4)
    elif head[place + 4 : place + 6] in LONG_VRS:
        (length,), start = struct.unpack_from(f"{order}I", head, start), place + 12
    else:
        (length,) = struct.unpack_from(f"{order}H", head, place + 6)
    return end == _DELIMITER if length == _UNDEFINED else start + length == size


def is_whole(data: bytes, transfer_syntax: str) -> bool:
    """Tell whether a data set does not end within an element; of a deflated one that is not known."""
    scanner = Scanner(Stretch(data), order_of(transfer_syntax), Budget())
    try:
        return transfer_syntax != DEFLATED and scanner.pass_over(transfer_syntax == IMPLICIT_LITTLE) <= len(data)
    except Broken as broken:
        return not isinstance(broken, Ended)


def check_whole(file: BinaryIO, head: bytes, meta: FileMeta) -> None:
    """Raise CutOff for a file whose data set ends within an element; `head` is what was read from its beginning.

    What is wrong in other ways is not told. Raises OSError.
    """
    if meta.transfer_syntax == DEFLATED:
        file.seek(meta.offset)
        _check_deflated(file)
        return
    size = os.fstat(file.fileno()).st_size - meta.offset
    scanner = Scanner(FileStretch(file, head, meta.offset), order_of(meta.transfer_syntax), Budget())
    try:
        end = scanner.pass_over(meta.transfer_syntax == IMPLICIT_LITTLE)
    except Ended:
        raise CutOff("it ends within an element's head, a sequence, or compressed pixel data") from None
    except Broken:
        return
    if end > size:
        raise CutOff(f"{end - size:,} bytes are missing at its end")


def check_file(path: Path) -> None:
    """Raise CutOff as `check_whole`, NotPart10 for what is no DICOM file, and OSError."""
    with path.open("rb") as file:
        head = file.read(HEAD_LIMIT)
        check_whole(file, head, decode_head(head, path))


def _check_deflated(file: BinaryIO) -> None:
    inflating, left = zlib.decompressobj(-zlib.MAX_WBITS), _INFLATED
    try:
        while left > 0 and not inflating.eof:
            data = inflating.unconsumed_tail or file.read(_AT_ONCE)
            if not data:
                raise CutOff("what is deflated has no end")
            left -= len(inflating.decompress(data, _AT_ONCE))
    except zlib.error:
        return
