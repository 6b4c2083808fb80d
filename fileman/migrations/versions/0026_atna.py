"""Events that only auditors want to know, and how far each log was told to an Audit Record Repository."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"


def _text(name: str, length: int | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql"), nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), autoincrement=False, nullable=False)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "security_event",
        _number("ien"),
        sa.Column("at", sa.Float(53), nullable=False),
        _text("event", 10),
        _number("duz"),
        *(_text(name) for name in ("name", "address", "detail")),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_security_event")),
    )
    op.create_table(
        "atna_position",
        _text("source", 20),
        _number("last"),
        _text("moment"),
        sa.Column("sent_at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_atna_position")),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence("ien_security_event", start=1)))
