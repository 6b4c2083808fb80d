"""What a peer asks of a service over an association in memory, and all the answers that it gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.testing import MemoryReactorClock

from dul import Asked, Command, CommandField, ProposedContext, Response, Service
from dul.status import PENDING, PENDING_WITH_WARNING
from tests.unit.dul.pair import Pair, Waiter

EXPLICIT = "1.2.840.10008.1.2.1"
Provide = Callable[[Any], Mapping[CommandField, Service]]


class Peer:
    """A peer with a context of one abstract syntax; `provide` is given the reactor and gives the services."""

    def __init__(self, abstract_syntax: str, provide: Provide) -> None:
        reactor = MemoryReactorClock()
        contexts = (ProposedContext(1, abstract_syntax, (EXPLICIT,)),)
        self.pair = Pair.established(provide(reactor), contexts=contexts, reactor=reactor)

    def ask(self, command: Command, data: bytes | None) -> Asked:
        """Send a request."""
        asked = self.pair.requestor.ask(1, command, data)
        self.pair.pump()
        return asked

    def answers(self, asked: Asked) -> list[Response]:
        """Give all answers to a request, the last with the final status."""
        found: list[Response] = []
        while not found or found[-1].command.status in (PENDING, PENDING_WITH_WARNING):
            waiter = Waiter(asked.response())
            self.pair.pump()
            assert waiter.done, f"after {len(found)} answers no more come"
            assert isinstance(waiter.result, Response), waiter.result
            found.append(waiter.result)
        return found
