"""Texts in the order of their bytes on PostgreSQL as on SQLite, and the names by which entries are looked up in indexes."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_TEXT_COLUMNS = sa.text(
    "SELECT c.relname AS file, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type"
    " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_collation o ON o.oid = a.attcollation"
    " WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace AND a.attnum > 0 AND NOT a.attisdropped"
    " AND o.collname <> 'C' AND c.relname <> 'alembic_version' AND a.atttypid IN ('varchar'::regtype, 'text'::regtype)"
    " ORDER BY c.relname, a.attnum"
)
_LOOKED_UP = {
    "patient": (("name", "dfn"), ("ssn",)),
    "institution": (("name", "ien"),),
    "radiology_procedure": (("name", "ien"),),
    "report": (("accession", "ien"),),
    "new_person": (("name", "duz"),),
    "image": (("name", "ien"),),
}


def upgrade() -> None:
    """Apply."""
    if op.get_bind().dialect.name == "postgresql":
        _order_by_bytes()
    for file, indexes in _LOOKED_UP.items():
        for columns in indexes:
            op.create_index(op.f("_".join(("ix", file, *columns))), file, list(columns))


def _order_by_bytes() -> None:
    """Let every column of text collate as "C": ranges mean the same whatever the database's locale is."""
    changes: dict[str, list[str]] = {}
    for column in op.get_bind().execute(_TEXT_COLUMNS):
        changes.setdefault(column.file, []).append(f'ALTER COLUMN "{column.name}" TYPE {column.type} COLLATE "C"')
    for file, altered in changes.items():
        op.execute(f'ALTER TABLE "{file}" {", ".join(altered)}')
