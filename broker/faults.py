"""Faults of testers that strike an answer: it comes later, or the connection closes in its place."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from fileman import Fault, StoreClosed, spend_fault
from fileman.faults import DROPPED_ANSWER

if TYPE_CHECKING:
    from broker.dispatch import Dispatcher, Outcome

log = logging.getLogger(__name__)


def strike(dispatcher: Dispatcher, faults: Sequence[Fault], outcome: Outcome | Deferred[Outcome]) -> Outcome | Deferred[Outcome]:
    """Let faults strike the outcome of a call that has run and committed; a counted one is counted down first.

    The outcome of a dropped answer never comes: its connection is told to close.
    """
    if isinstance(outcome, Deferred):
        struck: Deferred[Outcome] = outcome.addCallback(lambda ended: strike(dispatcher, faults, ended))
        return struck
    if all(fault.times is None for fault in faults):
        return _struck(dispatcher, faults, outcome)
    ended = outcome
    done: Deferred[Outcome] = Deferred()

    def spent(counting: Future[list[Fault]]) -> None:
        if (error := counting.exception()) is not None:
            log.error("a fault could not be counted down, so the answer is left as it is: %s", error)
        struck = _struck(dispatcher, [] if error is not None else counting.result(), ended)
        if isinstance(struck, Deferred):
            struck.chainDeferred(done)
        else:
            done.callback(struck)

    try:
        counting = dispatcher.environment.store.write(lambda it: [fault for fault in faults if spend_fault(it, fault)])
    except StoreClosed:
        return outcome
    counting.add_done_callback(lambda future: dispatcher.reactor.callFromThread(spent, future))
    return done


def _struck(dispatcher: Dispatcher, faults: Sequence[Fault], outcome: Outcome) -> Outcome | Deferred[Outcome]:
    if any(fault.kind == DROPPED_ANSWER for fault in faults):
        dispatcher.drop(outcome.session)
        return Deferred()
    return replace(outcome, delay=outcome.delay + sum(fault.seconds for fault in faults))
