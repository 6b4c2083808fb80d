"""The storage SCU: sends files' data sets bit by bit as they are, over an association that is kept for their study."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue

from pydicom.uid import UID
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from dul import (
    Asked,
    AssociateRequest,
    AssociationRejected,
    DulError,
    Exchange,
    ProposedContext,
    Timeouts,
    connect,
)
from gateway_client.configuration import Configuration
from gateway_client.notes import Mark
from gateway_client.object_file import WINDOW, ObjectFile, Outcome, Result, ask_to_store, outcome_of, outcome_when_lost
from gateway_client.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION, FileMeta
from gateway_client.scp import MAXIMUM_PDU
from runtime import ReactorThread

log = logging.getLogger(__name__)

#: Pairs of SOP class and transfer syntax that a destination is offered (PS3.8 allows 128 contexts).
_OFFERED = 64


@dataclass(frozen=True, slots=True)
class Destination:
    """One entry of DICOM TRANSMIT DESTINATION (#2006.587)."""

    name: str
    ae_title: str
    host: str
    port: int
    gateway: str = ""


Note = Callable[[int, Mark], None]
"""Marks an object by its place, in the reactor's thread. What it raises as OSError ends the association."""


@dataclass(frozen=True, slots=True)
class _Consignment:
    """Objects of one study for a destination, and where it is told how each ended; none is begun after `until`."""

    destination: Destination
    study: str
    objects: Sequence[ObjectFile]
    note: Note
    until: float
    heard: SimpleQueue[tuple[int, Outcome] | Exception] = field(default_factory=SimpleQueue)

    def tell(self, place: int, outcome: Outcome) -> None:
        self.objects[place].close()
        if outcome == Outcome(Result.SENT):
            self.note(place, Mark.SENT)
        self.heard.put((place, outcome))

    def outcomes(self) -> Iterator[tuple[int, Outcome]]:
        for _ in self.objects:
            heard = self.heard.get()
            if isinstance(heard, Exception):
                raise heard
            yield heard


class StorageSCU:
    """Keeps at most one association, to one destination, for one study. Its methods are for other threads than the reactor's."""

    def __init__(
        self,
        configuration: Configuration,
        monotonic: Callable[[], float] = time.monotonic,
        reactor: ReactorThread | None = None,
    ) -> None:
        self._configuration = configuration
        self._monotonic = monotonic
        self._own = reactor is None
        self._reactor = reactor or ReactorThread("dicom-scu")
        self._exchange: Exchange | None = None
        self._key: tuple[Destination, str] | None = None
        self._offered: dict[Destination, dict[tuple[str, str], None]] = {}
        self._used_at = 0.0
        self._halted = False

    def send(
        self, destination: Destination, study: str, objects: Sequence[ObjectFile], note: Note, until: float = math.inf
    ) -> Iterator[tuple[int, Outcome]]:
        """Begin to send objects, which are closed in the end; gives place and outcome of each as it comes.

        `study` is any name of their study. An association that is lost leaves what was not begun UNSENT, and so does the
        moment `until`, by the clock `monotonic`.
        """
        consignment = _Consignment(destination, study, objects, note, until)
        self._reactor.soon(self._begin, consignment)
        return consignment.outcomes()

    def halt(self) -> None:
        """Begin no further object."""
        self._halted = True

    def close_idle(self) -> None:
        """Release an association that was not used for a while."""
        if self._exchange is not None and self._monotonic() - self._used_at > self._configuration.association_idle_seconds:
            self._reactor.call(self._release)

    def close(self) -> None:
        """Release the association, and end."""
        self._reactor.call(self._release)
        if self._own:
            self._reactor.stop()

    def _release(self) -> Deferred[DulError | None] | None:
        exchange, self._exchange, self._key = self._exchange, None, None
        return exchange.release() if exchange is not None else None

    def _begin(self, consignment: _Consignment) -> None:
        def fault(failure: Failure) -> None:
            if self._exchange is not None:
                self._exchange.abort()
            consignment.heard.put(failure.value if isinstance(failure.value, Exception) else RuntimeError(failure.value))

        Deferred.fromCoroutine(self._send(consignment)).addErrback(fault)

    async def _send(self, consignment: _Consignment) -> None:
        """Keep so many requests waiting that the next one goes out as soon as the window allows it."""
        left = deque(range(len(consignment.objects)))
        asked: deque[tuple[int, Asked]] = deque()
        exchange: Exchange | None = None
        while left or asked:
            if left and not asked:
                exchange = await self._exchange_for(consignment, left) if self._may_begin(consignment, left) else None
            if exchange is None:
                continue
            while left and len(asked) <= WINDOW and self._may_begin(consignment, left):
                request = self._ask(exchange, consignment, left[0])
                if request is None:
                    break  # it needs another association
                asked.append((left.popleft(), request))
            if not asked:
                continue
            place, request = asked.popleft()
            try:
                outcome = outcome_of(await request.response())
            except DulError as error:
                exchange.abort()
                self._exchange = self._key = None
                for at, lost in ((place, request), *asked):
                    consignment.tell(at, outcome_when_lost(consignment.objects[at], lost, error))
                self._leave(consignment, left, f"The association was lost: {error}")
                return
            self._used_at = self._monotonic()
            consignment.tell(place, outcome)

    def _may_begin(self, consignment: _Consignment, left: deque[int]) -> bool:
        """Tell whether there is still time for another object; where there is not, leave the rest."""
        if self._halted:
            self._leave(consignment, left, "The gateway stops.")
        elif self._monotonic() >= consignment.until:
            self._leave(consignment, left, "Its turn did not come in time.")
        return bool(left)

    def _leave(self, consignment: _Consignment, left: deque[int], why: str) -> None:
        while left:
            consignment.tell(left.popleft(), Outcome(Result.UNSENT, why))

    async def _exchange_for(self, consignment: _Consignment, left: deque[int]) -> Exchange | None:
        """Give an association that takes the next object; None where that one could not be sent, which is told."""
        destination, meta = consignment.destination, consignment.objects[left[0]].meta
        exchange = await self._associate(destination, consignment.study, meta)
        if isinstance(exchange, Outcome):
            consignment.tell(left.popleft(), exchange)
            self._leave(consignment, left, exchange.reason)
            return None
        if exchange.context_for(meta.sop_class_uid, meta.transfer_syntax) is None:
            await _wait(self._release())
            consignment.tell(left.popleft(), Outcome(Result.REFUSED, f"{destination.name} does not take {_describe(meta)}."))
            return None
        return exchange

    async def _associate(self, destination: Destination, study: str, meta: FileMeta) -> Exchange | Outcome:
        """Give the association for a study, the open one where it serves; or why there is none."""
        kept = self._exchange
        if (
            kept is not None
            and not kept.over
            and self._key == (destination, study)
            and kept.context_for(meta.sop_class_uid, meta.transfer_syntax) is not None
        ):
            return kept
        await _wait(self._release())
        where = f"{destination.ae_title} at {destination.host}:{destination.port}"
        configuration = self._configuration
        try:
            exchange = await connect(
                self._reactor.reactor,
                (destination.host, destination.port),
                self._request(destination, meta),
                timeouts=Timeouts(artim=configuration.dimse_timeout, idle=configuration.network_timeout),
                connect_seconds=configuration.connect_timeout,
                response_seconds=configuration.dimse_timeout,
            )
        except AssociationRejected as error:
            return Outcome(Result.UNREACHABLE, f"{where} rejects associations: {error}.")
        except DulError as error:
            return Outcome(Result.UNREACHABLE, f"No association with {where}: {error}")
        self._exchange, self._key = exchange, (destination, study)
        return exchange

    def _request(self, destination: Destination, meta: FileMeta) -> AssociateRequest:
        """Offer each pair of SOP class and transfer syntax that this destination has been sent, this file's first."""
        pairs = self._offered.setdefault(destination, {})
        pair = (meta.sop_class_uid, meta.transfer_syntax)
        pairs.pop(pair, None)
        pairs[pair] = None
        while len(pairs) > _OFFERED:
            del pairs[next(iter(pairs))]
        return AssociateRequest(
            destination.ae_title,
            self._configuration.calling_ae_title,
            tuple(
                ProposedContext(2 * place + 1, sop_class, (syntax,)) for place, (sop_class, syntax) in enumerate(reversed(pairs))
            ),
            maximum_length=MAXIMUM_PDU,
            operations_window=(WINDOW, 1),
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION,
        )

    def _ask(self, exchange: Exchange, consignment: _Consignment, place: int) -> Asked | None:
        """Make one C-STORE; None where the association does not take the object."""
        one = consignment.objects[place]
        one.before_last = lambda: consignment.note(place, Mark.HANDED_OVER)
        return ask_to_store(exchange, one)


async def _wait(deferred: Deferred[DulError | None] | None) -> None:
    if deferred is not None:
        await deferred


def _describe(meta: FileMeta) -> str:
    return f"{UID(meta.sop_class_uid).name} in {UID(meta.transfer_syntax).name}"
