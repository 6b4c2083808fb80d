"""Carrying actions out for the web: who asks, whether he may, in a transaction or beside others, and what follows a commit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection
from twisted.internet.defer import Deferred

from broker import Dispatcher, Outcome
from console.complaints import CALL_REFUSALS, CONTEXT_REFUSALS, advised
from console.web.errors import Away, NotSignedOn, VerifyCodeExpired
from fileman import (
    NOTED_EVERY,
    Audited,
    Change,
    FileManError,
    TokenData,
    end_token,
    find_token,
    make_token,
    note_use,
    write_audit,
)
from rpcs import Session, StartTask, refusal
from rpcs.actions import ACTIONS, NOT_TAKEN, Act, Caller, Done, NotAllowed, Premises, carry_out, context_of, prepare
from runtime.metrics import ACTIONS_DONE
from xwb import Literal

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How the audit names the way over the API, by the console's pages, and over the socket of the data directory's owner.
API, PAGES, OWNER = "API", "WEB", "OWNER"
#: Seconds for which a token of a sign-on is good.
SIGN_ON_SECONDS = 8 * 3600.0
#: Why a user may not call a procedure.
_REFUSALS = (*CONTEXT_REFUSALS, *CALL_REFUSALS)


@dataclass(frozen=True, slots=True)
class SignedOnBy:
    """What a sign-on gives: the token, and what is known of it."""

    token: str
    facts: TokenData


@dataclass(slots=True)
class Runner:
    """Carries out actions on a broker's database, beside its procedures."""

    dispatcher: Dispatcher
    #: Makes names of sessions.
    session_ids: Callable[[], str]
    _noted: dict[int, float] = field(default_factory=dict)

    async def run(self, name: str, caller: Caller, request: Mapping[str, str]) -> Any:
        """Carry an action out as somebody who may; a task that it made is handed to TaskMan. Raises ActionError, and Away."""
        action, environment = ACTIONS[name], self.dispatcher.environment
        store = environment.store
        begin = store.write if action.writes else store.scan
        before = None
        if action.prepare is not None:
            premises = Premises(store, environment.clock, environment.data)
            before = await self._done(lambda: self.dispatcher.workers.submit(prepare, action, premises, caller, request))

        def work(connection: Connection) -> Done:
            return carry_out(action, Act(connection, caller, environment.clock, request, lambda: environment.key, before=before))

        done = await self._done(lambda: begin(work))
        ACTIONS_DONE.labels(name, "done" if done.refused is None else done.refused.kind).inc()
        if done.started is not None and environment.engine_accepts():
            tasks = [StartTask(done.started, NOT_TAKEN)]
            if await self._done(lambda: self.dispatcher.workers.submit(self.dispatcher.start, tasks)) is not None:
                return done.untaken.given
        return done.given

    async def scan(self, work: Callable[[Connection], T]) -> T:
        """Run a read on a thread of the read pool. Raises Away when the database does not answer."""
        return await self._done(lambda: self.dispatcher.environment.store.scan(work))

    async def aside(self, work: Callable[[], T]) -> T:
        """Do what takes a while on a thread, as reading a file. Raises what it raises."""
        return await self._done(lambda: self.dispatcher.workers.submit(work))

    async def signed_on(self, token: str, address: str, via: str = API) -> Caller:
        """Give who a token stands for, and the way he came. Raises NotSignedOn."""
        environment = self.dispatcher.environment
        found = await self.scan(lambda connection: find_token(connection, token, environment.clock))
        if found is None:
            raise NotSignedOn("This token is nobody's, or is good no longer: POST /api/sign-on gives another.")
        self._note(found)
        keys = self.dispatcher.site().keys_of(found.duz)
        return Caller(found.duz, found.name or "", keys, via=via, address=address)

    async def record(self, caller: Caller, action: str, asked: Mapping[str, str], subject: str = "", refused: str = "") -> None:
        """Write down what somebody did that no action is, and of what, or that he may not and why. Raises Away."""
        environment = self.dispatcher.environment
        facts = (environment.clock.seconds(), caller.duz, caller.name, caller.via, caller.address, action, asked)
        changes = [Change(subject, None, None)] if subject and not refused else []
        audited = Audited(*facts, NotAllowed.kind if refused else "done", refused, changes)
        await self._done(lambda: environment.store.write(lambda connection: write_audit(connection, audited)))

    def check(self, caller: Caller, procedure: str, context: str = "") -> None:
        """Raise NotAllowed where a user may not call a procedure in the context that opens it, as the broker would refuse him."""
        if caller.owner:
            return
        dispatcher = self.dispatcher
        session = Session(address=caller.address, duz=caller.duz, name=caller.name, context=context or context_of(procedure))
        known, site = dispatcher.registry.get(procedure), dispatcher.site()
        why = refusal(procedure, known, session, site, dispatcher.environment.clock.now)
        if why:
            raise NotAllowed(f"{caller.name}: {advised(why, _REFUSALS, 'The broker refuses this')}")

    async def sign_on(self, access: str, verify: str, address: str, label: str) -> SignedOnBy:
        """Sign a user on as the broker does, with its locks and its log, and give him a token. Raises NotSignedOn.

        VerifyCodeExpired is one: `change_verify_code` helps.
        """
        signed = self._answered(await self._prepared(access, verify, address, label))
        try:
            return await self._token(signed, address, label)
        finally:
            self.dispatcher.ended(signed)

    async def change_verify_code(self, access: str, verify: str, new: str, address: str, label: str) -> None:
        """Change the verify code of a user, an expired one too (XUS CVC). Raises NotSignedOn with the broker's words."""
        outcome = await self._prepared(access, verify, address, label)
        try:
            self._answered(outcome)
        except VerifyCodeExpired:
            log.debug("the verify code that is changed has expired")
        session = outcome.session
        try:
            pieces = [self._enciphered(code) for code in (verify, new, new)]
            verdict = _texts(await self._call(session, "XUS CVC", b"^".join(pieces)))
        finally:
            if session.duz:
                self.dispatcher.ended(session)
        if verdict[:1] != ["0"]:
            raise NotSignedOn(" ".join(verdict[1:]).strip() or "The broker does not take this verify code.")

    async def _prepared(self, access: str, verify: str, address: str, label: str) -> Outcome:
        """Greet the broker and give it the codes."""
        session = Session(id=self.session_ids(), address=address, client=label)
        greeted = await self._call(session, "XUS SIGNON SETUP")
        return await self._call(greeted.session, "XUS AV CODE", self._enciphered(f"{access};{verify}"))

    def _enciphered(self, code: str) -> bytes:
        return self.dispatcher.environment.cipher.encipher(code.encode("iso-8859-1", "replace"))

    def _answered(self, outcome: Outcome) -> Session:
        """Give the session that is signed on now. Raises NotSignedOn."""
        if outcome.session.duz:
            return outcome.session
        lines = _texts(outcome)
        if lines[2:3] == ["1"]:
            raise VerifyCodeExpired
        raise NotSignedOn(lines[3] if len(lines) > 3 and lines[3] else "The broker refuses the sign-on.")

    async def _token(self, session: Session, address: str, label: str) -> SignedOnBy:
        environment = self.dispatcher.environment
        now = environment.clock.seconds()
        until = now + SIGN_ON_SECONDS

        def make(connection: Connection) -> tuple[str, TokenData]:
            return make_token(connection, session.duz, label, address, now, until)

        return SignedOnBy(*await self._done(lambda: environment.store.write(make)))

    async def sign_off(self, token: str) -> None:
        """End a token that was used to get here."""
        environment = self.dispatcher.environment

        def end(connection: Connection) -> None:
            if (found := find_token(connection, token, environment.clock)) is not None:
                end_token(connection, found.ien)

        await self._done(lambda: environment.store.write(end))

    def _note(self, token: TokenData) -> None:
        """Note a use, once an hour: nobody waits for it."""
        environment = self.dispatcher.environment
        now = environment.clock.seconds()
        if now - max(token.used_at, self._noted.get(token.ien, 0.0)) < NOTED_EVERY:
            return
        self._noted[token.ien] = now
        environment.store.write(lambda connection: note_use(connection, token.ien, now)).add_done_callback(_report)

    async def _call(self, session: Session, name: str, *literals: bytes) -> Outcome:
        """Call a procedure as a session does, its pauses included."""
        result = self.dispatcher.call(session, name.encode(), [Literal(it) for it in literals])
        outcome = await result if isinstance(result, Deferred) else result
        if outcome.delay:
            pause: Deferred[None] = Deferred()
            self.dispatcher.reactor.callLater(outcome.delay, pause.callback, None)
            await pause
        return outcome

    async def _done(self, begin: Callable[[], Future[T]]) -> T:
        """Wait, in the reactor's thread, for what another thread does. Raises what it raises; Away for a lost database."""
        done: Deferred[None] = Deferred()
        try:
            future = begin()
            future.add_done_callback(lambda _future: self.dispatcher.reactor.callFromThread(done.callback, None))
            await done
            return future.result()
        except FileManError as error:
            log.error("the web could not ask the database: %s", error)
            raise Away from error


def _texts(outcome: Outcome) -> list[str]:
    return [line.decode("iso-8859-1") for line in outcome.lines]


def _report(future: Future[None]) -> None:
    if (error := future.exception()) is not None:
        log.warning("a token's use was not noted: %s", error)


def owner(name: str) -> Caller:
    """Give the owner of the data directory as who acts."""
    return Caller(0, f"owner {name}", owner=True, via=OWNER)
