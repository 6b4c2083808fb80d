"""Rules are published, taken up between two images, gone back from; late images stay with what decided their study."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from fileman import SiteKey, Store, StoreFailed, apply_site, bump_site_version, next_iens, read_site_file, send_queue_lock
from fileman.files import (
    BackgroundQueue,
    BalanceDeal,
    DicomExportImage,
    EvaluatorLog,
    Exam,
    Holiday,
    Image,
    ImageHeader,
    RuleDecision,
    RulePublication,
    RuleVersion,
    SendQueue,
    StudyDecision,
)
from rules import RuleFileErrors
from rules.evaluator import ENTRY_POINT, Evaluator
from rules.evaluator import desk as desk_module
from rules.evaluator import task as evaluator_module
from rules.evaluator.explaining import NothingDecided, explain_image, why_not
from rules.evaluator.image_facts import KnownImage
from rules.evaluator.queueing import Copies, Object, Origin, Study, queue_all_copies, queue_objects
from rules.evaluator.task import rules_to_begin_with
from rules.evaluator.versions import (
    FILE,
    MOST_LISTED,
    Loaded,
    NoEarlierVersion,
    NothingPublished,
    UnknownVersion,
    compile_text,
    list_publications,
    load,
    publications,
    publish,
    read_version,
    roll_back,
    store_version,
)
from rules.judging.desk import PriorStudy
from runtime import FixedClock
from taskman import TaskContext, api, tasks
from taskman.worker import Worker
from tests.conftest import ORACLE_SITE
from tests.integration.rules.recorded_site import (
    IMAGES_OF_A_STUDY,
    complaints_about_versions,
    file_studies,
    fill_recorded_images,
    let_priors_be_found,
)
from tests.support.query_plans import statements_of
from tests.support.waiting import until

LOCATION = 660
FIRST = 10_000
A, B = "14;MAG(2005.2,", "15;MAG(2005.2,"
TO_A = 'send("ROUTE-DEST-A") when MODALITY=CR\n'
TO_B = 'rule "to b" send("ROUTE-DEST-B") when MODALITY=CR\n'
TO_NONE = 'send("ROUTE-DEST-B") when MODALITY=MR\n'
BALANCED = 'balance("ROUTE-DEST-A"=50%, "ROUTE-DEST-B"=50%) when MODALITY=CR\n'
ELEMENTS = ["1^ACTION^SEND", "1^ACTION^1^ROUTE-DEST-A"]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime.fromisoformat("2026-11-21T03:44:38"))


@pytest.fixture
def site(oracle_store: Store) -> Store:
    """Give the recorded site with five studies besides."""

    def fill(connection: Connection) -> None:
        fill_recorded_images(connection)
        file_studies(connection, FIRST, 5)

    oracle_store.transact(fill)
    return oracle_store


def stored(store: Store, text: str, semantics: str = "documented") -> Loaded:
    return store.transact(lambda it: load(it, store_version(it, text, FILE, semantics, "a test", 0.0)))


def published(store: Store, text: str, who: str = "MANAGER,IRIS") -> str:
    version = stored(store, text).id
    store.transact(lambda it: publish(it, LOCATION, version, who, 1.0))
    return version


def begin(store: Store, clock: FixedClock, rules: Sequence[str] = (), known: int = 0, task: int = 0) -> Evaluator:
    """Make an evaluator as its routine does, of a task with RULES that was started after `known` publications."""
    arguments = {"location": LOCATION, "rules": list(enumerate(rules, start=2)), "published": known}
    number = task or store.transact(lambda it: api.load(it, ENTRY_POINT, arguments, "a test", 9002, 0.0))
    loaded, sequence, _log = store.transact(lambda it: rules_to_begin_with(it, arguments, "a test", 0.0))
    return Evaluator(TaskContext(number, arguments, 9002, store, clock), LOCATION, loaded, sequence)


def queue(store: Store, *images: int) -> None:
    def add(connection: Connection) -> None:
        entry = {"queue": "EVAL", "duz": 9002, "requested": "3261121", "place": 1, "status": "NOT_PROCESSED"}
        numbers = next_iens(connection, "background_queue", len(images))
        rows = [{**entry, "ien": ien, "image": image} for ien, image in zip(numbers, images, strict=True)]
        connection.execute(insert(BackgroundQueue), rows)

    store.transact(add)


def destinations(store: Store) -> dict[int, set[str]]:
    """Give where each image was queued to."""
    found: dict[int, set[str]] = {}
    for image, destination in store.read(lambda it: it.execute(select(SendQueue.image, SendQueue.destination)).all()):
        found.setdefault(image, set()).add(destination)
    return found


def versions_of(store: Store) -> dict[int, str]:
    wanted = select(RuleDecision.image, RuleDecision.version)
    return {row.image: row.version for row in store.read(lambda it: it.execute(wanted).all())}


def log_of(store: Store, task: int) -> list[str]:
    wanted = select(EvaluatorLog.text).where(EvaluatorLog.task == task).order_by(EvaluatorLog.line)
    return list(store.read(lambda it: it.execute(wanted).scalars().all()))


def before_image(monkeypatch: pytest.MonkeyPatch, image: int, do: Callable[[], object]) -> None:
    """Do something just after the look that precedes an image, so that its effect is seen before the next."""
    know = evaluator_module.know_image

    def watched(rows: Any, *rest: Any) -> KnownImage:
        if rows.image.ien == image:
            do()
        return know(rows, *rest)

    monkeypatch.setattr(evaluator_module, "know_image", watched)


def work_off(evaluator: Evaluator) -> None:
    """Work the queue off as a run does, which looks for a stop and for other rules before each batch."""
    while not evaluator._stop_asked() and evaluator.work_off():
        pass


def test_published_rules_are_taken_up_between_two_images_of_a_batch_and_late_images_stay(
    site: Store, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = published(site, TO_A)
    evaluator = begin(site, clock)
    new = stored(site, TO_B).id
    before_image(monkeypatch, FIRST + 1, lambda: site.transact(lambda it: publish(it, LOCATION, new, "MANAGER,IRIS", 2.0)))
    queue(site, FIRST, FIRST + 1, FIRST + 2, FIRST + 5, FIRST + 7)  # 5 is of the study of 0, 7 of that of 2
    work_off(evaluator)
    assert versions_of(site) == {FIRST: old, FIRST + 1: old, FIRST + 2: new, FIRST + 5: old, FIRST + 7: new}
    assert destinations(site) == {FIRST: {A}, FIRST + 1: {A}, FIRST + 2: {B}, FIRST + 5: {A}, FIRST + 7: {B}}
    told = [line for line in log_of(site, evaluator.task.number) if "Do not" not in line]
    by = f"Sat 03:44 Rules {new} are used from here on, published by MANAGER,IRIS"
    assert told.index(by) == 2, "the log says it between the two images"
    assert complaints_about_versions(site, evaluator.task.number) == []


def test_a_late_image_follows_its_version_when_the_evaluator_was_begun_again(site: Store, clock: FixedClock) -> None:
    queue(site, FIRST)
    first = begin(site, clock, ELEMENTS)
    first.work_off()
    old, new = first.rules.id, published(site, TO_B)
    again = begin(site, clock, ELEMENTS, task=first.task.number)
    assert again.rules.id == new, "what was published since its START is newer"
    queue(site, FIRST + 5, FIRST + 1)
    again.work_off()
    assert versions_of(site) == {FIRST: old, FIRST + 5: old, FIRST + 1: new}
    assert destinations(site) == {FIRST: {A}, FIRST + 5: {A}, FIRST + 1: {B}}


def test_a_start_with_rules_goes_by_them_until_something_newer_is_published(site: Store, clock: FixedClock) -> None:
    published(site, TO_B)
    known = site.read(lambda it: publications(it, LOCATION))
    evaluator = begin(site, clock, ELEMENTS, known)
    queue(site, FIRST)
    evaluator.work_off()
    new = published(site, TO_NONE)
    assert not evaluator._stop_asked()
    queue(site, FIRST + 1)
    evaluator.work_off()
    assert destinations(site) == {FIRST: {A}}
    assert versions_of(site)[FIRST + 1] == new


def test_rules_of_another_location_are_not_taken_up(site: Store, clock: FixedClock) -> None:
    evaluator = begin(site, clock, ELEMENTS)
    other = stored(site, TO_B).id
    site.transact(lambda it: publish(it, 688, other, "MANAGER,IRIS", 1.0))
    assert not evaluator._stop_asked()
    assert evaluator.rules.id != other


def test_going_back_publishes_an_earlier_version_again(site: Store) -> None:
    old, new = published(site, TO_A), published(site, TO_B)
    back = site.transact(lambda it: roll_back(it, LOCATION, "", "MANAGER,IRIS", 3.0))
    assert (back.version, back.sequence, back.note) == (old, 3, f"back from {new}")
    assert site.transact(lambda it: roll_back(it, LOCATION, new[:6], "MANAGER,IRIS", 4.0)).version == new
    assert [it.version for it in site.read(lambda it: list_publications(it, LOCATION))] == [new, old, new, old]
    with pytest.raises(NoEarlierVersion):
        site.transact(lambda it: roll_back(it, LOCATION, new, "MANAGER,IRIS", 5.0))
    never = stored(site, TO_NONE).id
    with pytest.raises(UnknownVersion, match="never had"):
        site.transact(lambda it: roll_back(it, LOCATION, never, "MANAGER,IRIS", 5.0))
    with pytest.raises(NothingPublished):
        site.transact(lambda it: roll_back(it, 688, "", "MANAGER,IRIS", 5.0))


def test_a_version_is_kept_once_and_found_by_how_its_name_begins(site: Store) -> None:
    version = stored(site, TO_A).id
    assert stored(site, TO_A).id == version
    assert site.read(lambda it: read_version(it, version[:4].upper())).text == TO_A
    assert stored(site, TO_A, "vista").id != version, "the semantics decides, too"
    for name in ("", version[:3], "zzzz"):
        with pytest.raises(UnknownVersion):
            site.read(lambda it, name=name: read_version(it, name))


def test_any_version_that_a_location_ever_had_is_gone_back_to(site: Store) -> None:
    first, second = published(site, TO_A), published(site, TO_B)
    same = {"location": LOCATION, "version": second, "published_at": 2.0, "published_by": "MANAGER,IRIS", "note": ""}
    more = [{**same, "sequence": number} for number in range(3, MOST_LISTED + 4)]
    site.transact(lambda it: it.execute(insert(RulePublication), more))
    for wanted in ("", second, first):  # that before the current ones, those, and the first by its name
        back = site.transact(lambda it, wanted=wanted: roll_back(it, LOCATION, wanted, "MANAGER,IRIS", 3.0))
        assert back.version == (wanted or first)


@pytest.fixture
def plain_site(tmp_path: Path, site_key: SiteKey, clock: FixedClock) -> Iterator[Store]:
    """Give the recorded site on SQLite, whose plans a test reads."""
    store = Store(f"sqlite:///{tmp_path / 'magbroker.db'}")
    store.transact(lambda it: apply_site(it, read_site_file(ORACLE_SITE), site_key, clock.now()))
    store.transact(fill_recorded_images)
    store.transact(let_priors_be_found)
    store.transact(lambda it: file_studies(it, FIRST, 5))
    yield store
    store.close()


#: Scans of no more than a row.
OF_ONE_ROW = ("SCAN CONSTANT ROW", "SCAN site_version")


def scans_of(plans: dict[str, list[str]]) -> dict[str, list[str]]:
    """Give the statements that read a whole file."""
    return {text: steps for text, steps in plans.items() if any(it.startswith("SCAN ") and it not in OF_ONE_ROW for it in steps)}


def test_going_back_uses_an_index(plain_site: Store) -> None:
    old, new = published(plain_site, TO_A), published(plain_site, TO_B)
    with statements_of(plain_site) as statements:
        plain_site.transact(lambda it: roll_back(it, LOCATION, "", "MANAGER,IRIS", 3.0))
        plain_site.transact(lambda it: roll_back(it, LOCATION, new[:4], "MANAGER,IRIS", 4.0))
        plain_site.read(lambda it: read_version(it, old[:4]))
    plans = statements.plans(plain_site)
    assert any("rule_publication" in text for text in plans)
    assert scans_of(plans) == {}


def test_taking_rules_up_balances_priors_headers_and_explaining_use_indexes(plain_site: Store, clock: FixedClock) -> None:
    published(plain_site, TO_A)
    evaluator = begin(plain_site, clock)
    queue(plain_site, FIRST)
    work_off(evaluator)
    published(plain_site, f'{BALANCED}send("ROUTE-DEST-A") when CALLED_AE_TITLE!=X or MODALITY=CR priorstudy YES\n')
    queue(plain_site, 2, FIRST + 1, FIRST + 5)
    with statements_of(plain_site) as statements:
        evaluator._rest()
        work_off(evaluator)
        plain_site.read(lambda it: explain_image(it, FIRST + 5))
    plans = statements.plans(plain_site)
    for file in ("rule_publication", "balance_deck", "balance_deal", "balance_mark", "image_header", "exam", "rule_decision"):
        assert any(file in text for text in plans), file
    assert scans_of(plans) == {}


def test_rules_with_errors_have_no_version() -> None:
    with pytest.raises(RuleFileErrors):
        compile_text('send("A") whne MODALITY=CR', FILE, "documented")


def test_rules_that_are_no_longer_understood_leave_the_evaluator_with_its_own(site: Store, clock: FixedClock) -> None:
    evaluator = begin(site, clock, ELEMENTS)
    before = evaluator.rules.id
    broken = published(site, TO_B)
    site.transact(lambda it: it.execute(update(RuleVersion).where(RuleVersion.id == broken).values(text="send(")))
    assert not evaluator._stop_asked()
    assert evaluator.rules.id == before
    assert f"*** Rules {broken} cannot be used" in log_of(site, evaluator.task.number)[-1]
    assert not evaluator._stop_asked()
    assert len(log_of(site, evaluator.task.number)) == 1, "it is said once"


def test_published_rules_are_taken_up_although_the_database_was_away_just_then(
    site: Store, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluator = begin(site, clock, ELEMENTS)
    assert not evaluator._stop_asked()
    new = published(site, TO_B)
    fail_once(monkeypatch, evaluator_module, "current_version")
    with pytest.raises(StoreFailed):
        evaluator._stop_asked()
    assert not evaluator._stop_asked()
    assert evaluator.rules.id == new


def fail_once(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
    """Let a function meet a database that is away, the first time."""
    times, does = iter([True]), getattr(module, name)

    def fail(*arguments: Any, **named: Any) -> Any:
        if next(times, None):
            raise StoreFailed("the database is away")
        return does(*arguments, **named)

    monkeypatch.setattr(module, name, fail)


def test_a_database_that_goes_away_while_a_batch_is_judged_blames_no_image(
    site: Store, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(site, BALANCED)
    evaluator = begin(site, clock)
    queue(site, FIRST, FIRST + 1)
    times, know = iter([False, True]), evaluator_module.know_image

    def fail(*arguments: Any) -> KnownImage:
        if next(times, None):
            raise StoreFailed("the database is away")
        return know(*arguments)

    monkeypatch.setattr(evaluator_module, "know_image", fail)
    with pytest.raises(StoreFailed):
        evaluator.work_off()
    left = site.read(lambda it: it.execute(select(BackgroundQueue.status)).scalars().all())
    assert list(left) == ["NOT_PROCESSED", "NOT_PROCESSED"]
    assert evaluator.work_off() == 2
    decided = site.read(
        lambda it: it.execute(select(StudyDecision.decided_by).order_by(StudyDecision.decided_by)).scalars().all()
    )
    assert list(decided) == [FIRST, FIRST + 1], "what was judged and not written is judged anew"
    went = destinations(site)
    assert went[FIRST] != went[FIRST + 1], "no card was lost"


def test_a_late_image_whose_version_cannot_be_read_any_more_is_decided_anew(site: Store, clock: FixedClock) -> None:
    old = published(site, TO_A)
    queue(site, FIRST, FIRST + 1)
    begin(site, clock).work_off()
    number = site.read(lambda it: it.execute(select(RuleDecision.task)).scalars().first())
    new = published(site, TO_B)
    site.transact(lambda it: it.execute(update(RuleVersion).where(RuleVersion.id == old).values(text="send(")))
    compile_text.cache_clear()
    queue(site, FIRST + 5)
    begin(site, clock, task=number or 0).work_off()
    assert versions_of(site) == {FIRST: old, FIRST + 1: old, FIRST + 5: new}
    assert destinations(site)[FIRST + 5] == {B}
    queue(site, FIRST + 10)
    begin(site, clock, task=number or 0).work_off()
    assert site.read(lambda it: explain_image(it, FIRST + 10)).decided_by == FIRST + 5
    assert "not understood any more" in site.read(lambda it: explain_image(it, FIRST + 1)).unexplained
    assert site.read(lambda it: why_not(it, FIRST + 1))


def test_balances_go_on_under_other_rules_and_another_task(site: Store, clock: FixedClock) -> None:
    published(site, BALANCED)
    queue(site, FIRST)
    begin(site, clock).work_off()
    published(site, BALANCED + TO_NONE)
    queue(site, FIRST + 1, FIRST + 5)
    begin(site, clock).work_off()
    went = destinations(site)
    assert went[FIRST] != went[FIRST + 1], "the second study gets the next card"
    assert went[FIRST + 5] == went[FIRST], "a late image goes where its study went"
    assert len(site.read(lambda it: it.execute(select(BalanceDeal)).all())) == 2


def test_a_refused_batch_deals_its_cards_again(site: Store, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    published(site, BALANCED)
    evaluator = begin(site, clock)
    queue(site, FIRST)
    refusals, transact = iter([True]), Store.transact

    def refuse(store: Store, work: Callable[[Connection], Any]) -> Any:
        if next(refusals, None):
            raise StoreFailed
        return transact(store, work)

    monkeypatch.setattr(Store, "transact", refuse)
    with pytest.raises(StoreFailed):
        evaluator.work_off()
    assert evaluator.work_off() == 1
    queue(site, FIRST + 1)
    evaluator.work_off()
    went = destinations(site)
    assert went[FIRST] != went[FIRST + 1], "no card was lost"


def test_an_explanation_is_of_what_was_known_then(site: Store, clock: FixedClock) -> None:
    set_holidays(site, "3261121")
    version = published(site, 'send("ROUTE-DEST-A") when MODALITY=CR NOW={HOL 00:00 to 23:59}\n' + TO_NONE)
    evaluator = begin(site, clock)
    queue(site, FIRST)
    evaluator.work_off()
    set_holidays(site)
    site.transact(lambda it: it.execute(update(Image).where(Image.ien == FIRST).values(procedure="US")))
    clock.advance(86400 * 3)
    queue(site, FIRST + 5, FIRST)
    evaluator.work_off()
    for image in (FIRST, FIRST + 5):
        told = site.read(lambda it, image=image: explain_image(it, image))
        assert (told.version, told.decided_by, told.decided_at) == (version, FIRST, "3261121.034438")
        assert told.fired == (1,)
        assert [rule.matched for rule in told.rules] == [True, False]
        assert [(it.keyword, it.actual, it.result) for it in told.rules[1].conditions] == [("MODALITY", ("CR",), False)]
    assert told.queued[0]["destination"] == "ROUTE-DEST-A"
    assert told == site.read(lambda it: explain_image(it, FIRST + 5)), "the same each time"


def set_holidays(store: Store, *days: str) -> None:
    def change(connection: Connection) -> None:
        connection.execute(delete(Holiday))
        for day in days:
            connection.execute(insert(Holiday).values(date=day, name="TEST HOLIDAY"))
        bump_site_version(connection)

    store.transact(change)


def test_what_cannot_be_explained_any_more_says_why(site: Store, clock: FixedClock) -> None:
    published(site, TO_NONE)
    queue(site, FIRST, FIRST + 5)
    begin(site, clock).work_off()
    assert "MODALITY" in site.read(lambda it: why_not(it, FIRST))
    site.transact(lambda it: it.execute(delete(RuleDecision).where(RuleDecision.image == FIRST)))
    assert f"Image {FIRST} decided" in site.read(lambda it: explain_image(it, FIRST + 5)).unexplained
    with pytest.raises(NothingDecided):
        site.read(lambda it: explain_image(it, FIRST))


def test_a_study_is_one_row_whatever_the_number_of_rules(site: Store, clock: FixedClock) -> None:
    published(site, TO_NONE * 300 + TO_A)
    queue(site, FIRST, FIRST + 5)
    begin(site, clock).work_off()
    (row,) = site.read(lambda it: it.execute(select(StudyDecision)).mappings().all())
    assert (row["fired_rules"], row["decided_rules"], row["decided_by"]) == ("[301]", "", FIRST)


def test_elements_in_sequences_and_ae_titles_are_looked_up_in_the_header(site: Store, clock: FixedClock) -> None:
    sequence = "0040,0275>{}>0040,0007"
    elements = {
        "0002,0017": {"vr": "AE", "values": ["CT1"]},
        sequence.format(1): {"vr": "LO", "values": ["HEAD"]},
        sequence.format(2): {"vr": "LO", "values": ["ACUTE STROKE"]},
        "0018,0015": {"vr": "CS", "values": ["CHEST"]},
    }
    uid = select(Image.uid).where(Image.ien == FIRST).scalar_subquery()
    header = insert(ImageHeader).values(uid=uid, image=FIRST, elements=json.dumps(elements))
    site.transact(lambda it: it.execute(header))
    conditions = 'CALLING_AE_TITLE="CT1" (0040,0275)>(0040,0007)="*STROKE*" BodyPartExamined=CHEST'
    published(site, f'send("ROUTE-DEST-A") when {conditions}\n')
    queue(site, FIRST, FIRST + 1)
    begin(site, clock).work_off()
    assert destinations(site) == {FIRST: {A}}
    told = site.read(lambda it: explain_image(it, FIRST))
    assert told.rules[0].conditions[1].actual == ("HEAD", "ACUTE STROKE")
    undefined = site.read(lambda it: explain_image(it, FIRST + 1)).rules[0].conditions
    assert [it.result for it in undefined] == [None, None, None]


def test_the_newest_earlier_exam_of_the_patient_goes_along(site: Store, clock: FixedClock) -> None:
    published(site, 'send("ROUTE-DEST-A") when MODALITY=CR priorstudy YES\n')
    site.transact(let_priors_be_found)
    queue(site, 2)
    evaluator = begin(site, clock)
    evaluator.work_off()
    assert destinations(site) == {2: {A}, 9: {A}, 10: {A}}
    own, priors = site.read(lambda it: explain_image(it, 2)).queued
    assert (own["entries"], priors["images"], priors["entries"]) == (4, 2, 8), "a prior study is told as one"
    site.transact(lambda it: it.execute(update(Exam).where(Exam.exam_date < "3240101").values(exam_date="3180101")))
    queue(site, FIRST)
    evaluator.work_off()
    assert FIRST in destinations(site)
    assert set(destinations(site)) == {2, 9, 10, FIRST}, "1,800 days ago is too long"


def test_a_batch_ends_after_so_many_images_of_prior_studies(
    site: Store, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior = PriorStudy(99_999, "9.9", "010123-90", tuple(range(100_000, 100_000 + evaluator_module.MOST_ACTIONS)))
    monkeypatch.setattr(desk_module, "prior_studies", lambda _connection, _image: (prior,))
    published(site, 'dicom("PACS-ARCHIVE") when MODALITY=CR priorstudy YES\n')
    evaluator = begin(site, clock)
    queue(site, FIRST, FIRST + 1, FIRST + 2)
    assert [evaluator.work_off() for _ in range(4)] == [1, 1, 1, 0]
    exported = site.read(lambda it: it.execute(select(DicomExportImage.image)).scalars().all())
    assert set(exported) == {FIRST, FIRST + 1, FIRST + 2, *prior.images}


def test_thousands_of_images_are_queued_in_one_transaction(site: Store) -> None:
    many = 33_000 if site.sqlite else 3_000  # more than the parameters of a statement on SQLite
    images, origin = range(100_000, 100_000 + many), Origin(LOCATION, "3261121", 0.0)
    copies, study = Copies(14, 500, ("FULL",)), Study("PACS-ARCHIVE", 99_999, "9.9", 500)

    def queue_all(connection: Connection) -> tuple[int, int]:
        entries = queue_all_copies(connection, [(image, copies) for image in images], origin)
        objects = queue_objects(connection, [Object(image, study, "010123-90") for image in images], origin)
        return sum(map(len, entries)), sum(objects)

    assert site.transact(queue_all) == (many, many)
    assert site.transact(queue_all) == (0, 0), "what waits is not queued again"


def test_images_of_the_send_queue_take_fewer_locks_than_a_server_has() -> None:
    locks = {send_queue_lock(image) for image in range(100_000)}
    assert len(locks) < 64 * 100, "PostgreSQL's max_locks_per_transaction and max_connections as they come"


def test_rules_published_while_images_stream_through_lose_none(site: Store) -> None:
    check_stream(site, studies=30, changes=6)


def check_stream(store: Store, studies: int, changes: int) -> None:
    """Let images stream through an evaluator while rules are published; each is judged once, by what decided its study."""
    texts = [TO_A, TO_B]
    published(store, texts[0])
    filed = store.transact(lambda it: file_studies(it, FIRST * 2, studies))
    images = sorted(filed, key=lambda it: (it - filed[0]) % studies + 2 * ((it - filed[0]) // studies))  # studies overlap
    number = store.transact(lambda it: api.load(it, ENTRY_POINT, {"location": LOCATION, "rules": []}, "a test", 9002, 0.0))
    clock = FixedClock(datetime.fromisoformat("2026-11-21T03:44:38"))
    worker = Worker(store, clock, "here")
    store.transact(lambda it: tasks.reserve_due(it, "here", 1, 1.0))
    thread = threading.Thread(target=worker.run, args=(number, 1))
    thread.start()
    part = len(images) // (changes + 1) + 1
    for turn, at in enumerate(range(0, len(images), part)):
        queue(store, *images[at : at + part])
        until(lambda at=at: len(versions_of(store)) >= at, "the evaluator goes on")
        published(store, f"# {turn}\n{texts[turn % 2]}")
    until(lambda: len(versions_of(store)) == len(images), "every image is judged", seconds=120)
    store.transact(lambda it: api.askstop(it, number, 0.0))
    thread.join(30)
    assert not thread.is_alive()
    went, by = destinations(store), versions_of(store)
    assert len(set(by.values())) > 2, "several versions decided"
    for image in images:
        text = store.read(lambda it, version=by[image]: read_version(it, version)).text
        assert went[image] == ({A} if "ROUTE-DEST-A" in text else {B}), image
    assert complaints_about_versions(store, number) == []
    assert len(images) == studies * IMAGES_OF_A_STUDY
