"""What all dictionaries share: lines of fields between bars, comments, and problems that name their place."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from gateway_client.errors import GatewayError

Record = TypeVar("Record")

IMAGING_SERVICES = ("RAD", "CON", "LAB")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and where: a file with its line, or a table of the settings."""

    where: str
    what: str

    def __str__(self) -> str:
        """Say both."""
        return f"{self.where}: {self.what}"


class BadEntry(GatewayError):
    """An entry of a dictionary does not say what it should."""


class DictionaryError(GatewayError):
    """A dictionary cannot be used."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


@dataclass(frozen=True, slots=True)
class Line:
    """The fields of one entry as text, and where it stands."""

    where: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry(Generic[Record]):
    """A record, and where it stands."""

    where: str
    record: Record


def decode(data: bytes) -> str:
    """Read a dictionary's bytes: UTF-8, and what is not UTF-8 as ISO 8859-1, as files of older machines are."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("iso8859-1")


def read_lines(text: str, name: str) -> list[Line]:
    """Give the lines that are neither empty nor comments; blanks around fields do not count.

    A last line without a line end is read too, though VA gateways do not see it.
    """
    lines = []
    for number, text_line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1):
        stripped = text_line.strip()
        if stripped and not stripped.startswith("#"):
            lines.append(Line(f"{name}:{number}", tuple(field.strip() for field in stripped.split("|"))))
    return lines


def write_lines(lines: Iterable[Sequence[str]]) -> str:
    """Write entries' fields as a dictionary's text, each line ended."""
    return "".join("|".join(fields) + "\r\n" for fields in lines)


def read_entries(lines: Iterable[Line], parse: Callable[[Sequence[str]], Record]) -> list[Entry[Record]]:
    """Read each line as one record. Raises DictionaryError with the problems of all of them."""
    entries: list[Entry[Record]] = []
    problems: list[Problem] = []
    for line in lines:
        try:
            check_characters(line.fields)
            entries.append(Entry(line.where, parse(line.fields)))
        except BadEntry as error:
            problems.append(Problem(line.where, str(error)))
    raise_any(problems)
    return entries


def check_unique(entries: Iterable[Entry[Record]], key: Callable[[Record], Hashable], what: str) -> list[Problem]:
    """Find what stands a second time though it may only once."""
    first: dict[Hashable, str] = {}
    problems = []
    for entry in entries:
        wanted = key(entry.record)
        if wanted in first:
            shown = "|".join(wanted) if isinstance(wanted, tuple) else wanted
            problems.append(Problem(entry.where, f"the {what} {shown} stands in {first[wanted]} already; change or remove one."))
        first.setdefault(wanted, entry.where)
    return problems


def raise_any(problems: Sequence[Problem]) -> None:
    """Raise DictionaryError where there are problems."""
    if problems:
        raise DictionaryError(problems)


def check_characters(fields: Sequence[str]) -> None:
    """Refuse what the fields of a dictionary cannot hold. Raises BadEntry."""
    for field in fields:
        if "|" in field or _CONTROLS.search(field):
            raise BadEntry(f"{field!r} holds a bar or a control character; remove it.")


def check_count(fields: Sequence[str], least: int, most: int, names: str) -> list[str]:
    """Fill optional fields at the end up with empty ones. Raises BadEntry when there are too few or too many."""
    if not least <= len(fields) <= most:
        expected = str(least) if least == most else f"{least} to {most}"
        raise BadEntry(f"{len(fields)} fields where {expected} are expected: {names}.")
    return [*fields, *[""] * (most - len(fields))]


def check_service(text: str, *, optional: bool = False) -> str:
    """Check an imaging service, which is spelled in upper case. Raises BadEntry."""
    if text not in IMAGING_SERVICES and not (optional and not text):
        raise BadEntry(f"{text!r} is no imaging service; write RAD, CON or LAB, in upper case.")
    return text


def check_port(text: str) -> int:
    """Read a port's number. Raises BadEntry."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise BadEntry(f"{text!r} is no port; write a number from 1 to 65535.")
    return int(text)


def check_ae_title(text: str, what: str) -> str:
    """Check an AE title (PS3.5 6.2). Raises BadEntry."""
    if not 1 <= len(text) <= 16 or "\\" in text or not text.isascii():
        raise BadEntry(f"{text!r} is no {what}; write 1 to 16 ASCII characters without a backslash.")
    return text


def check_given(text: str, what: str) -> str:
    """Check that a field is not empty. Raises BadEntry."""
    if not text:
        raise BadEntry(f"the {what} is missing; write one.")
    return text
