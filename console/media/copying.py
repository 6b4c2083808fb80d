"""Copies of objects: the data set bit for bit behind a head of ours, on the disk, and compared with what was read."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from console.media.errors import MediaError, NotForMedia
from console.media.objects import MediaObject
from gateway_client import digest_of, encode_head
from runtime import make_directories

_CHUNK = 1 << 20


def copy_object(source: MediaObject, target: Path) -> str:
    """Write an object under a name that is free; give the digest of its data set.

    Its head names neither the AE titles that the object came by nor the program that wrote the source: it says what a head
    must (PS3.10 7.1). The name is durable after `sync_directory`. Raises NotForMedia where the source cannot be read, as a disk
    with scratches, and MediaError where the copy cannot be written.
    """
    temporary = target.with_name(f".{target.name}.part")
    try:
        make_directories(target.parent)
        digest = _write(source, temporary)
        if digest_of(temporary) != digest:
            raise MediaError(f"{target} is not what was written: the medium cannot be trusted.")
        temporary.rename(target)
    except OSError as error:
        _forget(temporary)
        raise MediaError(f"{target} cannot be written: {error.strerror or error}.") from error
    except BaseException:
        _forget(temporary)
        raise
    return digest


def _write(source: MediaObject, file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("wb") as writer:
        writer.write(encode_head(replace(source.meta, sending_ae_title="", receiving_ae_title="")))
        for piece in _pieces(source):
            digest.update(piece)
            writer.write(piece)
        writer.flush()
        os.fsync(writer.fileno())
        os.posix_fadvise(writer.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # so that what is compared comes from the disk
    return digest.hexdigest()


def _pieces(source: MediaObject) -> Iterator[bytes]:
    try:
        with source.path.open("rb") as reader:
            reader.seek(source.meta.offset)
            while piece := reader.read(_CHUNK):
                yield piece
    except OSError as error:
        raise NotForMedia(f"it cannot be read: {error.strerror or error}") from error


def _forget(file: Path) -> None:
    with contextlib.suppress(OSError):
        file.unlink()
