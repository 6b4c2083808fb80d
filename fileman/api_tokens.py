"""Tokens of the JSON API: made once, kept as hashes, found by them, ended by who made them or by a manager."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from fileman.dates import to_fileman
from fileman.files import ApiToken, NewPerson
from fileman.numbers import next_ien
from runtime import Clock

#: How a token begins, so that people and scanners of secrets know it for what it is.
PREFIX = "magb_"
#: Seconds within which a use is not noted again: a look-up is to be a read.
NOTED_EVERY = 3600.0
_RANDOM_BYTES = 32

_LISTED = (
    ApiToken.ien,
    ApiToken.duz,
    NewPerson.name,
    ApiToken.label,
    ApiToken.address,
    ApiToken.made_at,
    ApiToken.used_at,
    ApiToken.expires_at,
)
_FOUND = (
    select(*_LISTED, NewPerson.disuser, NewPerson.terminated)
    .join(NewPerson, NewPerson.duz == ApiToken.duz)
    .where(ApiToken.token_hash == bindparam("hash_"), ApiToken.expires_at > bindparam("now"))
)
_ALL = (
    select(*_LISTED)
    .join(NewPerson, NewPerson.duz == ApiToken.duz, isouter=True)
    .where(ApiToken.ien > bindparam("after"))
    .order_by(ApiToken.ien)
    .limit(bindparam("most"))
)
_HIS = _ALL.where(ApiToken.duz == bindparam("duz_"))
_ONE = select(*_LISTED).join(NewPerson, NewPerson.duz == ApiToken.duz, isouter=True).where(ApiToken.ien == bindparam("ien_"))
_USED = update(ApiToken).where(ApiToken.ien == bindparam("ien_")).values(used_at=bindparam("now"))
_END = delete(ApiToken).where(ApiToken.ien == bindparam("ien_"))
_OVER = delete(ApiToken).where(ApiToken.expires_at <= bindparam("now"))


@dataclass(frozen=True, slots=True)
class TokenData:
    """What is known of a token; never the token itself. Times are in seconds since the epoch."""

    ien: int
    duz: int
    name: str | None
    label: str
    address: str
    made_at: float
    used_at: float
    expires_at: float


def make_token(
    connection: Connection, duz: int, label: str, address: str, now: float, expires_at: float
) -> tuple[str, TokenData]:
    """Make a token for a user, within the caller's transaction: it is told now and never again. Those that are over go."""
    connection.execute(_OVER, {"now": now})
    token = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    ien = next_ien(connection, "api_token")
    row = {"ien": ien, "token_hash": _hashed(token), "duz": duz, "label": label, "address": address}
    connection.execute(insert(ApiToken), {**row, "made_at": now, "used_at": 0.0, "expires_at": expires_at})
    made = read_token(connection, ien)
    if made is None:
        raise RuntimeError("a token that was made just now is not there")
    return token, made


def find_token(connection: Connection, token: str, clock: Clock) -> TokenData | None:
    """Give what a token stands for; None for one that is nobody's, is over, or whose user may not sign on any more."""
    row = connection.execute(_FOUND, {"hash_": _hashed(token), "now": clock.seconds()}).first()
    if row is None or row.disuser or (row.terminated and float(row.terminated) <= float(to_fileman(clock.now()))):
        return None
    return TokenData(**{name: getattr(row, name) for name in TokenData.__dataclass_fields__})


def read_token(connection: Connection, ien: int) -> TokenData | None:
    """Give what is known of the token of a number."""
    row = connection.execute(_ONE, {"ien_": ien}).first()
    return None if row is None else TokenData(*row)


def list_tokens(connection: Connection, after: int, most: int, duz: int | None = None) -> Sequence[TokenData]:
    """List tokens behind a number, of one user or of all."""
    asked = {"after": after, "most": most}
    rows = connection.execute(_ALL, asked) if duz is None else connection.execute(_HIS, {**asked, "duz_": duz})
    return [TokenData(*row) for row in rows]


def note_use(connection: Connection, ien: int, now: float) -> None:
    """Note that a token was used."""
    connection.execute(_USED, {"ien_": ien, "now": now})


def end_token(connection: Connection, ien: int) -> None:
    """Take a token away: who has it is nobody from now on."""
    connection.execute(_END, {"ien_": ien})


def _hashed(token: str) -> str:
    """A token has 256 random bits: one plain hash is as good as a slow one, and is looked up by an index."""
    return sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
