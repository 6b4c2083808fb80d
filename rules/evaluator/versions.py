"""Versions of rules: kept with their text for good, published for a location, taken up by its evaluator between two images.

A version is what decides, whole: the text, how it is written, the semantics that reads it. Publishing names one for a
location, going back names an earlier one again; evaluators go by the newest publication.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from fileman import lock_for_transaction, upserts
from fileman.files import RulePublication, RuleVersion
from rules.evaluator.image_facts import Elements, elements_of
from rules.judging.evaluate import CompiledRules, compile_rules
from rules.language.elements import from_elements
from rules.language.errors import RuleError
from rules.language.normal_form import for_vista
from rules.language.parse import parse_rules

FILE, ELEMENTS = "file", "elements"
#: Characters of a version's name, and how few of them name it where no other begins so.
DIGEST, SHORTEST = 16, 4
#: Publications that a list tells at most.
MOST_LISTED = 1000
#: Compiled versions that stay in memory, for whoever explains or replays.
KEPT_COMPILED = 8

_STORE = upserts(RuleVersion, lambda insert: insert.on_conflict_do_nothing(index_elements=[RuleVersion.id]))
_VERSION = select(RuleVersion).where(RuleVersion.id == bindparam("version_"))
_NAMES = (
    select(RuleVersion.id)
    .where(RuleVersion.id >= bindparam("begin"), RuleVersion.id < bindparam("end"))
    .order_by(RuleVersion.id)
    .limit(2)
)
_PUBLICATIONS = select(RulePublication).where(RulePublication.location == bindparam("location_"))
_NEWEST_FIRST = _PUBLICATIONS.order_by(RulePublication.sequence.desc()).limit(bindparam("most"))
_BEFORE = _PUBLICATIONS.where(RulePublication.version != bindparam("version_")).order_by(RulePublication.sequence.desc()).limit(1)
_HAD = _PUBLICATIONS.where(RulePublication.version == bindparam("version_")).limit(1)
_PUBLISH = insert(RulePublication)


class UnknownVersion(RuleError):
    """There is no such version of rules."""


class NothingPublished(RuleError):
    """No rules are published for this location."""


class NoEarlierVersion(RuleError):
    """The location had no other rules before."""


@dataclass(frozen=True, slots=True)
class Version:
    """Rules as they were stored. `stored_at` is in seconds since the epoch."""

    id: str
    kind: str
    semantics: str
    text: str
    stored_at: float
    stored_by: str

    @property
    def shown(self) -> str:
        """The text as a person reads it: a rule file as it was written, elements one a line."""
        return self.text if self.kind == FILE else "".join(f"{text}\n" for _subscript, text in json.loads(self.text))


@dataclass(frozen=True, slots=True)
class Publication:
    """That a location was given a version, by whom and when (seconds since the epoch); the location's `sequence` counts up."""

    location: int
    sequence: int
    version: str
    published_at: float
    published_by: str
    note: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """A version, compiled, and what VistA logs of elements that it drops."""

    id: str
    compiled: CompiledRules
    elements: Elements
    log: tuple[str, ...] = ()


def version_of(text: str, kind: str, semantics: str) -> str:
    """Name a version by a digest of all that decides what it means."""
    whole = "\n".join([kind, semantics, text])
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST]


def elements_text(pairs: Any) -> str:
    """Write caret elements, subscript and text, as they are stored."""
    return json.dumps([[str(subscript), str(text)] for subscript, text in pairs])


@lru_cache(maxsize=KEPT_COMPILED)
def compile_text(text: str, kind: str, semantics: str) -> Loaded:
    """Compile rules that may not be stored yet. Raises RuleError, for a rule file with all its errors."""
    log: tuple[str, ...] = ()
    if kind == ELEMENTS:
        parsed = from_elements([(subscript, element) for subscript, element in json.loads(text)])
        rules, log = parsed.rules, parsed.log
    else:
        written = tuple(parse_rules(text))
        rules = for_vista(written) if semantics == "vista" else written
    version = version_of(text, kind, semantics)
    return Loaded(version, compile_rules(rules, semantics, version), elements_of(rules), log)


def store_version(connection: Connection, text: str, kind: str, semantics: str, who: str, when: float) -> str:
    """Keep rules, unless they are kept already; give the version's name."""
    version = version_of(text, kind, semantics)
    row = {"id": version, "kind": kind, "semantics": semantics, "text": text, "stored_at": when, "stored_by": who}
    connection.execute(_STORE[connection.dialect.name], row)
    return version


def read_version(connection: Connection, version: str) -> Version:
    """Read a version by its name or by how that begins, where no other begins so. Raises UnknownVersion."""
    row = connection.execute(_VERSION, {"version_": version}).mappings().first()
    if row is None and len(version) >= SHORTEST:
        beginning = version.lower()
        names = connection.execute(_NAMES, {"begin": beginning, "end": beginning + "\x7f"}).scalars().all()
        if len(names) == 1:
            row = connection.execute(_VERSION, {"version_": names[0]}).mappings().first()
    if row is None:
        raise UnknownVersion(f"There is no version {version[:DIGEST]!r} of rules, or more than one begins so.")
    return Version(**row)


def load(connection: Connection, version: str) -> Loaded:
    """Load a stored version, compiled. Raises UnknownVersion.

    A version of an older release bears the name that this gave it.
    """
    stored = read_version(connection, version)
    loaded = compile_text(stored.text, stored.kind, stored.semantics)
    return loaded if loaded.id == stored.id else replace(loaded, id=stored.id)


def _lock(connection: Connection, location: int) -> None:
    """Let nobody else publish for a location until the transaction ends."""
    lock_for_transaction(connection, f"RULE PUBLICATION {location}")


def publish(connection: Connection, location: int, version: str, who: str, when: float, note: str = "") -> Publication:
    """Give a location a stored version, from its evaluator's next image on."""
    _lock(connection, location)
    last = current_version(connection, location)
    made = Publication(location, last.sequence + 1 if last else 1, version, when, who, note)
    names = ("location", "sequence", "version", "published_at", "published_by", "note")
    connection.execute(_PUBLISH, {name: getattr(made, name) for name in names})
    return made


def current_version(connection: Connection, location: int) -> Publication | None:
    """Give the newest publication of a location; None where nothing is published."""
    return next(iter(list_publications(connection, location, 1)), None)


def list_publications(connection: Connection, location: int, most: int = MOST_LISTED) -> list[Publication]:
    """List what was published for a location, the newest first."""
    key = {"location_": location, "most": most}
    return [Publication(**row) for row in connection.execute(_NEWEST_FIRST, key).mappings()]


def publications(connection: Connection, location: int) -> int:
    """Count the publications of a location: rules that it is given from now on are newer than these."""
    newest = current_version(connection, location)
    return newest.sequence if newest else 0


def roll_back(connection: Connection, location: int, version: str, who: str, when: float) -> Publication:
    """Publish an earlier version of a location again: the named one, or the one before the current.

    Raises NothingPublished, NoEarlierVersion, or UnknownVersion for one that the location never had.
    """
    _lock(connection, location)  # what is current now is so when the earlier one is published
    last = current_version(connection, location)
    if last is None:
        raise NothingPublished(f"No rules are published for location {location}.")
    current = last.version
    if not version:
        before = connection.execute(_BEFORE, {"location_": location, "version_": current}).mappings().first()
        if before is None:
            raise NoEarlierVersion(f"Location {location} had no other rules before {current}.")
        return publish(connection, location, before["version"], who, when, f"back from {current}")
    wanted = read_version(connection, version).id
    if connection.execute(_HAD, {"location_": location, "version_": wanted}).first() is None:
        raise UnknownVersion(f"Location {location} never had version {wanted}; publish it instead.")
    if wanted == current:
        raise NoEarlierVersion(f"Version {wanted} is what location {location} has.")
    return publish(connection, location, wanted, who, when, f"back from {current}")
