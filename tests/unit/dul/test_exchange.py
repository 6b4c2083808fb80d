"""Operations between two exchanges in memory: each response comes to the request that it answers, whatever the order."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dul import (
    Answer,
    AssociationAborted,
    Category,
    Command,
    InMemory,
    Instance,
    LocalViolation,
    Request,
    Sink,
    answered_by,
    found_by,
    got_by,
)
from dul.exchange import AHEAD
from dul.operations import DATA_LIMIT
from dul.pdus import encode_abort
from dul.status import (
    CANCEL,
    DUPLICATE_INVOCATION,
    PENDING,
    PROCESSING_FAILURE,
    SUCCESS,
    UNRECOGNIZED_OPERATION,
)
from tests.unit.dul.feeding import CT, EXPLICIT, VERIFICATION
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
    Memory,
    Pair,
    Waiter,
    failed_with,
    sent,
    status_of,
)


def test_an_echo_is_answered() -> None:
    pair = Pair.established()
    answer = Waiter(pair.requestor.ask(1, ECHO_COMMAND).response())
    pair.pump()
    assert status_of(answer.result) == SUCCESS
    assert answer.result.command.responds_to == 1
    assert not pair.requestor.busy
    assert not pair.acceptor.busy


def test_contexts_are_found_by_their_syntaxes() -> None:
    requestor = Pair.established().requestor
    assert requestor.context_for(VERIFICATION) == 1
    assert requestor.context_for(CT, "1.2.840.10008.1.2.1") == 3
    assert requestor.context_for(CT, "1.2.840.10008.1.2") is None


@pytest.mark.parametrize("size", [0, 1, 2, 16377, 16378, 16379, 100_001])
@pytest.mark.parametrize("chunk", [1 << 16, 997])
def test_a_source_arrives_as_it_is(size: int, chunk: int) -> None:
    held, source = Held(), Memory(bytes(number % 251 for number in range(size)))
    pair = Pair.established({STORE: held}, chunk=chunk)
    asked = pair.requestor.ask(3, STORE_COMMAND, source=source)
    answer = Waiter(asked.response())
    pair.pump()
    assert held.data == [source.data]
    assert held.requests[0].command.sop_instance == "1.2.3"
    assert (asked.handed_over, source.closed, answer.done) == (True, 1, False)
    held.requests[0].respond(0xB000, error_comment="coerced")
    pair.pump()
    assert (status_of(answer.result), answer.result.command.error_comment) == (0xB000, "coerced")


def test_a_source_is_read_as_the_peer_takes_it() -> None:
    held, source = Held(), Memory(bytes(1 << 20))
    pair = Pair.established({STORE: held}, room=40_000)
    asked = pair.requestor.ask(3, STORE_COMMAND, source=source)
    assert 900_000 < source.size < 1 << 20
    assert not asked.handed_over
    pair.pump()
    assert (source.size, asked.handed_over, len(held.data)) == (0, True, 1)


@settings(max_examples=60)
@given(st.data())
def test_no_response_is_lost_or_swapped_whatever_the_order(data: st.DataObject) -> None:
    window = data.draw(st.integers(0, 5), "window")
    sizes = data.draw(st.lists(st.integers(0, 40_000) | st.none(), min_size=1, max_size=12), "sizes")
    chunk = data.draw(st.integers(1, 70_000).map(lambda size: max(size, 500)), "chunk")
    held = Held()
    pair = Pair.established({STORE: held}, window=(window, 1), chunk=chunk, room=data.draw(st.integers(1, 100_000), "room"))
    answers, sources = {}, []
    for number, size in enumerate(sizes):
        command = Command(field=STORE, sop_class=CT, sop_instance=f"1.2.{number}", priority=0)
        content = b"%d." % number * ((size or 0) // 2 + 1)
        if size is None:
            asked = pair.requestor.ask(3, command, data=content)
        else:
            sources.append(Memory(content))
            asked = pair.requestor.ask(3, command, source=sources[-1])
        answers[f"1.2.{number}"] = (asked, Waiter(asked.response()), content)
    answered: set[int] = set()
    while len(answered) < len(sizes):
        pair.pump()
        waiting = [place for place in range(len(held.requests)) if place not in answered]
        assert len(waiting) == min(window or len(sizes), AHEAD, len(sizes) - len(answered))
        for place in data.draw(st.permutations(waiting))[: data.draw(st.integers(1, len(waiting)))]:
            answered.add(place)
            request = held.requests[place]
            request.respond(SUCCESS, error_comment=request.command.sop_instance)
    pair.pump()
    came = {str(request.command.sop_instance): data for request, data in zip(held.requests, held.data, strict=True)}
    for uid, (asked, answer, content) in answers.items():
        assert answer.result.command.error_comment == uid
        assert answer.result.command.responds_to == asked.command.message_id
        assert came[uid] == content
    assert [source.closed for source in sources] == [1] * len(sources)
    assert not pair.requestor.busy
    assert not pair.acceptor.busy


@pytest.mark.parametrize("window", [None, (1, 1), (1, 0)])
def test_one_request_at_a_time_where_no_window_was_agreed(window: tuple[int, int] | None) -> None:
    held = Held()
    pair = Pair.established({STORE: held}, window=window)
    for _ in range(3):
        pair.requestor.ask(3, STORE_COMMAND, b"data")
    for count in (1, 2, 3):
        pair.pump()
        assert len(held.requests) == count
        held.requests[-1].respond(SUCCESS)


@pytest.mark.parametrize(("proposed", "taken", "at_a_time"), [((3, 1), (5, 1), 3), ((0, 1), (4, 1), 4), ((5, 1), (2, 1), 2)])
def test_the_lesser_window_holds(proposed: tuple[int, int], taken: tuple[int, int], at_a_time: int) -> None:
    held = Held()
    pair = Pair.established({STORE: held}, window=proposed, taken_window=taken)
    for _ in range(6):
        pair.requestor.ask(3, STORE_COMMAND, b"data")
    pair.pump()
    assert len(held.requests) == at_a_time


def test_a_cancel_reaches_the_service_and_ends_its_matches() -> None:
    asked_for: list[Request] = []

    def match(request: Request, _data: bytes) -> AsyncIterator[bytes]:
        async def matches() -> AsyncIterator[bytes]:
            asked_for.append(request)
            for number in range(1000):
                yield b"%d" % number

        return matches()

    pair = Pair.established({FIND: found_by(match)}, room=100)
    asked = pair.requestor.ask(3, FIND_COMMAND, b"query")
    pair.step(0)
    asked.cancel()
    answers = [Waiter(asked.response()) for _ in range(1)]
    while not answers[-1].done or answers[-1].result.category is Category.PENDING:
        pair.pump()
        answers.append(Waiter(asked.response()))
        assert len(answers) < 1000
    assert asked_for[0].cancelled
    assert status_of(answers[-1].result) == CANCEL


def test_pending_responses_come_in_their_order_before_the_last() -> None:
    pair = Pair.established({FIND: found_by(lambda _request, data: [data + b"1", data + b"2"])})
    asked = pair.requestor.ask(3, FIND_COMMAND, b"query")
    pair.pump()
    answers = [Waiter(asked.response()).result for _ in range(3)]
    assert [(answer.command.status, answer.data) for answer in answers] == [
        (PENDING, b"query1"),
        (PENDING, b"query2"),
        (SUCCESS, None),
    ]
    assert failed_with(Waiter(asked.response()), LocalViolation), "nothing follows the last"


def test_an_operation_that_nobody_knows_is_refused_and_the_association_goes_on() -> None:
    pair = Pair.established()
    unknown = Waiter(pair.requestor.ask(3, Command(field=0x0200, sop_class=CT), b"data").response())
    echoed = Waiter(pair.requestor.ask(1, ECHO_COMMAND).response())
    pair.pump()
    assert status_of(unknown.result) == UNRECOGNIZED_OPERATION
    assert status_of(echoed.result) == SUCCESS


def test_a_service_that_fails_is_answered_for() -> None:
    def fail(_request: Request, _data: bytes) -> Answer:
        raise ValueError("no")

    pair = Pair.established({REPORT: answered_by(fail)})
    answer = Waiter(pair.requestor.ask(3, Command(field=REPORT, sop_class=CT, event_type=1)).response())
    pair.pump()
    assert status_of(answer.result) == PROCESSING_FAILURE


def test_a_request_has_one_last_answer() -> None:
    held = Held()
    pair = Pair.established({STORE: held})
    answer = Waiter(pair.requestor.ask(3, STORE_COMMAND, b"data").response())
    pair.pump()
    held.requests[0].respond(SUCCESS)
    held.requests[0].respond(PROCESSING_FAILURE)
    pair.pump()
    assert status_of(answer.result) == SUCCESS
    assert not pair.requestor.over


def test_a_message_id_that_is_in_use_is_refused_and_its_first_request_answered() -> None:
    held = Held()
    pair = Pair.established({STORE: held})
    store = Command(field=STORE, sop_class=CT, sop_instance="1.2.3", priority=0, message_id=7, has_data=True)
    assert pair.say(sent(store, 3, b"data"), 1) == b""
    refused = pair.say(sent(store, 3, b"other"), 1)
    assert refused == sent(store.response(DUPLICATE_INVOCATION), 3)
    assert held.data == [b"data"]
    held.requests[0].respond(SUCCESS)
    assert bytes(pair.ends[1].out) == refused + sent(store.response(SUCCESS), 3)
    assert not pair.acceptor.busy


BAD_RESPONSES = {
    "to nothing": (ECHO_COMMAND.response(SUCCESS), "answers nothing"),
    "to a message that was not sent": (Command(field=ECHO | 0x8000, responds_to=9, status=0), "answers nothing"),
    "to an operation of another kind": (Command(field=STORE | 0x8000, responds_to=1, status=0), "answers nothing"),
    "to a request that the window holds back": (Command(field=ECHO | 0x8000, responds_to=2, status=0), "answers nothing"),
}


def test_a_response_on_another_context_than_its_request_aborts() -> None:
    pair = Pair.established({ECHO: Held()})
    answer = Waiter(pair.requestor.ask(1, ECHO_COMMAND).response())
    assert pair.say(sent(Command(field=ECHO | 0x8000, responds_to=1, status=0), 3)) == encode_abort(2, 6)
    assert failed_with(answer, AssociationAborted)


@pytest.mark.parametrize("which", BAD_RESPONSES)
def test_a_response_that_answers_nothing_aborts(which: str, caplog: pytest.LogCaptureFixture) -> None:
    response, problem = BAD_RESPONSES[which]
    pair = Pair.established({ECHO: Held()})
    answers = [Waiter(pair.requestor.ask(1, ECHO_COMMAND).response()) for _ in range(2)]
    position = pair.requestor.connection.association._position
    assert pair.say(sent(response)) == encode_abort(2, 6)
    assert all(failed_with(answer, AssociationAborted) for answer in answers)
    assert (answers[0].result.source, answers[0].result.reason) == (2, 6)
    assert f"archive breaks the protocol: a response to message {response.responds_to} {problem} (byte {position + 12})" in (
        caplog.text
    )


def test_success_before_all_was_sent_aborts_and_is_not_believed() -> None:
    source = Memory(bytes(1 << 20))
    pair = Pair.established({STORE: Held()}, room=40_000)
    asked = pair.requestor.ask(3, STORE_COMMAND, source=source)
    answer = Waiter(asked.response())
    pair.say(sent(Command(field=STORE | 0x8000, responds_to=1, status=SUCCESS), 3))
    assert failed_with(answer, AssociationAborted)
    assert (asked.handed_over, source.closed) == (False, 1)


def test_a_refusal_before_all_was_sent_is_taken_and_the_association_goes_on() -> None:
    source, held = Memory(bytes(1 << 20)), Held()
    pair = Pair.established({STORE: held}, room=40_000)
    answer = Waiter(pair.requestor.ask(3, STORE_COMMAND, source=source).response())
    pair.connections[0].dataReceived(sent(Command(field=STORE | 0x8000, responds_to=1, status=0xA700), 3))
    assert status_of(answer.result) == 0xA700
    pair.pump()
    assert (source.size, source.closed, len(held.data)) == (0, 1, 1), "a message that has begun is ended"
    pair.reactor.advance(31)
    assert not pair.requestor.over, "nothing is awaited any more"


def test_a_data_set_kept_in_memory_has_its_limit() -> None:
    held = Held()
    pair = Pair.established({STORE: held}, maximum_pdu=1 << 18)
    longest = Waiter(pair.requestor.ask(3, STORE_COMMAND, bytes(DATA_LIMIT)).response())
    pair.pump()
    held.requests[0].respond(SUCCESS)
    pair.pump()
    assert status_of(longest.result) == SUCCESS
    longer = Waiter(pair.requestor.ask(3, STORE_COMMAND, bytes(DATA_LIMIT + 2)).response())
    pair.pump()
    assert failed_with(longer, AssociationAborted)
    assert (longer.result.source, longer.result.reason) == (2, 6)


def test_empty_pieces_of_a_data_set_are_not_kept() -> None:
    """Each takes six bytes of the peer, and could take fifty of ours."""
    sink = InMemory(lambda _data: None)
    tracemalloc.start()
    try:
        for _ in range(100_000):
            sink.write(memoryview(b""))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 10_000


def test_message_ids_begin_anew_and_pass_over_those_in_use() -> None:
    held = Held()
    pair = Pair.established({STORE: held}, window=UNLIMITED)
    first = pair.requestor.ask(3, STORE_COMMAND, b"data")
    pair.requestor._last_id = 65534
    numbers = [pair.requestor.ask(3, STORE_COMMAND, b"data").command.message_id for _ in range(3)]
    assert (first.command.message_id, numbers) == (1, [65535, 2, 3])


def test_requests_that_the_window_holds_back_take_no_message_ids() -> None:
    held = Held()
    pair = Pair.established({STORE: held}, window=(2, 1))
    asked = [pair.requestor.ask(3, STORE_COMMAND, b"data") for _ in range(4)]
    pair.pump()
    assert [one.number for one in asked] == [1, 2, 0, 0]
    held.requests[1].respond(SUCCESS)
    pair.pump()
    assert [one.number for one in asked] == [1, 2, 3, 0]


def test_a_request_waits_where_all_message_ids_are_in_use() -> None:
    held = Held()
    pair = Pair.established({STORE: held}, window=UNLIMITED)
    first = pair.requestor.ask(3, STORE_COMMAND, b"data")
    pair.requestor._asked.update(dict.fromkeys(range(2, 65536), first))
    last = pair.requestor.ask(3, STORE_COMMAND, b"data")
    pair.pump()
    assert (last.number, len(held.requests)) == (0, 1)
    held.requests[0].respond(SUCCESS)
    pair.pump()
    assert (last.number, len(held.requests)) == (1, 2)


def test_a_context_that_was_not_accepted_is_not_asked_on() -> None:
    pair, source = Pair.established(), Memory(b"data")
    answer = Waiter(pair.requestor.ask(5, STORE_COMMAND, source=source).response())
    assert failed_with(answer, LocalViolation)
    assert source.closed
    assert not pair.requestor.busy


def test_a_c_get_stores_over_the_association_that_it_came_by() -> None:
    held = Held()

    async def select(_request: Request, _data: bytes) -> list[Instance]:
        return [Instance(CT, f"1.2.{number}", EXPLICIT, lambda: Memory(b"image" * 9999)) for number in (1, 2)]

    pair = Pair.established({GET: got_by(select)}, served_by_requestor={STORE: held})
    asked = pair.requestor.ask(3, Command(field=GET, sop_class=CT, priority=0), b"query")
    answers = []
    for _ in range(2):
        pair.pump()
        pair.reactor.advance(20)
        held.requests[-1].respond(SUCCESS)
        pair.pump()
        answers.append(Waiter(asked.response()).result)
    assert [(answer.command.status, answer.command.completed) for answer in answers] == [(PENDING, 1), (SUCCESS, 2)]
    assert held.data == [b"image" * 9999] * 2


def test_the_peer_may_be_at_work_on_a_c_get_for_longer_than_an_answer_may_take() -> None:
    stored = Held()
    pair = Pair.established({GET: Held()}, served_by_requestor={STORE: stored}, response_seconds=30.0)
    answer = Waiter(pair.requestor.ask(3, Command(field=GET, sop_class=CT, priority=0), b"query").response())
    for _ in range(5):
        pair.pump()
        pair.acceptor.ask(3, STORE_COMMAND, b"image")
        pair.pump()
        stored.requests[-1].respond(SUCCESS)
        pair.pump()
        pair.reactor.advance(20)
    assert not answer.done
    pair.reactor.advance(31)
    assert answer.done, "it is not at work when nothing comes"


def test_an_acceptor_reports_an_event_to_the_requestor() -> None:
    heard: list[tuple[int | None, bytes]] = []

    def take(request: Request, data: bytes) -> Answer:
        heard.append((request.command.event_type, data))
        return Answer(SUCCESS)

    pair = Pair.established(served_by_requestor={REPORT: answered_by(take)})
    report = Command(field=REPORT, sop_class=CT, sop_instance="1.2.3", event_type=1)
    answer = Waiter(pair.acceptor.ask(3, report, b"committed").response())
    pair.pump()
    assert heard == [(1, b"committed")]
    assert (status_of(answer.result), answer.result.command.sop_instance) == (SUCCESS, "1.2.3")


def test_a_sink_is_told_that_its_association_has_ended() -> None:
    told: list[str] = []

    class Abandoned:
        def write(self, data: memoryview) -> None:
            told.append("write")

        def finish(self) -> None:
            told.append("finish")

        def abandon(self) -> None:
            told.append("abandon")

    def serve(_request: Request) -> Sink:
        return Abandoned()

    pair = Pair.established({STORE: serve}, room=20_000)
    pair.requestor.ask(3, STORE_COMMAND, source=Memory(bytes(100_000)))
    pair.step(0)
    pair.lose()
    assert told[0] == "write"
    assert told[1:].count("abandon") == 1
    assert "finish" not in told


def test_one_waits_for_the_next_response_at_a_time() -> None:
    held = Held()
    pair = Pair.established({STORE: held})
    asked = pair.requestor.ask(3, STORE_COMMAND, b"data")
    deferred = asked.response()
    first = Waiter(deferred)
    assert failed_with(Waiter(asked.response()), LocalViolation)
    assert not first.done
    deferred.cancel()
    pair.pump()
    third = Waiter(asked.response())
    held.requests[0].respond(SUCCESS)
    pair.pump()
    assert status_of(third.result) == SUCCESS


def test_a_request_that_waits_for_the_window_is_cancelled_before_it_is_sent() -> None:
    held, source = Held(), Memory(b"data")
    pair = Pair.established({STORE: held})
    first = Waiter(pair.requestor.ask(3, STORE_COMMAND, b"data").response())
    asked = pair.requestor.ask(3, STORE_COMMAND, source=source)
    answer = Waiter(asked.response())
    asked.cancel()
    assert isinstance(answer.result, LocalViolation)
    assert (asked.handed_over, source.closed) == (False, 1)
    pair.pump()
    held.requests[0].respond(SUCCESS)
    pair.pump()
    assert (status_of(first.result), len(held.requests), pair.requestor.busy) == (SUCCESS, 1, False)
