"""What executors have at work, found by an index; since when a decision about a study holds, so that old ones can go."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

#: The moment of the migration in seconds since the epoch, as each engine says it.
NOW = {"sqlite": "(julianday('now') - 2440587.5) * 86400.0", "postgresql": "extract(epoch FROM now())"}


def upgrade() -> None:
    """Apply."""
    has_executor = sa.text("executor <> ''")
    op.create_index(op.f("ix_task_executor"), "task", ["executor"], postgresql_where=has_executor, sqlite_where=has_executor)
    op.add_column("study_decision", sa.Column("decided_at", sa.Float(precision=53), server_default="0", nullable=False))
    op.execute(f"UPDATE study_decision SET decided_at = {NOW[op.get_bind().dialect.name]}")
    op.create_index(op.f("ix_study_decision_decided_at"), "study_decision", ["decided_at"])
