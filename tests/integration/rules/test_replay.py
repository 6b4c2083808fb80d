"""A replay counts what a real evaluator did, and what other rules would gain and lose; nothing is queued by it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select, update

from console.trial_site import site_of_store
from fileman import Store, next_ien, to_fileman
from fileman.files import BackgroundQueue, DicomExport, DicomExportImage, Image, ImageHeader, RuleDecision, SendQueue
from rules.evaluator import Evaluator
from rules.evaluator.image_facts import elements_of
from rules.evaluator.versions import FILE, load, store_version
from rules.trials import Report, Side, replay, rules_of_text, stored_images, window_of
from rules.trials.ledger import IN_MEMORY
from rules.trials.stored import Reader, count_images
from runtime import FixedClock
from taskman import TaskContext, api
from tests.integration.rules.recorded_site import fill_recorded_images

LOCATION, FIRST, STUDIES, PER_STUDY = 660, 1000, 24, 3
BEGAN = datetime.fromisoformat("2026-11-17T08:00")  # a Tuesday; the evaluator runs on the Saturday after
MODALITIES = ("CR", "CT", "US")
RULES = """
send("ROUTE-DEST-A") when MODALITY=CR NOW={SAT 00:00 to 23:59}
dicom("PACS-ARCHIVE") when MODALITY in (CT, US) priority HIGH
balance("ROUTE-DEST-A"=40%, "ROUTE-DEST-B"=60%) when MODALITY=CT
send("ROUTE-NOFLAGS") when MODALITY=CR
send("ROUTE-DEST-B") when PACS_UID="*.1.1" or BodyPartExamined=CHEST
"""
OTHERS = """
send("ROUTE-DEST-A") when MODALITY=CR
dicom("WORKSTATION-1") when MODALITY=US
"""
SINCE = "2026-11-17"


def group_of(study: int) -> int:
    return FIRST + study * (PER_STUDY + 1)


def images_of(study: int) -> list[int]:
    return [group_of(study) + number for number in range(1, PER_STUDY + 1)]


def fill(connection: Connection) -> None:
    """File studies of three images each, a minute apart; the first of every other study has a chest."""
    fill_recorded_images(connection)
    connection.execute(update(Image).values(saved_at="3250101"))  # out of the window
    rows = select(*Image.__table__.columns).where(Image.ien.in_([1, 2])).order_by(Image.ien)
    group, image = connection.execute(rows).mappings().all()
    for study in range(STUDIES):
        at, modality = to_fileman(BEGAN + timedelta(minutes=study)), MODALITIES[study % len(MODALITIES)]
        parent, uid = group_of(study), f"1.9.{study}"
        connection.execute(insert(Image).values({**group, "ien": parent, "uid": uid, "saved_at": at}))
        for number, ien in enumerate(images_of(study), start=1):
            own = {"ien": ien, "parent": parent, "uid": f"{uid}.{study % 2}.{number}", "procedure": modality, "saved_at": at}
            connection.execute(insert(Image).values({**image, **own}))
            header = {"0018,0015": {"vr": "CS", "values": ["CHEST" if number == 1 and study % 4 == 0 else "HEAD"]}}
            connection.execute(insert(ImageHeader).values(uid=own["uid"], image=ien, elements=json.dumps(header)))


@pytest.fixture
def site(oracle_store: Store) -> Store:
    oracle_store.transact(fill)
    return oracle_store


def evaluate(store: Store, rules: str, images: Sequence[int]) -> None:
    """Let a real evaluator judge images, on a Saturday, a second apart."""

    def add(connection: Connection) -> int:
        for image in images:
            values = {"queue": "EVAL", "duz": 9002, "requested": "3261121", "image": image, "place": 1}
            connection.execute(insert(BackgroundQueue).values(ien=next_ien(connection, "background_queue"), **values))
        return api.load(connection, "EVAL^MAGBRTE4", {"location": LOCATION, "rules": []}, "a test", 9002, 0.0)

    task = store.transact(add)
    version = store.transact(lambda connection: store_version(connection, rules, FILE, "documented", "a test", 0.0))
    loaded = store.read(lambda connection: load(connection, version))
    clock = FixedClock(datetime.fromisoformat("2026-11-21T03:44:38"))
    evaluator = Evaluator(TaskContext(task, {}, 9002, store, clock), LOCATION, loaded)
    while evaluator.work_off():
        clock.moment += timedelta(seconds=1)


def run(
    store: Store, rules: str, since: str = SINCE, until: str = "", against: str | None = None, in_memory: int = IN_MEMORY
) -> Report:
    """Replay rules over what is stored."""
    site, window = site_of_store(store, LOCATION), window_of(since, until, None)
    sides = [
        Side(rules_of_text(text, "documented").compiled, site.places, at) for at, text in enumerate((rules, against)) if text
    ]
    asked = elements_of(rule for side in sides for rule in side.compiled.rules)
    return replay(stored_images(store, window, Reader(site.names, LOCATION, asked)), window, *sides, in_memory=in_memory)


def all_images() -> list[int]:
    return [image for study in range(STUDIES) for image in images_of(study)]


def really_sent(store: Store) -> dict[str, set[int]]:
    """Tell which images the queues hold for which destination."""
    names = {"14;MAG(2005.2,": "SEND ROUTE-DEST-A", "15;MAG(2005.2,": "SEND ROUTE-DEST-B"}
    found: dict[str, set[int]] = {}
    for destination, image in store.read(
        lambda connection: connection.execute(select(SendQueue.destination, SendQueue.image)).all()
    ):
        found.setdefault(names[destination], set()).add(image)
    exports = select(DicomExport.application, DicomExportImage.image).join(DicomExportImage)
    for application, image in store.read(lambda connection: connection.execute(exports).all()):
        found.setdefault(f"DICOM {application}", set()).add(image)
    return found


def counts(store: Store) -> list[int]:
    tables: list[Any] = [SendQueue, DicomExportImage, RuleDecision, BackgroundQueue]
    return store.read(lambda connection: [connection.execute(select(func.count()).select_from(it)).scalar_one() for it in tables])


def test_the_counts_are_those_of_the_real_run(site: Store) -> None:
    evaluate(site, RULES, all_images())
    before, report = counts(site), run(site, RULES)
    sent = really_sent(site)
    assert {line.destination: line.images for line in report.lines} == {name: len(images) for name, images in sent.items()}
    studies = {name: {(image - FIRST) // (PER_STUDY + 1) for image in images} for name, images in sent.items()}
    assert {line.destination: line.studies for line in report.lines} == {name: len(those) for name, those in studies.items()}
    assert set(sent) == {"SEND ROUTE-DEST-A", "SEND ROUTE-DEST-B", "DICOM PACS-ARCHIVE"}
    for line in report.lines:
        assert (line.images_gained, line.images_lost, line.studies_gained, line.studies_lost) == (0, 0, 0, 0)
    assert (report.images, report.studies, report.undecided, report.begun_before) == (STUDIES * PER_STUDY, STUDIES, 0, 0)
    assert counts(site) == before


def test_other_rules_gain_and_lose_against_what_happened(site: Store) -> None:
    evaluate(site, RULES, all_images())
    lines = {line.destination: line for line in run(site, OTHERS).lines}
    of_modality = STUDIES // len(MODALITIES)
    lost = lines["DICOM PACS-ARCHIVE"]
    assert (lost.images, lost.studies_lost, lost.images_lost) == (0, 2 * of_modality, 2 * of_modality * PER_STUDY)
    gained = lines["DICOM WORKSTATION-1"]
    assert (gained.images, gained.images_gained, gained.studies_gained) == (of_modality * PER_STUDY,) * 2 + (of_modality,)
    both = lines["SEND ROUTE-DEST-A"]
    assert (both.images, both.images_gained) == (of_modality * PER_STUDY, 0)
    assert both.images_lost > 0  # what BALANCE had dealt there


def test_two_files_are_compared_without_what_happened(site: Store) -> None:
    evaluate(site, RULES, all_images()[:30])
    one, two = run(site, RULES, against=OTHERS), run(site, OTHERS, against=RULES)
    assert one.against == "other rules"
    assert one.undecided == 0
    left = {line.destination: (line.images_gained, line.studies_gained) for line in one.lines}
    right = {line.destination: (line.images_lost, line.studies_lost) for line in two.lines}
    assert left == right
    assert any(images for images, _studies in left.values())


def test_images_that_were_never_judged_went_nowhere_and_are_told(site: Store) -> None:
    report = run(site, OTHERS)
    assert report.undecided == report.images == STUDIES * PER_STUDY
    assert all(line.images == line.images_gained > 0 for line in report.lines)


def test_a_study_that_began_before_is_decided_by_its_first_image_inside(site: Store) -> None:
    rules = 'send("ROUTE-DEST-B") when PACS_UID="*.1"'
    second = images_of(0)[1]
    later = {"saved_at": "3261118.08"}
    site.transact(lambda connection: connection.execute(update(Image).where(Image.ien == second).values(**later)))
    whole, edge = run(site, rules), run(site, rules, "2026-11-18")
    assert (edge.images, edge.studies, edge.begun_before) == (1, 1, 1)
    assert edge.lines == []
    assert (whole.lines[0].studies, whole.begun_before) == (STUDIES, 0)
    assert whole.lines[0].images == STUDIES * PER_STUDY


def test_a_window_ends_after_its_last_day(site: Store) -> None:
    assert run(site, OTHERS, "2026-11-17", "2026-11-17").images == STUDIES * PER_STUDY
    assert run(site, OTHERS, "3261117", "3261117.0805").images == 5 * PER_STUDY
    window = window_of("3261117.0805", "", LOCATION)
    assert count_images(site, window) == (STUDIES - 5) * PER_STUDY


def test_images_without_a_file_are_told_apart(site: Store) -> None:
    site.transact(lambda connection: connection.execute(update(Image).where(Image.ien == images_of(0)[0]).values(file_ref="")))
    report = run(site, OTHERS)
    assert (report.fileless, report.images) == (1, STUDIES * PER_STUDY)


def test_studies_that_do_not_fit_into_memory_are_remembered(site: Store) -> None:
    evaluate(site, RULES, all_images())
    expected = run(site, RULES)

    def scatter(connection: Connection) -> None:
        """Let the images of studies lie apart: the first ones of all, then the second ones."""
        for study in range(STUDIES):
            for number, image in enumerate(images_of(study)):
                new = 5000 + number * 100 + study
                connection.execute(update(RuleDecision).where(RuleDecision.image == image).values(image=new))
                connection.execute(update(Image).where(Image.ien == image).values(ien=new))

    site.transact(scatter)
    report = run(site, RULES, in_memory=2)
    assert [(line.destination, line.images, line.studies) for line in report.lines] == [
        (line.destination, line.images, line.studies) for line in expected.lines
    ]
