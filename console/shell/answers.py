"""What people answer besides what is asked: `^`, `^OPTION`, `?`, and names by their beginnings. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

#: Most question marks that say more than fewer.
MOST_HELP = 3


class Left(Exception):
    """Somebody goes back: `^`."""


class Jumped(Left):
    """Somebody goes to another option: `^OPTION`."""

    def __init__(self, to: str) -> None:
        self.to = to
        super().__init__(to)


class Abandoned(Left):
    """Somebody gives up what is asked: Ctrl-C."""


class InputEnded(Exception):
    """Nobody answers any more: Ctrl-D, or the end of what is piped in."""


@dataclass(frozen=True, slots=True)
class Help:
    """Somebody asks what may be answered: the more question marks the more is told, of one thing where it is named."""

    level: int
    of: str = ""


def read_answer(text: str) -> str | Help:
    """Read what was typed. Raises Left for `^`, Jumped for `^OPTION`."""
    answer = text.strip()
    if answer == "^":
        raise Left
    if answer.startswith("^"):
        raise Jumped(answer[1:].strip())
    of = answer.lstrip("?")
    if len(of) < len(answer):
        return Help(min(len(answer) - len(of), MOST_HELP), of.strip())
    return answer


def read_value(text: str) -> str | Help:
    """Read a value that may begin with anything: alone `^` goes back and `?` asks. Raises Left."""
    if text.strip() == "^":
        raise Left
    return Help(1) if text.strip() == "?" else text


def fitting(text: str, names: Iterable[str]) -> list[str]:
    """Give the names that a text may stand for, letter case aside: those that fit best, in their order.

    The best is a name itself, then its beginning, then beginnings of its first words (`EXP H`), then of any, in order (`HOLD`).
    """
    known, words = list(names), text.upper().split()
    if not words:
        return []
    whole = " ".join(words)
    for fits in _FITS:
        if found := [name for name in known if fits(whole, words, name.upper())]:
            return found
    return []


def _begins_first_words(words: Sequence[str], name: Sequence[str]) -> bool:
    return len(words) <= len(name) and all(whole.startswith(part) for part, whole in zip(words, name, strict=False))


def _begins_any_words(words: Sequence[str], name: Sequence[str]) -> bool:
    left = iter(name)
    return all(any(whole.startswith(part) for whole in left) for part in words)


_FITS: tuple[Callable[[str, Sequence[str], str], bool], ...] = (
    lambda whole, _words, name: name == whole,
    lambda whole, _words, name: name.startswith(whole),
    lambda _whole, words, name: _begins_first_words(words, name.split()),
    lambda _whole, words, name: _begins_any_words(words, name.split()),
)


def completions(text: str, names: Iterable[str]) -> list[str]:
    """Give what a text may be completed to, a `^` or `?` before a name kept."""
    name = text.lstrip("^?")
    before = text[: len(text) - len(name)]
    known = list(names)
    found = fitting(name, known) if name.strip() else known
    return [before + one for one in found]


def yes_or_no(text: str) -> bool | None:
    """Read YES or NO, or the beginning of it; None for anything else."""
    found = fitting(text, ("YES", "NO"))
    return found[0] == "YES" if len(found) == 1 else None
