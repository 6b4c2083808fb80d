"""Signing on (XUS*): set-up, introduction, access and verify code, who the user is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, delete, insert, select, update

from fileman import check_verify_code, from_fileman, next_ien, release_leases, to_fileman
from fileman.files import FailedAccess, NewPerson, SignOnLog, UserDivision, UserKey
from rpcs.call import Call
from rpcs.errors import undefined
from rpcs.people import given_name_first
from rpcs.registry import Access, Answer, procedure
from rpcs.session import Delay, Pause, Session, SignedOn, SignOnFailed, SignOnPrepared
from xwb import ResultType

#: Seconds after which VistA forgets failed attempts from an address.
FORGET_FAILURES_AFTER = 30.0

NOT_A_VALID_PAIR = "Not a valid ACCESS CODE/VERIFY CODE pair."
NOT_ALLOWED_NOW = "Signons not currently allowed on this processor."
NO_ACCESS = "No access allowed for this user."
ADDRESS_LOCKED = "Device/IP address is locked due to too many invalid signon attempts."
TERMINATED = "Your ACCESS CODE has been terminated. Please see your site manager!"
MUST_CHANGE = "VERIFY CODE must be changed before continued use."
NO_NULL_CODE = "Null Verify Code Not Allowed."
AV_HELP = "Enter 8-20 characters mixed alphanumeric and punctuation (except '^', ';', ':')"

_USER = select(
    NewPerson.duz,
    NewPerson.name,
    NewPerson.verify_hash,
    NewPerson.verify_changed,
    NewPerson.verify_never_expires,
    NewPerson.terminated,
    NewPerson.disuser,
    NewPerson.locked_until,
    NewPerson.default_division,
    NewPerson.nickname,
    NewPerson.timeout,
    NewPerson.last_sign_on,
    NewPerson.failed_attempts,
)
_BY_ACCESS_CODE = _USER.where(NewPerson.access_hash != "").order_by(NewPerson.duz).limit(1)
_DIVISIONS = select(UserDivision.institution).order_by(UserDivision.position)
_KEYS = select(UserKey.key)
_FAILURES = select(FailedAccess.attempts, FailedAccess.last_at)


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
    default_division: int | None
    nickname: str
    timeout: int | None
    last_sign_on: str
    failed_attempts: int


@dataclass(frozen=True, slots=True)
class CheckedCodes:
    """The codes of a call after the slow part: whose access code it is, and whether the verify code is his."""

    user: User | None
    verify_given: bool
    matches: bool


@procedure(
    "XUS SIGNON SETUP",
    returns=ResultType.ARRAY,
    access=Access.SESSION,
    routine="SETUP^XUSRB",
    parameters=("AUTO-SIGNON", "SKIP"),
)
def sign_on_setup(call: Call) -> Answer:
    """Answer eight lines: server, volume, UCI, device, sign-on attempts, 0 (sign-on needed), domain, production flag."""
    settings = call.site.settings
    lines = [
        settings.server,
        settings.volume,
        settings.uci,
        settings.device,
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


@procedure("XUS AV HELP", returns=ResultType.ARRAY, access=Access.SESSION, routine="AVHELP^XUSRB")
def av_help(_call: Call) -> list[str]:
    """Answer what a verify code has to be made of."""
    return [AV_HELP]


def check_codes(call: Call) -> CheckedCodes | None:
    """Find the user of an access code and check the verify code; runs on a thread, because the hash is slow on purpose."""
    if not call.arguments or not call.session.prepared:
        return None
    clear = call.environment.cipher.decipher(call.text(0).encode("iso-8859-1", "replace")).decode("iso-8859-1")
    access, _, rest = clear.upper().replace(":", "").partition(";")
    verify = rest.partition(";")[0]
    hashed = call.environment.key.access_hash(access)
    row = call.store.read(lambda connection: connection.execute(_BY_ACCESS_CODE.where(NewPerson.access_hash == hashed)).first())
    user = User(*tuple(row)) if row is not None and access else None
    matches = user is not None and bool(verify) and check_verify_code(user.verify_hash, verify)
    return CheckedCodes(user, bool(verify), matches)


@procedure(
    "XUS AV CODE",
    returns=ResultType.ARRAY,
    access=Access.WRITES,
    routine="VALIDAV^XUSRB",
    parameters=("AVCODE",),
    prepare=check_codes,
)
def av_code(call: Call) -> Answer:
    """Sign on with the enciphered `access;verify`.

    Line 0 is the user's DUZ or 0, line 1 is 1 when the device is locked or logons are inhibited, line 2 is 1 when the verify
    code must be changed, line 3 the reason of a refusal; after a sign-on the greeting follows from line 7.
    """
    if not call.arguments:
        raise undefined("VALIDAV+14^XUSRB", "AVCODE", "^XTV(8989.3,1,405)")
    if not call.session.prepared:
        raise undefined("INHIB1+1^XUSRB", "XQVOL", '^%ZIS(14.5,"LOGON")')
    if call.site.settings.logons_inhibited:
        return _refused(NOT_ALLOWED_NOW, locked=True, counted=False)
    checked = call.prepared
    if not isinstance(checked, CheckedCodes):
        raise RuntimeError("the codes were not checked")
    user = checked.user
    if user is None:
        return _wrong_pair(call, None)
    if why := _user_refusal(call, user, checked):
        return _refused(why, counted=False)
    if not checked.matches:
        return _wrong_pair(call, user)
    greeting = _greeting(call, user)
    if _expired(call, user):
        lines = ["0", "0", "1", MUST_CHANGE, "0", "0", "", *greeting]
        return Answer(lines, effects=(SignOnFailed(user.duz, counted=False),))
    return Answer([str(user.duz), "0", "0", "", "0", "0", "", *greeting], effects=(_record(call, user),))


def _refused(why: str, *, locked: bool = False, counted: bool = True, pause: bool = False) -> Answer:
    effects = (SignOnFailed(counted=counted), *((Pause(Delay.LOCKOUT),) if pause else ()))
    return Answer(["0", str(int(locked)), "0", why, "0", "0"], effects=effects)


def _user_refusal(call: Call, user: User, checked: CheckedCodes) -> str:
    """Say why this user may not sign on, whatever the verify code."""
    now = to_fileman(call.clock.now())
    if user.disuser:
        return NO_ACCESS
    if user.terminated and float(user.terminated) <= float(now):
        return TERMINATED
    if user.locked_until and float(user.locked_until) > float(now):
        until = from_fileman(user.locked_until)
        clock = f"{until.hour % 12 or 12}:{until:%M} {'am' if until.hour < 12 else 'pm'}"
        day = f"{until:%m/%d/%y}"
        return f"You are LOCKED OUT until {day} {clock} because of too many invalid attempts."
    if not checked.verify_given:
        return NO_NULL_CODE
    return ""


def _wrong_pair(call: Call, user: User | None) -> Answer:
    """Count a failure by address and by user; the attempt that reaches the limit is answered with the lock."""
    now = call.clock.seconds()
    address = call.session.address
    row = call.connection.execute(_FAILURES.where(FailedAccess.address == address)).first()
    attempts = 1 + (row.attempts if row is not None and now - row.last_at <= FORGET_FAILURES_AFTER else 0)
    if row is None:
        call.connection.execute(insert(FailedAccess).values(address=address, attempts=attempts, last_at=now))
    else:
        change = update(FailedAccess).where(FailedAccess.address == address)
        call.connection.execute(change.values(attempts=attempts, last_at=now))
    if user is not None:
        change = update(NewPerson).where(NewPerson.duz == user.duz)
        call.connection.execute(change.values(failed_attempts=NewPerson.failed_attempts + 1))
    limit = call.site.settings.signon_attempts
    if max(attempts, call.session.attempts + 1) >= limit:
        return _refused(ADDRESS_LOCKED, locked=True, pause=True)
    return _refused(NOT_A_VALID_PAIR)


def _expired(call: Call, user: User) -> bool:
    if user.verify_never_expires or not user.verify_changed:
        return False
    lifetime = timedelta(days=call.site.settings.verify_lifetime_days)
    return from_fileman(user.verify_changed) + lifetime <= call.clock.now()


def _greeting(call: Call, user: User) -> list[str]:
    """Greet the user and tell of the last sign-on and of failed attempts since (the post-sign-on text)."""
    now = call.clock.now()
    part = "morning" if now.hour < 12 else "afternoon" if now.hour < 18 else "evening"
    lines = [f"Good {part} {user.nickname or user.name}"]
    if user.last_sign_on:
        last = from_fileman(user.last_sign_on)
        day = "today" if last.date() == now.date() else f"{last:%b} {last.day},{last.year}"
        lines.append(f"     You last signed on {day} at {last:%H:%M}")
    if user.failed_attempts:
        were, plural = ("was", "") if user.failed_attempts == 1 else ("were", "s")
        lines.append(f"There {were} {user.failed_attempts} unsuccessful attempt{plural} since you last signed on.")
    return lines


def _record(call: Call, user: User) -> SignedOn:
    """Write the SIGN-ON LOG, clear the counters, and gather what the session keeps of the user."""
    connection = call.connection
    now = to_fileman(call.clock.now())
    connection.execute(delete(FailedAccess).where(FailedAccess.address == call.session.address))
    connection.execute(update(NewPerson).where(NewPerson.duz == user.duz).values(last_sign_on=now, failed_attempts=0))
    entry = next_ien(connection, "sign_on_log")
    connection.execute(
        insert(SignOnLog).values(ien=entry, duz=user.duz, signed_on=now, address=call.session.address, client=call.session.client)
    )
    divisions = connection.execute(_DIVISIONS.where(UserDivision.duz == user.duz)).scalars().all()
    keys = frozenset(connection.execute(_KEYS.where(UserKey.duz == user.duz)).scalars())
    settings = call.site.settings
    division = user.default_division or (divisions[0] if divisions else settings.default_institution)
    return SignedOn(user.duz, user.name, division or 0, keys, user.timeout or settings.broker_timeout, entry)


def sign_off(connection: Connection, session: Session, now: str) -> None:
    """Note in the SIGN-ON LOG that a session is over (LOGOUT^XUSRB), and give its LOCKs back."""
    if session.sign_on:
        connection.execute(update(SignOnLog).where(SignOnLog.ien == session.sign_on).values(signed_off=now))
    release_leases(connection, session.id)


_TITLE = select(NewPerson.title, NewPerson.service)


@procedure("XUS GET USER INFO", returns=ResultType.ARRAY, access=Access.READS, routine="USERINFO^XUSRB2")
def get_user_info(call: Call) -> Answer:
    """Answer who is signed on: DUZ, name, name as written, division, title, service, language, time-out, VPID."""
    session = call.session
    if not session.duz:
        return Answer(["0", *["unk"] * 6], security="User not fully sign-on")
    row = call.connection.execute(_TITLE.where(NewPerson.duz == session.duz)).first()
    title, service = (row.title, row.service) if row is not None else ("", "")
    institution = call.site.institutions.get(session.division)
    division = f"{institution.ien}^{institution.name}^{institution.station}" if institution else ""
    return Answer(
        [
            str(session.duz),
            session.name,
            given_name_first(session.name),
            division,
            title,
            service,
            "",
            str(session.timeout),
            "",
        ]
    )
