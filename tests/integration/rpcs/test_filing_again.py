"""A gateway whose journal is older than the database sends again what it filed: it is answered as it was, and filed once."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import update

from fileman import Store
from fileman.files import BackgroundQueue, Image, ImageEvent, ImageHeader
from tests.integration.rpcs.filing_gateway import Gateway, store_items
from tests.support.broker import RunningBroker

DIGEST, OTHER = "a" * 64, "b" * 64
DUPLICATE = "STORE|-1 Image already in database||MAGDIR81|"


@pytest.fixture
def gateway(oracle_broker: RunningBroker, oracle_store: Store) -> Iterator[Gateway]:
    with oracle_broker.client("FAKEPRG1", "1PRG!@#$") as client:
        yield Gateway(client, oracle_store)


def request() -> str:
    """Begin another call of our own gateway."""
    return f"REQUEST|{uuid.uuid4()}"


def store(gateway: Gateway, *uids: str, digest: str = DIGEST) -> list[str]:
    """Store images as our own gateway does, under a request of their own."""
    told = [(*store_items(uid), f"HEADER|{uid}|0008,0060|CS|1|CR", f"DIGEST|{uid}|{digest}|100") for uid in uids]
    return gateway.ask(request(), *(line for lines in told for line in lines))


def process(gateway: Gateway, *images: int) -> list[str]:
    return gateway.ask(request(), *(f"PROCESSED||660|CT1|{image}|1|1|GWA" for image in images))


def queued(gateway: Gateway) -> list[tuple[str, int]]:
    return [(row.queue, row.image) for row in gateway.rows(BackgroundQueue)]


@pytest.mark.parametrize("release", [False, True], ids=["stored", "released"])
def test_what_this_gateway_filed_is_answered_as_it_was_and_filed_no_second_time(gateway: Gateway, release: bool) -> None:
    first = store(gateway, "5.1", "5.2")
    if release:
        process(gateway, 2, 3)
    again = store(gateway, "5.2", "5.1", "5.3")
    assert again[:2] == [first[1], first[0]]
    assert again[2].startswith("STORE|0|4^")
    assert [(row.ien, row.uid, row.digest) for row in gateway.rows(Image)[1:]] == [
        (number, uid, DIGEST) for number, uid in ((2, "5.1"), (3, "5.2"), (4, "5.3"))
    ]
    assert len(gateway.rows(ImageHeader)) == 3


def test_the_image_that_the_gateway_was_working_on_last_is_filed_once_too(gateway: Gateway) -> None:
    """VistA files that one anew; who asks without a REQUEST gets it so."""
    first = store(gateway, "5.1")
    assert store(gateway, "5.1") == first
    assert len(gateway.rows(Image)) == 2
    assert gateway.store_image("5.1")[0].startswith("STORE|1 Image partially in the database")
    assert len(gateway.rows(Image)) == 3


def test_another_data_set_under_a_uid_that_is_on_file_is_refused(gateway: Gateway) -> None:
    store(gateway, "5.1")
    assert store(gateway, "5.1", digest=OTHER)[0] == DUPLICATE
    assert gateway.ask(request(), *store_items("5.1"))[0] == DUPLICATE, "one that tells no digest"
    assert len(gateway.rows(Image)) == 2


def test_what_another_gateway_filed_is_refused(gateway: Gateway) -> None:
    store(gateway, "5.1")
    gateway.change(update(ImageEvent).values(peer="ANOTHER"))
    assert store(gateway, "5.1")[0] == DUPLICATE


def test_what_is_on_no_short_term_location_any_more_is_refused(gateway: Gateway) -> None:
    store(gateway, "5.1")
    gateway.change(update(Image).values(location=None))
    assert store(gateway, "5.1")[0] == DUPLICATE


def test_what_was_given_to_the_rules_is_not_given_to_them_again(gateway: Gateway) -> None:
    store(gateway, "5.1", "5.2")
    process(gateway, 2)
    before = queued(gateway)
    assert ("EVAL", 2) in before
    answer = process(gateway, 2, 3)
    assert answer == [f"PROCESSED||660|CT1|{image}|1|1|GWA" for image in (2, 3)]
    assert queued(gateway)[len(before) :] == [("JUKEBOX", 3), ("EVAL", 3)]
    told = [(row.image, row.outcome) for row in gateway.rows(ImageEvent) if row.stage == "PROCESSED"]
    assert told == [(2, "queued"), (3, "queued")]
