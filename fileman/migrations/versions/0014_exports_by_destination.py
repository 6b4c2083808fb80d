"""What waits in the export queue, by destination: its entries say where they go, as their export does."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_TABLE = "dicom_export_image"
_TAKEN_OVER = sa.text(
    "UPDATE dicom_export_image SET application ="
    " coalesce((SELECT e.application FROM dicom_export e WHERE e.ien = dicom_export_image.export), '')"
)


def upgrade() -> None:
    """Apply."""
    text = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    op.add_column(_TABLE, sa.Column("application", text, nullable=False, server_default=""))
    op.execute(_TAKEN_OVER)
    columns = ["origin", "status", "application", "priority", "export", "sequence"]
    op.create_index("ix_dicom_export_image_by_destination", _TABLE, columns)
