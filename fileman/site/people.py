"""People and the options (contexts) that they have."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field
from sqlalchemy import Connection, select

from fileman.dates import to_fileman
from fileman.files import File, NewPerson, Option, OptionItem, OptionRpc, UserDivision, UserKey, UserOption
from fileman.secrets import SiteKey, hash_verify_code
from fileman.site.rows import TOMORROW, FileManDate, Ien, LockDate, ProhibitedTimes, Row
from fileman.site.sections import Columns, Section, Shown, empty, fill, multiple


class UserRow(Row):
    """[[user]]: NEW PERSON (#200). Codes stand in clear, or as the hashes that `site dump` writes; a clear one goes first."""

    duz: Ien
    name: str
    access: str = ""
    verify: str = ""
    access_hash: str = ""
    verify_hash: str = ""
    divisions: tuple[int, ...] = Field(default=(), strict=False)
    contexts: tuple[str, ...] = Field(default=(), strict=False)
    keys: tuple[str, ...] = Field(default=(), strict=False)
    default_division: int | None = None
    nickname: str = ""
    verify_changed: FileManDate = ""
    verify_age_days: int | None = None
    verify_never_expires: bool = False
    terminated: FileManDate = ""
    disuser: bool = False
    locked_until: LockDate = ""
    primary_menu: str = ""
    title: str = ""
    service: str = ""
    timeout: int | None = None
    verify_history: tuple[str, ...] = Field(default=(), strict=False)
    multiple_sign_on: Literal["", "ALLOWED", "NOT ALLOWED", "ONE ADDRESS"] = ""
    prohibited_times: ProhibitedTimes = ""
    radiology_classes: str = Field(default="", pattern="^[CRST]*$")


class ContextRow(Row):
    """[[context]]: OPTION (#19) with its procedures, their keys (`rpc_keys`), and the options below it (`items`)."""

    name: str
    rpcs: tuple[str, ...] = Field(default=(), strict=False)
    type: str = "B"
    lock: str = ""
    out_of_order: str = ""
    reverse_lock: str = ""
    prohibited_times: ProhibitedTimes = ""
    items: tuple[str, ...] = Field(default=(), strict=False)
    rpc_keys: dict[str, str] = Field(default_factory=dict)


#: Children before parents.
_FILES: tuple[type[File], ...] = (OptionItem, OptionRpc, Option, UserDivision, UserKey, UserOption, NewPerson)

_SIGNED_ON = select(NewPerson.duz, NewPerson.last_sign_on)
_RPC_KEYS = select(OptionRpc.option, OptionRpc.rpc, OptionRpc.key).where(OptionRpc.key != "").order_by(OptionRpc.position)


def fill_people(
    connection: Connection, users: Sequence[UserRow], contexts: Sequence[ContextRow], key: SiteKey, now: datetime
) -> None:
    """Put people and contexts in place of those that were there; when people signed on last stays known."""
    signed_on = {row.duz: row.last_sign_on for row in connection.execute(_SIGNED_ON)}
    empty(connection, _FILES)
    _users(connection, users, key, now, signed_on)
    _contexts(connection, contexts)


def _users(connection: Connection, users: Sequence[UserRow], key: SiteKey, now: datetime, signed_on: dict[int, str]) -> None:
    written = user_columns(users, key, now)
    for person in written[NewPerson]:
        person["last_sign_on"] = signed_on.get(int(str(person["duz"])), "")
    for file, rows in written.items():
        fill(connection, file, rows)


_MULTIPLES: tuple[tuple[type[File], str, str], ...] = (
    (UserDivision, "institution", "divisions"),
    (UserKey, "key", "keys"),
    (UserOption, "option", "contexts"),
)


def user_columns(users: Sequence[UserRow], key: SiteKey, now: datetime) -> dict[type[File], list[Columns]]:
    """Give the rows that users are, by file, NEW PERSON first; codes in clear are hashed."""
    with ThreadPoolExecutor(thread_name_prefix="hash") as pool:  # argon2 lets other threads run
        hashes = pool.map(hash_verify_code, [row.verify for row in users])
        people = [_person(row, hashed, key, now) for row, hashed in zip(users, hashes, strict=True)]
    below = {
        file: [
            {"duz": row.duz, column: value, "position": position}
            for row in users
            for position, value in enumerate(getattr(row, field))
        ]
        for file, column, field in _MULTIPLES
    }
    return {NewPerson: people, **below}


def _person(row: UserRow, hashed: str, key: SiteKey, now: datetime) -> Columns:
    columns = row.model_dump(exclude={"access", "verify", "divisions", "contexts", "keys", "verify_age_days"})
    columns["verify_history"] = "\n".join(row.verify_history)
    columns["access_hash"] = key.access_hash(row.access) if row.access else row.access_hash
    columns["verify_hash"] = hashed or row.verify_hash
    changed = now - timedelta(days=row.verify_age_days or 0)
    columns["verify_changed"] = row.verify_changed or to_fileman(changed)
    if row.locked_until == TOMORROW:
        columns["locked_until"] = to_fileman(now + timedelta(days=1))
    return columns


def _contexts(connection: Connection, contexts: Sequence[ContextRow]) -> None:
    for file, rows in context_columns(list(enumerate(contexts, start=1))).items():
        fill(connection, file, rows)


def context_columns(numbered: Sequence[tuple[int, ContextRow]]) -> dict[type[File], list[Columns]]:
    """Give the rows that contexts of some numbers are, by file, OPTION first."""
    rpcs: list[Columns] = [
        {"option": ien, "position": position, "rpc": rpc, "key": row.rpc_keys.get(rpc, "")}
        for ien, row in numbered
        for position, rpc in enumerate(row.rpcs)
    ]
    items: list[Columns] = [
        {"option": ien, "position": position, "item": item} for ien, row in numbered for position, item in enumerate(row.items)
    ]
    own = [{"ien": ien, **row.model_dump(exclude={"rpcs", "rpc_keys", "items"})} for ien, row in numbered]
    return {Option: own, OptionRpc: rpcs, OptionItem: items}


def _of_user(connection: Connection) -> Shown:
    divisions, keys, contexts = (multiple(connection, file) for file in (UserDivision, UserKey, UserOption))

    def shown(row: Columns) -> Columns:
        owner = row["duz"]
        return {
            "divisions": divisions.get(owner, []),
            "contexts": contexts.get(owner, []),
            "keys": keys.get(owner, []),
            "verify_history": str(row["verify_history"]).split(),
        }

    return shown


def _of_option(connection: Connection) -> Shown:
    rpcs, items = multiple(connection, OptionRpc), multiple(connection, OptionItem)
    rpc_keys: dict[object, dict[str, str]] = {}
    for ien, rpc, key in connection.execute(_RPC_KEYS):
        rpc_keys.setdefault(ien, {})[rpc] = key

    def shown(row: Columns) -> Columns:
        ien = row["ien"]
        return {"rpcs": rpcs.get(ien, []), "items": items.get(ien, []), "rpc_keys": rpc_keys.get(ien, {})}

    return shown


PEOPLE = (
    Section("user", NewPerson, UserRow, "duz", more=_of_user, left_out=frozenset({"last_sign_on", "failed_attempts"})),
    Section("context", Option, ContextRow, more=_of_option, left_out=frozenset({"ien"})),
)
