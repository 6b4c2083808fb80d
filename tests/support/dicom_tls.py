"""TLS for associations in tests: each side shows a certificate that one authority signed, and asks for the other's."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLContextFactory
from zope.interface import implementer

from tests.support.certificates import Authority


@implementer(IOpenSSLContextFactory)
@dataclass(frozen=True)
class Secured:
    """What secures an association, for Twisted, for the standard library and for DCMTK, whichever side it is on."""

    authority: Authority
    certificate: Path
    key: Path

    def getContext(self) -> SSL.Context:
        """Make the context that Twisted asks for."""
        context = SSL.Context(SSL.TLS_METHOD)
        context.use_certificate_file(str(self.certificate))
        context.use_privatekey_file(str(self.key))
        context.load_verify_locations(str(self.authority.file))
        context.set_verify(
            SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda _connection, _certificate, _error, _depth, ok: ok
        )
        return context

    def context(self, purpose: ssl.Purpose = ssl.Purpose.CLIENT_AUTH) -> ssl.SSLContext:
        """Make the context for pynetdicom, as a server unless another purpose is told."""
        context = ssl.create_default_context(purpose, cafile=str(self.authority.file))
        context.load_cert_chain(self.certificate, self.key)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    @property
    def options(self) -> tuple[str, ...]:
        """DCMTK's options, of its clients and of storescp."""
        return ("+tls", str(self.key), str(self.certificate), "+cf", str(self.authority.file))
