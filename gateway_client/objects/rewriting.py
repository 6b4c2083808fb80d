"""A DICOM file is written anew beside itself, with a changed data set; its head and its transfer syntax stay."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gateway_client.errors import ModificationError
from gateway_client.objects.elements import DEFLATED
from gateway_client.objects.part10 import HEAD_LIMIT, FileMeta, decode_head
from gateway_client.objects.spans import Bytes, FileBytes, encoding_of
from gateway_client.objects.splicing import Change, Modified

_CHUNK = 1 << 20
_RAW_DEFLATE = -zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What the new file holds: size and SHA-256 of its data set, and what is different in it, as `Modified` names it."""

    size: int
    digest: str
    changed: tuple[int, ...]
    removed: tuple[str, ...]


def rewrite(source: Path, target: Path, change: Change, most: int) -> Rewritten | None:
    """Write a file with a changed data set, durable but for its name; None, and no file, when nothing is to be changed.

    A deflated data set is inflated to a file, of so many bytes at the `most`. Raises ModificationError, NotPart10 and OSError.
    """
    with source.open("rb") as file:
        meta = decode_head(file.read(HEAD_LIMIT), source)
        with _data_set(file, meta, target.parent, most) as data:
            modified = change(data, encoding_of(meta.transfer_syntax))
            if modified is None:
                return None
            file.seek(0)
            with target.open("wb") as out:
                out.write(file.read(meta.offset))
                size, digest = _write(out, _stretches(data, modified), meta.transfer_syntax)
    return Rewritten(size, digest, tuple(modified.changed), tuple(modified.removed))


def rewritten_deflated(file: BinaryIO, meta: FileMeta, change: Change, most: int) -> tuple[BinaryIO, Modified] | None:
    """Give the deflated data set of a file, changed and deflated anew, as a file without a name, and what is different in it.

    None when nothing is to be changed. Raises as `rewrite`.
    """
    with tempfile.TemporaryFile() as inflated:
        file.seek(meta.offset)
        _inflate(file, inflated, most)
        data = FileBytes(inflated, 0)
        modified = change(data, encoding_of(meta.transfer_syntax))
        if modified is None:
            return None
        out: BinaryIO = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (whoever gets it closes it)
        try:
            for piece in _deflated(_stretches(data, modified)):
                out.write(piece)
            out.seek(0)
        except BaseException:
            out.close()
            raise
        return out, modified


@contextlib.contextmanager
def _data_set(file: BinaryIO, meta: FileMeta, directory: Path, most: int) -> Iterator[FileBytes]:
    """Give a file's data set, inflated where it is deflated."""
    if meta.transfer_syntax != DEFLATED:
        yield FileBytes(file, meta.offset)
        return
    with tempfile.TemporaryFile(dir=directory) as inflated:
        file.seek(meta.offset)
        _inflate(file, inflated, most)
        yield FileBytes(inflated, 0)


def _inflate(source: BinaryIO, target: BinaryIO, most: int) -> None:
    inflater, left = zlib.decompressobj(_RAW_DEFLATE), most
    try:
        while not inflater.eof and (chunk := inflater.unconsumed_tail or source.read(_CHUNK)):
            piece = inflater.decompress(chunk, _CHUNK)
            left -= len(piece)
            if left < 0:
                raise ModificationError(f"The data set has more than {most} bytes.")
            target.write(piece)
    except zlib.error as error:
        raise ModificationError("The data set is not deflated, though its transfer syntax says so.") from error
    target.flush()


def _stretches(data: Bytes, modified: Modified) -> Iterator[bytes]:
    for piece in modified.pieces:
        if isinstance(piece, bytes):
            yield piece
        else:
            start, end = piece
            for place in range(start, end, _CHUNK):
                yield data[place : min(place + _CHUNK, end)]


def _write(out: BinaryIO, stretches: Iterator[bytes], transfer_syntax: str) -> tuple[int, str]:
    """Write a data set and wait for the disk; give its size and digest."""
    size, digest = 0, hashlib.sha256()
    for piece in _deflated(stretches) if transfer_syntax == DEFLATED else stretches:
        out.write(piece)
        size += len(piece)
        digest.update(piece)
    out.flush()
    os.fsync(out.fileno())
    return size, digest.hexdigest()


def _deflated(stretches: Iterator[bytes]) -> Iterator[bytes]:
    """Deflate, to an even number of bytes (PS3.5 A.5)."""
    deflater, size = zlib.compressobj(wbits=_RAW_DEFLATE), 0
    for piece in stretches:
        size += len(deflated := deflater.compress(piece))
        yield deflated
    size += len(last := deflater.flush())
    yield last + b"\0" * (size % 2)
