"""How an association ends between two exchanges in memory, and what everybody who waits for something hears of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from twisted.internet.error import ConnectionLost as Broken
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from dul import (
    AssociateAccept,
    AssociateRequest,
    AssociationAborted,
    AssociationRejected,
    ConnectionLost,
    DulError,
    Exchange,
    Listener,
    Listening,
    LocalViolation,
    PeerTimedOut,
    Policy,
    Request,
    Sink,
    State,
    Timeouts,
    connect,
    echo,
    encode_command,
)
from dul.exchange import Decide
from dul.pdata import split
from dul.pdus import RELEASE_RP, RELEASE_RQ, encode_abort
from tests.unit.dul.feeding import RQ, TAKES_ALL
from tests.unit.dul.pair import (
    CONTEXTS,
    ECHO,
    ECHO_COMMAND,
    STORE,
    STORE_COMMAND,
    Held,
    Memory,
    Pair,
    Waiter,
    failed_with,
    take_all,
)

TIMEOUTS = Timeouts(artim=15.0, idle=60.0)


class Asking:
    """A requestor with a request that waits for its answer, one that is half sent and one that the window holds back."""

    def __init__(self, **named: object) -> None:
        self.pair = Pair.established({STORE: Held(), ECHO: Held()}, window=(2, 1), room=40_000, **named)
        self.sources = [Memory(bytes(1 << 20)), Memory(b"held")]
        requestor = self.pair.requestor
        self.asked = [
            requestor.ask(1, ECHO_COMMAND),
            requestor.ask(3, STORE_COMMAND, source=self.sources[0]),
            requestor.ask(3, STORE_COMMAND, source=self.sources[1]),
        ]
        self.answers = [Waiter(asked.response()) for asked in self.asked]
        self.pair.step(0)

    def check(self, kind: type[DulError]) -> None:
        """Everybody heard of it in the same way, and knows what the peer may have."""
        assert [type(answer.result) for answer in self.answers] == [kind] * 3
        assert [asked.handed_over for asked in self.asked] == [True, False, False]
        assert [source.closed for source in self.sources] == [1, 1]
        assert 0 < self.sources[0].size < 1 << 20
        assert not self.pair.requestor.busy
        after = Memory(b"late")
        assert failed_with(Waiter(self.pair.requestor.ask(3, STORE_COMMAND, source=after).response()), kind)
        assert after.closed


ENDS: dict[str, tuple[Callable[[Pair], object], type[DulError]]] = {
    "the connection is lost": (lambda pair: pair.lose(Broken()), ConnectionLost),
    "the peer closes the connection": (lambda pair: pair.lose(), ConnectionLost),
    "the peer aborts": (lambda pair: pair.say(encode_abort(0, 0)), AssociationAborted),
    "the peer breaks the protocol": (lambda pair: pair.say(b"GET / HTTP/1.1\r\n"), AssociationAborted),
    "the peer releases": (lambda pair: pair.say(RELEASE_RQ), ConnectionLost),
    "we abort": (lambda pair: pair.requestor.abort(), AssociationAborted),
    "the peer answers in no time": (lambda pair: pair.reactor.advance(31), PeerTimedOut),
}


@pytest.mark.parametrize("end", ENDS)
def test_every_end_is_told_to_everybody_who_waits(end: str) -> None:
    happen, kind = ENDS[end]
    asking = Asking()
    happen(asking.pair)
    asking.check(kind)
    result = asking.pair.ended(0)
    assert result is None if end == "the peer releases" else type(result) is kind


def test_a_release_of_ours_while_something_is_sent_leaves_it_unsent() -> None:
    asking = Asking()
    closed = Waiter(asking.pair.requestor.release())
    asking.pair.pump()
    assert (closed.done, closed.result) == (True, None)
    asking.check(ConnectionLost)


def test_a_source_that_cannot_be_read_aborts() -> None:
    pair, source = Pair.established({STORE: Held()}), Memory(bytes(100_000), fails_after=50_000)
    asked = pair.requestor.ask(3, STORE_COMMAND, source=source)
    answer = Waiter(asked.response())
    assert failed_with(answer, AssociationAborted)
    assert "Input/output error" in str(answer.result)
    assert (asked.handed_over, source.closed) == (False, 1)
    pair.pump()
    assert type(pair.ended(1)) is AssociationAborted
    assert (pair.ended(1).source, pair.ended(1).reason) == (0, 0)


def test_all_of_a_source_is_handed_over_with_its_last_fragment_and_not_before() -> None:
    pair, source = Pair.established({STORE: Held()}, room=1), Memory(bytes(9 * 16378))
    asked = pair.requestor.ask(3, STORE_COMMAND, source=source)
    seen = []
    while not asked.handed_over:
        seen.append(source.size)
        assert pair.step(0)
    assert list(dict.fromkeys(seen)) == [5 * 16378, 16378], (
        "four fragments of 16,378 bytes are read at once; the last had not been written"
    )
    assert source.size == 0
    pair.lose()
    assert asked.handed_over


def test_a_late_answer_aborts_and_an_answer_begins_the_time_anew() -> None:
    held = Held()
    pair = Pair.established({STORE: held}, response_seconds=30.0)
    answer = Waiter(pair.requestor.ask(3, STORE_COMMAND, b"data").response())
    pair.pump()
    pair.reactor.advance(29)
    held.requests[0].respond(0xFF00)
    pair.pump()
    pair.reactor.advance(29)
    assert not pair.requestor.over
    pair.reactor.advance(1.5)
    assert type(pair.ended(0)) is PeerTimedOut
    assert str(pair.ended(0)) == "archive did not answer within 30 s"
    assert answer.result.command.status == 0xFF00
    pair.pump()
    assert (pair.ended(1).source, pair.ended(1).reason) == (0, 0)


def test_a_silent_peer_is_left() -> None:
    pair = Pair.established()
    pair.reactor.advance(59)
    assert not pair.requestor.over
    pair.connections[1].dataReceived(b"")
    pair.reactor.advance(2)
    assert type(pair.ended(0)) is PeerTimedOut
    assert not pair.acceptor.over, "it heard something"
    pair.pump()
    assert all(pair.closed)


def test_a_peer_that_is_not_listened_to_is_not_silent() -> None:
    pair = Pair.established()
    pair.acceptor.hold()
    pair.reactor.advance(500)
    assert not pair.acceptor.over
    pair.acceptor.unhold()
    pair.reactor.advance(59)
    assert not pair.acceptor.over
    pair.reactor.advance(61)
    assert type(pair.ended(1)) is PeerTimedOut


def test_a_peer_is_not_silent_while_its_request_is_served() -> None:
    def serve(request: Request) -> Sink:
        pair.reactor.rightNow += 61
        return echo(request)

    pair = Pair.established({ECHO: serve})
    answer = Waiter(pair.requestor.ask(1, ECHO_COMMAND).response())
    pair.pump()
    assert answer.done
    assert not pair.acceptor.over


def test_a_peer_that_takes_nothing_is_left_though_it_is_not_listened_to() -> None:
    held = Held()
    pair = Pair.established({STORE: held}, room=10)
    pair.requestor.ask(3, STORE_COMMAND, b"data")
    pair.pump()
    held.requests[0].respond(0)
    pair.acceptor.hold()
    pair.reactor.advance(70)
    assert type(pair.ended(1)) is PeerTimedOut
    assert str(pair.ended(1)).startswith("ct1 took nothing for ")
    pair.reactor.advance(16)
    assert pair.ends[1].cut, "what was written would keep the connection"


@pytest.mark.parametrize("side", [0, 1])
def test_both_sides_can_release(side: int) -> None:
    pair = Pair.established()
    closed = Waiter(pair.exchange(side).release())
    pair.pump()
    assert (closed.done, closed.result) == (True, None)
    assert (pair.ended(0), pair.ended(1)) == (None, None)
    assert all(pair.closed)
    assert Waiter(pair.exchange(side).release()).result is None, "once more does nothing"


def test_both_sides_can_release_at_once() -> None:
    pair = Pair.established()
    closed = [Waiter(pair.exchange(side).release()) for side in (0, 1)]
    pair.pump()
    assert [waiter.result for waiter in closed] == [None, None]
    assert all(waiter.done for waiter in closed)
    assert all(pair.closed)


@pytest.mark.parametrize("side", [0, 1])
def test_an_abort_is_told_to_the_peer_and_the_connection_closed_by_it(side: int) -> None:
    pair = Pair.established()
    pair.exchange(side).abort()
    pair.exchange(side).abort()
    assert bytes(pair.ends[side].out) == encode_abort(0, 0)
    pair.pump()
    assert type(pair.ended(1 - side)) is AssociationAborted
    assert all(pair.closed)


def test_a_peer_that_does_not_close_after_an_abort_is_cut_soon() -> None:
    pair = Pair.established(timeouts=TIMEOUTS)
    pair.acceptor.abort()
    assert not pair.ends[1].closing
    pair.reactor.advance(TIMEOUTS.artim)
    assert pair.ends[1].cut


def test_reading_goes_on_after_an_abort_so_that_the_close_is_seen() -> None:
    pair = Pair.established()
    pair.acceptor.hold()
    pair.acceptor.abort()
    assert pair.ends[1].reading


def test_a_peer_that_takes_nothing_does_not_keep_a_released_connection() -> None:
    pair = Pair.established(timeouts=TIMEOUTS)
    pair.requestor.release()
    while pair.requestor.connection.association.state is not State.Sta1:
        assert pair.step(0) | pair.step(1)
    assert pair.ends[0].closing
    assert not pair.ends[0].cut
    pair.reactor.advance(TIMEOUTS.artim)
    assert pair.ends[0].cut, "TLS would wait for the peer's own close"


OWING = {
    "a request for an association": (lambda pair: None, "answer the request for an association"),
    "a release": (lambda pair: pair.requestor.release(), "answer the release"),
    "a release after a collision": (
        lambda pair: (pair.requestor.release(), pair.connections[0].dataReceived(RELEASE_RQ)),
        "answer the release",
    ),
}


@pytest.mark.parametrize("owed", OWING)
def test_an_answer_that_does_not_come_is_given_up(owed: str) -> None:
    ask, text = OWING[owed]
    pair = Pair(timeouts=TIMEOUTS) if owed == "a request for an association" else Pair.established(timeouts=TIMEOUTS)
    ask(pair)
    heard = Waiter(pair.requestor.closed()) if owed != "a request for an association" else pair.answer
    pair.reactor.advance(TIMEOUTS.artim - 1)
    assert not heard.done
    pair.reactor.advance(1)
    assert failed_with(heard, PeerTimedOut)
    assert str(heard.result) == f"archive did not {text} within 15 s"
    assert bytes(pair.ends[0].out[-10:]) == encode_abort(2, 0)
    assert pair.ends[0].closing
    pair.reactor.advance(TIMEOUTS.artim)
    assert pair.ends[0].cut


def test_an_association_that_is_there_has_no_time_limit_of_artim() -> None:
    pair = Pair.established(timeouts=TIMEOUTS)
    pair.reactor.advance(TIMEOUTS.artim + 1)
    assert not pair.requestor.over
    assert not pair.acceptor.over


def test_a_peer_that_asks_for_nothing_is_left_after_artim() -> None:
    pair = Pair(timeouts=TIMEOUTS)
    pair.reactor.advance(TIMEOUTS.artim)
    assert pair.ends[1].cut
    assert type(pair.acceptor_ended.result) is PeerTimedOut
    assert str(pair.acceptor_ended.result) == "ct1 did not ask for an association within 15 s"


REJECTIONS = {
    "called AE title not recognized": (Policy(choose=TAKES_ALL.choose, called_ae_titles=["OTHER"]), (1, 1, 7)),
    "calling AE title not recognized": (Policy(choose=TAKES_ALL.choose, calling_ae_titles=["OTHER"]), (1, 1, 3)),
}


@pytest.mark.parametrize("reason", REJECTIONS)
def test_a_rejection_is_told_with_its_reason(reason: str) -> None:
    policy, numbers = REJECTIONS[reason]
    pair = Pair(policy=policy)
    pair.pump()
    rejected = pair.answer.result
    assert type(rejected) is AssociationRejected
    assert (str(rejected), rejected.result, rejected.source, rejected.reason) == (reason, *numbers)
    assert (pair.acceptor_ended.done, pair.acceptor_ended.result) == (True, None)
    assert all(pair.closed)
    assert not pair.listener.exchanges


def test_more_associations_than_allowed_are_rejected_and_more_connections_not_taken() -> None:
    reactor = MemoryReactorClock()
    listener = Listener(Listening(take_all(TAKES_ALL), {}, associations=2), reactor)
    pairs = [Pair.established(listener=listener, reactor=reactor) for _ in range(2)]
    third, fourth = (Pair(listener=listener, reactor=reactor) for _ in range(2))
    third.pump()
    assert str(third.answer.result) == "local limit exceeded"
    assert Pair(listener=listener, reactor=reactor).taken
    assert not Pair(listener=listener, reactor=reactor).taken, "four connections are open"
    pairs[0].requestor.release()
    pairs[0].pump()
    assert Pair(listener=listener, reactor=reactor).taken
    fourth.pump()
    assert isinstance(fourth.answer.result, Exchange), "one of two associations has ended"


def test_associations_of_other_listeners_count_where_they_share_the_limit() -> None:
    reactor = MemoryReactorClock()
    others, told = [1], list[int]()

    def beside(associations: int) -> int:
        told.append(associations)
        return others[0]

    listener = Listener(Listening(take_all(TAKES_ALL), {}, associations=2, beside=beside), reactor)
    first = Pair.established(listener=listener, reactor=reactor)
    second = Pair(listener=listener, reactor=reactor)
    second.pump()
    assert str(second.answer.result) == "local limit exceeded"
    first.requestor.release()
    first.pump()
    assert told == [1, 2, 1, 0], "would have one, would have two, has one, has none"
    others[0] = 2
    third = Pair(listener=listener, reactor=reactor)
    third.pump()
    assert str(third.answer.result) == "local limit exceeded"
    assert told[-1] == 0


def test_a_connection_counts_until_it_is_closed_though_its_association_has_ended() -> None:
    reactor = MemoryReactorClock()
    listener = Listener(Listening(take_all(TAKES_ALL), {}, associations=1), reactor)
    pairs = [Pair(listener=listener, reactor=reactor) for _ in range(2)]
    for pair in pairs:
        pair.connections[1].dataReceived(b"GET / HTTP/1.1\r\n")
    assert not listener.exchanges
    assert not Pair(listener=listener, reactor=reactor).taken
    reactor.advance(15)
    for pair in pairs:
        assert pair.ends[1].cut
        pair.lose()
    assert Pair(listener=listener, reactor=reactor).taken


def asking(reactor: MemoryReactorClock) -> Waiter:
    return Waiter(connect(reactor, ("archive", 104), AssociateRequest("ARCHIVE", "CT1", CONTEXTS)))


def test_no_connection_is_a_dul_error() -> None:
    reactor = MemoryReactorClock()
    waiter = asking(reactor)
    reactor.tcpClients[0][2].clientConnectionFailed(None, Failure(Broken("refused")))
    assert failed_with(waiter, ConnectionLost)
    assert "refused" in str(waiter.result)


def test_a_request_that_cannot_be_written_is_told_as_everything_else_is() -> None:
    reactor = MemoryReactorClock()
    waiter = Waiter(connect(reactor, ("archive", 104), AssociateRequest("ARCHIVE", "CT1", (CONTEXTS[0], CONTEXTS[0]))))
    assert failed_with(waiter, LocalViolation)
    assert not reactor.tcpClients


def test_who_does_not_wait_any_more_gets_no_connection() -> None:
    reactor = MemoryReactorClock()
    deferred = connect(reactor, ("archive", 104), AssociateRequest("ARCHIVE", "CT1", CONTEXTS))
    waiter = Waiter(deferred)
    deferred.cancel()
    assert type(waiter.result) is AssociationAborted
    assert reactor.tcpClients[0][2].buildProtocol(None) is None
    reactor.tcpClients[0][2].clientConnectionFailed(None, Failure(Broken()))


def test_an_abort_before_an_association_is_there_closes_the_connection() -> None:
    pair = Pair()
    pair.acceptor.abort()
    assert pair.ends[1].cut
    assert type(pair.acceptor_ended.result) is AssociationAborted
    refused = Pair()
    assert refused.say(RQ[:7] + b"\2" + RQ[8:], 1)[:1] == b"\3", "a protocol version that is not supported"
    refused.acceptor.abort()
    assert refused.ends[1].cut


@pytest.mark.parametrize("end", range(4))
def test_an_answer_after_the_end_does_nothing(end: int) -> None:
    held = Held()
    pair = Pair.established({STORE: held})
    pair.requestor.ask(3, STORE_COMMAND, b"data")
    pair.pump()
    endings = [pair.acceptor.abort, pair.acceptor.release, pair.lose, lambda: pair.say(RELEASE_RQ, 1)]
    endings[end]()
    before = bytes(pair.ends[1].out)
    held.requests[0].respond(0)
    assert bytes(pair.ends[1].out) == before


def test_what_comes_together_with_its_end_is_passed_over() -> None:
    pair = Pair()
    assert pair.say(RQ + encode_abort(0, 0), 1) == b""
    assert type(pair.acceptor_ended.result) is AssociationAborted
    assert pair.ends[1].closing
    established = Pair.established()
    assert established.say(RELEASE_RQ + encode_abort(0, 0), 1) == b""
    assert type(established.ended(1)) is AssociationAborted


def test_a_request_that_comes_together_with_a_release_is_answered_first() -> None:
    pair = Pair.established()
    echo = replace(ECHO_COMMAND, message_id=1)
    said = pair.say(b"".join(split(1, encode_command(echo), None, 16384)) + RELEASE_RQ, 1)
    assert said == b"".join(split(1, encode_command(echo.response(0)), None, 16384)) + RELEASE_RP
    assert pair.ended(1) is None


def test_the_first_of_two_violations_is_answered_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    pair = Pair.established()
    nothing = b"".join(split(1, encode_command(ECHO_COMMAND.response(0)), None, 16384))
    assert pair.say(nothing + b"GET / HTTP/1.1\r\n\r\n", 1) == encode_abort(2, 6)
    assert (pair.ended(1).source, pair.ended(1).reason) == (2, 6)
    assert caplog.text.count("breaks the protocol") == 1
    pair.reactor.advance(15)
    assert pair.ends[1].cut


class Failing:
    """A service that fails in one of the ways in which it can; it hears of the end all the same."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.told: list[str] = []

    def __call__(self, _request: Request) -> Sink:
        self._hear("begin")
        return self

    def write(self, data: memoryview) -> None:
        self._hear("write")

    def finish(self) -> None:
        self._hear("finish")

    def abandon(self) -> None:
        self._hear("abandon")

    def _hear(self, what: str) -> None:
        self.told.append(what)
        if what == self.way:
            raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("way", "told"), [("begin", ["begin"]), ("write", ["begin", "write", "abandon"]), ("finish", ["begin", "write", "finish"])]
)
def test_a_service_that_fails_ends_the_association_and_the_peer_hears_it(
    way: str, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    failing = Failing(way)
    pair = Pair.established({STORE: failing})
    answer = Waiter(pair.requestor.ask(3, STORE_COMMAND, b"data").response())
    pair.pump()
    assert failed_with(answer, AssociationAborted)
    assert (answer.result.source, answer.result.reason) == (0, 0)
    assert str(pair.ended(1)) == "What ct1 sent could not be taken."
    assert failing.told == told
    assert "No space left on device" in caplog.text
    assert all(pair.closed)


def test_a_service_that_fails_on_what_comes_with_a_violation_ends_the_association_once() -> None:
    pair = Pair.established({STORE: Failing("write")})
    store = replace(STORE_COMMAND, message_id=1, has_data=True)
    said = pair.say(b"".join(split(3, encode_command(store), b"data", 16384)) + RQ, 1)
    assert said == encode_abort(0, 0)
    assert str(pair.ended(1)) == "What ct1 sent could not be taken."


def test_a_service_that_cannot_abandon_keeps_neither_the_connection_nor_those_who_wait() -> None:
    reactor = MemoryReactorClock()
    failing = Failing("abandon")
    listener = Listener(Listening(take_all(TAKES_ALL), {STORE: failing}, associations=1), reactor)
    pairs = [Pair.established(listener=listener, reactor=reactor, room=20_000), Pair(listener=listener, reactor=reactor)]
    pairs[0].requestor.ask(3, STORE_COMMAND, source=Memory(bytes(200_000)))
    pairs[0].step(0)
    answer = Waiter(pairs[0].acceptor.ask(3, STORE_COMMAND, b"data").response())
    assert not Pair(listener=listener, reactor=reactor).taken
    pairs[0].lose()
    assert failing.told[-1] == "abandon"
    assert failed_with(answer, ConnectionLost)
    assert type(pairs[0].ended(1)) is ConnectionLost
    assert Pair(listener=listener, reactor=reactor).taken


def _failing_policy(_request: AssociateRequest, _peer: str) -> AssociateAccept:
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize("decide", [_failing_policy, take_all(replace(TAKES_ALL, implementation_version_name="L" * 17))])
def test_a_request_that_cannot_be_decided_is_aborted(decide: Decide) -> None:
    reactor = MemoryReactorClock()
    pair = Pair(listener=Listener(Listening(decide, {}), reactor), reactor=reactor)
    pair.pump()
    assert failed_with(pair.answer, AssociationAborted)
    assert str(pair.acceptor_ended.result) == "The request of ct1 for an association could not be answered."
    assert all(pair.closed)
    assert not pair.listener.exchanges
