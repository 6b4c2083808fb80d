"""What an action takes: each parameter by name, said once for procedures, commands, the shell, the JSON API and its description.

On the wire a parameter is a subscript of the action's list (`CATCH UP`); JSON and OpenAPI write it as `catch_up`, commands as
`--catch-up`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import count

from rpcs.actions.errors import BadRequest
from runtime import other_names

#: Digits that a number may have; none of our limits has more.
MOST_DIGITS = 10
#: An entry number is at most this.
MOST_IEN = 10**9
#: The name under which it is asked that nothing be done, only told.
DRY_RUN = "DRY RUN"
#: Characters of what was asked that an error repeats.
REPEATED = 40
#: Characters of a piece of a long text, well below what one value may have on the wire.
PIECE = 16_000
#: Stands for what is secret.
HIDDEN = "***"


class Kind(Enum):
    """How a parameter's text is read."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"
    TIME = "time"
    JSON = "json"
    #: A long text in pieces, NAME1, NAME2 and so on: a list's values have a bound on the wire.
    PIECES = "pieces"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that an action takes. `about` says what it is; of a number `least` and `most` are the bounds.

    `default` is what counts when nothing is given. A `secret` is shown and kept nowhere.
    """

    name: str
    about: str
    kind: Kind = Kind.TEXT
    required: bool = False
    default: str = ""
    choices: tuple[str, ...] = ()
    least: int = 1
    most: int = MOST_IEN
    secret: bool = False

    @property
    def key(self) -> str:
        """The name as JSON has it."""
        return self.name.lower().replace(" ", "_")

    @property
    def flag(self) -> str:
        """The name as a command has it."""
        return "--" + self.key.replace("_", "-")

    def check(self, text: str) -> None:
        """Raise BadRequest for a text that is none of this parameter's."""
        if self.kind is Kind.NUMBER and not self._is_number(text):
            raise BadRequest(f"{self.name} is a number from {self.least} to {self.most}, not {text[:20]!r}.")
        if self.kind is Kind.FLAG and text not in ("0", "1"):
            raise BadRequest(f"{self.name} is 1 or 0, not {text[:20]!r}.")
        if self.choices:
            self.chosen(text)

    def chosen(self, text: str) -> str:
        """Give the choice that is meant, in whichever letter case. Raises BadRequest."""
        for one in self.choices:
            if one.casefold() == text.casefold():
                return one
        raise BadRequest(f"{self.name} is one of {', '.join(self.choices)}, not {text[:20]!r}.")

    def _is_number(self, text: str) -> bool:
        return text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS and self.least <= int(text) <= self.most


def text(name: str, about: str, *, required: bool = False, default: str = "", secret: bool = False) -> Parameter:
    """Declare a text."""
    return Parameter(name, about, required=required, default=default, secret=secret)


def choice(name: str, about: str, choices: Sequence[str], *, required: bool = False, default: str = "") -> Parameter:
    """Declare a text that is one of several."""
    return Parameter(name, about, required=required, default=default, choices=tuple(choices))


def number(
    name: str, about: str, *, required: bool = False, default: int | None = None, least: int = 1, most: int = MOST_IEN
) -> Parameter:
    """Declare a number between bounds."""
    return Parameter(name, about, Kind.NUMBER, required, "" if default is None else str(default), least=least, most=most)


def flag(name: str, about: str) -> Parameter:
    """Declare something that is asked for by a 1."""
    return Parameter(name, about, Kind.FLAG)


def time(name: str, about: str) -> Parameter:
    """Declare a time as people write it: `NOW`, `T+1@10:30`, `2026-11-24 10:30`."""
    return Parameter(name, about, Kind.TIME)


def facts(name: str, about: str) -> Parameter:
    """Declare a JSON object."""
    return Parameter(name, about, Kind.JSON)


def pieces(name: str, about: str, *, required: bool = False) -> Parameter:
    """Declare a long text that comes in pieces."""
    return Parameter(name, about, Kind.PIECES, required)


def limit(most: int, default: int = 100) -> Parameter:
    """Declare how many entries a list gives."""
    return number("LIMIT", "At most so many.", default=default, most=most)


def after() -> Parameter:
    """Declare where a page of a list begins."""
    return number("AFTER", "Behind the entry of this number: what a page gave as `next`.", default=0, least=0)


def read_number(name: str, text: str) -> int:
    """Read a number out of a text that may be something else, too. Raises BadRequest."""
    number(name, "").check(text)
    return int(text)


def request_of(parameters: Mapping[str, Parameter], values: Mapping[str, object]) -> dict[str, str]:
    """Turn values by their JSON names into what an action is asked; None is nothing. Raises BadRequest.

    Booleans are 1 and 0, objects and lists JSON; a text in pieces is one piece.
    """
    by_key = {parameter.key: parameter for parameter in parameters.values()}
    request = {}
    for key, value in values.items():
        parameter = by_key.get(key)
        if parameter is None:
            raise BadRequest(f"{key[:REPEATED]!r} is not taken here.{other_names(key, list(by_key))}")
        if value is not None:
            request[parameter.name + ("1" if parameter.kind is Kind.PIECES else "")] = _as_text(parameter, value)
    return request


def _as_text(parameter: Parameter, value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, str):
        words = {"true": "1", "false": "0"} if parameter.kind is Kind.FLAG else {}
        return words.get(value, value)
    if isinstance(value, dict | list) and parameter.kind in (Kind.JSON, Kind.PIECES):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value)
    raise BadRequest(f"{parameter.key} is not to be {type(value).__name__}: {parameter.about}")


def check_request(parameters: Mapping[str, Parameter], request: Mapping[str, str]) -> None:
    """Raise BadRequest for what an action does not take, what it lacks, and what is written wrongly. "" counts as not given."""
    for name, given in request.items():
        parameter = parameter_named(parameters, name)
        if parameter is None:
            raise BadRequest(f"{name[:REPEATED]!r} is not taken here.{other_names(name, list(parameters))}")
        if given:
            parameter.check(given)
    for parameter in parameters.values():
        first = f"{parameter.name}1" if parameter.kind is Kind.PIECES else parameter.name
        if parameter.required and not request.get(first, "").strip(" "):
            raise BadRequest(f"{parameter.name} is needed: {parameter.about}")


def parameter_named(parameters: Mapping[str, Parameter], name: str) -> Parameter | None:
    """Find the parameter that a subscript of a request means, a piece of a long text its whole; None for what is not taken."""
    if name in parameters:
        return parameters[name]
    stem = name.rstrip("0123456789")
    parameter = parameters.get(stem)
    return parameter if parameter is not None and parameter.kind is Kind.PIECES and stem != name else None


def piece_names(name: str) -> Iterator[str]:
    """Give the names of the pieces of a long text, in order."""
    return (f"{name}{number}" for number in count(1))


def in_pieces(name: str, text: str) -> dict[str, str]:
    """Ask for a long text under a name: its pieces by their names."""
    return dict(zip(piece_names(name), (text[at : at + PIECE] for at in range(0, len(text), PIECE)), strict=False))
