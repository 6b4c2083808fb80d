"""The send queue by destination, entries out of their cross-references, routed copies, transactions, the state of locations."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Apply."""
    _send_queue()
    _sent()
    op.drop_index(op.f("ix_dicom_export_application_group_priority_origin"), "dicom_export")
    op.create_index(
        op.f("ix_dicom_export_study_uid_application_origin_priority"),
        "dicom_export",
        ["study_uid", "application", "origin", "priority"],
    )
    op.create_index(op.f("ix_dicom_export_requested"), "dicom_export", ["requested"])
    op.add_column("network_location", sa.Column("offline_since", sa.String(), nullable=True))
    op.add_column("network_location", sa.Column("last_purge", sa.String(), nullable=True))
    op.add_column("imaging_site", sa.Column("site_code", sa.String(), server_default="", nullable=False))


def _send_queue() -> None:
    op.add_column("send_queue", sa.Column("unlisted_status", sa.String(), server_default="", nullable=False))
    op.drop_index(op.f("ix_send_queue_origin_status_priority_destination_ien"), "send_queue")
    op.create_index(
        op.f("ix_send_queue_origin_status_destination_priority_ien"),
        "send_queue",
        ["origin", "status", "destination", "priority", "ien"],
    )
    named = sa.text("\"transaction\" != ''")
    op.create_index(op.f("ix_send_queue_transaction"), "send_queue", ["transaction"], sqlite_where=named, postgresql_where=named)


def _sent() -> None:
    texts = ("name", "file_type", "file", "queued", "began")
    op.create_table(
        "routed_copy",
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("copy", sa.Integer(), nullable=True),
        sa.Column("destination", sa.Integer(), nullable=False),
        sa.Column("mechanism", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in texts),
        sa.Column("sent", sa.String(), nullable=False),
        sa.Column("removed", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("image", "sequence", name=op.f("pk_routed_copy")),
    )
    op.create_index(op.f("ix_routed_copy_image_copy"), "routed_copy", ["image", "copy"], unique=True)
    there = sa.text("copy IS NOT NULL")
    op.create_index(
        op.f("ix_routed_copy_destination_sent_image_copy"),
        "routed_copy",
        ["destination", "sent", "image", "copy"],
        sqlite_where=there,
        postgresql_where=there,
    )
    op.create_table(
        "routing_transaction",
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_routing_transaction")),
    )
