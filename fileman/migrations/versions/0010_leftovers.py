"""Images by the name of their file: before a file is deleted it is asked whether an image has it."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0008"


def upgrade() -> None:
    """Apply."""
    named = sa.text("file_ref != ''")
    op.create_index(op.f("ix_image_file_ref"), "image", ["file_ref"], sqlite_where=named, postgresql_where=named)
