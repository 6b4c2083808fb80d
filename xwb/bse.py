"""The token query of the Broker Security Enhancement, `~BSE~`: whose token is this? (`BSE` and `CALLBSE^XWBTCPM2`)."""

from __future__ import annotations

from dataclasses import dataclass

from xwb.errors import CannotEncode
from xwb.ns import m_length
from xwb.reads import Read, ReadDecoder, Reading

BSE_PREFIX = b"~BSE~"
LIMIT = 999
"""The longest token, and the longest answer: a length has three digits."""


@dataclass(frozen=True, slots=True)
class TokenAsked:
    """Another site asks whom a token stands for."""

    token: bytes


def BSEDecoder() -> ReadDecoder[TokenAsked]:  # noqa: N802  a decoder like the others
    """Decode a query."""
    return ReadDecoder(_query(), len(BSE_PREFIX) + 3 + LIMIT)


def _query() -> Reading[TokenAsked]:
    yield Read(len(BSE_PREFIX), "the header ~BSE~", begins=True)
    length = m_length((yield Read(3, "the length of a token")))
    yield TokenAsked((yield Read(length, "a token")))


def BSEAnswerDecoder() -> ReadDecoder[bytes]:  # noqa: N802
    """Decode an answer: what `GETVISIT^XUSBSE1` tells of a user, nothing for a token that is not good."""
    return ReadDecoder(_answer(), 3 + LIMIT)


def _answer() -> Reading[bytes]:
    length = m_length((yield Read(3, "the length of an answer", begins=True)))
    yield (yield Read(length, "an answer"))


def _packed(text: bytes) -> bytes:
    if len(text) > LIMIT:
        raise CannotEncode(f"The length of {len(text)} bytes has more than three digits.")
    return b"%03d%b" % (len(text), text)


def encode_token_query(token: bytes) -> bytes:
    """Write a query. Raises CannotEncode for a token over 999 bytes."""
    return BSE_PREFIX + _packed(token)


def encode_visitor(text: bytes) -> bytes:
    """Write an answer, with nothing after it. Raises CannotEncode for a text over 999 bytes."""
    return _packed(text)
