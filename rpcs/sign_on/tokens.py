"""Tokens that sign a new process on as the user of this one (`XUSRB4`)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from fileman import lock_for_transaction
from fileman.files import NewPerson, SignOnToken
from rpcs.call import Call, Environment
from rpcs.registry import Access, literal, procedure
from rpcs.session import Session
from rpcs.site import SiteData
from xwb import ResultType

#: Seconds for which a token of XUS GET TOKEN is good, and one for a CCOW vault.
TOKEN_SECONDS = 90.0
CCOW_SECONDS = 5400.0
#: How a token begins: `~1` signs on once, `~2` as often as wanted while it is good.
ONCE, CCOW = "~1", "~2"
#: The namespaces of handles: what one is good for.
SIGN_ON, CCOW_VAULT, VISITOR = "XWBAS", "XWBCCW", "XUSBSE"

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


@procedure("XUS GET TOKEN", access=Access.WRITES, routine="ASH^XUSRB4", version=1)
def get_token(call: Call) -> str:
    """Answer a token with which a new connection from the same address signs on, once and within 90 seconds."""
    return ONCE + _issue(call, SIGN_ON, TOKEN_SECONDS) if call.session.duz else "NOT AUTHENTICATED"


@procedure("XUS GET CCOW TOKEN", returns=ResultType.ARRAY, access=Access.WRITES, routine="CCOW^XUSRB4", word_wrap=False)
def get_ccow_token(call: Call) -> list[str]:
    """Answer a token for a CCOW context vault, good for an hour and a half, and domain and station number."""
    if not call.session.duz:
        return ["NO PROXY USER", "ERROR"]
    institution = call.site.institutions.get(call.session.division)
    station = institution.station if institution is not None else ""
    return [CCOW + _issue(call, CCOW_VAULT, CCOW_SECONDS).lower(), f"{call.site.settings.domain}^{station}"]


@procedure("XUS SET VISITOR", access=Access.WRITES, routine="SETVISIT^XUSBSE1")
def set_visitor(call: Call) -> str:
    """Answer a token by which another site asks who the user is, good until the day is over."""
    now = call.clock.now()
    left = 86400 - (now.hour * 3600 + now.minute * 60 + now.second)
    return _issue(call, VISITOR, float(left)) if call.session.duz else ""


@procedure("XUS GET VISITOR", access=Access.READS, routine="GETVISIT^XUSBSE1", parameters=(literal("TOKEN"),))
def get_visitor(call: Call) -> str:
    """Answer whose token of XUS SET VISITOR this is: SSN, name, site, station number, DUZ and telephone, with carets."""
    return visitor(call.connection, call.environment, call.site, call.text(0))


def visitor(connection: Connection, environment: Environment, site: SiteData, token: str) -> str:
    """Describe the bearer of a visitor's token; "" when nobody has it. SSN and telephone are not known here."""
    if not token.startswith(VISITOR):
        return ""
    hashed = environment.key.access_hash(token)
    good = _TOKEN.where(SignOnToken.token_hash == hashed, SignOnToken.expires_at >= environment.clock.seconds())
    row = connection.execute(good).first()
    name = connection.execute(_NAME.where(NewPerson.duz == row.duz)).scalar() if row is not None else None
    if row is None or name is None:
        return ""
    institution = site.institutions.get(row.division or site.settings.default_institution)
    where = (institution.name, institution.station) if institution is not None else ("", "")
    return "^".join(("", name, *where, str(row.duz), "No phone"))


def redeem(call: Call, token: str) -> TokenFound | None:
    """Find whom a token signs on; None when it is unknown, too old or from another address. A `~1` is gone after it."""
    if not token[len(ONCE) :].upper().startswith((SIGN_ON, CCOW_VAULT)):
        return None
    hashed = call.environment.key.access_hash(token[len(ONCE) :])
    good = _TOKEN.where(SignOnToken.token_hash == hashed, SignOnToken.expires_at >= call.clock.seconds())
    if token.startswith(ONCE):
        lock_for_transaction(call.connection, f"token:{hashed}")
    row = call.connection.execute(good).first()
    if token.startswith(ONCE):
        call.connection.execute(delete(SignOnToken).where(SignOnToken.token_hash == hashed))
    if row is None or row.address != call.session.address:
        return None
    return TokenFound(row.duz, row.division)
