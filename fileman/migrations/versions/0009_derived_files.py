"""Files that are made from an image's object after it was filed, and send queue entries that wait for theirs."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "derived_file",
        sa.Column("image", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("file_type", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("expected_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("image", "file_type", name=op.f("pk_derived_file")),
    )
    op.create_index(op.f("ix_derived_file_state_image_file_type"), "derived_file", ["state", "image", "file_type"])
    op.add_column("send_queue", sa.Column("held", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.drop_index(op.f("ix_send_queue_origin_status_destination_priority_ien"), "send_queue")
    op.create_index(
        op.f("ix_send_queue_origin_status_destination_held_priority_ien"),
        "send_queue",
        ["origin", "status", "destination", "held", "priority", "ien"],
    )
    op.create_index(
        op.f("ix_send_queue_image_file_type"),
        "send_queue",
        ["image", "file_type"],
        sqlite_where=sa.text("held = 1"),
        postgresql_where=sa.text("held"),
    )
