"""Exams by the note of their images, image groups by the moment of their study."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Apply."""
    op.create_index(op.f("ix_exam_tiu_note"), "exam", ["tiu_note"])
    groups = sa.text("object_type = 11")
    op.create_index(op.f("ix_image_procedure_time"), "image", ["procedure_time"], sqlite_where=groups, postgresql_where=groups)
