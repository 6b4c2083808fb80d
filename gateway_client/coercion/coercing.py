"""Attributes that are set, copied, emptied or removed on the way to a destination."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pydicom import config
from pydicom.valuerep import validate_value

from gateway_client.coercion.attributes import name_of, parse_attribute
from gateway_client.errors import CoercionError, ModificationError
from gateway_client.objects.editing import Edit, Editor, Level, edit
from gateway_client.objects.header import TagPath
from gateway_client.objects.modification import Work, written_texts
from gateway_client.objects.repertoire import carry, terms_of
from gateway_client.objects.scanning import known_vr
from gateway_client.objects.spans import Bytes, Encoding, Reader
from gateway_client.objects.splicing import SPECIFIC_CHARACTER_SET, Change, Modified
from runtime import CoerceSettings

_Write = Callable[[Mapping[int, str]], Mapping[int, bytes]]
#: VRs that a text can be written in; of some a backslash is a character, not the border between two values.
_SINGLE, _TEXTS = {"LT", "ST", "UT", "UR"}, {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "PN", "SH", "TM", "UC", "UI"}
#: Which object it is, how it is encoded, and its pixels: not for a setting to say.
_FIXED = {SPECIFIC_CHARACTER_SET, 0x00080016, 0x00080018}


@dataclass(frozen=True, slots=True)
class Coercion:
    """One attribute and what becomes of it: `text` or another attribute's value, or its own, between prefix and suffix.

    `when` has patterns of what attributes of the data set have to be; a missing one is an empty one.
    """

    path: TagPath
    text: str | None = None
    copied: int | None = None
    prefix: str = ""
    suffix: str = ""
    empties: bool = False
    removes: bool = False
    when: Mapping[int, str] | None = None

    @property
    def tag(self) -> int:
        """The attribute."""
        return self.path[-1]

    @property
    def vr(self) -> str:
        """Its VR."""
        return known_vr(self.tag) or "UN"

    def applies(self, root: Level) -> bool:
        """Tell whether it is for a data set."""
        return all(fnmatchcase("\\".join(root.texts(tag)), pattern) for tag, pattern in (self.when or {}).items())

    def value(self, level: Level, root: Level) -> str | None:
        """Give the new value; None where there is nothing to make it of."""
        if self.text is not None:
            value = self.text
        else:
            source, tag = (level, self.tag) if self.copied is None else (root, self.copied)
            value = "\\".join(source.texts(tag))
            if not value:
                return None
        value = f"{self.prefix}{value}{self.suffix}"
        check_value(self.tag, self.vr, value, ModificationError)
        return value


def parse_coercions(tables: Sequence[CoerceSettings]) -> tuple[Coercion, ...]:
    """Take over settings. Raises CoercionError."""
    return tuple(_parse(table) for table in tables)


def check_value(tag: int, vr: str, value: str, error: type[Exception]) -> None:
    """Raise an error where a value does not fit its VR (PS3.5 6.2)."""
    for one in [value] if vr in _SINGLE else value.split("\\"):
        try:
            validate_value(vr, one, config.RAISE)
        except (ValueError, TypeError) as problem:
            raise error(f"{name_of(tag)} cannot be {value!r}: {problem}") from problem
        if not all(character.isprintable() for character in one):
            raise error(f"{name_of(tag)} cannot be {value!r}: it has characters that cannot be printed.")


def coerce(coercions: Sequence[Coercion]) -> Change:
    """Make attributes what settings say; of several for one attribute the last that applies counts.

    Copies and conditions are of the data set as it was.
    """

    def change(data: Bytes, encoding: Encoding) -> Modified | None:
        reader = Reader(data)

        def top(level: Level) -> Edit:
            applying = [(it.path, it) for it in coercions if it.applies(level)]
            return _edit(
                level, level, applying, lambda texts: written_texts(Work(reader, level.found, level.encoding), level.spans, texts)
            )

        return edit(data, encoding, top)

    return change


def _parse(table: CoerceSettings) -> Coercion:
    path = parse_attribute(table.attribute)
    copied = None if table.copy_from is None else parse_attribute(table.copy_from)
    when = {parse_attribute(name): pattern for name, pattern in table.when.items()}
    for source in (*when, *([copied] if copied else [])):
        if len(source) > 1 or known_vr(source[0]) not in _TEXTS | _SINGLE:
            raise CoercionError(f"{name_of(source[-1])} is no text of the data set itself, and is nothing to copy or compare.")
    found = Coercion(
        path,
        table.set,
        copied[0] if copied else None,
        table.prefix,
        table.suffix,
        table.empty,
        table.remove,
        {tag: pattern for (tag,), pattern in when.items()},
    )
    _check(found)
    return found


def _check(found: Coercion) -> None:
    """Raise CoercionError for what no object may be given."""
    tag, name = found.tag, name_of(found.tag)
    if tag in _FIXED or tag >> 16 in (0x0002, 0x7FE0) or tag >> 16 >= 0xFFFA or not tag & 0xFFFF:
        raise CoercionError(f"{name} says what an object is, or how it is written; it cannot be coerced.")
    if found.removes:
        return
    if not known_vr(tag):
        raise CoercionError(f"{name} is in no dictionary; it can be removed, not set.")
    if not found.empties and found.vr not in _TEXTS | _SINGLE:
        raise CoercionError(f"{name} has VR {found.vr}, which is no text; it can be emptied or removed, not set.")
    if found.text is not None:
        check_value(tag, found.vr, f"{found.prefix}{found.text}{found.suffix}", CoercionError)


def _edit(level: Level, root: Level, coercions: Sequence[tuple[TagPath, Coercion]], write: _Write) -> Edit:
    """Say what becomes of a level; the paths are what is left of the way to each attribute from here."""
    found, texts = Edit(), dict[int, str]()
    below: dict[int, list[tuple[TagPath, Coercion]]] = {}
    for (tag, *rest), one in coercions:
        if rest:
            below.setdefault(tag, []).append((tuple(rest), one))
            continue
        value = "" if one.empties else None if one.removes else one.value(level, root)
        if value is not None or one.removes:
            found.gone.discard(tag)
            texts.pop(tag, None)
        if value is not None:
            texts[tag] = value
        elif one.removes:
            found.gone.add(tag)
    found.written = {tag: (known_vr(tag), value) for tag, value in write(texts).items()}
    found.entered = {tag: _entering(root, inner) for tag, inner in below.items() if tag in level.found}
    return found


def _entering(root: Level, coercions: Sequence[tuple[TagPath, Coercion]]) -> Editor:
    return lambda level: _edit(level, root, coercions, lambda texts: _carried(level, texts))


def _carried(level: Level, texts: Mapping[int, str]) -> dict[int, bytes]:
    """Write values in an item, whose character set stays as it is."""
    found = {}
    for tag, text in texts.items():
        value = carry(text, terms_of(level.character_set))
        if value is None:
            raise ModificationError(f"The character set in force there cannot carry {text!r} for {name_of(tag)} in a sequence.")
        found[tag] = value
    return found
