"""Import: the objects of a medium, or of folders, are handed to the gateway, which files them when it comes to it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from console.media.copying import copy_object
from console.media.errors import MediaError, NoFileSet, NotForMedia
from console.media.medium import DICOMDIR, Medium, Refusal, Tell
from console.media.objects import files_below, read_object
from gateway_client import LotWriter, NotPart10
from runtime import Clock

#: What a lot holds at the most; a lot is the gateway's when it is full, whatever happens to the rest.
OBJECTS_IN_A_LOT, BYTES_IN_A_LOT = 256, 1 << 30


@dataclass(slots=True)
class Import:
    """What became of the files of an import. `missing` are named by a DICOMDIR and are not there."""

    handed: int = 0
    bytes: int = 0
    no_dicom: list[Path] = field(default_factory=list)
    missing: list[Refusal] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the gateway takes: bytes of one object, and bytes that have to be left free where its spool is."""

    object_bytes: int
    free_bytes: int


def files_of(path: Path, everything: bool, found: Import) -> Iterator[Path]:
    """Give the files of a medium, by its DICOMDIR, or those below a folder that has none.

    With `everything` no DICOMDIR is looked at, as when it is damaged. Raises NoFileSet for one that cannot be read.
    """
    is_directory_file = path.is_file() and path.name.upper().startswith(DICOMDIR)
    try:
        medium = None if everything or (path.is_file() and not is_directory_file) else Medium.open(path)
    except NoFileSet:
        if is_directory_file or Medium.is_there(path):
            raise
        medium = None
    if medium is None:
        yield from files_below([path.parent if is_directory_file else path])
        return
    for record in medium.objects():
        try:
            yield medium.file(record)
        except NoFileSet as problem:
            found.missing.append(Refusal(medium.root.joinpath(*record.file_id), str(problem)))


def hand_over(
    files: Iterable[Path],
    directory: Path,
    origin: str,
    limits: Limits,
    clock: Clock,
    found: Import,
    tell: Tell = lambda path: None,
) -> None:
    """Put objects where the gateway takes them over, lot by lot; a lot that is full is its own, durable.

    Raises MediaError where there is no room, and OSError; what was handed over by then is the gateway's.
    """
    left = iter(files)
    while True:
        with LotWriter(directory, clock) as lot:
            room = BYTES_IN_A_LOT
            while len(lot) < OBJECTS_IN_A_LOT and room > 0:
                path = next(left, None)
                if path is None:
                    break
                tell(path)
                size = _add(lot, path, origin, limits, found)
                room -= size
                found.bytes += size
            if len(lot):
                lot.hand_over()
                found.handed += len(lot)
            if path is None:
                return


def _add(lot: LotWriter, path: Path, origin: str, limits: Limits, found: Import) -> int:
    """Copy an object into a lot; give its bytes, none for what is not taken."""
    try:
        it = read_object(path)
        size = path.stat().st_size
        if size > limits.object_bytes:
            raise NotForMedia(f"it is larger than {limits.object_bytes} bytes, the most that the gateway takes")
        _check_room(lot.path().parent, size, limits)
        lot.add(it.meta.sop_instance_uid, copy_object(it, lot.path()), str(path), origin)
    except NotPart10:
        found.no_dicom.append(path)
    except NotForMedia as problem:
        found.refused.append(Refusal(path, str(problem)))
    else:
        return size
    return 0


def _check_room(directory: Path, size: int, limits: Limits) -> None:
    if shutil.disk_usage(directory).free - size < limits.free_bytes:
        raise MediaError(f"Less than {limits.free_bytes} bytes would be free in {directory}: make room and run the import again.")
