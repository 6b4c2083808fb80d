"""Pseudonyms: the same for the same value always, and not to be traced back without the key that the gateway keeps."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import re
import secrets
import tempfile
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

from gateway_client.errors import PseudonymKeyError
from runtime import make_directories, sync_directory

#: Bytes of the key (RFC 2104: as many as the hash has).
KEY_BYTES = 32
#: UIDs that the standard defines stay what they are (PS3.6 annex A).
_DEFINED = re.compile(r"1\.2\.840\.10008(\.[0-9]{1,5}){1,10}")
#: Days by which the dates of a patient are put back, at most: ten years.
_MOST_DAYS = 3653


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """What stands in place of UIDs, patients and dates."""

    key: bytes = field(repr=False)

    def uid(self, uid: str) -> str:
        """Give another UID (PS3.5 B.2); what DICOM itself defines stays."""
        if not uid or _DEFINED.fullmatch(uid):
            return uid
        return f"2.25.{UUID(bytes=self._of('UID', uid)[:16], version=4).int}"

    def patient(self, identity: str) -> str:
        """Give the ID, and the name, of a patient."""
        return base64.b32encode(self._of("PATIENT", identity)[:10]).decode("ascii")

    def shifted(self, day: date, identity: str) -> date:
        """Give an earlier day, by as many days for all dates of a patient. Raises OverflowError."""
        number = int.from_bytes(self._of("DAYS", identity)[:8], "big")
        return day - timedelta(days=1 + number % _MOST_DAYS)

    def _of(self, kind: str, value: str) -> bytes:
        return hmac.digest(self.key, f"{kind}\0{value}".encode(), hashlib.sha256)


def read_key(path: Path) -> bytes:
    """Give the key in a file, which nobody else may read; the first time it is made, durable. Raises PseudonymKeyError."""
    try:
        if not path.exists():
            _make(path)
        key = bytes.fromhex(path.read_text(encoding="ascii"))
    except OSError as error:
        raise PseudonymKeyError(f"The key of the pseudonyms, {path}, cannot be used: {error.strerror}.") from error
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise PseudonymKeyError(
            f"The key of the pseudonyms, {path}, has not {2 * KEY_BYTES} hexadecimal digits; put back the one that was there."
        )
    return key


def _make(path: Path) -> None:
    """Write a new key whole or not at all; one that another process made meanwhile stays."""
    make_directories(path.parent)
    with tempfile.NamedTemporaryFile("w", encoding="ascii", dir=path.parent, prefix=".key") as file:  # mode 0600
        file.write(f"{secrets.token_hex(KEY_BYTES)}\n")
        file.flush()
        os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(file.name, path)
    sync_directory(path.parent)
