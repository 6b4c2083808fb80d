"""The archive's index, kept: what enters when its file is in place, what leaves when its entry is deleted, what moves.

The images of a call are looked up and written together, so that a call costs few statements however many they are, and none
that grows with what is archived. Holdings count along, so that nobody walks over images to know how many there are and where.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias, cast

from sqlalchemy import BindParameter, Connection, Delete, Select, Update, bindparam, delete, exists, func, literal, select, update
from sqlalchemy.orm import aliased

from fileman.archive_rows import FiledImage, Row, describe, patient_row, read_elements, tail_rows, value_rows, with_ids
from fileman.exam_groups import GROUP_OBJECT_TYPE, IMAGE_POINTERS, ExamOfImage, exams_of_images
from fileman.files import (
    AmendedPatient,
    ArchiveHolding,
    ArchiveInstance,
    ArchivePatient,
    ArchiveSeries,
    ArchiveStudy,
    ArchiveTail,
    ArchiveValue,
    File,
    Image,
    ImageHeader,
    MergedPatient,
    MovedImage,
    Patient,
    RejectedImage,
)
from fileman.locks import lock_for_transaction
from fileman.many_rows import ManyRows, in_parts
from fileman.upserting import upserts

Key: TypeAlias = tuple[object, ...]


class _Place(NamedTuple):
    """The key of a holding."""

    series: int
    sop_class: str
    short_term: int
    long_term: int


_IMAGES: BindParameter[Any] = bindparam("images", expanding=True)
_GROUP = aliased(Image, name="image_group")
_FILED = (
    select(
        *IMAGE_POINTERS,
        Image.uid,
        Image.series_uid,
        Image.sop_class,
        Image.procedure,
        Image.series_number,
        Image.image_number,
        Image.procedure_time,
        Image.file_ref,
        Image.location,
        Image.jukebox_location,
        Image.big_location,
        Image.big_jukebox_location,
        Image.big_extension,
        _GROUP.uid.label("study_uid"),
        _GROUP.short_description.label("study_description"),
        _GROUP.procedure_time.label("study_moment"),
        ImageHeader.elements,
        ImageHeader.size,
        Patient.name.label("patient_name"),
        Patient.ssn,
        Patient.birth_date,
        Patient.sex,
        ArchiveInstance.series.label("indexed"),
        MovedImage.image.label("moved"),
        AmendedPatient.dfn.label("amended"),
    )
    .join(_GROUP, _GROUP.ien == Image.parent)
    .join(ImageHeader, ImageHeader.uid == Image.uid, isouter=True)
    .join(Patient, Patient.dfn == Image.patient, isouter=True)
    .join(ArchiveInstance, ArchiveInstance.image == Image.ien, isouter=True)
    .join(MovedImage, MovedImage.image == Image.ien, isouter=True)
    .join(AmendedPatient, AmendedPatient.dfn == Image.patient, isouter=True)
    .join(RejectedImage, RejectedImage.image == Image.ien, isouter=True)
    .where(Image.ien.in_(_IMAGES), Image.object_type != GROUP_OBJECT_TYPE, Image.file_ref != "", RejectedImage.image.is_(None))
    .order_by(Image.ien)
)
_MERGED_IDS = select(MergedPatient.into, MergedPatient.ssn).where(MergedPatient.into.in_(bindparam("dfns", expanding=True)))
_PERSON = select(Patient.name, Patient.ssn, Patient.birth_date, Patient.sex).where(Patient.dfn == bindparam("dfn_"))
_RENUMBER = update(ArchivePatient).where(ArchivePatient.dfn == bindparam("from_dfn")).values(dfn=bindparam("to_dfn"))
_OTHER_STUDY = aliased(ArchiveStudy, name="other_study")
_IN_BOTH = (
    select(ArchiveStudy.ien)
    .join(_OTHER_STUDY, _OTHER_STUDY.study_uid == ArchiveStudy.study_uid)
    .where(ArchiveStudy.patient == bindparam("from_patient"), _OTHER_STUDY.patient == bindparam("to_patient"))
)
_OF_STUDIES = (
    select(ArchiveInstance.image)
    .join(ArchiveSeries, ArchiveSeries.ien == ArchiveInstance.series)
    .where(ArchiveSeries.study.in_(bindparam("studies", expanding=True)))
)
_GIVE_STUDIES = (
    update(ArchiveStudy).where(ArchiveStudy.patient == bindparam("from_patient")).values(patient=bindparam("to_patient"))
)
_PATIENTS_OF = select(Image.patient).where(Image.ien.in_(_IMAGES)).distinct()
_INSTANCES = ManyRows(ArchiveInstance)
_VALUES = ManyRows(ArchiveValue)
_TAILS = ManyRows(ArchiveTail)
_HOLDINGS = ManyRows(
    upserts(
        ArchiveHolding,
        lambda insert: insert.on_conflict_do_update(
            index_elements=_Place._fields,
            set_={
                "instances": ArchiveHolding.instances + insert.excluded.instances,
                "bytes": ArchiveHolding.bytes + insert.excluded.bytes,
            },
        ),
    )
)
_HELD = (
    select(
        ArchiveInstance.series,
        ArchiveInstance.sop_class,
        ArchiveInstance.short_term,
        ArchiveInstance.long_term,
        func.count().label("instances"),
        func.sum(ArchiveInstance.size).label("bytes"),
    )
    .where(ArchiveInstance.image.in_(_IMAGES))
    .group_by(ArchiveInstance.series, ArchiveInstance.sop_class, ArchiveInstance.short_term, ArchiveInstance.long_term)
)
_INDEXED = select(ArchiveInstance.image).where(ArchiveInstance.image.in_(_IMAGES))
_LEAVE = delete(ArchiveInstance).where(ArchiveInstance.image.in_(_IMAGES))
_ENTRIES: BindParameter[Any] = bindparam("entries", expanding=True)
_EMPTY_HOLDINGS = delete(ArchiveHolding).where(ArchiveHolding.series.in_(_ENTRIES), ArchiveHolding.instances <= 0)
_ATTRIBUTES: BindParameter[Any] = bindparam("attributes", expanding=True)
_FORGET_VALUES = tuple(
    delete(file).where(file.attribute.in_(_ATTRIBUTES), file.entry.in_(_ENTRIES)) for file in (ArchiveValue, ArchiveTail)
)
_INSTANCE = select(
    ArchiveInstance.series,
    ArchiveInstance.sop_class,
    ArchiveInstance.short_term,
    ArchiveInstance.long_term,
    ArchiveInstance.size,
).where(ArchiveInstance.image == bindparam("of_image"))
_MOVE = (
    update(ArchiveInstance)
    .where(ArchiveInstance.image == bindparam("of_image"))
    .values(short_term=bindparam("to_short_term"), long_term=bindparam("to_long_term"))
)


@dataclass(frozen=True, eq=False)
class _Kind:
    """Patients, studies or series: by what one is known below its owner, and which attributes of it may have several values."""

    file: type[File]
    uid: str
    owner: str
    attributes: tuple[str, ...]
    find: Select[Any] = field(init=False)
    add: ManyRows = field(init=False)
    change: Update = field(init=False)
    delete: Delete = field(init=False)

    def __post_init__(self) -> None:
        """Make the statements."""
        columns, keys = self.file.__table__.c, [it for it in (self.uid, self.owner) if it]
        find = select(*columns).where(*(columns[key].in_(bindparam(f"{key}s", expanding=True)) for key in keys))
        change = update(self.file).where(columns.ien == bindparam("entry_"))
        told: dict[str, Any] = {it.name: bindparam(it.name) for it in columns if it.name not in ("ien", *keys)}
        object.__setattr__(self, "find", find)
        object.__setattr__(self, "add", ManyRows(upserts(self.file, lambda it: it.on_conflict_do_nothing(index_elements=keys))))
        object.__setattr__(self, "change", change.values(told))
        object.__setattr__(self, "delete", delete(self.file).where(columns.ien.in_(_ENTRIES)))

    @property
    def name(self) -> str:
        return str(self.file.__tablename__)


_PATIENT = _Kind(ArchivePatient, "dfn", "", ("00100010", "00101000"))
_STUDY = _Kind(ArchiveStudy, "study_uid", "patient", ("00080090", "00081060"))
_SERIES = _Kind(ArchiveSeries, "series_uid", "study", ("00401001",))
_ATTRIBUTES_OF_INSTANCES = ("00700084",)


def _without(kind: _Kind, keeper: Any) -> Select[Any]:
    """Select entries that nothing below them keeps, with their owners."""
    columns = kind.file.__table__.c
    owner = columns[kind.owner] if kind.owner else literal(0)
    return select(columns.ien, owner.label("owner")).where(columns.ien.in_(_ENTRIES), ~exists().where(keeper == columns.ien))


#: What goes with the last that is below it, from below.
_EMPTY = (
    (_SERIES, _without(_SERIES, ArchiveHolding.series)),
    (_STUDY, _without(_STUDY, ArchiveSeries.study)),
    (_PATIENT, _without(_PATIENT, ArchiveStudy.patient)),
)


def index_images(connection: Connection, images: Sequence[int]) -> None:
    """Enter images whose files are in place; one that is in the index is described anew, as its header says now.

    A group, an entry without a file and one that is not there are left out.
    """
    for some in in_parts(images):
        _hold(connection, some)
        _index(connection, some)


def describe_again(connection: Connection, images: Sequence[int]) -> None:
    """Describe those images anew that are in the index: what VistA's files say of them has changed."""
    index_images(connection, indexed_among(connection, images))


def indexed_among(connection: Connection, images: Sequence[int]) -> list[int]:
    """Tell which of some images are in the index."""
    return [image for some in in_parts(images) for image in connection.execute(_INDEXED, {"images": some}).scalars()]


def forget_images(connection: Connection, images: Sequence[int]) -> None:
    """Take images out of the index, and with the last of them their series, studies and patients.

    To be called before their entries of IMAGE are deleted.
    """
    for some in in_parts(images):
        _hold(connection, some)
        _forget(connection, some)


def describe_patient(connection: Connection, dfn: int) -> None:
    """Tell of a patient who is in the index what PATIENT (#2) says now, and who was merged into him."""
    lock_for_transaction(connection, f"ARCHIVE {dfn}")
    entry = _find(connection, _PATIENT, [(dfn,)]).get((dfn,))
    person = connection.execute(_PERSON, {"dfn_": dfn}).first()
    if entry is None or person is None:
        return
    others = with_ids(entry["other_ids"], _merged_ids(connection, [dfn]).get(dfn, ()))
    told = patient_row(person.name, person.ssn, person.birth_date, person.sex)
    _describe_entry(connection, _PATIENT, {**entry, **told, "other_ids": others})


def merge_patients(connection: Connection, dfn: int, into: int) -> list[int]:
    """Give another patient all that the index has of one; give the images that left it, to be indexed when they are his.

    These are of studies that both have. He is yet to be described anew.
    """
    lock_for_transaction(connection, *(f"ARCHIVE {it}" for it in (dfn, into)))
    found = _find(connection, _PATIENT, [(dfn,), (into,)])
    entry, survivor = found.get((dfn,)), found.get((into,))
    if entry is None:
        return []
    if survivor is None:
        connection.execute(_RENUMBER, {"from_dfn": dfn, "to_dfn": into})
        return []
    both = {"from_patient": entry["ien"], "to_patient": survivor["ien"]}
    studies = connection.execute(_IN_BOTH, both).scalars().all()
    images = list(connection.execute(_OF_STUDIES, {"studies": studies}).scalars())
    for some in in_parts(images):
        _forget(connection, some)
    connection.execute(_GIVE_STUDIES, both)
    _forget_values(connection, _PATIENT.attributes, [entry["ien"]])
    connection.execute(_PATIENT.delete, {"entries": [entry["ien"]]})
    return images


def _merged_ids(connection: Connection, dfns: Iterable[int]) -> dict[int, list[str]]:
    """Give the numbers of patients who were merged into some."""
    found: dict[int, list[str]] = {}
    for row in connection.execute(_MERGED_IDS, {"dfns": sorted(set(dfns))}):
        found.setdefault(row.into, []).append(row.ssn)
    return found


def image_moved(connection: Connection, image: int, short_term: int | None, long_term: int | None) -> None:
    """Note where the file of an image's object lies now, by the numbers of network locations, None for nowhere."""
    _hold(connection, [image])
    row = connection.execute(_INSTANCE, {"of_image": image}).first()
    if row is None:
        return
    before, after = _Place(*row[:4]), _Place(row.series, row.sop_class, short_term or 0, long_term or 0)
    if before == after:
        return
    connection.execute(_MOVE, {"of_image": image, "to_short_term": after.short_term, "to_long_term": after.long_term})
    _count(connection, {before: [-1, -row.size], after: [1, row.size]})
    connection.execute(_EMPTY_HOLDINGS, {"entries": [row.series]})


def _hold(connection: Connection, images: Sequence[int]) -> None:
    """Let nobody else change what is archived of the same patients until the transaction ends."""
    if connection.dialect.name != "sqlite":
        patients = connection.execute(_PATIENTS_OF, {"images": images}).scalars().all()
        lock_for_transaction(connection, *(f"ARCHIVE {dfn}" for dfn in patients))


def _index(connection: Connection, images: Sequence[int]) -> None:
    rows = connection.execute(_FILED, {"images": images}).all()
    if not rows:
        return
    if again := [row.ien for row in rows if row.indexed is not None]:
        _forget(connection, again)
    bare = [row for row in rows if row.elements is None or row.moved is not None]
    exams = exams_of_images(connection, bare) if bare else {}
    merged = _merged_ids(connection, (row.patient for row in rows))
    found = [describe(_filed(row, exams.get(row.ien), merged.get(row.patient, ())), read_elements(row.elements)) for row in rows]
    patients = _entries(connection, _PATIENT, [((it.filed.dfn,), it.patient) for it in found])
    studies = _entries(connection, _STUDY, [((it.filed.study_uid, patients[it.filed.dfn,]), it.study) for it in found])
    of_study = [studies[it.filed.study_uid, patients[it.filed.dfn,]] for it in found]
    keys: list[Key] = [(it.filed.series_uid, study) for it, study in zip(found, of_study, strict=True)]
    series = _entries(connection, _SERIES, [(key, it.series) for key, it in zip(keys, found, strict=True)])
    instances = [{**it.instance, "series": series[key]} for key, it in zip(keys, found, strict=True)]
    _INSTANCES.write(connection, instances)
    named = [it for it in instances if it["presentation_creator"]]
    _write_values(connection, "archive_instance", {it["image"]: it for it in named})
    held: dict[_Place, list[int]] = {}
    for it in instances:
        counted = held.setdefault(_Place(*(cast(Any, it[name]) for name in _Place._fields)), [0, 0])
        counted[0] += 1
        counted[1] += cast(int, it["size"])
    _count(connection, held)


def _filed(row: Any, exam: ExamOfImage | None, merged_ids: Sequence[str]) -> FiledImage:
    big = row.big_extension == "DCM"  # the object lies in the BIG file then
    return FiledImage(
        image=row.ien,
        dfn=row.patient,
        uid=row.uid,
        series_uid=row.series_uid,
        study_uid=row.study_uid,
        location=(row.big_location if big else row.location) or 0,
        jukebox_location=(row.big_jukebox_location if big else row.jukebox_location) or 0,
        size=row.size or 0,
        sop_class=row.sop_class or 0,
        modality=row.procedure,
        series_number=row.series_number,
        image_number=row.image_number,
        description=row.study_description,
        moment=row.study_moment,
        accession="" if exam is None else exam.accession,
        patient_name=row.patient_name or "",
        patient_id=row.ssn or "",
        birth_date=row.birth_date or "",
        sex=row.sex or "",
        merged_ids=merged_ids,
        amended=row.amended is not None,
        moved=row.moved is not None,
    )


def _entries(connection: Connection, kind: _Kind, wanted: Iterable[tuple[Key, Row]]) -> dict[Key, int]:
    """Give the numbers of entries by their keys; those that are not there are made.

    Of one that is there what is told now stays, as far as anything is.
    """
    told: dict[Key, Row] = {}
    last: dict[Key, Row] = {}
    for key, row in wanted:
        if key not in told:
            told[key] = last[key] = row
        elif row != last[key]:
            told[key], last[key] = _merged(told[key], row), row
    there = _find(connection, kind, told)
    if new := sorted(key for key in told if key not in there):
        names = [it for it in (kind.uid, kind.owner) if it]
        kind.add.write(connection, [{**dict(zip(names, key, strict=True)), **told[key]} for key in new])
        added = _find(connection, kind, new)
        _write_values(connection, kind.name, {added[key]["ien"]: told[key] for key in new})
        there |= added
    for key, row in there.items():
        said = _merged(row, told[key])
        if said != row:
            _describe_entry(connection, kind, said)
    return {key: row["ien"] for key, row in there.items()}


def _describe_entry(connection: Connection, kind: _Kind, row: Row) -> None:
    """Write an entry anew, and the values that it is found by."""
    told = {name: value for name, value in row.items() if name not in ("ien", kind.uid, kind.owner)}
    connection.execute(kind.change, {**told, "entry_": row["ien"]})
    _forget_values(connection, kind.attributes, [cast(int, row["ien"])])
    _write_values(connection, kind.name, {row["ien"]: row})


def _find(connection: Connection, kind: _Kind, keys: Iterable[Key]) -> dict[Key, Any]:
    wanted, names = set(keys), [it for it in (kind.uid, kind.owner) if it]
    values = {f"{name}s": list({key[place] for key in wanted}) for place, name in enumerate(names)}
    rows = [dict(row) for row in connection.execute(kind.find, values).mappings()]
    return {key: row for row in rows if (key := tuple(row[name] for name in names)) in wanted}


def _merged(row: Row, told: Row) -> Row:
    """Give a row with what is told in place of what was; what is not told stays, with the key that it compares by."""
    return {**row, **{name: value for name, value in told.items() if told[name.removesuffix("_key")] not in ("", None)}}


def _write_values(connection: Connection, kind: str, entries: Mapping[Any, Row]) -> None:
    values = [row for entry, told in entries.items() for row in value_rows(kind, entry, told)]
    _VALUES.write(connection, values)
    _TAILS.write(connection, tail_rows(values))


def _forget_values(connection: Connection, attributes: Sequence[str], entries: Sequence[int]) -> None:
    for statement in _FORGET_VALUES:
        connection.execute(statement, {"attributes": attributes, "entries": entries})


def _count(connection: Connection, held: Mapping[_Place, Sequence[int]]) -> None:
    """Add to what is held at places: instances and bytes, less than nothing where they leave."""
    _HOLDINGS.write(
        connection,
        [{**place._asdict(), "instances": instances, "bytes": size} for place, (instances, size) in sorted(held.items())],
    )


def _forget(connection: Connection, images: Sequence[int]) -> None:
    held = {_Place(*row[:4]): [-row.instances, -int(row.bytes)] for row in connection.execute(_HELD, {"images": images})}
    if not held:
        return
    connection.execute(_LEAVE, {"images": images})
    _forget_values(connection, _ATTRIBUTES_OF_INSTANCES, images)
    _count(connection, held)
    entries = sorted({place.series for place in held})
    connection.execute(_EMPTY_HOLDINGS, {"entries": entries})
    for kind, empty in _EMPTY:
        gone = connection.execute(empty, {"entries": entries}).all()
        if not gone:
            return
        iens = [row.ien for row in gone]
        _forget_values(connection, kind.attributes, iens)
        connection.execute(kind.delete, {"entries": iens})
        entries = sorted({row.owner for row in gone})
