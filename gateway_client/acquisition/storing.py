"""Storing: what lies in the spool is journaled, and told to the broker by STORE1 and STORE2."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from gateway_client.acquisition.accession import extract
from gateway_client.acquisition.answers import AlreadyThere, Failed, Locked, Mismatch, Stored, StoreOutcome, read_store_answers
from gateway_client.acquisition.filing import Filing, Means, Outcome
from gateway_client.acquisition.folders import Folders
from gateway_client.acquisition.imported import ImportedObjects
from gateway_client.acquisition.keeping import Keeping
from gateway_client.acquisition.normalising import Normalising
from gateway_client.acquisition.stations import Stations
from gateway_client.acquisition.store_request import Imported, StoreItem, store_lines
from gateway_client.acquisition.waits import StudyWaits
from gateway_client.broker import Broker
from gateway_client.correction.corrections import Corrections
from gateway_client.dictionaries import Extractor
from gateway_client.errors import NotAnObject, NotPart10, SpoolError, SpoolShort, UnknownInstitution
from gateway_client.journal import Change, Instance, RequestKind, State
from gateway_client.objects.header import InstanceHeader, read_header
from gateway_client.objects.part10 import FileMeta, digest_of, read_meta
from gateway_client.reception.spool import SpooledFile
from gateway_client.story import Event
from xwb import RemoteError

log = logging.getLogger(__name__)

#: Seconds after which a locked exam is asked for again.
LOCK_PAUSE = 10.0
#: Days that the journal remembers what is filed: an object sent again in that time is known without asking.
DAYS_REMEMBERED = 365
_PURGE_EVERY = 3600.0
#: Characters of the headers that are kept in memory, and what one of their items counts for besides its value.
ROOM, ITEM_SIZE = 8 << 20, 100


class Headers:
    """Headers that were read when their objects were received, by the names of the files, until they are told.

    Of what comes when there is no more room the header is read again, from the file.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._headers: dict[str, tuple[InstanceHeader, int]] = {}

    def keep(self, name: str, header: InstanceHeader) -> None:
        """Keep a header, if there is room."""
        *fields, items = header
        size = sum(map(len, fields)) + sum([ITEM_SIZE + len(item.value) for item in items])
        if name not in self._headers and size <= self._room:
            self._room -= size
            self._headers[name] = header, size

    def take(self, name: str) -> InstanceHeader | None:
        """Give a header away."""
        header, size = self._headers.pop(name, (None, 0))
        self._room += size
        return header


@dataclass(frozen=True, slots=True)
class Copy:
    """The image is on file, and what is filed is known to be the very same data set."""

    ien: int | None


class Storing(Filing[StoreOutcome | Copy]):
    """The task that brings objects from the spool to STORED.

    `received` may be called from any thread with an object that its sender was told to be safe, and `lost` with the tag of a
    process that received and has died.
    """

    kind = RequestKind.STORE
    before = State.RECEIVED

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        #: Objects, and tags of processes after all that they told.
        self._incoming: queue.SimpleQueue[SpooledFile | str] = queue.SimpleQueue()
        #: Objects that are not journaled yet, and tags of which the spool is not searched yet.
        self._untaken: list[SpooledFile] = []
        self._lost: list[str] = []
        self._headers = Headers()
        self._imported = ImportedObjects(means.configuration.imports, means.spool, means.journal, means.clock)
        self._normalising = Normalising(means.spool, means.journal)
        self._stations = Stations(self._configuration.station, self._configuration.dictionaries.instruments)
        self._corrections = Corrections(self._journal)
        self._modalities = self._configuration.dictionaries.modalities
        self.waits = StudyWaits(self._journal, self._configuration.study_quiet_seconds)
        grouping = means.configuration.grouping
        self._folders = Folders(means.journal, grouping) if grouping is not None else None
        self._keeping = Keeping(means)
        self._purged_at = 0.0
        #: How many objects, and tags, were received since the start, how many of them were taken up, and are done with.
        self.arrived = self._taken_up = self.journaled = 0
        self._arriving = threading.Lock()

    def recover(self) -> None:
        """Bring spool and journal together after a stop of any kind, before anything is received.

        A file without a row gets one; a file whose object is done is removed; one that was refused, or that cannot be read, is
        set aside. Raises SpoolError and JournalError.
        """
        self._recover("")

    def _recover(self, tag: str) -> None:
        self._spool.clear(tag)
        names = self._spool.names(tag)
        states, imported = self._journal.states_of(names), self._imported.of(names)
        for name in names:
            if name in states:
                self._see_to(name, states[name])
            else:
                self._take_found(name, is_imported=name in imported)

    def _take_found(self, name: str, *, is_imported: bool) -> None:
        """Take an object that lies in the spool without a row; what came from a medium keeps its name there too."""
        try:
            file = self._spool.read(name)
        except SpoolShort:
            raise  # nothing is wrong with it
        except (NotPart10, SpoolError) as error:
            self._set_aside(name, str(error))
        else:
            files = [file]
            if not is_imported:
                self._normalise(files)
            self._take(files)

    def _set_aside(self, name: str, why: str) -> None:
        """Hold a file that cannot be read, for a person; its row and its story say why, as far as it tells what it is."""
        log.error("%s in the spool is held: %s", name, why)
        try:
            meta = read_meta(self._spool.path(name))
        except (NotPart10, OSError):
            meta = FileMeta("", "", "")
        now = self._clock.seconds()
        with self._journal.transaction():
            added = self._journal.add([SpooledFile(name, meta, 0, "", now)])
            self._journal.change([Change(number, State.REFUSED, reason=why) for number in added], now)
            if meta.sop_instance_uid:
                self._tell([Event(meta.sop_instance_uid, "HOLD", now, "refused", detail=why)])
        self._see_to(name, State.REFUSED)

    def received(self, file: SpooledFile) -> None:
        """Take an object that lies in the spool."""
        self._arrive(file)

    def lost(self, tag: str) -> None:
        """Look for what a process did not tell of any more."""
        self._arrive(tag)

    def _arrive(self, what: SpooledFile | str) -> None:
        with self._arriving:
            self.arrived += 1
            self._incoming.put(what)

    def connected(self, broker: Broker) -> None:
        """Ask for the institutions of the instruments."""
        self._stations.connected(broker)

    def offline(self) -> None:
        """Journal what was received, whether there is a broker or not."""
        while not self._incoming.empty():
            found = self._incoming.get()
            self._taken_up += 1
            if isinstance(found, str):
                self._lost.append(found)
            else:
                self._untaken.append(found)
        if self._untaken:
            self._normalise(self._untaken)
            self._take(self._untaken)
            self._untaken = []
        while self._lost:
            self._recover(self._lost[0])
            self._lost.pop(0)
        self.journaled = self._taken_up
        now = self._clock.seconds()
        self._keeping.go_on(now)
        if now - self._purged_at > _PURGE_EVERY:
            self._purged_at = now
            self._journal.purge(now - DAYS_REMEMBERED * 86400)

    def _normalise(self, files: list[SpooledFile]) -> None:
        """Give the names of patients one form, where that is asked for."""
        if self._configuration.normalise_patient_name:
            self._normalising.normalise(files)

    def _take(self, files: Sequence[SpooledFile]) -> None:
        for file in files:
            if file.header is not None:
                self._headers.keep(file.name, file.header)
        if self._folders is not None:
            files = [replace(file, header=file.header or self._header(file)) for file in files]
        with self._journal.transaction():
            self._journal.add(files)
            self._tell([_received(file, self._in_folder(file)) for file in files])

    def _header(self, file: SpooledFile) -> InstanceHeader | None:
        try:
            return read_header(self._spool.path(file.name), self._configuration.header_paths)
        except (NotPart10, NotAnObject, OSError):
            return None

    def _in_folder(self, file: SpooledFile) -> str:
        """Put an object into its folder, where there are folders, and say so; one that cannot be read has none."""
        if self._folders is None or file.header is None:
            return ""
        return f"folder {self._folders.assign(file.name, file.header, file.origin.association, file.received_at)}"

    def _go_on(self, broker: Broker) -> bool:
        """Store the next batch."""
        now = self._clock.seconds()
        self.waits.go_on(now)
        batch = self._journal.batch(now, self._configuration.batch)
        if not batch:
            return self._import(broker)  # what comes from media waits for what comes from modalities
        copies = self._journal.copies([instance.id for instance in batch])
        again = [instance for instance in batch if instance.id in copies]
        copies -= {instance.id for instance in again if not self._is_there(broker, instance.sop_instance_uid)}
        imported = self._imported.of([instance.name for instance in batch])
        taken: list[tuple[Instance, StoreItem]] = []
        left: list[tuple[Instance, Callable[[Instance, str], Change], str]] = []
        for instance in batch:
            header = self._headers.take(instance.name)
            if instance.id in copies:
                left.append((instance, self._dropped, "the same object is filed already"))
                continue
            try:
                item = self._item(instance, header, imported.get(instance.name))
                if item is None:
                    left.append((instance, self._ignored, "MODALITY.DIC has it ignored"))
                else:
                    taken.append((instance, item))
            except UnknownInstitution as error:
                left.append((instance, self._unknown, str(error)))
            except (NotPart10, NotAnObject, OSError) as error:
                left.append((instance, self._refused, str(error)))
            except Exception as error:  # whatever its header is like, it holds up no other
                log.exception("the header of %s cannot be told", instance.sop_instance_uid)
                left.append((instance, self._refused, f"Its header cannot be told: {error!r}."))
        if any(end == self._unknown for _, end, _ in left):
            self._stations.connected(broker)
        taken, waiting = self._ready(taken, now)
        number = self._new_uuid()
        lines = store_lines(number, [item for _, item in taken])
        with self._journal.transaction():
            outcomes = [*waiting, *((instance, end(instance, why)) for instance, end, why in left)]
            sent = [(it, Change(it.id, State.STORING, study=item.header.study_uid)) for it, item in taken]
            self._record([*outcomes, *sent])
            request = self._open(number, lines, [instance for instance, _ in taken]) if taken else None
        self._clear(outcomes)
        if request is not None:
            self._carry_out(broker, request)
        return True

    def _is_there(self, broker: Broker, uid: str) -> bool:
        """Tell whether what a copy is of is there: where it was placed, or where the broker says that it lies since.

        What was deleted there is stored anew. A VistA has no procedure for it: there the journal counts.
        """
        filed = self._journal.with_uid(uid, (State.PLACED, State.FILED))
        if any(other.placed and Path(other.placed).exists() for other in filed):
            return True
        try:
            lines = broker.call("MAGB INSTANCE FILES", [uid]).lines
        except RemoteError:
            return True
        digests = {other.digest for other in filed}
        told = ([*line.split("^", 3), "", "", ""][2:4] for line in lines)
        return any(path and digest in digests for digest, path in told)

    def _import(self, broker: Broker) -> bool:
        """Take the oldest lot of objects from media over; False when there is none."""
        taken = self._imported.take(partial(self._is_there, broker))
        if taken is None:
            return False
        for entry in taken.known:
            log.info("%s from %s is known already", entry.sop_instance_uid, entry.old_path)
        at = self._clock.seconds()
        with self._journal.transaction():
            self._take(taken.files)
            self._tell(Event(it.sop_instance_uid, "IMPORT", at, "known", detail=it.old_path) for it in taken.known)
        for entry, why in taken.spoilt:
            self._set_aside(entry.name, why)
        self._imported.forget(taken.lot)
        return True

    def _ready(
        self, taken: Sequence[tuple[Instance, StoreItem]], now: float
    ) -> tuple[list[tuple[Instance, StoreItem]], list[Outcome]]:
        """Part the objects that may be stored from those that wait for their study."""
        self.waits.came([(item.header.study_uid, instance.received_at) for instance, item in taken], now)
        ready: list[tuple[Instance, StoreItem]] = []
        waiting: list[Outcome] = []
        for instance, item in taken:
            study = item.header.study_uid
            if self.waits.must_wait(study, instance.received_at, now):
                waiting.append((instance, Change(instance.id, State.WAITING, study=study)))
            else:
                ready.append((instance, item))
        return ready, waiting

    def _unknown(self, instance: Instance, why: str) -> Change:
        """Have an object wait whose institution the broker does not know."""
        return Change(instance.id, State.RECEIVED, reason=why, next_try=self._clock.seconds() + LOCK_PAUSE)

    def _item(self, instance: Instance, header: InstanceHeader | None, imported: Imported | None) -> StoreItem | None:
        """Tell of an object, as its equipment has it; None where it is to be ignored.

        A header that is not known any more is read. Raises NotPart10, NotAnObject, OSError, or UnknownInstitution.
        """
        path = self._spool.path(instance.name)
        header = header or read_header(path, self._configuration.header_paths)
        moment = datetime.fromtimestamp(instance.received_at)  # noqa: DTZ006  VistA's times carry no zone
        equipment = self._modalities.resolve(header.manufacturer, header.model, header.modality, header.sop_class_uid)
        extracted = extract(equipment.extractor, header)
        if extracted is None:
            return None
        if equipment.extractor is not Extractor.CORRECT and (accession := self._corrected(instance)):
            extracted = extracted._replace(case_number=accession)
        return StoreItem(
            self._stations.station(instance.instrument, equipment.service),
            header._replace(patient_id=extracted.patient_id, patient_name=extracted.patient_name),
            extracted.case_number,
            str(path),
            moment,
            instance.digest,
            instance.size,
            equipment.rules,
            first_try=not instance.tries,
            imported=imported,
        )

    def _found(self, instances: Sequence[Instance], answer: Sequence[str]) -> list[StoreOutcome | Copy]:
        found = read_store_answers(answer, len(instances))
        return [
            self._compared(instance, outcome) if isinstance(outcome, AlreadyThere) else outcome
            for instance, outcome in zip(instances, found, strict=True)
        ]

    def _compared(self, instance: Instance, outcome: AlreadyThere) -> AlreadyThere | Copy:
        """Compare an object with what is filed under its UID."""
        for other in self._journal.with_uid(instance.sop_instance_uid, (State.PLACED, State.FILED)):
            if other.id != instance.id and _digest_of_filed(other) == instance.digest:
                return Copy(other.ien)
        return outcome

    def _change(self, instance: Instance, found: StoreOutcome | Copy) -> Change:
        match found:
            case Stored():
                return Change(
                    *(instance.id, State.STORED, found.ien, found.directory, found.file),
                    reason=found.warning,
                    tries=0,
                    next_try=0.0,
                    alone=False,
                )
            case Copy():
                dropped = self._dropped(instance, f"the same object is filed as image {found.ien}")
                return dropped._replace(reason=None, ien=found.ien)
            case AlreadyThere():
                return self._refused(instance, " ".join(found.messages) or "is already in the database")
            case Mismatch():
                return Change(instance.id, State.CORRECT, reason=found.reason)
            case Locked():
                return self._locked(instance, found)
            case Failed():
                return self._later(instance, found.reason)

    def _locked(self, instance: Instance, outcome: Locked) -> Change:
        """Have an object wait whose exam is locked, and with it those of its study that have yet to be stored."""
        tries = max(1, instance.tries)  # its ACQUIRED is counted already
        now = self._clock.seconds()
        until = now + LOCK_PAUSE
        if not instance.study:
            return Change(instance.id, State.RECEIVED, reason=outcome.what, tries=tries, next_try=until)
        self.waits.locked(instance.study, now, until)
        return Change(instance.id, State.WAITING, reason=outcome.what, tries=tries)

    def _corrected(self, instance: Instance) -> str:
        """Give the accession number that an object was given on the CORRECT list, wherever its equipment would put one."""
        _, correction = self._corrections.known([instance.name])[instance.name]
        return correction.values.accession if correction is not None else ""

    def _ignored(self, instance: Instance, why: str) -> Change:
        self._tell([self._event(instance, "IGNORE", "dropped", why)])
        return Change(instance.id, State.IGNORED, reason=why)

    def _dropped(self, instance: Instance, why: str) -> Change:
        self._tell([self._event(instance, "DUPLICATE", "dropped", why)])
        return Change(instance.id, State.DUPLICATE, reason=why)


def _received(file: SpooledFile, folder: str) -> Event:
    origin = file.origin
    return Event(
        file.meta.sop_instance_uid,
        "RECEIVE",
        file.received_at,
        "received",
        peer=f"{origin.calling}@{origin.peer}" if origin.peer else origin.calling,
        detail=", ".join(filter(None, (f"{file.size} bytes", file.meta.transfer_syntax, origin.instrument, folder))),
    )


def _digest_of_filed(other: Instance) -> str:
    try:
        return digest_of(Path(other.placed)) if other.placed else other.digest
    except (OSError, NotPart10):
        return ""
