"""Reference parameters: the variables that a session holds, and the few expressions that clients ask for.

VistA evaluates whatever M a client sends (GETV^XWBPRS). Here nothing is evaluated: what is known by its text has a value,
all else is the M error that an unknown name is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from fileman import to_fileman
from rpcs import MError, Session, SiteData
from runtime import Clock

_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
#: Pieces of a node that is held: `$P(^VA(200,DUZ,0),U)`, `$PIECE($G(DUZ(2)),"^",2)`.
_PIECE = re.compile(
    r'\$P(?:IECE)?\((?:\$G(?:ET)?\((?P<guarded>[^$]+)\)|(?P<node>[^$]+)),(?:U|"\^")(?:,(?P<number>[0-9]{1,3}))?\)', re.IGNORECASE
)
#: The day on which $HOROLOG begins to count.
_HOROLOG = date(1840, 12, 31)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a reference may look at."""

    session: Session
    site: SiteData
    clock: Clock


def _horolog(here: Surroundings) -> str:
    now = here.clock.now()
    return f"{(now.date() - _HOROLOG).days},{now.hour * 3600 + now.minute * 60 + now.second}"


def _device(here: Surroundings) -> str:
    return here.site.settings.device_of(here.session.transport)


#: What stands in a session's partition, by the text that names it.
VARIABLES: Mapping[str, Callable[[Surroundings], str]] = {
    "DUZ": lambda here: str(here.session.duz),
    "DUZ(0)": lambda here: "@" if here.session.programmer else "",
    "DUZ(1)": lambda _here: "",
    "DUZ(2)": lambda here: str(here.session.division),
    'DUZ("AG")': lambda _here: "V",
    'DUZ("LANG")': lambda _here: "",
    "DT": lambda here: to_fileman(here.clock.now())[:7],
    "DTIME": lambda here: str(here.session.timeout),
    "U": lambda _here: "^",
    "IO": _device,
    'IO("IP")': lambda here: here.session.address,
    'IO("CLNM")': lambda here: here.session.client.lower(),
    "XQY0": lambda here: here.session.context,
    "XWBTIP": lambda here: here.session.address,
    "XWBCLMAN": lambda here: here.session.client,
    '^XMB("NETNAME")': lambda here: here.site.settings.domain,
    "^VA(200,DUZ,0)": lambda here: here.session.name,
}
#: Special variables of M, by their names in full and short.
SPECIAL: Mapping[str, Callable[[Surroundings], str]] = {
    "$H": _horolog,
    "$HOROLOG": _horolog,
    "$I": _device,
    "$IO": _device,
    "$P": _device,
    "$PRINCIPAL": _device,
    "$J": lambda here: str(int(here.session.id[:6] or "0", 16)),
    "$JOB": lambda here: str(int(here.session.id[:6] or "0", 16)),
}


def reference_value(text: str, here: Surroundings) -> str:
    """Give the value of a reference. Raises MError for a name that the session does not hold."""
    if text.startswith("$$"):
        return ""
    if not text.startswith(('"', "$")):
        return _variable(text, here)
    expression = first_argument(text)
    if quoted := _QUOTED.fullmatch(expression):
        return quoted[1].replace('""', '"')
    if special := SPECIAL.get(expression.upper()):
        return special(here)
    if piece := _PIECE.fullmatch(expression):
        pieces = _variable(piece["guarded"] or piece["node"], here).split("^")
        number = int(piece["number"] or 1)
        return pieces[number - 1] if 1 <= number <= len(pieces) else ""
    raise _undefined(text)


def first_argument(text: str) -> str:
    """Cut a text at its first space or comma that stands neither in quotes nor in parentheses (VCHK^XWBPRS)."""
    depth, quoted = 0, False
    for place, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif not quoted:
            depth += (char == "(") - (char == ")")
            if depth <= 0 and char in " ,":
                return text[:place]
    return text


def _variable(name: str, here: Surroundings) -> str:
    if name not in VARIABLES:
        raise _undefined(name)
    return VARIABLES[name](here)


def _undefined(text: str) -> MError:
    return MError(f"GETV+5^XWBPRS, Undefined local variable: {text[:30]},150373850,-%GTM-E-UNDEF")
