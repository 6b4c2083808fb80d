"""A gateway asks for images that are not in store: they come back, an operator is asked, or it hears why they cannot."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from fileman import SiteKey, Store, hashed_directories
from fileman.files import BackgroundQueue, Image, LongTermFault, NetworkLocation, OperatorRequest, QueuePointer, Recall, Task
from rpcs import recall
from rpcs.actions import ACTIONS, Act, BadRequest, Caller, NotAllowed, NotFound, RefusedAction, perform
from runtime import FixedClock
from tests.integration.rpcs.queues import Routing, run_routing
from tests.integration.system.archive_site import RECALL
from tests.integration.system.conftest import Site
from tests.support.query_plans import statements_of
from tests.support.waiting import until

RAID, JUKEBOX = 10, 11
#: Recorded images that the tests take.
ONE, TWO, THREE = 2, 3, 5


@pytest.fixture
def routing(oracle_store: Store, site_key: SiteKey, clock: FixedClock) -> Iterator[Routing]:
    with run_routing(oracle_store, site_key, clock) as routing:
        for image in (ONE, TWO, THREE):
            released(routing, image)
        routing.set_location(JUKEBOX, label="PLATTER-0001")
        yield routing


@pytest.fixture
def site(routing: Routing, tmp_path: Path) -> Site:
    """Give the site with its folders, as TaskMan sees it; each image's file lies on the jukebox."""
    for image in (ONE, TWO, THREE):
        file = tmp_path / "var" / "WORMOTG1" / name_of(image)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(f"image {image}".encode())
    return Site(routing.store, routing.clock, tmp_path)


def name_of(image: int) -> str:
    return f"SLC0{image:010d}.DCM"


def released(routing: Routing, image: int) -> None:
    set_image(
        routing, image, file_ref=name_of(image), location=None, big_location=None, big_extension="", jukebox_location=JUKEBOX
    )


def set_image(routing: Routing, image: int, **values: Any) -> None:
    routing.store.transact(lambda connection: connection.execute(update(Image).where(Image.ien == image).values(values)))


def ask(routing: Routing, *images: Any, who: str = "DQRY", wait: str = "") -> list[Any]:
    text = json.dumps({"images": list(images), "for": who})
    return [json.loads(line) for line in routing.client.call("MAGB RECALL", [text[:10], text[10:]], wait).lines]


def act(routing: Routing, name: str, caller: Caller | None = None, **asked: Any) -> Any:
    """Have the owner of the data directory do something."""
    request = {key.upper(): str(text) for key, text in asked.items()}
    owner = caller or Caller(0, "OWNER", owner=True)
    return routing.store.transact(
        lambda connection: perform(ACTIONS[f"MAGB ARCHIVE {name}"], Act(connection, owner, routing.clock, request)).value
    )


def waiting(routing: Routing) -> list[tuple[int, str, str]]:
    return [tuple(row) for row in routing.all(select(Recall.image, Recall.state, Recall.asked_by).order_by(Recall.image))]


def runs(routing: Routing) -> int:
    return int(routing.all(select(func.count()).select_from(Task).where(Task.option == RECALL))[0][0])


def test_an_image_that_is_in_store_is_told_with_its_path(routing: Routing) -> None:
    set_image(routing, ONE, location=RAID)
    directories = "\\".join(hashed_directories(name_of(ONE)))
    assert ask(routing, ONE) == [[ONE, "INSTORE", f"\\\\SLC-IMG1\\IMAGE1$\\{directories}\\{name_of(ONE)}", ""]]
    assert waiting(routing) == []
    assert runs(routing) == 0


def test_near_line_images_come_back_when_they_are_asked_for(routing: Routing, site: Site) -> None:
    assert ask(routing, TWO, ONE) == [[TWO, "WAITING", "", ""], [ONE, "WAITING", "", ""]]
    assert waiting(routing) == [(ONE, "WAITING", "DQRY"), (TWO, "WAITING", "DQRY")]
    assert site.run(RECALL).said == "2 images are back"
    (first, second) = ask(routing, TWO, ONE)
    assert (first[1], second[1]) == ("INSTORE", "INSTORE")
    assert first[2].endswith(name_of(TWO))


def test_who_asks_for_what_is_waited_for_joins_and_keeps_its_place(routing: Routing, clock: FixedClock) -> None:
    ask(routing, ONE, who="FIRST")
    clock.advance(5)
    ask(routing, ONE, TWO, who="SECOND")
    assert waiting(routing) == [(ONE, "WAITING", "FIRST"), (TWO, "WAITING", "SECOND")]
    order = routing.all(select(Recall.image).order_by(Recall.asked_at, Recall.image))
    assert [row.image for row in order] == [ONE, TWO]


def test_a_run_is_queued_once_however_often_is_asked(routing: Routing) -> None:
    for _ in range(3):
        ask(routing, ONE)
    ask(routing, TWO)
    assert runs(routing) == 1


def test_an_answer_waits_until_an_image_comes_back(routing: Routing, site: Site) -> None:
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.extend(ask(routing, ONE, wait="60")))
    asking.start()
    until(lambda: waiting(routing) != [])
    assert answers == []
    site.run(RECALL)
    asking.join(30)
    assert [answer[:2] for answer in answers] == [[ONE, "INSTORE"]]


def test_an_image_on_a_medium_that_is_off_line_has_an_operator_asked_once(routing: Routing, clock: FixedClock) -> None:
    routing.set_location(JUKEBOX, online=False)
    assert ask(routing, ONE, TWO, who="FIRST") == [[ONE, "OFFLINE", "", "PLATTER-0001"], [TWO, "OFFLINE", "", "PLATTER-0001"]]
    clock.advance(60)
    ask(routing, TWO, THREE, who="SECOND")
    ((request),) = act(routing, "REQUESTS")["requests"]
    assert (request["label"], request["asked_by"], request["images"]) == ("PLATTER-0001", "FIRST", 3)
    assert runs(routing) == 0, "nothing can be done"


def test_a_medium_that_is_mounted_closes_its_request_and_what_waits_comes_back(routing: Routing, site: Site) -> None:
    routing.set_location(JUKEBOX, online=False)
    ask(routing, ONE)
    assert act(routing, "MOUNT", label="platter-0001") == {
        "location": JUKEBOX,
        "name": "WORMOTG1",
        "online": True,
        "asked_for": True,
    }
    assert act(routing, "REQUESTS")["requests"] == []
    ((closed),) = act(routing, "REQUESTS", closed=1)["requests"]
    assert (closed["label"], closed["closed_by"]) == ("PLATTER-0001", "OWNER")
    assert runs(routing) == 1
    site.run(RECALL)
    assert ask(routing, ONE)[0][1] == "INSTORE"
    assert act(routing, "UNMOUNT", label="PLATTER-0001")["online"] is False
    assert ask(routing, TWO)[0][1] == "OFFLINE"
    ((again),) = act(routing, "REQUESTS")["requests"]
    assert again["closed_by"] == "", "it is asked for again"


def test_the_only_copy_on_a_short_term_location_that_is_off_line_is_asked_for_too(routing: Routing, site: Site) -> None:
    set_image(routing, ONE, location=RAID, jukebox_location=None)
    routing.set_location(RAID, online=False)
    assert ask(routing, ONE) == [[ONE, "OFFLINE", "", "RAID1"]]
    act(routing, "MOUNT", label="RAID1")
    assert ask(routing, ONE)[0][1] == "INSTORE"
    site.run(RECALL)
    assert waiting(routing) == []


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"jukebox_location": None}, "the image lies on no network location"),
        ({"jukebox_location": 99}, "the image lies on no network location"),
        ({"file_ref": ""}, "the image has no file"),
    ],
)
def test_an_image_that_is_nowhere_fails(routing: Routing, values: dict[str, Any], why: str) -> None:
    set_image(routing, ONE, **values)
    assert ask(routing, ONE, 999_999) == [[ONE, "FAILED", "", why], [999_999, "FAILED", "", "there is no such image"]]


def test_what_could_not_come_back_is_told_and_tried_again_after_a_while(routing: Routing, site: Site, clock: FixedClock) -> None:
    file = site.data / "var" / "WORMOTG1" / name_of(ONE)
    file.unlink()
    ask(routing, ONE)
    site.run(RECALL)
    ((image, state, _path, why),) = ask(routing, ONE)
    assert (image, state) == (ONE, "FAILED")
    assert "there is no file" in why
    file.write_bytes(b"found again")
    clock.advance(recall.RETRY_FAILED)
    assert ask(routing, ONE)[0][1] == "WAITING"
    site.run(RECALL)
    assert ask(routing, ONE)[0][1] == "INSTORE"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"images": 5}',
        '{"images": ["5"]}',
        '{"images": [true]}',
        '{"images": [0]}',
        '{"images": [99999999999]}',
        '{"images": [], "for": 1}',
        json.dumps({"images": list(range(1, recall.MOST_IMAGES + 2))}),
        "[" * 100_000,
    ],
)
def test_a_request_that_cannot_be_understood_is_answered_with_an_error(routing: Routing, text: str) -> None:
    pieces = [text[at : at + 16_000] for at in range(0, len(text), 16_000)] or [""]
    (line,) = routing.client.call("MAGB RECALL", pieces, "").lines
    assert list(json.loads(line)) == ["error"]
    assert waiting(routing) == []


def test_asking_uses_indexes(routing: Routing) -> None:
    if not routing.store.sqlite:
        pytest.skip("plans are read on SQLite")
    with statements_of(routing.store) as statements:
        ask(routing, ONE, TWO)
    scans = {text: [it for it in plan if it.startswith("SCAN")] for text, plan in statements.plans(routing.store).items()}
    ours = {text: plan for text, plan in scans.items() if plan and ("recall" in text or "FROM task" in text)}
    assert ours == {}


def test_rules_for_studies_and_patients_are_kept_with_who_said_them(routing: Routing, clock: FixedClock) -> None:
    (group,) = routing.all(select(Image.uid, Image.patient).where(Image.ien == 1))
    act(routing, "RULE", scope="study", subject=group.uid, rule="keep", note="a teaching case")
    act(routing, "RULE", scope="PATIENT", subject=group.patient, rule="NEVER-ARCHIVE")
    rules = act(routing, "LIST")["rules"]
    assert [(it["scope"], it["subject"], it["rule"], it["note"], it["set_by"]) for it in rules] == [
        ("PATIENT", str(group.patient), "NEVER-ARCHIVE", "", "OWNER"),
        ("STUDY", group.uid, "KEEP", "a teaching case", "OWNER"),
    ]
    act(routing, "RULE", scope="PATIENT", subject=group.patient, rule="DEFAULT")
    assert [it["scope"] for it in act(routing, "LIST")["rules"]] == ["STUDY"]


def test_what_was_never_to_be_archived_is_copied_when_a_person_says_so(routing: Routing, site: Site) -> None:
    (row,) = routing.all(select(Image.patient).where(Image.ien == ONE))
    set_image(routing, ONE, location=RAID, jukebox_location=None)
    directories = site.data / "var" / "RAID1" / "/".join(hashed_directories(name_of(ONE)))
    directories.mkdir(parents=True)
    (directories / name_of(ONE)).write_bytes(b"image")
    (site.data / "var" / "WORMOTG1" / name_of(ONE)).unlink()
    facts = {"queue": "JUKEBOX", "duz": 1, "requested": "3261121", "place": 1}
    routing.store.transact(
        lambda connection: connection.execute(insert(BackgroundQueue), [{"ien": 77_000, "image": ONE, **facts}])
    )
    act(routing, "RULE", scope="PATIENT", subject=row.patient, rule="NEVER-ARCHIVE")
    assert site.run("MAGB COPY LONG-TERM").said == "place 1: 0 images copied, 0 set aside, 1 never to be archived"
    entry = select(BackgroundQueue.status, BackgroundQueue.reason).where(BackgroundQueue.ien == 77_000)
    assert tuple(routing.all(entry)[0]) == ("SKIPPED", "the rule for its patient says: never archive it")
    assert (ONE, "skipped", "the rule for its patient says: never archive it") in site.events("JUKEBOX")
    assert act(routing, "RULE", scope="PATIENT", subject=row.patient, rule="RELEASE")["queued"] == 1
    (pointer,) = routing.all(select(QueuePointer.total).where(QueuePointer.queue == "JUKEBOX", QueuePointer.place == 1))
    assert pointer.total == 1
    assert site.run("MAGB COPY LONG-TERM").said == "place 1: 1 images copied, 0 set aside"
    assert (site.data / "var" / "WORMOTG1" / name_of(ONE)).read_bytes() == b"image"


def test_copies_at_fault_are_listed_and_looked_at_again_when_a_person_says_so(routing: Routing) -> None:
    fault = {"image": ONE, "location": JUKEBOX, "reason": "its digest differs", "found_at": 0.0}
    routing.store.transact(lambda connection: connection.execute(insert(LongTermFault), [fault]))
    assert [it["image"] for it in act(routing, "LIST")["faults"]] == [ONE]
    assert act(routing, "RECHECK", images=f"{ONE},{TWO}") == {"images": 1}
    assert act(routing, "LIST")["faults"] == []


@pytest.mark.parametrize(
    ("name", "asked", "error"),
    [
        ("RULE", {"scope": "SERIES", "subject": "1.2", "rule": "KEEP"}, BadRequest),
        ("RULE", {"scope": "STUDY", "subject": "1.2", "rule": "BURN"}, BadRequest),
        ("RULE", {"scope": "STUDY", "subject": "9.9.9.9", "rule": "KEEP"}, NotFound),
        ("RULE", {"scope": "PATIENT", "subject": "x", "rule": "KEEP"}, BadRequest),
        ("RULE", {"scope": "PATIENT", "subject": "999999", "rule": "KEEP"}, NotFound),
        ("MOUNT", {"label": "NO SUCH"}, NotFound),
        ("MOUNT", {"label": ""}, BadRequest),
        ("UNMOUNT", {"label": "ROUTE-DEST-A"}, NotFound),
        ("RECHECK", {"images": "all"}, BadRequest),
    ],
)
def test_what_is_asked_for_wrongly_changes_nothing(
    routing: Routing, name: str, asked: dict[str, str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        act(routing, name, **asked)


@pytest.mark.parametrize("name", ["RULE", "RECHECK", "MOUNT", "UNMOUNT"])
def test_a_change_takes_the_key(routing: Routing, name: str) -> None:
    with pytest.raises(NotAllowed):
        act(routing, name, Caller(5, "NOBODY"), label="PLATTER-0001")


def test_two_media_are_not_on_line_at_one_path(routing: Routing) -> None:
    path = routing.all(select(NetworkLocation.path).where(NetworkLocation.ien == JUKEBOX))[0].path
    routing.set_location(12, path=path, kind="JUKEBOX", label="PLATTER-0002", online=False)
    with pytest.raises(RefusedAction, match="PLATTER-0001 is on line at the same path"):
        act(routing, "MOUNT", label="PLATTER-0002")
    act(routing, "UNMOUNT", label="PLATTER-0001")
    assert act(routing, "MOUNT", label="PLATTER-0002")["asked_for"] is False
    assert routing.all(select(OperatorRequest.location)) == []
