"""Deflated bytes of a peer: a few of them may stand for any number."""

from __future__ import annotations

import zlib


def inflate(data: bytes, most: int) -> bytes:
    """Inflate a raw deflate stream (PS3.5 A.5), `most` bytes of it at the most. Raises zlib.error."""
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, most)
