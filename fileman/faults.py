"""Faults that a tester sets, so that a client meets what seldom happens: file `fault`, and what is in force as a value."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from fileman.errors import FileManError
from fileman.files import Fault as FaultFile
from fileman.store import bump_site_version

#: A slow answer waits at most so many seconds, and a counted fault strikes at most so often.
MOST_SECONDS = 3600.0
MOST_TIMES = 1_000_000
#: Faults that may be set at the same time.
MOST_FAULTS = 1000

LOCKED_EXAM, SLOW_ANSWER, DROPPED_ANSWER, INHIBITED_LOGONS = "locked-exam", "slow-answer", "dropped-answer", "inhibited-logons"


class BadFault(FileManError):
    """There is no such fault, or it is set with other facts."""


@dataclass(frozen=True, slots=True)
class FaultKind:
    """What can be set under one name: the fact that says what is struck, the other facts, and what happens then."""

    name: str
    subject: str
    facts: tuple[str, ...]
    counted: bool
    effect: str

    @property
    def usage(self) -> str:
        """Say how it is set."""
        needed = [f"{fact}=..." for fact in (self.subject, *self.facts) if fact]
        return " ".join([self.name, *needed, *(["[times=N]"] if self.counted else [])])


KINDS = {
    kind.name: kind
    for kind in (
        FaultKind(LOCKED_EXAM, "accession", (), True, "images of the exam get -399, as while somebody has the exam locked"),
        FaultKind(SLOW_ANSWER, "rpc", ("seconds",), True, "the procedure's answer comes so much later"),
        FaultKind(
            DROPPED_ANSWER, "rpc", (), True, "the procedure runs and commits; then the connection closes without an answer"
        ),
        FaultKind(INHIBITED_LOGONS, "", (), False, "new connections are rejected, as while logons are inhibited"),
    )
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that is set. `times` counts down to its end; None lasts until it is cleared."""

    kind: str
    subject: str = ""
    seconds: float = 0.0
    times: int | None = None

    @classmethod
    def parse(cls, kind: str, facts: Mapping[str, str]) -> Fault:
        """Make a fault of facts as a person writes them. Raises BadFault, which says how it is set."""
        known = KINDS.get(kind)
        if known is None:
            raise BadFault(f"There is no fault {kind!r}; there are: {', '.join(KINDS)}.")
        needed = {fact for fact in (known.subject, *known.facts) if fact}
        allowed = needed | ({"times"} if known.counted else set())
        if not needed <= set(facts) <= allowed or not all(facts.values()):
            raise BadFault(f"Expected: {known.usage}.")
        seconds = _number("seconds", facts.get("seconds", "0"), MOST_SECONDS)
        times = int(_number("times", facts["times"], MOST_TIMES, whole=True)) if "times" in facts else None
        return cls(kind, facts.get(known.subject, ""), seconds, times)

    @property
    def name(self) -> str:
        """Name the fault: its kind and what it strikes. A second one of the same name replaces the first."""
        return f"{self.kind} {self.subject}".rstrip()

    def __str__(self) -> str:
        """Write it as it is set."""
        return " ".join([self.kind, *(f"{key}={value}" for key, value in self.facts.items())])

    @property
    def facts(self) -> dict[str, str]:
        """Give the facts as they were written."""
        known = KINDS[self.kind]
        given = {known.subject: self.subject} if known.subject else {}
        given |= {"seconds": f"{self.seconds:g}"} if "seconds" in known.facts else {}
        return given | ({} if self.times is None else {"times": str(self.times)})


def _number(fact: str, text: str, most: float, *, whole: bool = False) -> float:
    least = 1 if whole else 0
    try:
        number = float(int(text) if whole else float(text))
    except (ValueError, OverflowError):
        number = -1.0
    if not least <= number <= most:
        kind = "a whole number" if whole else "a number"
        raise BadFault(f"{fact}={text[:40]}: expected {kind} from {least} to {most:.0f}.")
    return number


@dataclass(frozen=True, slots=True)
class Faults:
    """All faults in force, laid out for those who have to look on every call."""

    answers: Mapping[str, tuple[Fault, ...]] = field(default_factory=dict)
    locked_exams: Mapping[str, Fault] = field(default_factory=dict)
    logons_inhibited: bool = False

    @classmethod
    def of(cls, faults: Iterable[Fault]) -> Faults:
        """Sort faults by what they strike."""
        answers: dict[str, tuple[Fault, ...]] = {}
        locked: dict[str, Fault] = {}
        inhibited = False
        for fault in faults:
            if fault.kind in (SLOW_ANSWER, DROPPED_ANSWER):
                answers[fault.subject] = (*answers.get(fault.subject, ()), fault)
            elif fault.kind == LOCKED_EXAM:
                locked[fault.subject] = fault
            else:
                inhibited = True
        return cls(answers, locked, inhibited)


_ALL = select(FaultFile.name, FaultFile.facts).order_by(FaultFile.name)
_ONE = select(FaultFile.facts).where(FaultFile.name == bindparam("fault")).with_for_update()
_PUT = insert(FaultFile)
_COUNT_DOWN = update(FaultFile).where(FaultFile.name == bindparam("fault")).values(facts=bindparam("left"))
_REMOVE = delete(FaultFile).where(FaultFile.name == bindparam("fault"))


def set_fault(connection: Connection, fault: Fault) -> None:
    """Set a fault; every broker of the database heeds it once this transaction commits."""
    connection.execute(_REMOVE, {"fault": fault.name})
    if len(connection.execute(_ALL).all()) >= MOST_FAULTS:
        raise BadFault(f"There are {MOST_FAULTS} faults already; clear some.")
    connection.execute(_PUT, {"name": fault.name, "facts": _written(fault)})
    bump_site_version(connection)


def clear_faults(connection: Connection, kind: str = "") -> list[Fault]:
    """Clear the faults of a kind, or all; give those that were set. Raises BadFault for an unknown kind."""
    if kind and kind not in KINDS:
        raise BadFault(f"There is no fault {kind!r}; there are: {', '.join(KINDS)}.")
    cleared = [fault for fault in read_faults(connection) if kind in ("", fault.kind)]
    for fault in cleared:
        connection.execute(_REMOVE, {"fault": fault.name})
    bump_site_version(connection)
    return cleared


def read_faults(connection: Connection) -> list[Fault]:
    """Read the faults that are set."""
    return [_read(facts) for _name, facts in connection.execute(_ALL)]


def spend_fault(connection: Connection, fault: Fault) -> bool:
    """Let a fault strike once, within the caller's transaction; False when it was spent or cleared meanwhile."""
    row = connection.execute(_ONE, {"fault": fault.name}).first()
    if row is None:
        return False
    now = _read(row.facts)
    if now.times is None:
        return True
    if now.times > 1:
        connection.execute(_COUNT_DOWN, {"fault": fault.name, "left": _written(replace(now, times=now.times - 1))})
        return True
    connection.execute(_REMOVE, {"fault": fault.name})
    bump_site_version(connection)
    return True


def _written(fault: Fault) -> str:
    return json.dumps({"kind": fault.kind, "subject": fault.subject, "seconds": fault.seconds, "times": fault.times})


def _read(facts: str) -> Fault:
    return Fault(**json.loads(facts))
