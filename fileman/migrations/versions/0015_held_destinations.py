"""Destinations for which nothing is sent until somebody releases them."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Apply."""
    text = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    op.create_table(
        "held_destination",
        sa.Column("application", text, nullable=False),
        sa.Column("held_at", sa.Float(53), nullable=False),
        sa.Column("held_by", text, nullable=False),
        sa.PrimaryKeyConstraint("application", name=op.f("pk_held_destination")),
    )
