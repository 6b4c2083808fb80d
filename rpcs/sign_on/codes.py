"""Signing on: set-up, introduction, access and verify code (`XUSRB`, `XUS1A`)."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from fileman import (
    check_verify_code,
    from_fileman,
    lock_for_transaction,
    next_ien,
    to_fileman,
)
from fileman.files import Lease, NewPerson, SignOnLog, UserKey
from rpcs.call import Call
from rpcs.errors import undefined
from rpcs.options import prohibited
from rpcs.registry import Access, Answer, literal, procedure
from rpcs.session import Delay, Pause, SignedOn, SignOnFailed, SignOnPrepared
from rpcs.sign_on.lockout import address_locked, clear_failures, fail, user_failed
from rpcs.sign_on.sign_on_log import close_entry
from rpcs.sign_on.tokens import TokenFound, is_token, redeem
from xwb import ResultType

log = logging.getLogger(__name__)

NOT_ALLOWED_NOW = "Signons not currently allowed on this processor."
TOO_MANY_USERS = "Maximum number of users already signed on to this processor."
NOT_A_VALID_PAIR = "Not a valid ACCESS CODE/VERIFY CODE pair."
NO_ACCESS = "No access allowed for this user."
ADDRESS_LOCKED = "Device/IP address is locked due to too many invalid signon attempts."
ALREADY_SIGNED_ON = "*** MULTIPLE SIGNONS NOT ALLOWED ***"
TERMINATED = "Your ACCESS CODE has been terminated. Please see your site manager!"
MUST_CHANGE = "VERIFY CODE must be changed before continued use."
PROHIBITED = "Your access to the system is prohibited from {}."
LOCKED_OUT = "You are LOCKED OUT until {} because of too many invalid attempts."
NO_NULL_CODE = "Null Verify Code Not Allowed."

#: From how many days before its end the greeting tells of a verify code's end.
WARN_DAYS = 5
EVENING, NOON = 17, 12


@dataclass(frozen=True, slots=True)
class User:
    """What signing on needs of a person in NEW PERSON (#200)."""

    duz: int
    name: str
    verify_hash: str
    verify_changed: str
    verify_never_expires: bool
    terminated: str
    disuser: bool
    locked_until: str
    nickname: str
    timeout: int | None
    last_sign_on: str
    failed_attempts: int
    multiple_sign_on: str
    prohibited_times: str
    default_division: int | None


_USER = select(*(getattr(NewPerson, name) for name in User.__dataclass_fields__))
_BY_ACCESS_CODE = _USER.where(NewPerson.access_hash != "").order_by(NewPerson.duz).limit(1)
_KEYS = select(UserKey.key)
_OPEN = select(SignOnLog.address).where(SignOnLog.signed_off == "")


@dataclass(frozen=True, slots=True)
class CheckedCodes:
    """The codes of a call after the slow part: whose access code it is, whether the verify code is his, or a token."""

    user: User | None = None
    matches: bool = False
    token: str = ""


@procedure(
    "XUS SIGNON SETUP",
    returns=ResultType.ARRAY,
    access=Access.SESSION,
    routine="SETUP^XUSRB",
    parameters=(
        literal("XWBUSRNM"),
        literal("ASOSKIP"),
        literal("D2"),
    ),
)
def sign_on_setup(call: Call) -> Answer:
    """Answer eight lines: server, volume, UCI, device, sign-on attempts, 0 (sign-on needed), domain, production flag.

    Whoever was signed on is signed on no longer.
    """
    settings = call.site.settings
    lines = [
        settings.server,
        settings.volume,
        settings.uci,
        settings.device_of(call.session.transport),
        str(settings.signon_attempts),
        "0",
        settings.domain,
        str(int(settings.production)),
    ]
    return Answer(lines, effects=(SignOnPrepared(),))


@procedure("XUS INTRO MSG", returns=ResultType.WORD_PROCESSING, access=Access.SESSION, routine="INTRO^XUSRB")
def intro_message(call: Call) -> list[str]:
    """Answer the site's introductory text."""
    return list(call.site.settings.intro)


def find_user(call: Call, access: str) -> User | None:
    """Find the user of an access code, letter case aside."""
    hashed = call.environment.key.access_hash(access)
    row = call.store.read(lambda connection: connection.execute(_BY_ACCESS_CODE.where(NewPerson.access_hash == hashed)).first())
    return User(*row) if row is not None and access else None


def check_codes(call: Call) -> CheckedCodes | None:
    """Find the user of an access code and check the verify code; runs on a thread, because the hash is slow on purpose.

    A verify code that is deleted fits an empty one: whoever has none is told so.
    """
    if not call.arguments or not call.session.prepared:
        return None
    given = call.text(0)
    if is_token(given):
        return CheckedCodes(token=given)
    clear = call.environment.cipher.decipher(given.encode("iso-8859-1", "replace")).decode("iso-8859-1")
    if clear.startswith("~~TOK~~"):
        return CheckedCodes(token=clear.removeprefix("~~TOK~~"))
    access, _, rest = clear.upper().replace(":", "").partition(";")
    verify = rest.partition(";")[0]
    user = find_user(call, access)
    if user is None:
        _hint_at_cipher(call, given)
        return CheckedCodes()
    return CheckedCodes(user, check_verify_code(user.verify_hash, verify) if verify else not user.verify_hash)


def _hint_at_cipher(call: Call, given: str) -> None:
    """Log when the codes are somebody's under another cipher table: then the client is set up wrongly."""
    for name, cipher in call.environment.other_ciphers.items():
        clear = cipher.decipher(given.encode("iso-8859-1", "replace")).decode("iso-8859-1")
        if find_user(call, clear.upper().partition(";")[0]) is not None:
            log.warning(
                "%s signs on with cipher table %s, not with this broker's; set cipher_table, or the client's table",
                call.session.address,
                name,
            )


@procedure(
    "XUS AV CODE",
    returns=ResultType.ARRAY,
    access=Access.WRITES,
    routine="VALIDAV^XUSRB",
    parameters=(literal("AVCODE", 60, required=True),),
    prepare=check_codes,
)
def av_code(call: Call) -> Answer:
    """Sign on with the enciphered `access;verify`, or with a token.

    Line 0 is the user's DUZ or 0, line 1 is 1 when the device is locked or logons are inhibited, line 2 is 1 when the verify
    code must be changed, line 3 the reason of a refusal; after a sign-on the greeting follows from line 6.
    """
    if not call.session.prepared:
        raise undefined("INHIB1+1^XUSRB", "XQVOL", '^%ZIS(14.5,"LOGON")', [SignOnFailed()])
    if call.site.settings.logons_inhibited:
        return _refused(NOT_ALLOWED_NOW, locked=True)
    if _volume_full(call):
        return _refused(TOO_MANY_USERS, locked=True)
    if address_locked(call):
        return _refused(ADDRESS_LOCKED)
    if not call.arguments:
        raise undefined("VALIDAV+14^XUSRB", "AVCODE", "^XTV(8989.3,1,405)", [SignOnFailed()])
    checked = call.prepared
    if not isinstance(checked, CheckedCodes):
        raise RuntimeError("the codes were not checked")
    token = redeem(call, checked.token) if checked.token else None
    user = _user(call.connection, token.duz) if token is not None else checked.user
    if user is None or not (token or checked.matches):
        return _wrong_pair(call, user)
    if token is None:
        clear_failures(call)
    if why := _user_refusal(call, user, by_token=token is not None):
        return _refused(why, SignOnFailed(tried=user.duz))
    greeting = _greeting(call, user)
    if why := _prohibition(call, user) or _multiple(call, user):
        return _refused(why, SignOnFailed(tried=user.duz))
    announced = str(len(greeting)) if call.site.settings.count_post_sign_on else "0"
    if token is None and _expired(call, user):
        failed = SignOnFailed(tried=user.duz, pending_duz=user.duz)
        return Answer(["0", "0", "1", MUST_CHANGE, "0", announced, *greeting], effects=(failed,))
    effect = record_sign_on(call, user.duz, token)
    return Answer([str(user.duz), "0", "0", "", "0", announced, *greeting], effects=(effect,))


def _user(connection: Connection, duz: int) -> User | None:
    row = connection.execute(_USER.where(NewPerson.duz == duz)).first()
    return User(*row) if row is not None else None


def _refused(why: str, failed: SignOnFailed | None = None, *, locked: bool = False, pause: bool = False) -> Answer:
    effects = (failed or SignOnFailed(), *((Pause(Delay.LOCKOUT),) if pause else ()))
    return Answer(["0", str(int(locked)), "0", why, "0", "0"], effects=effects)


def _wrong_pair(call: Call, user: User | None) -> Answer:
    """Count a failure; the attempt that reaches the limit, and each one after it, is answered with the lock."""
    if user is not None:
        user_failed(call, user.duz)
    tried = user.duz if user is not None else call.session.tried
    attempts, locked = fail(call, tried)
    failed = SignOnFailed(attempts, tried)
    return _refused(ADDRESS_LOCKED, failed, locked=True, pause=True) if locked else _refused(NOT_A_VALID_PAIR, failed)


def _volume_full(call: Call) -> bool:
    """Tell whether as many users are signed on as the volume set takes (INHIB2^XUSRB)."""
    most = call.site.settings.max_signed_on
    return bool(most) and len(_signed_on(call, None)) >= most


def _signed_on(call: Call, duz: int | None) -> list[str]:
    """Give the addresses of the sessions there are, of one user or of all: log entries whose broker lives."""
    alive = select(Lease.name).where(Lease.expires_at > call.clock.seconds())
    entries = _OPEN.where(SignOnLog.broker.in_(alive))
    if duz is not None:
        entries = entries.where(SignOnLog.duz == duz)
    mine = call.session.sign_on
    return list(call.connection.execute(entries.where(SignOnLog.ien != mine)).scalars())


def _user_refusal(call: Call, user: User, *, by_token: bool) -> str:
    """Say why this user may not sign on although the codes are his (UVALID^XUS)."""
    now = to_fileman(call.clock.now())
    if user.locked_until and float(user.locked_until) > float(now):
        until = from_fileman(user.locked_until)
        return LOCKED_OUT.format(f"{until.month}/{until.day}/{until:%y} {_clock(until.hour, until.minute)}")
    if user.terminated and float(user.terminated) <= float(now[:7]):
        return TERMINATED
    if by_token:
        return ""
    if user.disuser:
        return NO_ACCESS
    return "" if user.verify_hash else NO_NULL_CODE


def _clock(hour: int, minute: int) -> str:
    """Write a time of day as `2:05 pm`."""
    return f"{hour % 12 or 12}:{minute:02} {'am' if hour % 24 < NOON else 'pm'}"


def _prohibition(call: Call, user: User) -> str:
    hours = prohibited(user.prohibited_times, call.clock.now())
    if not hours:
        return ""
    begin, end = (_clock(int(part[:2]), int(part[2:])) for part in hours.split("-"))
    return PROHIBITED.format(f"{begin} through {end}")


def _multiple(call: Call, user: User) -> str:
    """Refuse a second sign-on of a user who may have one only, or only from one address (USER^XUS1A)."""
    allowed = user.multiple_sign_on or ("ALLOWED" if call.site.settings.multiple_sign_on else "NOT ALLOWED")
    if allowed == "ALLOWED":
        return ""
    lock_for_transaction(call.connection, f"user:{user.duz}")
    others = _signed_on(call, user.duz)
    if allowed == "ONE ADDRESS":
        others = [address for address in others if address != call.session.address]
    return ALREADY_SIGNED_ON if others else ""


def _days_left(call: Call, user: User) -> int:
    """Count the days for which a verify code is still good."""
    changed = from_fileman(user.verify_changed).date()
    return call.site.settings.verify_lifetime_days - (call.clock.now().date() - changed).days


def _expired(call: Call, user: User) -> bool:
    return not user.verify_never_expires and bool(user.verify_changed) and _days_left(call, user) <= 0


def _greeting(call: Call, user: User) -> list[str]:
    """Give the post-sign-on text: the site's, the greeting, the last sign-on, failed attempts since, the code's end."""
    now = call.clock.now()
    part = "morning" if now.hour < NOON else "afternoon" if now.hour < EVENING else "evening"
    lines = [*call.site.settings.post_sign_on, "", f"Good {part} {user.nickname or user.name}"]
    if user.last_sign_on:
        last = from_fileman(user.last_sign_on)
        today, then = int(to_fileman(now)[:7]), int(user.last_sign_on[:7])  # VistA adds 1 to a date, whatever the month
        day = "today" if then == today else "yesterday" if then + 1 == today else f"{last:%b %d, %Y}"
        lines.append(f"     You last signed on {day} at {last:%H:%M}")
    if user.failed_attempts:
        were, plural = ("was", "") if user.failed_attempts == 1 else ("were", "s")
        lines.append(f"There {were} {user.failed_attempts} unsuccessful attempt{plural} since you last signed on.")
    if user.verify_changed and 0 < (days := _days_left(call, user)) <= WARN_DAYS:
        lines.append(f"     Your Verify code will expire in {days} days")
    return lines


def record_sign_on(call: Call, duz: int, token: TokenFound | None = None) -> SignedOn:
    """Write the SIGN-ON LOG, clear the counters, and gather what the session keeps of the user (POST2^XUSRB)."""
    connection, session = call.connection, call.session
    user = _user(connection, duz)
    if user is None:
        raise RuntimeError("the user was deleted while signing on")
    now = to_fileman(call.clock.now())
    clear_failures(call)
    fresh = {"last_sign_on": now, "failed_attempts": 0, "locked_until": ""}
    connection.execute(update(NewPerson).where(NewPerson.duz == duz).values(fresh))
    settings = call.site.settings
    division = (token.division if token is not None else None) or settings.default_institution or user.default_division or 0
    entry = next_ien(connection, "sign_on_log")
    log_entry = insert(SignOnLog).values(
        ien=entry,
        duz=duz,
        signed_on=now,
        address=session.address,
        client=session.client,
        transport=session.transport,
        division=division or None,
        broker=call.environment.broker,
    )
    connection.execute(log_entry)
    close_entry(connection, session, now)
    keys = frozenset(connection.execute(_KEYS.where(UserKey.duz == duz)).scalars())
    return SignedOn(duz, user.name, division, keys, user.timeout or settings.broker_timeout, entry)
