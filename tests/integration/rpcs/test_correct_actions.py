"""`MAGB CORRECT ...`: everybody in the context sees the list; a holder of MAG SYSTEM says what becomes of a study."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import insert, select

from fileman import Store
from fileman.files import DicomFailedImage, ImageEvent
from rpcs.actions import ACTIONS, ActionError, BadRequest, NotAllowed, NotFound, RefusedAction, answer_of
from tests.integration.rpcs.conftest import MakeBroker
from tests.integration.rpcs.two_users import MAY, UNA, site_of_two_users
from tests.support.broker import RunningBroker
from xwb import BrokerClient

SITE = site_of_two_users("MAGB GATEWAY", (name for name in ACTIONS if name.startswith("MAGB CORRECT ")), "MAG SYSTEM")

Ask = Callable[..., Any]


@pytest.fixture
def broker(make_broker: MakeBroker) -> RunningBroker:
    broker = make_broker(more=SITE)
    row = {"reason": "BAD CASE #", "entered": "3261121", "machine": "GWA", "location": "660", "study_uid": "8.1"}
    rows = [{**row, "ien": ien, "file_path": f"{ien}.dcm", "image_uid": f"8.1.{ien}"} for ien in (1, 2, 3)]
    rows[0] |= {"first_of_study": True, "last_related": 2}
    for place, related in enumerate(rows[1:], 1):
        related |= {"related_to": 1, "related_sequence": place}
    rows.append({**row, "ien": 4, "file_path": "4.dcm", "study_uid": "8.2", "image_uid": "8.2.1", "first_of_study": True})

    def fill(connection: Any) -> None:
        for one in rows:
            connection.execute(insert(DicomFailedImage), one)

    broker.store.transact(fill)
    return broker


@pytest.fixture
def ask(broker: RunningBroker) -> Iterator[Callable[[str, str], Ask]]:
    clients: list[BrokerClient] = []

    def sign_on(access: str, verify: str) -> Ask:
        clients.append(broker.client(access, verify, "MAGB GATEWAY"))

        def ask(name: str, /, **asked: object) -> Any:
            return answer_of(clients[0].call(f"MAGB CORRECT {name}", {key: str(value) for key, value in asked.items()}).text)

        return ask

    yield sign_on
    for client in clients:
        client.bye()


@pytest.fixture
def may(ask: Callable[[str, str], Ask]) -> Ask:
    return ask(MAY.access, MAY.verify)


@pytest.fixture
def una(ask: Callable[[str, str], Ask]) -> Ask:
    return ask(UNA.access, UNA.verify)


def entry(store: Store, ien: int) -> tuple[str, ...]:
    """Give how an entry is queued, by whom, and its new values."""
    row = DicomFailedImage
    statement = select(row.queued, row.fixed, row.fixed_by, row.new_name, row.new_patient_id, row.new_accession)
    return tuple(store.transact(lambda connection: connection.execute(statement.where(row.ien == ien)).one()))


def test_the_list_is_paged_by_study_and_a_studys_images_are_listed(una: Ask) -> None:
    first = una("LIST", LIMIT=1)
    assert [(it["ien"], it["images"], it["reason"], it["queued"]) for it in first["entries"]] == [(1, 3, "BAD CASE #", "")]
    second = una("LIST", LIMIT=1, AFTER=first["next"])
    assert ([it["ien"] for it in second["entries"]], second["next"]) == ([4], None)
    assert [it["image_uid"] for it in una("LIST", STUDY=1)["entries"]] == ["8.1.1", "8.1.2", "8.1.3"]


@pytest.mark.parametrize("name", ["FIX", "DELETE", "UNDO"])
def test_a_change_takes_the_key(name: str, una: Ask, broker: RunningBroker) -> None:
    with pytest.raises(NotAllowed, match="MAG SYSTEM"):
        una(name, STUDY=1)
    assert entry(broker.store, 1)[0] == ""


@pytest.mark.parametrize(
    ("given", "name"),
    [("DEMO^PATIENT^ONE", "DEMO~PATIENT~ONE"), ("DEMO, PATIENT  ONE", "DEMO~PATIENT~ONE"), ("DEMO", "DEMO"), ("", "")],
)
def test_a_study_is_queued_with_its_new_values_and_each_image_tells_who_did_it(
    given: str, name: str, may: Ask, broker: RunningBroker
) -> None:
    assert may("FIX", STUDY=1, NAME=given, ACCESSION="021026-201") == {"study": 1, "queued": "FIXED", "images": 3}
    assert entry(broker.store, 1) == ("FIXED", "1", "2", name, "", "021026-201")
    events = select(ImageEvent.uid, ImageEvent.stage, ImageEvent.peer, ImageEvent.outcome).order_by(ImageEvent.uid)
    told = broker.store.transact(lambda connection: connection.execute(events).all())
    assert [tuple(row) for row in told] == [(f"8.1.{n}", "CORRECT", "MANAGER,MAY", "fixed") for n in (1, 2, 3)]


def test_what_was_asked_is_taken_back_whole(may: Ask, broker: RunningBroker) -> None:
    before = entry(broker.store, 4)
    may("DELETE", STUDY=4)
    assert entry(broker.store, 4) == ("DELETE", "1", "2", "", "", "")
    assert may("UNDO", STUDY=4) == {"study": 4, "queued": ""}
    assert entry(broker.store, 4) == before


@pytest.mark.parametrize(
    ("name", "asked", "error", "why"),
    [
        ("FIX", {"STUDY": 99}, NotFound, "no entry 99"),
        ("FIX", {}, BadRequest, "STUDY is needed"),
        ("DELETE", {"STUDY": 2}, BadRequest, "of the study of entry 1"),
        ("LIST", {"STUDY": 3}, BadRequest, "of the study of entry 1"),
        ("LIST", {"LIMIT": 501}, BadRequest, "LIMIT"),
        ("UNDO", {"STUDY": 1}, RefusedAction, "Nothing was asked"),
        ("FIX", {"STUDY": 1, "ACCESSION": "1" * 17}, BadRequest, "more than 16"),
        ("FIX", {"STUDY": 1, "PATIENT_ID": "1|2"}, BadRequest, "PATIENT_ID has characters"),
        ("FIX", {"STUDY": 1, "PATIENT_ID": "1^2"}, BadRequest, "PATIENT_ID has characters"),
        ("FIX", {"STUDY": 1, "NAME": "A\\B"}, BadRequest, "NAME has characters"),
        ("FIX", {"STUDY": 1, "NAME": "X" * 65}, BadRequest, "more than 64"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(
    name: str, asked: dict[str, object], error: type[ActionError], why: str, may: Ask
) -> None:
    with pytest.raises(error, match=why):
        may(name, **asked)
