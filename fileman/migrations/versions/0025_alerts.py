"""Alerts, what is told of them, and what is not to be told."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def _text(name: str, length: int | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql"), nullable=False)


def _long_text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), autoincrement=False, nullable=False)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Float(53), nullable=nullable)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "alert",
        _number("ien"),
        _text("kind", 20),
        _text("subject", 128),
        _long_text("text"),
        _moment("since_at"),
        _moment("raised_at", nullable=True),
        _moment("seen_at"),
        _moment("well_at", nullable=True),
        _moment("cleared_at", nullable=True),
        _text("acknowledged_by"),
        _moment("acknowledged_at", nullable=True),
        _text("note"),
        _number("revision"),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_alert")),
    )
    still = sa.text("cleared_at IS NULL")
    op.create_index("ix_alert_open", "alert", ["kind", "subject"], unique=True, sqlite_where=still, postgresql_where=still)
    for columns in ("kind ien", "revision", "cleared_at"):
        op.create_index(op.f(f"ix_alert_{columns.replace(' ', '_')}"), "alert", columns.split())
    op.create_table(
        "alert_notice",
        _number("ien"),
        _text("channel", 40),
        sa.Column("alert", sa.Integer(), nullable=True),
        _text("event", 10),
        _long_text("text"),
        _moment("made_at"),
        _moment("due_at"),
        _text("state", 10),
        _text("held", 10),
        _text("message", 32),
        _number("tries"),
        _moment("told_at", nullable=True),
        _text("reason"),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_alert_notice")),
    )
    for columns in ("alert", "channel state due_at", "state made_at"):
        op.create_index(op.f(f"ix_alert_notice_{columns.replace(' ', '_')}"), "alert_notice", columns.split())
    op.create_table(
        "alert_mute",
        _text("kind", 20),
        _text("subject", 128),
        _moment("until_at"),
        _text("muted_by"),
        _moment("muted_at"),
        _text("note"),
        sa.PrimaryKeyConstraint("kind", "subject", name=op.f("pk_alert_mute")),
    )
    if op.get_bind().dialect.name == "postgresql":
        for file in ("alert", "alert_notice"):
            op.execute(sa.schema.CreateSequence(sa.Sequence(f"ien_{file}", start=1)))
