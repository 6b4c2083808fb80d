"""The rule evaluator: the task that empties the EVAL queue of a location (EVAL^MAGBRTE4)."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, func, insert, or_, select, update

from fileman import (
    Event,
    Store,
    StoreClosed,
    StoreFailed,
    count_queued,
    insert_into,
    note_processed,
    record_events,
    site_settings,
    to_fileman,
    to_horolog,
    upserts,
)
from fileman.files import (
    BackgroundQueue,
    EvaluatorFlag,
    EvaluatorLog,
    Holiday,
    ImagingSite,
    Institution,
    NetworkLocation,
    RuleDecision,
    SiteVersion,
    StudyDecision,
    Task,
    TransmitDestination,
)
from rules.evaluator.image_facts import ImageRows, KnownImage, Names, know_image, read_names, read_rows
from rules.evaluator.queueing import Origin, queue_action
from rules.judging.evaluate import CompiledRules, Destinations, Evaluation, compile_rules
from rules.judging.moment import Moment
from rules.language.ast import BALANCE
from rules.language.elements import ElementRules, from_elements
from runtime import Clock
from taskman import TaskContext, TaskLost, routine

log = logging.getLogger(__name__)

ENTRY_POINT = "EVAL^MAGBRTE4"
#: Entries that one transaction takes, studies remembered in memory.
BATCH = 16
REMEMBERED_STUDIES = 2000
#: Seconds between looks into an empty queue: each is twice as long as the one before, for most locations rest most of the time.
FIRST_REST, LONGEST_REST = 0.1, 1.0
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
_TAKE_OUT = (
    delete(BackgroundQueue).where(BackgroundQueue.ien.in_(bindparam("entries", expanding=True))).returning(BackgroundQueue.ien)
)
_MARK_FAILED = (
    update(BackgroundQueue)
    .where(BackgroundQueue.ien == bindparam("entry"), BackgroundQueue.status == "NOT_PROCESSED")
    .values(status="FAILED")
)
#: All that ends an evaluator's rest, in one statement, since it is asked again and again.
_STIRRED = select(
    or_(
        exists().where(
            BackgroundQueue.place == bindparam("place"),
            BackgroundQueue.queue == "EVAL",
            BackgroundQueue.status == "NOT_PROCESSED",
        ),
        exists().where(EvaluatorFlag.id == 1, EvaluatorFlag.running.is_(False)),
        ~exists().where(Task.number == bindparam("task"), Task.attempt == bindparam("attempt"), Task.stop_requested.is_(False)),
        ~exists().where(SiteVersion.number == bindparam("version")),
    )
)
_FLAG = select(EvaluatorFlag.running).where(EvaluatorFlag.id == 1)
_SET_FLAG = upserts(
    EvaluatorFlag,
    lambda insert: insert.values(id=1, running=bindparam("flag")).on_conflict_do_update(
        index_elements=[EvaluatorFlag.id], set_={"running": bindparam("flag")}
    ),
)
_LAST_LINE = select(func.max(EvaluatorLog.line)).where(EvaluatorLog.task == bindparam("task"))
_LOG = insert(EvaluatorLog)
_STUDIES = select(StudyDecision.study_uid, StudyDecision.rule, StudyDecision.fired).where(
    StudyDecision.task == bindparam("task"), StudyDecision.study_uid.in_(bindparam("studies", expanding=True))
)
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


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An image with what the rules said of it, and how many entries that put into queues."""

    image: KnownImage
    evaluation: Evaluation
    queued: int

    def study_decisions(self, task: int, seconds: float) -> list[dict[str, Any]]:
        """Give the rows that the study's further images are judged by."""
        study = self.image.facts.study_uid
        fresh = [it for it in self.evaluation.decisions if study and not it.cached]
        facts = {"task": task, "study_uid": study, "decided_at": seconds}
        return [{**facts, "rule": it.rule, "fired": it.fired} for it in fresh]

    def decision(self, task: int, version: str, moment: str) -> dict[str, Any]:
        """Give the row that explains the decision later."""
        facts = self.image.facts
        return {
            "image": facts.image,
            "task": task,
            "version": version,
            "evaluated_at": moment,
            "facts": json.dumps({"urgency": facts.urgency, **facts.values}),
            "fired": json.dumps(self._fired()),
            "reasons": json.dumps({str(it.rule): it.reason for it in self.evaluation.decisions if it.reason}),
        }

    def event(self, task: int, version: str, seconds: float) -> Event:
        """Give the step in the image's story."""
        outcome = f"{len(self._fired())} of {len(self.evaluation.decisions)} rules fired"
        detail = f"{self.queued} entries queued; rules {version}"
        return Event(self.image.uid, self.image.facts.image, "EVALUATE", seconds, f"task {task}", outcome, detail)

    def _fired(self) -> list[int]:
        return [it.rule for it in self.evaluation.decisions if it.fired]


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
        """Work off the queue until asked to stop; a database that does not answer is waited for.

        It raises the flag of all evaluators: whoever lowered it before this one began did not mean this one.
        """
        lines = [f"Started at {to_horolog(self.task.clock.now())}", *parsed.log, *self._not_done_here()]
        self.store.transact(lambda connection: self._begin(connection, lines))
        while not self.task.interrupted():
            try:
                if self._stop_asked():
                    if not self.task.interrupted():  # an interrupted task goes on at the next start
                        write_log(self.task, [f"Stopped at {to_horolog(self.task.clock.now())}"])
                    return
                if not self.work_off():
                    self._rest()
            except StoreFailed as error:
                log.warning("the evaluator of location %d waits for the database: %s", self.location, error)
                self.task.pause(DATABASE_PAUSE)

    def _begin(self, connection: Connection, lines: Sequence[str]) -> None:
        set_flag(connection, running=True)
        if place := self._current_site().place:
            count_queued(connection, place, "EVAL", 0)
        append_log(connection, self.task.number, self.task.clock, lines)

    def _rest(self) -> None:
        """Wait until there is something to do: an entry, a stop, another state of the site."""
        site = self._current_site()
        key = {"place": site.place, "task": self.task.number, "attempt": self.task.attempt, "version": site.version}
        seconds = FIRST_REST
        while not self.task.interrupted():
            self.task.pause(seconds)
            if self.store.read(lambda connection: connection.execute(_STIRRED, key).scalar_one()):
                return
            seconds = min(LONGEST_REST, seconds * 2)

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
        if not entries:
            return 0
        images = self.store.read(lambda connection: read_rows(connection, (entry.image for entry in entries)))
        self._recall(rows.study for rows in images.values())
        judged: list[Judged] = []
        for entry in entries:
            if judged and self._stop_asked():
                break
            judged.append(self._judge(entry.ien, images.get(entry.image), site))
        if self._refusal_of(judged, site) is not None:
            log.warning("a batch of %d entries was refused; each is tried alone", len(judged))
            for entry in entries[: len(judged)]:
                self._write_alone(entry.ien, images.get(entry.image), site)
        return len(judged)

    def _write_alone(self, entry: int, rows: ImageRows | None, site: SiteView) -> None:
        if rows is not None:
            self._recall([rows.study])
        one = self._judge(entry, rows, site)
        refusal = self._refusal_of([one], site)
        if refusal is not None:
            failed = _failed(entry, refusal)  # it stays in the queue, marked
            self.store.transact(lambda connection: self._write(connection, [failed], site))

    def _refusal_of(self, judged: Sequence[Judged], site: SiteView) -> Exception | None:
        """Write down what came of entries; give why it cannot be done for one of them, in which case nothing was written.

        A database that is away, busy or full raises StoreFailed: no entry is to blame, and all are judged again.
        """
        try:
            self.store.transact(lambda connection: self._write(connection, judged, site))
        except (StoreClosed, TaskLost):
            raise
        except Exception as error:  # whatever one entry raised, the others are to be written
            for one in judged:
                if one.image is not None:
                    self._studies.pop(one.image.facts.study_uid, None)
            if isinstance(error, StoreFailed) and not error.for_what_it_held:
                raise
            log.warning("%d entries of the EVAL queue could not be written: %s", len(judged), error)
            return error
        return None

    def _judge(self, entry: int, rows: ImageRows | None, site: SiteView) -> Judged:
        if rows is None:
            return Judged(entry, None, None, [])
        try:
            known = know_image(rows, site.names, self.location)
            if known.missing:
                return Judged(entry, known, None, [known.missing])
            study = known.facts.study_uid
            remembered = self._studies.get(study, {})
            moment = Moment(self.task.clock.now())
            evaluation = self.rules.evaluate(known.facts, moment, site.destinations, remembered, site.holidays.__contains__)
            remembered.update(evaluation.remember)
            return Judged(entry, known, evaluation, evaluation.log)
        except Exception as error:  # one bad entry must not stop the queue; it stays in it, marked
            log.exception("image %d could not be judged", rows.image.ien)
            return _failed(entry, error)

    def _recall(self, studies: Iterable[str]) -> None:
        """Bring to mind what earlier images of some studies decided in this run."""
        wanted = dict.fromkeys(study for study in studies if study)
        if unknown := [study for study in wanted if study not in self._studies]:
            key = {"task": self.task.number, "studies": unknown}
            rows = self.store.read(lambda connection: connection.execute(_STUDIES, key).all())
            self._studies |= {study: {} for study in unknown}
            for row in rows:
                self._studies[row.study_uid][row.rule] = row.fired
        for study in wanted:
            self._studies.move_to_end(study)
        while len(self._studies) > REMEMBERED_STUDIES:
            self._studies.popitem(last=False)

    def _write(self, connection: Connection, judged: Sequence[Judged], site: SiteView) -> None:
        self.task.fence(connection)
        now = self.task.clock
        origin = Origin(self.location, to_fileman(now.now()), now.seconds())
        left = self._leave_queue(connection, judged)
        if left:
            note_processed(connection, site.place, "EVAL", max(one.entry for one in left), origin.moment, len(left))
        evaluated: list[Evaluated] = []
        for one in left:
            if one.image is not None and one.evaluation is not None:
                queued = sum(
                    queue_action(connection, action, one.image, origin, site.file_types) for action in one.evaluation.actions
                )
                evaluated.append(Evaluated(one.image, one.evaluation, queued))
        self._remember(connection, evaluated, origin)
        append_log(connection, self.task.number, now, [line for one in left for line in one.lines])

    def _leave_queue(self, connection: Connection, judged: Sequence[Judged]) -> list[Judged]:
        """Take entries out of the queue, or mark them as failed; give those that another evaluator had not done with before."""
        entries = [one.entry for one in judged if not one.failed]
        ours = set(connection.execute(_TAKE_OUT, {"entries": entries}).scalars()) if entries else set()
        for one in judged:
            if one.failed and connection.execute(_MARK_FAILED, {"entry": one.entry}).rowcount == 1:
                ours.add(one.entry)
        return [one for one in judged if one.entry in ours]

    def _remember(self, connection: Connection, evaluated: Sequence[Evaluated], origin: Origin) -> None:
        """Write decisions down so that they can be explained, and tell the images' stories."""
        if not evaluated:
            return
        task, version = self.task.number, self.rules.version
        if fresh := [row for one in evaluated for row in one.study_decisions(task, origin.seconds)]:
            connection.execute(insert_into(connection, StudyDecision).on_conflict_do_nothing(), fresh)
        decide = insert_into(connection, RuleDecision)
        replaced = {name: decide.excluded[name] for name in ("version", "evaluated_at", "facts", "fired", "reasons")}
        decide = decide.on_conflict_do_update(index_elements=[RuleDecision.image, RuleDecision.task], set_=replaced)
        connection.execute(decide, [one.decision(task, version, origin.moment) for one in evaluated])
        record_events(connection, [one.event(task, version, origin.seconds) for one in evaluated])

    def _current_site(self) -> SiteView:
        version = self.store.site_version()
        if self._site is None or self._site.version != version:
            self._site = self.store.read(lambda connection: read_site_view(connection, version, self.location))
        return self._site


def _failed(entry: int, error: Exception) -> Judged:
    text = f"{type(error).__name__}: {error}"[:ERROR_LIMIT]
    return Judged(entry, None, None, [f"*** EVAL queue error: {text} ***"], failed=True)


def set_flag(connection: Connection, *, running: bool) -> None:
    """Raise the flag of all evaluators, or lower it, which asks every one to stop."""
    connection.execute(_SET_FLAG[connection.dialect.name], {"flag": running})


def append_log(connection: Connection, task: int, clock: Clock, lines: Sequence[str]) -> None:
    """Add lines to an evaluator's log, with weekday and time before them (LOG^MAGBRTE5)."""
    if not lines:
        return
    last = int(connection.execute(_LAST_LINE, {"task": task}).scalar() or 0)
    stamp = clock.now().strftime("%a %H:%M ")
    connection.execute(_LOG, [{"task": task, "line": last + at, "text": stamp + text} for at, text in enumerate(lines, start=1)])


def write_log(task: TaskContext, lines: Sequence[str]) -> None:
    """Add lines to a task's log, in a transaction of their own. Raises TaskLost where another attempt has the task."""

    def write(connection: Connection) -> None:
        task.fence(connection)
        append_log(connection, task.number, task.clock, lines)

    task.store.transact(write)


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


@routine(ENTRY_POINT, subject=subject_of, busy=_busy, lasting=True)
def evaluate_queue(task: TaskContext) -> None:
    """Evaluate the images of a location until asked to stop; arguments are the location and the rule elements."""
    parsed = from_elements([(str(subscript), str(text)) for subscript, text in task.arguments["rules"]])
    semantics = task.store.read(site_settings).rule_semantics
    compiled = compile_rules(parsed.rules, semantics)
    Evaluator(task, int(task.arguments["location"]), compiled).run(parsed)
