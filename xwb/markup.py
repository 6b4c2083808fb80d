"""Markup as VistA's parser takes it (`EN^MXMLPRSE`): a document's elements, attributes and text, up to its first fault.

It works on bytes, whatever encoding a document names: VistA reads and writes the eight bits of every byte as they are. A
document type declaration is a fault, so that nobody can declare entities: there are XML's five and the numbered ones.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field

from xwb.errors import BadMarkup

DEPTH_LIMIT = 100
"""Elements in elements; the documents of this wire need six."""
ATTRIBUTE_LIMIT = 100

_SPACE = b"\t\n\r "
_SPACES = rb"[\t\n\r ]*"
_NAME = rb"[A-Za-z_:][A-Za-z0-9_:.-]{0,254}"
_PROLOG = re.compile(_SPACES + rb"<\?xml[\t\n\r ]")
_TAG = re.compile(rb"<(/?)(" + _NAME + rb")")
_ATTRIBUTE = re.compile(_SPACES + b"(" + _NAME + b")" + _SPACES + b"=" + _SPACES + rb"""(?:"([^"<]*)"|'([^'<]*)')""")
_TAG_END = re.compile(_SPACES + rb"(/?)>")
_REFERENCE = re.compile(rb"&(?:(#?[A-Za-z0-9]{1,12});)?")
_NUMBER = re.compile(r"#(?:x([0-9A-Fa-f]{1,6})|([0-9]{1,6}))")

ENTITIES = {b"&": b"&amp;", b"<": b"&lt;", b">": b"&gt;", b"'": b"&apos;", b'"': b"&quot;", b"[": b"&#91;", b"]": b"&#93;"}
_BY_ENTITY = {entity: character for character, entity in reversed(ENTITIES.items())}  # the ampersand's comes last
_NAMED = {entity[1:-1]: character for entity, character in _BY_ENTITY.items()}
_MARKUP = re.compile(rb"[&<>'\"\[\]]")
_CONTROLS = bytes(range(1, 32))


@dataclass(frozen=True, slots=True)
class Started:
    """An element began; its tag stands at `start`."""

    name: bytes
    attributes: Mapping[bytes, bytes] = field(default_factory=dict)
    start: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Ended:
    """An element ended."""

    name: bytes


@dataclass(frozen=True, slots=True)
class Text:
    """Text inside an element; one text may come in several parts. It stands from `start` to `end`, a section whole."""

    data: bytes
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)


Mark = Started | Ended | Text


def escape(value: bytes) -> bytes:
    """Write a value: markup and square brackets as entities, control characters but NUL left out (`CHARCHK^XWBUTL`)."""
    return quote(value).translate(None, _CONTROLS)


def quote(value: bytes) -> bytes:
    """Write markup and square brackets as entities, and every other byte as it is."""
    return _MARKUP.sub(lambda match: ENTITIES[match[0]], value)


def unescape(value: bytes) -> bytes:
    """Put characters for entities. Raises BadMarkup for an ampersand that begins none, and for a control character."""
    if b"&" not in value:
        return value
    if sum(map(value.count, _BY_ENTITY)) < value.count(b"&"):
        return _REFERENCE.sub(_character, value)
    for entity, character in _BY_ENTITY.items():
        value = value.replace(entity, character)
    return value


def _character(found: re.Match[bytes]) -> bytes:
    name = found[1]
    if name in _NAMED:
        return _NAMED[name]
    number = _NUMBER.fullmatch((name or b"").decode("ascii"))
    if number is None:
        raise BadMarkup(f"{found[0][:20]!r} is no entity")
    code = int(number[1], 16) if number[1] else int(number[2])
    if code < 32 and code not in _SPACE:
        raise BadMarkup(f"character {code} is not allowed")
    return bytes((code,)) if code < 256 else b""  # $CHAR of what is no byte is empty


def read_markup(document: bytes) -> Iterator[Mark]:
    """Give a document's marks in order. Raises BadMarkup at the first fault; what came before it has been given."""
    open_elements: list[bytes] = []
    place = _after_prolog(document)
    begun = False
    while (begins := document.find(b"<", place)) >= 0:
        yield from _text(document, place, begins, inside=bool(open_elements))
        if document.startswith(b"<!--", begins):
            place = _after(document, b"-->", begins + 4)
        elif document.startswith(b"<![CDATA[", begins) and open_elements:
            place = _after(document, b"]]>", begins + 9)
            yield Text(document[begins + 9 : place - 3], begins, place)
        elif document.startswith(b"<?", begins):
            place = _after(document, b"?>", begins + 2)
        else:
            tag = _TAG.match(document, begins)
            if tag is None or (begun and not open_elements):
                raise BadMarkup("an element's tag was expected, and one outermost element")
            place = yield from _tag(document, tag, open_elements)
            begun = True
    yield from _text(document, place, len(document), inside=bool(open_elements))
    if open_elements or not begun:
        raise BadMarkup("the document ends before its outermost element")


def _after_prolog(document: bytes) -> int:
    return _after(document, b"?>", found.end()) if (found := _PROLOG.match(document)) else 0


def _after(document: bytes, what: bytes, start: int) -> int:
    found = document.find(what, start)
    if found < 0:
        raise BadMarkup(f"the document ends before {what.decode('ascii')!r}")
    return found + len(what)


def attribute_place(document: bytes, start: int, name: bytes) -> tuple[int, int]:
    """Tell from where to where the value of an attribute stands, between its quotes, in the tag that begins at `start`."""
    tag = _TAG.match(document, start)
    place = tag.end() if tag else start
    while found := _ATTRIBUTE.match(document, place):
        if found[1] == name:
            return found.span(2 if found[2] is not None else 3)
        place = found.end()
    raise BadMarkup(f"there is no {name.decode('ascii')}")


def _text(document: bytes, start: int, end: int, *, inside: bool) -> Iterator[Text]:
    data = document[start:end]
    if data and inside:
        yield Text(unescape(data), start, end)
    elif data.strip(_SPACE):
        raise BadMarkup("text stands outside of the outermost element")


def _tag(document: bytes, tag: re.Match[bytes], open_elements: list[bytes]) -> Generator[Mark, None, int]:
    """Read a tag and give the place behind it. An element has begun as soon as its attributes are read."""
    closes, name = tag[1], tag[2]
    place = tag.end()
    if closes:
        if not open_elements or open_elements.pop() != name:
            raise BadMarkup(f"</{name.decode('ascii')}> ends nothing")
    else:
        attributes: dict[bytes, bytes] = {}
        while found := _ATTRIBUTE.match(document, place):
            if found[1] in attributes or len(attributes) == ATTRIBUTE_LIMIT:
                raise BadMarkup(f"a <{name.decode('ascii')}> has an attribute twice, or too many")
            attributes[found[1]] = unescape(found[2] if found[2] is not None else found[3])
            place = found.end()
        if len(open_elements) == DEPTH_LIMIT:
            raise BadMarkup("there are too many elements in elements")
        open_elements.append(name)
        yield Started(name, attributes, tag.start())
    end = _TAG_END.match(document, place)
    if end is None or (closes and end[1]):
        raise BadMarkup(f"the tag of {name.decode('ascii')} has no end")
    if end[1]:
        open_elements.pop()
    if closes or end[1]:
        yield Ended(name)
    return end.end()
