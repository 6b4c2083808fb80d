"""A gateway asks where instances lie: what is on file is told with its digest, however many are, by an index."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import update

from fileman import Store
from fileman.files import Image, NetworkLocation
from rpcs.instance_files import MOST_UIDS
from tests.integration.rpcs.filing_gateway import Gateway
from tests.support.broker import RunningBroker
from tests.support.query_plans import statements_of


@pytest.fixture
def gateway(oracle_broker: RunningBroker, oracle_store: Store) -> Iterator[Gateway]:
    with oracle_broker.client("FAKEPRG1", "1PRG!@#$") as client:
        yield Gateway(client, oracle_store)


def files(gateway: Gateway, *uids: str) -> list[list[str]]:
    return [line.split("^") for line in gateway.client.call("MAGB INSTANCE FILES", list(uids)).lines]


def test_what_is_on_file_is_told_with_digest_and_path(gateway: Gateway) -> None:
    one, two = gateway.filed("9.9.1"), gateway.filed("9.9.2")
    gateway.change(update(Image).where(Image.ien == one).values(digest="d" * 64))
    lines = files(gateway, "9.9.2", "9.9.1", "9.9.3", "", "9.9.1")
    assert {(uid, ien, digest) for uid, ien, digest, _ in lines} == {("9.9.1", str(one), "d" * 64), ("9.9.2", str(two), "")}
    assert {path.rpartition("\\")[2] for _, _, _, path in lines} == {gateway.image(it).file_ref for it in (one, two)}
    assert files(gateway) == []


def test_the_answer_is_in_the_order_of_the_images_numbers(gateway: Gateway) -> None:
    numbers = [gateway.filed(uid) for uid in ("9.9.3", "9.9.1", "9.9.2")]
    gateway.change(update(Image).where(Image.ien == numbers[2]).values(uid="9.9.3"))
    assert [(uid, int(ien)) for uid, ien, _, _ in files(gateway, "9.9.1", "9.9.3")] == [
        ("9.9.3", numbers[0]),
        ("9.9.1", numbers[1]),
        ("9.9.3", numbers[2]),
    ]


def test_an_image_whose_location_is_off_line_has_no_path(gateway: Gateway) -> None:
    image = gateway.filed("9.9.1")
    gateway.change(update(NetworkLocation).values(online=False))
    assert files(gateway, "9.9.1") == [["9.9.1", str(image), "", ""]]


def test_a_group_has_no_file(gateway: Gateway) -> None:
    group = gateway.image(gateway.image(gateway.filed("9.9.1")).parent)
    assert files(gateway, group.uid) == []


def test_only_so_many_are_looked_up(gateway: Gateway) -> None:
    gateway.filed("9.9.1")
    others = [f"9.8.{number}" for number in range(MOST_UIDS)]
    assert len(files(gateway, "9.9.1", *others)) == 1
    assert files(gateway, *others, "9.9.1") == []


def test_they_are_found_by_an_index(gateway: Gateway, oracle_store: Store) -> None:
    if not oracle_store.sqlite:
        pytest.skip("the plans are SQLite's")
    with statements_of(oracle_store) as statements:
        files(gateway, "9.9.1", "9.9.2")
    (plan,) = (plan for text, plan in statements.plans(oracle_store).items() if "digest" in text)
    assert [step for step in plan if "TEMP B-TREE" not in step], "what is sorted is what was found"
    assert all("USING INDEX" in step for step in plan if "TEMP B-TREE" not in step)
