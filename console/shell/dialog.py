"""Asking people: prompts with help, choices by number, YES and NO, secrets without echo."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from console.shell.answers import Help, Left, fitting, read_answer, read_value, yes_or_no
from console.shell.screen import Screen

#: Names that are listed at once to choose from, as FileMan lists them.
AT_ONCE = 5
WHAT = "??"
#: Names the answers that are kept for the next session.
OPTION = "OPTION"
MORE = "Enter for more, ^ to stop: "

Names = Callable[[str], Iterable[str]]


def no_names(_text: str) -> Iterable[str]:
    """Complete nothing."""
    return ()


class Reader(Protocol):
    """Reads a line at a time. `interactive` tells that a person types."""

    interactive: bool

    def read(self, prompt: str, *, names: Names = no_names, kept: str = "") -> str:
        """Give the next line; `names` completes, `kept` names the history that it goes into. Raises InputEnded, Abandoned."""

    def secret(self, prompt: str) -> str:
        """Give the next line, which is shown nowhere. Raises InputEnded, Abandoned."""

    def remember(self, answer: str) -> None:
        """Keep an answer for the next session."""


@dataclass(slots=True)
class Dialog:
    """Asks and tells. `Left` and `InputEnded` go through everywhere: who is asked leaves what he does."""

    reader: Reader
    screen: Screen = field(init=False)

    def __post_init__(self) -> None:
        """Let long texts stop where somebody reads along."""
        self.screen = Screen(self.more if self.reader.interactive else None)

    def more(self) -> bool:
        """Ask whether there is to be more of something; nobody is asked where nobody reads along."""
        try:
            return not self.reader.read(MORE).strip().startswith("^")
        except Left:
            return False

    def ask(self, prompt: str, explain: Callable[[Help], None], *, names: Names = no_names, kept: str = "") -> str:
        """Ask until something is answered that is no question mark; `explain` answers these."""
        while True:
            answer = read_answer(self.reader.read(prompt, names=names, kept=kept))
            if isinstance(answer, str):
                return answer
            explain(answer)

    def value(self, prompt: str, explain: Callable[[Help], None]) -> str:
        """Ask for a value that may begin with anything; the line is given as it is. Raises Left."""
        while True:
            answer = read_value(self.reader.read(prompt, kept="VALUE"))
            if isinstance(answer, str):
                return answer
            explain(answer)

    def secret(self, prompt: str, explain: Callable[[Help], None]) -> str:
        """Ask for something that is shown nowhere. Raises Left."""
        while True:
            answer = read_value(self.reader.secret(prompt).strip())
            if isinstance(answer, str):
                return answer
            explain(answer)

    def wants(self, question: str, default: bool = False) -> bool:
        """Ask for YES or NO; Enter alone is the default."""
        words = "YES" if default else "NO"

        def explain(_help: Help) -> None:
            self.screen.say("Answer YES or NO, or the beginning of it; ^ leaves.")

        while True:
            answer = self.ask(f"{question} {words}// ", explain)
            if not answer:
                return default
            if (found := yes_or_no(answer)) is not None:
                return found
            self.screen.complain(f"{WHAT}  Answer YES or NO.")

    def choose(self, found: Sequence[str], tell: Callable[[str], str] = str) -> str:
        """Give the one name there is, or let one of several be chosen by number; "" when none is. `tell` says a name."""
        if len(found) < 2:
            return "".join(found)
        for start, here in _lots(found):
            for number, name in enumerate(here, start + 1):
                self.screen.say(f"     {number:<3} {tell(name)}")
            last = start + len(here)
            if last < len(found):
                self.screen.say("Press Enter to see more, ^ to leave this list, OR")
            chosen = self._number(last, found)
            if chosen or last == len(found):
                return chosen
        return ""

    def _number(self, last: int, found: Sequence[str]) -> str:
        numbers = {str(number): name for number, name in enumerate(found[:last], 1)}

        def explain(_help: Help) -> None:
            self.screen.say("Answer with the number of a line, or more of the name.")

        while True:
            answer = self.ask(f"CHOOSE 1-{last}: ", explain)
            if not answer:
                return ""
            if answer in numbers:
                return numbers[answer]
            meant = fitting(answer, found)
            if len(meant) == 1:
                return meant[0]
            self.screen.complain(f"{WHAT}  Answer with a number from 1 to {last}.")


def _lots(found: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    for start in range(0, len(found), AT_ONCE):
        yield start, found[start : start + AT_ONCE]
