"""Faults that testers set, so that clients meet what seldom happens."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, select

from fileman import BadFault, Fault, clear_faults, read_faults, set_fault
from fileman.faults import KINDS
from fileman.files import OptionRpc
from rpcs.actions import parameters as takes
from rpcs.actions.action import Act, action
from rpcs.actions.errors import BadRequest
from rpcs.actions.tokens import MANAGER
from rpcs.image_processing.study import SERVICE_ORDER, find_study
from rpcs.registry import standard

_IN_CONTEXT = select(OptionRpc.rpc).where(OptionRpc.rpc == bindparam("name")).limit(1)


@action("MAGB FAULT LIST", lists={"entries": ("fault", "facts", "effect")})
def fault_list(act: Act) -> dict[str, Any]:
    """List the faults that are set, with what each strikes and what happens."""
    return {"entries": [_told(it) for it in read_faults(act.connection)]}


@action(
    "MAGB FAULT SET",
    takes.choice("FAULT", "Which.", tuple(KINDS), required=True),
    takes.text("ACCESSION", "locked-exam: the accession number."),
    takes.text("RPC", "slow-answer and dropped-answer: the procedure."),
    takes.text("SECONDS", "slow-answer: how much later the answer comes."),
    takes.text("TIMES", "How often it strikes before it clears itself; until it is cleared if left out."),
    writes=True,
    key=MANAGER,
)
def fault_set(act: Act) -> dict[str, Any]:
    """Set a fault; every broker heeds it at once. `warning` tells that nothing here has the name that it is to strike."""
    facts = {name.lower(): act.text(name) for name in ("ACCESSION", "RPC", "SECONDS", "TIMES") if act.text(name)}
    try:
        fault = Fault.parse(act.text("FAULT"), facts)
        set_fault(act.connection, fault)
    except BadFault as error:
        raise BadRequest(str(error)) from error
    act.changed(f"fault {fault.name}", None, fault.facts)
    return {**_told(fault), "warning": _strikes_nothing(act, fault)}


@action("MAGB FAULT CLEAR", takes.choice("FAULT", "Only those of this name.", tuple(KINDS)), writes=True, key=MANAGER)
def fault_clear(act: Act) -> dict[str, Any]:
    """Clear the faults of a name, or all."""
    cleared = clear_faults(act.connection, act.text("FAULT"))
    for fault in cleared:
        act.changed(f"fault {fault.name}", fault.facts, None)
    return {"cleared": [_told(it) for it in cleared]}


def _told(fault: Fault) -> dict[str, Any]:
    return {"fault": fault.kind, "facts": fault.facts, "effect": KINDS[fault.kind].effect}


def _strikes_nothing(act: Act, fault: Fault) -> str:
    """Say that nothing here has the name that a fault is to strike; empty when something has, or it needs none."""
    name, facts = fault.subject, fault.facts
    if "rpc" in facts and name not in standard() and act.connection.execute(_IN_CONTEXT, {"name": name}).first() is None:
        return f"magbroker has no procedure {name}, and no context of the site names one of a pack"
    if "accession" in facts and not any(find_study(act.connection, service, name) for service in SERVICE_ORDER):
        return f"images find no exam by the accession number {name}"
    return ""
