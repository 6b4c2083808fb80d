"""Copies of objects: the data set bit for bit behind a head of ours, on the disk, and compared with what was read."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import replace
from pathlib import Path

from console.media.errors import MediaError
from console.media.objects import MediaObject
from gateway_client import digest_of, encode_head
from runtime import make_directories

_CHUNK = 1 << 20


def copy_object(source: MediaObject, target: Path) -> str:
    """Write an object under a name that is free; give the digest of its data set. Raises MediaError and OSError.

    Its head names neither the AE titles that the object came by nor the program that wrote the source: it says what a head
    must (PS3.10 7.1). The name is durable after `sync_directory`.
    """
    head = encode_head(replace(source.meta, sending_ae_title="", receiving_ae_title=""))
    temporary = target.with_name(f".{target.name}.part")
    digest = hashlib.sha256()
    make_directories(target.parent)
    try:
        with source.path.open("rb") as reader, temporary.open("wb") as writer:
            reader.seek(source.meta.offset)
            writer.write(head)
            while chunk := reader.read(_CHUNK):
                digest.update(chunk)
                writer.write(chunk)
            writer.flush()
            os.fsync(writer.fileno())
            os.posix_fadvise(writer.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # so that what is compared comes from the disk
        if digest_of(temporary) != digest.hexdigest():
            raise MediaError(f"{target} is not what was written: the medium cannot be trusted.")
        temporary.rename(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    return digest.hexdigest()
