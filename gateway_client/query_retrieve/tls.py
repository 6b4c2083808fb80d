"""TLS to a DICOM peer (PS3.15 B), as files of certificates and keys."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import crypto
from twisted.internet.ssl import Certificate, CertificateOptions, optionsForClientTLS, platformTrust, trustRootFromCertificates

from gateway_client.errors import GatewayError

#: Twisted gives these no types.
_SYSTEM: Any = platformTrust
_ROOTS: Any = trustRootFromCertificates
_CERTIFICATE: Any = Certificate


class UnusableCertificate(GatewayError):
    """A certificate or key cannot be used."""

    def __init__(self, file: Path, what: str, why: object) -> None:
        self.file = file
        super().__init__(f"{file} cannot be used as {what} (PEM): {why}.")


@dataclass(frozen=True, slots=True)
class Secured:
    """What an association is secured with: the peer's authority, those of the system where none is named, and our certificate.

    The key may stand in the certificate's file. With `any_name` a certificate that the authority signed is good whatever host
    it names: those of modalities often name none.
    """

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    any_name: bool = False

    def creator(self, host: str) -> Any:
        """Make what Twisted secures a connection to a host with. Raises UnusableCertificate."""
        roots = _SYSTEM() if self.authority is None else _trusted(self.authority)
        own = {} if self.certificate is None else _own(self.certificate, self.key or self.certificate)
        if self.any_name:
            return CertificateOptions(trustRoot=roots, **own)
        return optionsForClientTLS(host, trustRoot=roots, extraCertificateOptions=own)


def _trusted(authority: Path) -> Any:
    found = _certificates(authority, "a certificate authority")
    return _ROOTS([_CERTIFICATE(crypto.X509.from_cryptography(one)) for one in found])


def _own(certificate: Path, key: Path) -> dict[str, Any]:
    """Read our certificate, with those that lead to the authority where they follow it, and its key."""
    first, *chain = _certificates(certificate, "a certificate")
    try:
        private: Any = load_pem_private_key(key.read_bytes(), None)
    except OSError as error:
        raise UnusableCertificate(key, "a private key", error.strerror) from error
    except (TypeError, ValueError) as error:  # TypeError: it is encrypted
        raise UnusableCertificate(key, "a private key", "it holds none, or one with a password") from error
    return {"privateKey": private, "certificate": first, "extraCertChain": chain}


def _certificates(file: Path, what: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())
    except OSError as error:
        raise UnusableCertificate(file, what, error.strerror) from error
    except ValueError as error:
        raise UnusableCertificate(file, what, "it holds none") from error
