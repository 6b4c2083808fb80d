"""C-FIND services: matches with statuses of their own, a failure after some, and what is waited for in the meantime."""

from __future__ import annotations

from collections.abc import AsyncIterator

from twisted.internet.defer import Deferred

from dul import Answer, Request, RequestRefused, found_by
from dul.services import Finder, unless_cancelled
from dul.status import CANCEL, OUT_OF_RESOURCES, PENDING, PENDING_WITH_WARNING, SUCCESS
from tests.unit.dul.pair import FIND, FIND_COMMAND, Pair, Waiter


def answers(pair: Pair, asked: object) -> list[tuple[int | None, bytes | None, str | None]]:
    """Give the status, the data set and the comment of each answer, up to the last."""
    found: list[tuple[int | None, bytes | None, str | None]] = []
    while not found or found[-1][0] in (PENDING, PENDING_WITH_WARNING):
        waiter = Waiter(asked.response())  # type: ignore[attr-defined]  # what Exchange.ask gives
        pair.pump()
        command = waiter.result.command
        found.append((command.status, waiter.result.data, command.error_comment))
    return found


def found(finder: Finder) -> list[tuple[int | None, bytes | None, str | None]]:
    pair = Pair.established({FIND: found_by(finder)})
    asked = pair.requestor.ask(3, FIND_COMMAND, b"query")
    return answers(pair, asked)


def test_a_match_may_have_another_status_than_pending() -> None:
    matches = [b"one", Answer(PENDING_WITH_WARNING, b"two")]
    assert found(lambda _request, _data: matches) == [
        (PENDING, b"one", None),
        (PENDING_WITH_WARNING, b"two", None),
        (SUCCESS, None, None),
    ]


def test_a_query_may_fail_after_some_matches() -> None:
    async def find(_request: Request, _data: bytes) -> AsyncIterator[bytes | Answer]:
        yield b"one"
        raise RequestRefused(OUT_OF_RESOURCES, "no more")

    assert found(find) == [(PENDING, b"one", None), (OUT_OF_RESOURCES, None, "no more")]


def test_a_fault_of_a_service_is_told_with_a_comment() -> None:
    def find(_request: Request, _data: bytes) -> list[bytes]:
        raise LookupError

    (last,) = found(find)
    assert last == (0x0110, None, "The request cannot be answered")


class Waiting:
    """A C-FIND that waits for something."""

    def __init__(self) -> None:
        self.waits: Deferred[bytes] = Deferred()
        self.pair = Pair()
        services = {FIND: found_by(self.find)}
        self.pair = Pair.established(services, reactor=self.pair.reactor)
        self.asked = self.pair.requestor.ask(3, FIND_COMMAND, b"query")
        self.pair.pump()

    async def find(self, request: Request, _data: bytes) -> AsyncIterator[bytes | Answer]:
        """Wait ten seconds at most."""
        try:
            yield await unless_cancelled(request, self.work(), 10, self.pair.reactor)
        except TimeoutError:
            yield b"late"

    async def work(self) -> bytes:
        """Do something else."""
        return await self.waits


def test_what_is_waited_for_comes() -> None:
    waiting = Waiting()
    waiting.waits.callback(b"match")
    assert answers(waiting.pair, waiting.asked) == [(PENDING, b"match", None), (SUCCESS, None, None)]
    waiting.pair.reactor.advance(10)
    assert not waiting.pair.acceptor.over


def test_a_cancel_ends_the_waiting_at_once() -> None:
    waiting = Waiting()
    waiting.asked.cancel()
    assert answers(waiting.pair, waiting.asked) == [(CANCEL, None, None)]
    waiting.waits.callback(b"too late")


def test_the_waiting_has_an_end() -> None:
    waiting = Waiting()
    waiting.pair.reactor.advance(10)
    assert answers(waiting.pair, waiting.asked) == [(PENDING, b"late", None), (SUCCESS, None, None)]


def test_nothing_is_begun_for_a_request_that_is_cancelled_already() -> None:
    begun = []

    async def work() -> bytes:
        begun.append(True)
        return b"match"

    async def find(request: Request, _data: bytes) -> AsyncIterator[bytes | Answer]:
        request.cancel()
        yield await unless_cancelled(request, work(), 10, pair.reactor)

    pair = Pair()
    assert found(find) == [(CANCEL, None, None)]
    assert not begun
