"""Tokens by which programs act as users over the JSON API."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def _text(length: int | None = None) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "api_token",
        sa.Column("ien", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token_hash", _text(64), nullable=False),
        sa.Column("duz", sa.Integer(), nullable=False),
        sa.Column("label", _text(), nullable=False),
        sa.Column("address", _text(), nullable=False),
        sa.Column("made_at", sa.Float(53), nullable=False),
        sa.Column("used_at", sa.Float(53), nullable=False),
        sa.Column("expires_at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_api_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_token_token_hash")),
    )
    op.create_index(op.f("ix_api_token_duz"), "api_token", ["duz"])
    op.create_index(op.f("ix_api_token_expires_at"), "api_token", ["expires_at"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence("ien_api_token", start=1)))
