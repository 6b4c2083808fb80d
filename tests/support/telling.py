"""Real servers that are told: an HTTP server for webhooks, and an SMTP server."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from runtime import free_port


@dataclass(frozen=True)
class Posted:
    """What came by POST."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def value(self) -> Any:
        """The JSON."""
        return json.loads(self.body)


@dataclass
class Hook:
    """An HTTP server that answers each POST with the next of `answers`, and 200 when there is none."""

    posted: list[Posted] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    #: Called before a request is answered.
    before: Callable[[Posted], None] = lambda _posted: None
    url: str = ""

    @property
    def events(self) -> list[tuple[str, str]]:
        """What was told: the event, and what it is about, or says."""
        told = [event for one in self.posted for event in one.value["events"]]
        return [(it["event"], it["alert"]["subject"] if it["alert"] else it["text"]) for it in told]


@contextmanager
def hook(port: int = 0, context: ssl.SSLContext | None = None) -> Iterator[Hook]:
    """Serve; with a context over TLS."""
    served = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted = Posted(self.path, dict(self.headers.items()), body)
            served.before(posted)
            served.posted.append(posted)
            self.send_response(served.answers.pop(0) if served.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_given: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_given: object) -> None:
            pass  # clients that do not trust us, or are killed

    server = Quiet(("127.0.0.1", port), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    served.url = f"{'https' if context else 'http'}://localhost:{server.server_port}/alerts?site=1"
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Mailbox:
    """What an SMTP server took, who may sign on, and whom it refuses."""

    users: dict[str, str] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    mails: list[Message] = field(default_factory=list)
    port: int = 0
    #: Whether the last session was encrypted.
    tls: bool = False

    async def handle_RCPT(self, _server: object, _session: Session, envelope: Envelope, address: str, _options: list[str]) -> str:
        """Take a recipient, or refuse him."""
        if address in self.refused:
            return "550 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: object, session: Session, envelope: Envelope) -> str:
        """Take a mail."""
        assert isinstance(envelope.content, bytes)
        self.tls = session.ssl is not None
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        return "250 taken"

    def may(self, _server: object, _session: object, _envelope: object, mechanism: str, data: object) -> AuthResult:
        """Let a user in who knows his password."""
        assert isinstance(data, LoginPassword), mechanism
        known = self.users.get(data.login.decode())
        return AuthResult(success=known is not None and known == data.password.decode(), handled=False)


@contextmanager
def mailbox(certificate: Path, key: Path, **users: str) -> Iterator[Mailbox]:
    """Serve SMTP with STARTTLS; where there are users, only they may send, and only over TLS."""
    port = free_port()
    box = Mailbox(users, port=port)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=port,
        tls_context=context,
        require_starttls=bool(users),
        auth_required=bool(users),
        authenticator=box.may,
        server_hostname="localhost",
    )
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
