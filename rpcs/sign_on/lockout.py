"""Failed sign-ons counted by address and by user, and the locks that follow (`XUS3`, `XUSTZ`, `XUSTZIP`)."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, insert, select, update

from fileman import lock_for_transaction, to_fileman, write_security_event
from fileman.files import FailedAccess, LockedAddress, NewPerson
from rpcs.call import Call

#: Seconds after its last failure for which an address's count is kept (GETFAC^XUS3).
FORGET_FAILURES_AFTER = 30.0
#: Seconds after which a stale count is deleted (CLEAN^XUSTZIP).
DELETE_FAILURES_AFTER = 90.0

_FAILURES = select(FailedAccess.attempts, FailedAccess.last_at)
_LOCK = select(LockedAddress.until)
_LOCKED_UNTIL = select(NewPerson.locked_until)


def address_locked(call: Call) -> bool:
    """Tell whether nobody may sign on from this address now; only where the site locks addresses (LKCHECK^XUSTZIP)."""
    if not call.site.settings.lock_addresses:
        return False
    until = call.connection.execute(_LOCK.where(LockedAddress.address == call.session.address)).scalar()
    return until is not None and float(until) > float(to_fileman(call.clock.now()))


def clear_failures(call: Call) -> None:
    """Forget the failures of this address (CLRFAC^XUS3)."""
    call.connection.execute(delete(FailedAccess).where(FailedAccess.address == call.session.address))


def user_failed(call: Call, duz: int) -> None:
    """Count a wrong verify code against its user, who hears of it at the next sign-on (LBAV^XUS)."""
    change = update(NewPerson).where(NewPerson.duz == duz)
    call.connection.execute(change.values(failed_attempts=NewPerson.failed_attempts + 1))


def fail(call: Call, tried: int) -> tuple[int, bool]:
    """Count a failure by address and by connection: how many there are, and whether that is the limit.

    At the limit the locks are set that follow. VistA locks the user whose access code came last on this connection, where
    the site locks users; the address only when no user was locked just now.
    """
    now = call.clock.seconds()
    lock_for_transaction(call.connection, f"address:{call.session.address}")
    attempts = max(_count(call, now), call.session.attempts + 1)
    detail = f"attempt {attempts} by {call.session.client or 'a client'}"
    write_security_event(call.connection, "FAILED", now, duz=tried, address=call.session.address, detail=detail)
    if attempts < call.site.settings.signon_attempts:
        return attempts, False
    call.connection.execute(delete(FailedAccess).where(FailedAccess.last_at < now - DELETE_FAILURES_AFTER))
    moment = to_fileman(call.clock.now())
    call.connection.execute(delete(LockedAddress).where(LockedAddress.until <= moment))
    if not (tried and _lock_user(call, tried)):
        _lock_address(call)
    return attempts, True


def _count(call: Call, now: float) -> int:
    address = call.session.address
    row = call.connection.execute(_FAILURES.where(FailedAccess.address == address)).first()
    if row is None:
        call.connection.execute(insert(FailedAccess).values(address=address, attempts=1, last_at=now))
        return 1
    attempts = 1 + (int(row.attempts) if now - row.last_at <= FORGET_FAILURES_AFTER else 0)
    change = update(FailedAccess).where(FailedAccess.address == address)
    call.connection.execute(change.values(attempts=attempts, last_at=now))
    return attempts


def _until(call: Call) -> str:
    return to_fileman(call.clock.now() + timedelta(seconds=call.site.settings.lockout_seconds))


def _lock_user(call: Call, duz: int) -> bool:
    """Lock a user out; False where the site does not lock users, or he is locked out already (LKUSER^XUSTZ)."""
    if not call.site.settings.lock_users:
        return False
    until = call.connection.execute(_LOCKED_UNTIL.where(NewPerson.duz == duz)).scalar()
    if until and float(until) > float(to_fileman(call.clock.now())):
        return False
    clear_failures(call)
    call.connection.execute(update(NewPerson).where(NewPerson.duz == duz).values(locked_until=_until(call)))
    return True


def _lock_address(call: Call) -> None:
    """Lock the address unless it is locked, or the site does not lock addresses (LKSET^XUSTZIP)."""
    if not call.site.settings.lock_addresses or address_locked(call):
        return
    address = call.session.address
    call.connection.execute(delete(LockedAddress).where(LockedAddress.address == address))
    call.connection.execute(insert(LockedAddress).values(address=address, until=_until(call)))
    clear_failures(call)
