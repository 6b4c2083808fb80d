"""Keys of queries as people write them: `PatientName=DOE*`, `0010,0010=DOE*`, `ScheduledProcedureStepSequence[0].Modality=CT`."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from io import BytesIO
from typing import Any

from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, keyword_dict, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from gateway_client.errors import BadQuery, GatewayError
from gateway_client.query_retrieve.words import printable

#: The transfer syntaxes of an identifier, as they are proposed.
SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
_STEP = re.compile(
    r"(?:(?P<keyword>[A-Za-z]\w*)|\(?(?P<group>[0-9A-Fa-f]{4}),(?P<element>[0-9A-Fa-f]{4})\)?)"
    r"(?::(?P<vr>[A-Z]{2}))?(?:\[(?P<item>\d{1,4})\])?"
)
_UTF_8 = "ISO_IR 192"
_LEVEL, _CHARACTER_SET = 0x00080052, 0x00080005
_NUMBERS: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(("US", "SS", "UL", "SL", "UV", "SV"), int),
    **dict.fromkeys(("FL", "FD"), float),
    "AT": lambda text: int(text.replace(",", ""), 16),
}


class Unreadable(GatewayError):
    """What a peer sent cannot be read."""


@dataclass(frozen=True, slots=True)
class Step:
    """One attribute of a path; `item` is that of a sequence whose item the next step stands in."""

    tag: int
    vr: str
    item: int | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """An attribute, and what it is to match; None where it is only to be told."""

    path: tuple[Step, ...]
    value: str | None = None

    @property
    def heading(self) -> str:
        """The name of the attribute, without those of sequences."""
        tag = self.path[-1].tag
        return keyword_for_tag(tag) or f"{tag >> 16:04X},{tag & 0xFFFF:04X}"

    def put(self, identifier: Dataset) -> None:
        """Put it into an identifier. Raises BadQuery for a value or an item that cannot stand there."""
        at = identifier
        for step in self.path[:-1]:
            at = self._item(at, step)
        last = self.path[-1]
        if last.item is not None:
            self._item(at, last)
        elif last.vr == "SQ":
            at.add(DataElement(last.tag, "SQ", []))
        else:
            at.add(self._element(last))

    def _item(self, at: Dataset, step: Step) -> Dataset:
        assert step.item is not None
        if step.tag not in at:
            at.add(DataElement(step.tag, "SQ", []))
        items = at[step.tag].value
        if step.item > len(items):
            raise BadQuery(f"Item {step.item} of {keyword_for_tag(step.tag)} is asked for, and item {len(items)} is not.")
        if step.item == len(items):
            items.append(Dataset())
        item: Dataset = items[step.item]
        return item

    def _element(self, step: Step) -> DataElement:
        number, text = _NUMBERS.get(step.vr), self.value or ""
        try:
            value: Any = [number(part) for part in text.split("\\")] if number and text else text
            return DataElement(step.tag, step.vr, value, validation_mode=IGNORE)
        except (ValueError, TypeError) as error:
            raise BadQuery(f"{text!r} is no value of {self.heading} ({step.vr}).") from error

    def text(self, answer: Dataset) -> str:
        """Give what an answer says, values parted by a backslash; nothing where it does not have it."""
        try:
            return printable(self._found(answer))
        except Exception as error:  # whatever pydicom makes of a value of a peer, the others are told
            return f"? {printable(str(error))}"

    def _found(self, answer: Dataset) -> str:
        at = answer
        for step in self.path:
            if step.tag not in at:
                return ""
            element = at[step.tag]
            if step.item is None:
                return _text(element)
            if element.VR != "SQ" or step.item >= len(element.value):
                return ""
            at = element.value[step.item]
        return f"{len(at)} attributes"


def _text(element: DataElement) -> str:
    value = element.value
    if element.VR == "SQ":
        return f"{len(value)} items"
    if value is None:
        return ""
    if isinstance(value, (list, tuple)) or hasattr(value, "append"):
        return "\\".join(str(one) for one in value)
    return str(value)


def parse_key(text: str) -> Key:
    """Read a key. Raises BadQuery, with what was probably meant."""
    written, sign, value = text.partition("=")
    steps = [_step(part, text) for part in written.split(".")]
    for step in steps[:-1]:
        if step.vr != "SQ" or step.item is None:
            raise BadQuery(f"{text!r}: what stands before a dot is an item of a sequence, as in Sequence[0].Keyword.")
    last = steps[-1]
    if last.item is not None and last.vr != "SQ":
        raise BadQuery(f"{text!r}: only sequences have items.")
    if value and last.vr == "SQ":
        raise BadQuery(f"{text!r}: a sequence is matched by the attributes of its items, as in Sequence[0].Keyword=VALUE.")
    return Key(tuple(steps), value if sign else None)


def _step(part: str, text: str) -> Step:
    match = _STEP.fullmatch(part)
    if match is None:
        raise BadQuery(f"{text!r} is no key: write Keyword=VALUE, gggg,eeee=VALUE or Sequence[0].Keyword=VALUE.")
    item = int(match["item"]) if match["item"] is not None else None
    if match["keyword"] is None:
        tag = int(match["group"] + match["element"], 16)
    else:
        found = tag_for_keyword(match["keyword"])
        if found is None:
            raise BadQuery(f"There is no attribute {match['keyword']}{_meant(match['keyword'])}")
        tag = int(found)
    try:
        known = dictionary_VR(tag).split(" ")[0]
    except KeyError:
        known = ""
    vr = match["vr"] or known
    if not vr:
        raise BadQuery(f"{part} is not in the dictionary: write its VR too, as in {part}:LO=VALUE.")
    return Step(tag, vr, item)


def _meant(keyword: str) -> str:
    by_lower = {known.lower(): known for known in keyword_dict}
    close = get_close_matches(keyword.lower(), by_lower, n=1)
    return f"; is it {by_lower[close[0]]}?" if close else "."


def identifier_of(keys: Iterable[Key], level: str = "") -> Dataset:
    """Put keys together, and Query/Retrieve Level where there is one; values that are not ASCII go as UTF-8."""
    identifier = Dataset()
    if level:
        identifier.add(DataElement(_LEVEL, "CS", level))
    values = []
    for key in keys:
        key.put(identifier)
        values.append(key.value or "")
    if _CHARACTER_SET not in identifier and not all(value.isascii() for value in values):
        identifier.add(DataElement(_CHARACTER_SET, "CS", _UTF_8))
    return identifier


def encode(identifier: Dataset, transfer_syntax: str) -> bytes:
    """Write an identifier."""
    syntax, data = UID(transfer_syntax), DicomBytesIO()
    data.is_little_endian, data.is_implicit_VR = syntax.is_little_endian, syntax.is_implicit_VR
    write_dataset(data, identifier)
    return bytes(data.getvalue())


def decode(data: bytes, transfer_syntax: str) -> Dataset:
    """Read an identifier; its values are read when they are asked for. Raises Unreadable."""
    syntax = UID(transfer_syntax)
    try:
        return read_dataset(BytesIO(data), syntax.is_implicit_VR, syntax.is_little_endian)
    except Exception as error:  # whatever pydicom makes of it, the peer sent it
        raise Unreadable(f"The peer sent an identifier that cannot be read: {error}.") from error


def to_json(answer: Dataset) -> dict[str, Any]:
    """Give an identifier in the DICOM JSON model (PS3.18 F); a value that cannot be read stands there in its bytes, as UN."""
    told = {}
    for tag in answer.keys():  # noqa: SIM118  to iterate over a Dataset reads the values
        raw = answer.get_item(tag)
        try:
            told[f"{tag:08X}"] = answer[tag].to_json_dict(None, 0)
        except Exception:  # as for text: whatever pydicom makes of a value of a peer
            value = getattr(raw, "value", None)
            data = value if isinstance(value, bytes) else b""
            told[f"{tag:08X}"] = {"vr": "UN", "InlineBinary": b64encode(data).decode("ascii")}
    return told
