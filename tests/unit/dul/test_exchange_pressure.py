"""Back-pressure of an exchange: what a peer may ask ahead, and send unread, is bounded, and nobody waits for ever."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dul import (
    Answer,
    AssociationAborted,
    Category,
    Command,
    Instance,
    Request,
    answered_by,
    found_by,
    got_by,
)
from dul.exchange import AHEAD, UNREAD
from dul.pdus import RELEASE_RP, RELEASE_RQ, encode_abort
from dul.status import (
    PENDING,
    RESOURCE_LIMITATION,
    SUCCESS,
)
from tests.unit.dul.feeding import CT, EXPLICIT
from tests.unit.dul.pair import (
    ECHO,
    ECHO_COMMAND,
    FIND,
    FIND_COMMAND,
    GET,
    REPORT,
    STORE,
    STORE_COMMAND,
    UNLIMITED,
    Held,
    Pair,
    Waiter,
    sent,
    status_of,
)

ECHOES = [replace(ECHO_COMMAND, message_id=number) for number in range(1, 2 * AHEAD)]


def test_requests_ahead_of_their_answers_pause_reading_until_one_is_answered() -> None:
    held = Held()
    pair = Pair.established({STORE: held}, window=UNLIMITED, chunk=300)
    answers = [Waiter(pair.requestor.ask(3, STORE_COMMAND, b"data").response()) for _ in range(AHEAD + 5)]
    pair.pump()
    assert not pair.ends[1].reading
    assert len(held.requests) == AHEAD
    while len(held.requests) < AHEAD + 5:
        held.requests[[request.answered for request in held.requests].index(False)].respond(SUCCESS)
        pair.pump()
    for request in held.requests:
        request.respond(SUCCESS)
    pair.pump()
    assert pair.ends[1].reading
    assert [status_of(answer.result) for answer in answers] == [SUCCESS] * (AHEAD + 5)


def test_no_more_than_may_be_ahead_are_served_of_what_comes_in_one_read() -> None:
    held = Held()
    pair = Pair.established({ECHO: held}, window=UNLIMITED)
    said = pair.say(b"".join(map(sent, ECHOES)) + RELEASE_RQ, 1)
    assert (said, len(held.requests), pair.ends[1].reading) == (b"", AHEAD, False)
    for number in range(AHEAD):
        assert not pair.acceptor.over
        assert len(held.requests) == number + AHEAD
        held.requests[number].respond(SUCCESS)
    assert [request.number for request in held.requests] == [echo.message_id for echo in ECHOES]
    answers = b"".join(sent(echo.response(SUCCESS)) for echo in ECHOES[:AHEAD])
    assert bytes(pair.ends[1].out) == answers + RELEASE_RP, "the release has its turn after what came before it"
    assert pair.ended(1) is None


def test_what_was_kept_goes_with_the_association() -> None:
    held = Held()
    pair = Pair.established({ECHO: held}, window=UNLIMITED)
    pair.say(b"".join(map(sent, ECHOES)) + encode_abort(0, 0), 1)
    assert type(pair.ended(1)) is AssociationAborted
    for request in held.requests:
        request.respond(SUCCESS)
    assert len(held.requests) == AHEAD


def test_services_that_answer_at_once_take_all_that_was_kept_and_a_violation_in_it_ends_the_association() -> None:
    held = Held()
    pair = Pair.established({STORE: held}, window=UNLIMITED)
    first = [replace(STORE_COMMAND, message_id=number) for number in range(1, AHEAD + 1)]
    unanswered = b"".join(sent(store, 3) for store in first)
    echoes = [replace(ECHO_COMMAND, message_id=number) for number in range(100, 3000)]
    nothing = sent(ECHO_COMMAND.response(SUCCESS))
    assert pair.say(unanswered + b"".join(map(sent, echoes)) + nothing, 1) == b""
    held.requests[0].respond(SUCCESS)
    answers = b"".join(sent(echo.response(SUCCESS)) for echo in echoes)
    assert bytes(pair.ends[1].out) == sent(first[0].response(SUCCESS), 3) + answers + encode_abort(2, 6)
    assert pair.ends[1].reading, "for the peer's close"


def test_refused_duplicates_pause_reading_of_a_peer_that_reads_nothing() -> None:
    pair = Pair.established({STORE: Held()}, room=1)
    store = Command(field=STORE, sop_class=CT, sop_instance="1.2.3", priority=0, message_id=7, has_data=True)
    for _ in range(AHEAD + 2):
        pair.connections[1].dataReceived(sent(store, 3, b"data"))
    assert not pair.ends[1].reading


def test_responses_that_nobody_takes_pause_reading_until_they_are_taken() -> None:
    count = 5 * UNREAD
    pair = Pair.established({FIND: found_by(lambda _request, _data: [b"match"] * count)}, chunk=200)
    asked = pair.requestor.ask(3, FIND_COMMAND, b"query")
    pair.pump()
    assert not pair.ends[0].reading
    assert UNREAD <= asked.unread < UNREAD + 4
    pair.reactor.advance(45)
    assert not pair.requestor.over, "it is not the peer who is late"
    for _ in range(count):
        answer = Waiter(asked.response())
        pair.pump()
        assert status_of(answer.result) == PENDING
    answer = Waiter(asked.response())
    assert status_of(answer.result) == SUCCESS
    assert pair.ends[0].reading


def test_reading_is_held_up_as_often_as_somebody_holds_it_up() -> None:
    pair = Pair.established()
    pair.acceptor.hold()
    pair.acceptor.hold()
    pair.acceptor.unhold()
    assert not pair.ends[1].reading
    pair.acceptor.unhold()
    assert pair.ends[1].reading


@pytest.mark.parametrize("count", [AHEAD - 1, AHEAD, AHEAD + 4])
@pytest.mark.parametrize("chunk", [1 << 16, 300])
def test_as_many_c_gets_as_may_be_ahead_do_not_lock_the_association(count: int, chunk: int) -> None:
    """They wait for the answers of the peer that asked, which come after its requests; those that are too many are refused."""

    async def select(_request: Request, _data: bytes) -> list[Instance]:
        return [Instance(CT, f"1.2.{number}", EXPLICIT, lambda: b"image") for number in (1, 2)]

    take = answered_by(lambda _request, _data: Answer(SUCCESS))
    pair = Pair.established({GET: got_by(select)}, served_by_requestor={STORE: take}, window=UNLIMITED, chunk=chunk)
    get = Command(field=GET, sop_class=CT, priority=0)
    asked = [pair.requestor.ask(3, get, b"query") for _ in range(count)]
    pair.pump()
    finals = [Waiter(one.response()).result for one in asked]
    while any(final.category is Category.PENDING for final in finals):
        finals = [
            Waiter(one.response()).result if final.category is Category.PENDING else final
            for one, final in zip(asked, finals, strict=True)
        ]
    statuses = [status_of(final) for final in finals]
    assert statuses[:AHEAD] == [SUCCESS] * min(count, AHEAD)
    assert set(statuses[AHEAD:]) <= {SUCCESS, RESOURCE_LIMITATION}
    assert not pair.acceptor.busy
    assert pair.ends[1].reading


def test_what_comes_for_a_c_get_is_held_up_and_not_refused() -> None:
    """Who stores it waits for nobody: the limit is back-pressure there."""
    held = Held()
    pair = Pair.established({GET: Held()}, served_by_requestor={STORE: held}, window=UNLIMITED)
    pair.requestor.ask(3, Command(field=GET, sop_class=CT, priority=0), b"query")
    pair.pump()
    answers = [Waiter(pair.acceptor.ask(3, STORE_COMMAND, b"data").response()) for _ in range(2 * AHEAD)]
    pair.pump()
    assert not pair.ends[0].reading
    for number in range(2 * AHEAD):
        held.requests[number].respond(SUCCESS)
        pair.pump()
    assert [status_of(answer.result) for answer in answers] == [SUCCESS] * 2 * AHEAD


def test_refusals_pause_reading_of_a_peer_that_reads_nothing() -> None:
    pair = Pair.established({FIND: Held()}, served_by_requestor={REPORT: Held()}, room=1)
    pair.acceptor.ask(3, Command(field=REPORT, sop_class=CT, sop_instance="1.2.3", event_type=1))
    finds = (sent(replace(FIND_COMMAND, message_id=number, has_data=True), 3, b"query") for number in range(1, 1000))
    for find in finds:
        if not pair.ends[1].reading:
            break
        pair.connections[1].dataReceived(find)
    assert len(pair.acceptor._unanswered) <= AHEAD + 2
    pair.pump()
    assert pair.ends[1].reading
