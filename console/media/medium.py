"""A medium: the root folder of a file-set, its DICOMDIR, and the files that this names."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from console.errors import WrongUsage
from console.media.copying import copy_object
from console.media.directory import Directory, Record, encode_directory, read_directory
from console.media.errors import MediaError, NoFileSet, NotForMedia
from console.media.objects import MediaObject, read_object
from console.media.records import KEYS, key_of, record_of, record_types
from gateway_client import CutOff, NotPart10, check_file, digest_of, read_meta
from runtime import make_directories, sync_directory, write_file

DICOMDIR = "DICOMDIR"
#: PS3.10 8.5: what a file's name is made of, and how many names lead to it.
_COMPONENT = re.compile(r"[A-Z0-9_]{1,8}")
MOST_COMPONENTS = 8
_FILE_SET_ID = re.compile(r"[A-Z0-9_ ]{0,16}")
#: Where our files lie: a folder for each series of each run, so that no folder grows without end.
_FOLDER = "DICOM"
_FILES_IN_A_FOLDER = 999_999

Tell = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that is not on the medium, and why."""

    path: Path
    reason: str


@dataclass(slots=True)
class Addition:
    """What became of the files that were to be added.

    `known` were on the medium already. `outside` are there now, in a transfer syntax that STD-GEN-CD does not have (PS3.11 D).
    """

    added: int = 0
    known: int = 0
    bytes: int = 0
    outside: int = 0
    no_dicom: list[Path] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


class Medium:
    """A file-set that may be extended; in `with` nobody else extends it. Nothing counts before the DICOMDIR names it."""

    def __init__(self, root: Path, directory: Directory) -> None:
        self.root = root
        self.directory = directory
        self._lock = -1
        self._levels: dict[tuple[Record | None, str, tuple[str, ...]], Record] = {}
        self._uids: set[tuple[str, tuple[str, ...]]] = set()
        self._objects: dict[str, Record] = {}
        self._used: set[tuple[str, ...]] = set()
        self._folders: dict[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], int]] = {}
        self._folder_number = 0
        self._written: set[Path] = set()
        self._index(None)

    @classmethod
    def create(cls, root: Path, file_set_id: str = "") -> Medium:
        """Begin one in a folder without a DICOMDIR; the folder is made. Raises MediaError, WrongUsage and OSError."""
        if not _FILE_SET_ID.fullmatch(file_set_id):
            raise WrongUsage(f"{file_set_id!r} is no File-set ID: at most 16 of A-Z, 0-9, blank and underscore are.")
        try:
            make_directories(root)
        except OSError as error:
            raise MediaError(f"{root} cannot be made: {error.strerror or error}.") from error
        if _there(root):
            raise MediaError(f"{root} has a DICOMDIR already: 'magbroker dicomdir add' extends it.")
        return cls(root, Directory.new(file_set_id))

    @classmethod
    def open(cls, root: Path) -> Medium:
        """Open one, whoever made it; `root` may name its DICOMDIR. Raises NoFileSet and OSError."""
        file = root if root.is_file() else _there(root)
        if file is None:
            raise NoFileSet(f"{root} has no DICOMDIR.")
        return cls(file.parent, read_directory(file))

    @staticmethod
    def is_there(root: Path) -> bool:
        """Tell whether a folder has a DICOMDIR."""
        return _there(root) is not None

    def __enter__(self) -> Medium:
        """Own the medium. Raises MediaError where another process does."""
        self._lock = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise MediaError(f"Another process writes to {self.root}.") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Give it up."""
        os.close(self._lock)

    def file(self, record: Record) -> Path:
        """Give the path of the file that a record refers to, as the medium has it: some systems show names in lower case.

        Raises NoFileSet for a name that leads out of the medium, or to nothing.
        """
        parts = record.file_id
        path = self.root
        for part in parts:
            if part in (".", "..", "") or "/" in part or "\0" in part:
                raise NoFileSet(f"the DICOMDIR names a file {'/'.join(parts)!r}, which no medium can have")
            found = next((path / name for name in (part, part.lower(), f"{part};1") if (path / name).exists()), None)
            if found is None:
                raise NoFileSet(f"the DICOMDIR names {'/'.join(parts)}, which is not there")
            path = found
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise NoFileSet(f"{'/'.join(parts)} lies outside of the medium")
        return path

    def objects(self) -> Iterator[Record]:
        """Give the records that refer to files, in the order of the DICOMDIR."""
        return (record for record in self.directory.records() if record.file_id)

    def add(self, paths: Iterable[Path], tell: Tell = lambda path: None) -> Addition:
        """Copy objects to the medium and name them in its DICOMDIR; `tell` hears of each file before it is read.

        Bits of a file that is there from a run that was cut off are not written again. Raises MediaError and OSError when the
        medium cannot be written; then its DICOMDIR names what it named before. None is made where there is nothing to name.
        """
        addition = Addition()
        for path in paths:
            tell(path)
            try:
                self._add(read_object(path), addition)
            except NotPart10:
                addition.no_dicom.append(path)
            except NotForMedia as problem:
                addition.refused.append(Refusal(path, str(problem)))
        if addition.added:
            self._write()
        return addition

    def _add(self, it: MediaObject, addition: Addition) -> None:
        uid = it.meta.sop_instance_uid
        if uid in self._objects:
            if not self._has(self._objects[uid], it):
                raise NotForMedia(f"another object of SOP Instance UID {uid} is on the medium")
            addition.known += 1
            return
        types = record_types(it)
        made = [record_of(it, record_type) for record_type in types]
        way = list(zip(types[:-1], made[:-1], strict=True))
        known, missing = self._known(way)
        file_id = self._place(it, tuple(key_of(dataset, record_type) for record_type, dataset in way))
        above = self._made(known, missing)
        leaf = made[-1]
        leaf.ReferencedFileID = list(file_id)
        leaf.ReferencedSOPClassUIDInFile = it.meta.sop_class_uid
        leaf.ReferencedSOPInstanceUIDInFile = uid
        leaf.ReferencedTransferSyntaxUIDInFile = it.meta.transfer_syntax
        record = Record(leaf)
        self._below(above).append(record)
        self._objects[uid] = record
        addition.added += 1
        addition.bytes += it.path.stat().st_size
        addition.outside += it.meta.transfer_syntax != ExplicitVRLittleEndian

    def _has(self, record: Record, it: MediaObject) -> bool:
        """Tell whether an object of the medium is the very same. Raises NotForMedia where its file cannot be read."""
        try:
            return digest_of(self.file(record)) == digest_of(it.path)
        except (NoFileSet, NotPart10, OSError) as error:
            raise NotForMedia(f"the medium names an object of its UID, whose file cannot be read: {error}") from error

    def _known(self, way: list[tuple[str, Dataset]]) -> tuple[Record | None, list[Dataset]]:
        """Give the last record that is there on the way to an object, and those that are not.

        Raises NotForMedia where the medium has its study under another patient, or its series in another study.
        """
        above: Record | None = None
        missing = list(way)
        for record_type, dataset in way:
            known = self._levels.get((above, record_type, key_of(dataset, record_type)))
            if known is None:
                break
            above = known
            del missing[0]
        for record_type, dataset in missing:
            key = key_of(dataset, record_type)
            if record_type in KEYS and (record_type, key) in self._uids:
                raise NotForMedia(f"the medium has its {record_type} {key[0]} elsewhere")
        return above, [dataset for _, dataset in missing]

    def _made(self, above: Record | None, missing: Iterable[Dataset]) -> Record | None:
        """Make the records that are missing; give the one below which the object belongs."""
        for dataset in missing:
            record = Record(dataset)
            self._below(above).append(record)
            self._remember(above, record)
            above = record
        return above

    def _place(self, it: MediaObject, series: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
        """Copy an object to the next name that is free in the folder of its series, and give its file's name."""
        folder, number = self._folders.get(series) or (self._new_folder(), 1)
        while True:
            if number > _FILES_IN_A_FOLDER:
                folder, number = self._new_folder(), 1
            file_id = (*folder, f"IM{number:06d}")
            target, number = self.root.joinpath(*file_id), number + 1
            self._folders[series] = folder, number
            if not target.exists():
                copy_object(it, target)
            elif not _same(target, it):
                continue
            self._written.add(target.parent)
            return file_id

    def _new_folder(self) -> tuple[str, ...]:
        """Give a folder that the DICOMDIR names nothing in."""
        while True:
            self._folder_number += 1
            folder = (_FOLDER, f"SE{self._folder_number:06d}")
            if folder not in self._used:
                return folder

    def _write(self) -> None:
        """Have the names of all copies on the disk, then the DICOMDIR."""
        file = _there(self.root) or self.root / DICOMDIR
        encoded = encode_directory(self.directory)
        try:
            for folder in self._written:
                sync_directory(folder)
            write_file(file, encoded)
            sync_directory(self.root)
        except OSError as error:
            raise MediaError(f"{file} cannot be written: {error.strerror or error}.") from error

    def _below(self, above: Record | None) -> list[Record]:
        return above.below if above else self.directory.roots

    def _index(self, above: Record | None) -> None:
        for record in self._below(above):
            self._remember(above, record)
            self._index(record)

    def _remember(self, above: Record | None, record: Record) -> None:
        key = key_of(record.dataset, record.type)
        if record.file_id:
            self._objects[record.sop_instance_uid] = record
            self._used.add(record.file_id[:-1])
        else:
            self._levels.setdefault((above, record.type, key), record)
            self._uids.add((record.type, key))


def check(medium: Medium, tell: Tell = lambda path: None) -> list[Refusal]:
    """Find what is wrong with a medium: files that are not there or other than the DICOMDIR says, names that it cannot have."""
    found = []
    for record in medium.objects():
        name = Path(*record.file_id)
        tell(name)
        try:
            problem = _wrong(record, medium.file(record))
        except (CutOff, NoFileSet, NotPart10, OSError) as error:
            problem = str(error)
        if problem:
            found.append(Refusal(name, problem))
    return found


def _wrong(record: Record, file: Path) -> str:
    parts = record.file_id
    if len(parts) > MOST_COMPONENTS or not all(_COMPONENT.fullmatch(part) for part in parts):
        return f"a name has at most {MOST_COMPONENTS} parts of at most 8 characters A-Z, 0-9 and underscore (PS3.10 8.5)"
    meta = read_meta(file)
    dataset = record.dataset
    for what, found in (
        ("SOPInstanceUID", meta.sop_instance_uid),
        ("SOPClassUID", meta.sop_class_uid),
        ("TransferSyntaxUID", meta.transfer_syntax),
    ):
        said = str(dataset.get(f"Referenced{what}InFile") or "")
        if said != found:
            return f"the DICOMDIR says {what} {said or 'nothing'}, the file {found}"
    check_file(file)
    return ""


def _there(root: Path) -> Path | None:
    """Find the DICOMDIR of a folder; some systems show it in lower case, or with the version of ISO 9660."""
    names = (DICOMDIR, DICOMDIR.lower(), f"{DICOMDIR};1")
    return next((root / name for name in names if (root / name).is_file()), None)


def _same(file: Path, it: MediaObject) -> bool:
    """Tell whether a file that a run left behind is a copy of an object."""
    try:
        meta = read_meta(file)
        known = (meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax)
        wanted = (it.meta.sop_class_uid, it.meta.sop_instance_uid, it.meta.transfer_syntax)
        return known == wanted and digest_of(file) == digest_of(it.path)
    except NotPart10:
        return False
