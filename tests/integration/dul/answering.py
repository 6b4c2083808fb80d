"""A listener of ours in a process of its own: it names its port, and answers each C-STORE until its input ends."""

from __future__ import annotations

import sys

from dul import CommandField, Listener, Listening, Policy, Request, Sink, negotiate
from dul.operations import InMemory
from runtime import ReactorThread


def store(request: Request) -> Sink:
    """Answer with what the request's data set was, so that an answer to another request is seen."""
    return InMemory(lambda data: request.respond(0, error_comment=data.decode("ascii")))


def main() -> None:
    reactor = ReactorThread("answering")
    policy = Policy(choose=lambda _syntax, proposed: proposed[0], operations_window=(0, 0))
    listener = Listener(
        Listening(lambda request, _peer: negotiate(request, policy), {CommandField.C_STORE_RQ: store}), reactor.reactor
    )
    print(reactor.call(listener.listen, 0, "127.0.0.1").getHost().port, flush=True)
    sys.stdin.read()
    reactor.stop()


if __name__ == "__main__":
    main()
