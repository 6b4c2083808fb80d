"""MAG DICOM FILEMAN GET and MAG DICOM LIST GLOBAL VARIABLE: both see the files of `rpcs.dictionary`, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rpcs.call import Call
from rpcs.dictionary import FILES, MULTIPLE, Entry, FileView, find_file
from rpcs.look_ups.global_pattern import BadPattern, Level, Pattern, parse_pattern
from rpcs.numbers import LARGEST, count, entry_number
from rpcs.registry import Access, literal, procedure
from xwb import LocalArray, ResultType, collation_key, format_subscripts

#: The security key without which nobody lists globals.
LIST_KEY = "MAG SYSTEM"
#: Entries of a file that are read at a time, lines that one call answers, and characters of a line.
_BATCH = 200
_MOST_LINES = 20000
_LINE = 250
#: Entries that one call looks at, whether they have a node of the pattern or not.
MOST_ENTRIES = 2000
#: Files in the order of their globals.
_IN_ORDER = sorted(FILES, key=lambda view: (view.root[0], collation_key(view.root[1]) if view.root[1] else (0, 0)))


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

    Only files that may be read are there, with the fields that may be read. START nodes are left out, no more than MAX lines
    are answered and no more than 2000 entries looked at. The first line is the START of the next call: a number alone when
    all was walked over, `nodes passed^file^entry^nodes before it` when there may be more.

    `-13` without the security key, `-1` for what is no pattern, `-3` for a condition other than `%S["text"` and
    `%D["text"`, `-4` to `-6` for a value that is no literal.
    """
    if LIST_KEY not in call.site.keys_of(call.session.duz):
        return _lines([f"-13,Calling user does not have security key {LIST_KEY}"])
    try:
        pattern = parse_pattern(call.text(0))
    except BadPattern as error:
        return _lines([str(error)])
    most, walk, lines = min(count(call.text(1)), _MOST_LINES), _Walk.of(call.text(2)), list[str]()
    for name, value in walk.nodes(call, pattern):
        if len(lines) >= most:
            break
        walk.passed += 1
        if walk.passed > walk.skip:
            lines += _shown(name, value)
    else:
        walk.ended = not walk.cut
    return _lines([walk.place(), *lines])


def _lines(lines: list[str]) -> LocalArray[str]:
    return LocalArray.from_mapping(dict(enumerate(lines, start=1)))


@dataclass(slots=True)
class _Walk:
    """A walk over the nodes of a pattern: how many were passed, of which `skip` are not answered, and where it stands."""

    skip: int
    file: str = ""
    entry: int = 0
    passed: int = 0
    before_entry: int = 0
    looked_at: int = 0
    cut: bool = False
    ended: bool = False

    @classmethod
    def of(cls, start: str) -> _Walk:
        """Begin where START says: at an entry, when it is an answer of ours, otherwise at the first one."""
        skip, file, entry, passed = [*start.split("^"), "", "", ""][:4]
        if find_file(file) is None:
            return cls(count(skip))
        return cls(count(skip), file, entry_number(entry), count(passed))

    def place(self) -> str:
        """Write where it stands: nodes passed, and unless all was walked over the file and entry, and the nodes before that."""
        passed = max(self.passed, self.skip) if not self.ended else self.passed
        return str(passed) if self.ended or not self.file else f"{passed}^{self.file}^{self.entry}^{self.before_entry}"

    def nodes(self, call: Call, pattern: Pattern) -> Iterator[tuple[str, str]]:
        """Give the nodes of the pattern; `cut` says that entries were left for another call."""
        views = [view for view in _IN_ORDER if _may_hold(view, pattern)]
        later = [number for number, view in enumerate(views) if view.number == self.file]
        for view in views[later[0] if later else 0 :]:
            if view.number != self.file:
                self.file, self.entry = view.number, 0
            yield from self._nodes_of(call, view, pattern)
            if self.cut:
                return

    def _nodes_of(self, call: Call, view: FileView, pattern: Pattern) -> Iterator[tuple[str, str]]:
        before = view.before
        wanted = pattern.levels[len(before)] if len(pattern.levels) > len(before) else Level()
        after = min(max(wanted.first_number(), self.entry, 1) - 1, LARGEST)
        while entries := view.entries(call, after, _BATCH):
            for entry in entries:
                after = entry.ien
                if wanted.passed(after):
                    return
                self.entry, self.before_entry = after, self.passed
                if self.looked_at == MOST_ENTRIES:
                    self.cut = True
                    return
                self.looked_at += 1
                if wanted.matches(str(after)):
                    yield from _nodes_of_entry(call, entry, pattern)


def _may_hold(view: FileView, pattern: Pattern) -> bool:
    """Tell whether any entry of a file may have a node of the pattern."""
    before = view.before
    if view.root[0] != pattern.name or not all(map(Level.matches, pattern.levels, before)):
        return False
    if pattern.closed and len(pattern.levels) <= len(before):
        return False
    below = pattern.levels[len(before) + 1 : len(before) + 2]
    return not below or any(below[0].matches(node) for node in view.subscripts)


def _nodes_of_entry(call: Call, entry: Entry, pattern: Pattern) -> Iterator[tuple[str, str]]:
    view, before = entry.view, entry.view.before
    below = pattern.levels[len(before) + 1 : len(before) + 2]
    nodes = entry.nodes()
    if view.more is not None and (not below or below[0].matches(MULTIPLE)):
        nodes |= view.more(call, entry.ien)
    for subscripts in sorted(nodes, key=lambda it: [collation_key(part) for part in it]):
        whole = (*before, str(entry.ien), *subscripts)
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
