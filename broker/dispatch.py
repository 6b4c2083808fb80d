"""Running a procedure: look up, permission, arguments, the right thread, the answer's bytes.

The adapters hand in a call and get an Outcome, at once or as a Deferred; what an outcome does to their connection
(pauses, closing) is theirs to do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Protocol, TypeVar

from sqlalchemy import Connection
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime

from broker.faults import strike
from broker.references import Surroundings, job_number, reference_value, subscript_value
from broker.timing import Timing, timing_of
from broker.trap import ErrorTrap, as_m_error
from broker.waiting import Waits
from fileman import FileManError, StoreClosed, StoreFailed, renew_leases, to_fileman
from rpcs import (
    Access,
    Answer,
    Argument,
    AskAgain,
    AskWhenWoken,
    Call,
    Delay,
    Environment,
    MError,
    Pause,
    Procedure,
    Registry,
    ScratchGlobal,
    Session,
    SiteCache,
    SiteData,
    StartTask,
    Value,
    broker_leaves,
    broker_lives,
    close_forgotten,
    handle,
    prepare,
    refusal,
    sign_off,
    undefined,
)
from rpcs.session import SIGN_ON_CONTEXT
from rpcs.sign_on.ending import forget_ended, to_be_ended
from runtime.metrics import RPC_CALLS, RPC_SECONDS
from xwb import (
    BadSubscript,
    Check,
    Checked,
    GlobalParameter,
    ListParameter,
    Literal,
    LocalArray,
    Parameter,
    Reference,
    UndefinedNode,
    encode_m_error,
    encode_response,
    parse_subscripts,
    render,
)

log = logging.getLogger(__name__)

R = TypeVar("R")

WIRE_CHARSET = "iso-8859-1"
NULL_SUBSCRIPT = "LINST+3^XWBPRS, Null subscripts are not allowed for local variables,150373130,-%GTM-E-LVNULLSUBS"
#: Seconds between two looks for what is still to come, and how many a client may wait for it.
LOOK_AGAIN = 1.0
LONGEST_WAIT = 300.0
#: Seconds of time-out that a session has left after an M error (KILL^XUSCLEAN and POST2).
TIMEOUT_AFTER_M_ERROR = 30


class Counted(Protocol):
    """A counter of one procedure and outcome."""

    def inc(self) -> None:
        """Count one more."""


class TaskEngine(Protocol):
    """What the broker needs of TaskMan's engine."""

    def accepting(self) -> bool:
        """Tell whether tasks are taken now."""

    def enqueue(self, task_number: int) -> None:
        """Let a task that was committed begin; raises when the engine takes nothing."""

    def reject(self, task_number: int, reason: str) -> None:
        """Mark a task as rejected."""


class Reactor(IReactorFromThreads, IReactorTime):
    """What dispatch needs of the reactor."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call: the session as it is now, the bytes that answer it on `[XWB]`, the pause before them.

    For other transports: `refused` says that the call did not run, `error` the kind and text of what went wrong, `value`
    what the procedure `procedure` gave, `waited` that it waited until there was something to give.
    """

    session: Session
    response: bytes
    delay: float = 0.0
    refused: bool = False
    error: tuple[str, bytes] | None = None
    value: bytes | list[bytes] | LocalArray[bytes] = b""
    procedure: Procedure | None = None
    waited: bool = False

    @property
    def lines(self) -> list[bytes]:
        """The value as lines, in order."""
        if isinstance(self.value, bytes):
            return [self.value]
        return self.value if isinstance(self.value, list) else list(self.value.values())


@dataclass(slots=True)
class Dispatcher:
    """Runs calls for every transport of one broker."""

    registry: Registry
    environment: Environment
    site: SiteCache
    reactor: Reactor
    engine: TaskEngine | None = None
    workers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, thread_name_prefix="prepare"))
    trap: ErrorTrap = field(init=False)
    waits: Waits = field(init=False)
    #: Closes the connection of a session, for a fault that drops an answer.
    drop: Callable[[Session], None] = field(default=lambda _session: None)
    _refreshing: Future[SiteData] | None = None
    _looking: Future[frozenset[int]] | None = None
    _counters: dict[tuple[str, str], Counted] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Set the error trap, and make room for calls that wait."""
        self.trap = ErrorTrap(self.environment.store, self.environment.clock)
        self.waits = Waits(self.environment.store.sleepers, self.reactor)

    def timing(self) -> Timing:
        """Give the site's timing, as the last call saw it."""
        return timing_of(self.site.latest().settings.timing)

    def ended(self, session: Session) -> None:
        """Close the sign-on of a connection that is gone, and give its LOCKs back."""
        self.waits.end(session.id)
        now = to_fileman(self.environment.clock.now())
        self._submit(lambda connection: sign_off(connection, self.environment, session, now))

    def renew(self, sessions: Sequence[Session]) -> None:
        """Say that this broker lives, renew the LOCKs of its sessions, and sign off the sessions of brokers that are gone."""
        now, moment = self.environment.clock.seconds(), to_fileman(self.environment.clock.now())
        holders = [self.environment.holder(session) for session in sessions]

        def work(connection: Connection) -> None:
            broker_lives(connection, self.environment, now)
            if holders:
                renew_leases(connection, holders, now + self.environment.lock_seconds)
            close_forgotten(connection, now, moment)

        self._submit(work)

    def find_ended(self, end: Callable[[frozenset[int]], frozenset[int]]) -> None:
        """Look on a thread which sessions are to be ended; `end`, called in the reactor's, gives those that it has ended."""
        if self._looking is not None and not self._looking.done():
            return

        def ended(asked: Future[frozenset[int]]) -> None:
            if asked.exception() is None and (sign_ons := asked.result()):
                self.reactor.callFromThread(self._end, end, sign_ons)

        try:
            self._looking = self.environment.store.scan(to_be_ended)
        except StoreClosed:
            return
        self._looking.add_done_callback(ended)

    def _end(self, end: Callable[[frozenset[int]], frozenset[int]], sign_ons: frozenset[int]) -> None:
        if done := end(sign_ons):
            self._submit(lambda connection: forget_ended(connection, done))

    def leave(self) -> None:
        """Say that this broker ends."""
        self._submit(lambda connection: broker_leaves(connection, self.environment))

    def _submit(self, work: Callable[[Connection], object]) -> None:
        """Write what nobody waits for; at shutdown it may be too late."""
        try:
            self.environment.store.write(work).add_done_callback(_report)
        except StoreClosed:
            log.info("the database was closed before a session's end was noted")

    def refresh(self) -> None:
        """See to it that `site.latest` lags behind the database by a second at most, without waiting for the database."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = self.workers.submit(self.site)

    def call(
        self,
        session: Session,
        name: bytes,
        parameters: Sequence[Parameter] | None,
        *,
        version: bytes = b"0",
        contexts: bool = True,
    ) -> Outcome | Deferred[Outcome]:
        """Run one call. What a handler raises becomes an M error; the session goes on.

        `parameters` None says that the message did not even have a place for them. `version` is XWBAPVER. `contexts` false is
        for the M-to-M broker, which does not ask for a context where the site leaves it VistA's laxness.
        """
        rpc = name.decode(WIRE_CHARSET)
        begun = perf_counter()
        try:
            outcome = self._call(session, rpc, parameters, version.decode(WIRE_CHARSET), contexts)
        except FileManError as error:  # the database is away; the session goes on when it is back
            log.error("%s was not called: %s", rpc[:100], error)
            procedure, site = self.registry.get(rpc), self.site.latest()
            if procedure is not None and procedure.unavailable:
                why = refusal(rpc, procedure, session, site, self.environment.clock.now, contexts=contexts)
                call = Call(procedure, session, (), self.environment, site)
                return self.refuse(session, why) if why else self._outcome(call, Answer(procedure.unavailable))
            return self.m_error(session, as_m_error(error, "CALLP^XWBPRS"), rpc, error)
        self._count(rpc, outcome, begun)
        faults = self.site.latest().faults.answers.get(rpc)
        return outcome if faults is None else strike(self, faults, outcome)

    def _count(self, rpc: str, outcome: Outcome | Deferred[Outcome], begun: float) -> None:
        """Count a call under its name when it is answered; names that nobody registered share one."""
        if isinstance(outcome, Deferred):
            outcome.addCallback(lambda made: self._counted(rpc, made, begun))
        else:
            self._counted(rpc, outcome, begun)

    def _counted(self, rpc: str, outcome: Outcome, begun: float) -> Outcome:
        ended = "answered" if outcome.error is None else "refused" if outcome.refused else "error"
        counter = self._counters.get((rpc, ended))
        if counter is None:
            known = rpc if rpc in self.registry else "unknown"
            counter = self._counters[known, ended] = RPC_CALLS.labels(known, ended)
        counter.inc()
        if not outcome.waited:
            RPC_SECONDS.observe(perf_counter() - begun)
        return outcome

    def _call(
        self, session: Session, rpc: str, parameters: Sequence[Parameter] | None, version: str, contexts: bool
    ) -> Outcome | Deferred[Outcome]:
        procedure = self.registry.get(rpc)
        unaware = procedure is not None and procedure.access is Access.NOTHING
        site = self.site.latest() if unaware else self.site()
        if not session.duz and session.context != SIGN_ON_CONTEXT:
            session = replace(session, context=SIGN_ON_CONTEXT)
        if why := refusal(rpc, procedure, session, site, self.environment.clock.now, contexts=contexts):
            return self.refuse(session, why)
        if procedure is None:
            raise RuntimeError("a procedure that does not exist was not refused")
        try:
            arguments = self._arguments(Surroundings(session, site, self.environment.clock, version), procedure, parameters)
        except MError as error:
            return self.m_error(session, error, rpc)
        call = Call(procedure, session, arguments, self.environment, site, version=version)
        if procedure.prepare is not None:
            return self._then(self.workers.submit(prepare, call), self._prepared(call), call)
        return self._run(call)

    def refuse(self, session: Session, why: str) -> Outcome:
        """Answer a refusal: its text in the security segment, no data."""
        text = why.encode(WIRE_CHARSET, "replace")
        delay = self.timing().delays[Delay.REFUSAL]
        response = encode_response(b"", security=text)
        return Outcome(session, response, delay, refused=True, error=("SECURITY", text))

    def m_error(self, session: Session, error: MError, rpc: str = "", cause: BaseException | None = None) -> Deferred[Outcome]:
        """Answer an M error when it stands in the error log; what its routine did not take away of the session survives."""
        text = error.text.encode(WIRE_CHARSET, "replace")
        reference = error.reference.encode(WIRE_CHARSET, "replace")
        after = replace(session, timeout=TIMEOUT_AFTER_M_ERROR)
        for effect in error.effects:
            after = effect.apply(after)
        delay = self.timing().delays[Delay.M_ERROR]
        outcome = Outcome(after, encode_m_error(text, reference), delay, error=("M", text))
        done: Deferred[Outcome] = Deferred()
        recorded = self.trap.record(session, error, rpc, cause)
        recorded.add_done_callback(lambda _recorded: self.reactor.callFromThread(done.callback, outcome))
        return done

    def checker(self, session: Callable[[], Session]) -> Check | None:
        """Give what the decoder is to check while it reads, where VistA's faults in reading are wanted; else None."""
        if not self.timing().desynchronises:
            return None

        def check(kind: Checked, text: bytes) -> str | None:
            here = Surroundings(session(), self.site.latest(), self.environment.clock)
            try:
                if kind is Checked.SUBSCRIPT:
                    parse_subscripts(text, lambda expression: subscript_value(expression, here))
                else:
                    reference_value(text.decode(WIRE_CHARSET), here)
            except BadSubscript:
                return NULL_SUBSCRIPT
            except MError as error:
                return error.text
            return None

        return check

    def carry_out(self, session: Session, rpc: str, arguments: Sequence[Argument]) -> Outcome | Deferred[Outcome]:
        """Run a call of this process for somebody who may, whom no session of the broker stands for.

        Raises FileManError when the database is away.
        """
        procedure, begun = self.registry.get(rpc), perf_counter()
        if procedure is None:
            raise RuntimeError(f"{rpc} does not exist")
        outcome = self._run(Call(procedure, session, tuple(arguments), self.environment, self.site()))
        self._count(rpc, outcome, begun)
        return outcome

    def _arguments(
        self, here: Surroundings, procedure: Procedure, parameters: Sequence[Parameter] | None
    ) -> tuple[Argument, ...]:
        if parameters is None:
            raise undefined("CALLP+11^XWBPRS", 'XWB("PARAM")')
        if len(parameters) > len(procedure.variables):
            text = "More actual parameters than formal parameters: ,150374474,-%GTM-E-ACTLSTTOOLONG"
            raise MError(f"{procedure.routine}, {text}")
        return tuple([_argument(here, number, parameter) for number, parameter in enumerate(parameters)])

    def _prepared(self, call: Call) -> Callable[[object], Outcome | Deferred[Outcome]]:
        return lambda prepared: self._run(replace(call, prepared=prepared))

    def _run(self, call: Call) -> Outcome | Deferred[Outcome]:
        store = self.environment.store
        access = call.procedure.access
        try:
            if access is Access.NOTHING or access is Access.SESSION:
                return self._outcome(call, handle(call))
            if access is Access.WRITES:
                return self._then(store.write(_on_connection(call)), lambda answer: self._answered(call, answer), call)
            if access is Access.READS and store.sqlite:
                return self._outcome(call, store.read(_on_connection(call)))
            return self._then(store.scan(_on_connection(call)), lambda answer: self._outcome(call, answer), call)
        except Exception as error:  # a defect in a procedure, or the database's, must not end the session
            return self._failed(call, error)

    def _failed(self, call: Call, error: Exception) -> Deferred[Outcome]:
        """Answer what a procedure raised as an M error; a defect is told in the process log too."""
        if not isinstance(error, MError):
            log.error("%s failed", call.procedure.name, exc_info=error)
        if isinstance(error, StoreFailed) and call.procedure.unavailable:
            outcome = self._outcome(call, Answer(call.procedure.unavailable))
            return outcome if isinstance(outcome, Deferred) else succeed(outcome)
        return self.m_error(call.session, as_m_error(error, call.procedure.routine), call.procedure.name, error)

    def _answered(self, call: Call, answer: Answer) -> Outcome | Deferred[Outcome]:
        """Go on after the commit: a task that was made is handed to TaskMan first."""
        tasks = [effect for effect in answer.effects if isinstance(effect, StartTask)]
        if not tasks:
            return self._outcome(call, answer)
        started = self.workers.submit(self.start, tasks)
        return self._then(started, lambda refused: self._outcome(call, refused or answer), call)

    def start(self, tasks: Sequence[StartTask]) -> Answer | None:
        """Hand tasks over, on a thread that may wait; give the refusal to answer when one is not taken."""
        for task in tasks:
            try:
                if self.engine is None:
                    return Answer(task.refused)
                self.engine.enqueue(task.number)
            except Exception:  # whatever the engine raises means that it did not take the task
                log.exception("TaskMan did not take task %d", task.number)
                if self.engine is not None:
                    self.engine.reject(task.number, "the engine did not take the task")
                return Answer(task.refused)
        return None

    def _again(self, call: Call, wait: AskWhenWoken | None = None) -> Deferred[Outcome]:
        """Run a call once more, a second from now or when it is woken; its connection waits for it."""
        done: Deferred[Outcome] = Deferred()

        def run() -> None:
            try:
                result = self._run(replace(call, waited=call.waited + (LOOK_AGAIN if wait is None else wait.seconds)))
            except StoreClosed:  # the broker has ended meanwhile
                return
            if isinstance(result, Deferred):
                result.chainDeferred(done)
            else:
                done.callback(result)

        if wait is None:
            self.reactor.callLater(LOOK_AGAIN, run)
        else:
            self.waits.begin(call.session.id, wait, run)
            done.addCallback(lambda outcome: replace(outcome, waited=True))
        return done

    def _outcome(self, call: Call, answer: Answer) -> Outcome | Deferred[Outcome]:
        wait = sum(effect.seconds for effect in answer.effects if isinstance(effect, AskAgain))
        if call.waited + LOOK_AGAIN <= min(wait, LONGEST_WAIT):
            return self._again(call)
        woken = next((effect for effect in answer.effects if isinstance(effect, AskWhenWoken)), None)
        if woken is not None:
            return self._again(call, woken)
        session = call.session
        delay = 0.0
        delays = None
        for effect in answer.effects:
            session = effect.apply(session)
            if isinstance(effect, Pause):
                delays = delays or self.timing().delays
                delay += delays[effect.delay]
        try:
            value = _wire_value(answer.value)
            procedure = _returning(call.procedure, answer)
            data = render(procedure.returns, procedure.word_wrap, value)
        except UndefinedNode as missing:
            undefined = MError(f"SNDDATA+6^XWBRW, {missing},150373850,-%GTM-E-UNDEF")
            return self.m_error(session, undefined, call.procedure.name)
        security = answer.security.encode(WIRE_CHARSET, "replace")
        application = answer.application.encode(WIRE_CHARSET, "replace")
        error = ("SECURITY", security) if security else ("APPLICATION", application) if application else None
        response = encode_response(data, security, application)
        return Outcome(session, response, delay, error=error, value=value, procedure=procedure)

    def _then(self, future: Future[R], proceed: Callable[[R], Outcome | Deferred[Outcome]], call: Call) -> Deferred[Outcome]:
        """Go on in the reactor's thread when a thread has finished."""
        done: Deferred[Outcome] = Deferred()

        def finish() -> None:
            try:
                result = proceed(future.result())
            except Exception as failure:  # what the procedure raised, or the store or a preparation
                result = self._failed(call, failure)
            if isinstance(result, Deferred):
                result.chainDeferred(done)
            else:
                done.callback(result)

        future.add_done_callback(lambda _future: self.reactor.callFromThread(finish))
        return done


def _report(done: Future[object]) -> None:
    if (error := done.exception()) is not None:
        log.error("a session's state could not be written: %s", error)


def _argument(here: Surroundings, number: int, parameter: Parameter) -> Argument:
    """Decode one argument; a list's subscripts and a reference are read as VistA's parser does."""
    if isinstance(parameter, Literal):
        return parameter.value.decode(WIRE_CHARSET)
    if isinstance(parameter, ListParameter | GlobalParameter):
        try:
            array = parameter.array(lambda expression: subscript_value(expression, here)).decoded(WIRE_CHARSET)
        except BadSubscript as error:
            raise MError(NULL_SUBSCRIPT) from error
        if isinstance(parameter, ListParameter):
            return array
        return ScratchGlobal(f'^TMP("XWBA",{job_number(here.session)},{number})', array)
    if isinstance(parameter, Reference):
        return reference_value(parameter.value.decode(WIRE_CHARSET), here)
    return None


def _returning(procedure: Procedure, answer: Answer) -> Procedure:
    """Give the procedure with the return type that its answer chose."""
    if answer.returns is None and answer.word_wrap is None:
        return procedure
    wrap = procedure.word_wrap if answer.word_wrap is None else answer.word_wrap
    return replace(procedure, returns=answer.returns or procedure.returns, word_wrap=wrap)


def _on_connection(call: Call) -> Callable[[Connection], Answer]:
    """Make the work on a connection; what a writer raises, an M error too, rolls its request back."""
    return lambda connection: handle(replace(call, database=connection))


def _wire_value(value: Value) -> bytes | list[bytes] | LocalArray[bytes]:
    if isinstance(value, str):
        return value.encode(WIRE_CHARSET, "replace")
    if isinstance(value, list):
        return [line.encode(WIRE_CHARSET, "replace") for line in value]
    root = None if value.root is None else value.root.encode(WIRE_CHARSET, "replace")
    return LocalArray.from_mapping({key: node.encode(WIRE_CHARSET, "replace") for key, node in value.items()}, root)
