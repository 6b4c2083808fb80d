"""Entries of the site changed one by one while it runs: checked as the site file checks them, seen by all brokers at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, delete, func, insert, select, update

from fileman.errors import FileManError
from fileman.files import (
    File,
    ImagingSite,
    Institution,
    NetworkLocation,
    OptionItem,
    OptionRpc,
    TransmitDestination,
    TransmitService,
    UserDivision,
    UserKey,
    UserOption,
)
from fileman.locks import lock_for_transaction
from fileman.secrets import SiteKey
from fileman.site.checks import contradictions
from fileman.site.destinations import DESTINATIONS, TransmitDestinationRow, services_of
from fileman.site.people import PEOPLE, ContextRow, UserRow, context_columns, user_columns
from fileman.site.places import IMAGING_SITES, INSTITUTIONS, NETWORK_LOCATIONS, imaging_sites, network_locations
from fileman.site.read import problem
from fileman.site.rows import Row
from fileman.site.sections import Columns, Section
from fileman.site.site_file import SiteFile
from fileman.store import bump_site_version

#: Rows of an entry's own file and of those below it, by file.
Written = dict[type[File], list[Columns]]


class BadEntry(FileManError):
    """An entry of the site cannot be as it is wanted; the text names the field."""


@dataclass(frozen=True, slots=True)
class EntryKind:
    """A table of the site file whose entries can be changed one by one.

    `write` gives the rows that an entry is in the database, the first file's one row first; `children` are the files below it and
    their columns that name it. `secrets` are fields that nobody is shown.
    """

    section: Section
    write: Callable[[Any, SiteKey, datetime], Written]
    number: str = "ien"
    children: Mapping[type[File], str] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()

    @property
    def file(self) -> type[File]:
        """The entry's own file."""
        return self.section.file

    @property
    def model(self) -> type[Row]:
        """What an entry may be."""
        return self.section.model


def _user(row: UserRow, key: SiteKey, now: datetime) -> Written:
    return user_columns([row], key, now)


def _context(row: ContextRow, _key: SiteKey, _now: datetime) -> Written:
    return context_columns([(0, row)])


def _destination(row: TransmitDestinationRow, _key: SiteKey, _now: datetime) -> Written:
    return {TransmitDestination: [row.model_dump(exclude={"services"})], TransmitService: services_of([row])}


USER = EntryKind(
    PEOPLE[0],
    _user,
    "duz",
    {UserDivision: "duz", UserKey: "duz", UserOption: "duz"},
    frozenset({"access", "verify", "access_hash", "verify_hash", "verify_history", "verify_age_days"}),
)
CONTEXT = EntryKind(PEOPLE[1], _context, "name", {OptionRpc: "option", OptionItem: "option"})
DESTINATION = EntryKind(DESTINATIONS[0], _destination, children={TransmitService: "destination"})
NETWORK_LOCATION = EntryKind(
    NETWORK_LOCATIONS,
    lambda row, key, _now: {NetworkLocation: network_locations([row], key)},
    secrets=frozenset({"password", "password_enciphered"}),
)
IMAGING_SITE = EntryKind(
    IMAGING_SITES,
    lambda row, key, _now: {ImagingSite: imaging_sites([row], key)},
    secrets=frozenset({"gateway_access", "gateway_verify", "gateway_access_enciphered", "gateway_verify_enciphered"}),
)
INSTITUTION = EntryKind(INSTITUTIONS, lambda row, _key, _now: {Institution: [row.model_dump()]})


def entries(connection: Connection, kind: EntryKind) -> Iterator[Columns]:
    """Read the entries of a kind as the site file has them, secrets left out."""
    for row in kind.section.contents(connection):
        yield {name: value for name, value in row.items() if name not in kind.secrets}


def read_entry(connection: Connection, kind: EntryKind, number: object) -> Columns | None:
    """Read one entry, secrets left out."""
    return next((row for row in entries(connection, kind) if row[kind.number] == number), None)


def hold_entries(connection: Connection, kind: EntryKind) -> None:
    """Let nobody else add or change entries of a kind until the transaction ends."""
    lock_for_transaction(connection, f"site entries:{kind.section.name}")


def next_number(connection: Connection, kind: EntryKind) -> int:
    """Give a number for a new entry: the next after the highest."""
    column = kind.file.__table__.c["duz" if kind.number == "duz" else "ien"]
    return int(connection.execute(select(func.max(column))).scalar() or 0) + 1


def put_entry(connection: Connection, kind: EntryKind, facts: Mapping[str, object], key: SiteKey, now: datetime) -> Columns:
    """Make an entry, or change what is said of one that is there; give it as it is then. Raises BadEntry.

    What is not said of an entry stays as it is.
    """
    number = facts[kind.number]
    hold_entries(connection, kind)
    named = kind.file.__table__.c[kind.number]
    connection.execute(select(named).where(named == number).with_for_update())  # who signs on changes its row, too
    there = {row[kind.number]: row for row in kind.section.contents(connection)}
    before = there.pop(number, None)
    try:
        row = kind.model.model_validate({**_kept(before or {}, facts), **facts})
    except ValidationError as error:
        first = error.errors()[0]
        raise BadEntry(f"{problem(first['loc'], first['type'], first['msg'])}.") from error
    for _place, what in contradictions(_together(kind, [*map(_unchecked(kind), there.values()), row])):
        raise BadEntry(f"{what}.")
    written = kind.write(row, key, now)
    (own,) = written.pop(kind.file)
    parent = _put(connection, kind, own, number, there=before is not None)
    for file, column in kind.children.items():
        connection.execute(delete(file).where(file.__table__.c[column] == parent))
        rows = [{**child, column: parent} for child in written.get(file, [])]
        if rows:
            connection.execute(insert(file), rows)
    bump_site_version(connection)
    made = read_entry(connection, kind, number)
    if made is None:
        raise BadEntry(f"an entry {number} is none of the site")
    return made


def _kept(before: Columns, facts: Mapping[str, object]) -> Columns:
    """Give what stays of an entry: where a secret is given in clear, if only as none, the enciphered one does not."""
    return {name: value for name, value in before.items() if name.removesuffix("_enciphered") not in facts}


def _unchecked(kind: EntryKind) -> Callable[[Columns], Row]:
    return lambda columns: kind.model.model_construct(None, **columns)  # they were checked when they were written


def _together(kind: EntryKind, rows: list[Row]) -> SiteFile:
    return SiteFile.model_construct(None, **{kind.section.name: tuple(rows)})


def _put(connection: Connection, kind: EntryKind, own: Columns, number: object, *, there: bool) -> object:
    """Write an entry's own row; give the number by which the rows below it name it."""
    table = kind.file.__table__
    if there:
        named_by = "name" if kind.number == "name" else kind.number
        values = {name: value for name, value in own.items() if name not in ("ien", "duz")}
        connection.execute(update(kind.file).where(table.c[named_by] == number).values(values))
        owner = table.c["duz" if kind.number == "duz" else "ien"]
        return connection.execute(select(owner).where(table.c[named_by] == number)).scalar_one()
    if kind.number == "name":
        own = {**own, "ien": next_number(connection, kind)}
    connection.execute(insert(kind.file), [own])
    return own["duz" if kind.number == "duz" else "ien"]


def remove_entry(connection: Connection, kind: EntryKind, number: object) -> None:
    """Take an entry away, and the rows below it."""
    table = kind.file.__table__
    owner = table.c["duz" if kind.number == "duz" else "ien"]
    parent = connection.execute(select(owner).where(table.c[kind.number] == number)).scalar_one()
    for file, column in kind.children.items():
        connection.execute(delete(file).where(file.__table__.c[column] == parent))
    connection.execute(delete(kind.file).where(owner == parent))
    bump_site_version(connection)
