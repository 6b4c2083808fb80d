"""Tokens that sign a new process on as the user of this one (`XUSRB4`)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select

from fileman.files import NewPerson, SignOnToken
from rpcs.call import Call
from rpcs.registry import Access, procedure
from rpcs.session import Session
from xwb import ResultType

#: Seconds for which a token of XUS GET TOKEN is good, and one for a CCOW vault.
TOKEN_SECONDS = 90.0
CCOW_SECONDS = 5400.0
#: How a token begins: `~1` signs on once, `~2` as often as wanted while it is good.
ONCE, CCOW = "~1", "~2"

_TOKEN = select(SignOnToken.duz, SignOnToken.division, SignOnToken.address)
_NAME = select(NewPerson.name)


@dataclass(frozen=True, slots=True)
class TokenFound:
    """Whom a token signs on, in which division."""

    duz: int
    division: int | None


def is_token(text: str) -> bool:
    """Tell a token from enciphered codes, which never begin with a tilde and a digit."""
    return text.startswith((ONCE, CCOW))


def _handle(namespace: str, session: Session, now: datetime) -> str:
    """Make a handle in VistA's form, with a random end that nobody guesses."""
    job = int(session.id[:4] or "0", 16) % 2048
    seconds = now.weekday() * 86400 + now.hour * 3600 + now.minute * 60 + now.second
    return f"{namespace}{job}-{seconds}_{secrets.randbits(128)}"


def _issue(call: Call, namespace: str, seconds: float) -> str:
    handle = _handle(namespace, call.session, call.clock.now())
    now = call.clock.seconds()
    call.connection.execute(delete(SignOnToken).where(SignOnToken.expires_at < now))
    token = insert(SignOnToken).values(
        token_hash=call.environment.key.access_hash(handle),
        duz=call.session.duz,
        division=call.session.division or None,
        address=call.session.address,
        expires_at=now + seconds,
    )
    call.connection.execute(token)
    return handle


@procedure("XUS GET TOKEN", access=Access.WRITES, routine="ASH^XUSRB4")
def get_token(call: Call) -> str:
    """Answer a token with which a new connection from the same address signs on, once and within 90 seconds."""
    return ONCE + _issue(call, "XWBAS", TOKEN_SECONDS) if call.session.duz else "NOT AUTHENTICATED"


@procedure("XUS GET CCOW TOKEN", returns=ResultType.ARRAY, access=Access.WRITES, routine="CCOW^XUSRB4")
def get_ccow_token(call: Call) -> list[str]:
    """Answer a token for a CCOW context vault, good for an hour and a half, and domain and station number."""
    if not call.session.duz:
        return ["NO PROXY USER", "ERROR"]
    institution = call.site.institutions.get(call.session.division)
    station = institution.station if institution is not None else ""
    return [CCOW + _issue(call, "XWBCCW", CCOW_SECONDS).lower(), f"{call.site.settings.domain}^{station}"]


def redeem(call: Call, token: str) -> TokenFound | None:
    """Find whom a token signs on; None when it is unknown, too old or from another address. A `~1` is gone after it."""
    hashed = call.environment.key.access_hash(token[len(ONCE) :])
    good = _TOKEN.where(SignOnToken.token_hash == hashed, SignOnToken.expires_at >= call.clock.seconds())
    row = call.connection.execute(good).first()
    if token.startswith(ONCE):
        call.connection.execute(delete(SignOnToken).where(SignOnToken.token_hash == hashed))
    if row is None or row.address != call.session.address:
        return None
    return TokenFound(row.duz, row.division)
