"""What the values of names and of several end with, for patterns that begin with a wild card."""

import sqlalchemy as sa
from alembic import op

from fileman.archive_rows import tail_rows

revision = "0020"
down_revision = "0019"

#: Entries of an attribute whose values are read at a time.
BATCH = 1000
_ENTRIES = sa.text(
    "SELECT DISTINCT entry FROM archive_value WHERE attribute = :attribute AND entry > :after ORDER BY entry LIMIT :most"
)
_VALUES = sa.text(
    "SELECT attribute, entry, value, folded FROM archive_value"
    " WHERE attribute = :attribute AND entry > :after AND entry <= :last ORDER BY entry, number, part"
)


def _text(length: int | None = None) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Apply."""
    table = op.create_table(
        "archive_tail",
        sa.Column("attribute", _text(8), nullable=False),
        sa.Column("entry", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", _text(), nullable=False),
        sa.Column("folded", _text(), nullable=False),
        sa.PrimaryKeyConstraint("attribute", "entry", "place", name=op.f("pk_archive_tail")),
    )
    for column in ("folded", "value"):
        op.create_index(op.f(f"ix_archive_tail_attribute_{column}_entry"), "archive_tail", ["attribute", column, "entry"])
    _fill(table)


def _fill(table: sa.Table) -> None:
    """Enter the tails of the values that are there, those of some entries at a time."""
    connection = op.get_bind()
    for attribute in connection.scalars(sa.text("SELECT DISTINCT attribute FROM archive_value")).all():
        after = -1
        while entries := connection.scalars(_ENTRIES, {"attribute": attribute, "after": after, "most": BATCH}).all():
            some = {"attribute": attribute, "after": after, "last": entries[-1]}
            if tails := tail_rows([dict(row) for row in connection.execute(_VALUES, some).mappings()]):
                connection.execute(sa.insert(table), tails)
            after = entries[-1]
