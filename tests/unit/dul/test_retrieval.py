"""What the provider of a retrieval tells of it: the numbers of sub-operations, and the list of what could not be sent."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom.filereader import read_dataset
from twisted.internet.defer import Deferred

from dul import Command, CommandField, ConnectionLost, Exchange, Instance, Request, got_by, moved_by
from dul.operations import DATA_LIMIT
from dul.retrieval import _failed_list
from dul.status import CANCEL, UNABLE_TO_PERFORM_SUBOPERATIONS
from tests.unit.dul.feeding import CT, EXPLICIT, IMPLICIT
from tests.unit.dul.pair import Pair, Waiter, status_of

BIG = "1.2.840.10008.1.2.2"
GET, MOVE = CommandField.C_GET_RQ, CommandField.C_MOVE_RQ


@pytest.mark.parametrize("count", [1, 2, 5000])
@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_what_failed_is_read_back(syntax: str, count: int) -> None:
    """A list beyond the two bytes that explicit UI has for its length is UN there."""
    uids = [f"1.2.840.{number}" for number in range(count)]
    data = _failed_list(uids, syntax)
    assert data is not None
    assert len(data) % 2 == 0
    element = read_dataset(BytesIO(data), syntax == IMPLICIT, syntax != BIG)[0x0008, 0x0058]
    value = element.value
    assert ([str(value)] if count == 1 else list(value)) == uids


def test_in_a_syntax_that_queries_do_not_have_there_is_no_list() -> None:
    assert _failed_list(["1.2.3"], "1.2.840.10008.1.2.1.99") is None


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_the_list_of_very_many_ends_with_a_whole_uid_within_what_a_peer_of_ours_takes(syntax: str) -> None:
    uids = [f"1.2.840.99999.{number}" for number in range(100_000)]
    data = _failed_list(uids, syntax)
    assert data is not None
    assert len(data) <= DATA_LIMIT
    value = read_dataset(BytesIO(data), syntax == IMPLICIT, syntax != BIG)[0x0008, 0x0058].value
    listed = value.rstrip(b"\0").decode().split("\\") if isinstance(value, bytes) else list(value)
    assert listed == uids[: len(listed)]
    assert len(listed) > 40_000


MANY = [Instance(CT, "1.2.3", EXPLICIT, lambda: b"image")] * 70_000


def test_more_sub_operations_than_the_number_can_say_remain() -> None:
    async def select(request: Request, _data: bytes) -> list[Instance]:
        request.cancelled = True
        return MANY

    pair = Pair.established({GET: got_by(select)})
    answer = Waiter(pair.requestor.ask(3, Command(field=GET, sop_class=CT, priority=0), b"query").response())
    pair.pump()
    assert (status_of(answer.result), answer.result.command.remaining) == (CANCEL, 0xFFFF)


def test_more_sub_operations_than_the_number_can_say_have_failed() -> None:
    async def select(_request: Request, _data: bytes) -> list[Instance]:
        return MANY

    async def opener(_proposed: object) -> Exchange:
        raise ConnectionLost

    pair = Pair.established({MOVE: moved_by(select, lambda _ae_title: opener)})
    move = Command(field=MOVE, sop_class=CT, priority=0, move_destination="STORE")
    answer = Waiter(pair.requestor.ask(3, move, b"query").response())
    pair.pump()
    assert (status_of(answer.result), answer.result.command.failed) == (UNABLE_TO_PERFORM_SUBOPERATIONS, 0xFFFF)


def test_a_cancelled_request_is_told_so_once() -> None:
    told: list[bool] = []

    async def select(request: Request, _data: bytes) -> list[Instance]:
        request.when_cancelled = lambda: told.append(request.cancelled)
        await never
        return []

    never: Deferred[None] = Deferred()
    pair = Pair.established({GET: got_by(select)})
    asked = pair.requestor.ask(3, Command(field=GET, sop_class=CT, priority=0), b"query")
    pair.pump()
    assert told == []
    asked.cancel()
    pair.pump()
    assert told == [True]
