"""Static files, kept in memory and packed: each by a name that changes with its content, so that browsers keep it for good."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.resources import files
from typing import Any

from console.web.bodies import header
from console.web.errors import NoSuchPage

STATIC = "/static"
_TYPES = {
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "LICENSE": "text/plain; charset=utf-8",
}
_FOREVER, _SHORT = "public, max-age=31536000, immutable", "public, max-age=300"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: its bytes, packed too, and a digest of them."""

    content: bytes
    packed: bytes
    digest: str
    type: str


@dataclass(frozen=True, slots=True)
class Assets:
    """All static files of the console."""

    _known: dict[str, Asset] = field(default_factory=lambda: _read())

    def address(self, name: str) -> str:
        """Give the address of a file, with its digest."""
        return f"{STATIC}/{name}?v={self._known[name].digest}"

    def serve(self, request: Any, name: str) -> bytes:
        """Give a file. Raises NoSuchPage."""
        asset = self._known.get(name)
        if asset is None:
            raise NoSuchPage
        asked = (request.args.get(b"v") or [b""])[0].decode("ascii", "replace")
        request.setHeader("Content-Type", asset.type)
        request.setHeader("Cache-Control", _FOREVER if asked == asset.digest else _SHORT)
        request.setHeader("X-Content-Type-Options", "nosniff")
        request.setHeader("Vary", "Accept-Encoding")
        if "gzip" not in header(request, b"accept-encoding"):
            return asset.content
        request.setHeader("Content-Encoding", "gzip")
        return asset.packed


def _read() -> dict[str, Asset]:
    known = {}
    folder = files("console.web") / "static"
    for prefix, part in (("", folder), ("vendor/", folder / "vendor")):
        for file in part.iterdir():
            if file.is_file():
                content = file.read_bytes()
                kind = _TYPES.get(file.name.rpartition(".")[2], "application/octet-stream")
                known[prefix + file.name] = Asset(
                    content, gzip.compress(content, 6, mtime=0), sha256(content).hexdigest()[:12], kind
                )
    return known
