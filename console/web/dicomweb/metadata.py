"""The header of an object as DICOM JSON, with addresses in place of what is long (PS3.18 10.4.1.1.2, annex F)."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from console.web.dicomweb.dicom_json import element_json
from console.web.dicomweb.errors import NotHeld
from gateway_client import ObjectFile
from gateway_client.objects.elements import DEFLATED, EXPLICIT_BIG, IMPLICIT_LITTLE, Elements, order_of
from gateway_client.objects.part10 import LONG_VRS
from gateway_client.objects.scanning import CHUNK, Broken, Budget, Found, Scanner, Stretch, vr_of
from gateway_client.objects.values import VALUE_LIMIT, decode_values
from runtime import inflate

#: Bytes at the beginning of a data set in which a header is looked for, more each time; elements and items of one header.
_WITHIN, _MOST_ELEMENTS = (CHUNK, 4 << 20, 256 << 20), 2_000_000
#: Bytes that a deflated header may have.
_INFLATED = 64 << 20
#: Bytes of a binary value that stands in the header; a longer one has an address.
INLINE = 512
_MOST_ITEMS = 200_000
_PIXELS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
_CHARACTER_SET, _SIGN, _SYNTAXES = 0x00080005, 0x00280103, "00083002"
_BINARY = frozenset(("OB", "OW", "OF", "OD", "OL", "OV", "UN"))
#: Bytes of a number in these VRs, which are little endian in JSON.
_WIDTHS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}


@dataclass(frozen=True, slots=True)
class Pixels:
    """The element that holds pixels: its tag and VR, the place of its value in the data set, and the length, None unless told."""

    tag: str
    vr: str
    place: int
    length: int | None


@dataclass(frozen=True, slots=True)
class Header:
    """What comes before the pixels of an object, and these; they have no place in what is deflated."""

    elements: Elements
    transfer_syntax: str
    pixels: Pixels | None

    def number(self, tag: int, otherwise: int = 0) -> int:
        """Give an element as a whole number."""
        text = self.elements.first(tag)
        return int(text) if text.lstrip("+-").isdigit() else otherwise


def read_header(one: ObjectFile) -> Header:
    """Read the header of an object, as it is sent. Raises NotHeld for what is no object, and OSError."""
    syntax = one.meta.transfer_syntax
    data = b""
    for most in _WITHIN:
        data = one.beginning(most)
        whole = len(data) < most
        if syntax == DEFLATED and whole:
            data = inflate(data, _INFLATED)
        elif syntax == DEFLATED:
            continue
        found: Found = {}
        order, implicit, budget = order_of(syntax), syntax == IMPLICIT_LITTLE, Budget()
        budget.left = _MOST_ELEMENTS
        place = None
        try:
            place = Scanner(Stretch(data), order, budget).read(found, implicit, None, _PIXELS)
        except Broken:
            if not found:
                raise NotHeld("Its file holds no data set.") from None
        if place is not None or whole:
            items = Budget()
            items.left = _MOST_ELEMENTS
            elements = Elements(found, order, implicit, budget=items)
            return Header(elements, syntax, None if place is None else _pixels(data, place, order, implicit))
    raise NotHeld("Its header is too long to be read.")


def _pixels(data: bytes, place: int, order: str, implicit: bool) -> Pixels:
    byteorder: Any = "big" if order == ">" else "little"

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], byteorder)

    tag = f"{number(place, 2):04X}{number(place + 2, 2):04X}"
    code = data[place + 4 : place + 6]
    if implicit or code not in LONG_VRS:
        length, begin, vr = number(place + 4, 4), place + 8, "OW"
    else:
        length, begin, vr = number(place + 8, 4), place + 12, code.decode("ascii")
    return Pixels(tag, vr, begin, None if length == 0xFFFFFFFF else length)


def header_json(header: Header, address: str) -> dict[str, Any]:
    """Give a header as the object of a data set; `address` is that of the instance, below which bulk data are."""
    told = _elements_json(header.elements, header.transfer_syntax, f"{address}/bulkdata/")
    told[_SYNTAXES] = {"vr": "UI", "Value": [header.transfer_syntax]}
    pixels = header.pixels
    if pixels is not None and pixels.length != 0:
        told[pixels.tag] = {"vr": pixels.vr, "BulkDataURI": f"{address}/bulkdata/{pixels.tag}"}
    return dict(sorted(told.items()))


def _elements_json(elements: Elements, syntax: str, address: str, signed: bool = False) -> dict[str, Any]:
    signed = elements.first(_SIGN) == "1" if elements.has_value(_SIGN) else signed
    told: dict[str, Any] = {}
    for tag, (written, value) in sorted(elements.found.items()):
        if not tag & 0xFFFF or tag >> 16 <= 2 or tag >> 16 == 0xFFFE:
            continue
        name = f"{tag:08X}"
        vr = _certain(vr_of(tag, written), value, signed)
        if tag == _CHARACTER_SET:
            told[name] = {"vr": "CS", "Value": ["ISO_IR 192"]}
        elif vr == "SQ":
            items = elements.items(tag, _MOST_ITEMS)
            within = [_elements_json(item, syntax, f"{address}{name}/{place}/", signed) for place, item in enumerate(items)]
            told[name] = {"vr": "SQ", "Value": within} if within else {"vr": "SQ"}
        elif vr in _BINARY or len(value) > VALUE_LIMIT:
            told[name] = _binary_json(vr, value, syntax, address + name)
        else:
            told[name] = element_json(vr, decode_values(vr, value, elements.order, elements.encodings))
    return told


def _binary_json(vr: str, value: bytes, syntax: str, address: str) -> dict[str, Any]:
    if not value:
        return {"vr": vr}
    if len(value) > INLINE:
        return {"vr": vr, "BulkDataURI": address}
    return {"vr": vr, "InlineBinary": b64encode(little_endian(vr, value, syntax)).decode("ascii")}


def little_endian(vr: str, value: bytes, syntax: str) -> bytes:
    """Give binary numbers little endian, as they are in JSON and as bulk data (PS3.18 F.2.7)."""
    width = _WIDTHS.get(vr, 1) if syntax == EXPLICIT_BIG else 1
    if width == 1 or len(value) % width:
        return value
    return b"".join(value[at : at + width][::-1] for at in range(0, len(value), width))


def value_at(header: Header, path: str) -> bytes:
    """Give a value by the path that its address has: tags, and numbers of items between them. Raises NotHeld."""
    elements, parts = header.elements, path.strip("/").split("/")
    for tag, item in zip(parts[:-1:2], parts[1::2], strict=False):
        items = elements.items(_tag(tag), _MOST_ITEMS)
        if not item.isdigit() or len(item) > 9 or int(item) >= len(items):
            raise NotHeld
        elements = items[int(item)]
    found = elements.found.get(_tag(parts[-1])) if len(parts) % 2 else None
    if found is None:
        raise NotHeld
    vr = vr_of(_tag(parts[-1]), found[0])
    if vr == "SQ":
        raise NotHeld
    return little_endian(vr, found[1], header.transfer_syntax)


def _tag(text: str) -> int:
    if len(text) != 8 or not all(it in "0123456789abcdefABCDEF" for it in text):
        raise NotHeld
    return int(text, 16)


def _certain(vr: str, value: bytes, signed: bool) -> str:
    """Choose a VR where the dictionary leaves a choice, and none is written (PS3.5 annex A.1)."""
    if " or " not in vr:
        return vr or "UN"
    if "SS" in vr and len(value) <= 6:
        return "SS" if signed else "US"
    return "OW" if "OW" in vr else "UN"
