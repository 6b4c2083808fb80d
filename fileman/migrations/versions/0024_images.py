"""Rejected and moved images, changed and merged patients; images found by patient, and by site, in the order of their filing."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String().with_variant(sa.String(collation="C"), "postgresql"), nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), autoincrement=False, nullable=False)


def _moment(name: str) -> sa.Column[float]:
    return sa.Column(name, sa.Float(53), nullable=False)


def upgrade() -> None:
    """Apply."""
    long_text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "rejected_image",
        _number("image"),
        sa.Column("reason", long_text, nullable=False),
        _text("rejected_by"),
        _moment("rejected_at"),
        _number("status"),
        sa.PrimaryKeyConstraint("image", name=op.f("pk_rejected_image")),
    )
    op.create_table(
        "moved_image",
        _number("image"),
        _text("moved_by"),
        _moment("moved_at"),
        sa.PrimaryKeyConstraint("image", name=op.f("pk_moved_image")),
    )
    op.create_table(
        "amended_patient",
        _number("dfn"),
        _moment("amended_at"),
        sa.PrimaryKeyConstraint("dfn", name=op.f("pk_amended_patient")),
    )
    op.create_table(
        "merged_patient",
        *(_number("dfn"), _number("into")),
        *(_text(name) for name in ("name", "ssn", "birth_date", "sex", "icn", "merged_by")),
        _moment("merged_at"),
        sa.PrimaryKeyConstraint("dfn", name=op.f("pk_merged_patient")),
    )
    for columns in ("into", "ssn", "icn", "name dfn"):
        op.create_index(op.f(f"ix_merged_patient_{columns.replace(' ', '_')}"), "merged_patient", columns.split())
    op.drop_index(op.f("ix_image_patient"), "image")
    for first in ("patient", "acquisition_site"):
        op.create_index(op.f(f"ix_image_{first}_saved_at_ien"), "image", [first, "saved_at", "ien"])
    op.create_index(op.f("ix_image_audit_patient"), "image_audit", ["patient"])
    named = sa.text("new_patient_id != ''")
    name = op.f("ix_dicom_failed_image_new_patient_id")
    op.create_index(name, "dicom_failed_image", ["new_patient_id"], sqlite_where=named, postgresql_where=named)
