"""TLS for the broker's listeners: a certificate and its key from PEM files, client certificates where they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLContextFactory
from twisted.internet.ssl import Certificate, CertificateOptions, TLSVersion, trustRootFromCertificates

from broker.errors import BadCertificate

_BEGIN = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class TLSFiles:
    """Where the PEM files lie: certificate (its chain after it), key, and the authorities of client certificates if any."""

    certificate: Path
    key: Path
    client_authorities: Path | None = None


def server_context(files: TLSFiles) -> IOpenSSLContextFactory:
    """Make what a TLS listener needs: TLS 1.2 or newer; with client authorities nobody without their certificate gets in.

    Raises BadCertificate, which names the file.
    """
    chain = [crypto.load_certificate(crypto.FILETYPE_PEM, pem) for pem in _certificates(files.certificate)]
    try:
        key = crypto.load_privatekey(crypto.FILETYPE_PEM, _read(files.key), b"")
    except (crypto.Error, ValueError, TypeError) as error:
        raise BadCertificate(files.key, "it holds no private key without a passphrase") from error
    trust = None
    if files.client_authorities is not None:
        trust = trustRootFromCertificates([Certificate.loadPEM(pem) for pem in _certificates(files.client_authorities)])  # type: ignore[no-untyped-call]
    try:
        options = CertificateOptions(
            privateKey=key,
            certificate=chain[0],
            extraCertChain=chain[1:],
            trustRoot=trust,
            raiseMinimumTo=TLSVersion.TLSv1_2,
        )
        options.getContext()
    except (SSL.Error, ValueError) as error:
        raise BadCertificate(files.key, f"it is not the key of {files.certificate}") from error
    return options


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadCertificate(path, f"it cannot be read: {error.strerror}") from error


def _certificates(path: Path) -> list[bytes]:
    """Cut a PEM file into its certificates."""
    parts = [_BEGIN + part for part in _read(path).split(_BEGIN)[1:]]
    try:
        for part in parts:
            crypto.load_certificate(crypto.FILETYPE_PEM, part)
    except (crypto.Error, ValueError) as error:
        raise BadCertificate(path, "one of its certificates is damaged") from error
    if not parts:
        raise BadCertificate(path, "it holds no certificate (PEM)")
    return parts
