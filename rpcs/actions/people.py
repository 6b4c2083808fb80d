"""What managers do with people: set codes, lift locks, give security keys and contexts and take them away."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from fileman import CONTEXT, USER, bump_site_version, entries, hash_verify_code, put_entry, to_fileman
from fileman.files import FailedAccess, LockedAddress, NewPerson, UserKey
from rpcs.actions import parameters as takes
from rpcs.actions.action import Act, action
from rpcs.actions.entries import Entry
from rpcs.actions.errors import BadRequest, NotFound, RefusedAction
from rpcs.actions.site import USERS, last_manager
from rpcs.actions.tokens import MANAGER
from rpcs.sign_on.verify_code import unfit_code
from runtime import other_names

#: What an access code may be.
_ACCESS = re.compile(r"[A-Z0-9!-,./:<-@\[\]_`{-~]{4,20}")
#: A verify code of this day has to be changed at the next sign-on, whatever the site's days are.
LONG_AGO = "2000101"

_WHOSE = select(NewPerson.duz).where(NewPerson.access_hash == bindparam("hash_"), NewPerson.duz != bindparam("duz_"))
_SET_CODES = update(NewPerson).where(NewPerson.duz == bindparam("duz_"))
_UNLOCK = _SET_CODES.values(locked_until="", failed_attempts=0)
_LOCKED = select(LockedAddress.address, LockedAddress.until).order_by(LockedAddress.address)
_FREE = delete(LockedAddress).where(LockedAddress.address == bindparam("address_"))
_FORGET = delete(FailedAccess).where(FailedAccess.address == bindparam("address_"))
_HOLDERS = select(UserKey.key, UserKey.duz, NewPerson.name).join(NewPerson, NewPerson.duz == UserKey.duz)
_DUZ = takes.number("DUZ", "The user's number.", required=True)


@action(
    "MAGB USER CODES",
    _DUZ,
    takes.text(
        "ACCESS CODE", "The new access code, 4 to 20 capitals, digits and punctuation; as it was if left out.", secret=True
    ),
    takes.text(
        "VERIFY CODE", "The new verify code, 8 to 20 letters, digits and punctuation; as it was if left out.", secret=True
    ),
    takes.flag("LASTS", "The verify code need not be changed at the next sign-on."),
    writes=True,
    key=MANAGER,
)
def user_codes(act: Act) -> dict[str, Any]:
    """Give a user codes to sign on with. The verify code has to be changed at the next sign-on unless it LASTS."""
    user = USERS.find_by(act, act.number("DUZ"))
    access, verify = act.text("ACCESS CODE").upper(), act.text("VERIFY CODE").upper()
    if not access and not verify:
        raise BadRequest("ACCESS CODE or VERIFY CODE is needed, or both.")
    values: dict[str, Any] = {}
    if access:
        values["access_hash"] = _access_hash(act, user, access)
    if verify:
        if why := unfit_code(verify, user["name"]):
            raise BadRequest(why)
        changed = to_fileman(act.clock.now()) if act.flag("LASTS") else LONG_AGO
        values |= {"verify_hash": hash_verify_code(verify), "verify_changed": changed}
        if not act.flag("LASTS"):
            values["verify_never_expires"] = False
    act.connection.execute(_SET_CODES.values(values), {"duz_": user["duz"]})
    bump_site_version(act.connection)
    told = [name for name, given in (("access code", access), ("verify code", verify)) if given]
    act.changed(USERS.named(user), None, {"set": told, "to_be_changed": bool(verify) and not act.flag("LASTS")})
    return {"duz": user["duz"], "name": user["name"], "set": told}


def _access_hash(act: Act, user: Entry, code: str) -> str:
    """Hash an access code. Raises BadRequest for what is none, or is somebody's."""
    if not _ACCESS.fullmatch(code):
        raise BadRequest("ACCESS CODE is 4 to 20 capitals, digits and punctuation, without ^, ; and -.")
    hashed = act.site_key.access_hash(code)
    if act.connection.execute(_WHOSE, {"hash_": hashed, "duz_": user["duz"]}).first() is not None:
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


@action("MAGB ADDRESS LIST", key=MANAGER, lists={"entries": ("address", "until")})
def address_list(act: Act) -> dict[str, Any]:
    """List the addresses from which nobody may sign on after too many wrong codes, and until when (FileMan dates)."""
    return {"entries": [dict(row._mapping) for row in act.connection.execute(_LOCKED)]}


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
    takes.limit(500),
    key=MANAGER,
    lists={"entries": ("key", "duz", "name")},
)
def key_list(act: Act) -> dict[str, Any]:
    """List security keys and who holds them."""
    held = _HOLDERS if not act.text("KEY") else _HOLDERS.where(UserKey.key == act.text("KEY"))
    rows = act.connection.execute(held.order_by(UserKey.key, UserKey.duz).limit(act.number("LIMIT"))).mappings()
    return {"entries": [dict(row) for row in rows]}


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
    user = USERS.find_by(act, act.number("DUZ"))
    if value in user[field]:
        raise RefusedAction(f"{user['name']} has {value} already.")
    return _multiple(act, user, field, [*user[field], value])


def _taken(act: Act, field: str, value: str) -> Entry:
    user = USERS.find_by(act, act.number("DUZ"))
    if value not in user[field]:
        raise NotFound(f"{user['name']} has no {value[:60]}.{other_names(value, user[field])}")
    return _multiple(act, user, field, [it for it in user[field] if it != value])


def _multiple(act: Act, user: Entry, field: str, values: list[str]) -> Entry:
    if why := last_manager(act, {**user, field: values}):
        raise RefusedAction(why)
    made = put_entry(act.connection, USER, {"duz": user["duz"], field: values}, act.site_key, act.clock.now())
    act.changed(USERS.named(user), {field: user[field]}, {field: values})
    return {"duz": user["duz"], "name": user["name"], field: made[field]}
