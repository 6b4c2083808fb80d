"""Patients found by the last four digits of their numbers."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Apply."""
    op.create_index("ix_patient_last_four", "patient", [sa.text("substr(ssn, 6, 4)")])
