"""The DICOMDIR (PS3.3 F): a tree of directory records, and the file of items that name each other by their offsets."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage, generate_uid

from console.media.errors import MediaError, NoFileSet
from gateway_client import FileMeta, encode_head

#: What helps a medium whose DICOMDIR nobody can read: its files are as good as they were.
_REMEDY = "remove it, and make a new one of the files"
#: Bytes of a DICOMDIR that is read: the records of a million objects.
MOST_BYTES = 512 << 20
#: Levels of records; PS3.3 F.4 has four.
_LEVELS = 8
_FIRST_TAG, _SEQUENCE_TAG = 0x00041200, 0x00041220
_UNDEFINED, _SEQUENCE_END = 0xFFFFFFFF, b"\xfe\xff\xdd\xe0\0\0\0\0"
_IN_USE = 0xFFFF
#: Where the two offsets of an item stand, from its beginning: behind its head and that of the element, the lower one behind
#: (0004,1400) and (0004,1410) too.
_NEXT_AT, _LOWER_AT = 16, 38
_LOWER_TAG = 0x00041420


@dataclass(eq=False, slots=True)
class Record:
    """One directory record and those below it."""

    dataset: Dataset
    below: list[Record] = field(default_factory=list)

    @property
    def type(self) -> str:
        """The Directory Record Type."""
        return str(self.dataset.get("DirectoryRecordType") or "")

    @property
    def file_id(self) -> tuple[str, ...]:
        """The components of the Referenced File ID; none where the record refers to no file."""
        value = self.dataset.get("ReferencedFileID") or ()
        return (value,) if isinstance(value, str) else tuple(str(part) for part in value)

    @property
    def sop_instance_uid(self) -> str:
        """The object that the record refers to."""
        return str(self.dataset.get("ReferencedSOPInstanceUIDInFile") or "")

    def walk(self) -> Iterator[Record]:
        """Give the record and all below it, each before those below it."""
        yield self
        for record in self.below:
            yield from record.walk()

    def text(self, keyword: str) -> str:
        """Give a value as text, for people."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = self.dataset.get(keyword)
        return "" if value is None else str(value).replace("\0", "").strip()


@dataclass(eq=False, slots=True)
class Directory:
    """A whole DICOMDIR: its own UID, what stands before its records, and the records of the root."""

    uid: str
    prologue: Dataset
    roots: list[Record] = field(default_factory=list)

    @classmethod
    def new(cls, file_set_id: str = "") -> Directory:
        """Begin an empty one; the identifier is at most 16 characters A-Z, 0-9, blank and underscore."""
        prologue = Dataset()
        prologue.FileSetID = file_set_id
        return cls(str(generate_uid(prefix=None)), prologue)

    def records(self) -> Iterator[Record]:
        """Give all records, each before those below it."""
        for root in self.roots:
            yield from root.walk()


def read_directory(path: Path) -> Directory:
    """Read a DICOMDIR as `decode_directory` does. Raises NoFileSet and OSError."""
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise NoFileSet(f"{path} has {size} bytes; at most {MOST_BYTES} are read.")
    return decode_directory(path.read_bytes(), path)


def decode_directory(data: bytes, path: Path) -> Directory:
    """Read a DICOMDIR, whoever made it; records that are not in use, or that no other leads to, are left out.

    Raises NoFileSet for what is none, or whose offsets lead nowhere or in circles.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole = dcmread(io.BytesIO(data))
            if whole.file_meta.get("MediaStorageSOPClassUID") != MediaStorageDirectoryStorage:
                raise NoFileSet(f"{path} is no DICOMDIR.")
            if not _is_whole(whole, data):
                raise NoFileSet(f"{path} is damaged: it ends before its last record does; {_REMEDY}.")
            return _tree(path, whole)
    except NoFileSet:
        raise
    except Exception as error:  # pydicom raises every kind of error for bytes that others wrote
        raise NoFileSet(f"{path} cannot be read as a DICOMDIR ({str(error).rstrip('.')}); {_REMEDY}.") from error


def _is_whole(whole: Dataset, data: bytes) -> bool:
    """Tell whether nothing was cut off; pydicom takes what is left for all, and who extends that loses the rest."""
    if _FIRST_TAG not in whole:
        return False
    if _SEQUENCE_TAG not in whole:
        return bool(whole[_FIRST_TAG].value == 0)
    start = whole[_SEQUENCE_TAG].file_tell or 0
    (length,) = struct.unpack_from("<I", data, start - 4)
    return _SEQUENCE_END in data[start:] if length == _UNDEFINED else start + length <= len(data)


def _tree(path: Path, whole: Dataset) -> Directory:
    items = {int(item.seq_item_tell): item for item in whole.get("DirectoryRecordSequence") or ()}
    first = int(whole.get("OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity") or 0)
    seen: set[int] = set()

    def level(offset: int, depth: int) -> list[Record]:
        records = []
        while offset:
            item = items.get(offset)
            if item is None or offset in seen or depth > _LEVELS:
                where = f"no record, or one that was met before, begins at its byte {offset}"
                raise NoFileSet(f"{path} is damaged: {where}; {_REMEDY}.")
            seen.add(offset)
            below = level(int(item.get("OffsetOfReferencedLowerLevelDirectoryEntity") or 0), depth + 1)
            if item.get("RecordInUseFlag") != 0:
                for element in item.iterall():  # read now: written anew they need their VRs
                    del element
                records.append(Record(item, below))
            offset = int(item.get("OffsetOfTheNextDirectoryRecord") or 0)
        return records

    roots = level(first, 1)
    prologue = Dataset()
    prologue.update({element.tag: element for element in whole if element.tag < _SEQUENCE_TAG})
    return Directory(str(whole.file_meta.MediaStorageSOPInstanceUID), prologue, roots)


def encode_directory(directory: Directory) -> bytes:
    """Write the file, head and all, in Explicit VR Little Endian (PS3.10 8.6).

    Raises MediaError for a record that cannot be written, as another program's may be.
    """
    head = encode_head(FileMeta(str(MediaStorageDirectoryStorage), directory.uid, str(ExplicitVRLittleEndian)))
    items = [_item(record) for record in directory.records()]
    start = len(head) + len(_prologue(directory.prologue, 0, 0)) + 12
    places: dict[Record, int] = {}
    place = start
    for record, item in zip(directory.records(), items, strict=True):
        places[record] = place
        place += len(item)
    following: dict[Record, Record] = {}
    for level in (directory.roots, *(record.below for record in directory.records())):
        following.update(pairwise(level))
    for record, item in zip(directory.records(), items, strict=True):
        after = following.get(record)
        struct.pack_into("<I", item, _NEXT_AT, places[after] if after else 0)
        struct.pack_into("<I", item, _LOWER_AT, places[record.below[0]] if record.below else 0)
    first, last = (places[directory.roots[end]] if directory.roots else 0 for end in (0, -1))
    sequence = struct.pack("<HH2sHI", 0x0004, 0x1220, b"SQ", 0, place - start)
    return b"".join((head, _prologue(directory.prologue, first, last), sequence, *items))


def _prologue(prologue: Dataset, first: int, last: int) -> bytes:
    written = Dataset()
    written.update({element.tag: element for element in prologue if element.tag < _FIRST_TAG})
    written.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = first
    written.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = last
    written.FileSetConsistencyFlag = 0
    return _encoded(written)


def _item(record: Record) -> bytearray:
    written = Dataset()
    written.update({element.tag: element for element in record.dataset if element.tag > _LOWER_TAG})
    written.OffsetOfTheNextDirectoryRecord = 0
    written.RecordInUseFlag = _IN_USE
    written.OffsetOfReferencedLowerLevelDirectoryEntity = 0
    encoded = _encoded(written)
    return bytearray(struct.pack("<HHI", 0xFFFE, 0xE000, len(encoded)) + encoded)


def _encoded(dataset: Dataset) -> bytes:
    file = DicomBytesIO()
    file.is_little_endian, file.is_implicit_VR = True, False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            write_dataset(file, dataset)
        except Exception as error:  # pydicom raises every kind of error for values that are none
            raise MediaError(f"A directory record cannot be written: {error}") from error
    return file.getvalue()
