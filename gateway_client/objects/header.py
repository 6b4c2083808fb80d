"""What the gateway tells the broker of an object: the pieces of STORE1 and STORE2, and the header's elements."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pydicom.tag import Tag

from gateway_client.errors import NotAnObject, UIDMismatch
from gateway_client.objects.elements import Elements, scan_beginning, scan_file
from gateway_client.objects.part10 import HEAD_LIMIT, FileMeta, decode_head
from gateway_client.objects.scanning import vr_of
from gateway_client.objects.values import decode_values
from gateway_client.objects.wholeness import check_whole, ends_with, is_whole

#: The elements that are sent as HEADER items, in order; `>` goes into every item of a sequence. A private element is named by its
#: group, its number below the block `xx` that its creator has reserved in the object at hand (PS3.5 7.8.1), and that creator.
DEFAULT_PATHS = (
    "0008,0005", "0008,0008", "0008,0016", "0008,0018", "0008,0020", "0008,0021", "0008,0022", "0008,0023", "0008,002A",
    "0008,0030", "0008,0031", "0008,0032", "0008,0033", "0008,0050", "0008,0060", "0008,0061", "0008,0064", "0008,0068",
    "0008,0070", "0008,0080", "0008,0081", "0008,0090", "0008,1010", "0008,1030", "0008,1032>0008,0100", "0008,1032>0008,0102",
    "0008,1032>0008,0104", "0008,103E", "0008,1040", "0008,1048", "0008,1050", "0008,1060", "0008,1070", "0008,1090",
    "0008,1111>0008,1155", "0008,2111", "0010,0010", "0010,0020", "0010,0021", "0010,0030", "0010,0040", "0010,1000",
    "0010,1010", "0010,1020", "0010,1030", "0010,2160", "0010,4000", "0018,0010", "0018,0015", "0018,0050", "0018,0060",
    "0018,0088", "0018,1000", "0018,1020", "0018,1030", "0018,5100", "0018,5101", "0020,000D", "0020,000E", "0020,0010",
    "0020,0011", "0020,0012", "0020,0013", "0020,0020", "0020,0052", "0020,0060", "0020,0062", "0020,1002", "0020,4000",
    "0028,0002", "0028,0004", "0028,0008", "0028,0010", "0028,0011", "0028,0100", "0028,0101", "0028,0301", "0028,2110",
    "0028,2112", "0028,2114", "0029,xx51,SIEMENS MEDCOM HEADER", "0029,xx52,SIEMENS MEDCOM HEADER", "0032,1032", "0032,1033",
    "0032,1060", "0032,4000", "0040,0241", "0040,0244", "0040,0245", "0040,0250", "0040,0251", "0040,0253", "0040,0254",
    "0040,0260>0008,0100", "0040,0260>0008,0104", "0040,0275>0040,0007", "0040,0275>0040,0009", "0040,0275>0040,1001",
    "0040,1001", "0040,1002", "0040,1003", "0040,A030", "0040,A043>0008,0100", "0040,A043>0008,0104", "0040,A491", "0040,A493",
    "0070,0080", "0070,0081", "0070,0082", "0070,0083", "0070,0084", "300A,0002", "300A,0003", "300E,0002",
)  # fmt: skip
#: HEADER items of one object, and characters of one value, beyond which the rest stays in the file only.
ITEM_LIMIT, VALUE_LIMIT = 600, 1024
#: The items of values up to so many bytes are remembered, the latest of them: most are those of the image before.
_SHORT, _REMEMBERED = 256, 8192

#: The items that tell of the association, whatever elements are chosen: Sending and Receiving Application Entity Title
#: (PS3.10 7.1); rules know them as CALLING_AE_TITLE and CALLED_AE_TITLE.
SENDING_AE_TITLE, RECEIVING_AE_TITLE = "0002,0017", "0002,0018"

#: The same of the object's transfer syntax.
TRANSFER_SYNTAX_UID = "0002,0010"
#: Private elements are told as of this VR, whatever the transfer syntax tells of theirs: those that are known are of it.
_PRIVATE_VR = "CS"
_PRIVATE = re.compile(r"([0-9A-Fa-f]{4}),xx([0-9A-Fa-f]{2}),(.+)").fullmatch
#: The numbers of the elements in which creators reserve their blocks.
_BLOCKS = range(0x10, 0x100)

TagPath = tuple[int, ...]


class _Private(NamedTuple):
    """A private element: how its path is written, the elements in which its block may be reserved, and by whom."""

    path: str
    group: int
    number: int
    creator: str
    creators: frozenset[int]

    @classmethod
    def read(cls, group: str, number: str, creator: str) -> _Private:
        of_group = int(group, 16) << 16
        reserved = frozenset(of_group | block for block in _BLOCKS)
        return cls(f"{group.upper()},xx{number.upper()},{creator}", of_group, int(number, 16), creator, reserved)

    @property
    def wanted(self) -> frozenset[int]:
        """The elements that it may be."""
        return self.creators | {self.group | block << 8 | self.number for block in _BLOCKS}


#: An element on a path, and those below it on the path; without one below it its values are told. No NamedTuple: those of the
#: default paths are gone through for each image.
_Step = tuple[int, tuple["_Step", ...]]


SOP_CLASS_UID, SOP_INSTANCE_UID = 0x00080016, 0x00080018
#: The field of `InstanceHeader` and the element that fills it.
_FIELDS = {
    "sop_class_uid": SOP_CLASS_UID,
    "sop_instance_uid": SOP_INSTANCE_UID,
    "study_date": 0x00080020,
    "study_time": 0x00080030,
    "accession": 0x00080050,
    "modality": 0x00080060,
    "series_description": 0x0008103E,
    "manufacturer": 0x00080070,
    "model": 0x00081090,
    "patient_name": 0x00100010,
    "patient_id": 0x00100020,
    "study_uid": 0x0020000D,
    "series_uid": 0x0020000E,
    "study_id": 0x00200010,
    "series_number": 0x00200011,
    "instance_number": 0x00200013,
}


class HeaderItem(NamedTuple):  # some sixty for each image: a frozen dataclass takes twice as long to make
    """One value of one element; in a sequence the path names each item: `0040,0275>1>0040,1001`."""

    path: str
    vr: str
    number: int
    value: str


class InstanceHeader(NamedTuple):  # as its items
    """The header of one object, decoded by its Specific Character Set."""

    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    study_uid: str = ""
    series_uid: str = ""
    patient_id: str = ""
    patient_name: str = ""
    accession: str = ""
    study_date: str = ""
    study_time: str = ""
    modality: str = ""
    series_number: str = ""
    instance_number: str = ""
    manufacturer: str = ""
    model: str = ""
    study_id: str = ""
    series_description: str = ""
    items: tuple[HeaderItem, ...] = ()


@lru_cache(maxsize=16)
def parse_paths(texts: Sequence[str]) -> tuple[TagPath, ...]:
    """Read `gggg,eeee` and `gggg,eeee>gggg,eeee`; raise NotAnObject naming the text that is neither."""
    paths = []
    for text in texts:
        try:
            parts = [part.strip().split(",") for part in text.split(">")]
            paths.append(tuple(int(Tag(int(group, 16), int(element, 16))) for group, element in parts))
        except (ValueError, OverflowError) as error:
            raise NotAnObject(f"{text!r} names no data element; gggg,eeee is expected.") from error
    return tuple(paths)


def identify(
    head: bytes, meta: FileMeta, paths: Sequence[str] = DEFAULT_PATHS, *, size: int = 0, end: bytes = b""
) -> InstanceHeader | None:
    """Check that a data set is the object that its C-STORE request names, by its first bytes or all of them; give its header.

    `size` counts all of its bytes, `end` are the last of them. None when the first do not hold all of the header, or the data set
    may be cut off: `read_header` tells. Raises NotAnObject when the data set has no SOP Class or Instance UID, UIDMismatch when
    they are others (PS3.4 B.2.3).
    """
    wanted, steps, private = _plan(tuple(paths))
    elements, pixels = scan_beginning(head, meta.transfer_syntax, wanted)
    found = elements.first(SOP_CLASS_UID), elements.first(SOP_INSTANCE_UID)
    if not all(found):
        raise NotAnObject("The data set has no SOP Class UID or no SOP Instance UID.")
    if found != (meta.sop_class_uid, meta.sop_instance_uid):
        raise UIDMismatch(f"The data set is {found[1]} of class {found[0]}, the request names {meta.sop_instance_uid}.")
    if pixels is None:
        whole = len(head) == size and is_whole(head, meta.transfer_syntax)
    else:
        whole = ends_with(head, pixels, meta.transfer_syntax, size, end)
    return _header(elements, meta, steps, private) if whole else None


def read_header(path: Path, paths: Sequence[str] = DEFAULT_PATHS) -> InstanceHeader:
    """Read the header of a file without its pixel data, and the association that brought it, of which its head tells.

    Raises NotPart10 or NotAnObject for what is no DICOM file, CutOff for what was one, and OSError.
    """
    wanted, steps, private = _plan(tuple(paths))
    with path.open("rb") as file:
        head = file.read(HEAD_LIMIT)
        meta = decode_head(head, path)
        elements = scan_file(file, head, meta.offset, meta.transfer_syntax, wanted)
        check_whole(file, head, meta)
    if not elements.first(SOP_INSTANCE_UID):
        raise NotAnObject("The data set has no SOP Instance UID.")
    return _header(elements, meta, steps, private)


def _header(elements: Elements, meta: FileMeta, steps: tuple[_Step, ...], private: tuple[_Private, ...]) -> InstanceHeader:
    fields = {name: elements.first(tag) for name, tag in _FIELDS.items()}
    items = list(_told_by_head(meta.sending_ae_title, meta.receiving_ae_title, meta.transfer_syntax))
    for one in private:
        items += _private_items(one, elements)
    _add_items(items, elements, steps)
    return InstanceHeader(**fields, items=tuple(items[:ITEM_LIMIT]))


@lru_cache(maxsize=256)
def _told_by_head(sending: str, receiving: str, transfer_syntax: str) -> tuple[HeaderItem, ...]:
    told = {
        TRANSFER_SYNTAX_UID: ("UI", transfer_syntax),
        SENDING_AE_TITLE: ("AE", sending),
        RECEIVING_AE_TITLE: ("AE", receiving),
    }
    return tuple(HeaderItem(path, vr, 1, value) for path, (vr, value) in told.items() if value)


@lru_cache(maxsize=16)
def _plan(texts: Sequence[str]) -> tuple[frozenset[int], tuple[_Step, ...], tuple[_Private, ...]]:
    """Give the elements that are wanted of a file for some paths, the first step of each path, and the private ones."""
    found = {text: _PRIVATE(text) for text in texts}
    private = tuple(_Private.read(*match.groups()) for match in found.values() if match is not None)
    paths = parse_paths(tuple(text for text, match in found.items() if match is None))
    wanted = frozenset((*_FIELDS.values(), *(path[0] for path in paths))).union(*(one.wanted for one in private))
    return wanted, tuple(_step(path) for path in paths), private


def _private_items(private: _Private, elements: Elements) -> list[HeaderItem]:
    """Give the items of a private element, in every block that its creator has reserved: there is one as a rule."""
    items: list[HeaderItem] = []
    for reserved in sorted(private.creators & elements.found.keys()):
        tag = private.group | (reserved & 0xFF) << 8 | private.number
        if tag in elements.found and elements.found[reserved][1].strip(b" \0") == private.creator.encode("latin-1"):
            values = decode_values(_PRIVATE_VR, elements.found[tag][1], elements.order, elements.encodings)
            items += [HeaderItem(private.path, _PRIVATE_VR, number, text[:VALUE_LIMIT]) for number, text in enumerate(values, 1)]
    return items


def _step(path: TagPath) -> _Step:
    tag, *below = path
    return tag, (_step(tuple(below)),) if below else ()


def _add_items(items: list[HeaderItem], elements: Elements, steps: tuple[_Step, ...], above: str = "") -> None:
    found, order, encodings = elements.found, elements.order, elements.encodings
    for tag, below in steps:
        if tag not in found:
            continue
        if below:
            for number, item in enumerate(elements.items(tag), 1):
                _add_items(items, item, below, f"{above}{_name(tag)}>{number}>")
        else:
            vr, value = found[tag]
            items += (_known_items if len(value) <= _SHORT else _items)(above, tag, vr, value, order, encodings)


def _items(above: str, tag: int, vr: str, value: bytes, order: str, encodings: tuple[str, ...]) -> tuple[HeaderItem, ...]:
    """Give the items of one element."""
    path, vr = above + _name(tag), vr_of(tag, vr) or "UN"
    values = decode_values(vr, value, order, encodings)
    return tuple(HeaderItem(path, vr, number, text[:VALUE_LIMIT]) for number, text in enumerate(values, 1))


_known_items = lru_cache(maxsize=_REMEMBERED)(_items)


def _name(tag: int) -> str:
    return f"{tag >> 16:04X},{tag & 0xFFFF:04X}"
