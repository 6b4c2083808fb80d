"""first road."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SEQUENCES = (
    ("acquisition_device", 1),
    ("background_queue", 1),
    ("current_image", 1),
    ("dicom_export", 1),
    ("dicom_failed_image", 1),
    ("gateway_machine", 1),
    ("image", 1),
    ("report", 1),
    ("send_queue", 1),
    ("sign_on_log", 1),
    ("task", 1000),
)


def upgrade() -> None:
    """Apply."""
    if op.get_bind().dialect.name == "postgresql":
        for name, first in SEQUENCES:
            op.execute(sa.schema.CreateSequence(sa.Sequence(f"ien_{name}", start=first)))
    op.create_table(
        "acquisition_count",
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("location", sa.String(), nullable=False),
        sa.Column("instrument", sa.String(), nullable=False),
        sa.Column("acquired", sa.Integer(), nullable=False),
        sa.Column("processed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "location", "instrument", name=op.f("pk_acquisition_count")),
    )
    op.create_table(
        "acquisition_device",
        sa.Column("ien", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("location", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_acquisition_device")),
        sa.UniqueConstraint("name", name=op.f("uq_acquisition_device_name")),
    )
    op.create_table(
        "answered_request",
        sa.Column("machine", sa.String(), nullable=False),
        sa.Column("uuid", sa.String(), nullable=False),
        sa.Column("answered_at", sa.Float(precision=53), nullable=False),
        sa.Column("body_digest", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("machine", "uuid", name=op.f("pk_answered_request")),
    )
    with op.batch_alter_table("answered_request", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_answered_request_answered_at"), ["answered_at"], unique=False)

    op.create_table(
        "background_queue",
        sa.Column("ien", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("duz", sa.Integer(), nullable=False),
        sa.Column("requested", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_background_queue")),
    )
    with op.batch_alter_table("background_queue", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_background_queue_place_queue_image"), ["place", "queue", "image"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_background_queue_place_queue_status_ien"), ["place", "queue", "status", "ien"], unique=False
        )

    op.create_table(
        "current_image",
        sa.Column("ien", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("machine", sa.String(), nullable=False),
        sa.Column("uid", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_current_image")),
        sa.UniqueConstraint("machine", name=op.f("uq_current_image_machine")),
    )
    op.create_table(
        "dicom_export",
        sa.Column("ien", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("application", sa.String(), nullable=False),
        sa.Column("group", sa.Integer(), nullable=False),
        sa.Column("accession", sa.String(), nullable=False),
        sa.Column("origin", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("to_hipaa", sa.String(), nullable=False),
        sa.Column("requested", sa.String(), nullable=False),
        sa.Column("study_uid", sa.String(), nullable=False),
        sa.Column("last_sequence", sa.Integer(), nullable=False),
        sa.Column("image_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_dicom_export")),
    )
    with op.batch_alter_table("dicom_export", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_dicom_export_application_group_priority_origin"),
            ["application", "group", "priority", "origin"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_dicom_export_origin_priority"), ["origin", "priority"], unique=False)

    op.create_table(
        "dicom_failed_image",
        sa.Column("ien", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("file_path", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("patient_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("original_name", sa.String(), nullable=False),
        sa.Column("case_number", sa.String(), nullable=False),
        sa.Column("accession", sa.String(), nullable=False),
        sa.Column("entered", sa.String(), nullable=False),
        sa.Column("machine", sa.String(), nullable=False),
        sa.Column("location", sa.String(), nullable=False),
        sa.Column("image_uid", sa.String(), nullable=False),
        sa.Column("study_uid", sa.String(), nullable=False),
        sa.Column("instrument", sa.String(), nullable=False),
        sa.Column("modality", sa.String(), nullable=False),
        sa.Column("instrument_location", sa.String(), nullable=False),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("related_to", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_dicom_failed_image")),
    )
    with op.batch_alter_table("dicom_failed_image", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_dicom_failed_image_file_path_machine"), ["file_path", "machine"], unique=False)
        batch_op.create_index(batch_op.f("ix_dicom_failed_image_image_uid"), ["image_uid"], unique=False)
        batch_op.create_index(batch_op.f("ix_dicom_failed_image_location_study_uid"), ["location", "study_uid"], unique=False)
        batch_op.create_index(batch_op.f("ix_dicom_failed_image_related_to"), ["related_to"], unique=False)

    op.create_table(
        "evaluator_flag",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("running", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluator_flag")),
    )
    op.create_table(
        "evaluator_log",
        sa.Column("task", sa.Integer(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("task", "line", name=op.f("pk_evaluator_log")),
    )
    op.create_table(
        "failed_access",
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_failed_access")),
    )
    op.create_table(
        "file_header",
        sa.Column("file", sa.String(length=40), nullable=False),
        sa.Column("last_ien", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("file", name=op.f("pk_file_header")),
    )
    op.create_table(
        "gateway_machine",
        sa.Column("ien", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_gateway_machine")),
        sa.UniqueConstraint("host", name=op.f("uq_gateway_machine_host")),
    )
    op.create_table(
        "gateway_status",
        sa.Column("machine", sa.String(), nullable=False),
        sa.Column("heartbeat_at", sa.Float(precision=53), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("machine", name=op.f("pk_gateway_status")),
    )
    op.create_table(
        "holiday",
        sa.Column("date", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("date", name=op.f("pk_holiday")),
    )
    op.create_table(
        "image",
        sa.Column("ien", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("file_ref", sa.String(), nullable=False),
        sa.Column("location", sa.Integer(), nullable=True),
        sa.Column("abstract_location", sa.Integer(), nullable=True),
        sa.Column("jukebox_location", sa.Integer(), nullable=True),
        sa.Column("object_type", sa.Integer(), nullable=False),
        sa.Column("patient", sa.Integer(), nullable=False),
        sa.Column("procedure", sa.String(), nullable=False),
        sa.Column("last_access", sa.String(), nullable=False),
        sa.Column("parent", sa.Integer(), nullable=True),
        sa.Column("saved_at", sa.String(), nullable=False),
        sa.Column("saved_by", sa.Integer(), nullable=False),
        sa.Column("short_description", sa.String(), nullable=False),
        sa.Column("procedure_time", sa.String(), nullable=False),
        sa.Column("parent_file", sa.String(), nullable=False),
        sa.Column("parent_ien", sa.Integer(), nullable=True),
        sa.Column("parent_image_pointer", sa.Integer(), nullable=True),
        sa.Column("transmission", sa.String(), nullable=False),
        sa.Column("package", sa.String(), nullable=False),
        sa.Column("image_class", sa.Integer(), nullable=True),
        sa.Column("image_type", sa.Integer(), nullable=True),
        sa.Column("procedure_or_event", sa.Integer(), nullable=True),
        sa.Column("specialty", sa.Integer(), nullable=True),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("acquisition_site", sa.Integer(), nullable=True),
        sa.Column("acquisition_device", sa.Integer(), nullable=True),
        sa.Column("creation_date", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("big_location", sa.Integer(), nullable=True),
        sa.Column("big_extension", sa.String(), nullable=False),
        sa.Column("uid", sa.String(length=64), nullable=False),
        sa.Column("report", sa.Integer(), nullable=True),
        sa.Column("procedure_ien", sa.Integer(), nullable=True),
        sa.Column("series_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_class", sa.Integer(), nullable=True),
        sa.Column("members", sa.Integer(), nullable=False),
        sa.Column("group_sequence", sa.Integer(), nullable=True),
        sa.Column("series_number", sa.String(), nullable=False),
        sa.Column("image_number", sa.String(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_image")),
    )
    with op.batch_alter_table("image", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_image_parent"), ["parent"], unique=False)
        batch_op.create_index(batch_op.f("ix_image_patient"), ["patient"], unique=False)
        batch_op.create_index(batch_op.f("ix_image_report_object_type"), ["report", "object_type"], unique=False)
        batch_op.create_index(batch_op.f("ix_image_series_uid"), ["series_uid"], unique=False)
        batch_op.create_index(batch_op.f("ix_image_uid"), ["uid"], unique=False)

    op.create_table(
        "image_event",
        sa.Column("ien", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=64), nullable=False),
        sa.Column("image", sa.Integer(), nullable=True),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.Column("peer", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_image_event")),
    )
    with op.batch_alter_table("image_event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_image_event_image_ien"), ["image", "ien"], unique=False)
        batch_op.create_index(batch_op.f("ix_image_event_uid"), ["uid"], unique=False)

    op.create_table(
        "image_header",
        sa.Column("uid", sa.String(length=64), nullable=False),
        sa.Column("image", sa.Integer(), nullable=True),
        sa.Column("elements", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("uid", name=op.f("pk_image_header")),
    )
    with op.batch_alter_table("image_header", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_image_header_image"), ["image"], unique=False)

    op.create_table(
        "imaging_site",
        sa.Column("ien", sa.Integer(), nullable=False),
        sa.Column("institution", sa.Integer(), nullable=False),
        sa.Column("namespace", sa.String(), nullable=False),
        sa.Column("write_location", sa.Integer(), nullable=True),
        sa.Column("pacs_write_location", sa.Integer(), nullable=True),
        sa.Column("jukebox_location", sa.Integer(), nullable=True),
        sa.Column("gateway_access", sa.String(), nullable=False),
        sa.Column("gateway_verify", sa.String(), nullable=False),
        sa.Column("last_routing", sa.String(), nullable=False),
        sa.Column("last_routing_warning", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_imaging_site")),
    )
    with op.batch_alter_table("imaging_site", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_imaging_site_institution"), ["institution"], unique=False)

    op.create_table(
        "institution",
        sa.Column("ien", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("station", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_institution")),
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("expires_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "network_location",
        sa.Column("ien", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("physical", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("online", sa.Boolean(), nullable=False),
        sa.Column("router", sa.Boolean(), nullable=False),
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("hash", sa.Boolean(), nullable=False),
        sa.Column("send", sa.String(), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=True),
        sa.Column("retry_connect", sa.Integer(), nullable=True),
        sa.Column("retry_transmit", sa.Integer(), nullable=True),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("password", sa.String(), nullable=False),
        sa.Column("subdirectory", sa.String(), nullable=False),
        sa.Column("compression", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_network_location")),
    )
    with op.batch_alter_table("network_location", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_network_location_name"), ["name"], unique=False)

    op.create_table(
        "new_person",
        sa.Column("duz", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("access_hash", sa.String(), nullable=False),
        sa.Column("verify_hash", sa.String(), nullable=False),
        sa.Column("verify_changed", sa.String(), nullable=False),
        sa.Column("verify_never_expires", sa.Boolean(), nullable=False),
        sa.Column("terminated", sa.String(), nullable=False),
        sa.Column("disuser", sa.Boolean(), nullable=False),
        sa.Column("locked_until", sa.String(), nullable=False),
        sa.Column("default_division", sa.Integer(), nullable=True),
        sa.Column("primary_menu", sa.String(), nullable=False),
        sa.Column("nickname", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("timeout", sa.Integer(), nullable=True),
        sa.Column("last_sign_on", sa.String(), nullable=False),
        sa.Column("failed_attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("duz", name=op.f("pk_new_person")),
    )
    with op.batch_alter_table("new_person", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_new_person_access_hash"), ["access_hash"], unique=False)

    op.create_table(
        "option",
        sa.Column("ien", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("lock", sa.String(), nullable=False),
        sa.Column("out_of_order", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_option")),
        sa.UniqueConstraint("name", name=op.f("uq_option_name")),
    )
    op.create_table(
        "patient",
        sa.Column("dfn", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("ssn", sa.String(), nullable=False),
        sa.Column("birth_date", sa.String(), nullable=False),
        sa.Column("sex", sa.String(), nullable=False),
        sa.Column("icn", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("dfn", name=op.f("pk_patient")),
    )
    op.create_table(
        "report",
        sa.Column("ien", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("accession", sa.String(), nullable=False),
        sa.Column("exam", sa.Integer(), nullable=False),
        sa.Column("patient", sa.Integer(), nullable=False),
        sa.Column("exam_date", sa.String(), nullable=False),
        sa.Column("entered", sa.String(), nullable=False),
        sa.Column("entered_by", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_report")),
    )
    with op.batch_alter_table("report", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_report_exam"), ["exam"], unique=False)
        batch_op.create_index(batch_op.f("ix_report_patient"), ["patient"], unique=False)

    op.create_table(
        "rule_decision",
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("task", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("evaluated_at", sa.String(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("fired", sa.Text(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("image", "task", name=op.f("pk_rule_decision")),
    )
    op.create_table(
        "running_task",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("task", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_running_task")),
    )
    op.create_table(
        "send_queue",
        sa.Column("ien", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("destination", sa.String(), nullable=False),
        sa.Column("file_type", sa.String(), nullable=False),
        sa.Column("mechanism", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Integer(), nullable=False),
        sa.Column("transaction", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("queued", sa.String(), nullable=False),
        sa.Column("finished", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_send_queue")),
    )
    with op.batch_alter_table("send_queue", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_send_queue_destination_status_image_file_type"),
            ["destination", "status", "image", "file_type"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_send_queue_origin_status_priority_destination_ien"),
            ["origin", "status", "priority", "destination", "ien"],
            unique=False,
        )

    op.create_table(
        "sign_on_log",
        sa.Column("ien", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("duz", sa.Integer(), nullable=False),
        sa.Column("signed_on", sa.String(), nullable=False),
        sa.Column("signed_off", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_sign_on_log")),
    )
    with op.batch_alter_table("sign_on_log", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sign_on_log_duz"), ["duz"], unique=False)

    op.create_table(
        "site_setting",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_site_setting")),
    )
    op.create_table(
        "site_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site_version")),
    )
    op.create_table(
        "study_decision",
        sa.Column("task", sa.Integer(), nullable=False),
        sa.Column("study_uid", sa.String(), nullable=False),
        sa.Column("rule", sa.Integer(), nullable=False),
        sa.Column("fired", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("task", "study_uid", "rule", name=op.f("pk_study_decision")),
    )
    op.create_table(
        "task",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("entry_point", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("duz", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("scheduled_at", sa.Float(precision=53), nullable=False),
        sa.Column("status", sa.String(length=1), nullable=False),
        sa.Column("status_at", sa.Float(precision=53), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("stop_requested", sa.Boolean(), nullable=False),
        sa.Column("executor", sa.String(), nullable=False),
        sa.Column("heartbeat_at", sa.Float(precision=53), nullable=True),
        sa.Column("error_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_task")),
    )
    with op.batch_alter_table("task", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_task_status_scheduled_at"), ["status", "scheduled_at"], unique=False)

    op.create_table(
        "task_manager",
        sa.Column("executor", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Float(precision=53), nullable=False),
        sa.Column("heartbeat_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("executor", name=op.f("pk_task_manager")),
    )
    op.create_table(
        "transmit_destination",
        sa.Column("ien", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("ae_title", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("gateway", sa.String(), nullable=False),
        sa.Column("location", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_transmit_destination")),
    )
    with op.batch_alter_table("transmit_destination", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_transmit_destination_name"), ["name"], unique=False)

    op.create_table(
        "dicom_export_image",
        sa.Column("export", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("origin", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("status_at", sa.Float(precision=53), nullable=False),
        sa.Column("taken_by", sa.String(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.Float(precision=53), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("repeated", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["export"], ["dicom_export.ien"], name=op.f("fk_dicom_export_image_export"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("export", "sequence", name=op.f("pk_dicom_export_image")),
    )
    with op.batch_alter_table("dicom_export_image", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_dicom_export_image_image"), ["image"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_dicom_export_image_origin_status_priority_export_sequence"),
            ["origin", "status", "priority", "export", "sequence"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_dicom_export_image_status_next_try_at"), ["status", "next_try_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_dicom_export_image_taken_by_status"), ["taken_by", "status"], unique=False)

    op.create_table(
        "exam",
        sa.Column("ien", sa.Integer(), nullable=False),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("accession", sa.String(), nullable=False),
        sa.Column("site_accession", sa.String(), nullable=False),
        sa.Column("case_number", sa.String(), nullable=False),
        sa.Column("service_ien", sa.Integer(), nullable=True),
        sa.Column("patient", sa.Integer(), nullable=False),
        sa.Column("exam_date", sa.String(), nullable=False),
        sa.Column("procedure", sa.String(), nullable=False),
        sa.Column("procedure_ien", sa.Integer(), nullable=True),
        sa.Column("cpt", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("urgency", sa.String(), nullable=False),
        sa.Column("request_type", sa.String(), nullable=False),
        sa.Column("location", sa.Integer(), nullable=True),
        sa.Column("report", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["patient"], ["patient.dfn"], name=op.f("fk_exam_patient")),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_exam")),
    )
    with op.batch_alter_table("exam", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_exam_accession"), ["accession"], unique=False)
        batch_op.create_index(batch_op.f("ix_exam_patient"), ["patient"], unique=False)
        batch_op.create_index(batch_op.f("ix_exam_site_accession"), ["site_accession"], unique=False)

    op.create_table(
        "option_rpc",
        sa.Column("option", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("rpc", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["option"], ["option.ien"], name=op.f("fk_option_rpc_option"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("option", "position", name=op.f("pk_option_rpc")),
    )
    op.create_table(
        "user_division",
        sa.Column("duz", sa.Integer(), nullable=False),
        sa.Column("institution", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["duz"], ["new_person.duz"], name=op.f("fk_user_division_duz"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("duz", "institution", name=op.f("pk_user_division")),
    )
    op.create_table(
        "user_key",
        sa.Column("duz", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["duz"], ["new_person.duz"], name=op.f("fk_user_key_duz"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("duz", "key", name=op.f("pk_user_key")),
    )
    op.create_table(
        "user_option",
        sa.Column("duz", sa.Integer(), nullable=False),
        sa.Column("option", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["duz"], ["new_person.duz"], name=op.f("fk_user_option_duz"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("duz", "option", name=op.f("pk_user_option")),
    )
    op.execute("INSERT INTO site_version (id, number) VALUES (1, 1)")


def downgrade() -> None:
    """Undo."""
    if op.get_bind().dialect.name == "postgresql":
        for name, _first in SEQUENCES:
            op.execute(sa.schema.DropSequence(sa.Sequence(f"ien_{name}")))
    op.drop_table("user_option")
    op.drop_table("user_key")
    op.drop_table("user_division")
    op.drop_table("option_rpc")
    with op.batch_alter_table("exam", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_exam_site_accession"))
        batch_op.drop_index(batch_op.f("ix_exam_patient"))
        batch_op.drop_index(batch_op.f("ix_exam_accession"))

    op.drop_table("exam")
    with op.batch_alter_table("dicom_export_image", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_dicom_export_image_taken_by_status"))
        batch_op.drop_index(batch_op.f("ix_dicom_export_image_status_next_try_at"))
        batch_op.drop_index(batch_op.f("ix_dicom_export_image_origin_status_priority_export_sequence"))
        batch_op.drop_index(batch_op.f("ix_dicom_export_image_image"))

    op.drop_table("dicom_export_image")
    with op.batch_alter_table("transmit_destination", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_transmit_destination_name"))

    op.drop_table("transmit_destination")
    op.drop_table("task_manager")
    with op.batch_alter_table("task", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_task_status_scheduled_at"))

    op.drop_table("task")
    op.drop_table("study_decision")
    op.drop_table("site_version")
    op.drop_table("site_setting")
    with op.batch_alter_table("sign_on_log", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sign_on_log_duz"))

    op.drop_table("sign_on_log")
    with op.batch_alter_table("send_queue", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_send_queue_origin_status_priority_destination_ien"))
        batch_op.drop_index(batch_op.f("ix_send_queue_destination_status_image_file_type"))

    op.drop_table("send_queue")
    op.drop_table("running_task")
    op.drop_table("rule_decision")
    with op.batch_alter_table("report", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_report_patient"))
        batch_op.drop_index(batch_op.f("ix_report_exam"))

    op.drop_table("report")
    op.drop_table("patient")
    op.drop_table("option")
    with op.batch_alter_table("new_person", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_new_person_access_hash"))

    op.drop_table("new_person")
    with op.batch_alter_table("network_location", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_network_location_name"))

    op.drop_table("network_location")
    op.drop_table("lease")
    op.drop_table("institution")
    with op.batch_alter_table("imaging_site", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_imaging_site_institution"))

    op.drop_table("imaging_site")
    with op.batch_alter_table("image_header", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_image_header_image"))

    op.drop_table("image_header")
    with op.batch_alter_table("image_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_image_event_uid"))
        batch_op.drop_index(batch_op.f("ix_image_event_image_ien"))

    op.drop_table("image_event")
    with op.batch_alter_table("image", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_image_uid"))
        batch_op.drop_index(batch_op.f("ix_image_series_uid"))
        batch_op.drop_index(batch_op.f("ix_image_report_object_type"))
        batch_op.drop_index(batch_op.f("ix_image_patient"))
        batch_op.drop_index(batch_op.f("ix_image_parent"))

    op.drop_table("image")
    op.drop_table("holiday")
    op.drop_table("gateway_status")
    op.drop_table("gateway_machine")
    op.drop_table("file_header")
    op.drop_table("failed_access")
    op.drop_table("evaluator_log")
    op.drop_table("evaluator_flag")
    with op.batch_alter_table("dicom_failed_image", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_dicom_failed_image_related_to"))
        batch_op.drop_index(batch_op.f("ix_dicom_failed_image_location_study_uid"))
        batch_op.drop_index(batch_op.f("ix_dicom_failed_image_image_uid"))
        batch_op.drop_index(batch_op.f("ix_dicom_failed_image_file_path_machine"))

    op.drop_table("dicom_failed_image")
    with op.batch_alter_table("dicom_export", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_dicom_export_origin_priority"))
        batch_op.drop_index(batch_op.f("ix_dicom_export_application_group_priority_origin"))

    op.drop_table("dicom_export")
    op.drop_table("current_image")
    with op.batch_alter_table("background_queue", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_background_queue_place_queue_status_ien"))
        batch_op.drop_index(batch_op.f("ix_background_queue_place_queue_image"))

    op.drop_table("background_queue")
    with op.batch_alter_table("answered_request", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_answered_request_answered_at"))

    op.drop_table("answered_request")
    op.drop_table("acquisition_device")
    op.drop_table("acquisition_count")
