"""What people corrected after images were filed: images that were rejected or moved, patients who were changed or merged."""

from __future__ import annotations

from sqlalchemy import Float, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from fileman.files.base import File


class RejectedImage(File):
    """An image that stays on file and is not shown, sent or found by queries.

    `status` is the STATUS (#2005 field 113) that it had before; `rejected_at` is in seconds since the epoch.
    """

    __tablename__ = "rejected_image"

    image: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reason: Mapped[str] = mapped_column(Text)
    rejected_by: Mapped[str]
    rejected_at: Mapped[float] = mapped_column(Float(53))
    status: Mapped[int]


class MovedImage(File):
    """An image that a person moved to another exam: of patient and accession number its header says what is not so."""

    __tablename__ = "moved_image"

    image: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    moved_by: Mapped[str]
    moved_at: Mapped[float] = mapped_column(Float(53))


class AmendedPatient(File):
    """A patient whose demographics were changed after the site was loaded: PATIENT (#2) tells of him, not images' headers."""

    __tablename__ = "amended_patient"

    dfn: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    amended_at: Mapped[float] = mapped_column(Float(53))


class MergedPatient(File):
    """A patient who was merged into another one, with what PATIENT (#2) said of him: by this the survivor is found.

    `into` is the survivor, who is on file: a merge of him changes it. Birth date as FileMan writes it.
    """

    __tablename__ = "merged_patient"

    dfn: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    into: Mapped[int] = mapped_column(index=True)
    name: Mapped[str]
    ssn: Mapped[str] = mapped_column(default="", index=True)
    birth_date: Mapped[str] = mapped_column(default="")
    sex: Mapped[str] = mapped_column(default="")
    icn: Mapped[str] = mapped_column(default="", index=True)
    merged_by: Mapped[str]
    merged_at: Mapped[float] = mapped_column(Float(53))

    __table_args__ = (Index(None, "name", "dfn"),)
