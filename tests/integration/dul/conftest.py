"""A listener of ours on a reactor's thread, certificates for both sides, a table of real files, and who asks."""

from __future__ import annotations

import ssl as standard
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL
from pydicom.data import get_testdata_file
from twisted.internet.interfaces import IOpenSSLContextFactory
from zope.interface import implementer

from dul import (
    Asked,
    AssociateRequest,
    Command,
    CommandField,
    Exchange,
    Listener,
    Listening,
    Policy,
    ProposedContext,
    Request,
    Response,
    Sink,
    connect,
    echo,
    negotiate,
)
from runtime import ReactorThread
from tests.support import asking as coroutines
from tests.support.certificates import Authority
from tests.support.dicom_tls import Secured
from tests.support.query_provider import Table


@implementer(IOpenSSLContextFactory)
@dataclass(frozen=True)
class _Ready:
    """Gives Twisted a context that is there."""

    context: SSL.Context

    def getContext(self) -> SSL.Context:
        return self.context


@dataclass(frozen=True)
class Security:
    """What secures connections, for our own side and for peers: certificates of one authority, for localhost."""

    folder: Path

    @property
    def authority(self) -> Path:
        return self.folder / "authority.pem"

    @property
    def certificate(self) -> Path:
        return self.folder / "localhost.pem"

    @property
    def key(self) -> Path:
        return self.folder / "localhost.key"

    def context(self, method: int) -> Any:
        """Give what our side wants, as listener or as requestor: the peer has a certificate of the authority."""
        context = SSL.Context(method)
        context.use_certificate_chain_file(str(self.certificate))
        context.use_privatekey_file(str(self.key))
        context.load_verify_locations(str(self.authority))
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
        context.set_session_id(b"dul")
        return _Ready(context)

    def listening(self) -> Any:
        return self.context(SSL.TLS_SERVER_METHOD)

    def asking(self) -> Any:
        return self.context(SSL.TLS_CLIENT_METHOD)

    def of_dcmtk(self) -> list[str]:
        """Give the options of DCMTK's programs."""
        return ["+tls", str(self.key), str(self.certificate), "+cf", str(self.authority)]

    def of_python(self, purpose: standard.Purpose) -> standard.SSLContext:
        """Give a context of the standard library, for one side."""
        context = standard.create_default_context(purpose, cafile=str(self.authority))
        context.load_cert_chain(self.certificate, self.key)
        context.verify_mode = standard.CERT_REQUIRED
        return context


@pytest.fixture(params=["plain", "tls"])
def security(request: pytest.FixtureRequest, tmp_path: Path) -> Security | None:
    """Give certificates for a test over TLS, nothing for one without."""
    if request.param == "plain":
        return None
    folder = tmp_path / "certificates"
    folder.mkdir()
    Authority.create(folder).issue("localhost")
    return Security(folder)


@pytest.fixture
def reactor() -> Iterator[ReactorThread]:
    """Run a reactor."""
    reactor = ReactorThread("dul")
    yield reactor
    reactor.stop()


@dataclass
class Stored:
    """An object that came by C-STORE."""

    uid: str
    transfer_syntax: str
    data: bytes


class _Keeping:
    """Takes the data set of one object."""

    def __init__(self, request: Request, port: Port) -> None:
        self._request, self._port, self._data = request, port, bytearray()

    def write(self, data: memoryview) -> None:
        self._data += data

    def finish(self) -> None:
        request = self._request
        self._port.stored.append(Stored(request.command.sop_instance or "", request.transfer_syntax, bytes(self._data)))
        request.respond(0)

    def abandon(self) -> None:
        self._port.abandoned += 1


class Port:
    """A listener of ours that echoes and keeps what is stored; it takes every context as it is proposed."""

    def __init__(self, reactor: ReactorThread, tls: Any = None, services: dict[Any, Any] | None = None, **changes: Any) -> None:
        self.stored: list[Stored] = []
        self.abandoned = 0
        self.reactor = reactor
        policy = Policy(choose=lambda _syntax, proposed: proposed[0], maximum_length=131072)

        def store(request: Request) -> Sink:
            return _Keeping(request, self)

        listening = Listening(
            lambda request, _peer: negotiate(request, policy),
            {CommandField.C_ECHO_RQ: echo, CommandField.C_STORE_RQ: store, **(services or {})},
            **changes,
        )
        self.listener = Listener(listening, reactor.reactor)
        self._port = reactor.call(self.listener.listen, 0, "127.0.0.1", tls)
        self.number = int(self._port.getHost().port)

    def associations(self) -> int:
        """Count those that have not ended."""
        return int(self.reactor.call(lambda: len(self.listener.exchanges)))

    def connections(self) -> int:
        """Count those that are open."""
        return int(self.reactor.call(lambda: self.listener._connections))

    def close(self) -> None:
        """Listen no more."""
        self.reactor.call(self._port.stopListening)


@pytest.fixture
def listen(reactor: ReactorThread) -> Iterator[Callable[..., Port]]:
    """Give a function that opens listeners, which are closed at the end."""
    ports: list[Port] = []

    def open_port(**named: Any) -> Port:
        ports.append(Port(reactor, **named))
        return ports[-1]

    yield open_port
    for port in ports:
        port.close()


class Asking:
    """An association that we asked for, used from the test's thread."""

    def __init__(self, reactor: ReactorThread, port: int, contexts: list[tuple[str, str]], tls: Any = None, **named: Any) -> None:
        proposed = tuple(
            ProposedContext(2 * place + 1, abstract, (transfer,)) for place, (abstract, transfer) in enumerate(contexts)
        )
        request = AssociateRequest("ANY-SCP", "MAGBROKER", proposed)
        self._reactor = reactor
        self.exchange: Exchange = reactor.call(lambda: connect(reactor.reactor, ("127.0.0.1", port), request, tls=tls, **named))

    def ask(self, abstract: str, transfer: str | None, command: Command, source: Any = None) -> Response:
        """Ask, and wait for the response."""

        def begin() -> Asked:
            context = self.exchange.context_for(abstract, transfer)
            assert context is not None
            return self.exchange.ask(context, command, source=source)

        response: Response = self._reactor.call(lambda: begin().response())
        return response

    def release(self) -> None:
        """End in order, and make sure that it was."""
        assert self._reactor.call(self.exchange.release) is None


#: Patients with several studies and series, and objects in other transfer syntaxes.
_FOLDERS = ("77654033", "98892001")
_SINGLE = ("CT_small.dcm", "JPEG2000.dcm", "rtplan.dcm")


@pytest.fixture(scope="session")
def table() -> Table:
    """Read the table of the files."""
    single = [Path(str(get_testdata_file(name))) for name in _SINGLE]
    root = single[0].parent / "dicomdirtests"
    return Table.of_files([*single, *(path for name in _FOLDERS for path in sorted((root / name).rglob("*")) if path.is_file())])


@pytest.fixture
def asking() -> Iterator[coroutines.Asking]:
    """Give our SCU."""
    with coroutines.Asking() as asking:
        yield asking


@pytest.fixture(params=["plain", "TLS"])
def secured(request: pytest.FixtureRequest, tmp_path: Path) -> Secured | None:
    """Give what secures the associations, or nothing."""
    if request.param == "plain":
        return None
    authority = Authority.create(tmp_path)
    return Secured(authority, *authority.issue("localhost"))
