"""Segments, fields and components of an HL7 version 2 message, out of their text and without its escapes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

#: What says in a field that it is to be emptied; a field without anything leaves what is there.
NULL = '""'
_MOMENT = re.compile(r"(\d{8})(?:(\d{2}(?:\d{2}(?:\d{2})?)?)(\.\d{1,4})?)?([+-]\d{4})?")


class OrderError(Exception):
    """An order message cannot be read. The argument says why, with the field."""


@dataclass(frozen=True, slots=True)
class Separators:
    """The characters that MSH-1 and MSH-2 name."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    part: str = "&"

    def plain(self, text: str) -> str:
        """Replace escapes by what they stand for; formatting by a blank, what is not known by nothing (HL7 2.7)."""
        if not self.escape or self.escape not in text:
            return text
        pieces = text.split(self.escape)
        return "".join(piece if place % 2 == 0 else self._escaped(piece) for place, piece in enumerate(pieces))

    def _escaped(self, code: str) -> str:
        stands = {"F": self.field, "S": self.component, "T": self.part, "R": self.repetition, "E": self.escape}
        if code[:1] == "X" and re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", code[1:]):
            return bytes.fromhex(code[1:]).decode("latin-1")
        return stands.get(code, " " if code.startswith(".") else "")


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment. Fields, components and parts count from 1, as in the standard; what is not there is ""."""

    name: str
    fields: tuple[str, ...]
    separators: Separators

    def raw(self, field: int) -> str:
        """Give a field as it stands in the message."""
        return self.fields[field - 1].strip() if field <= len(self.fields) else ""

    def repetitions(self, field: int) -> list[str]:
        """Give the repetitions of a field, those without anything left out."""
        return [one for one in self.raw(field).split(self.separators.repetition or "\n") if one]

    def text(self, field: int, component: int = 1, part: int = 1) -> str:
        """Give a component of the first repetition of a field."""
        repetitions = self.repetitions(field)
        return self.of(repetitions[0], component, part) if repetitions else ""

    def of(self, repetition: str, component: int, part: int = 1) -> str:
        """Give a component of a repetition."""
        components = repetition.split(self.separators.component or "\n")
        parts = components[component - 1].split(self.separators.part or "\n") if component <= len(components) else []
        return self.separators.plain(parts[part - 1]).strip() if part <= len(parts) else ""

    def whole(self, field: int) -> str:
        """Give a field that is one text, with blanks for line breaks."""
        return " ".join(self.separators.plain(self.raw(field)).split())

    def first(self, *places: tuple[int, int]) -> str:
        """Give the first of some components, by field and component, that says something."""
        return next((told for field, component in places if (told := self.text(field, component))), "")

    def moment(self, field: int, component: int = 1) -> tuple[str, str]:
        """Give the day and the time of a time stamp; two NULLs for one that is to be emptied. Raises OrderError."""
        text = self.text(field, component)
        if text in ("", NULL):
            return text, text
        found = _MOMENT.fullmatch(text)
        if found is None:
            raise OrderError(f'{self.name}-{field}: "{text[:26]}" is no time stamp')
        day, clock, fraction, _zone = found.groups()
        return day, (clock or "") + (fraction or "")


def segments_of(text: str) -> Iterator[Segment]:
    """Take a message whose segments are apart by CR to pieces; MSH-2 is its second field as in the standard."""
    lines = [line for line in text.split("\r") if line]
    separators = _separators(lines[0]) if lines else Separators()
    for line in lines:
        name, *fields = line.split(separators.field)
        yield Segment(name, (separators.field, *fields) if name == "MSH" else tuple(fields), separators)


def _separators(header: str) -> Separators:
    one = header[3:4] or "|"
    encoding = [*header[4:].split(one, 1)[0], "", "", "", ""]
    return Separators(one, *encoding[:4])
