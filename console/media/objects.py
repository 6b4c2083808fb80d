"""The DICOM files that go onto a medium or come from one: found in folders, and read as far as their pixel data."""

from __future__ import annotations

import io
import os
import warnings
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from console.media.errors import NotForMedia
from gateway_client import HEAD_LIMIT, CutOff, FileMeta, NotPart10, check_file, decode_head, encode_head
from runtime import inflate

#: Bytes that a deflated object may inflate to: pydicom's own reader would inflate it without bound.
MOST_INFLATED = 256 << 20
#: Bytes of a value from which on it is left in its file.
_LONG = 1 << 16


@dataclass(frozen=True, slots=True)
class MediaObject:
    """A DICOM file and its header; `meta` names the object as its data set does."""

    path: Path
    meta: FileMeta
    header: Dataset


def files_below(paths: Iterable[Path]) -> Iterator[Path]:
    """Give files, and those in folders and the folders in them, in the order of their names; links to folders are not followed.

    A DICOMDIR and what is no regular file are left out. Raises FileNotFoundError for what is not there.
    """
    for path in paths:
        if not path.is_dir():
            path.stat()
            yield path
            continue
        for folder, folders, names in os.walk(path):
            folders.sort()
            files = (Path(folder, name) for name in sorted(names) if name.upper() != "DICOMDIR")
            yield from (file for file in files if file.is_file())


def read_object(path: Path) -> MediaObject:
    """Read a file's header. Raises NotPart10 for what is no DICOM file, and NotForMedia with the reason."""
    try:
        with path.open("rb") as file:
            meta = decode_head(file.read(HEAD_LIMIT), path)
        check_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = _header(path, meta)
            uids = str(header.get("SOPClassUID") or ""), str(header.get("SOPInstanceUID") or "")
    except (NotForMedia, NotPart10):
        raise
    except CutOff as error:
        raise NotForMedia(str(error).removesuffix(".")) from error
    except OSError as error:
        raise NotForMedia(f"it cannot be read: {error.strerror or error}") from error
    except Exception as error:  # pydicom raises every kind of error for a sender's bytes
        raise NotForMedia(f"its header cannot be read: {error}") from error
    if not all(uids):
        raise NotForMedia("it has no SOP Class UID or no SOP Instance UID")
    return MediaObject(path, replace(meta, sop_class_uid=uids[0], sop_instance_uid=uids[1]), header)


def _header(path: Path, meta: FileMeta) -> Dataset:
    if meta.transfer_syntax != DeflatedExplicitVRLittleEndian:
        return dcmread(path, stop_before_pixels=True, defer_size=_LONG)
    with path.open("rb") as file:
        file.seek(meta.offset)
        try:
            data = inflate(file.read(MOST_INFLATED), MOST_INFLATED + 1)
        except zlib.error as error:
            raise NotForMedia(f"it cannot be inflated: {error}") from error
    if len(data) > MOST_INFLATED:
        raise NotForMedia(f"it inflates to more than {MOST_INFLATED} bytes")
    plain = replace(meta, transfer_syntax=str(ExplicitVRLittleEndian))
    return dcmread(io.BytesIO(encode_head(plain) + data), stop_before_pixels=True)
