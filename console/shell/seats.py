"""Who sits at the shell: a signed-on user at a broker, or the owner of the data directory; each with a way to all there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from getpass import getuser
from http.client import HTTPConnection, HTTPSConnection
from typing import Any, Protocol

from console.errors import ConsoleError
from console.shell.answers import Help, Left, fitting
from console.shell.dialog import WHAT, Dialog
from console.shell.feed import Source
from console.shell.octets import Wiretap
from console.sign_on import Door, VerifyCodeExpired, door, trust
from console.tasks import Desk, open_desk
from console.tasks.brokers_desk import BrokersDesk
from console.tasks.socket_desk import OverSocket, running_at
from console.way import Way
from runtime import read_run_file
from xwb import BrokerClient, ConnectionLost, SecurityRefused, SignOn

#: How the shell introduces itself to brokers, and what its tokens are labelled.
NAME = "magbroker shell"
NOBODY = ("", "")
_ACCESS, _VERIFY = "ACCESS CODE: ", "VERIFY CODE: "


class Seat(Protocol):
    """Somebody at work."""

    @property
    def desk(self) -> Desk:
        """Where options are handed in."""

    @property
    def tap(self) -> Wiretap:
        """What sees the bytes of calls."""

    def caller(self) -> BrokersDesk:
        """Give the session in which procedures are called. Raises Left, and ConsoleError."""

    def feed(self) -> Source:
        """Give where the live feed is. Raises ConsoleError where there is none."""

    def leave(self) -> None:
        """Take leave."""


@dataclass(slots=True)
class UsersSeat:
    """A signed-on user. The session is begun again when it was lost, in the same division."""

    dialog: Dialog
    way: Way
    door: Door
    tap: Wiretap
    _division: str | None = None
    _desk: BrokersDesk = field(init=False)
    _token: int | None = None

    def __post_init__(self) -> None:
        """Let the session be heard of, and its bytes be seen."""
        self._desk = BrokersDesk(replace(self.door, observe=self.tap.observe), NAME, self._greeted)

    @property
    def desk(self) -> BrokersDesk:
        """The session."""
        return self._desk

    def caller(self) -> BrokersDesk:
        """Give the same session."""
        return self._desk

    def sign_on(self) -> None:
        """Begin the session, with a new verify code where it is time for one.

        Raises ConsoleError for what is refused, Left where no division or code is chosen.
        """
        try:
            try:
                self._desk.session("")
            except VerifyCodeExpired as error:
                if not self.dialog.reader.interactive:
                    raise
                self.dialog.screen.complain(str(error))
                self.door = self._with_new_code()
                self._desk.door = replace(self.door, observe=self.tap.observe)
                self._desk.session("")
        except ConnectionLost as error:
            raise self._desk.lost(error) from error

    def _with_new_code(self) -> Door:
        """Ask for a verify code until the broker takes it. Raises Left."""
        while True:
            new = self.dialog.secret("NEW VERIFY CODE: ", self._explain_new_code)
            if new != self.dialog.secret("THE SAME AGAIN: ", self._explain_new_code):
                self.dialog.screen.complain(f"{WHAT}  These are two.")
                continue
            try:
                return self.door.change_verify_code(NAME, new)
            except ConsoleError as error:
                self.dialog.screen.complain(f"{WHAT}  {error}")

    def _explain_new_code(self, _help: Help) -> None:
        self.dialog.screen.say(
            "     8 to 20 characters: letters, digits and punctuation other than ^ ; and :, none of your last codes."
        )

    def feed(self) -> Source:
        """Give the feed at the broker's web port, for the user by a token that is made for this."""
        connect = _web(self.way, self.door)
        self._end_token()
        made = self._desk.ask("MAGB TOKEN MAKE", {"LABEL": NAME, "DAYS": "1"})
        self._token = made["ien"]
        return Source(connect, {"Authorization": f"Bearer {made['token']}"})

    def leave(self) -> None:
        """End the token and the session."""
        self._end_token()
        self._desk.close()

    def _end_token(self) -> None:
        if self._token is not None:
            try:
                self._desk.ask("MAGB TOKEN END", {"IEN": str(self._token)})
            except ConsoleError:
                self.dialog.screen.say(f"Token {self._token} could not be ended; it is good for a day.")
        self._token = None

    def _greeted(self, client: BrokerClient, signed: SignOn) -> None:
        """Say the greeting of the first session, that another was begun of those after it, and enter the division."""
        if self._division is None:
            for line in signed.greeting:
                self.dialog.screen.say(line)
            self._division = self._chosen_division(client)
        else:
            self.dialog.screen.say("A new session was begun: you are signed on again.")
        if self._division:
            client.call("XUS DIVISION SET", f"`{self._division}")

    def _chosen_division(self, client: BrokerClient) -> str:
        """Ask for the division where the user has several; "" where there is nothing to choose."""
        try:
            divisions = [line.split("^") for line in client.call("XUS DIVISION GET").lines[1:]]
        except SecurityRefused:  # a site whose XUS SIGNON lacks it
            return ""
        names = {name: ien for ien, name, *_rest in divisions}
        default = next((name for _ien, name, _station, *mark in divisions if mark), "")

        def explain(_help: Help) -> None:
            self.dialog.screen.say(f"     Answer with one of {', '.join(names)}, or the beginning of it.")

        while names:
            prompt = f"Select DIVISION: {default}// " if default else "Select DIVISION: "
            answer = self.dialog.ask(prompt, explain, names=lambda text: fitting(text, names)) or default
            if chosen := self.dialog.choose(fitting(answer, names)):
                return names[chosen]
            explain(Help(1))
        return ""


@dataclass(slots=True)
class OwnersSeat:
    """The owner of the data directory: at the broker that runs on it, or with its database where none does."""

    dialog: Dialog
    way: Way
    tap: Wiretap
    _caller: UsersSeat | None = None

    @property
    def desk(self) -> Desk:
        """The one there is at the moment: brokers come and go."""
        return self

    def ask(self, procedure: str, asked: Mapping[str, str] | None = None) -> Any:
        """Carry an action out. A database is closed again, so that a broker may be started meanwhile."""
        with open_desk(self.way) as desk:
            return desk.ask(procedure, asked)

    def caller(self) -> BrokersDesk:
        """Sign somebody on: procedures are called by users, an owner is none."""
        if self._caller is None:
            self.dialog.screen.say("Procedures are called by a user: sign on.")
            seat = asked_codes(self.dialog, self.way, self.tap)
            if seat is None:
                raise Left
            seat.sign_on()
            self._caller = seat
        return self._caller.caller()

    def feed(self) -> Source:
        """Give the feed at the owner's socket of the broker."""
        directory = self.way.settings.data
        if running_at(directory) is None:
            raise ConsoleError(f"No broker runs on {directory}: there is nothing to watch.")
        return Source(lambda timeout: OverSocket(directory, timeout))

    def leave(self) -> None:
        """Let who signed on for calls take leave."""
        if self._caller is not None:
            self._caller.leave()


def users_seat(dialog: Dialog, way: Way, codes: tuple[str, str]) -> UsersSeat:
    """Give the seat of the user with these codes; nobody is signed on yet."""
    where = door(way, codes)
    return UsersSeat(dialog, way, where, Wiretap(where.cipher))


def asked_codes(dialog: Dialog, way: Way, tap: Wiretap) -> UsersSeat | None:
    """Ask for the codes of a user; both may stand in the first answer, with a semicolon between. None for an empty answer."""
    access = dialog.secret(_ACCESS, lambda _help: _explain_codes(dialog))
    if not access:
        return None
    access, semicolon, verify = access.partition(";")
    if not semicolon:
        verify = dialog.secret(_VERIFY, lambda _help: _explain_codes(dialog))
    return UsersSeat(dialog, way, door(way, (access, verify)), tap)


def intro(dialog: Dialog, where: Door) -> None:
    """Say what the site says to whoever comes, or that it is away."""
    try:
        for line in where.intro(NAME):
            dialog.screen.say(line)
    except ConnectionLost as error:
        dialog.screen.complain(str(where.lost(error)))


def owners_name() -> str:
    """Name the owner as the audit does."""
    return f"owner {getuser()}"


def _explain_codes(dialog: Dialog) -> None:
    dialog.screen.say("     The codes of a user of the site; nothing that you type is shown. ^ leaves.")


def _web(way: Way, where: Door) -> Callable[[float], HTTPConnection]:
    """Give what connects to a broker's web port, which is another after a restart perhaps. Raises ConsoleError for none."""
    trusted = trust(way) if way.settings.web_tls else None
    if not _web_port(way):
        raise ConsoleError("No live feed: the broker has no web port that is known here; the setting web_port names it.")

    def connect(timeout: float) -> HTTPConnection:
        if trusted is None:
            return HTTPConnection(where.host, _web_port(way), timeout=timeout)
        return HTTPSConnection(where.host, _web_port(way), timeout=timeout, context=trusted)

    return connect


def _web_port(way: Way) -> int:
    running = (read_run_file(way.settings.data) or {}) if way.broker is None else {}
    return int(running.get("web_port", way.settings.web_port) or 0)
