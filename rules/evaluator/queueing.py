"""Putting an evaluation's actions into the queues: #2006.035 for copies, #2006.574 for DICOM objects (MAGBRTUT, MAGDRPC3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, bindparam, exists, insert, select, update

from fileman import (
    IS_AWAITED,
    ManyRows,
    export_lock,
    in_parts,
    lock_for_transaction,
    next_ien,
    next_iens,
    rejected_among,
    send_queue_lock,
    transmission,
    wake_after_commit,
)
from fileman.files import DicomExport, DicomExportImage, HeldDestination, SendQueue
from rules.evaluator.image_facts import KnownImage
from rules.judging.carrying_out import Action
from rules.language.ast import SEND

COPY = 1
#: Images that one statement asks for: databases bound its parameters, and a prior study may have thousands of images.
MOST_ASKED = 5000

#: What waits already for a destination, of some images.
_WAITING = (
    select(SendQueue.ien, SendQueue.image, SendQueue.file_type, SendQueue.priority)
    .where(
        SendQueue.destination == bindparam("destination"),
        SendQueue.status == "WAITING",
        SendQueue.image.in_(bindparam("images", expanding=True)),
    )
    .order_by(SendQueue.ien.desc())
)
_ENTRY = SendQueue.ien == bindparam("entry")
_RAISE = update(SendQueue).where(_ENTRY).values(priority=bindparam("new_priority"), origin=bindparam("new_origin"))
_RENAME = update(SendQueue).where(_ENTRY).values(transaction=bindparam("new_transaction"))
_SEND = ManyRows(insert(SendQueue).values(held=IS_AWAITED))
_EXPORT = (
    select(DicomExport.ien)
    .where(
        DicomExport.study_uid == bindparam("study_uid"),
        DicomExport.application == bindparam("application"),
        DicomExport.origin == bindparam("origin"),
        DicomExport.priority == bindparam("priority"),
        exists().where(
            DicomExportImage.export == DicomExport.ien,
            DicomExportImage.origin == DicomExport.origin,  # as it is: by these an index finds what waits among all images
            DicomExportImage.priority == DicomExport.priority,
            DicomExportImage.status.in_(["WAITING", "RETRY", "HOLD"]),
        ),
    )
    .order_by(DicomExport.ien)
    .limit(1)
)
_NEW_EXPORT = insert(DicomExport)
_QUEUED = select(DicomExportImage.image).where(
    DicomExportImage.image.in_(bindparam("images", expanding=True)),
    DicomExportImage.export == bindparam("export"),
    DicomExportImage.status.in_(["WAITING", "RETRY", "HOLD", "XMIT"]),
)
_COUNT_UP = (
    update(DicomExport)
    .where(DicomExport.ien == bindparam("entry"))
    .values(last_sequence=DicomExport.last_sequence + bindparam("more"), image_count=DicomExport.image_count + bindparam("more"))
    .returning(DicomExport.last_sequence)
)
_WITH_PRIORS = update(DicomExport).where(DicomExport.ien == bindparam("entry"), ~DicomExport.with_priors).values(with_priors=True)
_HELD = select(HeldDestination.application).where(HeldDestination.application.in_(bindparam("applications", expanding=True)))
_NEW_IMAGE = ManyRows(DicomExportImage)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where entries come from and when: the institution, the moment as FileMan date and as seconds since the epoch."""

    location: int
    moment: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Study:
    """What is to be exported together: images of one study for one application. A study without a UID is known by `?`."""

    application: str
    group: int
    study_uid: str
    priority: int
    to_hard_disk: str = "0"


@dataclass(frozen=True, slots=True)
class Copies:
    """What is to be copied: an image's files of some types to a router's network location, as part of a transaction or not."""

    destination: int
    priority: int
    file_types: Sequence[str]
    transaction: str = ""


@dataclass(slots=True)
class _Entry:
    """An entry of the send queue that waits; `new` until it is written. `raised` when its priority is to be written."""

    ien: int
    priority: int
    transaction: str = ""
    new: bool = False
    raised: bool = False


def queue_copies(connection: Connection, image: int, copies: Copies, origin: Origin) -> list[int]:
    """Put an image's files into the send queue; give the entries made (see `queue_all_copies`)."""
    return queue_all_copies(connection, [(image, copies)], origin)[0]


def queue_all_copies(connection: Connection, wanted: Sequence[tuple[int, Copies]], origin: Origin) -> list[list[int]]:
    """Put files of many images into the send queue, in this order; give the entries made for each (SEND^MAGBRTUT).

    A file that waits for the same destination already is not queued again: a higher priority raises it, and lets it belong to
    whoever asked last. An entry whose file is yet to be made is held until it is. Of a rejected image nothing is queued.
    """
    rejected = rejected_among(connection, [image for image, _copies in wanted])
    wanted = [(image, replace(copies, file_types=()) if image in rejected else copies) for image, copies in wanted]
    lock_for_transaction(connection, *{send_queue_lock(image) for image, _copies in wanted})
    waiting = _waiting_copies(connection, wanted)
    unqueued = {
        (copies.destination, image, file_type)
        for image, copies in wanted
        for file_type in copies.file_types
        if (copies.destination, image, file_type) not in waiting
    }
    numbers = iter(next_iens(connection, "send_queue", len(unqueued)) if unqueued else ())
    made: list[list[int]] = []
    for image, copies in wanted:
        entries: list[int] = []
        for file_type in copies.file_types:
            entry = waiting.get(key := (copies.destination, image, file_type))
            if entry is None:
                entry = waiting[key] = _Entry(next(numbers), copies.priority, copies.transaction, new=True)
                entries.append(entry.ien)
            elif entry.priority < copies.priority:
                entry.priority, entry.raised = copies.priority, True
                entry.transaction = copies.transaction or entry.transaction
        made.append(entries)
    _write_copies(connection, waiting, origin)
    return made


_Key = tuple[int, int, str]


def _waiting_copies(connection: Connection, wanted: Sequence[tuple[int, Copies]]) -> dict[_Key, _Entry]:
    """Find what waits already, by destination, image and file type; of several entries the first."""
    images: dict[int, set[int]] = {}
    for image, copies in wanted:
        images.setdefault(copies.destination, set()).add(image)
    return {
        (destination, row.image, row.file_type): _Entry(row.ien, row.priority)
        for destination, those in images.items()
        for some in in_parts(sorted(those), MOST_ASKED)
        for row in connection.execute(_WAITING, {"destination": _pointer(destination), "images": some})
    }


def _write_copies(connection: Connection, entries: Mapping[_Key, _Entry], origin: Origin) -> None:
    same = {"mechanism": COPY, "origin": origin.location, "status": "WAITING"}
    same |= {"queued": origin.moment, "status_at": origin.seconds}
    new = [
        {
            **same,
            "ien": entry.ien,
            "destination": _pointer(destination),
            "image": image,
            "file_type": file_type,
            "of_image": image,
            "of_type": file_type,
            "transaction": entry.transaction,
            "priority": entry.priority,
        }
        for (destination, image, file_type), entry in entries.items()
        if entry.new
    ]
    _SEND.write(connection, new)
    raised = [entry for entry in entries.values() if entry.raised and not entry.new]
    if raised:
        priorities = [{"entry": it.ien, "new_priority": it.priority, "new_origin": origin.location} for it in raised]
        connection.execute(_RAISE, priorities)
    if renamed := [{"entry": it.ien, "new_transaction": it.transaction} for it in raised if it.transaction]:
        connection.execute(_RENAME, renamed)


def _pointer(destination: int) -> str:
    return f"{destination};MAG(2005.2,"


def queue_actions(
    connection: Connection,
    wanted: Sequence[tuple[KnownImage, Action]],
    origin: Origin,
    file_types: Mapping[int, tuple[str, ...]],
) -> list[int]:
    """Queue what rules came to for some images; give the number of entries made for each. What waits is not queued again."""
    made = [0] * len(wanted)
    copies = [at for at, (_image, action) in enumerate(wanted) if action.verb == SEND]
    objects = [at for at, (_image, action) in enumerate(wanted) if action.verb != SEND]
    if copies:
        actions = [wanted[at][1] for at in copies]
        kinds = [(it.image, Copies(it.destination, it.priority, file_types.get(it.destination, ()))) for it in actions]
        for at, entries in zip(copies, queue_all_copies(connection, kinds, origin), strict=True):
            made[at] = len(entries)
    for at, queued in zip(objects, queue_objects(connection, [_object(*wanted[at]) for at in objects], origin), strict=True):
        made[at] = int(queued)
    return made


def _object(image: KnownImage, action: Action) -> Object:
    if (prior := action.prior) is not None:
        study = Study(action.name, prior.group, prior.study_uid, action.priority)
        return Object(action.image, study, prior.accession)
    study = Study(action.name, image.group, image.facts.study_uid, action.priority)
    return Object(action.image, study, image.accession, action.with_priors)


@dataclass(frozen=True, slots=True)
class Object:
    """An image that is to be exported by DICOM, as part of a study, with which prior studies are to go or not."""

    image: int
    study: Study
    accession: str
    with_priors: bool = False


def queue_objects(connection: Connection, wanted: Sequence[Object], origin: Origin) -> list[bool]:
    """Put images into the export queue, in this order; tell of each whether it was (QUEUE^MAGDRPC3).

    One that was under way already is not, and none that is rejected.
    """
    if not wanted:
        return []
    rejected = rejected_among(connection, [it.image for it in wanted])
    lock_for_transaction(connection, export_lock(origin.location))
    exports: dict[tuple[str, str, int], int] = {}
    images: dict[int, list[int]] = {}
    for it in wanted:
        if it.image in rejected:
            continue
        key = (it.study.application, it.study.study_uid, it.study.priority)
        if key not in exports:
            found = open_export(connection, it.study, origin.location)
            exports[key] = make_export(connection, it.study, it.accession, origin) if found is None else found
        images.setdefault(exports[key], []).append(it.image)
    if with_priors := {
        exports[it.study.application, it.study.study_uid, it.study.priority]
        for it in wanted
        if it.with_priors and it.image not in rejected
    }:
        connection.execute(_WITH_PRIORS, [{"entry": export} for export in sorted(with_priors)])
    under_way = {
        (export, image)
        for export, those in images.items()
        for some in in_parts(those, MOST_ASKED)
        for image in connection.execute(_QUEUED, {"export": export, "images": some}).scalars()
    }
    made: list[bool] = []
    new: dict[int, list[Object]] = {}
    for it in wanted:
        export = exports.get((it.study.application, it.study.study_uid, it.study.priority), 0)
        made.append(it.image not in rejected and (export, it.image) not in under_way)
        if made[-1]:
            under_way.add((export, it.image))
            new.setdefault(export, []).append(it)
    rows: list[dict[str, object]] = []
    for export, those in new.items():
        last = connection.execute(_COUNT_UP, {"entry": export, "more": len(those)}).scalar_one()
        first = last - len(those) + 1
        rows += [_object_row(export, first + at, it.image, it.study, origin) for at, it in enumerate(those)]
    _write_objects(connection, rows, origin)
    return made


def _write_objects(connection: Connection, rows: Sequence[Mapping[str, object]], origin: Origin) -> None:
    """Write entries, and wake the location's transmitters."""
    if rows:
        held = set(connection.execute(_HELD, {"applications": list({row["application"] for row in rows})}).scalars())
        _NEW_IMAGE.write(connection, [{**row, "status": "HOLD"} if row["application"] in held else row for row in rows])
        wake_after_commit(connection, transmission(origin.location))


def _object_row(export: int, sequence: int, image: int, study: Study, origin: Origin) -> dict[str, object]:
    where = {
        "origin": origin.location,
        "priority": study.priority,
        "application": study.application,
        "status_at": origin.seconds,
    }
    return {"export": export, "sequence": sequence, "image": image, "status": "WAITING", **where}


def open_export(connection: Connection, study: Study, origin: int) -> int | None:
    """Find the export of a study that still has images waiting, which further ones join (QUEUE^MAGDRPC3)."""
    key = {"study_uid": study.study_uid or "?", "application": study.application, "origin": origin, "priority": study.priority}
    found: int | None = connection.execute(_EXPORT, key).scalar()
    return found


def make_export(connection: Connection, study: Study, accession: str, origin: Origin) -> int:
    """Make an export without images."""
    export = next_ien(connection, "dicom_export")
    connection.execute(
        _NEW_EXPORT,
        {
            "ien": export,
            "application": study.application,
            "group": study.group,
            "accession": accession,
            "origin": origin.location,
            "priority": study.priority,
            "to_hipaa": study.to_hard_disk,
            "requested": origin.moment,
            "study_uid": study.study_uid or "?",
        },
    )
    return export


def queue_export(connection: Connection, export: int, image: int, study: Study, origin: Origin) -> bool | None:
    """Add an image to an export, unless it is under way in it already (ENQUEUE^MAGDRPC3).

    None when the export is gone: its last image was taken out of the queue this moment. The caller holds `export_lock` of the
    institution.
    """
    if connection.execute(_QUEUED, {"images": [image], "export": export}).first() is not None:
        return False
    sequence = connection.execute(_COUNT_UP, {"entry": export, "more": 1}).scalar()
    if sequence is None:
        return None
    _write_objects(connection, [_object_row(export, sequence, image, study, origin)], origin)
    return True
