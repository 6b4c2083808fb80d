"""DDR procedures: FileMan's look-ups and changes for clients, over the files and fields of `rpcs.dictionary`.

Their one parameter is a list of attributes by name: FILE, IENS, FIELDS, FLAGS, VALUE, MAX, FROM, PART, XREF, OPTIONS. What
FileMan would do to a file that is not named there, to a screen in M or to a subfile is an error of FileMan's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fileman import bump_site_version, lock_for_transaction
from rpcs.call import Call
from rpcs.dictionary import MOST, Entry, Field, FileView, NotAccepted, find_file
from rpcs.numbers import LARGEST, count, entry_number
from rpcs.registry import Access, Answer, listed, literal, procedure
from xwb import ResultType, m_number

#: What may follow a field's number in a list of fields: I for its stored value, E for it in words.
_FORMAT = re.compile(r"(?<=\d)[IE]+$")


class FileManProblem(Exception):
    """FileMan refuses; `code` is its dialog's number, the facts are its parameters."""

    def __init__(self, code: int, text: str, **facts: str) -> None:
        self.code = code
        self.text = text
        self.facts = facts
        super().__init__(text)

    def lines(self) -> list[str]:
        """Write the error as clients read it."""
        known = {name: self.facts[name] for name in sorted(self.facts)}
        head = [self.code, 1, known.get("FILE", ""), known.get("IENS", ""), known.get("FIELD", ""), len(known) or ""]
        parameters = [f"{name}^{value}" for name, value in known.items()]
        return ["[BEGIN_diERRORS]", "^".join(map(str, head)), *parameters, self.text, "[END_diERRORS]"]


@dataclass(frozen=True, slots=True)
class Asked:
    """The attributes of a call, read."""

    attributes: dict[str, str]

    @classmethod
    def of(cls, call: Call) -> Asked:
        """Read the list's first level."""
        return cls({name: value or "" for name, value in call.list(0).first_level()})

    def text(self, name: str, default: str = "") -> str:
        """Give an attribute."""
        return self.attributes.get(name, default)

    @property
    def file(self) -> FileView:
        """The file. Raises FileManProblem."""
        number = self.text("FILE")
        view = find_file(number)
        if view is None:
            raise FileManProblem(401, f"File #{number} does not exist.", FILE=number)
        if self.text("SCREEN"):
            raise FileManProblem(202, "The input parameter that identifies the screen is missing or invalid.", FILE=number)
        return view

    @property
    def most(self) -> int:
        """How many entries are wanted at most: never more than a call lists."""
        return min(count(self.text("MAX")) or MOST, MOST)

    def entry(self) -> int:
        """The entry that IENS names. Raises FileManProblem for none."""
        iens = self.text("IENS")
        ien, comma, rest = iens.partition(",")
        if not comma or rest or not entry_number(ien):
            raise FileManProblem(202, "The input parameter that identifies the IENS is missing or invalid.", IENS=iens)
        return entry_number(ien)


def _fields(view: FileView, text: str) -> list[Field]:
    """Find the fields of a list `.01;.02`, a range `.01:5`, or all for `*`. Raises FileManProblem for one that is not there."""
    found: list[Field] = []
    for part in filter(None, text.split(";")):
        first, colon, last = part.partition(":")
        if part in ("*", "**"):
            found += view.fields
        elif colon:
            found += [one for one in view.fields if m_number(first) <= m_number(one.number) <= m_number(last)]
        elif (one := view.field(_FORMAT.sub("", part))) is not None:
            found.append(one)
        elif part not in ("@", "IX", "FID", "WID"):
            raise FileManProblem(501, f"File #{view.number} does not contain a field {part}.", FILE=view.number, FIELD=part)
    unique = {one.number: one for one in found}
    return sorted(unique.values(), key=lambda one: m_number(one.number))


@procedure(
    "DDR GETS ENTRY DATA",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="GETSC^DDR2",
    parameters=(listed("GETS ATTRIBUTES", formal="DDR"),),
)
def gets_entry_data(call: Call) -> list[str]:
    """Answer fields of an entry, as they are stored (FLAGS I), in words (E) or both.

    FIELDS is `.01;.02`, a range `.01:5` or `*`; FLAGS N leaves empty ones out. Answers `[Data]` and
    `file^entry^field^stored^in words`, or `[ERROR]`. With OPTIONS U the answer is what FileMan's Delphi components read:
    between `[BEGIN_diDATA]` and `[END_diDATA]`, with the errors in words, and with help for OPTIONS ?.
    """
    asked, flags = Asked.of(call), Asked.of(call).text("FLAGS")
    options = asked.text("OPTIONS") if "OPTIONS" in asked.attributes else None
    problem: FileManProblem | None = None
    rows: list[tuple[Field, str, str]] = []
    try:
        view, ien = asked.file, asked.entry()
        entry = view.entry(call, ien)
        if entry is None:
            raise FileManProblem(601, "The entry does not exist.", FILE=view.number, IENS=asked.text("IENS"))
        rows = [(one, *entry.values(call, one)) for one in _fields(view, asked.text("FIELDS"))]
        rows = [it for it in rows if it[1] or "N" not in flags]
    except FileManProblem as refused:
        problem = refused
    head = f"{asked.text('FILE')}^{asked.text('IENS').removesuffix(',')}"
    if options is None:
        return ["[ERROR]"] if problem is not None else _plain(head, rows, flags) if rows else []
    lines = _delphi(head, rows, flags) if "U" in options else []
    if problem is not None and "U" in options:
        lines += problem.lines()
    if "?" in options:
        helped = [line for one, _stored, _words in rows for line in _help(asked.text("FILE"), one)]
        lines += ["[BEGIN_diHELP]", *helped, "[END_diHELP]"]
    return lines


def _plain(head: str, rows: list[tuple[Field, str, str]], flags: str) -> list[str]:
    shown = [(one, stored if "I" in flags else "", words if "E" in flags else "") for one, stored, words in rows]
    return ["[Data]", *(f"{head}^{one.number}^{stored}^{words}" for one, stored, words in shown)]


def _delphi(head: str, rows: list[tuple[Field, str, str]], flags: str) -> list[str]:
    both = "I" in flags and "E" in flags
    lines = ["[BEGIN_diDATA]"]
    for one, stored, words in rows:
        lines.append(f"{head}^{one.number}^{'B' if both else 'I' if 'I' in flags else 'E'}")
        lines += [words, stored] if both else [stored if "I" in flags else words]
    return [*lines, "[END_diDATA]"]


def _help(file: str, one: Field) -> list[str]:
    return [f"{file}^{one.number}^?^1", f"This is the {one.label} of an entry."]


@procedure(
    "DDR GET DD HELP",
    returns=ResultType.ARRAY,
    access=Access.SESSION,
    routine="GETHLPC^DDR2",
    parameters=(listed("HELP ATTRIBUTES", formal="DDR"),),
)
def get_dd_help(call: Call) -> list[str]:
    """Answer what a FIELD of a FILE is, between `[BEGIN_diHELP]` and `[END_diHELP]`: nothing for one that is not known."""
    asked = Asked.of(call)
    view = find_file(asked.text("FILE"))
    one = view.field(asked.text("FIELD")) if view is not None else None
    return ["[BEGIN_diHELP]", *(_help(asked.text("FILE"), one) if one is not None else []), "[END_diHELP]"]


@procedure(
    "DDR FIND1",
    returns=ResultType.ARRAY,
    access=Access.SCANS,
    routine="FIND1C^DDR2",
    parameters=(listed("FIND1 ATTRIBUTES", formal="DDR"),),
)
def find_one(call: Call) -> list[str]:
    """Answer the one entry of a FILE whose name begins with VALUE, or is it (FLAGS X); 0 for none.

    VALUE `` `7 `` is entry 7, and so is 7 with FLAGS A. Several are an error, as is a file that is not known: an empty line,
    and the error in words.
    """
    asked = Asked.of(call)
    try:
        found = _found(call, asked, 2)
        if len(found) > 1:
            value = asked.text("VALUE")
            raise FileManProblem(299, f"More than one entry matches the value(s) '{value}'.", FILE=asked.text("FILE"))
    except FileManProblem as problem:
        return ["", *problem.lines()]
    return [str(found[0].ien) if found else "0"]


@procedure(
    "DDR FINDER",
    returns=ResultType.GLOBAL_ARRAY,
    access=Access.SCANS,
    routine="FINDC^DDR0",
    parameters=(listed("FINDER ATTRIBUTES", formal="DDR"),),
)
def finder(call: Call) -> list[str]:
    """Answer the entries of a FILE whose names begin with VALUE, at most MAX and never more than 1000: numbers and FIELDS.

    With FLAGS P a line is `entry^name^fields`, between `[BEGIN_diDATA]` and `[END_diDATA]`; without, the numbers come first,
    then the fields, in blocks of their own. `[Misc]` and `MORE` say that there are more. Nothing found is the line `0^*^0^`.
    """
    asked = Asked.of(call)
    try:
        view = asked.file
        fields = _fields(view, asked.text("FIELDS"))
        rows = _found(call, asked, asked.most + 1)
    except FileManProblem as problem:
        return problem.lines()
    more, rows = len(rows) > asked.most, rows[: asked.most]
    if not rows:
        return [f"0^{asked.text('MAX', '*')}^0^"]
    lines = ["[Misc]", "MORE"] if more else []
    packed = "P" in asked.text("FLAGS")
    return [*lines, *(_packed(call, view, asked, rows, fields) if packed else _unpacked(call, rows, fields))]


@procedure(
    "DDR LISTER",
    returns=ResultType.GLOBAL_ARRAY,
    access=Access.SCANS,
    routine="LISTC^DDR",
    parameters=(listed("LIST ATTRIBUTES", formal="DDR"),),
)
def lister(call: Call) -> Answer | list[str]:
    """Answer the entries of a FILE by name, after FROM, those that begin with PART, at most MAX: numbers and FIELDS.

    A call answers never more than 1000. To a client that names no version `[Data]` and `entry^fields` lines, before them
    `[Misc]` and `MORE^name^entry` when there are more: FROM of the next call. To others as DDR FINDER does.
    """
    asked = Asked.of(call)
    oldest = not m_number(call.version)
    try:
        view = asked.file
        fields = _fields(view, asked.text("FIELDS"))
        _check_index(asked, view)
        rows = _after(call, view, asked)
    except FileManProblem as problem:
        return Answer(["[Errors]"], returns=ResultType.ARRAY) if oldest else problem.lines()
    more, rows = len(rows) > asked.most, rows[: asked.most]
    name = view.fields[0]
    lines = ["[Misc]", f"MORE^{rows[-1].internal(name)}^{rows[-1].ien}"] if more and rows else []
    if oldest:
        data = ["^".join([str(row.ien), *(row.values(call, one)[1] for one in fields)]) for row in rows]
        return Answer([*lines, *(["[Data]", *data] if data else [])], returns=ResultType.ARRAY)
    if not rows:
        return [f"0^{asked.text('MAX', '*')}^0^"]
    packed = "P" in asked.text("FLAGS")
    return [*lines, *(_packed(call, view, asked, rows, fields) if packed else _unpacked(call, rows, fields))]


def _check_index(asked: Asked, view: FileView) -> None:
    """Raise FileManProblem for a cross-reference other than that of the names."""
    index = asked.text("XREF")
    if index not in ("", "B"):
        raise FileManProblem(420, f"There is no {index} index for File #{view.number}.", FILE=view.number)


def _found(call: Call, asked: Asked, most: int) -> list[Entry]:
    """Look VALUE up as FIND^DIC does: an entry by its number, else by the beginning of its name, letter case aside at last."""
    view, value, flags = asked.file, asked.text("VALUE"), asked.text("FLAGS")
    _check_index(asked, view)
    if not value:
        raise FileManProblem(202, "The input parameter that identifies the value is missing or invalid.", FILE=view.number)
    if value.startswith("`") or ("A" in flags and value.isdigit()):
        row = view.entry(call, entry_number(value.removeprefix("`")))
        return [row] if row is not None else []
    name = view.fields[0]
    for text in dict.fromkeys((value, value.upper())):
        rows = view.named(call, text, most)
        if "X" in flags or "O" in flags:
            exact = [row for row in rows if row.internal(name) == text]
            rows = exact if exact or "X" in flags else rows
        if rows:
            return rows
    return []


def _after(call: Call, view: FileView, asked: Asked) -> list[Entry]:
    """Give one more than the wanted entries of a list: after FROM by name, and after its entry among those of one name."""
    part, begin = asked.text("PART"), asked.text("FROM")
    since = count(call.list(0).get(("FROM", "IEN"), "") or "")
    backwards = "B" in asked.text("FLAGS")
    place = (begin, since or (0 if backwards else LARGEST)) if begin else ("", 0)
    return view.named(call, part, asked.most + 1, place, backwards=backwards)


def _packed(call: Call, view: FileView, asked: Asked, rows: Iterable[Entry], fields: list[Field]) -> list[str]:
    """Write a line for each entry; a client of version 2 is told first what stands in it."""
    name = view.fields[0]
    shown = fields if "@" in asked.text("FIELDS").split(";") else [name, *(one for one in fields if one != name)]
    place = ["[MAP]", "^".join(["IEN", *(one.number for one in shown)])] if m_number(call.version) > 1 else []
    lines = ["^".join([str(row.ien), *(row.values(call, one)[1] for one in shown)]) for row in rows]
    return [*place, "[BEGIN_diDATA]", *lines, "[END_diDATA]"]


def _unpacked(call: Call, rows: list[Entry], fields: list[Field]) -> list[str]:
    lines = ["[BEGIN_diDATA]", "BEGIN_IENs", *(str(row.ien) for row in rows), "END_IENs"]
    if fields:
        numbers = "".join(f"{one.number};" for one in fields)
        values = [row.values(call, one)[1] for row in rows for one in fields]
        lines += ["BEGIN_IDVALUES", f"{numbers}^{len(fields)}", *values, "END_IDVALUES"]
    return [*lines, "[END_diDATA]"]


@procedure(
    "DDR FILER",
    returns=ResultType.ARRAY,
    access=Access.WRITES,
    routine="FILEC^DDR3",
    parameters=(
        literal("EDIT MODE", formal="DDRMODE"),
        listed("FDA", formal="DDRROOT"),
        literal("FLAGS", formal="DDRFLAGS"),
        listed("IENS", formal="DDRIENS"),
    ),
)
def filer(call: Call) -> list[str]:
    """Change fields of entries: elements of FDA are `file^field^entry,^value`. Answers `[Data]`, and errors in words.

    All is changed or nothing. Only some fields may be changed, and nothing be added (EDIT MODE ADD).
    """
    changes: dict[tuple[str, int], dict[str, object]] = {}
    try:
        for line in call.list(1).values():
            file, number, iens, value = [*line.split("^", 3), "", "", "", ""][:4]
            asked = Asked({"FILE": file, "IENS": iens if iens.endswith(",") else f"{iens},"})
            view = asked.file
            if call.text(0) == "ADD":
                raise FileManProblem(405, f"Entries in file {view.name} cannot be edited.", FILE=file)
            column, accepted = _accepted(view, next(iter(_fields(view, number)), None), number, value)
            changes.setdefault((file, asked.entry()), {})[column] = accepted
        views = {file: Asked({"FILE": file}).file for file, _ien in changes}
        _hold(call, *views.values())
        for file, ien in changes:
            if views[file].entry(call, ien) is None:
                raise FileManProblem(601, "The entry does not exist.", FILE=file, IENS=f"{ien},")
        for (file, ien), values in changes.items():
            views[file].change(call, ien, values)
    except FileManProblem as problem:
        return ["[Data]", *problem.lines()]
    if changes:
        bump_site_version(call.connection)
    return ["[Data]"]


def _hold(call: Call, *views: FileView) -> None:
    """Hold files until the transaction ends (LOCK of ^FILE), as the procedures do that fill DICOM TRANSMIT DESTINATION."""
    lock_for_transaction(call.connection, *{view.table.__tablename__ for view in views})


def _accepted(view: FileView, one: Field | None, number: str, value: str) -> tuple[str, Any]:
    """Give the column of a field and what is to stand there. Raises FileManProblem."""
    if one is None or one.accept is None:
        raise FileManProblem(405, f"Entries in file {view.name} cannot be edited.", FILE=view.number, FIELD=number)
    try:
        return one.column, one.accept(value)
    except NotAccepted as refused:
        text = f"The value '{value}' for field {one.label} in file {view.name} is not valid."
        raise FileManProblem(701, text, FILE=view.number, FIELD=one.number) from refused


@procedure(
    "DDR DELETE ENTRY",
    access=Access.WRITES,
    routine="DIKC^DDR1",
    parameters=(listed("DELETE ATTRIBUTES", formal="DDR"),),
)
def delete_entry(call: Call) -> str:
    """Delete the entry IENS of a FILE in which entries may be deleted; answer 1, or 0 when it was not."""
    try:
        asked = Asked.of(call)
        view, ien = asked.file, asked.entry()
    except FileManProblem:
        return "0"
    if not view.deletable:
        return "0"
    _hold(call, view)
    if not view.remove(call, ien):
        return "0"
    bump_site_version(call.connection)
    return "1"
