"""M arrays as values: subscripts, their collation, and the array that a list parameter becomes."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Generic, TypeVar

from xwb.errors import BadSubscript
from xwb.numbers import m_text

Subscripts = tuple[str, ...]
"""Where a node stands. Each is in canonical form, so that `1`, `01` and `"1"` name the same node, `"01"` another."""

Key = str | int | Subscripts | tuple[str | int, ...]

Evaluate = Callable[[str], str]
"""Gives the value of an M expression; what it raises goes through."""

V = TypeVar("V", bytes, str)
W = TypeVar("W", bytes, str)

LIST_EMPTY = b"\x01"
"""How clients of the Broker Development Kit send an empty list value (`LINST^XWBPRS`)."""

_CANONICAL = re.compile(r"(?:0|-?(?:[1-9][0-9]*(?:\.[0-9]*[1-9])?|\.[0-9]*[1-9]))\Z")
_NUMBER = re.compile(r"([+-]*)([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:E([+-]?[0-9]{1,3}))?")
_STRING = re.compile(r'"((?:[^"]|"")*)"')
_DIGITS = 18  # significant digits of an M number; a longer one is a string
_EXPONENT = 43  # beyond it an M number overflows


def is_canonical(subscript: str) -> bool:
    """Tell whether M takes this subscript for a number: no leading zero, no trailing zero after the point, no plus."""
    return _CANONICAL.match(subscript) is not None and sum(map(str.isdigit, subscript)) <= _DIGITS


def collation_key(subscript: str) -> tuple[int, int | Decimal | str]:
    """Give what sorts subscripts as M does: numbers by value, then strings by byte."""
    if is_canonical(subscript):
        return (0, int(subscript) if "." not in subscript else Decimal(subscript))
    return (1, subscript)


def parse_subscripts(text: bytes, evaluate: Evaluate | None = None) -> Subscripts:
    """Read the subscripts of one pair, for example `"TEXT",1,0`.

    VistA pastes the text into `XWBSn(...)` and evaluates it (`LINST^XWBPRS`). Of M's expressions only numeric and
    string literals are understood here; any other, a bare `ABC` for instance, is given to `evaluate`. Without that, and
    for an empty subscript, it raises BadSubscript, and a broker answers an M error.
    """
    if text.isdigit() and (text[0] != 48 or len(text) == 1) and len(text) <= _DIGITS:
        return (text.decode("ascii"),)
    source = text.decode("iso-8859-1")
    subscripts = []
    position = 0
    while True:
        if (string := _STRING.match(source, position)) and _ends(source, string.end()):
            subscripts.append(string[1].replace('""', '"'))
            position = string.end()
        elif (number := _NUMBER.match(source, position)) and _ends(source, number.end()):
            subscripts.append(_canonical(number, text))
            position = number.end()
        elif evaluate is not None and (expression := first_expression(source, ",", position)):
            subscripts.append(evaluate(expression))
            position += len(expression)
        else:
            raise BadSubscript(text)
        if position == len(source):
            break
        position += 1
    if "" in subscripts:
        raise BadSubscript(text)
    return tuple(subscripts)


def _ends(source: str, position: int) -> bool:
    """Tell whether a subscript ends here."""
    return position == len(source) or source[position] == ","


def first_expression(text: str, ends: str, start: int = 0) -> str:
    """Give a text up to the first of some characters that stands neither in quotes nor in parentheses (VCHK^XWBPRS)."""
    depth, quoted = 0, False
    for place in range(start, len(text)):
        char = text[place]
        if char == '"':
            quoted = not quoted
        elif not quoted:
            depth += (char == "(") - (char == ")")
            if depth <= 0 and char in ends:
                return text[start:place]
    return text[start:]


def _canonical(number: re.Match[str], text: bytes) -> str:
    """Bring a numeric literal into canonical form: `1.50` to `1.5`, `+007` to `7`, `-0` to `0`, `1E2` to `100`."""
    signs, digits, exponent = number.groups()
    if len(digits) > 2 * _EXPONENT or abs(int(exponent or 0)) > _EXPONENT:
        raise BadSubscript(text)
    value = Decimal(digits).scaleb(int(exponent or 0))
    if signs.count("-") % 2:
        value = -value
    return m_text(value)


def format_subscripts(subscripts: Subscripts) -> bytes:
    """Write subscripts as they go on the wire: numbers bare, strings in M quotes, levels apart by commas."""
    if not subscripts or "" in subscripts:
        raise BadSubscript(",".join(subscripts).encode("iso-8859-1", "replace"))
    parts = [part if is_canonical(part) else '"' + part.replace('"', '""') + '"' for part in subscripts]
    return ",".join(parts).encode("iso-8859-1", "replace")


def _subscripts(key: Key) -> Subscripts:
    if isinstance(key, tuple):
        return tuple(map(str, key))
    return (str(key),)


def _sort_key(subscripts: Subscripts) -> tuple[tuple[int, int | Decimal | str], ...]:
    return tuple(map(collation_key, subscripts))


@dataclass(frozen=True)  # no slots: they and Generic break `LocalArray[bytes](...)`
class LocalArray(Generic[V]):
    """An M local array.

    `root` is the value of the unsubscripted node, None when it has none; that of a list parameter is empty, not
    undefined. `nodes` stands in M collation, whatever order the pairs came in: a node before its descendants ($QUERY
    order). Make one with `from_pairs` or `from_mapping`; the constructor trusts its arguments.
    """

    root: V | None = None
    nodes: dict[Subscripts, V] = field(default_factory=dict)

    @staticmethod
    def from_pairs(
        pairs: Iterable[tuple[bytes, bytes]], root: bytes | None = b"", evaluate: Evaluate | None = None
    ) -> "LocalArray[bytes]":
        """Build the array that VistA makes of a list parameter; of equal subscripts the last wins.

        A value of the single byte 0x01 means an empty one. Raises BadSubscript, and whatever `evaluate` raises.
        """
        nodes = {parse_subscripts(text, evaluate): b"" if value == LIST_EMPTY else value for text, value in pairs}
        return LocalArray(root, _collated(nodes))

    @staticmethod
    def from_mapping(values: Mapping[Key, W], root: W | None = None) -> "LocalArray[W]":
        """Build an array from Python values; a key is a subscript or a tuple of them, a number or a text."""
        return LocalArray(root, _collated({_subscripts(key): value for key, value in values.items()}))

    def to_pairs(self: "LocalArray[bytes]") -> tuple[tuple[bytes, bytes], ...]:
        """Give the pairs of a list parameter; the root node has no form there."""
        return tuple((format_subscripts(subscripts), value) for subscripts, value in self.nodes.items())

    def decoded(self: "LocalArray[bytes]", charset: str = "iso-8859-1") -> "LocalArray[str]":
        """Decode values and subscripts; bytes that the character set does not know become U+FFFD."""

        def text(subscripts: Subscripts) -> Subscripts:
            return tuple(part.encode("iso-8859-1").decode(charset, "replace") for part in subscripts)

        key: Callable[[Subscripts], Subscripts] = tuple if charset == "iso-8859-1" else text
        nodes = {key(subscripts): value.decode(charset, "replace") for subscripts, value in self.nodes.items()}
        return LocalArray(None if self.root is None else self.root.decode(charset, "replace"), nodes)

    def get(self, key: Key, default: V | None = None) -> V | None:
        """Give a node's value ($GET); `default` where it has none."""
        return self.nodes.get(_subscripts(key), default)

    def __getitem__(self, key: Key) -> V:
        return self.nodes[_subscripts(key)]

    def __contains__(self, key: Key) -> bool:
        return _subscripts(key) in self.nodes

    def __iter__(self) -> Iterator[Subscripts]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def items(self) -> Iterable[tuple[Subscripts, V]]:
        """Give the nodes with their values in M collation, the root not among them."""
        return self.nodes.items()

    def values(self) -> Iterable[V]:
        """Give the values in M collation, that of the root not among them."""
        return self.nodes.values()

    def first_level(self) -> list[tuple[str, V | None]]:
        """Give every first subscript in order ($ORDER), with None for a node that has descendants only."""
        first: dict[str, V | None] = {}
        for subscripts, value in self.nodes.items():
            if len(subscripts) == 1:
                first[subscripts[0]] = value
            else:
                first.setdefault(subscripts[0], None)
        return list(first.items())

    def last(self) -> str | None:
        """Give the highest first subscript ($ORDER backwards), None for an array without nodes."""
        return next(reversed(self.nodes))[0] if self.nodes else None


def _collated(nodes: dict[Subscripts, V]) -> dict[Subscripts, V]:
    """Sort nodes unless they come as most clients send them: 1, 2, 3 and so on."""
    if all(subscripts == (str(number),) for number, subscripts in enumerate(nodes, 1)):
        return nodes
    return {subscripts: nodes[subscripts] for subscripts in sorted(nodes, key=_sort_key)}
