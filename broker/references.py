"""Reference parameters: the variables that a session holds, and the few expressions that clients ask for.

VistA evaluates whatever M a client sends (GETV^XWBPRS). Here nothing is evaluated: what is known by its text has a value,
all else is the M error that an unknown name is.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from fileman import to_fileman
from rpcs import MError, Session, SiteData
from runtime import Clock
from xwb import first_expression

log = logging.getLogger(__name__)

_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
#: Pieces of a node that is held: `$P(^VA(200,DUZ,0),U)`, `$PIECE($G(DUZ(2)),"^",2)`.
_PIECE = re.compile(
    r'\$P(?:IECE)?\((?:\$G(?:ET)?\((?P<guarded>[^$]+)\)|(?P<node>[^$]+)),(?:U|"\^")(?:,(?P<number>[0-9]{1,3}))?\)', re.IGNORECASE
)
#: A guarded node: `$G(DUZ)`.
_GOT = re.compile(r"\$G(?:ET)?\(([^,$]+)\)", re.IGNORECASE)
#: The day on which $HOROLOG begins to count.
_HOROLOG = date(1840, 12, 31)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a reference may look at; `version` is that of the call (XWBAPVER)."""

    session: Session
    site: SiteData
    clock: Clock
    version: str = "0"


def job_number(session: Session) -> str:
    """Give the number of the job that serves a session ($JOB)."""
    return str(int(session.id[:6] or "0", 16))


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
    "XWBAPVER": lambda here: here.version,
    "XWBVER": lambda _here: "1.108",
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
    "$J": lambda here: job_number(here.session),
    "$JOB": lambda here: job_number(here.session),
}


def reference_value(text: str, here: Surroundings) -> str:
    """Give the value of a reference. Raises MError for a name that the session does not hold."""
    return "" if text.startswith("$$") else _value(text, here, "GETV+5^XWBPRS")


def subscript_value(text: str, here: Surroundings) -> str:
    """Give the value of an expression as a list's subscript. Raises MError as for a reference."""
    return _value(text, here, "LINST+3^XWBPRS")


def _value(text: str, here: Surroundings, place: str) -> str:
    if text in VARIABLES:
        return VARIABLES[text](here)
    if not text.startswith(('"', "$")):
        raise _undefined(text, place)
    expression = first_expression(text, " ,")
    if quoted := _QUOTED.fullmatch(expression):
        return quoted[1].replace('""', '"')
    if special := SPECIAL.get(expression.upper()):
        return special(here)
    if (got := _GOT.fullmatch(expression)) and got[1] in VARIABLES:
        return VARIABLES[got[1]](here)
    if (piece := _PIECE.fullmatch(expression)) and (node := piece["guarded"] or piece["node"]) in VARIABLES:
        pieces = VARIABLES[node](here).split("^")
        number = int(piece["number"] or 1)
        return pieces[number - 1] if 1 <= number <= len(pieces) else ""
    if here.session.duz:
        log.info("%s sent %.80r, which stands for nothing here: references are looked up, not evaluated", here.session.name, text)
    raise _undefined(text, place)


def _undefined(text: str, place: str) -> MError:
    return MError(f"{place}, Undefined local variable: {text[:30]},150373850,-%GTM-E-UNDEF")
