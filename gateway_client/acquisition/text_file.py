"""The .TXT file that lies beside an image: what its header says, for viewers that do not read DICOM.

Two sections, as the VA gateway writes them: `$$BEGIN DATA1` with `KEY=value` lines, and `$$BEGIN DICOM DATA` with lines
`gggg,eeee|name^VR|value number,line number|value`. Elements of a sequence have the tags and item numbers that lead to them before
their own, `0008,1140.1^0008,1150|...`; an empty sequence is a line of two pieces. `<unknown>` is what is missing, or has no text.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from pydicom.datadict import dictionary_description

from gateway_client.errors import NotAnObject, NotPart10
from gateway_client.objects.elements import Elements, scan_whole_header
from gateway_client.objects.part10 import HEAD_LIMIT, decode_head
from gateway_client.objects.scanning import vr_of
from gateway_client.objects.values import decode_values

UNKNOWN = "<unknown>"
#: Characters of a value in one line: the readers of these files keep no more than 255 of a line.
LINE_VALUE = 180
#: Lines of the second section, nested sequences that are gone into, and unknown elements that the log names.
MOST_LINES, DEPTH, NAMED = 20_000, 8, 10
#: The lines of values up to so many bytes are remembered, the latest of them: most are those of the image before.
_SHORT, _REMEMBERED = 64, 4096
_ENCODING = "iso-8859-1"
_LINE_END = "\r\n"
_CONTROLS = str.maketrans(dict.fromkeys((*range(32), *range(127, 160), ord("|")), " "))

#: The keys of the first section, the element of each, and which of its values. What a .TGA file is made by is not of the header:
#: it is made elsewhere, later, and has the tag of no element.
_KEYS = (
    ("PATIENTS_NAME", 0x00100010, 0), ("PATIENTS_ID", 0x00100020, 0), ("PATIENTS_BIRTH_DATE", 0x00100030, 0),
    ("PATIENTS_AGE", 0x00101010, 0), ("PATIENTS_SEX", 0x00100040, 0), ("ACCESSION_NUMBER", 0x00080050, 0),
    ("DCM_TO_TGA_PARAMETERS", -1, 0),
    ("STUDY_ID", 0x00200010, 0), ("MODALITY", 0x00080060, 0), ("SERIES_NUMBER", 0x00200011, 0),
    ("INSTANCE_NUMBER", 0x00200013, 0), ("PATIENT_POSITION", 0x00185100, 0), ("LATERALITY", 0x00200060, 0),
    ("CONTRAST_BOLUS_AGENT", 0x00180010, 0), ("SLICE_THICKNESS", 0x00180050, 0), ("SLICE_LOCATION", 0x00201041, 0),
    ("PIXEL_SPACING(1)", 0x00280030, 0), ("PIXEL_SPACING(2)", 0x00280030, 1), ("ROWS", 0x00280010, 0),
    ("COLUMNS", 0x00280011, 0), ("BITS_STORED", 0x00280101, 0), ("PHOTOMETRIC_INTERPRETATION", 0x00280004, 0),
    ("RESCALE_INTERCEPT", 0x00281052, 0), ("RESCALE_SLOPE", 0x00281053, 0),
)  # fmt: skip

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Section:
    """The second section while it is written."""

    lines: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def add(self, elements: Elements, above: str = "", depth: int = 0) -> None:
        """Add the lines of a data set, or of an item of a sequence."""
        for tag in sorted(elements.found):
            if len(self.lines) >= MOST_LINES:
                return
            vr, value = elements.found[tag]
            vr = vr_of(tag, vr) or "UN"
            if vr == "SQ":
                self._add_sequence(elements, tag, above, depth)
            elif tag & 0xFFFF:  # a group's length is no use here
                lines, is_known = (_known_lines if len(value) <= _SHORT else _lines)(
                    tag, vr, value, elements.order, elements.encodings
                )
                self.lines += [above + line for line in lines] if above else lines
                if not is_known:
                    self.unknown.append(above + _tag(tag))

    def _add_sequence(self, elements: Elements, tag: int, above: str, depth: int) -> None:
        before = len(self.lines)
        if depth < DEPTH:
            for number, item in enumerate(elements.items(tag), 1):
                self.add(item, f"{above}{_tag(tag)}.{number}^", depth + 1)
        if len(self.lines) == before:
            self.lines.append(above + _label(tag, "SQ"))


def _lines(tag: int, vr: str, value: bytes, order: str, encodings: tuple[str, ...]) -> tuple[Sequence[str], bool]:
    """Give the lines of an element, and whether they say its value; what is empty was left out by the sender."""
    head, values = _label(tag, vr), decode_values(vr, value, order, encodings)
    if not values:
        return (f"{head}|1,1|{UNKNOWN}",), not value
    lines: list[str] = []
    for number, one in enumerate(values, 1):
        text = _clean(one)
        pieces = [text[start : start + LINE_VALUE] for start in range(0, len(text), LINE_VALUE)] or [UNKNOWN]
        lines += [f"{head}|{number},{line}|{piece}" for line, piece in enumerate(pieces, 1)]
    return lines, True


_known_lines = lru_cache(maxsize=_REMEMBERED)(_lines)


def text_file(path: Path) -> bytes:
    """Give the text file of an object; whatever its header looks like, there is one. Raises OSError.

    A value that has no text, and an object that cannot be read at all, leave `<unknown>` and a line in the log. Letters outside
    of ISO 8859-1 become question marks; they stay whole in the object.
    """
    elements, section = None, _Section()
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_LIMIT)
            meta = decode_head(head, path)
            elements = scan_whole_header(file, head, meta.offset, meta.transfer_syntax)
        if not elements.found:
            raise NotAnObject("The data set has no elements that can be read.")
        section.add(elements)
    except (NotPart10, NotAnObject) as problem:
        log.warning("the header of %s cannot be written as text: %s", path, problem)
    except OSError:
        raise
    except Exception:  # no header, however odd, keeps its image from being filed
        log.exception("the header of %s cannot be written as text", path)
    if section.unknown:
        more = f" and {len(section.unknown) - NAMED} more" if len(section.unknown) > NAMED else ""
        log.info("the text file of %s has no value of %s%s", path, " ".join(section.unknown[:NAMED]), more)
    lines = [
        "$$BEGIN DATA1",
        *_first_section(elements),
        "$$END DATA1",
        "$$BEGIN DICOM DATA",
        *section.lines[:MOST_LINES],
        "$$END DICOM DATA",
        "",
    ]
    return _LINE_END.join(lines).encode(_ENCODING, "replace")


def _first_section(elements: Elements | None) -> Iterator[str]:
    for key, tag, which in _KEYS:
        if elements is None or tag not in elements.found:
            yield f"{key}={UNKNOWN}"
        else:
            vr, value = elements.found[tag]
            line = _known_key_line if len(value) <= _SHORT else _key_line
            yield line(key, which, vr_of(tag, vr), value, elements.order, elements.encodings)


def _key_line(key: str, which: int, vr: str, value: bytes, order: str, encodings: tuple[str, ...]) -> str:
    """Give the line of a key, with one of an element's values."""
    values = decode_values(vr, value, order, encodings)
    text = _clean(values[which]).strip() if which < len(values) else ""
    if key == "PATIENTS_NAME":
        text = _vista_name(text)
    return f"{key}={text or UNKNOWN}"


_known_key_line = lru_cache(maxsize=_REMEMBERED)(_key_line)


def _vista_name(name: str) -> str:
    """Write the alphabetic group of a person name as VistA does: family,given middle."""
    family, *others = [part.strip() for part in name.partition("=")[0].split("^")[:3]]
    given = " ".join(part for part in others if part)
    return f"{family},{given}" if given else family


def _clean(text: str) -> str:
    return text if text.isprintable() and "|" not in text else text.translate(_CONTROLS)


def _tag(tag: int) -> str:
    return f"{tag >> 16:04X},{tag & 0xFFFF:04X}"


@lru_cache(maxsize=_REMEMBERED)
def _label(tag: int, vr: str) -> str:
    try:
        name = dictionary_description(tag)
    except KeyError:
        name = UNKNOWN
    return f"{_tag(tag)}|{name}^{vr}"
