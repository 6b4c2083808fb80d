"""The storage SCU: sends files' data sets bit by bit as they are, over associations that are kept for their study.

What a destination does not take in its own transfer syntax is transcoded where its settings say so, or whoever asked for it.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from pydicom.uid import UID
from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from dul import (
    Asked,
    AssociateRequest,
    AssociationRejected,
    CommandField,
    DulError,
    Exchange,
    ProposedContext,
    Service,
    Timeouts,
    connect,
)
from gateway_client.archive.offers import MAXIMUM_PDU
from gateway_client.commitment.transaction import COMMITMENT, TRANSFER_SYNTAXES
from gateway_client.configuration import Configuration
from gateway_client.errors import CannotTranscode, NotAnObject
from gateway_client.objects.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION, FileMeta
from gateway_client.query_retrieve.presence import InstanceKey, Presence, asked_for
from gateway_client.transcoding import SYNTAXES, Transcoder, Turns
from gateway_client.transmission.consignment import Consignment, Destination
from gateway_client.transmission.notes import Mark
from gateway_client.transmission.object_file import (
    WINDOW,
    ObjectFile,
    Outcome,
    Result,
    ask_to_store,
    outcome_of,
    outcome_when_lost,
)
from runtime import ReactorThread

log = logging.getLogger(__name__)

#: Seconds within which more of a study follows: a destination that takes one association at a time is not asked for another
#: after each run of a study.
FOLLOWS_WITHIN = 0.25
#: Pairs of SOP class and transfer syntax that a destination is offered (PS3.8 allows 128 contexts).
_OFFERED = 64
#: Study and Series Instance UID.
_STUDY, _SERIES = 0x0020000D, 0x0020000E


@dataclass(eq=False, slots=True)
class _Kept:
    """An association for a study; `busy` while a consignment goes over it.

    Objects whose own transfer syntax is among what was `offered`, and was not accepted, go in one of `others`; so do all where
    nothing says what was offered. One that is `lent` is another's to release.
    """

    destination: Destination
    study: str
    exchange: Exchange
    used_at: float
    offered: Collection[tuple[str, str]] | None
    others: Collection[str]
    lent: bool = False
    busy: bool = True

    def serves(self, consignment: Consignment, meta: FileMeta) -> bool:
        return (
            not self.exchange.over
            and (self.destination, self.study) == (consignment.destination, consignment.study)
            and (self.takes(meta) or bool(self.takes_transcoded(meta)))
        )

    def takes(self, meta: FileMeta) -> bool:
        """Tell whether an object goes as it is."""
        return self.exchange.context_for(meta.sop_class_uid, meta.transfer_syntax) is not None

    def takes_transcoded(self, meta: FileMeta) -> list[str]:
        """Give the transfer syntaxes in which an object goes that does not go as it is."""
        offered = self.offered is None or (meta.sop_class_uid, meta.transfer_syntax) in self.offered
        if self.takes(meta) or not offered:
            return []
        return [syntax for syntax in self.others if self.exchange.context_for(meta.sop_class_uid, syntax) is not None]


class StorageSCU:
    """Sends consignments side by side. Its methods are for other threads than the reactor's.

    How many go to a destination at a time is up to who sends them: each has an association of its own, which is kept for its
    study until another of the destination is wanted, or nothing was sent over it for a while. `services` answer what the
    destination asks meanwhile.
    """

    def __init__(
        self,
        configuration: Configuration,
        monotonic: Callable[[], float] = time.monotonic,
        reactor: ReactorThread | None = None,
        services: Mapping[CommandField, Service] | None = None,
    ) -> None:
        self._configuration = configuration
        self._services = services
        self._monotonic = monotonic
        self._own = reactor is None
        self._reactor = reactor or ReactorThread("dicom-scu")
        self._kept: list[_Kept] = []
        self._connecting = Counter[Destination]()
        self._offered: dict[tuple[Destination, bool], dict[tuple[str, str], None]] = {}
        self._transcoder = Transcoder(configuration.transcoding)
        self._turns = Turns(self._transcoder)
        self._presence = Presence(configuration, self._reactor.reactor, monotonic)
        self._halted = False

    def send(self, consignment: Consignment) -> None:
        """Begin to send objects. An association that is lost leaves what was not begun UNSENT, and so does `until`."""
        self._reactor.soon(self._begin, consignment)

    def halt(self) -> None:
        """Begin no further object."""
        self._halted = True
        self._reactor.soon(self._presence.close)

    def close_idle(self) -> None:
        """Release associations that were not used for a while."""
        if self._kept:
            self._reactor.soon(self._release_idle)

    def close(self) -> None:
        """Release the associations, abort those that are in use, and end."""
        self.halt()
        self._reactor.call(lambda: Deferred.fromCoroutine(self._close_all()))
        self._transcoder.close()
        if self._own:
            self._reactor.stop()

    async def _close_all(self) -> None:
        for kept in [*self._kept]:
            if kept.busy:
                kept.exchange.abort()
            await self._release(kept)
        self._turns.close()

    def _release_idle(self) -> None:
        before = self._monotonic() - self._configuration.association_idle_seconds
        for kept in [*self._kept]:
            if not kept.busy and kept.used_at < before:
                self._release(kept)

    def _release(self, kept: _Kept) -> Deferred[DulError | None]:
        if kept.lent:
            return succeed(None)
        if kept in self._kept:
            self._kept.remove(kept)
        return kept.exchange.release()

    def _begin(self, consignment: Consignment) -> None:
        def ended(failure: Failure | None) -> None:
            if failure is not None:
                consignment.fault = failure.value if isinstance(failure.value, Exception) else RuntimeError(failure.value)
            consignment.ended(consignment)

        Deferred.fromCoroutine(self._send(consignment)).addBoth(ended)

    async def _send(self, consignment: Consignment) -> None:
        """Keep so many requests waiting that the next one goes out as soon as the window allows it."""
        left = deque[int]()
        asked: deque[tuple[int, Asked]] = deque()
        kept: _Kept | None = None
        try:
            left += await self._not_there(consignment)
            while left or asked:
                if left and not asked:
                    kept = await self._association_for(consignment, left, kept) if self._may_begin(consignment, left) else kept
                if kept is None:
                    continue
                while left and len(asked) <= (0 if consignment.whole else WINDOW) and self._may_begin(consignment, left):
                    if syntaxes := kept.takes_transcoded(consignment.objects[left[0]].meta):
                        if asked:
                            break  # answers are noted before the next one takes its time
                        await self._transcode(consignment, left, syntaxes)
                        if kept.exchange.over:
                            break  # the peer did not wait
                        continue
                    request = self._ask(kept.exchange, consignment, left[0])
                    if request is None:
                        break  # it needs another association
                    asked.append((left.popleft(), request))
                if not asked:
                    continue
                place, request = asked.popleft()
                try:
                    outcome = outcome_of(await request.response(), consignment.warnings)
                except DulError as error:
                    kept.exchange.abort()
                    for at, lost in ((place, request), *asked):
                        consignment.tell(at, outcome_when_lost(consignment.objects[at], lost, error))
                    self._leave(consignment, left, f"The association was lost: {error}")
                    return
                kept.used_at = self._monotonic()
                consignment.tell(place, outcome)
        except BaseException:
            if kept is not None:
                kept.exchange.abort()
            for one in consignment.objects:
                one.close()
            raise
        finally:
            if kept is not None:
                if consignment.broken_off:
                    kept.exchange.abort()
                self._put_down(kept)

    async def _not_there(self, consignment: Consignment) -> list[int]:
        """Give the places of what is to be sent; what the destination has already, as it says, is told."""
        places, destination = list(range(len(consignment.objects))), consignment.destination
        where = destination.ae_title, destination.host, destination.port
        peer = asked_for(self._configuration, destination.name, *where)
        if peer is None:
            return places
        reactor = self._reactor.reactor
        keys = await deferToThreadPool(reactor, reactor.getThreadPool(), _keys_of, consignment)
        if self._halted:
            return places
        there = await self._presence.there(peer, [key for key in keys.values() if key is not None])
        for place, key in keys.items():
            if key is not None and key.instance in there:
                places.remove(place)
                consignment.tell(place, Outcome(Result.PRESENT, f"Not sent: it is there already, by C-FIND at {peer}."))
        return places

    def _put_down(self, kept: _Kept) -> None:
        """Keep an association for what may follow of its study, a moment only if its destination is being asked for another."""
        kept.busy = False
        if kept.exchange.over:
            self._release(kept)
        elif self._connecting[kept.destination]:
            self._reactor.reactor.callLater(FOLLOWS_WITHIN, self._make_way, kept)

    def _make_way(self, kept: _Kept) -> None:
        if not kept.busy and self._connecting[kept.destination]:
            self._release(kept)

    def _may_begin(self, consignment: Consignment, left: deque[int]) -> bool:
        """Tell whether there is still time for another object; where there is not, leave the rest."""
        if self._halted:
            self._leave(consignment, left, "The gateway stops.")
        elif consignment.broken_off:
            self._leave(consignment, left, "The folder was broken off.")
        elif self._monotonic() >= consignment.until:
            self._leave(consignment, left, "Its turn did not come in time.")
        return bool(left)

    def _leave(self, consignment: Consignment, left: deque[int], why: str) -> None:
        while left:
            self._tell_unsent(consignment, left.popleft(), Outcome(Result.UNSENT, why))

    def _tell_unsent(self, consignment: Consignment, place: int, outcome: Outcome) -> None:
        """Say why an object was not begun; what was made of it is kept for its next try."""
        if not self._halted:
            consignment.objects[place] = self._turns.keep(consignment.destination.name, consignment.objects[place])
        consignment.tell(place, outcome)

    async def _association_for(self, consignment: Consignment, left: deque[int], kept: _Kept | None) -> _Kept | None:
        """Give an association that takes the next object; None where that one could not be sent, which is told."""
        meta = consignment.objects[left[0]].meta
        if kept is not None:
            if kept.serves(consignment, meta):
                return kept
            await self._release(kept)
        found = await self._associate(consignment, meta)
        if isinstance(found, Outcome):
            self._tell_unsent(consignment, left.popleft(), found)
            self._leave(consignment, left, found.reason)
            return None
        if not found.serves(consignment, meta):
            await self._release(found)
            name = consignment.destination.name
            consignment.tell(left.popleft(), Outcome(Result.REFUSED, f"{name} does not take {_describe(meta)}."))
            return None
        return found

    async def _associate(self, consignment: Consignment, meta: FileMeta) -> _Kept | Outcome:
        """Give the association for a study, an open one where it serves; or why there is none."""
        for kept in self._kept:
            if not kept.busy and kept.serves(consignment, meta):
                kept.busy = True
                return kept
        destination, configuration, wish = consignment.destination, self._configuration, consignment.wish
        if wish is not None and wish.over is not None:
            return self._lent(consignment, wish.over)
        if consignment.whole or wish is not None:
            for one in consignment.objects:
                self._offer(consignment, one.meta)
        request = self._request(consignment, meta)
        await self._make_room(consignment)
        where = f"{destination.ae_title} at {destination.host}:{destination.port}"
        seconds = configuration.connect_timeout if consignment.further else configuration.dimse_timeout
        self._connecting[destination] += 1
        try:
            exchange = await connect(
                self._reactor.reactor,
                (destination.host, destination.port),
                request,
                services=self._services,
                timeouts=Timeouts(artim=seconds, idle=configuration.network_timeout),
                connect_seconds=configuration.connect_timeout,
                response_seconds=configuration.dimse_timeout,
            )
        except AssociationRejected as error:
            return Outcome(Result.UNREACHABLE, f"{where} rejects associations: {error}.")
        except DulError as error:
            return Outcome(Result.UNREACHABLE, f"No association with {where}: {error}")
        finally:
            self._connecting[destination] -= 1
        offered = {(it.abstract_syntax, syntax) for it in request.contexts for syntax in it.transfer_syntaxes}
        as_stored = wish is None or wish.as_stored
        others = self._others(consignment)
        kept = _Kept(destination, consignment.study, exchange, self._monotonic(), offered if as_stored else None, others)
        self._kept.append(kept)
        return kept

    def _lent(self, consignment: Consignment, exchange: Exchange) -> _Kept | Outcome:
        """Give the association that asked for the objects, while it is there."""
        if exchange.over:
            return Outcome(Result.UNREACHABLE, "The association that asked for it has ended.")
        where = consignment.destination, consignment.study
        return _Kept(*where, exchange, self._monotonic(), None, self._others(consignment), lent=True)

    async def _make_room(self, consignment: Consignment) -> None:
        """Release idle associations that stand in the way: this destination's, and others' beyond their first."""
        held = Counter(kept.destination for kept in self._kept)
        for kept in [*self._kept]:
            here = kept.destination == consignment.destination
            if kept in self._kept and not kept.busy and (here or (consignment.further and held[kept.destination] > 1)):
                held[kept.destination] -= 1
                await self._release(kept)

    def _offer(self, consignment: Consignment, meta: FileMeta) -> dict[tuple[str, str], None]:
        """Put a file's pair of SOP class and transfer syntax last among those that a destination is offered; give them."""
        as_stored = consignment.wish is None or consignment.wish.as_stored
        pairs = self._offered.setdefault((consignment.destination, as_stored), {})
        for syntax in (*reversed(self._others(consignment)), *([meta.transfer_syntax] if as_stored else [])):
            pair = (meta.sop_class_uid, syntax)
            pairs.pop(pair, None)
            pairs[pair] = None
        while len(pairs) > _OFFERED:
            del pairs[next(iter(pairs))]
        return pairs

    def _request(self, consignment: Consignment, meta: FileMeta) -> AssociateRequest:
        """Offer each pair of SOP class and transfer syntax that this destination has been sent, this file's first."""
        destination, pairs = consignment.destination, self._offer(consignment, meta)
        proposed: list[tuple[str, tuple[str, ...]]] = [(sop_class, (syntax,)) for sop_class, syntax in reversed(pairs)]
        if self._configuration.destination(destination.name).commit:  # it may tell what it commits to while it is sent more
            proposed.append((COMMITMENT, TRANSFER_SYNTAXES))
        return AssociateRequest(
            destination.ae_title,
            self._configuration.calling_ae_title,
            tuple(ProposedContext(2 * place + 1, uid, syntaxes) for place, (uid, syntaxes) in enumerate(proposed)),
            maximum_length=MAXIMUM_PDU,
            operations_window=(WINDOW, 1),
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION,
        )

    def _others(self, consignment: Consignment) -> Sequence[str]:
        """Give the transfer syntaxes into which objects may be brought, the preferred first."""
        if consignment.wish is not None:
            return consignment.wish.syntaxes
        return [SYNTAXES[name] for name in self._configuration.destination(consignment.destination.name).transcode]

    async def _transcode(self, consignment: Consignment, left: deque[int], syntaxes: Sequence[str]) -> None:
        """Put an object that the association takes in its place; one that cannot be made is told as refused."""
        place, name = left[0], consignment.destination.name
        one = consignment.objects[place]

        def in_time() -> bool:
            return not self._halted and self._monotonic() < consignment.until

        try:
            made = await self._turns.transcode(self._reactor.reactor, name, one, syntaxes, in_time)
        except CannotTranscode as error:
            if not self._halted:
                reason = f"{name} does not take {_describe(one.meta)}, which is not transcoded: {error}"
                consignment.tell(left.popleft(), Outcome(Result.REFUSED, reason))
            return
        if made is None:
            return
        made.source = one
        told = f"Transcoded from {UID(one.meta.transfer_syntax).name} into {UID(made.meta.transfer_syntax).name}."
        if made.meta.sop_instance_uid != one.meta.sop_instance_uid:
            told += f" It is {made.meta.sop_instance_uid} there."
        elif one.told:
            told = f"{told} {one.told}"
        made.told = told
        one.close()
        consignment.objects[place] = made

    def _ask(self, exchange: Exchange, consignment: Consignment, place: int) -> Asked | None:
        """Make one C-STORE (PS3.7 9.1.1); None where the association does not take the object."""
        one = consignment.objects[place]
        one.before_last = lambda: consignment.note(place, Mark.HANDED_OVER)
        wish = consignment.wish
        return ask_to_store(exchange, one, *((wish.priority, wish.originator) if wish is not None else ()))


def _keys_of(consignment: Consignment) -> dict[int, InstanceKey | None]:
    """Read the unique keys of the objects whose destination may have them, by their places, in any thread."""
    keys, doubtful = dict[int, InstanceKey | None](), {*consignment.doubtful}
    for place, one in enumerate(consignment.objects):
        if place not in doubtful:
            keys[place] = _key_of(one)
        if consignment.whole:  # they are many
            one.put_away()
    return keys


def _key_of(one: ObjectFile) -> InstanceKey | None:
    """Give the unique keys of an object as it is sent; None where they cannot be read."""
    try:
        found = one.elements(frozenset((_STUDY, _SERIES)))
    except (NotAnObject, OSError):
        return None
    return InstanceKey(found.first(_STUDY), found.first(_SERIES), one.meta.sop_instance_uid)


def _describe(meta: FileMeta) -> str:
    return f"{UID(meta.sop_class_uid).name} in {UID(meta.transfer_syntax).name}"
