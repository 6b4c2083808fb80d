"""One C-MOVE or C-GET carried out: its instances page by page, its sub-operations, what is put off, and what it comes to."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from twisted.internet.defer import CancelledError, Deferred, DeferredList, DeferredSemaphore
from twisted.internet.task import LoopingCall, deferLater
from twisted.internet.threads import deferToThreadPool

from dul import Category, RequestRefused, SubOperations
from dul.status import (
    CANCEL,
    CANNOT_UNDERSTAND,
    SUBOPERATIONS_FAILED,
    UNABLE_TO_COUNT_MATCHES,
    UNABLE_TO_PERFORM_SUBOPERATIONS,
)
from gateway_client.archive.errands import Errand, Means
from gateway_client.archive.instances import IN_STORE, OFF_LINE, WAITING, Held, RetrieveRefused, instances, recall
from gateway_client.archive.opening import Opened, open_files
from gateway_client.archive.stopping import Stopping
from gateway_client.errors import GatewayError, JournalError
from gateway_client.locations import NetworkLocations
from gateway_client.story import Event
from gateway_client.transmission.consignment import Consignment
from gateway_client.transmission.notes import Mark
from gateway_client.transmission.object_file import TAKEN, Outcome, Result
from xwb import XWBError

log = logging.getLogger(__name__)

#: Instances whose files are open at a time; as many are opened while they are sent.
AT_ONCE = 64
#: Instances that are kept as they were counted, and seconds after which they are listed again: they may lie elsewhere by then.
KEPT, FRESH = 5_000, 5.0
#: Seconds after which a peer that waits is told that its request is still being carried out.
PENDING_EVERY = 5.0
#: Associations that may be lost before all that is left is put off.
BREAKS = 3
#: Seconds that the broker may wait for images to come back into store, and between questions where it does not.
RECALL_WAIT, RECALL_PAUSE = 5.0, 1.0
#: Seconds that what is on its way may take after a C-CANCEL before that is answered.
GRACE = 2.0
#: Seconds between looks whether the peer is still there, and has heard something.
LOOK_EVERY = 0.5
_CANCELLED, _BROKEN_OFF = (CANCEL, "Cancelled"), (UNABLE_TO_PERFORM_SUBOPERATIONS, "The archive stops")
#: What came to nothing for want of an association, or of its end.
_LOST = frozenset((Result.UNREACHABLE, Result.BROKEN, Result.DOUBT, Result.UNSENT))


@dataclass(eq=False)
class Retrieval:
    """Carries out an errand; all of it belongs to the reactor's thread."""

    means: Means
    errand: Errand
    told: SubOperations = field(init=False)

    def __post_init__(self) -> None:
        """Begin nothing yet."""
        self.told = SubOperations(self.errand.request, 0)
        self._counted: list[list[Held]] | None = []
        self._counted_at = 0.0
        self._locations = NetworkLocations()
        self._stopping = Stopping()
        #: Whether it was stopped before all was counted.
        self._uncounted = False
        self._left = False
        self._breaks = 0
        #: Why nothing more can be sent, once that is so; why something failed first; what kept the rest from being listed.
        self._down = self._reason = self._trouble = ""
        #: Why nobody could be asked for what is not in store, the last time.
        self._unasked = ""
        #: How many were put off and are told as remaining.
        self._waiting = 0
        self._recall_until: float | None = None
        self._told_at = 0.0
        self._story: list[str] = []
        #: Images whose file was not where it was told, to be asked for again; and all that were asked for again.
        self._missing: dict[int, Held] = {}
        self._asked_again: set[int] = set()

    async def run(self, turns: DeferredSemaphore) -> None:
        """Answer the request, when its turn has come. Raises RequestRefused where what is wanted cannot be listed."""
        request, seconds = self.errand.request, self.means.reactor.seconds
        request.when_cancelled = self.stop
        if self.told.unwanted:
            self.stop()
        try:
            count = await self._count()
        except RetrieveRefused as error:
            raise RequestRefused(error.status, str(error)) from error
        except (XWBError, GatewayError) as error:
            log.warning("what %s asks for cannot be listed: %s", self.errand.asked_by, error)
            raise RequestRefused(UNABLE_TO_COUNT_MATCHES, "The archive does not answer") from error
        self.told.total = count
        self._told_at = seconds()
        ticking = LoopingCall(self._look)
        ticking.clock = self.means.reactor
        ticking.start(LOOK_EVERY, now=False)
        try:
            if count and not self._stopping.stopped:
                await self._in_turn(turns)
        except (XWBError, GatewayError) as error:
            self._trouble = str(error)
            log.warning("what %s asks for cannot be listed to its end: %s", self.errand.asked_by, error)
        except Exception:
            log.exception("a request of %s cannot be carried out", self.errand.asked_by)
            self.told.finish(CANNOT_UNDERSTAND, "Unable to process")
        finally:
            ticking.stop()
            self._left = True
            await self._tell_story()
        self._finish()
        told, errand = self.told, self.errand
        log.info(
            "%s for %s to %s: %d objects sent, %d not, %d left",
            errand.stage,
            errand.asked_by,
            errand.destination.ae_title,
            told.completed + told.warning,
            len(told.failed),
            told.remaining,
        )

    async def _in_turn(self, turns: DeferredSemaphore) -> None:
        turn = turns.acquire()
        take_back = self._stopping.when_stopped(turn.cancel)
        try:
            await turn
        except CancelledError:
            return
        take_back()
        try:
            await self._carry_out()
        finally:
            turns.release()

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping.stop()

    # ---- what is wanted ----

    async def _count(self) -> int:
        """Count the instances, and keep them where they are few; the others are listed again when they are sent."""
        count, pages = 0, list[list[Held]]()
        async for page in self._listed():
            if self.told.unwanted:
                self.stop()
            if self._stopping.stopped:
                self._uncounted = True
                break
            count += len(page)
            if count <= KEPT:
                pages.append(page)
        self._counted, self._counted_at = pages if count <= KEPT else None, self.means.reactor.seconds()
        return count

    def _listed(self) -> AsyncIterator[list[Held]]:
        return instances(self.means.broker, self.errand.wanted.request)

    async def _carry_out(self) -> None:
        lines = (await self.means.broker.call("MAGB NETWORK LOCATIONS")).lines
        self._locations = NetworkLocations.parse(lines, self.means.configuration.data)
        async for page in self._pages():
            if self._stopping.stopped:
                return
            await self._send_page(page)
            await self._tell_story()

    async def _pages(self) -> AsyncIterator[list[Held]]:
        """Give the instances as they were counted, unless that is long ago."""
        counted, self._counted = self._counted, None
        if counted is None or self.means.reactor.seconds() - self._counted_at > FRESH:
            async for page in self._listed():
                yield page
        else:
            for page in counted:
                yield page

    async def _send_page(self, page: Sequence[Held]) -> None:
        """Send what is in store, and what comes back into store meanwhile; what takes too long is put off."""
        here = [held for held in page if held.state == IN_STORE]
        away = {held.image: held for held in page if held.state != IN_STORE}
        if away:
            here += await self._recall(away, 0.0)
        await self._send(here)
        if self._missing and not self._stopping.stopped:  # released from its short-term location since it was listed
            missing, self._missing = self._missing, {}
            await self._send(await self._recall(missing, 0.0))
            away |= missing
        now = self.means.reactor.seconds
        if away and self._recall_until is None:
            self._recall_until = now() + self.errand.recall_seconds
        while away and not self._stopping.stopped:
            assert self._recall_until is not None
            left = self._recall_until - now()
            if left <= 0 or self._down:
                await self._put_off([*away.values()], self._down or self._unasked or "It is not in store yet.")
                return
            began = now()
            ready = await self._recall(away, min(RECALL_WAIT, left))
            if not ready and away and now() - began < RECALL_PAUSE:
                await self._stopping.first(deferLater(self.means.reactor, RECALL_PAUSE))
            await self._send(ready)
            away |= self._missing
            self._missing = {}

    async def _recall(self, away: dict[int, Held], wait: float) -> list[Held]:
        """Give what is in store by now, out of what is away; what is off line fails, and the broker asks its operator for it."""
        asking = Deferred.fromCoroutine(recall(self.means.recalls, away, self.errand.asked_by, wait))
        try:
            answers = await self._stopping.first(asking)
        except XWBError as error:  # the broker is away, or is asked too much: it is asked again
            self._unasked = f"It is not in store: {error}"
            return []
        except GatewayError as error:
            for held in away.values():
                self._fail(held, f"It is {held.state}: {error}")
            away.clear()
            return []
        self._unasked, ready = "", []
        for answer in answers or ():
            if answer.state == WAITING or answer.image not in away:
                continue
            held = away.pop(answer.image)
            if answer.state == IN_STORE:
                ready.append(replace(held, path=answer.path or held.path, state=IN_STORE))
            elif answer.state == OFF_LINE:
                self._fail(held, f"Medium {answer.detail} is off line; an operator is asked for it")
            else:
                self._fail(held, f"It is {answer.state}. {answer.detail}".strip())
        return ready

    # ---- sub-operations ----

    async def _send(self, instances: Sequence[Held]) -> None:
        ahead: Deferred[list[Opened]] | None = None
        try:
            for at in range(0, len(instances), AT_ONCE):
                if self._stopping.stopped:
                    break
                if self._down:
                    await self._put_off(instances[at:], self._down)
                    break
                opened = await (ahead or self._open(instances[at : at + AT_ONCE]))
                following = instances[at + AT_ONCE : at + 2 * AT_ONCE]
                ahead = self._open(following) if following else None
                await self._send_opened(opened)
                await self.errand.request.exchange.breath()
        finally:
            if ahead is not None:
                for it in await ahead or ():
                    it.close()

    def _open(self, instances: Sequence[Held]) -> Deferred[list[Opened]]:
        reactor = self.means.reactor
        arguments = self._locations, instances, self.errand.change
        return deferToThreadPool(reactor, reactor.getThreadPool(), open_files, *arguments)

    async def _send_opened(self, opened: Sequence[Opened]) -> None:
        left = self._sendable(opened)
        try:
            while left and not self._stopping.stopped:
                left = self._sendable(await self._after_losses(await self._consign(left), len(left)))
        finally:
            for it in left:
                it.close()

    def _sendable(self, opened: Sequence[Opened]) -> list[Opened]:
        """Give what can be sent; what is not where it was told is asked for again once, the rest fails."""
        for it in opened:
            if it.missing and it.held.image not in self._asked_again:
                self._asked_again.add(it.held.image)
                self._missing[it.held.image] = it.held
            elif it.object is None:
                self._fail(it.held, it.reason)
        return [it for it in opened if it.object is not None]

    async def _consign(self, opened: Sequence[Opened]) -> list[tuple[Held, Outcome]]:
        """Send objects, and tell of each that ended by itself; give those that did not."""
        lost: list[tuple[Held, Outcome]] = []

        def heard(place: int, outcome: Outcome) -> None:
            if self._left:
                return
            if outcome.result in _LOST:
                lost.append((opened[place].held, outcome))
            else:
                self._end(opened[place].held, outcome)

        ended: Deferred[Consignment] = Deferred()
        consignment = Consignment(
            self.errand.destination,
            f"{self.errand.stage} {id(self)}",
            [it.object for it in opened if it.object is not None],
            _unnoted,
            ended.callback,
            doubtful=range(len(opened)),  # they were asked for, whatever the destination has
            wish=replace(self.errand.wish, heard=heard),
        )
        take_back = self._stopping.when_stopped(partial(setattr, consignment, "until", -math.inf))
        self.means.sender.send(consignment)
        await self._stopping.first(ended)
        if not ended.called:
            await DeferredList([ended, deferLater(self.means.reactor, GRACE)], fireOnOneCallback=True)
        take_back()
        if consignment.fault is not None:
            log.error("a fault while %s was sent to: %r", self.errand.destination.ae_title, consignment.fault)
            for place, outcome in [*consignment.all_outcomes()]:
                if place not in consignment.outcomes:
                    heard(place, outcome)
        return lost

    async def _after_losses(self, lost: Sequence[tuple[Held, Outcome]], tried: int) -> list[Opened]:
        """Put off what was lost with its association; give what was not begun, to be sent over another one, while that helps."""
        unsent = [held for held, outcome in lost if outcome.result is Result.UNSENT]
        others = [(held, outcome) for held, outcome in lost if outcome.result is not Result.UNSENT]
        reason = next((outcome.reason for _held, outcome in (*others, *lost)), "")
        self._breaks += bool(others)
        unreachable = any(outcome.result is Result.UNREACHABLE for _held, outcome in others)
        if unreachable or self._breaks >= BREAKS or (unsent and len(unsent) == tried):
            self._down = reason
        if self._stopping.stopped:
            for held, outcome in others:
                self._fail(held, outcome.reason)
            return []
        again = [] if self._down else unsent
        doubtful = [held.sop_instance for held, outcome in others if outcome.result is Result.DOUBT]
        await self._put_off([*(held for held, _outcome in others), *(unsent if self._down else [])], reason, doubtful)
        return await self._open(again) if again else []

    async def _put_off(self, instances: Sequence[Held], reason: str, doubtful: Collection[str] = ()) -> None:
        """Leave it to the transmitter to send instances; without one, or where the broker does not take them, they fail."""
        deferring = self.errand.deferring
        if not instances:
            return
        if deferring is None or not await deferring.put(instances, doubtful):
            for held in instances:
                self._fail(held, f"{reason} {deferring.reason}".strip() if deferring is not None else reason)
            return
        self._reason = self._reason or reason
        for held in instances:
            self._note(held, "put off", reason)
            if self.errand.pending_and_close:
                self._waiting += 1
            else:
                self.told.settle(held.sop_instance, Category.FAILURE)
        self._tell()

    def _end(self, held: Held, outcome: Outcome) -> None:
        """Count a sub-operation that ended by itself."""
        if outcome.result not in TAKEN:
            self._fail(held, outcome.reason)
            return
        self.told.settle(held.sop_instance, Category.WARNING if outcome.status else Category.SUCCESS)
        self._note(held, "sent", outcome.reason)
        self._tell()

    def _fail(self, held: Held, reason: str) -> None:
        log.warning("%s was not sent to %s: %s", held.sop_instance, self.errand.destination.ae_title, reason)
        self._reason = self._reason or reason
        self.told.settle(held.sop_instance, Category.FAILURE)
        self._note(held, "failed", reason)
        self._tell()

    # ---- what is told ----

    def _tell(self) -> None:
        """Tell the peer how far it is; the last sub-operation is told of with the final status."""
        if self.told.remaining and not self._stopping.stopped:
            self._told_at = self.means.reactor.seconds()
            self.told.tell()

    def _look(self) -> None:
        """Stop where the request is unwanted by now; tell a peer that has heard nothing for a while."""
        if self.told.unwanted:
            self.stop()
        elif self.means.reactor.seconds() - self._told_at >= PENDING_EVERY:
            self._tell()

    def _note(self, held: Held, outcome: str, detail: str) -> None:
        """Note a step of an image's story."""
        detail = f"for {self.errand.asked_by}{f': {detail}' if detail else ''}"
        peer, now = self.errand.destination.ae_title, self.means.clock.seconds()
        self._story.append(Event(held.sop_instance, self.errand.stage, now, outcome, held.image, peer, detail).line)

    async def _tell_story(self) -> None:
        lines, self._story = self._story, []
        if lines:
            reactor = self.means.reactor
            try:
                await deferToThreadPool(reactor, reactor.getThreadPool(), self.means.journal.add_events, lines)
            except JournalError as error:
                log.error("what became of %d instances is not in their stories: %s", len(lines), error)

    def _finish(self) -> None:
        """Answer for the last time, with what it came to (PS3.4 table C.4-2)."""
        told, deferring = self.told, self.errand.deferring
        if self._stopping.stopped and (told.remaining or self._uncounted):
            told.finish(*(_CANCELLED if self.errand.request.cancelled else _BROKEN_OFF))
            return
        if self._trouble:
            told.finish(UNABLE_TO_PERFORM_SUBOPERATIONS, self._trouble)
            return
        told.total = told.settled + self._waiting  # others may have come and gone since they were counted
        if self._waiting:
            told.tell()
            self.errand.request.exchange.release()
        elif deferring is not None and deferring.count:
            told.finish(SUBOPERATIONS_FAILED, f"{deferring.count} will be sent later: {self._reason}")
        else:
            told.finish(None, self._reason)


def _unnoted(_place: int, _mark: Mark) -> None:
    pass
