"""What managers do with people: set codes, lift locks, give security keys and contexts and take them away."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, delete, select, tuple_, update

from fileman import (
    CONTEXT,
    USER,
    bump_site_version,
    check_verify_code,
    entries,
    hold_entries,
    lock_for_transaction,
    to_fileman,
)
from fileman.files import FailedAccess, LockedAddress, NewPerson, UserKey
from rpcs.actions import parameters as takes
from rpcs.actions.action import Act, action
from rpcs.actions.entries import Entry
from rpcs.actions.errors import BadRequest, NotFound, RefusedAction
from rpcs.actions.site import USERS, last_manager
from rpcs.actions.tokens import MANAGER
from rpcs.sign_on.verify_code import Codes, change_code, codes_of, judge_new
from runtime import other_names

#: What an access code may be: XUS AV CODE takes a colon out, a semicolon ends it, and a tilde begins a token.
_ACCESS = re.compile(r"(?!~)[!-9<-\]_`{-~]{4,20}")
#: A verify code of this day has to be changed at the next sign-on, whatever the site's days are.
LONG_AGO = "2000101"

_WHOSE = select(NewPerson.duz).where(NewPerson.access_hash == bindparam("hash_"), NewPerson.duz != bindparam("duz_"))
_SET_CODES = update(NewPerson).where(NewPerson.duz == bindparam("duz_"))
_UNLOCK = _SET_CODES.values(locked_until="", failed_attempts=0)
_LOCKED = (
    select(LockedAddress.address, LockedAddress.until)
    .where(LockedAddress.address > bindparam("after"), LockedAddress.until > bindparam("now"))
    .order_by(LockedAddress.address)
    .limit(bindparam("most"))
)
_FREE = delete(LockedAddress).where(LockedAddress.address == bindparam("address_"))
_FORGET = delete(FailedAccess).where(FailedAccess.address == bindparam("address_"))
_HOLDERS = (
    select(UserKey.key, UserKey.duz, NewPerson.name)
    .join(NewPerson, NewPerson.duz == UserKey.duz)
    .where(tuple_(UserKey.key, UserKey.duz) > tuple_(bindparam("key_"), bindparam("duz_")))
    .order_by(UserKey.key, UserKey.duz)
    .limit(bindparam("most"))
)
_HOLDERS_OF_ONE = _HOLDERS.where(UserKey.key == bindparam("one"))
_DUZ = takes.number("DUZ", "The user's number.", required=True)


@action(
    "MAGB USER CODES",
    _DUZ,
    takes.text(
        "ACCESS CODE", "The new access code, 4 to 20 letters, digits and punctuation; as it was if left out.", secret=True
    ),
    takes.text(
        "VERIFY CODE",
        "The new verify code, 8 to 20 characters: letters, digits and punctuation; as it was if left out.",
        secret=True,
    ),
    takes.flag("LASTS", "The verify code need not be changed at the next sign-on."),
    writes=True,
    key=MANAGER,
)
def user_codes(act: Act) -> dict[str, Any]:
    """Give a user codes to sign on with. The verify code has to be changed at the next sign-on unless it LASTS.

    It is judged as one that the user chooses; the one before is remembered.
    """
    user = USERS.find_by(act, act.number("DUZ"))
    access, verify = act.text("ACCESS CODE").upper(), act.text("VERIFY CODE").upper()
    codes = codes_of(act.connection, user["duz"])
    if codes is None or not (access or verify):
        raise BadRequest("ACCESS CODE or VERIFY CODE is needed, or both.")
    key = {"duz_": user["duz"]}
    if access:
        codes = replace(codes, access_hash=_access_hash(act, user["duz"], access, codes, renewed=bool(verify)))
        act.connection.execute(_SET_CODES.values(access_hash=codes.access_hash), key)
    if verify:
        verdict = judge_new(verify, codes, act.site_key)
        if verdict.text:
            raise BadRequest(verdict.text)
        change_code(act.connection, user["duz"], verdict.hashed, to_fileman(act.clock.now()) if act.flag("LASTS") else LONG_AGO)
        if not act.flag("LASTS"):
            act.connection.execute(_SET_CODES.values(verify_never_expires=False), key)
    bump_site_version(act.connection)
    told = [name for name, given in (("access code", access), ("verify code", verify)) if given]
    act.changed(USERS.named(user), None, {"set": told, "to_be_changed": bool(verify) and not act.flag("LASTS")})
    return {"duz": user["duz"], "name": user["name"], "set": told}


def _access_hash(act: Act, duz: int, code: str, codes: Codes, *, renewed: bool) -> str:
    """Hash an access code. Raises BadRequest for what is none, is somebody's, or is the verify code that is not `renewed`."""
    if not _ACCESS.fullmatch(code):
        raise BadRequest("ACCESS CODE is 4 to 20 letters, digits and punctuation, without ^, ; and :, and no ~ at its beginning.")
    hashed = act.site_key.access_hash(code)
    lock_for_transaction(act.connection, "access codes")
    taken = act.connection.execute(_WHOSE, {"hash_": hashed, "duz_": duz}).first() is not None
    if taken or (not renewed and check_verify_code(codes.verify_hash, code)):
        raise BadRequest("ACCESS CODE cannot be this one; choose another.")
    return hashed


@action("MAGB USER UNLOCK", _DUZ, writes=True, key=MANAGER)
def user_unlock(act: Act) -> dict[str, Any]:
    """Let a user sign on who was locked out after too many wrong codes."""
    user = USERS.find_by(act, act.number("DUZ"))
    act.connection.execute(_UNLOCK, {"duz_": user["duz"]})
    bump_site_version(act.connection)
    act.changed(USERS.named(user), {"locked_until": user["locked_until"]}, {"locked_until": ""})
    return {"duz": user["duz"], "name": user["name"], "was_locked_until": user["locked_until"] or None}


@action(
    "MAGB ADDRESS LIST",
    takes.text("AFTER", "Behind this address: what a page gave as `next`."),
    takes.limit(500),
    key=MANAGER,
    lists={"entries": ("address", "until")},
)
def address_list(act: Act) -> dict[str, Any]:
    """List the addresses from which nobody may sign on after too many wrong codes, and until when (FileMan dates)."""
    most = act.number("LIMIT")
    asked = {"after": act.text("AFTER"), "now": to_fileman(act.clock.now()), "most": most + 1}
    rows = [dict(row) for row in act.connection.execute(_LOCKED, asked).mappings()]
    return {"entries": rows[:most], "next": rows[most - 1]["address"] if len(rows) > most else None}


@action("MAGB ADDRESS UNLOCK", takes.text("ADDRESS", "The address.", required=True), writes=True, key=MANAGER)
def address_unlock(act: Act) -> dict[str, Any]:
    """Let people sign on from an address that was locked, and forget its wrong codes."""
    address = act.text("ADDRESS")
    locked = act.connection.execute(_FREE, {"address_": address}).rowcount
    if not locked + act.connection.execute(_FORGET, {"address_": address}).rowcount:
        raise NotFound(f"Nothing is known against {address[:60]!r}; MAGB ADDRESS LIST shows what is locked.")
    act.changed(f"address {address}", {"locked": bool(locked)}, {"locked": False})
    return {"address": address, "was_locked": bool(locked)}


@action(
    "MAGB KEY LIST",
    takes.text("KEY", "Holders of this key only."),
    takes.text("AFTER", "Behind this key and user, KEY^DUZ: what a page gave as `next`."),
    takes.limit(500),
    key=MANAGER,
    lists={"entries": ("key", "duz", "name")},
)
def key_list(act: Act) -> dict[str, Any]:
    """List security keys and who holds them."""
    most, one = act.number("LIMIT"), act.text("KEY").upper()
    after, _, duz = act.text("AFTER").rpartition("^")
    asked = {"key_": after, "duz_": takes.read_number("AFTER", duz) if duz else 0, "most": most + 1}
    held = act.connection.execute(_HOLDERS_OF_ONE, {**asked, "one": one}) if one else act.connection.execute(_HOLDERS, asked)
    rows = [dict(row) for row in held.mappings()]
    last = rows[most - 1] if len(rows) > most else None
    return {"entries": rows[:most], "next": f"{last['key']}^{last['duz']}" if last is not None else None}


_KEY = takes.text("KEY", "The security key.", required=True)
_NAME = takes.text("NAME", "The context.", required=True)


@action("MAGB KEY GRANT", _DUZ, _KEY, writes=True, key=MANAGER)
def key_grant(act: Act) -> Entry:
    """Give a user a security key."""
    return _given(act, "keys", act.text("KEY").upper())


@action("MAGB KEY REVOKE", _DUZ, _KEY, writes=True, key=MANAGER)
def key_revoke(act: Act) -> Entry:
    """Take a security key from a user; the last who manages users keeps XUMGR."""
    return _taken(act, "keys", act.text("KEY").upper())


@action("MAGB CONTEXT GRANT", _NAME, _DUZ, writes=True, key=MANAGER)
def context_grant(act: Act) -> Entry:
    """Let a user create a context."""
    name = act.text("NAME")
    names = [str(it["name"]) for it in entries(act.connection, CONTEXT)]
    if name not in names:
        raise NotFound(f"There is no context {name[:60]!r}.{other_names(name, names)}")
    return _given(act, "contexts", name)


@action("MAGB CONTEXT REVOKE", _NAME, _DUZ, writes=True, key=MANAGER)
def context_revoke(act: Act) -> Entry:
    """Let a user create a context no longer; sessions that are in it already are refused its procedures."""
    return _taken(act, "contexts", act.text("NAME"))


def _given(act: Act, field: str, value: str) -> Entry:
    hold_entries(act.connection, USER)
    user = USERS.find_by(act, act.number("DUZ"))
    if value in user[field]:
        raise RefusedAction(f"{user['name']} has {value} already.")
    return _multiple(act, user, field, [*user[field], value])


def _taken(act: Act, field: str, value: str) -> Entry:
    hold_entries(act.connection, USER)
    user = USERS.find_by(act, act.number("DUZ"))
    if value not in user[field]:
        raise NotFound(f"{user['name']} has no {value[:60]}.{other_names(value, user[field])}")
    return _multiple(act, user, field, [it for it in user[field] if it != value])


def _multiple(act: Act, user: Entry, field: str, values: list[str]) -> Entry:
    if why := last_manager(act, {**user, field: values}):
        raise RefusedAction(why)
    made = USERS.write(act, {"duz": user["duz"], field: values})
    act.changed(USERS.named(user), {field: user[field]}, {field: values})
    return {"duz": user["duz"], "name": user["name"], field: made[field]}
