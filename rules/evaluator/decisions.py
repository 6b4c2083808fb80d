"""Decisions as they are kept: one row for a study, one for each image, from which it is explained later."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select

from fileman import Event, ManyRows, record_events, to_fileman, upserts
from fileman.files import File, RuleDecision, StudyDecision
from rules.evaluator.image_facts import KnownImage
from rules.judging.carrying_out import Action
from rules.judging.evaluate import Evaluation, StudyMemory
from rules.judging.facts import ImageFacts
from rules.judging.moment import Moment

#: What facts say of an image besides its values; keywords are never in small letters.
_STUDY, _URGENCY, _FOUND, _GROUP, _HOLIDAYS = "study", "urgency", "urgency_found", "group", "holidays"
_STUDIES = select(StudyDecision).where(
    StudyDecision.task == bindparam("task"), StudyDecision.study_uid.in_(bindparam("studies", expanding=True))
)


def _replacing(file: type[File], key: list[Any], *columns: str) -> ManyRows:
    statements = upserts(
        file,
        lambda insert: insert.on_conflict_do_update(index_elements=key, set_={it: insert.excluded[it] for it in columns}),
    )
    return ManyRows(statements)


_DECIDE = _replacing(
    StudyDecision,
    [StudyDecision.task, StudyDecision.study_uid],
    *("version", "fired_rules", "decided_rules", "decided_by"),
)
_KEY = [RuleDecision.image, RuleDecision.task]
#: Keeps a decision, that of an image which decided for its study and is evaluated again (True) with the facts that explain
#: the study.
_KEEP = {
    False: _replacing(RuleDecision, _KEY, "version", "evaluated_at", "facts", "fired", "queued", "decided_by"),
    True: _replacing(RuleDecision, _KEY, "fired", "queued"),
}
_NEWEST = (
    select(RuleDecision)
    .where(RuleDecision.image == bindparam("image_"))
    .order_by(RuleDecision.evaluated_at.desc(), RuleDecision.task.desc())
    .limit(1)
)
_OF_TASK = select(RuleDecision).where(RuleDecision.image == bindparam("image_"), RuleDecision.task == bindparam("task_"))


@dataclass(frozen=True, slots=True)
class DecidedStudy:
    """What was decided of a study: by which version of the rules, by the facts of which image (0 where nobody noted it)."""

    version: str
    memory: StudyMemory
    decided_by: int


@dataclass(frozen=True, slots=True)
class Queued:
    """An action, and how many entries it put into a queue."""

    action: Action
    entries: int

    def told(self) -> dict[str, Any]:
        """Give it as it is kept, but for the numbers of entries and of a prior study's images."""
        action = self.action
        facts = {"rule": action.rule, "verb": action.verb, "destination": action.name, "priority": action.priority}
        return facts if action.prior is None else {**facts, "prior": action.prior.study_uid}


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An image with what the rules of a version said of it and when; `rules` is how many they are."""

    image: KnownImage
    evaluation: Evaluation
    version: str
    rules: int
    moment: Moment
    decided_by: int
    holidays: frozenset[str]
    queued: tuple[Queued, ...] = ()

    @property
    def decided_itself_before(self) -> bool:
        """Tell whether this image decided for its study, and is evaluated once more."""
        return self.evaluation.cached and self.decided_by == self.image.facts.image

    def study_row(self, task: int, seconds: float) -> dict[str, Any]:
        """Give the row that the study's further images are judged by."""
        memory = self.evaluation.memory
        return {
            "task": task,
            "study_uid": self.image.facts.study_uid,
            "version": self.version,
            "fired_rules": json.dumps(sorted(memory.fired)),
            "decided_rules": "" if memory.decided is None else json.dumps(sorted(memory.decided)),
            "decided_by": self.decided_by,
            "decided_at": seconds,
        }

    def row(self, task: int) -> dict[str, Any]:
        """Give the row that explains the decision later."""
        at = to_fileman(self.moment.at)
        return {
            "image": self.image.facts.image,
            "task": task,
            "version": self.version,
            "evaluated_at": at,
            "facts": write_facts(self.image.facts, at[:7], self.holidays),
            "fired": json.dumps(list(self.evaluation.fired)),
            "queued": json.dumps(told_in_all(self.queued)),
            "decided_by": self.decided_by,
        }

    def event(self, task: int, seconds: float) -> Event:
        """Give the step in the image's story."""
        outcome = f"{len(self.evaluation.fired)} of {self.rules} rules fired"
        detail = f"{sum(one.entries for one in self.queued)} entries queued; rules {self.version}"
        return Event(self.image.uid, self.image.facts.image, "EVALUATE", seconds, f"task {task}", outcome, detail)


def told_in_all(queued: Iterable[Queued]) -> list[dict[str, Any]]:
    """Give what was queued as it is kept: the images of a prior study as one, of which there may be thousands for each image."""
    found: dict[str, dict[str, Any]] = {}
    for one in queued:
        told = one.told()
        line = found.setdefault(repr(told), {**told, "entries": 0})
        line["entries"] += one.entries
        if "prior" in told:
            line["images"] = line.get("images", 0) + 1
    return list(found.values())


def recall_studies(connection: Connection, task: int, studies: Iterable[str]) -> dict[str, DecidedStudy]:
    """Read what some studies were decided to in this task."""
    rows = connection.execute(_STUDIES, {"task": task, "studies": list(studies)}).mappings()
    return {row["study_uid"]: DecidedStudy(row["version"], memory_of(row), row["decided_by"]) for row in rows}


def memory_of(row: Any) -> StudyMemory:
    """Read a study's decision as judging remembers it."""
    decided = frozenset(json.loads(row["decided_rules"])) if row["decided_rules"] else None
    return StudyMemory(frozenset(json.loads(row["fired_rules"])), decided)


def write_decisions(connection: Connection, task: int, evaluated: Sequence[Evaluated], seconds: float) -> None:
    """Write decisions down so that they can be explained, and tell the images' stories, within the caller's transaction."""
    if not evaluated:
        return
    studies = {one.image.facts.study_uid: one for one in evaluated if one.image.facts.study_uid and not one.evaluation.cached}
    _DECIDE.write(connection, [one.study_row(task, seconds) for one in studies.values()])
    for again, keep in _KEEP.items():
        keep.write(connection, [one.row(task) for one in evaluated if one.decided_itself_before == again])
    record_events(connection, [one.event(task, seconds) for one in evaluated])


def write_facts(facts: ImageFacts, today: str, holidays: frozenset[str]) -> str:
    """Write facts as JSON, with the holidays among their dates and today: what the site calls a holiday changes later."""
    kept: dict[str, Any] = {_STUDY: facts.study_uid, _URGENCY: facts.urgency, _FOUND: facts.urgency_found, _GROUP: facts.group}
    if holidays and (met := holidays.intersection(_days(facts, today))):
        kept[_HOLIDAYS] = sorted(met)
    return json.dumps({**kept, **facts.values})


def _days(facts: ImageFacts, today: str) -> list[str]:
    return [today, *[value[:7] for values in facts.values.values() for value in values]]


def read_facts(image: int, text: str) -> tuple[ImageFacts, frozenset[str]]:
    """Read facts as they were kept, and the holidays among their dates."""
    kept: dict[str, Any] = json.loads(text)
    study, urgency = str(kept.pop(_STUDY, "")), str(kept.pop(_URGENCY, ""))
    found, group = bool(kept.pop(_FOUND, True)), int(kept.pop(_GROUP, 0))
    holidays = frozenset(kept.pop(_HOLIDAYS, ()))
    values = {keyword: tuple(str(value) for value in values) for keyword, values in kept.items()}
    return ImageFacts(image, study, values, urgency, urgency_found=found, group=group), holidays


def read_decision(connection: Connection, image: int, task: int | None = None) -> Any:
    """Read the newest decision about an image, or that of one task; None when there is none."""
    if task is None:
        return connection.execute(_NEWEST, {"image_": image}).mappings().first()
    return connection.execute(_OF_TASK, {"image_": image, "task_": task}).mappings().first()
