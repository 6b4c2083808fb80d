"""TLS for listeners: a certificate and its key from PEM files, client certificates where they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLContextFactory
from zope.interface import implementer

from runtime.errors import BadCertificate

if TYPE_CHECKING:
    from runtime.dictionary_settings import AdmissionSettings

#: Names our sessions: without a name OpenSSL refuses to resume one that had a client certificate.
SESSION_ID = b"magbroker"


@dataclass(frozen=True, slots=True)
class TLSFiles:
    """Where the PEM files lie: certificate (its chain after it), key, and the authorities of client certificates if any."""

    certificate: Path
    key: Path
    client_authorities: Path | None = None


def tls_files(table: AdmissionSettings) -> TLSFiles | None:
    """Give the files of a port that speaks TLS, as its settings name them."""
    if table.tls_certificate is None or table.tls_key is None:
        return None
    return TLSFiles(table.tls_certificate, table.tls_key, table.tls_client_authorities)


@implementer(IOpenSSLContextFactory)
class _Ready:
    """Gives the one context that was made, and found good, before the listener opened."""

    def __init__(self, context: SSL.Context) -> None:
        self._context = context

    def getContext(self) -> SSL.Context:  # noqa: N802  Twisted's name
        """Give the context."""
        return self._context


def server_context(files: TLSFiles) -> IOpenSSLContextFactory:
    """Make what a TLS listener needs: TLS 1.2 or newer; with client authorities nobody without their certificate gets in.

    Raises BadCertificate, which names the file.
    """
    for path in (files.certificate, files.key, files.client_authorities):
        _check_readable(path)
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_session_id(SESSION_ID)
    try:
        context.use_certificate_chain_file(str(files.certificate))
    except SSL.Error as error:
        raise BadCertificate(files.certificate, "it holds no certificate, or a damaged one (PEM)") from error
    try:
        context.use_privatekey(load_pem_private_key(files.key.read_bytes(), password=None))  # type: ignore[arg-type]  # or ValueError
        context.check_privatekey()
    except (SSL.Error, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadCertificate(files.key, f"it holds no private key of {files.certificate} without a passphrase (PEM)") from error
    if files.client_authorities is not None:
        try:
            context.load_verify_locations(str(files.client_authorities))
        except SSL.Error as error:
            raise BadCertificate(files.client_authorities, "it holds no certificate, or a damaged one (PEM)") from error
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    return _Ready(context)


def _check_readable(path: Path | None) -> None:
    if path is not None:
        try:
            path.read_bytes()
        except OSError as error:
            raise BadCertificate(path, f"it cannot be read: {error.strerror}") from error
