"""What is told of remote procedures: their facts as file 8994 has them, by family, and the reference page made of these."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from inspect import cleandoc

from console.packs import Procedures
from rpcs import InputParameter, Procedure

_OWN = "rpcs."
_INTRODUCTION = """\
# Remote procedures

Every procedure of this broker, by family, as its registry has them. `magbroker rpc list`, `rpc show NAME` and
`rpc call NAME` say and do the same on a terminal; this page is what `magbroker rpc reference` prints.

As in VistA, a parameter's kind, its length and whether it is required document a procedure; only more parameters than
there are make an M error. Where the file tells of others than the routine takes, *taken* names these in their order.
"""


@dataclass(frozen=True, slots=True)
class ParameterFacts:
    """What is told of an input parameter. A length of 0 is none that the file names."""

    sequence: int
    name: str
    type: str
    length: int
    required: bool

    @classmethod
    def of(cls, sequence: int, parameter: InputParameter) -> ParameterFacts:
        """Put a parameter in the words of file 8994."""
        kind = parameter.kind.name.replace("_", " ")
        return cls(parameter.sequence or sequence, parameter.name, kind, parameter.length, parameter.required)

    @property
    def words(self) -> str:
        """The facts in one line, as a table cell has them."""
        marks = ["list" if self.type == "LIST" else "", f"up to {self.length}" if self.length else ""]
        said = ", ".join(mark for mark in (*marks, "required" if self.required else "") if mark)
        return f"{self.name} ({said})" if said else self.name


@dataclass(frozen=True, slots=True)
class Facts:
    """What is told of a procedure. `taken` names what its routine takes, where that is not what the file tells of."""

    name: str
    family: str
    returns: str
    parameters: tuple[ParameterFacts, ...]
    taken: tuple[str, ...]
    access: str
    inactive: str
    availability: str
    version: float
    word_wrap: bool
    client_manager: bool
    routine: str
    pack: str
    description: str

    @classmethod
    def of(cls, procedure: Procedure, pack: str) -> Facts:
        """Put enumerations in the words of file 8994."""
        return cls(
            procedure.name,
            family_of(procedure),
            procedure.returns.name.replace("_", " "),
            tuple(ParameterFacts.of(number, one) for number, one in enumerate(procedure.parameters, 1)),
            procedure.formals,
            procedure.access.value,
            procedure.inactive.name.replace("_", " ").lower(),
            procedure.availability.name,
            procedure.version,
            procedure.word_wrap,
            procedure.client_manager,
            procedure.routine,
            pack,
            cleandoc(procedure.description),
        )


def facts_of(procedures: Procedures) -> list[Facts]:
    """Tell of every procedure, by name."""
    return [Facts.of(procedure, procedures.origins[procedure.name]) for procedure in procedures.registry]


def family_of(procedure: Procedure) -> str:
    """Name the module that declares a procedure: below `rpcs` its first name there, in a pack its whole name."""
    module = str(getattr(procedure.handler, "__module__", ""))
    return module.removeprefix(_OWN).partition(".")[0] if module.startswith(_OWN) else module


def reference(rows: Iterable[Facts]) -> str:
    """Write the reference page: a section for each family, a table row for each procedure, then what each promises."""
    families: dict[str, list[Facts]] = {}
    for row in rows:
        families.setdefault(row.family, []).append(row)
    return "\n".join([_INTRODUCTION, *(_section(family, families[family]) for family in sorted(families))])


def _taken(row: Facts) -> str:
    return f" *taken:* {', '.join(row.taken)}" if row.taken else ""


def _section(family: str, rows: list[Facts]) -> str:
    heading = family.replace("_", " ").capitalize()
    module = sys.modules.get(f"{_OWN}{family}") or sys.modules.get(family)
    purpose = (getattr(module, "__doc__", None) or "").strip().partition("\n\n")[0].replace("\n", " ")
    lines = [f"## {heading}", "", *([purpose, ""] if purpose else [])]
    lines += ["| procedure | returns | parameters | routine | version |", "|---|---|---|---|---|"]
    for row in rows:
        parameters = "; ".join(one.words for one in row.parameters) + _taken(row)
        inactive = "" if row.inactive == "active" else f" ({row.inactive})"
        lines.append(f"| `{row.name}`{inactive} | {row.returns} | {parameters} | `{row.routine}` | {row.version:g} |")
    for row in rows:
        lines += ["", f"### {row.name}", "", row.description or "(nothing is said of it)"]
    return "\n".join([*lines, ""])
