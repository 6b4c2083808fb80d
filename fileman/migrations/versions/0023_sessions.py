"""Sessions that somebody wants ended."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Apply."""
    text = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    op.create_table(
        "session_end",
        sa.Column("sign_on", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("asked_by", text, nullable=False),
        sa.Column("asked_at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("sign_on", name=op.f("pk_session_end")),
    )
