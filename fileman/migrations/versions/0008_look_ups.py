"""What gateways look up and tell: AE titles, gateways, their versions, C-FIND results; radiology's files beside exams."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

#: Files whose entries are numbered from now on.
NUMBERED = ("dicom_workstation", "gateway_information", "query_result", "transmit_destination")


def upgrade() -> None:
    """Apply."""
    if op.get_bind().dialect.name == "postgresql":
        for file in NUMBERED:
            op.execute(sa.schema.CreateSequence(sa.Sequence(f"ien_{file}", start=1)))
    op.create_table(
        "ae_security",
        sa.Column("ien", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("local_title", sa.String(), nullable=False),
        sa.Column("location", sa.Integer(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=True),
        sa.Column("ae_title", sa.String(), nullable=False),
        sa.Column("force_reconciliation", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("flags", sa.Text(), nullable=False),
        sa.Column("services", sa.Text(), nullable=False),
        sa.Column("response_delay", sa.Integer(), nullable=True),
        sa.Column("response_retries", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_ae_security")),
    )
    op.create_table(
        "dicom_workstation",
        sa.Column("ien", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("station", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("reported", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_dicom_workstation")),
        sa.UniqueConstraint("station", name=op.f("uq_dicom_workstation_station")),
    )
    op.create_table(
        "gateway_information",
        sa.Column("ien", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("location", sa.Integer(), nullable=False),
        sa.Column("entries", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_gateway_information")),
        sa.UniqueConstraint("host", name=op.f("uq_gateway_information_host")),
    )
    op.create_table(
        "hospital_location",
        sa.Column("ien", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("inactive", sa.String(), nullable=False),
        sa.Column("reactivated", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_hospital_location")),
    )
    op.create_table(
        "imaging_location",
        sa.Column("ien", sa.Integer(), nullable=False),
        sa.Column("hospital_location", sa.Integer(), nullable=False),
        sa.Column("institution", sa.Integer(), nullable=False),
        sa.Column("imaging_type", sa.Integer(), nullable=False),
        sa.Column("outside", sa.Boolean(), nullable=False),
        sa.Column("outside_room", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_imaging_location")),
    )
    op.create_table(
        "procedure_modifier",
        sa.Column("ien", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("imaging_types", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_procedure_modifier")),
    )
    op.create_table(
        "query_result",
        sa.Column("ien", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("changed", sa.String(), nullable=False),
        sa.Column("task", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_query_result")),
    )
    op.create_index(op.f("ix_query_result_changed"), "query_result", ["changed"], unique=False)
    op.create_table(
        "radiology_code",
        sa.Column("file", sa.String(), nullable=False),
        sa.Column("ien", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("active_from", sa.String(), nullable=False),
        sa.Column("inactive", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("file", "ien", name=op.f("pk_radiology_code")),
    )
    op.create_table(
        "radiology_procedure",
        sa.Column("ien", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("cpt", sa.String(), nullable=False),
        sa.Column("cpt_name", sa.String(), nullable=False),
        sa.Column("imaging_type", sa.Integer(), nullable=False),
        sa.Column("inactive", sa.String(), nullable=False),
        sa.Column("modalities", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_radiology_procedure")),
    )
    op.create_table(
        "query_result_line",
        sa.Column("result", sa.Integer(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["result"], ["query_result.ien"], name=op.f("fk_query_result_line_result"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("result", "line", name=op.f("pk_query_result_line")),
    )
    op.create_table(
        "radiology_order",
        sa.Column("ien", sa.Integer(), nullable=False),
        sa.Column("patient", sa.Integer(), nullable=False),
        sa.Column("procedure", sa.Integer(), nullable=False),
        sa.Column("modifiers", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("entered", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("accession", sa.String(), nullable=False),
        sa.Column("imaging_location", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["patient"], ["patient.dfn"], name=op.f("fk_radiology_order_patient")),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_radiology_order")),
    )
    op.create_index(op.f("ix_radiology_order_patient"), "radiology_order", ["patient"], unique=False)
    op.create_table(
        "transmit_service",
        sa.Column("destination", sa.Integer(), nullable=False),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("user", sa.Boolean(), nullable=False),
        sa.Column("provider", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["destination"], ["transmit_destination.ien"], name=op.f("fk_transmit_service_destination"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("destination", "service", name=op.f("pk_transmit_service")),
    )
    op.add_column("exam", sa.Column("pregnant", sa.String(), server_default="", nullable=False))
    op.add_column("exam", sa.Column("requester", sa.String(), server_default="", nullable=False))
    op.create_index(op.f("ix_exam_patient_exam_date"), "exam", ["patient", "exam_date"], unique=False)
    for images in ("image", "image_audit"):
        op.add_column(images, sa.Column("export_uid", sa.String(length=64), server_default="", nullable=False))
    op.create_index(op.f("ix_image_export_uid"), "image", ["export_uid"], unique=False)
    op.add_column("imaging_site", sa.Column("pacs", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("imaging_site", sa.Column("pacs_retention_days", sa.Integer(), server_default="45", nullable=False))
    op.add_column("imaging_site", sa.Column("pacs_minimum_space", sa.Integer(), server_default="10", nullable=False))
    op.add_column("new_person", sa.Column("radiology_classes", sa.String(), server_default="", nullable=False))
    op.add_column("patient", sa.Column("height_cm", sa.Float(precision=53), nullable=True))
    op.add_column("patient", sa.Column("weight_kg", sa.Float(precision=53), nullable=True))
    op.add_column("patient", sa.Column("employee", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("patient", sa.Column("sensitive", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index(op.f("ix_patient_icn"), "patient", ["icn"], unique=False)
    op.add_column("transmit_destination", sa.Column("gateway_ae_title", sa.String(), server_default="", nullable=False))
    op.add_column("transmit_destination", sa.Column("updated", sa.String(), server_default="", nullable=False))
    op.create_index(op.f("ix_transmit_destination_gateway"), "transmit_destination", ["gateway"], unique=False)
    op.create_index(op.f("ix_exam_case_number"), "exam", ["case_number"], unique=False)
    op.create_index(
        op.f("ix_image_parent_file_parent_ien_object_type"), "image", ["parent_file", "parent_ien", "object_type"], unique=False
    )
