"""CALL RPC: any procedure of the broker, by name, with typed parameters; the bytes both ways, the time, the answer as lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from console.complaints import CALL_REFUSALS
from console.errors import ConsoleError, WrongUsage
from console.nodes import node_of, string_of
from console.shell.answers import Help, fitting
from console.shell.dialog import WHAT, Dialog
from console.shell.octets import Wiretap
from console.shell.screen import readable
from console.sign_on import explained
from console.tasks.brokers_desk import BrokersDesk
from console.traffic.exchange import CONTEXT_CALL
from console.traffic.rules import CREDENTIAL_CALLS, meant
from rpcs import STANDARD, ParameterKind
from rpcs.actions import ACTIONS
from xwb import CHARSET, AnswerTooLong, ApplicationError, ConnectionLost, MError, Reference, Response, SecurityRefused

#: PARAMETER TYPE (#8994.02, .02) as people answer it, by name or code.
TYPES = {"LITERAL": "1", "LIST": "2", "REFERENCE": "4"}
_KINDS = {ParameterKind.LITERAL: "a literal", ParameterKind.REFERENCE: "a reference"}
#: Procedures that may sign off, or enter another context, as `meant` names them.
_OF_SESSIONS = CREDENTIAL_CALLS | {meant(CONTEXT_CALL)}
#: Parameters that a call has at most.
MOST_PARAMETERS = 50


@dataclass(slots=True)
class Calling:
    """Calls procedures in a session, in the context that was chosen."""

    dialog: Dialog
    desk: Callable[[], BrokersDesk]
    tap: Wiretap
    context: str = ""
    _names: list[str] = field(default_factory=list)

    def choose_context(self) -> None:
        """Ask for a context and enter it; it is kept when the broker lets the user in."""

        def explain(_help: Help) -> None:
            self.dialog.screen.say("     The name of an option of type B, letter case included; Enter alone for none.")

        self.dialog.screen.say(f"The context is {self.context or 'none'}.")
        wanted = self.dialog.ask("Select CONTEXT: ", explain, names=lambda text: fitting(text, _CONTEXTS), kept="CONTEXT")
        self._in_session(lambda: self.desk().session(wanted))
        self.context = wanted
        self.dialog.screen.say(f"Calls are made in {wanted}." if wanted else "Calls are made without a context.")

    def call(self) -> None:
        """Ask for a procedure and its parameters, call it, show what passed and what it answered."""
        desk = self.desk()
        if not self._names:
            self._names = self._in_session(lambda: desk.session(self.context).call("XWB RPC LIST", "").lines)
        name = self._name()
        if not name:
            return
        parameters = self._parameters(name)
        self.tap.begin()
        try:
            self._in_session(lambda: self._called(desk, name, parameters))
        finally:
            self.tap.end()
            desk.doubtful |= meant(name) in _OF_SESSIONS

    def _called(self, desk: BrokersDesk, name: str, parameters: list[Any]) -> None:
        try:
            response = desk.session(self.context).call(name, *parameters)
        except ApplicationError as error:
            self._show_bytes()
            self._show_answer(Response(error.data))
            raise ConsoleError(f"The procedure reports: {error.text}") from error
        except (SecurityRefused, MError, ConnectionLost):
            self._show_bytes()
            raise
        self._show_bytes()
        self._show_answer(response)

    def _in_session(self, work: Callable[[], Any]) -> Any:
        """Do something in the session; what a broker refuses, or that it is away, is said in words. Raises ConsoleError."""
        try:
            return work()
        except SecurityRefused as error:
            raise explained(error.text, CALL_REFUSALS, "The broker refuses the call") from error
        except MError as error:
            raise ConsoleError(f"The procedure failed: {error.text}") from error
        except AnswerTooLong:
            raise
        except ConnectionLost as error:
            raise self.desk().lost(error) from error

    def _show_bytes(self) -> None:
        self.dialog.screen.lines(self.tap.end())

    def _show_answer(self, response: Response) -> None:
        lines = response.lines
        self.dialog.screen.say(f"The answer has {len(lines)} {'line' if len(lines) == 1 else 'lines'}:")
        self.dialog.screen.lines([readable(line) for text in lines for line in text.split("\n")])

    def _name(self) -> str:
        def explain(_help: Help) -> None:
            self.dialog.screen.say("     The name of a procedure, or the beginning of it; Tab completes it.")

        answer = self.dialog.ask(
            "Select REMOTE PROCEDURE: ", explain, names=lambda text: fitting(text, self._names), kept="REMOTE PROCEDURE"
        )
        if not answer:
            return ""
        found = fitting(answer, self._names)
        if not found:  # the broker is to say that there is none
            return answer
        return self.dialog.choose(found)

    def _parameters(self, name: str) -> list[Any]:
        self.dialog.screen.say("Parameters are literals, lists or references; Enter alone when there are no more.")
        known = procedure.parameters if (procedure := STANDARD.get(name)) is not None else ()
        parameters: list[Any] = []
        while len(parameters) < MOST_PARAMETERS:
            declared = known[len(parameters)] if len(parameters) < len(known) else None
            hint = f" ({declared.name}, {_KINDS.get(declared.kind, 'a list')})" if declared is not None else ""
            kind = self._type(f"PARAMETER {len(parameters) + 1}{hint} TYPE: ")
            if not kind:
                break
            parameters.append(_ASKED[kind](self, name))
        return parameters

    def _type(self, prompt: str) -> str:
        def explain(_help: Help) -> None:
            for kind, code in TYPES.items():
                self.dialog.screen.say(f"     {code}  {kind}")
            self.dialog.screen.say("     Enter alone: there are no more parameters.")

        while True:
            answer = self.dialog.ask(prompt, explain, names=lambda text: fitting(text, TYPES) if text else TYPES)
            if not answer:
                return ""
            found = [kind for kind, code in TYPES.items() if code == answer] or fitting(answer, TYPES)
            if chosen := self.dialog.choose(found):
                return chosen
            self.dialog.screen.complain(f"{WHAT}  Answer with one of {', '.join(TYPES)}.")

    def _literal(self, name: str) -> str:
        return string_of(self._value(name, "  VALUE: "))

    def _reference(self, name: str) -> Reference:
        return Reference(self._value(name, "  EXPRESSION: ").encode(CHARSET, "replace"))

    def _list(self, name: str) -> dict[tuple[str, ...], str]:
        """Ask for nodes until an empty line."""
        nodes: dict[tuple[str, ...], str] = {}
        while entry := self._value(name, "  KEY=VALUE: "):
            try:
                key, value = node_of(entry)
            except WrongUsage as error:
                self.dialog.screen.complain(f'{WHAT}  {error} A key is written as 1 or "TEXT",1.')
            else:
                nodes[key] = value
        return nodes

    def _value(self, name: str, prompt: str) -> str:
        def explain(_help: Help) -> None:
            self.dialog.screen.say('     Text as it is to be sent; in quotes what would mean something here: "^", "?".')

        if _is_secret(name):
            return self.dialog.secret(prompt, explain)
        return self.dialog.value(prompt, explain)


_ASKED: dict[str, Callable[[Calling, str], Any]] = {
    "LITERAL": Calling._literal,
    "LIST": Calling._list,
    "REFERENCE": Calling._reference,
}
_CONTEXTS = ("MAG DICOM GATEWAY FULL", "MAG DICOM GATEWAY VIEW", "MAG WINDOWS", "MAGB GATEWAY", "MAGB TASKMAN")


def _is_secret(name: str) -> bool:
    """Tell whether a procedure takes codes: they are asked for without echo."""
    action = ACTIONS.get(name)
    secrets: Iterable[bool] = () if action is None else (it.secret for it in action.takes.values())
    return meant(name) in CREDENTIAL_CALLS or any(secrets)
