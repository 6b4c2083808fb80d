"""Reading from a person at a terminal: the one module that knows prompt_toolkit."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app, run_in_terminal
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import DummyHistory, History, InMemoryHistory
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.output import Output
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.shortcuts import CompleteStyle

from console.shell.answers import Abandoned, InputEnded
from console.shell.dialog import OPTION, Names, no_names
from console.shell.history import HistoryFile
from console.shell.scroll import Scroll

#: Seconds between two looks at what scrolls by.
LOOK_SECONDS = 0.2


class _Completing(Completer):
    """Completes names by whatever a prompt wants."""

    names: Names = staticmethod(no_names)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Give the names that the text may stand for."""
        text = document.text_before_cursor
        return [Completion(name, start_position=-len(text)) for name in self.names(text)]


class _Chosen(History):
    """What was kept in earlier sessions, and what is remembered in this; what is merely typed is not kept."""

    def __init__(self, file: HistoryFile) -> None:
        super().__init__()
        self._file = file

    def load_history_strings(self) -> Iterable[str]:
        """Give what was kept, the newest first."""
        return self._file.read()[::-1]

    def append_string(self, string: str) -> None:
        """Keep nothing: not everything that is typed was meant."""

    def store_string(self, string: str) -> None:
        """Keep something for the next session."""
        self._file.add(string)

    def remember(self, string: str) -> None:
        """Keep something that was understood."""
        if self.get_strings()[-1:] != [string]:
            super().append_string(string)


class _Unseen(Processor):
    """Shows nothing of what is typed, not even how long it is."""

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """Give nothing to be shown."""
        return Transformation([], source_to_display=lambda _at: 0, display_to_source=lambda _at: 0)


@dataclass(slots=True)
class TerminalReader:
    """Reads with line editing, completion and history; what scrolls by stands above the prompt."""

    history: HistoryFile
    scroll: Scroll
    write: Callable[[str], object]
    interactive: bool = True
    _completing: _Completing = field(default_factory=_Completing)
    _chosen: _Chosen = field(init=False)
    _sessions: dict[str, PromptSession[str]] = field(default_factory=dict)
    _secret: PromptSession[str] = field(init=False)
    _output: Output = field(init=False)

    def __post_init__(self) -> None:
        """Know the terminal. It is not asked where its cursor is: not every one answers."""
        output = Vt100_Output.from_pty(sys.stdout, os.environ.get("TERM"))
        output.enable_cpr = False
        self._output = output
        self._chosen = _Chosen(self.history)
        self._secret = PromptSession(history=DummyHistory(), input_processors=[_Unseen()], output=output)

    def read(self, prompt: str, *, names: Names = no_names, kept: str = "") -> str:
        """Give the next line; lines of this session that were `kept` under the name come back with the Up key."""
        self._completing.names = names
        session = self._sessions.get(kept) or self._sessions.setdefault(kept, self._session(kept))
        return self._asked(session, prompt, self._watch)

    def secret(self, prompt: str) -> str:
        """Give the next line, unseen; nothing scrolls meanwhile, for which the terminal would have to echo."""
        return self._asked(self._secret, prompt, None)

    def remember(self, answer: str) -> None:
        """Keep an option's name for the next session."""
        self._chosen.remember(answer)

    def _session(self, kept: str) -> PromptSession[str]:
        history: History = self._chosen if kept == OPTION else InMemoryHistory() if kept else DummyHistory()
        return PromptSession(
            history=history,
            completer=self._completing,
            complete_while_typing=False,
            complete_style=CompleteStyle.READLINE_LIKE,
            output=self._output,
        )

    def _asked(self, session: PromptSession[str], prompt: str, watch: Callable[[], None] | None) -> str:
        try:
            return session.prompt(prompt, pre_run=watch)
        except KeyboardInterrupt as error:
            raise Abandoned from error
        except EOFError as error:
            raise InputEnded from error

    def _watch(self) -> None:
        get_app().create_background_task(self._show_what_comes())

    async def _show_what_comes(self) -> None:
        while True:
            if lines := self.scroll.take(time.monotonic()):
                await run_in_terminal(lambda: self.write("".join(f"{line}\n" for line in lines)))
            await asyncio.sleep(LOOK_SECONDS)
