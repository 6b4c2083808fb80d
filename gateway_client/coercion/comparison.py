"""What is different in an object that was changed, for people to read."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gateway_client.coercion.attributes import name_of
from gateway_client.errors import ModificationError
from gateway_client.objects.editing import Level, level_of, top_level
from gateway_client.objects.elements import DEFLATED
from gateway_client.objects.part10 import HEAD_LIMIT, decode_head
from gateway_client.objects.spans import Bytes, FileBytes, Reader, encoding_of
from runtime import inflate

#: Bytes of a deflated data set that are looked at, and of a value that are compared.
_INFLATED, _COMPARED = 64 << 20, 1 << 20
#: Pixels, and what comes behind them, are not looked at.
_PIXELS = 0x7FE00000


@dataclass(frozen=True, slots=True)
class Difference:
    """An element, behind the items that it lies in, and its values; None where it is missing."""

    name: str
    before: str | None
    after: str | None


#: The place of an element: the tags and numbers of items on the way to it.
_Key = tuple[int, ...]


def compare(before: Path, after: Path) -> list[Difference]:
    """Give the elements before the pixels that differ in two DICOM files. Raises NotPart10, ModificationError and OSError."""
    with before.open("rb") as one, after.open("rb") as other:
        first, second = _elements(one, before), _elements(other, after)
    return [
        Difference((first.get(key) or second[key]).name, _text(first.get(key)), _text(second.get(key)))
        for key in sorted(first.keys() | second.keys())
        if first.get(key) != second.get(key)
    ]


@dataclass(frozen=True, slots=True)
class _Element:
    name: str
    value: bytes
    text: str


def _text(element: _Element | None) -> str | None:
    return None if element is None else element.text


def _elements(file: BinaryIO, path: Path) -> dict[_Key, _Element]:
    meta = decode_head(file.read(HEAD_LIMIT), path)
    data: Bytes = FileBytes(file, meta.offset)
    if meta.transfer_syntax == DEFLATED:
        try:
            data = inflate(data[0 : len(data)], _INFLATED)
        except zlib.error as error:
            raise ModificationError("The data set is not deflated, though its transfer syntax says so.") from error
    reader = Reader(data)
    return dict(_found(reader, top_level(reader, encoding_of(meta.transfer_syntax)), (), ""))


def _found(reader: Reader, level: Level, above: _Key, way: str) -> Iterator[tuple[_Key, _Element]]:
    for span in level.spans:
        if span.tag >= _PIXELS or not span.tag & 0xFFFF:
            continue
        key, name = (*above, span.tag), f"{way}{name_of(span.tag)}"
        if level.vr(span.tag) != "SQ":
            value = level.data[span.value : min(span.after, span.value + _COMPARED)].rstrip(b" \0")
            size = span.after - span.value
            shown = "\\".join(level.texts(span.tag)) or (f"{size} bytes" if value else "")
            yield key, _Element(name, value, shown)
            continue
        items = reader.items(span, level.encoding)
        yield key, _Element(name, b"", f"{len(items)} items")
        for number, item in enumerate(items, 1):
            inner = level_of(reader.data, item.spans, item.encoding, level.character_set)
            yield from _found(reader, inner, (*key, number), f"{name}[{number}]>")
