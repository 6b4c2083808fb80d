"""Whether prior studies go along with an export, which a gateway then fetches from an archive."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Apply."""
    op.add_column("dicom_export", sa.Column("with_priors", sa.Boolean(), server_default=sa.false(), nullable=False))
