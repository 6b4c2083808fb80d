"""MAG DICOM FILEMAN GET and MAG DICOM LIST GLOBAL VARIABLE: both see the files of `rpcs.dictionary`, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from rpcs.call import Call
from rpcs.dictionary import FILES, FileView, find_file
from rpcs.look_ups.global_pattern import BadPattern, Level, Pattern, parse_pattern
from rpcs.numbers import count, entry_number
from rpcs.registry import Access, literal, procedure
from xwb import LocalArray, ResultType, collation_key, format_subscripts

#: The security key without which nobody lists globals.
LIST_KEY = "MAG SYSTEM"
#: Entries of a file that are read at a time, lines that one call answers, and characters of a line.
_BATCH = 200
_MOST_LINES = 20000
_LINE = 250


@procedure(
    "MAG DICOM FILEMAN GET",
    access=Access.READS,
    routine="FMGET^MAGDRPC1",
    parameters=(
        literal("FILE", 30, required=True),
        literal("D0", 30, required=True),
        literal("FIELD", 30, required=True),
    ),
    version=3,
)
def fileman_get(call: Call) -> str:
    """Answer one field of one entry in words; empty for what is not there, and for a file or field that may not be read."""
    view = find_file(call.text(0))
    field = view.field(call.text(2)) if view is not None else None
    if view is None or field is None:
        return ""
    entry = view.entry(call, entry_number(call.text(1)))
    return "" if entry is None else entry.values(call, field)[1]


@procedure(
    "MAG DICOM LIST GLOBAL VARIABLE",
    returns=ResultType.ARRAY,
    access=Access.SCANS,
    routine="LIST^MAGDGL",
    parameters=(
        literal("WILD", 255, required=True),
        literal("MAX", 10, required=True),
        literal("START", 10, required=True),
    ),
    version=3,
)
def list_global(call: Call) -> LocalArray[str]:
    """Answer how many nodes were passed, then name and value of nodes that a pattern such as `^MAG(2005,50:60,0)` names.

    Only files that may be read are there, with the fields that may be read. START nodes are left out, and no more than MAX
    lines are answered; the first line is the START of the next call. `-13` without the security key, `-1` for what is no
    pattern, `-3` for a condition other than `%S["text"` and `%D["text"`, `-4` to `-6` for a value that is no literal.
    """
    if LIST_KEY not in call.site.keys_of(call.session.duz):
        return _lines([f"-13,Calling user does not have security key {LIST_KEY}"])
    try:
        pattern = parse_pattern(call.text(0))
    except BadPattern as error:
        return _lines([str(error)])
    most = min(count(call.text(1)), _MOST_LINES)
    skip, passed, lines = count(call.text(2)), 0, list[str]()
    for name, value in _nodes(call, pattern):
        if len(lines) >= most:
            break
        passed += 1
        if passed > skip:
            lines += _shown(name, value)
    return _lines([str(passed), *lines])


def _lines(lines: list[str]) -> LocalArray[str]:
    return LocalArray.from_mapping(dict(enumerate(lines, start=1)))


def _nodes(call: Call, pattern: Pattern) -> Iterator[tuple[str, str]]:
    for view in sorted(FILES, key=lambda view: (view.root[0], collation_key(view.root[1]) if view.root[1] else (0, 0))):
        before = tuple(part for part in view.root[1:] if part)
        if view.root[0] != pattern.name or not all(map(Level.matches, pattern.levels, before)):
            continue
        if pattern.closed and len(pattern.levels) <= len(before):
            continue
        yield from _nodes_of(call, view, before, pattern)


def _nodes_of(call: Call, view: FileView, before: tuple[str, ...], pattern: Pattern) -> Iterator[tuple[str, str]]:
    entries = pattern.levels[len(before)] if len(pattern.levels) > len(before) else Level()
    after = max(entries.first_number() - 1, 0)
    while numbers := view.numbers(call, after, _BATCH):
        for number in numbers:
            after = number
            if entries.passed(number):
                return
            entry = view.entry(call, number) if entries.matches(str(number)) else None
            if entry is None:
                continue
            nodes = entry.nodes() | (view.more(call, number) if view.more is not None else {})
            for subscripts in sorted(nodes, key=lambda it: [collation_key(part) for part in it]):
                whole = (*before, str(number), *subscripts)
                if pattern.takes(whole, nodes[subscripts]):
                    yield f"{view.root[0]}({format_subscripts(whole).decode('iso-8859-1')})", nodes[subscripts]


def _shown(name: str, value: str) -> list[str]:
    """Give the lines of a node: its name, and its value as M writes a literal, in pieces of which the first bears the name."""
    text = _literal(value)
    pieces = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return [line for index, piece in enumerate(pieces) for line in ("" if index else name, piece)]


def _literal(value: str) -> str:
    """Write a value as M does, with $C() for what is no printable character of ASCII."""
    parts: list[str] = []
    position = 0
    while position < len(value) or not parts:
        end = position
        while end < len(value) and 31 < ord(value[end]) < 127:
            end += 1
        if end > position or not value:
            parts.append('"' + value[position:end].replace('"', '""') + '"')
        start = end
        while end < len(value) and not 31 < ord(value[end]) < 127:
            end += 1
        if end > start:
            parts.append(f"$C({','.join(str(ord(character)) for character in value[start:end])})")
        position = end
    return "_".join(parts)
