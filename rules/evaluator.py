"""The rule evaluator: the task that empties the EVAL queue of a location (EVAL^MAGBRTE4)."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from fileman import Store, StoreClosed, StoreFailed, site_settings, to_fileman, to_horolog
from fileman.files import (
    BackgroundQueue,
    EvaluatorFlag,
    EvaluatorLog,
    Holiday,
    ImageEvent,
    ImagingSite,
    Institution,
    NetworkLocation,
    RuleDecision,
    StudyDecision,
    TransmitDestination,
)
from rules.ast import BALANCE
from rules.elements import ElementRules, from_elements
from rules.evaluate import CompiledRules, Destinations, Evaluation, compile_rules
from rules.image_facts import KnownImage, Names, read_image, read_names
from rules.moment import Moment
from rules.queueing import Origin, queue_action
from runtime import Clock
from taskman import TaskContext, TaskLost, routine

log = logging.getLogger(__name__)

ENTRY_POINT = "EVAL^MAGBRTE4"
#: Entries that one transaction takes, seconds between looks into an empty queue, studies remembered in memory.
BATCH = 16
IDLE_SECONDS = 0.2
REMEMBERED_STUDIES = 2000
#: Seconds until the next try when the database does not answer.
DATABASE_PAUSE = 1.0
#: An error's text is cut to this many characters in the log.
ERROR_LIMIT = 300

_NEXT = (
    select(BackgroundQueue.ien, BackgroundQueue.image)
    .where(
        BackgroundQueue.place == bindparam("place"),
        BackgroundQueue.queue == "EVAL",
        BackgroundQueue.status == "NOT_PROCESSED",
    )
    .order_by(BackgroundQueue.ien)
    .limit(BATCH)
)
_TAKE_OUT = delete(BackgroundQueue).where(BackgroundQueue.ien == bindparam("entry"))
_MARK_FAILED = (
    update(BackgroundQueue)
    .where(BackgroundQueue.ien == bindparam("entry"), BackgroundQueue.status == "NOT_PROCESSED")
    .values(status="FAILED")
)
_FLAG = select(EvaluatorFlag.running).where(EvaluatorFlag.id == 1)
_LAST_LINE = select(func.max(EvaluatorLog.line)).where(EvaluatorLog.task == bindparam("task"))
_LOG = insert(EvaluatorLog)
_STUDY = select(StudyDecision.rule, StudyDecision.fired).where(
    StudyDecision.task == bindparam("task"), StudyDecision.study_uid == bindparam("study_uid")
)
_EVENT = insert(ImageEvent)
_PLACE = select(ImagingSite.ien).where(ImagingSite.institution == bindparam("institution")).limit(1)
_FIRST_PLACE = select(func.min(ImagingSite.ien))


@dataclass(frozen=True, slots=True)
class SiteView:
    """What the evaluator needs of the site, under one site version."""

    version: int
    names: Names
    destinations: Destinations
    file_types: Mapping[int, tuple[str, ...]]
    holidays: frozenset[str]
    place: int


@dataclass(slots=True)
class Judged:
    """One queue entry and what came of it; `failed` says that it could not be judged."""

    entry: int
    image: KnownImage | None
    evaluation: Evaluation | None
    lines: Sequence[str]
    failed: bool = False


@dataclass(slots=True)
class Evaluator:
    """One run of the evaluator of a location."""

    task: TaskContext
    location: int
    rules: CompiledRules
    _site: SiteView | None = None
    _studies: OrderedDict[str, dict[int, bool]] = field(default_factory=OrderedDict)

    @property
    def store(self) -> Store:
        """The database."""
        return self.task.store

    def run(self, parsed: ElementRules) -> None:
        """Work off the queue until asked to stop; a database that does not answer is waited for."""
        write_log(self.task, [f"Started at {to_horolog(self.task.clock.now())}", *parsed.log, *self._not_done_here()])
        while not self.task.interrupted():
            try:
                if self._stop_asked():
                    if not self.task.interrupted():  # an interrupted task goes on at the next start
                        write_log(self.task, [f"Stopped at {to_horolog(self.task.clock.now())}"])
                    return
                if not self.work_off():
                    self.task.pause(IDLE_SECONDS)
            except StoreFailed as error:
                log.warning("the evaluator of location %d waits for the database: %s", self.location, error)
                self.task.pause(DATABASE_PAUSE)

    def _not_done_here(self) -> list[str]:
        return [
            f"Rule {rule.number} balances: this version does not balance, and queues nothing for it"
            for rule in self.rules.rules
            if rule.verb == BALANCE
        ]

    def _stop_asked(self) -> bool:
        """Tell whether the flag of all evaluators is down, or this task was asked to stop."""
        flag = self.store.read(lambda connection: connection.execute(_FLAG).scalar())
        return flag is False or self.task.stop_requested()

    def work_off(self) -> int:
        """Judge the next entries and write down what came of them; give how many there were.

        They share a transaction. When it is refused each gets one of its own, so that a bad entry spoils no other.
        """
        site = self._current_site()
        entries = self.store.read(lambda connection: connection.execute(_NEXT, {"place": site.place}).all())
        judged: list[Judged] = []
        for entry in entries:
            if judged and self._stop_asked():
                break
            judged.append(self._judge(entry.ien, entry.image, site))
        if not judged:
            return 0
        try:
            self.store.transact(lambda connection: self._write(connection, judged, site))
        except (StoreClosed, TaskLost):
            raise
        except Exception:  # whatever one entry raised, the others are to be written
            log.warning("a batch of %d entries was refused; each is tried alone", len(judged), exc_info=True)
            for one in judged:
                self._write_alone(one, site)
        return len(judged)

    def _write_alone(self, one: Judged, site: SiteView) -> None:
        try:
            self.store.transact(lambda connection: self._write(connection, [one], site))
        except (StoreClosed, TaskLost):
            raise
        except Exception as error:  # the entry stays in the queue, marked; a database that is down raises once more below
            log.exception("entry %d of the EVAL queue could not be written", one.entry)
            failed = _failed(one.entry, error)
            self.store.transact(lambda connection: self._write(connection, [failed], site))

    def _judge(self, entry: int, image: int, site: SiteView) -> Judged:
        try:
            known = self.store.read(lambda connection: read_image(connection, image, site.names, self.location))
            if known is None:
                return Judged(entry, None, None, [])
            if known.missing:
                return Judged(entry, known, None, [known.missing])
            study = known.facts.study_uid
            remembered = self._remembered(study)
            moment = Moment(self.task.clock.now())
            evaluation = self.rules.evaluate(known.facts, moment, site.destinations, remembered, site.holidays.__contains__)
            if study:
                remembered.update(evaluation.remember)
            return Judged(entry, known, evaluation, evaluation.log)
        except StoreClosed:
            raise
        except Exception as error:  # one bad entry must not stop the queue; it stays in it, marked
            self._stop_asked()  # raises when it is the database that does not answer, and no entry is to blame
            log.exception("image %d could not be judged", image)
            return _failed(entry, error)

    def _remembered(self, study: str) -> dict[int, bool]:
        """Give what earlier images of a study decided in this run."""
        if not study:
            return {}
        if study not in self._studies:
            key = {"task": self.task.number, "study_uid": study}
            rows = self.store.read(lambda connection: connection.execute(_STUDY, key).all())
            self._studies[study] = {row.rule: row.fired for row in rows}
            if len(self._studies) > REMEMBERED_STUDIES:
                self._studies.popitem(last=False)
        self._studies.move_to_end(study)
        return self._studies[study]

    def _write(self, connection: Connection, judged: Sequence[Judged], site: SiteView) -> None:
        self.task.fence(connection)
        now = self.task.clock
        origin = Origin(self.location, to_fileman(now.now()), now.seconds())
        lines: list[str] = []
        for one in judged:
            done = connection.execute(_MARK_FAILED if one.failed else _TAKE_OUT, {"entry": one.entry})
            if done.rowcount != 1:  # another evaluator of the place was there first
                continue
            lines.extend(one.lines)
            if one.image is not None and one.evaluation is not None:
                queued = sum(
                    queue_action(connection, action, one.image, origin, site.file_types) for action in one.evaluation.actions
                )
                self._remember(connection, one.image, one.evaluation, queued, origin)
        append_log(connection, self.task.number, self.task.clock, lines)

    def _remember(self, connection: Connection, image: KnownImage, evaluation: Evaluation, queued: int, origin: Origin) -> None:
        """Write the decision down so that it can be explained, and tell the image's story."""
        make = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
        fresh = [decision for decision in evaluation.decisions if not decision.cached]
        if image.facts.study_uid and fresh:
            rows = [
                {"task": self.task.number, "study_uid": image.facts.study_uid, "rule": it.rule, "fired": it.fired} for it in fresh
            ]
            connection.execute(make(StudyDecision).on_conflict_do_nothing(), rows)
        fired = [decision.rule for decision in evaluation.decisions if decision.fired]
        reasons = {str(it.rule): it.reason for it in evaluation.decisions if it.reason}
        values = {
            "version": self.rules.version,
            "evaluated_at": origin.moment,
            "facts": json.dumps({"urgency": image.facts.urgency, **image.facts.values}),
            "fired": json.dumps(fired),
            "reasons": json.dumps(reasons),
        }
        statement = make(RuleDecision).values(image=image.facts.image, task=self.task.number, **values)
        connection.execute(statement.on_conflict_do_update(index_elements=[RuleDecision.image, RuleDecision.task], set_=values))
        outcome = f"{len(fired)} of {len(evaluation.decisions)} rules fired"
        connection.execute(
            _EVENT,
            {
                "uid": image.uid,
                "image": image.facts.image,
                "stage": "EVALUATE",
                "at": origin.seconds,
                "peer": f"task {self.task.number}",
                "outcome": outcome,
                "detail": f"{queued} entries queued; rules {self.rules.version}",
            },
        )

    def _current_site(self) -> SiteView:
        version = self.store.site_version()
        if self._site is None or self._site.version != version:
            self._site = self.store.read(lambda connection: read_site_view(connection, version, self.location))
        return self._site


def _failed(entry: int, error: Exception) -> Judged:
    text = f"{type(error).__name__}: {error}"[:ERROR_LIMIT]
    return Judged(entry, None, None, [f"*** EVAL queue error: {text} ***"], failed=True)


def append_log(connection: Connection, task: int, clock: Clock, lines: Sequence[str]) -> None:
    """Add lines to an evaluator's log, with weekday and time before them (LOG^MAGBRTE5)."""
    if not lines:
        return
    last = int(connection.execute(_LAST_LINE, {"task": task}).scalar() or 0)
    stamp = clock.now().strftime("%a %H:%M ")
    connection.execute(_LOG, [{"task": task, "line": last + at, "text": stamp + text} for at, text in enumerate(lines, start=1)])


def write_log(task: TaskContext, lines: Sequence[str]) -> None:
    """Add lines to a task's log, in a transaction of their own."""
    task.store.transact(lambda connection: append_log(connection, task.number, task.clock, lines))


def read_site_view(connection: Connection, version: int, location: int) -> SiteView:
    """Read destinations, holidays, names and the location's place."""
    routers: dict[str, int] = {}
    file_types: dict[int, tuple[str, ...]] = {}
    columns = (NetworkLocation.ien, NetworkLocation.name, NetworkLocation.send)
    for row in connection.execute(select(*columns).where(NetworkLocation.router).order_by(NetworkLocation.ien)):
        routers.setdefault(row.name, row.ien)
        file_types[row.ien] = tuple(kind for kind in row.send.split(",") if kind)
    services: dict[str, int] = {}
    for ien, name in connection.execute(
        select(TransmitDestination.ien, TransmitDestination.name).order_by(TransmitDestination.ien)
    ):
        services.setdefault(name, ien)
    place = connection.execute(_PLACE, {"institution": location}).scalar() or connection.execute(_FIRST_PLACE).scalar()
    return SiteView(
        version,
        read_names(connection),
        Destinations(routers.get, services.get),
        file_types,
        frozenset(connection.execute(select(Holiday.date)).scalars()),
        place or 1,
    )


def subject_of(arguments: Mapping[str, Any]) -> str:
    """Name what at most one evaluator has: its location's queue."""
    return f"{ENTRY_POINT} {arguments['location']}"


def _busy(task: TaskContext) -> None:
    """Log that another evaluator has the location."""
    location = int(task.arguments["location"])
    name = task.store.read(
        lambda connection: connection.execute(select(Institution.name).where(Institution.ien == location)).scalar()
    )
    write_log(task, [f"Started at {to_horolog(task.clock.now())}", f"A rule evaluator is already running for {name}"])


@routine(ENTRY_POINT, subject=subject_of, busy=_busy)
def evaluate_queue(task: TaskContext) -> None:
    """Evaluate the images of a location until asked to stop; arguments are the location and the rule elements."""
    parsed = from_elements([(str(subscript), str(text)) for subscript, text in task.arguments["rules"]])
    semantics = task.store.read(site_settings).rule_semantics
    compiled = compile_rules(parsed.rules, semantics)
    Evaluator(task, int(task.arguments["location"]), compiled).run(parsed)
