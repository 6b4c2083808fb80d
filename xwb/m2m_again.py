"""M-to-M documents written once more with other values: what is replaced is replaced in place, every other byte stays.

So the spelling of whoever wrote a document is kept: quotes, blanks, line feeds, the order of attributes, entities.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from xwb.array import parse_subscripts
from xwb.errors import BadSubscript, CannotEncode
from xwb.events import EOT
from xwb.m2m import Document, Source, parse_request, read_request
from xwb.m2m_answer import M2MAnswer, clear, find_lines, find_text, parse_answer
from xwb.markup import Started, Text, attribute_place, quote
from xwb.parameters import Empty, ListParameter, Literal, Parameter, Reference

Edit = tuple[int, int, bytes]
"""From where to where, and what comes there."""

_KNOWN = (
    rb"""(?:type|mode|method|version|encoding|code|success)\s*+=\s*+(?:"[\w. -]*+"|'[\w. -]*+')"""
    rb"""|(?:position|name)\s*+=\s*+(?:"\d*+"|'\d*+')"""
)
_URI = rb"""uri\s*+=\s*+(?:"[^"<]*+"|'[^'<]*+')"""


def _markup(named: bytes, *others: bytes) -> re.Pattern[bytes]:
    """Match a document of some elements and their known attributes, without any text; one of them names a procedure."""
    known = rb"(?:\s++(?:%b))*+\s*+" % _KNOWN
    with_uri = rb"(?:\s++(?:%b|%b))*+\s*+" % (_KNOWN, _URI)
    return re.compile(
        rb"\s*+(?:<\?xml%b\?>)?+(?:\s++|<!\[CDATA\[\]\]>|</?+(?:%b%b|(?:%b)%b)/?+>)*+"
        % (known, named, with_uri, b"|".join(others), known)
    )


_CALL = _markup(b"rpc", b"vistalink", b"params", b"param", b"indices", b"index")
_ANSWER = _markup(b"error", b"vistalink", b"results", b"errors", b"msg")


def is_plain_call(message: bytes) -> bool:
    """Tell whether nothing but markup stands in a call's document besides the values of its parameters.

    Comments, elements and attributes that are not of this wire, and parameters that are not passed, could hold anything.
    So could a section with entities, which are none where VistA reads them but may be for its writer.
    """
    written = _Call(message)
    if written.request.document is Document.OTHER or any(map(written.is_doubtful, written.sources)):
        return False
    edits = (edit for source, it in written.pairs() for edit in written.edits(source, it, _emptied(it)))
    return _CALL.fullmatch(written.edited(edits)) is not None


def encode_m2m_call_again(message: bytes, parameters: Sequence[Parameter]) -> bytes:
    """Write a call's document with other parameters, of the same types and with as many nodes.

    Raises CannotEncode where the document would not be read as these, for example because a value is empty.
    """
    written = _Call(message)
    if len(written.sources) != len(parameters):
        raise CannotEncode(f"The document has {len(written.sources)} parameters, not {len(parameters)}.")
    changes = zip(written.pairs(), parameters, strict=True)
    made = written.edited(edit for (source, was), now in changes if was != now for edit in written.edits(source, was, now))
    if parse_request(made) != replace(written.request, parameters=tuple(parameters)):
        raise CannotEncode("The document cannot hold these parameters.")
    return made + EOT


def is_plain_answer(message: bytes) -> bool:
    """Tell whether a message is one answer, and nothing but markup stands in it besides its lines or its error's text."""
    document = message.removesuffix(EOT)
    found = find_text(document)
    rest = _edited(document, [(*found.span("text"), b"")] if found else [])
    return document != message and bool(parse_answer(document).type) and _ANSWER.fullmatch(rest) is not None


class _Call:
    """A call's document, and where its values stand: in the document without line feeds, as it is read."""

    def __init__(self, message: bytes) -> None:
        self.document = message.removesuffix(EOT)
        self.read = self.document.replace(b"\n", b"")
        self.request, self.sources = read_request(self.read)
        self._lost = [found.start() - count for count, found in enumerate(re.finditer(b"\n", self.document))]

    def pairs(self) -> Iterator[tuple[Source, Parameter]]:
        """Give each parameter and what it is made of."""
        return zip(self.sources, self.request.parameters, strict=True)

    def is_doubtful(self, source: Source) -> bool:
        """Tell whether a section of a parameter has an ampersand."""
        texts = chain(source.parts, *(parts for _, parts in source.nodes.values()))
        return any(b"&" in text.data and self.read.startswith(b"<![CDATA[", text.start) for text in texts)

    def edits(self, source: Source, was: Parameter, now: Parameter) -> Iterator[Edit]:
        """Give what changes one parameter to another. Raises CannotEncode."""
        match was, now:
            case (Literal(), Literal(value)) | (Reference(), Reference(value)):
                yield from _replaced(source.parts, value)
            case ListParameter(before), ListParameter(after) if len(before) == len(after):
                for (tag, parts), (old_key, old), (key, new) in zip(source.nodes.values(), before, after, strict=True):
                    if new != old:
                        yield from _replaced(parts, new)
                    if key != old_key:
                        yield self._renamed(tag, key)
            case Empty(), Empty():
                return
            case _:
                raise CannotEncode("A parameter's type and the number of its nodes stay.")

    def _renamed(self, tag: Started, key: bytes) -> Edit:
        try:
            name = "".join(parse_subscripts(key)) if key else ""
        except BadSubscript as error:
            raise CannotEncode("A node's name is no subscript.") from error
        return *attribute_place(self.read, tag.start, b"name"), quote(name.encode("iso-8859-1"))

    def edited(self, edits: Iterable[Edit]) -> bytes:
        """Give the document with other bytes in some places."""
        return _edited(self.document, ((self._place(start), self._place(end - 1) + 1, new) for start, end, new in edits))

    def _place(self, read: int) -> int:
        """Tell where a byte stands in the whole document: so many line feeds stand before it."""
        return read + bisect_right(self._lost, read)


def _emptied(parameter: Parameter) -> Parameter:
    match parameter:
        case Literal() | Reference():
            return replace(parameter, value=b"")
        case ListParameter(pairs):
            return replace(parameter, pairs=((b"", b""),) * len(pairs))
    return parameter


def _replaced(parts: Sequence[Text], value: bytes) -> Iterator[Edit]:
    """Put a value in the place of a text's first part; the others get empty."""
    new = quote(value)
    for part in parts:
        yield part.start, part.end, new
        new = b""


def _edited(document: bytes, edits: Iterable[Edit]) -> bytes:
    pieces, place = [], 0
    for start, end, new in sorted(edits):
        pieces += [document[place:start], new]
        place = end
    return b"".join([*pieces, document[place:]])


def encode_m2m_answer_again(message: bytes, answer: M2MAnswer) -> bytes:
    """Write an answer's document with other lines, or another error's text; lines that are the same keep their bytes.

    Raises CannotEncode where the document would not be read as this answer.
    """
    document = message.removesuffix(EOT)
    found = find_text(document)
    if found is None:
        raise CannotEncode("The document is no answer.")
    if find_lines(document):
        written = found["text"].split(b"\n")
        lines = [old if clear(old) == line else quote(line) for old, line in zip(written, answer.lines, strict=False)]
        new = b"\n".join(lines + written[len(lines) :])
    else:
        new = answer.text if found["section"] else quote(answer.text)
    made = _edited(document, [(*found.span("text"), new)])
    if parse_answer(made) != answer:
        raise CannotEncode("The document cannot hold this answer.")
    return made + EOT
