"""HL7 messages, text statistics, gateway parameters, TeleReader's lists."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Apply."""
    if op.get_bind().dialect.name == "postgresql":
        for name in ("ien_hl7_message", "ien_unread_consult"):
            op.execute(sa.schema.CreateSequence(sa.Sequence(name, start=1)))
    op.create_table(
        "hl7_message",
        sa.Column("ien", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("received", sa.String(), nullable=False),
        sa.Column("control", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_hl7_message")),
    )
    op.create_index(op.f("ix_hl7_message_day"), "hl7_message", ["day"], unique=False)
    op.create_index(op.f("ix_hl7_message_received"), "hl7_message", ["received"], unique=False)
    op.create_table(
        "text_message_count",
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("location", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("latest", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("day", "location", "message", name=op.f("pk_text_message_count")),
    )
    op.create_table(
        "gateway_parameter",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_gateway_parameter")),
    )
    op.create_table(
        "image_index",
        sa.Column("file", sa.String(), nullable=False),
        sa.Column("ien", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("abbreviation", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("file", "ien", name=op.f("pk_image_index")),
    )
    op.create_table(
        "acquisition_site",
        sa.Column("institution", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("primary_site", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("lock_minutes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("institution", name=op.f("pk_acquisition_site")),
    )
    op.create_table(
        "consult_service",
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("specialty", sa.Integer(), nullable=False),
        sa.Column("procedure", sa.Integer(), nullable=False),
        sa.Column("site", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("service", name=op.f("pk_consult_service")),
    )
    op.create_table(
        "tele_reader",
        sa.Column("duz", sa.Integer(), nullable=False),
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("specialty", sa.Integer(), nullable=False),
        sa.Column("procedure", sa.Integer(), nullable=False),
        sa.Column("site_active", sa.Boolean(), nullable=False),
        sa.Column("specialty_active", sa.Boolean(), nullable=False),
        sa.Column("procedure_active", sa.Boolean(), nullable=False),
        sa.Column("selected", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("duz", "site", "specialty", "procedure", name=op.f("pk_tele_reader")),
    )
    op.create_table(
        "unread_consult",
        sa.Column("ien", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("consult", sa.Integer(), nullable=False),
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("specialty", sa.Integer(), nullable=False),
        sa.Column("procedure", sa.Integer(), nullable=False),
        sa.Column("first_image", sa.String(), nullable=False),
        sa.Column("last_image", sa.String(), nullable=False),
        sa.Column("last_activity", sa.String(), nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reader", sa.String(), nullable=False),
        sa.Column("reader_initials", sa.String(), nullable=False),
        sa.Column("reader_duz_here", sa.Integer(), nullable=True),
        sa.Column("reader_duz", sa.String(), nullable=False),
        sa.Column("reader_site", sa.Integer(), nullable=True),
        sa.Column("reading_began", sa.String(), nullable=False),
        sa.Column("reading_ended", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_unread_consult")),
    )
    op.create_index(op.f("ix_unread_consult_consult"), "unread_consult", ["consult"], unique=False)
    for order in (["last_activity"], ["status"]):
        columns = ["site", "specialty", "procedure", *order, "ien"]
        op.create_index(op.f(f"ix_unread_consult_{'_'.join(columns)}"), "unread_consult", columns, unique=False)
    op.create_index(op.f("ix_exam_exam_date_patient_ien"), "exam", ["exam_date", "patient", "ien"], unique=False)
