"""The declarative base of every file, and the columns that many files share."""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class File(DeclarativeBase):
    """A FileMan file (or multiple) as a table. FileMan dates are kept as FileMan writes them, as text."""

    metadata = MetaData(naming_convention=NAMING)


#: Files whose internal entry numbers count up and are never given twice: a sequence each on PostgreSQL, a row of
#: `file_header` on SQLite.
NUMBERED_FILES = (
    "acquisition_device",
    "background_queue",
    "current_image",
    "dicom_export",
    "dicom_failed_image",
    "dicom_workstation",
    "error_log",
    "gateway_information",
    "gateway_machine",
    "image",
    "option_schedule",
    "query_result",
    "report",
    "send_queue",
    "sign_on_log",
    "task",
    "task_error",
    "transmit_destination",
)
