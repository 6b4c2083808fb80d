"""Asking for what an action takes, one parameter after another, as its declaration says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tzlocal import get_localzone

from console.nodes import string_of
from console.shell.answers import Help, fitting, yes_or_no
from console.shell.dialog import WHAT, Dialog
from console.shell.screen import readable
from rpcs.actions import DRY_RUN, Action, BadRequest, Kind, Parameter
from rpcs.actions.parameters import in_pieces
from taskman.asked_time import read_time
from taskman.errors import BadTime

#: Takes a value away that is there, as FileMan has it; and what stands before the name of a file whose text is meant.
NOTHING, FROM_FILE = "@", "<"
#: Bytes of a file that is given as a parameter.
FILE_LIMIT = 4 * 1024**2

_HOW = {
    Kind.TEXT: "Answer with text, in quotes where it begins with ^, ?, @ or <; <FILE takes it from a file.",
    Kind.NUMBER: "Answer with a number from {least} to {most}.",
    Kind.FLAG: "Answer YES or NO.",
    Kind.TIME: "Answer with a time: NOW, 14:30, T+1@10:30, +2H, 2026-11-24 10:30.",
    Kind.JSON: "Answer with a JSON object; <FILE takes it from a file.",
    Kind.PIECES: "Answer with text; <FILE takes it from a file.",
}


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks for the parameters of one action; `now` gives the time, in seconds since the epoch."""

    dialog: Dialog
    action: Action
    now: Callable[[], float]

    def request(self) -> dict[str, str]:
        """Ask for all, the optional ones only where they are wanted. Raises Left."""
        takes = [it for it in self.action.takes.values() if it.name != DRY_RUN]
        request: dict[str, str] = {}
        for parameter in asked_always(self.action):
            request |= self._one(parameter)
        others = [it for it in takes if it not in asked_always(self.action)]
        if others and self.dialog.wants("Other parameters?"):
            for parameter in others:
                request |= self._one(parameter)
        return request

    def _one(self, parameter: Parameter) -> dict[str, str]:
        """Ask until an answer can be used; nothing where nothing was answered."""
        while True:
            answer = self._answer(parameter)
            if not answer and parameter.required:
                self.dialog.screen.complain(f"{WHAT}  This is needed: {parameter.about} ^ leaves.")
                continue
            if not answer:
                return {}
            if answer == NOTHING and not parameter.required:
                return {parameter.name: ""}
            try:
                value = self._value(parameter, answer)
            except (BadRequest, BadTime) as error:
                self.dialog.screen.complain(f"{WHAT}  {error}")
                continue
            if value:
                return in_pieces(parameter.name, value) if parameter.kind is Kind.PIECES else {parameter.name: value}

    def _answer(self, parameter: Parameter) -> str:
        if parameter.secret:
            return self.dialog.secret(prompt_of(parameter), lambda level: self._explain(parameter, level))
        choices = ("YES", "NO") if parameter.kind is Kind.FLAG else parameter.choices
        return self.dialog.ask(
            prompt_of(parameter),
            lambda level: self._explain(parameter, level),
            names=lambda text: fitting(text, choices) if text.strip() else choices,
            kept=parameter.name,
        )

    def _value(self, parameter: Parameter, answer: str) -> str:
        """Give what is asked of the action; "" where a choice was not made. Raises BadRequest and BadTime."""
        if parameter.choices and (found := fitting(answer, parameter.choices)):
            return self.dialog.choose(found)
        return value_of(parameter, answer, self.now())

    def _explain(self, parameter: Parameter, asked: Help) -> None:
        for line in explanation(parameter):
            self.dialog.screen.say(line)
        if asked.level > 1:
            self.dialog.screen.say(self.action.about)


def asked_always(action: Action) -> list[Parameter]:
    """Give what is asked for without a question before: what is needed, or all where what changes something needs nothing.

    A hold that names nothing holds nothing: there one of several parameters is meant.
    """
    takes = [it for it in action.takes.values() if it.name != DRY_RUN]
    needed = [it for it in takes if it.required]
    return takes if action.writes and not needed else needed


def prompt_of(parameter: Parameter) -> str:
    """Give the prompt of a parameter, with what counts when nothing is answered."""
    if parameter.kind is Kind.FLAG:
        return f"{parameter.name} (YES/NO): "
    return f"{parameter.name}: {parameter.default}// " if parameter.default else f"{parameter.name}: "


def explanation(parameter: Parameter) -> list[str]:
    """Say what a parameter is, how it is answered, and what its choices are."""
    how = _HOW[parameter.kind].format(least=parameter.least, most=parameter.most)
    if parameter.choices:
        how = f"Answer with one of {', '.join(parameter.choices)}, or the beginning of it."
    end = "It is needed; ^ leaves." if parameter.required else f"Enter alone leaves it out, {NOTHING} makes it empty; ^ leaves."
    return [f"     {line}" for line in (parameter.about, how, end)]


def value_of(parameter: Parameter, answer: str, now: float) -> str:
    """Turn an answer into what an action is asked. Raises BadRequest and BadTime, whose words say what may be answered."""
    if parameter.kind is Kind.FLAG:
        wanted = yes_or_no(answer)
        if wanted is None:
            raise BadRequest("Answer YES or NO.")
        return str(int(wanted))
    if parameter.kind is Kind.TIME:
        read_time(answer, now, get_localzone())
    if parameter.kind is Kind.TEXT and (given := string_of(answer)) != answer:
        answer = given
    elif parameter.kind in (Kind.TEXT, Kind.JSON, Kind.PIECES) and answer.startswith(FROM_FILE) and not parameter.choices:
        answer = _text_of(answer.removeprefix(FROM_FILE).strip())
    if parameter.kind is Kind.JSON and not _is_object(answer):
        raise BadRequest(f"{parameter.name} is to be a JSON object.")
    if answer:
        parameter.check(answer)
    return answer


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _text_of(name: str) -> str:
    try:
        with Path(name).expanduser().open("rb") as file:
            data = file.read(FILE_LIMIT + 1)
        text = data.decode("utf-8")
    except OSError as error:
        raise BadRequest(f"{readable(name)} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise BadRequest(f"{readable(name)} is no text in UTF-8.") from error
    if len(data) > FILE_LIMIT:
        raise BadRequest(f"{readable(name)} is longer than {FILE_LIMIT} bytes.")
    return text
