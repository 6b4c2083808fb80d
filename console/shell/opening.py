"""Opening a shell: who reads, who sits down."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace

from console.ciphers import ciphers_of
from console.errors import WrongUsage
from console.shell.answers import InputEnded, Left
from console.shell.dialog import Dialog, Reader
from console.shell.history import FILE, HistoryFile
from console.shell.octets import Wiretap
from console.shell.piped import PipedReader
from console.shell.scroll import Scroll
from console.shell.seats import NOBODY, OwnersSeat, Seat, asked_codes, intro, owners_name, users_seat
from console.shell.shell import REFUSALS, Shell
from console.sign_on import door
from console.way import Way
from runtime import SystemClock


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Opening:
    """Opens a shell by the way that a command line says."""

    way: Way
    as_owner: bool = False
    context: str = ""
    scroll: Scroll = field(default_factory=Scroll)

    def run(self) -> int:
        """Let somebody sit down and work; give the exit status. Raises ConsoleError for codes that are not taken."""
        dialog = Dialog(self._reader())
        try:
            seat = self._seat(dialog)
        except (Left, InputEnded):
            return 1
        shell = Shell(dialog, seat, self.scroll, SystemClock(), self.context)
        dialog.screen.say("? shows what may be answered, HELP how; ^ leaves.")
        shell.run()
        return int(shell.refused and not dialog.reader.interactive)

    def _reader(self) -> Reader:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            return PipedReader(sys.stdin.fileno(), self.scroll, _write)
        from console.shell.terminal import TerminalReader  # a script has no use for it

        return TerminalReader(HistoryFile(self.way.settings.data / FILE), self.scroll, _write)

    def _seat(self, dialog: Dialog) -> Seat:
        """Give whom the command line names, or ask: codes are a user's, without codes it is the owner of the data directory."""
        codes = self.way.codes
        if codes is not None and not self.as_owner:
            seat = users_seat(dialog, self.way, codes)
            intro(dialog, seat.door)
            seat.sign_on()
            return seat
        own = self.way.broker is None and not self.way.tls
        if self.as_owner or not dialog.reader.interactive:
            if not own:
                raise WrongUsage("A broker wants to know who asks: give --access and --verify.")
            return self._owner(dialog)
        return self._asked(dialog, own=own)

    def _asked(self, dialog: Dialog, *, own: bool) -> Seat:
        intro(dialog, door(self.way, NOBODY))
        if own:
            dialog.screen.say(f"Enter alone: without codes, as the owner of {self.way.settings.data}.")
        while True:
            try:
                seat = asked_codes(dialog, self.way, self._tap())
                if seat is not None:
                    seat.sign_on()
                    return seat
                if own:
                    return self._owner(dialog)
            except REFUSALS as error:
                dialog.screen.complain(str(error))

    def _owner(self, dialog: Dialog) -> Seat:
        dialog.screen.say(f"You are the {owners_name()} of {self.way.settings.data}: you may do everything, and it is audited.")
        return OwnersSeat(dialog, replace(self.way, access=None, verify=None), self._tap())

    def _tap(self) -> Wiretap:
        return Wiretap(ciphers_of(self.way.settings)[0])
