"""TeleReader's files: which sites' consults are read where, who reads them, and the list of unread ones."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from fileman.files.base import File


class ImageIndex(File):
    """IMAGE INDEX FOR SPECIALTY/SUBSPECIALTY (#2005.84) and FOR PROCEDURE/EVENT (#2005.85): names and abbreviations by file."""

    __tablename__ = "image_index"

    file: Mapped[str] = mapped_column(primary_key=True)
    ien: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    abbreviation: Mapped[str] = mapped_column(default="")


class AcquisitionSite(File):
    """TELEREADER ACQUISITION SITE (#2006.5842), numbered as its institution. `lock_minutes` is how long a reading lock lasts."""

    __tablename__ = "acquisition_site"

    institution: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    primary_site: Mapped[int]
    active: Mapped[bool] = mapped_column(default=True)
    lock_minutes: Mapped[int] = mapped_column(default=0)


class ConsultService(File):
    """CLINICAL SPECIALTY DICOM & HL7 (#2006.5831): under which specialty and procedure TeleReader reads a service's consults."""

    __tablename__ = "consult_service"

    service: Mapped[str] = mapped_column(primary_key=True)
    specialty: Mapped[int]
    procedure: Mapped[int]
    site: Mapped[int]


class TeleReader(File):
    """TELEREADER READER (#2006.5843): what a reader reads, a row for each procedure of a specialty at a site.

    The three flags are the administrator's for site, specialty and procedure; `selected` is the reader's own choice.
    """

    __tablename__ = "tele_reader"

    duz: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[int] = mapped_column(primary_key=True)
    specialty: Mapped[int] = mapped_column(primary_key=True)
    procedure: Mapped[int] = mapped_column(primary_key=True)
    site_active: Mapped[bool] = mapped_column(default=True)
    specialty_active: Mapped[bool] = mapped_column(default=True)
    procedure_active: Mapped[bool] = mapped_column(default=True)
    selected: Mapped[bool] = mapped_column(default=True)
    position: Mapped[int]


class UnreadConsult(File):
    """TELEREADER READ/UNREAD LIST (#2006.5849): a consult (#123) whose images wait for a reader, or were read.

    Status W waits for images, U unread, L locked by a reader, R read, C cancelled, D deleted. Moments are FileMan's.
    """

    __tablename__ = "unread_consult"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    consult: Mapped[int] = mapped_column(index=True)
    site: Mapped[int]
    specialty: Mapped[int]
    procedure: Mapped[int]
    first_image: Mapped[str] = mapped_column(default="")
    last_image: Mapped[str] = mapped_column(default="")
    last_activity: Mapped[str] = mapped_column(default="")
    images: Mapped[int] = mapped_column(default=0)
    status: Mapped[str] = mapped_column(default="W")
    reader: Mapped[str] = mapped_column(default="")
    reader_initials: Mapped[str] = mapped_column(default="")
    reader_duz_here: Mapped[int | None]
    reader_duz: Mapped[str] = mapped_column(default="")
    reader_site: Mapped[int | None]
    reading_began: Mapped[str] = mapped_column(default="")
    reading_ended: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        Index(None, "site", "specialty", "procedure", "status", "ien"),
        Index(None, "site", "specialty", "procedure", "last_activity", "ien"),
    )
