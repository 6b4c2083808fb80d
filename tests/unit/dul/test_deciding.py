"""A request for an association may be answered later: the peer waits, and may leave meanwhile."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock

from dul import (
    NO_REASON,
    AssociateRequest,
    AssociationAborted,
    AssociationRejected,
    Decision,
    Exchange,
    Listener,
    Listening,
    Policy,
)
from dul.associate import LOCAL_LIMIT_EXCEEDED, negotiate
from tests.unit.dul.pair import Pair, failed_with

_POLICY = Policy(choose=lambda _syntax, proposed: proposed[0])


class Desk:
    """Keeps requests until the test answers them."""

    def __init__(self, associations: int = 64) -> None:
        self.reactor = MemoryReactorClock()
        self.waiting: list[tuple[AssociateRequest, Deferred[Decision]]] = []
        self.established: list[Exchange] = []
        self.listener = Listener(
            Listening(self._decide, {}, associations=associations, established=self.established.append), self.reactor
        )

    def _decide(self, request: AssociateRequest, _peer: str) -> Deferred[Decision]:
        self.waiting.append((request, Deferred()))
        return self.waiting[-1][1]

    def asked(self) -> Pair:
        """Give a pair whose request waits."""
        pair = Pair(listener=self.listener, reactor=self.reactor)
        pair.pump()
        assert not pair.answer.done
        return pair

    def accept(self, place: int) -> None:
        request, decision = self.waiting[place]
        decision.callback(negotiate(request, _POLICY))


def test_a_request_is_accepted_later() -> None:
    desk = Desk()
    pair = desk.asked()
    assert desk.established == []
    desk.accept(0)
    pair.pump()
    assert isinstance(pair.answer.result, Exchange)
    assert desk.established == [pair.acceptor]


def test_a_request_is_rejected_later() -> None:
    desk = Desk()
    pair = desk.asked()
    desk.waiting[0][1].callback(NO_REASON)
    pair.pump()
    assert failed_with(pair.answer, AssociationRejected)
    assert "no reason given" in str(pair.answer.result)
    assert desk.established == []


def test_a_decision_for_a_peer_that_has_left_does_nothing() -> None:
    desk = Desk()
    pair = desk.asked()
    pair.lose()
    desk.accept(0)
    assert desk.established == []
    assert not desk.listener.exchanges


def test_a_decision_that_fails_aborts() -> None:
    desk = Desk()
    pair = desk.asked()
    desk.waiting[0][1].errback(OSError(5, "Input/output error"))
    pair.pump()
    assert failed_with(pair.answer, AssociationAborted)
    assert str(pair.acceptor_ended.result) == "The request of ct1 for an association was not answered."


def test_the_limit_holds_for_those_that_were_decided_side_by_side() -> None:
    desk = Desk(associations=1)
    first, second = desk.asked(), desk.asked()
    desk.accept(0)
    desk.accept(1)
    first.pump()
    second.pump()
    assert isinstance(first.answer.result, Exchange)
    assert failed_with(second.answer, AssociationRejected)
    assert (second.answer.result.result, second.answer.result.source, second.answer.result.reason) == (
        LOCAL_LIMIT_EXCEEDED.result,
        LOCAL_LIMIT_EXCEEDED.source,
        LOCAL_LIMIT_EXCEEDED.reason,
    )
