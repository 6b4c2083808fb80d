"""Our own SCU for tests: coroutines that ask a peer for something, run on a reactor of its own."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from dul import Answer, AssociateRequest, CommandField, Exchange, Request, Service, answered_by, connect
from runtime import ReactorThread

T = TypeVar("T")
#: The longest object that a test's C-GET brings.
_OBJECT_LIMIT = 1 << 24


class Asking:
    """Opens associations within `with`, on the local host."""

    def __enter__(self) -> Asking:
        """Start."""
        self._reactor = ReactorThread("asking")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End."""
        self._reactor.stop()

    def over(
        self,
        port: int,
        request: AssociateRequest,
        ask: Callable[[Exchange], Coroutine[Any, Any, T]],
        services: Mapping[CommandField, Service] | None = None,
        tls: Any = None,
    ) -> T:
        """Open an association, ask over it, and release it; give what was answered or raise what went wrong."""

        async def run() -> T:
            address = ("127.0.0.1", port)
            exchange = await connect(self._reactor.reactor, address, request, services=services, response_seconds=20, tls=tls)
            try:
                return await ask(exchange)
            finally:
                await exchange.release()

        result: T = self._reactor.call(lambda: Deferred.fromCoroutine(run()))
        return result


def storing(received: dict[str, bytes], status: int = 0) -> Service:
    """Make a C-STORE service that keeps data sets by SOP Instance UID, and answers with a status."""

    def store(request: Request, data: bytes) -> Answer:
        received[request.command.sop_instance or ""] = data
        return Answer(status)

    return answered_by(store, _OBJECT_LIMIT)
