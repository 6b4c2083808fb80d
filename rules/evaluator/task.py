"""The rule evaluator: the task that empties the EVAL queue of a location (EVAL^MAGBRTE4).

It goes by the rules of its START, until others are published for its location, which it takes up between two images. A study
stays with the version that decided it: its later images do what that came to.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, func, or_, select, update

from fileman import (
    Store,
    StoreClosed,
    StoreFailed,
    count_queued,
    evaluation,
    note_processed,
    site_settings,
    to_fileman,
    to_horolog,
)
from fileman.files import BackgroundQueue, EvaluatorFlag, Institution, RulePublication, SiteVersion, Task
from rules.evaluator.decisions import DecidedStudy, Evaluated, Queued, recall_studies, write_decisions
from rules.evaluator.desk import SiteDesk, write_balances
from rules.evaluator.evaluator_log import append_log, set_flag, write_log
from rules.evaluator.image_facts import ImageRows, know_image, read_rows
from rules.evaluator.queueing import Origin, queue_actions
from rules.evaluator.site_view import SiteView, read_site_view
from rules.evaluator.versions import (
    ELEMENTS,
    Loaded,
    Publication,
    current_version,
    elements_text,
    load,
    store_version,
)
from rules.judging.balance import Changes
from rules.judging.moment import Moment
from rules.language.errors import RuleError
from taskman import TaskContext, TaskLost, routine

log = logging.getLogger(__name__)

ENTRY_POINT = "EVAL^MAGBRTE4"
#: Entries that one transaction takes: it is held for some 50 ms, which everybody else who writes waits for.
BATCH = 256
#: Actions after which it takes no further entry: prior studies bring thousands along.
MOST_ACTIONS = 1000
#: Studies that are remembered in memory.
REMEMBERED_STUDIES = 2000
#: Versions that stay in memory for late images of studies that they decided.
REMEMBERED_VERSIONS = 8
#: Seconds between looks into an empty queue that nobody in this process fills: each is twice as long as the one before, for
#: most locations rest most of the time.
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
_LOWERED = exists().where(EvaluatorFlag.id == 1, EvaluatorFlag.running.is_(False))
_TOLD_TO_STOP = ~exists().where(
    Task.number == bindparam("task"), Task.attempt == bindparam("attempt"), Task.stop_requested.is_(False)
)
_PUBLISHED = select(func.max(RulePublication.sequence)).where(RulePublication.location == bindparam("location")).scalar_subquery()
#: What an evaluator looks at between two images, in one statement.
_LOOK = select(_LOWERED.label("lowered"), _TOLD_TO_STOP.label("told"), func.coalesce(_PUBLISHED, 0).label("published"))
#: All that ends an evaluator's rest, in one statement, since it is asked again and again.
_STIRRED = select(
    or_(
        exists().where(
            BackgroundQueue.place == bindparam("place"),
            BackgroundQueue.queue == "EVAL",
            BackgroundQueue.status == "NOT_PROCESSED",
        ),
        _LOWERED,
        _TOLD_TO_STOP,
        exists().where(RulePublication.location == bindparam("location"), RulePublication.sequence > bindparam("published")),
        ~exists().where(SiteVersion.number == bindparam("version")),
    )
)


@dataclass(slots=True)
class Judged:
    """One queue entry and what came of it; `failed` says that it could not be judged."""

    entry: int
    evaluated: Evaluated | None
    lines: Sequence[str]
    failed: bool = False


@dataclass(slots=True)
class Evaluator:
    """One run of the evaluator of a location, with the rules that it begins with and the sequence of their publication."""

    task: TaskContext
    location: int
    rules: Loaded
    published: int = 0
    _changes: int | None = None
    _site: SiteView | None = None
    _desk: SiteDesk | None = None
    _studies: OrderedDict[str, DecidedStudy | None] = field(default_factory=OrderedDict)
    _versions: OrderedDict[str, Loaded] = field(default_factory=OrderedDict)

    @property
    def store(self) -> Store:
        """The database."""
        return self.task.store

    def run(self, lines: Sequence[str]) -> None:
        """Work off the queue until asked to stop; a database that does not answer is waited for.

        It raises the flag of all evaluators: whoever lowered it before this one began did not mean this one. `lines` are what
        is to be logged of its rules.
        """
        lines = [f"Started at {to_horolog(self.task.clock.now())}", *lines]
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

    def _key(self) -> dict[str, int]:
        return {"task": self.task.number, "attempt": self.task.attempt, "location": self.location}

    def _rest(self) -> None:
        """Wait until there is something to do: an entry, a stop, other rules, another state of the site."""
        site = self._current_site()
        key = {**self._key(), "place": site.place, "published": self.published, "version": site.version}
        seconds = FIRST_REST
        woken = Event()
        stop_listening = self.store.sleepers.listen([evaluation(site.place)], woken.set)
        try:
            while not self.task.interrupted():
                self.task.pause(seconds, woken)
                if woken.is_set() or self.store.read(lambda connection: connection.execute(_STIRRED, key).scalar_one()):
                    return
                seconds = min(LONGEST_REST, seconds * 2)
        finally:
            stop_listening()

    def _stop_asked(self) -> bool:
        """Tell whether the flag of all evaluators is down, or this task was asked to stop; take up what was published."""
        if self.task.interrupted():
            return True
        if (seen := self._look()) is None:
            return False
        if seen.lowered:  # which ends the task as one that finished
            return True
        if seen.told and self.task.stop_requested():  # by which the worker knows that it was heeded
            return True
        if seen.published > self.published:
            self._take_up()
        return False

    def _look(self) -> Any:
        """Look for a stop and for other rules; None where there is neither. What is there is seen again until it was heeded."""
        changes = self.store.changes_seen()
        if changes is not None and changes == self._changes:
            return None
        key = self._key()
        look = self.store.read(lambda connection: connection.execute(_LOOK, key).one())
        if look.lowered or look.told or look.published > self.published:
            return look
        self._changes = changes
        return None

    def _take_up(self) -> None:
        """Go by the newest published rules from here on; rules that cannot be compiled any more are said so, and left."""
        publication = self.store.read(lambda connection: current_version(connection, self.location))
        if publication is None:
            return
        rules = self.rules
        try:
            rules = self.store.read(lambda connection: load(connection, publication.version))
            line = taken_up(publication)
        except RuleError as error:
            log.exception("the rules %s of location %d cannot be used", publication.version, self.location)
            line = f"*** Rules {publication.version} cannot be used: {error} ***"[:ERROR_LIMIT]
        write_log(self.task, [line])
        self.rules, self.published = rules, publication.sequence

    def work_off(self) -> int:
        """Judge the next entries and write down what came of them; give how many there were.

        They share a transaction. When it is refused each gets one of its own, so that a bad entry spoils no other. Entries
        after which a stop or other rules are met with are left for later.
        """
        try:
            return self._work_off(self._current_site())
        except Exception:
            self._forget()
            raise

    def _work_off(self, site: SiteView) -> int:
        entries = self.store.read(lambda connection: connection.execute(_NEXT, {"place": site.place}).all())
        if not entries:
            return 0
        images = self._read(entry.image for entry in entries)
        self._recall(rows.study for rows in images.values())
        judged: list[Judged] = []
        actions = 0
        for entry in entries:
            if judged and (actions >= MOST_ACTIONS or self.task.interrupted() or self._look() is not None):
                break
            one = self._judge(entry.ien, images.get(entry.image), site)
            judged.append(one)
            actions += len(one.evaluated.evaluation.actions) if one.evaluated is not None else 0
        if self._refusal_of(judged, site) is not None:
            log.warning("a batch of %d entries was refused; each is tried alone", len(judged))
            for entry in entries[: len(judged)]:
                self._write_alone(entry.ien, images.get(entry.image), site)
        return len(judged)

    def _read(self, images: Iterable[int | None]) -> dict[int, ImageRows]:
        headers = bool(self.rules.elements)
        return self.store.read(lambda connection: read_rows(connection, [it for it in images if it], headers=headers))

    def _write_alone(self, entry: int, rows: ImageRows | None, site: SiteView) -> None:
        if rows is not None:
            self._recall([rows.study])
        one = self._judge(entry, rows, site)
        refusal = self._refusal_of([one], site)
        if refusal is not None:
            failed = _failed(entry, refusal)  # it stays in the queue, marked
            self.store.transact(lambda connection: self._write(connection, [failed], Changes(), site))

    def _refusal_of(self, judged: Sequence[Judged], site: SiteView) -> Exception | None:
        """Write down what came of entries; give why it cannot be done for one of them, in which case nothing was written.

        A database that is away, busy or full raises StoreFailed: no entry is to blame, and all are judged again.
        """
        changes = self._desk_of(site).changes()
        try:
            self.store.transact(lambda connection: self._write(connection, judged, changes, site))
        except Exception as error:  # whatever one entry raised, the others are to be written
            self._forget()
            if _is_passing(error):
                raise
            log.warning("%d entries of the EVAL queue could not be written: %s", len(judged), error)
            return error
        return None

    def _judge(self, entry: int, rows: ImageRows | None, site: SiteView) -> Judged:
        if rows is None:
            return Judged(entry, None, [])
        try:
            decided = self._studies.get(rows.study)
            rules = self._rules_of(decided)
            if rules is None:
                rules, decided = self.rules, None
            known = know_image(rows, site.names, self.location, rules.elements)
            if known.missing:
                return Judged(entry, None, [known.missing])
            moment, ien, study = Moment(self.task.clock.now()), known.facts.image, known.facts.study_uid
            memory = decided.memory if decided is not None else None
            evaluation = rules.compiled.evaluate(known.facts, moment, self._desk_of(site), memory, site.holidays.__contains__)
            decider = decided.decided_by or ien if decided is not None and evaluation.cached else ien
            if study:
                self._studies[study] = DecidedStudy(rules.id, evaluation.memory, decider)
            count = len(rules.compiled.rules)
            evaluated = Evaluated(known, evaluation, rules.id, count, moment, decider, site.holidays)
            return Judged(entry, evaluated, evaluation.log)
        except Exception as error:  # one bad entry must not stop the queue; it stays in it, marked
            if _is_passing(error):
                raise
            log.exception("image %d could not be judged", rows.image.ien)
            return _failed(entry, error)

    def _rules_of(self, decided: DecidedStudy | None) -> Loaded | None:
        """Give the rules that decided a study; this evaluator's where nothing did, None where those are no longer kept."""
        if decided is None or decided.version == self.rules.id:
            return self.rules
        if decided.version not in self._versions:
            try:
                self._versions[decided.version] = self.store.read(lambda connection: load(connection, decided.version))
            except RuleError as error:
                log.warning("a study of location %d is decided anew: %s", self.location, error)
                return None
            while len(self._versions) > REMEMBERED_VERSIONS:
                self._versions.popitem(last=False)
        self._versions.move_to_end(decided.version)
        return self._versions[decided.version]

    def _recall(self, studies: Iterable[str]) -> None:
        """Bring to mind what earlier images of some studies decided in this task."""
        wanted = dict.fromkeys(study for study in studies if study)
        if unknown := [study for study in wanted if study not in self._studies]:
            found = self.store.read(lambda connection: recall_studies(connection, self.task.number, unknown))
            self._studies |= {study: found.get(study) for study in unknown}
        for study in wanted:
            self._studies.move_to_end(study)
        while len(self._studies) > REMEMBERED_STUDIES:
            self._studies.popitem(last=False)

    def _forget(self) -> None:
        """Know no more of studies and balances than the database does, after what was judged was not written."""
        self._desk = None
        self._studies.clear()

    def _write(self, connection: Connection, judged: Sequence[Judged], changes: Changes, site: SiteView) -> None:
        self.task.fence(connection)
        now = self.task.clock
        origin = Origin(self.location, to_fileman(now.now()), now.seconds())
        left = self._leave_queue(connection, judged)
        if left:
            note_processed(connection, site.place, "EVAL", max(one.entry for one in left), origin.moment, len(left))
        evaluated = [one.evaluated for one in left if one.evaluated is not None]
        pairs = [(one.image, action) for one in evaluated for action in one.evaluation.actions]
        entries = iter(queue_actions(connection, pairs, origin, site.file_types))
        done = [
            replace(one, queued=tuple(Queued(action, next(entries)) for action in one.evaluation.actions)) for one in evaluated
        ]
        write_decisions(connection, self.task.number, done, origin.seconds)
        write_balances(connection, self.location, changes)
        append_log(connection, self.task.number, now, [line for one in left for line in one.lines])

    def _leave_queue(self, connection: Connection, judged: Sequence[Judged]) -> list[Judged]:
        """Take entries out of the queue, or mark them as failed; give those that another evaluator had not done with before."""
        entries = [one.entry for one in judged if not one.failed]
        ours = set(connection.execute(_TAKE_OUT, {"entries": entries}).scalars()) if entries else set()
        for one in judged:
            if one.failed and connection.execute(_MARK_FAILED, {"entry": one.entry}).rowcount == 1:
                ours.add(one.entry)
        return [one for one in judged if one.entry in ours]

    def _current_site(self) -> SiteView:
        version = self.store.site_version()
        if self._site is None or self._site.version != version:
            self._site = self.store.read(lambda connection: read_site_view(connection, version, self.location))
        return self._site

    def _desk_of(self, site: SiteView) -> SiteDesk:
        if self._desk is None:
            self._desk = SiteDesk(self.store, self.location, site)
        self._desk.site = site
        return self._desk


def _is_passing(error: Exception) -> bool:
    """Tell whether no entry is to blame: the database is away, busy, full or closed, or another attempt has the task."""
    return isinstance(error, StoreClosed | TaskLost) or (isinstance(error, StoreFailed) and not error.for_what_it_held)


def _failed(entry: int, error: Exception) -> Judged:
    text = f"{type(error).__name__}: {error}"[:ERROR_LIMIT]
    return Judged(entry, None, [f"*** EVAL queue error: {text} ***"], failed=True)


def taken_up(publication: Publication) -> str:
    """Write what the log says of published rules that an evaluator goes by from here on."""
    return f"Rules {publication.version} are used from here on, published by {publication.published_by}"


def rules_to_begin_with(
    connection: Connection, arguments: Mapping[str, Any], who: str, now: float
) -> tuple[Loaded, int, list[str]]:
    """Give the rules that a task begins with, the sequence of their publication, and what is to be logged of them.

    They are what was published for its location since its START, or else the RULES of that, which are stored as a version.
    Published rules that cannot be compiled any more raise RuleError: no rules are better than others than were wanted.
    """
    location = int(arguments["location"])
    known = int(arguments.get("published", 0))
    publication = current_version(connection, location)
    if publication is not None and publication.sequence > known:
        loaded = load(connection, publication.version)
        return loaded, publication.sequence, [taken_up(publication)]
    text = elements_text(arguments["rules"])
    loaded = load(connection, store_version(connection, text, ELEMENTS, site_settings(connection).rule_semantics, who, now))
    return loaded, known, list(loaded.log)


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
    """Evaluate the images of a location until asked to stop.

    Arguments are the location, the rule elements of its START, and how many publications the location had then.
    """
    who, now = f"task {task.number}", task.clock.seconds()
    loaded, published, lines = task.store.transact(lambda connection: rules_to_begin_with(connection, task.arguments, who, now))
    Evaluator(task, int(task.arguments["location"]), loaded, published).run(lines)
