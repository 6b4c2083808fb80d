"""Images, or a whole study, that a person moves to another exam, consult or lab case, as when a study was misfiled.

A group that moves whole keeps its entry and is linked elsewhere; of one that stays, or where the other exam has a group of the
study already, images are put into another group. Objects in their files stay as they came.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, bindparam, insert, select, update

from fileman import (
    EXAM_POINTERS,
    GROUP_OBJECT_TYPE,
    TIU_FILE,
    Event,
    consult_image_came,
    entry_prefix,
    forget_images,
    group_lock,
    groups_of,
    in_parts,
    index_images,
    indexed_among,
    lock_for_transaction,
    next_ien,
    read_as,
    record_events,
    to_fileman,
    upserts,
)
from fileman.files import DicomExport, Exam, Image, MovedImage
from fileman.sop_classes import same_group
from rpcs.image_processing.indexes import Indexes, consult_indexes, lab_indexes, radiology_indexes
from rpcs.image_processing.notes import CONSULT_PROCEDURE, LAB_PROCEDURE, Consults, LabCases, link_to_note
from rpcs.image_processing.radiology import link_to_report
from rpcs.image_processing.report import exam_lock, make_report, report_of
from rpcs.image_processing.rollback import Deleting, leave_group, members_of, unlink_group
from rpcs.image_processing.study import Study

STAGE = "MOVE EXAM"
#: What the description of a group's image ends with: its number there.
_NUMBERED = re.compile(r"(.*) \(#[0-9]*\)")

_IMAGES: BindParameter[Any] = bindparam("images", expanding=True)
_COLUMNS = (
    Image.ien,
    Image.uid,
    Image.parent,
    Image.procedure,
    Image.procedure_time,
    Image.origin,
    Image.short_description,
    Image.sop_class,
)
_ROWS = select(*_COLUMNS).where(Image.ien.in_(_IMAGES)).order_by(Image.ien)
_GROUP = select(*Image.__table__.columns).where(Image.ien == bindparam("group_"))
_EXAM = select(*EXAM_POINTERS).where(Exam.ien == bindparam("exam_"))
_SET = update(Image).where(Image.ien == bindparam("entry"))
_NEW_GROUP = insert(Image)
_COUNT_UP = (
    update(Image)
    .where(Image.ien == bindparam("group_"))
    .values(members=Image.members + bindparam("more"), last_member=Image.last_member + bindparam("more"))
    .returning(Image.last_member)
)
_EXPORTS = (
    update(DicomExport)
    .where(DicomExport.study_uid == bindparam("uid_"), DicomExport.group == bindparam("group_"))
    .values(accession=bindparam("accession_"))
)
_MARK = upserts(
    MovedImage,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[MovedImage.image],
        set_={"moved_by": insert.excluded.moved_by, "moved_at": insert.excluded.moved_at},
    ),
)

Columns = dict[str, object]


@dataclass(frozen=True, slots=True)
class Moving:
    """To which exam, by whom and why; `deleting` moves groups that are left empty to the audit file."""

    deleting: Deleting
    target: Study
    by: str
    now: float

    def move(self, images: Sequence[int], source: str) -> list[int]:
        """Move images out of their groups, from an exam of another accession number; give the groups they are in now.

        The caller has checked that the exam takes them.
        """
        connection = self.deleting.connection
        rows = [row for some in in_parts(images) for row in connection.execute(_ROWS, {"images": some})]
        groups: dict[int, list[Any]] = {}
        for row in rows:
            groups.setdefault(row.parent, []).append(row)
        lock_for_transaction(connection, exam_lock(self.target), *map(group_lock, groups))
        indexed = indexed_among(connection, images)
        forget_images(connection, indexed)
        now_in = [self._move_group(group, members) for group, members in groups.items()]
        index_images(connection, indexed)
        detail = f"from {source or 'no exam'} to {self.target.full_accession} of {self.target.patient.name}"
        detail += f" (patient {self.target.patient.dfn}): {self.deleting.reason}"
        record_events(connection, [Event(row.uid, row.ien, STAGE, self.now, self.by, "moved", detail) for row in rows])
        return list(dict.fromkeys(now_in))

    def _move_group(self, group: int, members: Sequence[Any]) -> int:
        connection = self.deleting.connection
        before = connection.execute(_GROUP, {"group_": group}).mappings().one()
        whole = len(members_of(connection, group)) == len(members)
        there = self._group_there(before)
        if there is not None and lock_for_transaction(connection, group_lock(there)):  # it may be gone with its last image
            there = self._group_there(before)
        place = _Place(self, before, members[0].procedure)
        if there is None:
            there = group if whole else self._new_group(dict(before))
            if whole:
                unlink_group(connection, group)
            common = place.link(there)
            connection.execute(_SET.values(common | place.of_group()), {"entry": there})
        else:
            common = place.as_in(there)
        if there != group:
            self._put_into(there, members)
            leave_group(self.deleting, group, len(members))
        for row in members:
            connection.execute(_SET.values(common | place.of_image(row)), {"entry": row.ien})
        if self.target.service == "CON" and self.target.service_ien is not None:
            for _ in members:
                consult_image_came(connection, self.target.service_ien, self.deleting.moment)
        if whole or before["patient"] != self.target.patient.dfn:
            self._mark(members)
        if there == group:
            changed = {"uid_": before["uid"], "group_": group, "accession_": self.target.full_accession}
            connection.execute(_EXPORTS, changed)
        return there

    def _group_there(self, before: Any) -> int | None:
        """Find the group of the study and SOP class that the exam has already."""
        connection = self.deleting.connection
        exam = connection.execute(_EXAM, {"exam_": self.target.exam}).one()
        for group in groups_of(connection, exam):
            row = connection.execute(_GROUP, {"group_": group}).mappings().one()
            same = row["uid"] == before["uid"] and row["patient"] == self.target.patient.dfn
            if same and row["object_type"] == GROUP_OBJECT_TYPE and same_group(row["sop_class"], before["sop_class"]):
                return group
        return None

    def _new_group(self, before: Columns) -> int:
        connection = self.deleting.connection
        group = next_ien(connection, "image")
        now = {"saved_at": to_fileman(self.deleting.moment), "members": 0, "last_member": 0}
        connection.execute(_NEW_GROUP, {**before, **now, "ien": group})
        return group

    def _put_into(self, group: int, members: Sequence[Any]) -> None:
        connection = self.deleting.connection
        last = connection.execute(_COUNT_UP, {"group_": group, "more": len(members)}).scalar_one()
        first = last - len(members) + 1
        for sequence, row in enumerate(members, first):
            connection.execute(_SET.values(parent=group, group_sequence=sequence), {"entry": row.ien})

    def _mark(self, members: Sequence[Any]) -> None:
        """Note whose headers say of patient and exam what is not so; one image of a patient's study leaves its study as it is."""
        marked = [{"image": row.ien, "moved_by": self.by, "moved_at": self.now} for row in members]
        self.deleting.connection.execute(_MARK[self.deleting.connection.dialect.name], marked)


@dataclass(frozen=True, slots=True)
class _Place:
    """What the entries of a group and its images say when they are an exam's: the group as it was, and its modality."""

    moving: Moving
    before: Any
    modality: str

    @property
    def _target(self) -> Study:
        return self.moving.target

    def link(self, group: int) -> Columns:
        """Enter a group under the exam; give what it and its images say of that."""
        connection, target = self.moving.deleting.connection, self._target
        if target.service == "RAD":
            duz, moment = self.moving.deleting.duz, to_fileman(self.moving.deleting.moment)
            report = report_of(connection, target) or make_report(connection, target, duz, moment)
            link_to_report(connection, report, group)
            return self._common() | {"parent_file": "74", "parent_ien": report, "report": report}
        if target.tiu_note and not (target.service == "CON" and target.status == "COMPLETE"):
            pointer = link_to_note(connection, target.tiu_note, group)
            note = {"parent_file": TIU_FILE, "parent_ien": target.tiu_note, "parent_image_pointer": pointer}
            return self._common() | note
        waiting = Consults(target) if target.service == "CON" else LabCases(target)
        waiting.keep(connection, group)
        inverse = target.lab_inverse if target.service == "LAB" else ""
        return self._common() | {"parent_file": waiting.file, "parent_ien": waiting.parent_ien, "parent_inverse": inverse}

    def as_in(self, group: int) -> Columns:
        """Give what the images of a group that is the exam's say of it."""
        row = self.moving.deleting.connection.execute(_GROUP, {"group_": group}).mappings().one()
        names = ("parent_file", "parent_ien", "parent_image_pointer", "parent_inverse", "report")
        return self._common() | {name: row[name] for name in names}

    def _common(self) -> Columns:
        target = self._target
        return {
            "patient": target.patient.dfn,
            "name": entry_prefix(target.patient.name, target.patient.ssn) + target.procedure,
            "parent_image_pointer": None,
            "parent_inverse": "",
            "report": None,
            "procedure_ien": target.procedure_ien if target.service == "RAD" else None,
            "procedure_time": target.exam_date if target.service == "RAD" else self.before["procedure_time"],
        }

    def of_group(self) -> Columns:
        """Give what the group itself says."""
        procedures = {"RAD": f"RAD {self.modality}", "CON": CONSULT_PROCEDURE, "LAB": LAB_PROCEDURE}
        said = {"procedure": procedures[self._target.service], "short_description": self._target.procedure}
        return said | self._terms(self.modality)

    def of_image(self, row: Any) -> Columns:
        """Give what an image of it says of itself."""
        numbered = _NUMBERED.fullmatch(row.short_description)
        if numbered is None:
            return self._terms(row.procedure)
        number = row.short_description[len(numbered[1]) :]
        return {"short_description": self._target.procedure + number} | self._terms(row.procedure)

    def _terms(self, modality: str) -> Columns:
        """Give the index terms."""
        terms = self._indexes(modality)
        return {
            "package": terms.package,
            "image_class": terms.image_class,
            "image_type": terms.image_type,
            "procedure_or_event": terms.procedure_or_event,
            "specialty": terms.specialty,
        }

    def _indexes(self, modality: str) -> Indexes:
        target, origin = self._target, self.before["origin"]
        if target.service == "RAD":
            return radiology_indexes(modality, origin)
        if target.service == "LAB":
            return lab_indexes(target.section, origin)
        consult = target.service_ien
        return consult_indexes(modality, origin, None if consult is None else read_as(self.moving.deleting.connection, consult))
