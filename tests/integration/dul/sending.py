"""Many small C-STOREs to a listener in another process, beside processes that take all the time they get."""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from twisted.internet.defer import Deferred

from dul import Asked, AssociateRequest, Command, CommandField, Exchange, ProposedContext, connect
from runtime import ReactorThread
from tests.unit.dul.feeding import CT, EXPLICIT
from tests.unit.dul.pair import Memory

BUSY = 3


@dataclass
class Count:
    """What came of many requests."""

    answered: int = 0
    swapped: int = 0


@contextmanager
def _running(*command: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=20)


def send_many(sends: int, window: int) -> Count:
    """Send so many objects with so many on their way at a time; count what was answered, and what by another's answer."""
    with ExitStack() as stack:
        answering = stack.enter_context(_running("-m", "tests.integration.dul.answering"))
        for _ in range(BUSY):
            stack.enter_context(_running("-c", "while True: pass"))
        assert answering.stdout is not None
        port = int(answering.stdout.readline())
        reactor = ReactorThread("sending")
        stack.callback(reactor.stop)
        count: Count = reactor.call(lambda: Deferred.fromCoroutine(_send(reactor, port, sends, window)))
        return count


async def _send(reactor: ReactorThread, port: int, sends: int, window: int) -> Count:
    request = AssociateRequest("ANY-SCP", "MAGBROKER", (ProposedContext(1, CT, (EXPLICIT,)),), operations_window=(window, 1))
    exchange: Exchange = await connect(reactor.reactor, ("127.0.0.1", port), request)
    count, waiting = Count(), deque[tuple[str, Asked]]()
    for number in range(sends):
        if len(waiting) == window:
            await _take(*waiting.popleft(), count)
        name = f"{number:08d}"
        command = Command(field=CommandField.C_STORE_RQ, sop_class=CT, sop_instance=f"1.2.{number}", priority=0)
        waiting.append((name, exchange.ask(1, command, source=Memory(name.encode()))))
    while waiting:
        await _take(*waiting.popleft(), count)
    assert await exchange.release() is None
    return count


async def _take(name: str, asked: Asked, count: Count) -> None:
    response = (await asked.response()).command
    count.answered += 1
    named = (response.error_comment, response.responds_to, response.sop_instance)
    count.swapped += named != (name, asked.command.message_id, asked.command.sop_instance)
