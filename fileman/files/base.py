"""The declarative base of every file, and the columns that many files share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import MetaData, text
from sqlalchemy.orm import DeclarativeBase

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def only_where(condition: str) -> dict[str, Any]:
    """Give the arguments of an index that holds only some rows; a query that repeats the condition may use it."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class File(DeclarativeBase):
    """A FileMan file (or multiple) as a table. FileMan dates are kept as FileMan writes them, as text."""

    metadata = MetaData(naming_convention=NAMING)


#: Files whose internal entry numbers count up and are never given twice: a sequence each on PostgreSQL, a row of
#: `file_header` on SQLite.
NUMBERED_FILES = (
    "acquisition_device",
    "alert",
    "alert_notice",
    "api_token",
    "audit_record",
    "background_queue",
    "consult_group",
    "current_image",
    "dicom_export",
    "dicom_failed_image",
    "dicom_workstation",
    "error_log",
    "gateway_information",
    "gateway_machine",
    "hl7_message",
    "image",
    "importable_object",
    "lab_group",
    "option_schedule",
    "queue_pointer",
    "query_result",
    "report",
    "scheduled_step",
    "security_event",
    "send_queue",
    "sign_on_log",
    "task",
    "task_error",
    "tiu_image",
    "transmit_destination",
    "unread_consult",
)
