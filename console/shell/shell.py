"""The shell at work: one option after another is chosen and run, whatever becomes of it, until somebody leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from tzlocal import get_localzone

from console.errors import ConsoleError
from console.shell.answers import Abandoned, Help, InputEnded, Jumped, Left, completions
from console.shell.calling import Calling
from console.shell.describing import HOW, described, listed
from console.shell.dialog import OPTION, WHAT, Dialog
from console.shell.menus import Menus, menus_of
from console.shell.running import Running
from console.shell.scroll import Scroll
from console.shell.seats import Seat
from console.shell.watching import Watching
from fileman import FileManError
from rpcs.actions import ActionError
from runtime import Clock, RuntimeProblem
from xwb import XWBError

#: What a session at the shell survives: it is said in words.
REFUSALS = (ConsoleError, ActionError, FileManError, RuntimeProblem, XWBError)


@dataclass(slots=True)
class Shell:
    """A session of somebody at the shell. `refused` tells that something was not done or not understood."""

    dialog: Dialog
    seat: Seat
    scroll: Scroll
    clock: Clock
    context: str = ""
    refused: bool = False
    _menu: str = ""
    _left: bool = False
    _menus: Menus = field(init=False)
    _watching: Watching = field(init=False)
    _calling: Calling = field(init=False)

    def __post_init__(self) -> None:
        """Lay the menus."""
        self._menus = menus_of({name: about for name, (about, _work) in COMMANDS.items()})
        self._watching = Watching(self.seat, self.scroll)
        self._calling = Calling(self.dialog, self.seat.caller, self.seat.tap, self.context)

    def run(self) -> None:
        """Let options be chosen until somebody leaves."""
        try:
            while not self._left:
                self._choose()
        except InputEnded:
            self.dialog.screen.say()
        finally:
            self._watching.stop()
            self.seat.leave()
        self.dialog.screen.say(f"Logged out at {datetime.fromtimestamp(self.clock.seconds(), get_localzone()):%b %d, %Y %H:%M}")

    def _choose(self) -> None:
        """Ask for one option, and run it."""
        prompt = f"Select {self._menu} Option: " if self._menu else "Select OPTION NAME: "
        names = [*self._menus.names(self._menu), *(self._menus.names() if self._menu else ())]
        try:
            answer = self.dialog.ask(prompt, self._explain, names=lambda text: completions(text, names), kept=OPTION)
        except Jumped as jumped:
            self._run(jumped.to, "")
        except Abandoned:
            return
        except Left:
            self._left, self._menu = not self._menu, ""
        else:
            if answer:
                self._run(answer, self._menu)
            else:
                self._menu = ""

    def _run(self, text: str, menu: str) -> None:
        """Run what is meant by a text, then what somebody jumps to from there."""
        while text:
            try:
                self._perform(text, menu)
                return
            except Jumped as jumped:
                text, menu = jumped.to, ""
            except Abandoned:
                self.dialog.screen.say("Abandoned.")
                return
            except Left:
                return
            except InputEnded:
                self.refused = True
                self.dialog.screen.complain("The input ended before the option had all that it asks: it was not done.")
                raise
            except REFUSALS as error:
                self.refused = True
                self.dialog.screen.complain(str(error))
                return
            except KeyboardInterrupt:
                if not self.dialog.reader.interactive:
                    raise
                self.dialog.screen.say("Abandoned. What was asked for may have been done all the same.")
                return

    def _perform(self, text: str, menu: str) -> None:
        name = self._meant(text, menu)
        option = self._menus.options.get(name)
        if option is None:
            self._menu = name
            self._list(1)
            return
        self.dialog.reader.remember(option.name)
        if option.action is not None:
            Running(self.dialog, self.seat.desk, self.clock.seconds).run(option.action)
        else:
            COMMANDS[option.name][1](self)

    def _meant(self, text: str, menu: str) -> str:
        """Give the option or menu that is meant by a text. Raises ConsoleError where there is none, Left where none is chosen."""
        found = self._menus.fitting(text, menu)
        if not found:
            raise ConsoleError(f"{WHAT}  There is no option {text[:60]!r}; ? lists what may be answered.")
        if not (name := self.dialog.choose(found, self._told)):
            raise Left
        return name

    def _told(self, name: str) -> str:
        option = self._menus.options.get(name)
        return f"{name}  {option.brief}" if option is not None else f"{name}  (a menu)"

    def _explain(self, asked: Help) -> None:
        if not asked.of:
            self._list(asked.level)
            return
        try:
            name = self._meant(asked.of, self._menu)
        except ConsoleError as error:
            self.refused = True
            self.dialog.screen.complain(str(error))
        except Left:
            return
        else:
            self._describe(name)

    def _list(self, level: int) -> None:
        """List what may be answered here: names, with what they do, or with all that is known of them."""
        self.dialog.screen.show(listed(self._menus, self._menu, level))

    def _describe(self, name: str) -> None:
        option = self._menus.options.get(name)
        self.dialog.screen.show(described(option) if option is not None else listed(self._menus, name, 2))

    def help(self) -> None:
        """Say how the shell is used."""
        self.dialog.screen.show(HOW)

    def halt(self) -> None:
        """Leave."""
        self._left = True

    def watch_events(self) -> None:
        """Let events scroll by."""
        self._watch("EVENTS", "Image events, alerts, and the broker's log for those who may see it,")

    def watch_queues(self) -> None:
        """Let the lengths of queues scroll by."""
        self._watch("QUEUES", "The lengths of queues, when they change,")

    def watch_stop(self) -> None:
        """Let nothing scroll by any more."""
        stopped = self._watching.stop()
        self.dialog.screen.say("Nothing is watched now." if stopped else "Nothing was watched.")

    def call_rpc(self) -> None:
        """Call a procedure."""
        self._calling.call()

    def choose_context(self) -> None:
        """Choose the context of calls."""
        self._calling.choose_context()

    def _watch(self, name: str, words: str) -> None:
        self._watching.watch(name)
        self.dialog.screen.say(f"{words} scroll by from now on; WATCH STOP ends it.")


#: What the shell does itself: what is said of it, and what does it.
COMMANDS: dict[str, tuple[str, Callable[[Shell], None]]] = {
    "CALL RPC": ("Call a remote procedure as the signed-on user, and show the bytes both ways.", Shell.call_rpc),
    "CONTEXT": ("Choose the context (option of type B) in which CALL RPC calls.", Shell.choose_context),
    "WATCH EVENTS": ("Let image events and the log scroll by above the prompt.", Shell.watch_events),
    "WATCH QUEUES": ("Let the lengths of queues scroll by above the prompt.", Shell.watch_queues),
    "WATCH STOP": ("Let nothing scroll by any more.", Shell.watch_stop),
    "HELP": ("Say how options are chosen and what may be answered.", Shell.help),
    "HALT": ("Leave.", Shell.halt),
}
