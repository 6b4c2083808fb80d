"""Codes and keys: verify codes as argon2 hashes, access codes found by keyed hash, other secrets under the site's key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
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


class BadSiteKey(FileManError):
    """The site's key does not fit: the key file is damaged, or the database belongs to another site."""


@dataclass(frozen=True, slots=True)
class SiteKey:
    """The site's own key. Without its file neither access codes nor gateway codes can be used."""

    _key: bytes

    @classmethod
    def load_or_create(cls, path: Path) -> SiteKey:
        """Read the key file; make one, readable by its owner only, where there is none."""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            key = path.read_bytes()
            if len(key) != KEY_BYTES:
                raise BadSiteKey(f"{path} is no site key: it has {len(key)} bytes, not {KEY_BYTES}.") from None
            return cls(key)
        with os.fdopen(descriptor, "wb") as file:
            key = secrets.token_bytes(KEY_BYTES)
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        return cls(key)

    def _derived(self, purpose: bytes) -> bytes:
        return hmac.digest(self._key, purpose, hashlib.sha256)

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
