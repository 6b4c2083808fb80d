"""What the images of one call have in common: looked up once, for none of it changes while the call's transaction lasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select

from fileman import lock_for_transaction
from fileman.files import Image
from rpcs.image_processing.report import GroupData, groups_under, report_of, report_patient
from rpcs.image_processing.study import Study, find_study

#: UIDs, or entries, that one query looks for.
LOOKED_FOR_AT_ONCE = 500

_BY_UID = (
    select(Image.uid, Image.ien, Image.name, Image.saved_at)
    .where(Image.uid.in_(bindparam("uids", expanding=True)))
    .order_by(Image.ien.desc())
)
_FILES = select(Image.ien, Image.uid, Image.file_ref, Image.big_extension).where(
    Image.ien.in_(bindparam("images", expanding=True))
)


class OnFile(NamedTuple):
    """The first entry of IMAGE with some UID."""

    image: int
    name: str
    saved_at: str


class FilesOf(NamedTuple):
    """The UID of an image on file, and what its entry says of its files."""

    uid: str
    file_ref: str
    big_extension: str


@dataclass(slots=True)
class Found:
    """Exams by service and accession number, their reports and the groups under these, and whatever else was found.

    An exam is as it was found: its report may have been made since, which `report` knows.
    """

    connection: Connection
    devices: dict[str, int] = field(default_factory=dict)
    reports: dict[int, int] = field(default_factory=dict)
    _held: set[str] = field(default_factory=set)
    _studies: dict[tuple[str, str], Study | None] = field(default_factory=dict)
    _owners: dict[int, int | None] = field(default_factory=dict)
    _groups: dict[int, list[GroupData]] = field(default_factory=dict)
    _on_file: dict[str, OnFile | None] = field(default_factory=dict)
    _files: dict[int, FilesOf] = field(default_factory=dict)

    def hold(self, *names: str) -> bool:
        """Hold names until the transaction ends; tell whether others may have changed meanwhile what was read before."""
        new = set(names) - self._held
        self._held |= new
        return bool(new) and lock_for_transaction(self.connection, *new)

    def study(self, service: str, accession: str) -> Study | None:
        """Find an exam; see `find_study`."""
        key = service, accession
        if key not in self._studies:
            self._studies[key] = find_study(self.connection, service, accession)
        return self._studies[key]

    def report(self, study: Study) -> int | None:
        """Give the report of an exam that is held, None when it has none."""
        report = study.report or self.reports.get(study.exam) or report_of(self.connection, study)
        if report is not None:
            self.reports[study.exam] = report
        return report

    def owner(self, report: int) -> int | None:
        """Give the patient of a report; None when it is gone."""
        if report not in self._owners:
            self._owners[report] = report_patient(self.connection, report)
        return self._owners[report]

    def groups(self, report: int) -> list[GroupData]:
        """Give the groups under a report; see `groups_under`."""
        if report not in self._groups:
            self._groups[report] = groups_under(self.connection, report)
        return self._groups[report]

    def forget_groups(self, report: int) -> None:
        """Look anew for the groups under a report."""
        self._groups.pop(report, None)

    def look_for_objects(self, uids: Sequence[str]) -> None:
        """Look for the objects of a call at once. They are held."""
        self._on_file.update(dict.fromkeys(uids))
        for begin in range(0, len(uids), LOOKED_FOR_AT_ONCE):
            rows = self.connection.execute(_BY_UID, {"uids": uids[begin : begin + LOOKED_FOR_AT_ONCE]})
            self._on_file.update((row.uid, OnFile(row.ien, row.name, row.saved_at)) for row in rows)

    def on_file(self, uid: str) -> OnFile | None:
        """Give the first entry of IMAGE with a UID, None when there is none."""
        if uid and uid not in self._on_file:
            self.look_for_objects([uid])
        return self._on_file.get(uid)

    def filed(self, uid: str, entry: OnFile) -> None:
        """Take note of an entry that was made in this call."""
        if uid in self._on_file and self._on_file[uid] is None:
            self._on_file[uid] = entry

    def look_for_images(self, images: Sequence[int]) -> set[int]:
        """Look for entries of IMAGE at once; give those of all looked for in this call that are there."""
        for begin in range(0, len(images), LOOKED_FOR_AT_ONCE):
            rows = self.connection.execute(_FILES, {"images": images[begin : begin + LOOKED_FOR_AT_ONCE]})
            self._files.update((row.ien, FilesOf(*row[1:])) for row in rows)
        return set(self._files)

    def files_of(self, image: int) -> FilesOf | None:
        """Give what the entry of an image says of its files, None when there is no such entry."""
        if image not in self._files:
            self.look_for_images([image])
        return self._files.get(image)

    def forget_images(self) -> None:
        """Look anew for whatever goes when an image is deleted."""
        for found in (self._groups, self._on_file, self._files):
            found.clear()
