"""Codes and keys: verify codes as argon2 hashes, access codes found by keyed hash, other secrets under the site's key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fileman.errors import FileManError

KEY_BYTES = 32
_NONCE_BYTES = 12
#: About 20 ms and 16 MiB a check: slow enough for a thief, quick enough for a sign-on.
_HASHER = PasswordHasher(time_cost=2, memory_cost=16 * 1024, parallelism=1)
# cffi makes a library's types when they are first used, and aborts the process when two threads do that at the same time
PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("")


class BadSiteKey(FileManError):
    """The site's key does not fit: the key file is damaged, or the database belongs to another site."""


@dataclass(frozen=True, slots=True)
class SiteKey:
    """The site's own key. Without its file neither access codes nor gateway codes can be used."""

    _key: bytes = field(repr=False)

    @classmethod
    def load_or_create(cls, path: Path) -> SiteKey:
        """Read the key file; make one, readable by its owner only, where there is none.

        The file appears whole or not at all, and of two processes that make it at once both get the first one's key.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                _create(path, secrets.token_bytes(KEY_BYTES))
            key = path.read_bytes()
        except OSError as error:
            raise BadSiteKey(f"The site's key file {path} cannot be used: {error.strerror}.") from error
        if len(key) != KEY_BYTES:
            raise BadSiteKey(f"{path} is no site key: it has {len(key)} bytes, not {KEY_BYTES}.")
        return cls(key)

    def _derived(self, purpose: bytes) -> bytes:
        return hmac.digest(self._key, purpose, hashlib.sha256)

    def fingerprint(self) -> str:
        """Name the key without giving it away, so that a database is not opened with another site's key."""
        return self._derived(b"fingerprint").hex()[:16]

    def access_hash(self, access: str) -> str:
        """Hash an access code so that its owner can be found by it; letter case does not count."""
        return hmac.new(self._derived(b"access code"), access.upper().encode(), hashlib.sha256).hexdigest()

    def encipher(self, text: str) -> str:
        """Encipher a secret that has to be given back in clear; empty stays empty."""
        if not text:
            return ""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self._derived(b"secrets")).encrypt(nonce, text.encode(), None)
        return base64.urlsafe_b64encode(nonce + sealed).decode()

    def decipher(self, token: str) -> str:
        """Give a secret back. Raises BadSiteKey when another key enciphered it."""
        if not token:
            return ""
        try:
            sealed = base64.urlsafe_b64decode(token)
            return AESGCM(self._derived(b"secrets")).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None).decode()
        except (InvalidTag, ValueError) as error:
            raise BadSiteKey from error


def _create(path: Path, key: bytes) -> None:
    """Write a key file beside its place and link it there, unless another process was quicker."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass  # the other process's key stands
    finally:
        temporary.unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def hash_verify_code(code: str) -> str:
    """Hash a verify code, upper-cased as VistA takes it; a null code has an empty hash."""
    return _HASHER.hash(code.upper()) if code else ""


def check_verify_code(hashed: str, code: str) -> bool:
    """Tell whether a code fits a hash; nothing fits an empty one. Takes some 20 ms: not for the reactor's thread."""
    if not hashed:
        return False
    try:
        return _HASHER.verify(hashed, code.upper())
    except (VerificationError, InvalidHashError):
        return False
