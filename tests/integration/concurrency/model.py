"""What a database must hold after sessions were answered what they noted: whatever it holds besides or instead is told."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from fileman import GROUP_OBJECT_TYPE, Store
from fileman.files import (
    AcquisitionCount,
    BackgroundQueue,
    DicomExport,
    DicomExportImage,
    DicomFailedImage,
    File,
    Image,
    ImageAudit,
    QueuePointer,
    Report,
    ReportImage,
    RoutedCopy,
    SendQueue,
)
from fileman.numbers import last_numbers
from fileman.sop_classes import same_group, sop_class_pointer
from tests.integration.concurrency.crowd import DicomObject, Notes

#: How many files of an image that is taken back are queued to be deleted (its own, text, abstract), and at which place.
FILES, PLACE = 3, 1
#: The file whose numbers the IENs of each table are, and the tables that keep every entry that ever was.
NUMBERED: dict[str, tuple[type[File], ...]] = {
    "image": (Image, ImageAudit),
    "report": (Report,),
    "background_queue": (BackgroundQueue,),
    "queue_pointer": (QueuePointer,),
    "send_queue": (SendQueue,),
    "dicom_failed_image": (DicomFailedImage,),
}

Row = Any


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of a database, by their file."""

    rows: dict[type[File], Sequence[Row]]
    last: dict[str, int]
    gaps: bool

    def __getitem__(self, file: type[File]) -> Sequence[Row]:
        return self.rows[file]

    @classmethod
    def read(cls, store: Store) -> Found:
        """Read them; on PostgreSQL a transaction that was tried again has left a gap in the numbers."""

        def work(connection: Connection) -> Found:
            files = {file for tables in NUMBERED.values() for file in tables}
            files |= {AcquisitionCount, DicomExport, DicomExportImage, ReportImage, RoutedCopy}
            rows = {file: connection.execute(select(*file.__table__.columns)).all() for file in files}
            return cls(rows, last_numbers(connection, [*NUMBERED, "dicom_export"]), gaps=not store.sqlite)

        return store.read(work)


def differences(store: Store, notes: Notes) -> list[str]:
    """Compare a database with what its sessions were answered, from an empty one on."""
    found = Found.read(store)
    return [*notes.unexpected, *(difference for check in _CHECKS for difference in check(found, notes))]


def _differ(what: str, wanted: Any, there: Any) -> Iterator[str]:
    """Tell of two values that ought to be the same; of collections what is there too many or too few times."""
    if wanted == there:
        return
    if isinstance(wanted, int):
        yield f"{what}: {there!r} instead of {wanted!r}"
        return
    expected, found = (Counter(it.items() if isinstance(it, dict) else it) for it in (wanted, there))
    yield f"{what}: {sorted((found - expected).elements())} are there, missing are {sorted((expected - found).elements())}"


def _twice(what: str, values: Iterable[object]) -> Iterator[str]:
    yield from (f"{what}: {value!r} {count} times" for value, count in Counter(values).items() if count > 1)


def _numbers(found: Found, notes: Notes) -> Iterator[str]:
    """Every number was given once, to an entry that is still there or was moved; none lies above the last."""
    yield from _twice("STORE answered an IEN", (image for image, _ in notes.stored))
    for file, tables in NUMBERED.items():
        numbers = [row.ien for table in tables for row in found[table]]
        yield from _twice(f"IEN of {file}", numbers)
        last = found.last.get(file, 0)
        if found.gaps:
            yield from (f"{file} {number} lies above the last, {last}" for number in numbers if number > last)
        else:
            yield from _differ(f"the IENs of {file}", list(range(1, last + 1)), sorted(numbers))


def _images(found: Found, notes: Notes) -> Iterator[str]:
    """What was stored and not deleted is on file, what was deleted is in the audit file, each deletion was answered once."""
    yield from _twice("a deletion was answered", notes.deleted)
    uids = {image: one.uid for image, one in notes.stored}
    gone = set(notes.deleted)
    living = {image: uid for image, uid in uids.items() if image not in gone}
    on_file, in_audit = ({row.ien: row.uid for row in found[file] if row.parent is not None} for file in (Image, ImageAudit))
    yield from _differ("images on file", living, on_file)
    yield from _differ("deleted images", {image: uids[image] for image in gone}, in_audit)
    for uid, count in Counter(living.values()).items():
        if count > 1 + notes.again[uid]:
            yield f"SOP Instance UID {uid} is on file {count} times"


def _groups(found: Found, notes: Notes) -> Iterator[str]:
    """Each study and family of SOP classes that has images has one group of exactly these, under its own exam's report."""
    objects: dict[int, DicomObject] = dict(notes.stored)
    groups = {row.ien: row for row in found[Image] if row.object_type == GROUP_OBJECT_TYPE}
    members: dict[int, list[Row]] = defaultdict(list)
    families: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    for row in found[Image]:
        if row.parent is not None and row.ien in objects:
            members[row.parent].append(row)
            families[objects[row.ien].family].add(row.parent)
    yield from _differ("groups on file", set(groups), set(members))
    yield from (f"{family} has groups {sorted(its)}" for family, its in families.items() if len(its) > 1)
    reports = {row.ien: row for row in found[Report]}
    for ien in groups.keys() & members.keys():
        group, its = groups[ien], members[ien]
        subscripts = [row.group_sequence for row in its]
        yield from _twice(f"subscript in group {ien}", subscripts)
        yield from _differ(f"members of group {ien}", len(its), group.members)
        if group.last_member < max(subscripts):
            yield f"group {ien}: last subscript {group.last_member} below {max(subscripts)}"
        for row in its:
            one = objects[row.ien]
            sound = group.uid == one.study and same_group(group.sop_class, sop_class_pointer(one.sop_class))
            report = reports.get(group.report)
            if not sound or report is None or not report.accession.endswith(one.exam[0]) or row.report != group.report:
                yield f"image {row.ien} is in the wrong group {ien}"


def _reports(found: Found, _notes: Notes) -> Iterator[str]:
    """An exam has one report, and each group one place under it."""
    yield from _twice("a report of exam", (row.exam for row in found[Report]))
    yield from _twice("a place under a report of group", (row.image for row in found[ReportImage]))
    wanted = {(row.report, row.ien) for row in found[Image] if row.object_type == GROUP_OBJECT_TYPE}
    yield from _differ("groups under reports", wanted, {(row.report, row.image) for row in found[ReportImage]})


def _correct_list(found: Found, notes: Notes) -> Iterator[str]:
    """A file that fits nobody waits once; the later ones of a study hang under its first, numbered without a gap."""
    rows = found[DicomFailedImage]
    yield from _differ("files on the CORRECT list", sorted(notes.refused), sorted((row.machine, row.file_path) for row in rows))
    by_study: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_study[row.study_uid].append(row)
    for study, its in by_study.items():
        first = [row for row in its if row.first_of_study]
        later = [row for row in its if not row.first_of_study]
        yield from _differ(f"first images of {study}", 1, len(first))
        lost = [row.ien for row in later if row.related_to != first[0].ien]
        yield from _differ(f"images of {study} apart from its first", [], lost)
        numbers = sorted(row.related_sequence for row in later)
        yield from _differ(f"numbers of images of {study}", list(range(1, len(later) + 1)), numbers)
        yield from _differ(f"last number of {study}", len(later), first[0].last_related)


def _counts(found: Found, notes: Notes) -> Iterator[str]:
    """Every object was counted."""
    rows = found[AcquisitionCount]
    for step, wanted in (("acquired", notes.acquired), ("processed", notes.processed)):
        there = {(row.location, row.instrument): getattr(row, step) for row in rows if getattr(row, step)}
        yield from _differ(f"objects {step}", dict(wanted), there)
    yield from _twice("an instrument's number", ((row.location, row.sequence) for row in rows))


def _background_queue(found: Found, notes: Notes) -> Iterator[str]:
    """The queues hold what was queued, and their pointers say how much of it is not processed, and how far that is."""
    entries = Counter((row.place, row.queue, row.image) for row in found[BackgroundQueue])
    wanted = Counter({(place, "JUKEBOX", image): 1 for place, image in notes.for_jukebox})
    wanted.update({(place, "EVAL", image): count for (place, image), count in notes.for_evaluator.items()})
    if notes.rolled_back:
        wanted[PLACE, "DELETE", 0] = FILES * len(notes.rolled_back)
    yield from _differ("background queues", sorted(wanted.elements()), sorted(entries.elements()))
    totals: Counter[tuple[int, str]] = Counter()
    for (place, queue, _image), count in wanted.items():
        totals[place, queue] += count
    for place, count in notes.evaluations.items():
        totals[place, "EVAL"] -= count
    pointers = found[QueuePointer]
    yield from _twice("a queue's pointer", ((row.place, row.queue) for row in pointers))
    yield from _differ("totals", dict(totals), {(row.place, row.queue): row.total for row in pointers})
    last = {row.place: row.last_pointer for row in pointers if row.queue == "EVAL" and row.last_pointer}
    yield from _differ("last pointers", notes.evaluated, last)


def _transactions(_found: Found, notes: Notes) -> Iterator[str]:
    """Transactions are numbered one after the other."""
    numbers = sorted(int(transaction[-12:]) for transaction in notes.transactions)
    yield from _differ("transactions", list(range(1, len(numbers) + 1)), numbers)


def _send_queue(found: Found, notes: Notes) -> Iterator[str]:
    """Each file was given to one transmitter, once, is in the state that this one reported, and waits once for a destination."""
    yield from _twice("NEXT FILE gave an entry", (entry for entry, _ in notes.files))
    given = {entry: "SENDING" if answer == "1" else "SENT" for entry, answer in notes.files} | notes.statuses
    rows = found[SendQueue]
    yield from _differ(
        "states of files", {row.ien: given.get(row.ien, "WAITING") for row in rows}, {row.ien: row.status for row in rows}
    )
    yield from _differ("files that were given and are gone", set(), set(given) - {row.ien for row in rows})
    yield from _twice("a file waits", waiting_files(rows))
    copies: dict[int, list[Row]] = defaultdict(list)
    for row in found[RoutedCopy]:
        copies[row.image].append(row)
    images = {row.ien: row.image for row in rows}
    for image, count in Counter(images[entry] for entry in notes.logged).items():
        numbers = list(range(1, count + 1))
        yield from _differ(f"copies of image {image}", numbers, sorted(row.sequence for row in copies[image]))
        yield from _differ(f"copies that lie there of image {image}", numbers, sorted(row.copy for row in copies[image]))


def waiting_files(rows: Sequence[Row]) -> Iterator[tuple[str, int, str]]:
    """Give what waits in the send queue, once for each entry."""
    return ((row.destination, row.image, row.file_type) for row in rows if row.status == "WAITING")


def _exports(found: Found, notes: Notes) -> Iterator[str]:
    """Each entry was given once, is in the state that was reported or taken out, and the exports count what they have."""
    yield from _twice("GET NEXT QUEUE ENTRY gave", notes.exports)
    rows = {(row.export, row.sequence): row for row in found[DicomExportImage]}
    wanted = dict.fromkeys(rows, "WAITING") | dict.fromkeys(notes.exports, "XMIT") | dict.fromkeys(notes.exported, "SUCCESS")
    for key in notes.taken_out:
        wanted.pop(key, None)
    yield from _differ("states of exported images", wanted, {key: row.status for key, row in rows.items()})
    sequences: dict[int, list[int]] = defaultdict(list)
    for export, sequence in rows.keys() | notes.taken_out:
        sequences[export].append(sequence)
    exports = {row.ien: row for row in found[DicomExport]}
    yield from _differ("exports", {export for export, _ in rows}, set(exports))
    for export, row in exports.items():
        yield from _differ(f"images of export {export}", sum(key[0] == export for key in rows), row.image_count)
        yield from _differ(f"numbers in export {export}", list(range(1, row.last_sequence + 1)), sorted(sequences[export]))
    if not found.gaps:
        last = found.last.get("dicom_export", 0)
        yield from _differ("the IENs of exports", list(range(1, last + 1)), sorted(sequences))


_CHECKS = (
    _numbers,
    _images,
    _groups,
    _reports,
    _correct_list,
    _counts,
    _background_queue,
    _transactions,
    _send_queue,
    _exports,
)


def requeueing_differences(store: Store, before: Sequence[Row], notes: Notes) -> list[str]:
    """Compare the send queue with what it was before files were taken while others let them wait again."""
    rows = Found.read(store)[SendQueue]
    waited = sum(row.status == "WAITING" for row in before) + len(rows) - len(before)
    waits = sum(row.status == "WAITING" for row in rows)
    known = {row.ien for row in rows}
    return [
        *notes.unexpected,
        *_differ("files that wait", waited + notes.requeued - len(notes.files), waits),
        *_differ("files that were given and are not there", set(), {entry for entry, _ in notes.files} - known),
    ]
