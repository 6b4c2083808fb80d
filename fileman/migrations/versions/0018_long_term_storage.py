"""Watermarks and labels of network locations, released files, recalls, operator requests, what people said of the archive."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def _text(length: int | None = None) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Apply."""
    for name in ("label", "high_watermark", "low_watermark"):
        op.add_column("network_location", sa.Column(name, _text(), nullable=False, server_default=""))
    op.add_column("network_location", sa.Column("retrieve_seconds", sa.Integer(), nullable=True))
    archived = sa.text("jukebox_location IS NOT NULL")
    op.create_index(
        op.f("ix_image_location_last_access_ien"),
        "image",
        ["location", "last_access", "ien"],
        sqlite_where=archived,
        postgresql_where=archived,
    )
    op.create_table(
        "released_file",
        sa.Column("image", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("location", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("digest", _text(64), nullable=False),
        sa.Column("released_at", sa.Float(53), nullable=False),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("image", "name", name=op.f("pk_released_file")),
    )
    op.create_index(
        op.f("ix_released_file_image_name"),
        "released_file",
        ["image", "name"],
        sqlite_where=sa.text("removed = 0"),
        postgresql_where=sa.text("NOT removed"),
    )
    op.create_table(
        "long_term_fault",
        sa.Column("image", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("location", sa.Integer(), nullable=False),
        sa.Column("reason", _text(), nullable=False),
        sa.Column("found_at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("image", name=op.f("pk_long_term_fault")),
    )
    op.create_table(
        "recall",
        sa.Column("image", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("location", sa.Integer(), nullable=False),
        sa.Column("state", _text(), nullable=False),
        sa.Column("reason", _text(), nullable=False),
        sa.Column("asked_by", _text(), nullable=False),
        sa.Column("asked_at", sa.Float(53), nullable=False),
        sa.Column("failed_at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("image", name=op.f("pk_recall")),
    )
    op.create_index(op.f("ix_recall_state_location_asked_at_image"), "recall", ["state", "location", "asked_at", "image"])
    op.create_table(
        "operator_request",
        sa.Column("location", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("label", _text(), nullable=False),
        sa.Column("asked_by", _text(), nullable=False),
        sa.Column("asked_at", sa.Float(53), nullable=False),
        sa.Column("closed_by", _text(), nullable=False),
        sa.Column("closed_at", sa.Float(53), nullable=True),
        sa.PrimaryKeyConstraint("location", name=op.f("pk_operator_request")),
    )
    op.create_table(
        "archive_override",
        sa.Column("scope", _text(), nullable=False),
        sa.Column("subject", _text(), nullable=False),
        sa.Column("rule", _text(), nullable=False),
        sa.Column("note", _text(), nullable=False),
        sa.Column("set_by", _text(), nullable=False),
        sa.Column("set_at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("scope", "subject", name=op.f("pk_archive_override")),
    )
