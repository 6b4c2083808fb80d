"""What administrators did, and what it changed."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def _text(length: int | None = None) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _long_text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), autoincrement=False, nullable=False)


def _indexed(table: str, *indexes: str) -> None:
    for columns in indexes:
        op.create_index(op.f(f"ix_{table}_{columns.replace(' ', '_')}"), table, columns.split())


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "audit_record",
        _number("ien"),
        sa.Column("at", sa.Float(53), nullable=False),
        _number("duz"),
        sa.Column("name", _text(), nullable=False),
        sa.Column("via", _text(16), nullable=False),
        sa.Column("address", _text(), nullable=False),
        sa.Column("action", _text(64), nullable=False),
        sa.Column("outcome", _text(16), nullable=False),
        sa.Column("reason", _long_text(), nullable=False),
        sa.Column("request", _long_text(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_audit_record")),
    )
    _indexed("audit_record", "at", "name ien", "action ien", "outcome ien")
    op.create_table(
        "audit_change",
        _number("record"),
        _number("number"),
        sa.Column("subject", _text(128), nullable=False),
        sa.Column("before", _long_text(), nullable=False),
        sa.Column("after", _long_text(), nullable=False),
        sa.ForeignKeyConstraint(["record"], ["audit_record.ien"], name=op.f("fk_audit_change_record")),
        sa.PrimaryKeyConstraint("record", "number", name=op.f("pk_audit_change")),
    )
    _indexed("audit_change", "subject record")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence("ien_audit_record", start=1)))
