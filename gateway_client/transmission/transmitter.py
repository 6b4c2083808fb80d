"""The transmitter: takes entries of the export queue, sends them, and says what became of each."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Protocol

from gateway_client.backoff import Backoff, Randomness
from gateway_client.broker import Broker
from gateway_client.coercion.changes import change_for
from gateway_client.coercion.pseudonyms import read_key
from gateway_client.commitment.requests import CommitmentRequests, Taken
from gateway_client.commitment.transaction import Reference
from gateway_client.configuration import Configuration
from gateway_client.errors import JournalError, ModificationError, NotPart10, UnknownShare
from gateway_client.locations import NetworkLocations
from gateway_client.priors.noting import StudiesSeen
from gateway_client.transmission.consignment import Consignment, Destination
from gateway_client.transmission.export_queue import Entry, ExportQueue, known_destinations
from gateway_client.transmission.folder_contents import FolderContents
from gateway_client.transmission.folder_lane import FolderLane
from gateway_client.transmission.lanes import ALONE_FOR, MOST, Lane, Lanes, Shipment, Track
from gateway_client.transmission.limits import Limits
from gateway_client.transmission.notes import Mark, Noted, Notes
from gateway_client.transmission.object_file import TAKEN, ObjectFile, Outcome, Result, sentence
from gateway_client.transmission.retries import pause_before_retry
from gateway_client.transmission.transmissions import Sending, Transmission, Transmissions
from runtime import Clock

log = logging.getLogger(__name__)

#: How often an instance goes out without an answer being seen, before a person has to look.
DOUBTS = 2
#: Seconds after which what was taken is not begun any more: the broker gives it to another machine when 300 have passed.
TAKEN_FOR = 240.0
#: Seconds after which the broker is told of what is still in hand: entries of folders, and what takes long to be sent.
KEPT_FOR = 120.0
#: The names of what is sent as one: a folder, and for want of one what was exported together.
_FOLDER, _EXPORT = "folder", "export"
#: Seconds after which the broker is asked again for other destinations while something is being sent.
LOOK_AGAIN = 0.2
#: Days after which an entry that was put back and never came again is forgotten.
_DAYS_REMEMBERED = 30
_PURGE_EVERY = 3600.0
#: Destinations that the status names as failing, and characters of why.
MOST_TOLD, REASON_TOLD = 50, 200
_TO_BE_TOLD = (Sending.SENT, Sending.WAITING, Sending.FAILED)


class Sender(Protocol):
    """Something that sends objects; StorageSCU is one."""

    def send(self, consignment: Consignment) -> None:
        """Begin to send objects of a study; `consignment.ended` is called in the end, by any thread."""

    def close_idle(self) -> None:
        """Let go of what was not used for a while."""


class Transmitter:
    """The task of the transmitting worker.

    The journal says SENDING of a run of entries before the first of them is sent, and what became of them when the last is;
    in between the notes tell which of them the destination may have. Each destination has a lane with entries taken ahead,
    and runs of all lanes are sent side by side: one that hangs holds up nothing but itself. A destination that cannot be
    reached is left alone for a while: its entries go back to the queue with the reason.
    """

    def __init__(
        self,
        configuration: Configuration,
        transmissions: Transmissions,
        notes: Notes,
        sender: Sender,
        clock: Clock,
        random: Randomness,
        requests: CommitmentRequests,
        folders: FolderContents,
        seen: StudiesSeen,
    ) -> None:
        self._configuration = configuration
        self._folders = folders
        self._seen = seen
        self._requests = requests
        self._transmissions = transmissions
        self._notes = notes
        self._sender = sender
        self._clock = clock
        self._queue = ExportQueue(configuration.location)
        self._changes = {
            name: change_for(it, lambda: read_key(configuration.pseudonym_key)) for name, it in configuration.destinations.items()
        }
        self._destinations: dict[str, Destination] = {}
        self._strangers: set[str] = set()
        self._locations = NetworkLocations()
        limits = Limits(configuration.associations_per_destination, configuration.associations)
        self._random = random
        self._lanes = Lanes(limits, self._lane)
        self._runs: dict[Consignment, tuple[Lane, Track]] = {}
        self._ended: SimpleQueue[Consignment] = SimpleQueue()
        #: What the broker knows to be sent and the journal has yet to forget, with what is written next.
        self._reported: dict[str, Transmission] = {}
        self._asked_at = 0.0
        self._told_at = 0.0
        self._purged_at = 0.0

    def failing(self) -> dict[str, str]:
        """Tell of destinations that were not reached last, `failures^name^reason` each; any thread may ask."""
        lanes = sorted(self._lanes.failing(), key=lambda lane: lane.name)[:MOST_TOLD]
        words = [f"{lane.failures}^{lane.name}^{' '.join(lane.reason.split())[:REASON_TOLD]}" for lane in lanes]
        return {f"failing_{number}": text for number, text in enumerate(words, 1)}

    def _lane(self, name: str) -> Lane:
        settings, backoff = self._configuration.destination(name), Backoff(self._random, first=2.0, last=60.0)
        return (
            FolderLane(name, settings, backoff, complete=self._complete)
            if settings.whole_folders
            else Lane(name, settings, backoff)
        )

    def connected(self, broker: Broker) -> None:
        """Give back what this machine took and does not know; ask for destinations and locations.

        What an earlier run or session left SENDING is sent once more where its destination may have it, or for the first time;
        what was left too long ago is told as waiting, as another machine may have it by now.
        """
        self._lanes.let_go()
        in_hand = self._transmissions.in_state(Sending.SENDING, *_TO_BE_TOLD)
        broker.call("MAGB EXPORT REQUEUE", self._configuration.machine, [item.key for item in in_hand])
        self.learn(broker)
        self._queue.one_at_a_time = False
        old = self._transmissions.begun_before(self._clock.seconds() - TAKEN_FOR)
        left = self._left_behind()
        self._save([replace(item, next_try=self._clock.seconds()) for item in left if item.key in old])
        self._prepare(broker, [item for item in left if item.key not in old], self._clock.monotonic())

    def close(self) -> None:
        """Wait for what is being sent, `stop_seconds` at most, and journal it; the broker is told at the next session."""
        self._lanes.let_go()
        until = self._clock.monotonic() + self._configuration.stop_seconds
        try:
            while self._runs and (left := until - self._clock.monotonic()) > 0:
                self._save(self._settle(self._wait(left)))
            self._save([])
        except JournalError as error:
            log.error("What was sent last is known from the notes at the next start: %s", error)

    def offline(self) -> None:
        """Journal what was sent meanwhile; release associations that are not used any more."""
        self._save(self._settle(self._wait(0.0)))
        self._sender.close_idle()
        now = self._clock.seconds()
        if now - self._purged_at > _PURGE_EVERY:
            self._purged_at = now
            self._transmissions.purge(now - _DAYS_REMEMBERED * 86400)

    def step(self, broker: Broker) -> bool:
        """Send the next entries; False when none waits, unless the broker has waited for some long enough."""
        began, poll = self._clock.monotonic(), self._configuration.poll_seconds
        moved = self._go_on(self._wait(0.0))
        fetched = self._fetch(broker, 0.0 if self._lanes.sending else poll)
        moved |= self._go_on(self._wait(0.0))
        if self._runs and not fetched:
            self._go_on(self._wait(LOOK_AGAIN))
            return True
        return moved or fetched or self._clock.monotonic() - began >= poll / 2

    def learn(self, broker: Broker) -> None:
        """Ask for destinations and locations; what was taken from the queue before goes where it was to go then."""
        lines = broker.call("MAGB TRANSMIT DESTINATIONS").lines
        self._destinations = known_destinations(lines, self._configuration)
        self._locations = NetworkLocations.parse(broker.call("MAGB NETWORK LOCATIONS").lines, self._configuration.data)
        self._tell_strangers()

    def _tell_strangers(self) -> None:
        """Tell of destinations for which objects are to be changed and that there are not: one was renamed, or mistyped."""
        changing = {name for name, change in self._changes.items() if change is not None and name != "*"}
        strangers = changing - self._destinations.keys()
        if strangers - self._strangers:
            names = ", ".join(sorted(strangers))
            log.error("Nothing is coerced or de-identified for %s: no transmit destination of this site has the name.", names)
        self._strangers = strangers

    def _left_behind(self) -> list[Transmission]:
        """Settle what is SENDING though nothing is sent; give what is to be sent."""
        under_way = self._lanes.in_hand
        left = [item for item in self._transmissions.in_state(Sending.SENDING) if item.key not in under_way]
        notes = self._notes.read()
        settled = [_recalled(item, _MAYBE_HANDED_OVER if notes is None else notes.get(item.key)) for item in left]
        if settled:
            self._save(settled)
        return [item for item in settled if item.state is Sending.WAITING]

    # from the queue

    def _fetch(self, broker: Broker, wait: float) -> bool:
        """Report what became of entries, and take the next ones; where there are none the broker may wait so many seconds.

        While some are sent it is not asked unless there is something to tell, or a lane wants more, or now and then.
        """
        taken_at = self._clock.monotonic()
        in_hand = self._lanes.in_hand  # what was found at a start is still WAITING, and is sent nevertheless
        known = in_hand | self._reported.keys()
        items = [it for it in self._transmissions.in_state(*_TO_BE_TOLD) if it.key not in known]
        full = self._queue.one_at_a_time and self._lanes.ahead >= MOST
        quiet = self._lanes.sending and not self._lanes.wanting(taken_at) and taken_at - self._asked_at < LOOK_AGAIN
        if not items and (full or quiet):
            return False
        self._asked_at = taken_at
        kept = self._kept(taken_at)
        room, now = self._lanes.room(taken_at), self._clock.seconds()
        entries = self._queue.exchange(broker, items, room, wait, now, kept)
        self._reported.update((it.key, it) for it in items if it.state is Sending.SENT)
        self._transmissions.reported([it for it in items if it.state is not Sending.SENT], self._clock.seconds())
        if not (entries or self._lanes.sending):
            self._save([])
        # not what took so long that the broker gave it again
        new = [_transmission(entry) for entry in entries if f"{entry.entry}^{entry.sequence}" not in in_hand]
        self._prepare(broker, self._transmissions.known(new), taken_at)
        return bool(entries)

    def _kept(self, now: float) -> list[str]:
        """Name the entries that are kept in hand, when it is time to tell the broker so."""
        kept = self._lanes.kept(now + TAKEN_FOR - KEPT_FOR)
        if kept and now - self._told_at <= KEPT_FOR:
            return []
        self._told_at = now
        return sorted(kept)

    def _prepare(self, broker: Broker, items: Sequence[Transmission], taken_at: float) -> None:
        """Find destinations, open files, and give what can be sent to its lane."""
        if any(item.destination not in self._destinations for item in items):
            self.learn(broker)
        prepared = [self._shipment(item, taken_at + TAKEN_FOR) for item in items]
        self._lanes.take([it for it in prepared if isinstance(it, Shipment)], self._clock.monotonic())
        self._save([it for it in prepared if isinstance(it, Transmission)])

    def _shipment(self, item: Transmission, until: float) -> Shipment | Transmission:
        """Give an entry as it is to be sent, or with the reason why it cannot be."""
        destination = self._destinations.get(item.destination)
        if destination is None:
            return _put_back(item, f"{item.destination} is no transmit destination of this site.")
        settings = self._configuration.destination(item.destination)
        try:
            change = self._changes.get(item.destination, self._changes.get("*"))
            one = ObjectFile(self._locations.local_path(item.path), change)
        except (UnknownShare, NotPart10, ModificationError) as error:
            return replace(item, state=Sending.FAILED, reason=str(error))
        except OSError as error:
            waiting = _put_back(item, f"{item.path}: {error.strerror}.")
            if not self._locations.find(item.path).is_there:
                return waiting
            if isinstance(error, FileNotFoundError):
                return replace(waiting, state=Sending.FAILED)
            return self._failed(self._lanes.lane(destination.name), waiting)
        except Exception as error:  # one object is no reason to send no other
            log.exception("%s cannot be prepared", item.path)
            return self._failed(self._lanes.lane(destination.name), _put_back(item, f"A fault: {error!r}."))
        self._seen.see(item.destination, item.entry, item.image, one, self._clock.seconds())
        uid, sop_class = one.meta.sop_instance_uid, one.meta.sop_class_uid
        sending = replace(item, sop_instance_uid=uid, sop_class_uid=sop_class, state=Sending.SENDING, reason="", next_try=0.0)
        if not settings.whole_folders:
            return Shipment(sending, until, destination, one)
        one.put_away()
        folder = self._folders.folder_of(one.stored_as, item.image)
        return Shipment(
            sending, math.inf, destination, one, f"{_EXPORT} {item.entry}" if folder is None else f"{_FOLDER} {folder}"
        )

    def _complete(self, unit: str) -> bool:
        """Tell whether nothing is added to a folder any more; what is no folder of this gateway goes when no more of it comes."""
        kind, _, number = unit.partition(" ")
        now = self._clock.seconds()
        return kind != _FOLDER or now >= self._folders.complete_at(int(number), now)

    # to the destinations

    def _go_on(self, ended: Sequence[Consignment]) -> bool:
        """Journal what ended, and let every lane that has nothing on its way begin what was taken ahead; False for neither.

        Both are written at once, as a lane waits for the disk meanwhile.
        """
        settled = self._settle(ended)
        begun = list(self._lanes.begin(self._clock.monotonic()))
        items = [shipment.item for _lane, track in begun for shipment in track.run]
        try:
            if items:
                runs = [track.run for _lane, track in self._runs.values()]
                under_way = {shipment.item.key for run in runs for shipment in run}
                self._notes.begin([item.key for item in items], under_way | {item.key for item in settled})
            self._save([*settled, *items])
        except BaseException:
            for _lane, track in begun:
                track.take_back()
            raise
        for lane, track in begun:
            consignment = self._consignment(lane, track)
            self._runs[consignment] = lane, track
            self._sender.send(consignment)
        return bool(ended or begun)

    def _consignment(self, lane: Lane, track: Track) -> Consignment:
        run = track.run
        destination, study = run[0].way

        def note(place: int, mark: Mark) -> None:
            item, noted = run[place].item, Noted(mark)
            if mark is Mark.SENT:
                uid = consignment.objects[place].meta.sop_instance_uid
                noted = Noted(mark, uid if uid != item.sop_instance_uid else "", consignment.outcomes[place].reason)
            self._notes.add(item.key, noted)

        consignment = Consignment(
            destination,
            study,
            [shipment.object for shipment in run],
            note,
            self._ended.put,
            run[0].until,
            further=track.further,
            warnings=[int(status, 16) for status in lane.settings.warnings],
            doubtful=[place for place, shipment in enumerate(run) if shipment.item.doubts or shipment.item.repeated],
            whole=lane.settings.whole_folders,
        )
        return consignment

    def _wait(self, seconds: float) -> list[Consignment]:
        """Give the consignments that have ended; for the first of them it may be waited."""
        ended: list[Consignment] = []
        try:
            ended.append(self._ended.get(seconds > 0, seconds))
            while True:
                ended.append(self._ended.get_nowait())
        except Empty:
            return ended

    def _settle(self, ended: Sequence[Consignment]) -> list[Transmission]:
        """Say how consignments ended, and what is put off, to be journaled."""
        settled: list[Transmission] = []
        for consignment in ended:
            lane, track = self._runs.pop(consignment)
            if consignment.fault is not None:
                log.error("a fault while %s was sent to: %r", lane.name, consignment.fault, exc_info=consignment.fault)
            settled += self._settled(lane, track, consignment)
            for shipment in track.run:
                shipment.close()
            track.end(self._clock.monotonic())
        now = self._clock.monotonic()
        for lane, shipment in self._lanes.left_alone(now):
            shipment.close()
            settled.append(self._put_off(lane, shipment.item))
        return settled

    def _settled(self, lane: Lane, track: Track, consignment: Consignment) -> list[Transmission]:
        """Say what became of a run's entries, and leave a destination alone that does not answer."""
        now, outcomes = self._clock.monotonic(), dict(consignment.all_outcomes())
        lost = next((it for it in outcomes.values() if it.result in _LOST and consignment.fault is None), None)
        if track.further and lost is not None and lost.result is Result.UNREACHABLE:
            lane.alone_until = now + ALONE_FOR
            log.info("%s takes no further association: %s", lane.name, lost.reason)
        elif lost is not None:
            lane.lost(now, lost.reason)
            log.warning("%s: %s", lane.name, lost.reason)
        elif any(it.result in _ANSWERED for it in outcomes.values()):
            lane.reached()
        if lane.settings.whole_folders and not (track.further and lost is not None and lost.result is Result.UNREACHABLE):
            broken = next((place for place, it in outcomes.items() if it.result not in (*TAKEN, Result.UNSENT)), None)
            if broken is not None:
                return self._broken_off(lane, track.run, outcomes, broken)
        return [
            self._outcome(
                lane, track.run[place].item, outcome, consignment.objects[place].meta.sop_instance_uid, further=track.further
            )
            for place, outcome in outcomes.items()
        ]

    def _outcome(self, lane: Lane, item: Transmission, outcome: Outcome, sent_as: str, *, further: bool) -> Transmission:
        """Say what became of an entry; one that was compressed with losses was sent as another instance."""
        match outcome.result:
            case Result.SENT | Result.PRESENT:
                return replace(item, state=Sending.SENT, reason=outcome.reason, sop_instance_uid=sent_as)
            case Result.UNREACHABLE if further:  # the other associations go on
                return _put_back(item, outcome.reason)
            case Result.UNSENT:
                return self._put_off(lane, item) if lane.down(self._clock.monotonic()) else _put_back(item, outcome.reason)
            case Result.DOUBT:
                return self._failed(lane, _doubted(item, outcome.reason))
            case _:
                return self._failed(lane, _put_back(item, outcome.reason))

    def _broken_off(self, lane: Lane, run: Sequence[Shipment], outcomes: Mapping[int, Outcome], place: int) -> list[Transmission]:
        """Count a try of a whole folder, which goes again as one: what was sent, or may have been, is marked as a repeat then."""
        tries = max(shipment.item.tries for shipment in run) + 1
        pause = pause_before_retry(lane.settings, tries, self._random)
        why = f"Its {run[place].unit} was broken off at {run[place].item.sop_instance_uid}: {outcomes[place].reason}"
        again = {Result.SENT, Result.DOUBT}
        return [
            replace(
                shipment.item,
                tries=tries,
                repeated=shipment.item.repeated or outcomes[at].result in again,
                state=Sending.FAILED if pause is None else Sending.WAITING,
                reason=f"{sentence(why)} Tried {tries} times." if pause is None else why,
                next_try=0.0 if pause is None else self._clock.seconds() + pause,
            )
            for at, shipment in enumerate(run)
        ]

    def _failed(self, lane: Lane, item: Transmission) -> Transmission:
        """Count a try that came to nothing, and let the entry be tried again in time, or fail."""
        tries = item.tries + 1
        pause = pause_before_retry(lane.settings, tries, self._random)
        if item.state is Sending.FAILED or pause is None:
            return replace(item, tries=tries, state=Sending.FAILED, reason=f"{sentence(item.reason)} Tried {tries} times.")
        return replace(item, tries=tries, next_try=self._clock.seconds() + pause)

    def _put_off(self, lane: Lane, item: Transmission) -> Transmission:
        """Let an entry wait for as long as its destination is left alone."""
        now = self._clock.monotonic()
        return replace(_put_back(item, lane.told(now)), next_try=self._clock.seconds() + lane.down_until - now)

    def _save(self, items: Sequence[Transmission]) -> None:
        """Write entries down, and what destinations took that are to commit to it; forget what is over."""
        if not (items or self._reported):
            return
        now = self._clock.seconds()
        taken: dict[str, list[Taken]] = {}
        for item in items:
            if item.state is Sending.SENT and item.sop_class_uid and self._configuration.destination(item.destination).commit:
                one = Taken(Reference(item.sop_class_uid, item.sop_instance_uid), item.image)
                taken.setdefault(item.destination, []).append(one)
        with self._transmissions.together():
            self._transmissions.reported(list(self._reported.values()), now)
            self._transmissions.save(items, now)
            for name, instances in taken.items():
                self._requests.gather(name, instances, now + self._configuration.destination(name).commit_after_seconds, now)
        self._reported.clear()


def _transmission(it: Entry) -> Transmission:
    return Transmission(it.entry, it.sequence, it.image, it.application, it.group, it.path)


def _recalled(item: Transmission, noted: Noted | None) -> Transmission:
    if noted is not None and noted.mark is Mark.SENT:
        uid = noted.sent_as or item.sop_instance_uid
        return replace(item, state=Sending.SENT, reason=noted.remark, sop_instance_uid=uid)
    if noted is not None and noted.mark is Mark.HANDED_OVER:
        return _doubted(item, "The gateway stopped while it was sent.")
    return replace(item, state=Sending.WAITING, reason="The gateway stopped before it was sent.")


def _put_back(item: Transmission, reason: str) -> Transmission:
    return replace(item, state=Sending.WAITING, reason=reason)


def _doubted(item: Transmission, why: str) -> Transmission:
    """Count a send whose answer was not seen: it is sent once more, marked as a repeat, and then not again."""
    doubts = item.doubts + 1
    last = doubts >= DOUBTS
    reason = f"Sent {doubts} times without an answer being seen. {why}" if last else f"It may have arrived. {why}"
    return replace(item, doubts=doubts, state=Sending.FAILED if last else Sending.WAITING, reason=reason)


#: What is believed of each entry where the notes are not.
_MAYBE_HANDED_OVER = Noted(Mark.HANDED_OVER)
#: After these nothing more is sent to a destination for a while.
_LOST = (Result.UNREACHABLE, Result.BROKEN, Result.DOUBT)
#: After these it is known to be there.
_ANSWERED = (Result.SENT, Result.REFUSED)
