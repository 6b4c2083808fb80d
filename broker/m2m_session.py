"""One M-to-M connection (`SPAWN^XWBVLL`, `EN^XWBRM`): sign-on within two calls, calls, close."""

from __future__ import annotations

import logging
import re

from broker.connection import ConnectionBase
from broker.dispatch import Outcome
from broker.hub import Hub
from broker.timing import BEFORE_SIGN_ON, M2M_IDLE, M2M_MID_DOCUMENT
from rpcs import Delay, MError
from rpcs.permission import NO_CONTEXT
from xwb import Reference, Violated
from xwb.m2m import (
    CLOSED,
    RPC_MODE,
    Document,
    M2MDecoder,
    M2MRequest,
    Trouble,
    encode_m2m_result,
    encode_rpc_error,
    encode_trouble,
)

log = logging.getLogger(__name__)

SETUP, AV_CODE = b"XUS SIGNON SETUP", b"XUS AV CODE"
#: Calls within which a client has to sign on, and the bytes of a document until then.
CALLS_TO_SIGN_ON = 2
SIGN_ON_BYTES = 65536
#: A session may ask for one call in this mode, but needs a token for it that nobody gets.
SINGLE_CALL = "single call"

NOT_SIGNED_ON = b"DUZ is either invalid or was not passed."
NO_APPLICATION = b"An Request Manager error occurred: No valid application specified"
_VARIABLE = re.compile(rb"[A-Za-z%^]")
#: The answer to a call without a name.
NONE_GIVEN = (1, b"NONE", b"No Remote Procedure Specified.")


class M2MSession(ConnectionBase):
    """The server's side of one M-to-M connection. An M error, and whatever is no call, ends it."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub, "M2M")
        self.decoder = M2MDecoder(limit_bytes=min(SIGN_ON_BYTES, hub.limits.message_bytes))
        self._calls = 0
        self._open = False
        self._over = False

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  Twisted's name
        """Take bytes; see Twisted's IProtocol."""
        self.touched()
        self.decoder.receive_data(data)
        self.advance()

    @property
    def held(self) -> int:
        """The bytes that came ahead."""
        return self.decoder.held

    def patience(self) -> float:
        """Tell how many seconds of silence are borne now."""
        if self.busy:
            return float("inf")
        if self.decoder.held:
            return M2M_MID_DOCUMENT
        return M2M_IDLE if self._open else BEFORE_SIGN_ON

    def advance(self) -> None:
        """Take the next document unless one is being answered or the client does not read its answers."""
        while not self.busy and not self.blocked and not self._over:
            event = self.decoder.next_event()
            if event is None:
                break
            if isinstance(event, Violated):
                log.warning("closed %s: %s", self.session.address, event.reason)
                self._end()
            else:
                self._take(event)
        self.regulate()

    def _end(self) -> None:
        self._over = True
        self.close()

    def _take(self, request: M2MRequest) -> None:
        if not self._open and not self._may_sign_on(request):
            return
        if request.document is Document.OTHER:
            self._answer(encode_trouble(Trouble.REQUEST_MANAGER, NO_APPLICATION), last=True)
        elif request.document is Document.CLOSE:
            self._answer(CLOSED, last=True)
        elif request.mode != RPC_MODE:
            self._answer(encode_trouble(Trouble.SECURITY, NOT_SIGNED_ON), last=request.mode == SINGLE_CALL)
        else:
            self._call(request)

    def _may_sign_on(self, request: M2MRequest) -> bool:
        """Let the set-up pass, and take the codes, once each; what else comes before a sign-on ends the connection."""
        self._calls += 1
        if not self.hub.has_room():
            log.warning("closed %s: there are too many sessions", self.session.address)
            self._end()
            return False
        if request.name == AV_CODE:
            self._call(request)  # in whatever mode
            return False
        if request.name == SETUP and self._calls < CALLS_TO_SIGN_ON:
            return True
        if request.name == SETUP:
            self._end()
        else:
            self._answer(encode_trouble(Trouble.SECURITY, NOT_SIGNED_ON), last=True)
        return False

    def _call(self, request: M2MRequest) -> None:
        dispatcher = self.hub.dispatcher
        name = request.name or b""
        if fault := self._fault(request):
            self.settle(dispatcher.m_error(self.session, MError(fault), name.decode("iso-8859-1")), self._finish, request)
            return
        contexts = dispatcher.site().settings.m2m_context_check
        self.settle(dispatcher.call(self.session, name, request.parameters, contexts=contexts), self._finish, request)

    def _fault(self, request: M2MRequest) -> str:
        """Give the M error that VistA's reading of a request ends in; a reference must name a variable here."""
        if request.fault:
            return f"ELEST^XWBRPC, {request.fault}"
        if request.name is None:
            return 'RPC+1^XWBM2MS, Undefined local variable: XWBDATA("URI"),150373850,-%GTM-E-UNDEF'
        references = [parameter.value for parameter in request.parameters if isinstance(parameter, Reference)]
        if any(not _VARIABLE.match(value) for value in references):
            return "CHR+6^XWBRPC, Variable expected in this context,150373866,-%GTM-E-VAREXPECTED"
        return ""

    def _finish(self, outcome: Outcome, request: M2MRequest) -> None:
        self.session = outcome.session
        kind, text = outcome.error or ("", b"")
        if kind == "M":
            self._answer(encode_trouble(Trouble.SYSTEM, text), outcome.delay, last=True)
        elif outcome.refused:
            self._answer(encode_rpc_error(*self._refusal(request.name or b"", text)))
        elif outcome.procedure is not None:
            answer = encode_m2m_result(outcome.procedure.returns, outcome.procedure.word_wrap, outcome.value)
            if not self._open and self.session.duz:
                self._open = True
                self.decoder.limit_bytes = self.hub.limits.message_bytes
            self._answer(answer, outcome.delay, last=not self._open and request.name == AV_CODE)

    def _refusal(self, name: bytes, text: bytes) -> tuple[int, bytes, bytes]:
        """Word a refusal of `[XWB]` for this wire: code, procedure and text (`EN^XWBRPC`)."""
        procedure = self.hub.dispatcher.registry.get(name.decode("iso-8859-1"))
        if not name:
            return NONE_GIVEN
        if procedure is None:
            return 2, name, b"Remote Procedure Unknown:  %b cannot be found." % name
        if procedure.closed:
            return 4, name, b"Remote Procedure InActive: '%b' cannot be run at this time." % name
        return (5 if text == NO_CONTEXT.encode() else 0), name, text

    def _answer(self, data: bytes, delay: float = 0.0, *, last: bool = False) -> None:
        """Answer after VistA's pauses: its reader waits for silence before it takes a document for whole."""
        delay += self.hub.dispatcher.timing().delays[Delay.M2M_READER]
        if delay:
            self.pause(delay, self._say, data, last)
        else:
            self._say(data, last)

    def _say(self, data: bytes, last: bool) -> None:
        self.write(data)
        if last:
            self._end()
