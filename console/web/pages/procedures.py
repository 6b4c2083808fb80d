"""Remote procedures as pages: the registry, and any procedure called by a form, with the exact bytes both ways."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLong

from console.complaints import CALL_REFUSALS, CONTEXT_REFUSALS, advised
from console.errors import WrongUsage
from console.nodes import node_of, string_of
from console.rpc_reference import Facts
from console.shell.octets import dump
from console.traffic import Exchange, to_json
from console.traffic.exchange import CONTEXT_CALL
from console.traffic.rules import CREDENTIAL_CALLS, meant
from console.web.errors import NoSuchPage
from console.web.pages.frame import Frame, Route
from console.web.pages.visitor import Ask
from rpcs import Session
from rpcs.actions import BadRequest, NotAllowed
from rpcs.permission import context_refusal
from xwb import CHARSET, Parameter, Reference, encode_call, to_parameter

#: Procedures of a page, parameters of a call, characters of one of them, and seconds that an answer is waited for.
ROWS, MOST_PARAMETERS, PARAMETER_LIMIT, PATIENCE = 60, 20, 200_000, 30.0
#: How the audit names a call.
CALLED = "RPC CALL"
TYPES = ("literal", "list", "reference")
#: Procedures that belong to a session of their own: the shell has one.
_OF_SESSIONS = CREDENTIAL_CALLS | {meant(CONTEXT_CALL)}


@dataclass(frozen=True, slots=True)
class Called:
    """A call that was made: its bytes as on `[XWB]`, how long the answer took, its lines, and a line of a recording."""

    sent: list[str]
    received: list[str]
    sizes: tuple[int, int]
    milliseconds: float
    lines: list[str]
    failed: str
    recording: str


async def list_page(frame: Frame, ask: Ask) -> str:
    """List the procedures whose name or family has a text in it."""
    wanted, start = ask.values.get("has", "").strip().upper(), _number(ask.values.get("after", ""))
    found = [
        Facts.of(procedure, "")
        for procedure in sorted(frame.runner.dispatcher.registry, key=lambda it: it.name)
        if wanted in procedure.name.upper() or wanted in procedure.routine.upper()
    ]
    page = found[start : start + ROWS]
    more = start + ROWS if len(found) > start + ROWS else 0
    template = "rpc_table.html" if ask.partial else "rpc.html"
    return frame.page(template, ask, rows=page, has=ask.values.get("has", ""), count=len(found), start=start, more=more)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


async def procedure_page(frame: Frame, ask: Ask, name: str) -> str:
    """Show a procedure with a form that calls it; call it when the form is sent."""
    procedure = frame.runner.dispatcher.registry.get(name)
    if procedure is None:
        raise NoSuchPage
    facts = Facts.of(procedure, "")
    contexts = _contexts(frame, ask, name)
    asked = _asked(ask, facts)
    shared = {"facts": facts, "contexts": contexts, "asked": asked, "types": TYPES, "context": ask.values.get("context", "")}
    if not ask.posted:
        return frame.page("rpc_procedure.html", ask, **shared, called=None, refused="", own=meant(name) in _OF_SESSIONS)
    called, refused = None, ""
    try:
        called = await _call(frame, ask, name, asked)
    except (NotAllowed, BadRequest) as error:
        refused = str(error)
    template = "rpc_answer.html" if ask.partial else "rpc_procedure.html"
    return frame.page(template, ask, **shared, called=called, refused=refused, own=False)


def _contexts(frame: Frame, ask: Ask, name: str) -> list[str]:
    """Give the contexts that the visitor may create and that have the procedure."""
    site, caller = frame.runner.dispatcher.site(), ask.visitor.caller
    now = frame.runner.dispatcher.environment.clock.now
    session = Session(duz=caller.duz, name=caller.name)
    held = [option for option, it in site.options.items() if it.key_of(name) is not None]
    return sorted(option for option in held if not context_refusal(option, session, site, now))


def _asked(ask: Ask, facts: Facts) -> list[tuple[str, str]]:
    """Read the parameters of the form: a type and a text each; before it was sent, what the procedure declares."""
    args: Mapping[bytes, list[bytes]] = ask.request.args
    kinds, texts = (
        [it.decode("utf-8", "replace").replace("\r\n", "\n") for it in args.get(name, [])] for name in (b"type", b"value")
    )
    if not ask.posted:
        return [("list" if it.type == "LIST" else "literal", "") for it in facts.parameters] or [("literal", "")]
    return list(zip(kinds, texts, strict=False))[:MOST_PARAMETERS]


def _parameters(asked: list[tuple[str, str]]) -> list[Parameter]:
    """Make the parameters of a call; empty ones at the end are none. Raises BadRequest."""
    while asked and not asked[-1][1]:
        asked = asked[:-1]
    if any(len(text) > PARAMETER_LIMIT for _kind, text in asked):
        raise BadRequest(f"A parameter has at most {PARAMETER_LIMIT:,} characters here.")
    return [to_parameter(_MADE[kind](text) if kind in _MADE else string_of(text)) for kind, text in asked]


def _list(text: str) -> dict[tuple[str, ...], str]:
    try:
        return dict(node_of(line) for line in text.split("\n") if line.strip())
    except WrongUsage as error:
        raise BadRequest(f'{error} A list has a line a node, 1=text or "TEXT",1=text.') from error


_MADE: Mapping[str, Any] = {"list": _list, "reference": lambda text: Reference(text.encode(CHARSET, "replace"))}


async def _call(frame: Frame, ask: Ask, name: str, asked: list[tuple[str, str]]) -> Called:
    """Call a procedure as the visitor, in a context that he may create. Raises NotAllowed and BadRequest."""
    dispatcher, caller, context = frame.runner.dispatcher, ask.visitor.caller, ask.values.get("context", "")
    if meant(name) in _OF_SESSIONS:
        raise BadRequest(f"{name} belongs to a session of its own: magbroker shell has one, with CALL RPC.")
    parameters = _parameters(asked)
    session = Session(id=frame.runner.session_ids(), address=caller.address, duz=caller.duz, name=caller.name)
    if context:
        if why := context_refusal(context, session, dispatcher.site(), dispatcher.environment.clock.now):
            raise NotAllowed(advised(why, CONTEXT_REFUSALS, "The broker refuses the context"))
        session = replace(session, context=context)
    sent, begun = encode_call(name.encode(), parameters), time.perf_counter()
    told = {"PROCEDURE": name, "CONTEXT": context, "PARAMETERS": str(len(parameters))}
    await frame.runner.record(caller, CALLED, told, f"procedure {name}")
    result = dispatcher.call(session, name.encode(), parameters)
    if isinstance(result, Deferred):
        result.addTimeout(PATIENCE, dispatcher.reactor)
        try:
            outcome = await result
        except TookTooLong:
            dispatcher.waits.end(session.id)
            raise BadRequest(f"{name} gave no answer in {PATIENCE:.0f} s: it waits for something.") from None
    else:
        outcome = result
    seconds = time.perf_counter() - begun
    dispatcher.ended(outcome.session)
    lines = [line for text in outcome.lines for line in text.decode(CHARSET).split("\r\n")]
    failed = ""
    if outcome.error is not None:
        kind, text = outcome.error
        failed = advised(text.decode(CHARSET), CALL_REFUSALS, kind)
    exchange = Exchange(1, 1, name, sent, outcome.response, seconds)
    recording = to_json(exchange, dispatcher.environment.cipher)
    sizes = (len(sent), len(outcome.response))
    return Called(dump(sent), dump(outcome.response), sizes, 1000 * seconds, lines, failed, recording)


async def recording(frame: Frame, ask: Ask) -> str:
    """Give a call as a recording that `magbroker replay` takes: what the page shows, as a file."""
    frame.runner.check(ask.visitor.caller, "MAGB STATUS")
    line = (ask.request.args.get(b"line") or [b""])[0].decode("utf-8", "replace")
    ask.request.setHeader("Content-Type", "application/x-ndjson")
    ask.request.setHeader("Content-Disposition", 'attachment; filename="call.jsonl"')
    return f"{line}\n"


ROUTES = (
    Route("/rpc", list_page),
    Route("/rpc/recording", recording, ("POST",)),
    Route("/rpc/call/<path:name>", procedure_page, ("GET", "POST")),
)
