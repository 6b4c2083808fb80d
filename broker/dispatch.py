"""Running a procedure: look up, permission, arguments, the right thread, the answer's bytes.

The adapters hand in a call and get an Outcome, at once or as a Deferred; what an outcome does to their connection
(pauses, closing) is theirs to do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads

from broker.timing import Timing, timing_of
from fileman import LOCK_SECONDS, StoreClosed, renew_leases, to_fileman
from rpcs import (
    Access,
    Answer,
    Argument,
    Call,
    Delay,
    Environment,
    MError,
    Pause,
    Procedure,
    Registry,
    Session,
    SiteCache,
    StartTask,
    Value,
    refusal,
    sign_off,
)
from rpcs.session import SIGN_ON_CONTEXT
from xwb import (
    BadSubscript,
    GlobalParameter,
    ListParameter,
    Literal,
    LocalArray,
    Parameter,
    Reference,
    UndefinedNode,
    encode_m_error,
    encode_response,
    render,
)

log = logging.getLogger(__name__)

R = TypeVar("R")

WIRE_CHARSET = "iso-8859-1"
#: Seconds of time-out that a session has left after an M error (KILL^XUSCLEAN and POST2).
TIMEOUT_AFTER_M_ERROR = 30


class TaskEngine(Protocol):
    """What the broker needs of TaskMan's engine."""

    def accepting(self) -> bool:
        """Tell whether tasks are taken now."""

    def enqueue(self, task_number: int, attempt: int) -> None:
        """Hand a task over; raises when it is not taken."""

    def reject(self, task_number: int, reason: str) -> None:
        """Mark a task as rejected."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call: the session as it is now, the bytes to answer, the pause before them.

    `refused` says that the call did not run; `lines` is the data for transports of lines; `error` the kind and text there.
    """

    session: Session
    response: bytes
    delay: float = 0.0
    refused: bool = False
    lines: tuple[bytes, ...] = ()
    error: tuple[str, bytes] | None = None


@dataclass(slots=True)
class Dispatcher:
    """Runs calls for every transport of one broker."""

    registry: Registry
    environment: Environment
    site: SiteCache
    reactor: IReactorFromThreads
    engine: TaskEngine | None = None
    workers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, thread_name_prefix="prepare"))

    def timing(self) -> Timing:
        """Give the site's timing."""
        return timing_of(self.site().settings.timing)

    def ended(self, session: Session) -> None:
        """Close the sign-on of a connection that is gone, and give its LOCKs back."""
        now = to_fileman(self.environment.clock.now())
        self._submit(lambda connection: sign_off(connection, session, now))

    def renew(self, sessions: Sequence[Session]) -> None:
        """Renew the LOCKs of living sessions."""
        until = self.environment.clock.seconds() + LOCK_SECONDS
        holders = [session.id for session in sessions]
        self._submit(lambda connection: renew_leases(connection, holders, until))

    def _submit(self, work: Callable[[Connection], object]) -> None:
        """Write what nobody waits for; at shutdown it may be too late."""
        try:
            self.environment.store.write(work).add_done_callback(_report)
        except StoreClosed:
            log.info("the database was closed before a session's end was noted")

    def call(self, session: Session, name: bytes, parameters: Sequence[Parameter]) -> Outcome | Deferred[Outcome]:
        """Run one call. What a handler raises unexpectedly becomes an M error; the session goes on."""
        rpc = name.decode(WIRE_CHARSET)
        procedure = self.registry.get(rpc)
        unaware = procedure is not None and procedure.access is Access.NOTHING
        site = self.site.latest() if unaware else self.site()
        if not session.duz:
            session = replace(session, context=SIGN_ON_CONTEXT)
        if why := refusal(rpc, procedure, session, site):
            return self.refuse(session, why)
        if procedure is None:
            raise RuntimeError("a procedure that does not exist was not refused")
        try:
            arguments = self._arguments(session, procedure, parameters)
        except MError as error:
            return self.m_error(session, error)
        call = Call(procedure, session, arguments, self.environment, site)
        if procedure.prepare is not None:
            return self._then(self.workers.submit(procedure.prepare, call), self._prepared(call), session)
        return self._run(call)

    def refuse(self, session: Session, why: str) -> Outcome:
        """Answer a refusal: its text in the security segment, no data."""
        text = why.encode(WIRE_CHARSET, "replace")
        delay = self.timing().delays[Delay.REFUSAL]
        response = encode_response(b"", security=text)
        return Outcome(session, response, delay, refused=True, error=("SECURITY", text))

    def m_error(self, session: Session, error: MError) -> Outcome:
        """Answer an M error; the session, its user and context survive."""
        text = error.text.encode(WIRE_CHARSET, "replace")
        reference = error.reference.encode(WIRE_CHARSET, "replace")
        after = replace(session, timeout=TIMEOUT_AFTER_M_ERROR)
        delay = self.timing().delays[Delay.M_ERROR]
        return Outcome(after, encode_m_error(text, reference), delay, error=("M", text))

    def _arguments(self, session: Session, procedure: Procedure, parameters: Sequence[Parameter]) -> tuple[Argument, ...]:
        if len(parameters) > len(procedure.parameters):
            tag, _, routine = procedure.routine.partition("^")
            text = f"{tag}^{routine}, Actual parameter list too long,150373026,-%GTM-E-ACTLSTTOOLONG"
            raise MError(text)
        return tuple(_argument(session, parameter) for parameter in parameters)

    def _prepared(self, call: Call) -> Callable[[object], Outcome | Deferred[Outcome]]:
        return lambda prepared: self._run(replace(call, prepared=prepared))

    def _run(self, call: Call) -> Outcome | Deferred[Outcome]:
        store = self.environment.store
        access = call.procedure.access
        if access in (Access.NOTHING, Access.SESSION):
            return self._outcome(call, _guarded(call))
        if access is Access.WRITES:
            work = store.write(_with_connection(call))
            return self._then(work, lambda answer: self._answered(call, answer), call.session)
        if access is Access.READS and store.sqlite:
            return self._outcome(call, store.read(_guarded_reader(call)))
        scan = store.scan(_guarded_reader(call))
        return self._then(scan, lambda answer: self._outcome(call, answer), call.session)

    def _answered(self, call: Call, answer: Answer | MError) -> Outcome | Deferred[Outcome]:
        """Go on after the commit: a task that was made is handed to TaskMan first."""
        tasks = [effect for effect in answer.effects if isinstance(effect, StartTask)] if isinstance(answer, Answer) else []
        if not tasks:
            return self._outcome(call, answer)
        started = self.workers.submit(self._start, tasks)
        return self._then(started, lambda refused: self._outcome(call, refused or answer), call.session)

    def _start(self, tasks: list[StartTask]) -> Answer | None:
        """Hand tasks over; give the refusal to answer when one is not taken."""
        for task in tasks:
            try:
                if self.engine is None:
                    return Answer(task.refused)
                self.engine.enqueue(task.number, 1)
            except Exception:  # whatever the engine raises means that it did not take the task
                log.exception("TaskMan did not take task %d", task.number)
                if self.engine is not None:
                    self.engine.reject(task.number, "the engine did not take the task")
                return Answer(task.refused)
        return None

    def _outcome(self, call: Call, answer: Answer | MError) -> Outcome:
        if isinstance(answer, MError):
            return self.m_error(call.session, answer)
        session = call.session
        delay = 0.0
        delays = None
        for effect in answer.effects:
            session = effect.apply(session)
            if isinstance(effect, Pause):
                delays = delays or self.timing().delays
                delay += delays[effect.delay]
        try:
            data = render(call.procedure.returns, call.procedure.word_wrap, _wire_value(answer.value))
        except UndefinedNode as missing:
            return self.m_error(session, MError(f"SNDDATA^XWBRW, {missing},150373850,-%GTM-E-UNDEF"))
        security = answer.security.encode(WIRE_CHARSET, "replace")
        application = answer.application.encode(WIRE_CHARSET, "replace")
        error = ("SECURITY", security) if security else ("APPLICATION", application) if application else None
        lines = _wire_lines(answer.value)
        return Outcome(session, encode_response(data, security, application), delay, lines=lines, error=error)

    def _then(
        self,
        future: Future[R],
        proceed: Callable[[R], Outcome | Deferred[Outcome]],
        session: Session,
    ) -> Deferred[Outcome]:
        """Go on in the reactor's thread when a thread has finished."""
        done: Deferred[Outcome] = Deferred()

        def finish() -> None:
            try:
                result = proceed(future.result())
            except MError as m_error:
                result = self.m_error(session, m_error)
            except Exception as failure:  # the store or a preparation failed: the client hears of an M error, the log of all
                log.exception("A call failed")
                result = self.m_error(session, MError(f"ERR^MAGBROKER, {type(failure).__name__}: see the broker's log"))
            if isinstance(result, Deferred):
                result.chainDeferred(done)
            else:
                done.callback(result)

        future.add_done_callback(lambda _future: self.reactor.callFromThread(finish))
        return done


def _report(done: Future[object]) -> None:
    if (error := done.exception()) is not None:
        log.error("a session's state could not be written: %s", error)


def _with_connection(call: Call) -> Callable[[Connection], Answer]:
    """Make the writer's work; what it raises, an M error too, rolls the request back."""

    def work(connection: Connection) -> Answer:
        return _as_answer(call.procedure.handler(replace(call, database=connection)))

    return work


def _guarded_reader(call: Call) -> Callable[[Connection], Answer | MError]:
    return lambda connection: _guarded(replace(call, database=connection))


def _guarded(call: Call) -> Answer | MError:
    """Run a handler that does not write; an M error is an answer, anything else is logged and becomes one."""
    try:
        return _as_answer(call.procedure.handler(call))
    except MError as error:
        return error
    except Exception as error:  # a defect in a procedure must not end the session
        log.exception("%s failed", call.procedure.name)
        return MError(f"ERR^MAGBROKER, {type(error).__name__}: see the broker's log")


def _as_answer(given: Answer | Value) -> Answer:
    return given if isinstance(given, Answer) else Answer(given)


def _argument(session: Session, parameter: Parameter) -> Argument:
    """Decode one argument; a list's subscripts and a reference are evaluated as VistA's parser does."""
    if isinstance(parameter, Literal):
        return parameter.value.decode(WIRE_CHARSET)
    if isinstance(parameter, ListParameter | GlobalParameter):
        try:
            return parameter.array().decoded(WIRE_CHARSET)
        except BadSubscript as error:
            raise MError(f"LINST+4^XWBPRS, {error},150373850,-%GTM-E-UNDEF") from error
    if isinstance(parameter, Reference):
        return evaluate_reference(session, parameter.value.decode(WIRE_CHARSET))
    return None


def evaluate_reference(session: Session, text: str) -> str:
    """Give the value of a reference parameter: a string literal, or a variable that a session has (GETV^XWBPRS)."""
    if text.startswith("$$"):
        return ""
    if text.startswith('"'):
        return text.strip('"').replace('""', '"')
    variables = {
        "DUZ": str(session.duz),
        "DUZ(2)": str(session.division),
        "DTIME": str(session.timeout),
        'IO("IP")': session.address,
        "U": "^",
    }
    if text in variables:
        return variables[text]
    raise MError(f"GETV+3^XWBPRS, Undefined local variable: {text[:30]},150373850,-%GTM-E-UNDEF")


def _wire_value(value: Value) -> bytes | list[bytes] | LocalArray[bytes]:
    if isinstance(value, str):
        return value.encode(WIRE_CHARSET, "replace")
    if isinstance(value, list):
        return [line.encode(WIRE_CHARSET, "replace") for line in value]
    root = None if value.root is None else value.root.encode(WIRE_CHARSET, "replace")
    return LocalArray.from_mapping({key: node.encode(WIRE_CHARSET, "replace") for key, node in value.items()}, root)


def _wire_lines(value: Value) -> tuple[bytes, ...]:
    lines = [value] if isinstance(value, str) else value if isinstance(value, list) else list(value.values())
    return tuple(line.encode(WIRE_CHARSET, "replace") for line in lines)
