"""A broker examined step by step, as a client would use it; every finding in plain words."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from console.complaints import CALL_REFUSALS, CONTEXT_REFUSALS, SIGN_ON_REFUSALS, explain, speaker
from fileman import from_horolog
from runtime import Clock, SystemClock
from xwb import (
    EOT,
    ApplicationError,
    BrokerClient,
    CannotEncode,
    Cipher,
    ConnectionRejected,
    MError,
    Reference,
    SecurityRefused,
    SignOnRefused,
    TimedOut,
    XWBError,
    encode_bye,
    encode_connect,
    encode_response,
)

CLIENT_NAME = "magbroker-doctor"
ACCEPT, REJECT = encode_response(b"accept"), encode_response(b"reject")
#: What is read of an answer to the greeting.
GREETING_LIMIT = 4096
#: An answer that has begun has come after so many seconds; what is no broker's has no end to wait for.
REST_SECONDS = 1.0
#: Lines of XUS SIGNON SETUP.
SETUP_LINES = 8
PINGS = 5
CLOCK_TOLERANCE = 60.0
SLOW = 1.0

_UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EADDRNOTAVAIL}
#: OpenSSL's verification results.
_DISTRUST = {
    9: ("The certificate is not valid yet.", "Check the clocks of both machines."),
    10: ("The certificate has expired.", "Have the broker's certificate renewed."),
    62: ("The certificate is for another host: {text}", "Use the name that stands in the certificate."),
    64: ("The certificate is for another address: {text}", "Use the name that stands in the certificate."),
}
_UNTRUSTED = (
    "The certificate is not trusted: {text}.",
    "Name the authority that signed it with --ca FILE, or the certificate itself when it is self-signed.",
)


class State(StrEnum):
    """How a step went."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what was found, and when something is wrong what to do."""

    name: str
    state: State
    found: str
    advice: str = ""
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Give the step for JSON."""
        return {
            "name": self.name,
            "state": self.state.value,
            "found": self.found,
            "advice": self.advice,
            "seconds": round(self.seconds, 6),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What to examine. Without `sign_on` only the connection; `codes` are access and verify code."""

    host: str
    port: int
    codes: tuple[str, str] | None = None
    sign_on: bool = True
    context: str = ""
    rpc: str = ""
    tls: bool = False
    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    timeout: float = 15.0
    cipher: Cipher = field(default_factory=Cipher.standard)
    clock: Clock = field(default_factory=SystemClock)


class Trouble(Exception):
    """A step found something wrong: what, and what to do."""

    def __init__(self, found: str, advice: str) -> None:
        self.found = found
        self.advice = advice
        super().__init__(found)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a step that did not fail found."""

    text: str
    state: State = State.GOOD
    advice: str = ""


class Doctor:
    """Examines one broker; the steps after one that fails are not tried."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._client: BrokerClient | None = None
        self._steps: tuple[tuple[str, Callable[[], Finding]], ...] = (
            ("host", self._resolve),
            ("port", self._connect),
            ("TLS", self._encrypt),
            ("broker", self._introduce),
            ("system", self._set_up),
            ("sign-on", self._sign_on),
            ("context", self._enter_context),
            ("call", self._call),
            ("procedure", self._call_named),
            ("clock", self._tell_time),
        )

    def examine(self) -> Iterator[Step]:
        """Take the steps one after the other."""
        failed = False
        try:
            for name, work in self._steps:
                step = Step(name, State.SKIPPED, "not tried") if failed else self._step(name, work)
                failed = failed or step.state is State.BAD
                yield step
        finally:
            if self._client is not None:
                self._client.bye()

    def _step(self, name: str, work: Callable[[], Finding]) -> Step:
        begun = self.plan.clock.monotonic()
        finding = self._outcome(work)
        return Step(name, finding.state, finding.text, finding.advice, self.plan.clock.monotonic() - begun)

    def _outcome(self, work: Callable[[], Finding]) -> Finding:
        try:
            return work()
        except Trouble as trouble:
            return Finding(trouble.found, State.BAD, trouble.advice)
        except TimedOut:
            found = f"The broker did not answer in {self.plan.timeout:g} s."
            return Finding(found, State.BAD, "Try again with a longer --timeout, or see the broker's log.")
        except CannotEncode as error:
            return Finding(str(error), State.BAD, "Nothing was sent: what you gave does not fit the wire. Check its spelling.")
        except XWBError as error:
            return Finding(str(error), State.BAD, "See the broker's log.")

    def _resolve(self) -> Finding:
        try:
            found = socket.getaddrinfo(self.plan.host, self.plan.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Trouble(
                f"The host {self.plan.host} is not known.", "Check its spelling and the name service, or use its address."
            ) from error
        return Finding(", ".join(dict.fromkeys(str(it[4][0]) for it in found)))

    def _open(self) -> socket.socket:
        return socket.create_connection((self.plan.host, self.plan.port), timeout=self.plan.timeout)

    def _connect(self) -> Finding:
        plan = self.plan
        try:
            self._open().close()
        except ConnectionRefusedError as error:
            what = "The TLS port is closed: nothing" if plan.tls else "Nothing"
            raise Trouble(
                f"{what} listens on port {plan.port} of {plan.host}.",
                "Is the broker's TLS listener on (broker_tls_port, tls_certificate, tls_key)? Is this its port?"
                if plan.tls
                else "Is the broker started? Is this its port? It names its ports when it starts; 9430 is usual.",
            ) from error
        except TimeoutError as error:
            raise Trouble(
                f"{plan.host} does not answer on port {plan.port} in {plan.timeout:g} s.",
                "A firewall may swallow the connection, or the address is nobody's.",
            ) from error
        except OSError as error:
            why = "There is no way to the host" if error.errno in _UNREACHABLE else "The connection failed"
            raise Trouble(f"{why}: {error.strerror or error}.", "Check the network and the address.") from error
        return Finding(f"port {plan.port} is open")

    def _context(self) -> ssl.SSLContext:
        plan = self.plan
        for file in (plan.authority, plan.certificate, plan.key):
            _check_readable(file)
        try:
            context = ssl.create_default_context(cafile=plan.authority)
        except OSError as error:
            raise Trouble(f"{plan.authority} holds no certificate authority.", "Give a PEM file with --ca.") from error
        if plan.certificate is not None:
            try:
                context.load_cert_chain(plan.certificate, plan.key, password=lambda: b"")  # never asks on the terminal
            except OSError as error:
                raise Trouble(
                    f"{plan.certificate} and {plan.key or 'itself'} are no certificate and its key.",
                    "Give PEM files with --cert and --key; the key must be the certificate's, and without a password.",
                ) from error
        return context

    def _encrypt(self) -> Finding:
        if not self.plan.tls:
            return Finding("not asked for", State.SKIPPED)
        context = self._context()
        try:
            with self._open() as clear, context.wrap_socket(clear, server_hostname=self.plan.host) as wire:
                certificate = wire.getpeercert() or {}
                names = (pair[1] for part in certificate.get("subject", ()) for pair in part if pair[0] == "commonName")
                until = certificate.get("notAfter", "")
                return Finding(f"{wire.version()}, certificate of {next(names, 'nobody')} until {until}")
        except ssl.SSLCertVerificationError as error:
            found, advice = _DISTRUST.get(error.verify_code, _UNTRUSTED)
            raise Trouble(found.format(text=error.verify_message), advice) from error
        except OSError as error:
            raise self._no_tls(error) from error

    def _no_tls(self, error: OSError) -> Trouble:
        """Find out why there was no handshake: most often the port speaks in clear."""
        if self._greet(None).startswith(ACCEPT):
            return Trouble(
                "The port does not speak TLS: a broker answers there in clear.",
                "Leave --tls out, or use the port of the TLS listener.",
            )
        if isinstance(error, TimeoutError):
            return Trouble("The port does not answer to TLS.", "Check the port; leave --tls out if it is one in clear.")
        return Trouble(f"The port does not speak TLS ({error.strerror or error}).", "Check the port, or leave --tls out.")

    def _greet(self, context: ssl.SSLContext | None) -> bytes:
        """Introduce a client on a connection of its own and give what comes back; empty when nothing does."""
        answer = bytearray()
        with suppress(OSError), self._open() as clear, _wrapped(clear, context, self.plan.host) as wire:
            wire.sendall(encode_connect(b"127.0.0.1", CLIENT_NAME.encode("ascii")))
            while not answer.endswith(EOT) and len(answer) < GREETING_LIMIT and (data := wire.recv(GREETING_LIMIT)):
                answer += data
                wire.settimeout(min(self.plan.timeout, REST_SECONDS))
            if answer == ACCEPT:
                wire.sendall(encode_bye())
                wire.recv(GREETING_LIMIT)
        return bytes(answer)

    def _introduce(self) -> Finding:
        answer = self._greet(self._context() if self.plan.tls else None)
        if answer == ACCEPT:
            return Finding("an RPC broker answers and accepts the connection")
        if answer == REJECT:
            raise Trouble(
                "The broker rejects connections: logons are inhibited, or it is full.",
                "Wait, or have a site manager allow logons or raise the limit.",
            )
        if answer:
            raise Trouble(*speaker(answer))
        if self.plan.tls:
            raise Trouble(
                "The port closes the encrypted connection, or says nothing.",
                "It may trust this client certificate's authority not, or be the TLS port of something else."
                if self.plan.certificate
                else "It may want a client certificate (--cert, --key), or be the TLS port of something else.",
            )
        if self._speaks_tls():
            raise Trouble(*speaker(b"\x15\x03"))
        raise Trouble(
            "The port takes connections but does not answer as an RPC broker does.",
            "Check the port: a DICOM application, for example, keeps silent or closes like that. If it is the broker's, it may "
            "refuse this address, be full, or hang; see its log.",
        )

    def _speaks_tls(self) -> bool:
        """Try a handshake that trusts anybody."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            with self._open() as clear, context.wrap_socket(clear, server_hostname=self.plan.host):
                return True
        except ssl.SSLError as error:
            return "ALERT" in (error.reason or "")
        except OSError:
            return False

    @property
    def _session(self) -> BrokerClient:
        if self._client is None:
            plan = self.plan
            tls = self._context() if plan.tls else None
            self._client = BrokerClient(
                plan.host, plan.port, timeout=plan.timeout, cipher=plan.cipher, name=CLIENT_NAME, tls=tls
            ).connect()
        return self._client

    def _set_up(self) -> Finding:
        try:
            lines = self._session.call("XUS SIGNON SETUP").lines
        except ConnectionRejected as error:
            raise Trouble("The broker rejects a second connection: it is full.", "Wait, or have its limit raised.") from error
        if len(lines) < SETUP_LINES:
            raise Trouble(
                "The set-up of the sign-on has too few lines.", "This is not how a VistA answers; see the broker's log."
            )
        kind = "a production system" if lines[7] == "1" else "a test system"
        return Finding(f"server {lines[0]}, volume {lines[1]}, UCI {lines[2]}, domain {lines[6]}, {kind}")

    def _sign_on(self) -> Finding:
        if not self.plan.sign_on:
            return Finding("not asked for", State.SKIPPED)
        if self.plan.codes is None:
            raise Trouble(
                "No access and verify code were given.",
                "Give --access and --verify, MAGBROKER_ACCESS and MAGBROKER_VERIFY, or --no-sign-on.",
            )
        try:
            signed_on = self._session.sign_on(*self.plan.codes)
        except SignOnRefused as error:
            raise Trouble(*explain(error.text, SIGN_ON_REFUSALS, "The broker refuses the sign-on")) from error
        if signed_on.verify_must_change:
            return Finding(f"signed on as user {signed_on.duz}", State.WARNING, "The verify code must be changed.")
        return Finding(f"signed on as user {signed_on.duz}")

    def _enter_context(self) -> Finding:
        if not (self.plan.context and self.plan.sign_on):
            return Finding("no context was named", State.SKIPPED)
        try:
            self._session.create_context(self.plan.context)
        except SecurityRefused as error:
            raise Trouble(*explain(error.text, CONTEXT_REFUSALS, "The broker refuses the context")) from error
        return Finding(f"in context {self.plan.context}")

    def _call(self) -> Finding:
        times = []
        for _ in range(PINGS):
            begun = self.plan.clock.monotonic()
            try:
                answer = self._session.call("XWB IM HERE").text
            except (SecurityRefused, ApplicationError, MError) as error:
                raise Trouble(*explain(error.text, CALL_REFUSALS, "XWB IM HERE fails")) from error
            times.append(self.plan.clock.monotonic() - begun)
        if answer != "1":
            raise Trouble(f"XWB IM HERE answers {answer[:40]!r} where 1 is right.", "See the broker's log.")
        middle = sorted(times)[PINGS // 2]
        text = f"XWB IM HERE answers in {1000 * middle:.1f} ms"
        if middle > SLOW:
            return Finding(text, State.WARNING, "That is slow: look at the network and the broker's load.")
        return Finding(text)

    def _call_named(self) -> Finding:
        name = self.plan.rpc
        if not name:
            return Finding("no procedure was named", State.SKIPPED)
        try:
            answer = self._session.call(name)
        except SecurityRefused as error:
            raise Trouble(*explain(error.text, CALL_REFUSALS, f"{name} is refused")) from error
        except (ApplicationError, MError) as error:
            text = f"{name} is there and may be called, but fails without parameters: {error.text}"
            return Finding(text, State.WARNING, "Call it with the parameters that it needs.")
        return Finding(f"{name} answers {len(answer.data)} bytes")

    def _tell_time(self) -> Finding:
        """Ask for $HOROLOG, which takes a context with XWB GET VARIABLE VALUE."""
        if not (self.plan.sign_on and self.plan.context):
            return Finding("asked only in a context", State.SKIPPED)
        try:
            text = self._session.call("XWB GET VARIABLE VALUE", Reference(b"$H")).text
            there = from_horolog(text)
        except (SecurityRefused, ApplicationError, MError):
            return Finding("this context does not tell the broker's time", State.SKIPPED)
        except ValueError:
            return Finding(f"the broker tells no time but {text[:40]!r}", State.SKIPPED)
        apart = (there - self.plan.clock.now()).total_seconds()
        found = f"{there:%Y-%m-%d %H:%M:%S} there, {apart:+.0f} s from here"
        if abs(apart) > CLOCK_TOLERANCE:
            return Finding(found, State.WARNING, "Clocks or time zones differ; times that both sides write will not agree.")
        return Finding(found)


def _check_readable(file: Path | None) -> None:
    try:
        if file is not None:
            file.open("rb").close()
    except OSError as error:
        raise Trouble(f"{file} cannot be read: {error.strerror}.", "Check the path and the file's permissions.") from error


def _wrapped(clear: socket.socket, context: ssl.SSLContext | None, host: str) -> socket.socket:
    """Begin TLS on a connection, where it is wanted."""
    return context.wrap_socket(clear, server_hostname=host) if context else clear
