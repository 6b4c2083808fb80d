"""Short-term and long-term storage: what was released, what comes back, what people said of it, what operators are asked for."""

from __future__ import annotations

from sqlalchemy import BigInteger, Float, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from fileman.files.base import File


class ReleasedFile(File):
    """A file that was released from a short-term location, where a long-term location has it.

    `digest` is the SHA-256 of the whole file, of `size` bytes, as both had it. Until it is `removed` the file may still lie on
    `location`, the short-term one. `released_at` is in seconds since the epoch.
    """

    __tablename__ = "released_file"

    image: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(primary_key=True)
    location: Mapped[int]
    size: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[str] = mapped_column(String(64))
    released_at: Mapped[float] = mapped_column(Float(53))
    removed: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (Index(None, "image", "name", sqlite_where=text("removed = 0"), postgresql_where=text("NOT removed")),)


class LongTermFault(File):
    """An image whose long-term copy is not what its short-term files are: it is not released, and a person is to look at it."""

    __tablename__ = "long_term_fault"

    image: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    location: Mapped[int]
    reason: Mapped[str]
    found_at: Mapped[float] = mapped_column(Float(53))


class Recall(File):
    """An image that is to come back to a short-term location from `location`, its long-term one, or the off-line one it lies on.

    `state` is WAITING, or FAILED with its `reason`. It is asked for once, whoever asks again: `asked_by` is the first who did, at
    `asked_at`, in seconds since the epoch.
    """

    __tablename__ = "recall"

    image: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    location: Mapped[int]
    state: Mapped[str] = mapped_column(default="WAITING")
    reason: Mapped[str] = mapped_column(default="")
    asked_by: Mapped[str] = mapped_column(default="")
    asked_at: Mapped[float] = mapped_column(Float(53))
    failed_at: Mapped[float] = mapped_column(Float(53), default=0.0)

    __table_args__ = (Index(None, "state", "location", "asked_at", "image"),)


class OperatorRequest(File):
    """That somebody asks for a medium that is off line: one entry per network location, the last time that it was asked for.

    `closed_at` is None while it is open; times are in seconds since the epoch. `label` is the medium's at that time.
    """

    __tablename__ = "operator_request"

    location: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label: Mapped[str]
    asked_by: Mapped[str] = mapped_column(default="")
    asked_at: Mapped[float] = mapped_column(Float(53))
    closed_by: Mapped[str] = mapped_column(default="")
    closed_at: Mapped[float | None] = mapped_column(Float(53))


class ArchiveOverride(File):
    """What a person said of the images of a study or patient: it counts more than what their headers say.

    `scope` is STUDY or PATIENT, `subject` a Study Instance UID or a DFN, `rule` KEEP, RELEASE, NEVER-ARCHIVE or DEFAULT, by which
    an earlier one was taken back. `set_at` is in seconds since the epoch.
    """

    __tablename__ = "archive_override"

    scope: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    rule: Mapped[str]
    note: Mapped[str] = mapped_column(default="")
    set_by: Mapped[str] = mapped_column(default="")
    set_at: Mapped[float] = mapped_column(Float(53))
