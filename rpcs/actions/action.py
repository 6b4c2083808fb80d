"""What an action is, who calls it, and how it becomes a procedure `MAGB ...`.

A procedure takes one list, whose subscripts are the names of the action's parameters (`NUMBERS`, `STATUS`), and answers one
value: `1^` and JSON, or `0^kind^` and why not. Times in the JSON are ISO 8601 with an offset.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import cleandoc
from itertools import takewhile
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection
from tzlocal import get_localzone

from fileman import Audited, Change, SiteKey, Store, write_audit
from rpcs.actions.answers import told
from rpcs.actions.errors import ActionError, BadRequest, NotAllowed, RefusedAction
from rpcs.actions.parameters import DRY_RUN, HIDDEN, Parameter, check_request, flag, parameter_named, piece_names
from rpcs.call import Call
from rpcs.registry import Access, Answer, listed, procedure
from rpcs.session import StartTask
from runtime import Clock
from taskman import BadFrequency, TaskManError
from taskman.asked_time import read_time
from taskman.errors import BadNumbers, BadTime
from taskman.variables import BadVariables

#: What a person wrote wrongly, among what TaskMan refuses.
_WRITTEN_WRONGLY = (BadFrequency, BadNumbers, BadTime, BadVariables)
_DRY_RUN = flag(DRY_RUN, "Do nothing, tell only what would be changed.")
#: Why an action was in vain whose task nobody runs.
NOT_TAKEN = "TaskMan did not take the task; 'magbroker tasks monitor' shows its workers."


@dataclass(frozen=True, slots=True)
class Caller:
    """Who acts: a signed-on user with keys, or the owner of the data directory, who may do everything and has no DUZ.

    `via` is the way that the action was asked for, `address` where from.
    """

    duz: int
    name: str
    keys: frozenset[str] = frozenset()
    owner: bool = False
    via: str = "OWNER"
    address: str = ""

    def holds(self, key: str) -> bool:
        """Tell whether a key is held."""
        return self.owner or key in self.keys


def _no_key() -> SiteKey:
    raise RuntimeError("this action was not given the site's key")


class Asked:
    """What was asked, by name, read as an action declares it."""

    __slots__ = ()

    clock: Clock
    request: Mapping[str, str]
    #: What may be asked, by name.
    takes: Mapping[str, Parameter]

    @property
    def now(self) -> float:
        """The time, in seconds since the epoch."""
        return self.clock.seconds()

    def text(self, name: str) -> str:
        """Give what was asked under a name, or what counts when nothing was; "" for nothing."""
        parameter = self.takes[name]
        text = self.request.get(name) or parameter.default
        return parameter.chosen(text) if text and parameter.choices else text

    def given(self, name: str) -> bool:
        """Tell whether something was asked under a name, if only that it be empty."""
        return self.takes[name].name in self.request

    def flag(self, name: str) -> bool:
        """Tell whether something was asked for, by a 1."""
        return self.text(name) == "1"

    def number(self, name: str) -> int:
        """Give a number, one that was checked before; 0 for nothing."""
        return int(self.text(name) or 0)

    def time(self, name: str, default: float = 0.0) -> float:
        """Give a time in seconds since the epoch. Raises BadTime."""
        return read_time(self.text(name), self.now, get_localzone()) if self.text(name) else default

    def facts(self, name: str) -> dict[str, Any]:
        """Give a JSON object. Raises BadRequest."""
        try:
            facts = json.loads(self.text(name) or "{}")
        except (ValueError, RecursionError):
            facts = None
        if not isinstance(facts, dict):
            raise BadRequest(f"{name} is to be a JSON object.")
        return facts

    def pieces(self, name: str) -> str:
        """Give a long text that came in pieces."""
        parts = takewhile(bool, (self.request.get(piece, "") for piece in piece_names(self.takes[name].name)))
        return "".join(parts)


@dataclass(frozen=True, slots=True)
class Done:
    """What an action gives, and the task that it made, to be handed to TaskMan at once. `refused` is why it was not done.

    `stands` is true of an action that is done even where TaskMan does not take its task: that is told as a warning, then.
    """

    value: Any
    started: int | None = None
    refused: ActionError | None = None
    stands: bool = False

    @property
    def given(self) -> Any:
        """What the action gives. Raises ActionError where it was not done."""
        if self.refused is not None:
            raise self.refused
        return self.value

    @property
    def untaken(self) -> Done:
        """The same where TaskMan did not take the task."""
        if self.stands:
            return replace(self, value={**self.value, "warning": NOT_TAKEN}, started=None)
        return replace(self, refused=RefusedAction(NOT_TAKEN), started=None)


@dataclass(frozen=True, slots=True)
class Act(Asked):
    """One action being carried out: by whom, when, on which connection, with what asked."""

    connection: Connection
    caller: Caller
    clock: Clock
    request: Mapping[str, str]
    #: Gives the site's key, where codes and passwords are to be kept.
    key: Callable[[], SiteKey] = _no_key
    #: What may be asked, by name.
    takes: Mapping[str, Parameter] = field(default_factory=dict)
    #: What it changed so far, in its own words.
    changes: list[Change] = field(default_factory=list)
    #: What was done before, where the action needs that.
    before: Done | None = None

    def changed(self, subject: str, before: Any, after: Any) -> None:
        """Note for the audit what was changed: the thing by name, what it was and is, None where there was or is nothing."""
        self.changes.append(Change(subject, told(before), told(after)))

    @property
    def site_key(self) -> SiteKey:
        """The site's key."""
        return self.key()

    @property
    def prepared(self) -> Any:
        """What the action's preparation gave. Raises ActionError as that did."""
        if self.before is None:
            raise RuntimeError("this action was not prepared")
        return self.before.given


@dataclass(frozen=True, slots=True)
class Premises:
    """Where actions are carried out: the database, the clock, and the data directory, in which relative paths lie."""

    store: Store
    clock: Clock
    data: Path


@dataclass(frozen=True, slots=True)
class Beforehand(Asked):
    """An action about to be carried out: by whom, with what asked. There is no transaction; the store is for short reads."""

    premises: Premises
    caller: Caller
    clock: Clock
    request: Mapping[str, str]
    takes: Mapping[str, Parameter]


Run = Callable[[Act], Any]
Preparation = Callable[[Beforehand], Any]


@dataclass(frozen=True, slots=True)
class Action:
    """An action: its procedure's name, what it does, whether it writes, the security key that it needs, if any, what it takes.

    `lists` names what a list gives that is to be shown as a table, and the columns that people look for. `destroys` is the
    question that a person is asked before something is gone for good. `prepare` is what takes long, as asking a peer does: it
    is done before the transaction, on a thread that nobody else waits for.
    """

    name: str
    run: Run
    writes: bool
    key: str
    takes: Mapping[str, Parameter]
    lists: Mapping[str, tuple[str, ...]]
    destroys: str
    prepare: Preparation | None = None

    @property
    def about(self) -> str:
        """What it does, in words."""
        return cleandoc(self.run.__doc__ or "")


#: Every action by the name of its procedure.
ACTIONS: dict[str, Action] = {}


def action(
    name: str,
    *takes: Parameter,
    writes: bool = False,
    key: str = "",
    lists: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    destroys: str = "",
    prepare: Preparation | None = None,
) -> Callable[[Run], Run]:
    """Register the decorated function as an action, and as the remote procedure of that name; see `Action`."""

    def register(run: Run) -> Run:
        known = (*takes, *([_DRY_RUN] if writes else []))
        made = ACTIONS[name] = Action(name, run, writes, key, {it.name: it for it in known}, lists, destroys, prepare)

        def handler(call: Call) -> Answer | str:
            return _answer(made, call)

        handler.__doc__ = run.__doc__
        access = Access.WRITES if writes else Access.SCANS
        first = None if prepare is None else partial(_prepared, made)
        procedure(name, access=access, routine="magb", parameters=(listed("REQUEST"),), prepare=first)(handler)
        return run

    return register


def prepare(action: Action, premises: Premises, caller: Caller, request: Mapping[str, str]) -> Done | None:
    """Do what an action needs done before its transaction, None where it needs nothing; what is refused is told by `carry_out`.

    It may take long: not for the reactor's thread.
    """
    if action.prepare is None:
        return None
    try:
        _check(action, caller, request)
        return Done(action.prepare(Beforehand(premises, caller, premises.clock, request, action.takes)))
    except ActionError as error:
        return Done(None, refused=error)


def carry_out(action: Action, act: Act) -> Done:
    """Carry an action out within the caller's transaction, which is to be kept: what is refused is undone, and audited too.

    With DRY RUN 1 nothing is done: what would be changed is given, `{"dry_run", "changes", "answer"}`.
    """
    if not action.writes:
        try:
            return perform(action, act)
        except ActionError as error:
            return Done(None, refused=error)
    savepoint = act.connection.begin_nested()
    try:
        done = perform(action, act)
    except ActionError as error:
        savepoint.rollback()
        _audit(action, act, error.kind, str(error))
        return Done(None, refused=error)
    except BaseException:
        savepoint.rollback()
        raise
    if act.request.get(DRY_RUN) == "1":
        savepoint.rollback()
        return Done({"dry_run": True, "changes": told(act.changes), "answer": done.value})
    savepoint.commit()
    _audit(action, act, "done")
    return done


def _audit(action: Action, act: Act, outcome: str, reason: str = "") -> None:
    caller, changes = act.caller, act.changes if outcome == "done" else []
    request = {name: _kept(parameter_named(action.takes, name), text) for name, text in act.request.items()}
    facts = (act.now, caller.duz, caller.name, caller.via, caller.address, action.name, request, outcome, reason, changes)
    write_audit(act.connection, Audited(*facts))


def _kept(parameter: Parameter | None, text: str) -> str:
    """Give what the audit keeps of what was asked: what is secret, or not understood, is nobody's business."""
    return HIDDEN if parameter is None or parameter.secret else text


def perform(action: Action, act: Act) -> Done:
    """Carry an action out. Raises ActionError; what it did is to be rolled back then."""
    try:
        _check(action, act.caller, act.request)
        given = action.run(replace(act, takes=action.takes))
    except _WRITTEN_WRONGLY as error:
        raise BadRequest(str(error)) from error
    except TaskManError as error:
        raise RefusedAction(str(error)) from error
    done = given if isinstance(given, Done) else Done(given)
    return replace(done, value=told(done.value))


def _check(action: Action, caller: Caller, request: Mapping[str, str]) -> None:
    """Raise NotAllowed without the key, and BadRequest for what cannot be understood."""
    if action.key and not caller.holds(action.key):
        raise NotAllowed(f"{caller.name} needs the security key {action.key} for this.")
    check_request(action.takes, request)


def _prepared(action: Action, call: Call) -> Done | None:
    return prepare(action, Premises(call.store, call.clock, call.environment.data), _caller(call), _request(call))


def _caller(call: Call) -> Caller:
    session = call.session
    return Caller(session.duz, session.name, call.site.keys_of(session.duz), via="RPC", address=session.address)


def _request(call: Call) -> dict[str, str]:
    return {subscripts[0]: text for subscripts, text in call.list(0).items() if len(subscripts) == 1}


def _answer(action: Action, call: Call) -> Answer | str:
    before = call.prepared if isinstance(call.prepared, Done) else None
    done = carry_out(
        action, Act(call.connection, _caller(call), call.clock, _request(call), lambda: call.environment.key, before=before)
    )
    if done.started is None or not call.environment.engine_accepts():
        return _written(done)
    return Answer(_written(done), effects=(StartTask(done.started, _written(done.untaken)),))


def _written(done: Done) -> str:
    return f"1^{json.dumps(done.value)}" if done.refused is None else _refusal(done.refused)


def _refusal(error: ActionError) -> str:
    return f"0^{error.kind}^{error}"
