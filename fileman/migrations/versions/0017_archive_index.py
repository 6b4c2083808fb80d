"""The archive's index, with the images that are on file already; the size of an object beside its header data."""

from collections.abc import Mapping

import sqlalchemy as sa
from alembic import op

from fileman.archive_rows import Described, FiledImage, describe, read_elements, value_rows

revision = "0017"
down_revision = "0016"

#: Images that are read at a time.
BATCH = 1000
_FILED = sa.text(
    "SELECT i.ien AS image, i.patient AS dfn, i.uid, i.series_uid, g.uid AS study_uid,"
    " CASE WHEN i.big_extension = 'DCM' THEN i.big_location ELSE i.location END AS location,"
    " CASE WHEN i.big_extension = 'DCM' THEN i.big_jukebox_location ELSE i.jukebox_location END AS jukebox_location,"
    " i.sop_class, i.procedure AS modality, i.series_number, i.image_number, g.short_description AS description,"
    " g.procedure_time AS moment, r.accession, p.name AS patient_name, p.ssn AS patient_id, p.birth_date, p.sex, h.elements"
    " FROM image i JOIN image g ON g.ien = i.parent LEFT JOIN image_header h ON h.uid = i.uid"
    " LEFT JOIN patient p ON p.dfn = i.patient LEFT JOIN report r ON r.ien = i.report"
    " WHERE i.ien > :after AND i.object_type != 11 AND i.file_ref != '' ORDER BY i.ien LIMIT :most"
)
_HOLDINGS = (
    "INSERT INTO archive_holding (series, sop_class, short_term, long_term, instances, bytes)"
    " SELECT series, sop_class, short_term, long_term, count(*), sum(size) FROM archive_instance"
    " GROUP BY series, sop_class, short_term, long_term"
)


def _text(length: int | None = None) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _long_text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _text(), nullable=False) for name in names]


def _number(name: str, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), autoincrement=False, nullable=nullable)


def _numbered(*names: str) -> list[sa.Column[int]]:
    return [_number(name, nullable=True) for name in names]


def _size(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _entry() -> sa.Column[int]:
    return sa.Column("ien", sa.Integer(), nullable=False)


def _below(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"archive_{column}.ien"], name=op.f(f"fk_archive_{table}_{column}"))


def _indexed(table: str, *indexes: str) -> None:
    for columns in indexes:
        op.create_index(op.f(f"ix_{table}_{columns.replace(' ', '_')}"), table, columns.split())


def upgrade() -> None:
    """Apply."""
    op.add_column("image_header", sa.Column("size", sa.BigInteger(), server_default="0", nullable=False))
    tables = {
        "archive_patient": _patients(),
        "archive_study": _studies(),
        "archive_series": _series(),
        "archive_instance": _instances(),
        "archive_value": _values(),
    }
    op.create_table(
        "archive_holding",
        _number("series"),
        sa.Column("sop_class", _text(64), nullable=False),
        *(_number("short_term"), _number("long_term"), _number("instances"), _size("bytes")),
        _below("holding", "series"),
        sa.PrimaryKeyConstraint("series", "sop_class", "short_term", "long_term", name=op.f("pk_archive_holding")),
    )
    _fill(tables)
    op.execute(_HOLDINGS)


def _patients() -> sa.Table:
    table = op.create_table(
        "archive_patient",
        _entry(),
        _number("dfn"),
        *_texts("patient_id", "issuer"),
        sa.Column("name", _long_text(), nullable=False),
        *_texts("birth_date", "sex"),
        sa.Column("other_ids", _long_text(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_archive_patient")),
        sa.UniqueConstraint("dfn", name=op.f("uq_archive_patient_dfn")),
    )
    _indexed("archive_patient", "birth_date", "patient_id")
    return table


def _studies() -> sa.Table:
    table = op.create_table(
        "archive_study",
        _entry(),
        _number("patient"),
        sa.Column("study_uid", _text(64), nullable=False),
        *_texts("study_id", "study_date", "study_time", "study_time_key", "accession", "description"),
        sa.Column("referring_physician", _long_text(), nullable=False),
        sa.Column("reading_physicians", _long_text(), nullable=False),
        _below("study", "patient"),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_archive_study")),
        sa.UniqueConstraint("study_uid", "patient", name=op.f("uq_archive_study_study_uid_patient")),
    )
    _indexed("archive_study", "accession", "description", "patient", "study_date", "study_id", "study_time_key")
    return table


def _series() -> sa.Table:
    steps = [f"step_{end}_{what}" for end in ("start", "stop") for what in ("date", "time", "time_key")]
    table = op.create_table(
        "archive_series",
        _entry(),
        _number("study"),
        sa.Column("series_uid", _text(64), nullable=False),
        *_texts("modality", "series_number"),
        *_numbered("series_number_key"),
        *_texts("series_date", "series_time", "series_time_key", "description", "body_part", "institution", *steps),
        sa.Column("procedure_ids", _long_text(), nullable=False),
        _below("series", "study"),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_archive_series")),
        sa.UniqueConstraint("series_uid", "study", name=op.f("uq_archive_series_series_uid_study")),
    )
    _indexed("archive_series", "body_part", "description", "institution", "modality study", "series_date", "series_number_key")
    _indexed("archive_series", "step_start_date", "step_stop_date", "study modality")
    return table


def _instances() -> sa.Table:
    table = op.create_table(
        "archive_instance",
        _number("image"),
        _number("series"),
        *(sa.Column(name, _text(64), nullable=False) for name in ("sop_uid", "sop_class", "transfer_syntax")),
        *(_size("size"), _number("short_term"), _number("long_term")),
        *_texts("instance_number"),
        *_numbered("instance_number_key"),
        *_texts("content_date", "content_time", "content_time_key"),
        *_numbered("matrix_rows", "matrix_columns", "frames", "bits_allocated", "bits_stored"),
        *_texts("presentation_label", "presentation_description", "presentation_date", "presentation_time"),
        *_texts("presentation_time_key", "presentation_creator", "keep_online", "do_not_archive"),
        _below("instance", "series"),
        sa.PrimaryKeyConstraint("image", name=op.f("pk_archive_instance")),
    )
    _indexed("archive_instance", "content_date", "series", "sop_uid")
    for column in ("presentation_date", "presentation_label"):
        some = sa.text(f"{column} != ''")
        name = op.f(f"ix_archive_instance_{column}")
        op.create_index(name, "archive_instance", [column], sqlite_where=some, postgresql_where=some)
    return table


def _values() -> sa.Table:
    table = op.create_table(
        "archive_value",
        sa.Column("attribute", _text(8), nullable=False),
        *(_number("entry"), _number("number"), _number("part")),
        *_texts("value", "folded"),
        sa.PrimaryKeyConstraint("attribute", "entry", "number", "part", name=op.f("pk_archive_value")),
    )
    _indexed("archive_value", "attribute folded entry", "attribute value entry")
    return table


def _fill(tables: Mapping[str, sa.Table]) -> None:
    """Enter the images that are on file, some at a time."""
    connection, after = op.get_bind(), 0
    while rows := connection.execute(_FILED, {"after": after, "most": BATCH}).mappings().all():
        after = rows[-1]["image"]
        known: dict[tuple[object, ...], int] = {}
        instances, values = [], []
        for row in rows:
            told = {name: value for name, value in row.items() if name != "elements" and value is not None}
            described = describe(FiledImage(**{"location": 0, "jukebox_location": 0, **told}), read_elements(row["elements"]))
            series = _series_of(connection, tables, described, known)
            instance = {**described.instance, "series": series}
            instances.append(_known_columns(tables["archive_instance"], instance))
            values += value_rows("archive_instance", row["image"], instance)
        connection.execute(sa.insert(tables["archive_instance"]), instances)
        if values:
            connection.execute(sa.insert(tables["archive_value"]), values)


def _series_of(
    connection: sa.Connection, tables: Mapping[str, sa.Table], described: Described, known: dict[tuple[object, ...], int]
) -> int:
    """Find or make the patient, the study and the series of an image."""
    filed, above = described.filed, 0
    for kind, keys, row in (
        ("archive_patient", {"dfn": filed.dfn}, described.patient),
        ("archive_study", {"study_uid": filed.study_uid, "patient": 0}, described.study),
        ("archive_series", {"series_uid": filed.series_uid, "study": 0}, described.series),
    ):
        key = {name: value if name in ("dfn", "study_uid", "series_uid") else above for name, value in keys.items()}
        place = (kind, *key.values())
        if place not in known:
            known[place] = _entry_of(connection, tables, kind, key, row)
        above = known[place]
    return above


def _entry_of(
    connection: sa.Connection,
    tables: Mapping[str, sa.Table],
    kind: str,
    key: Mapping[str, object],
    row: Mapping[str, object],
) -> int:
    table = tables[kind]
    there = sa.select(table.c.ien).where(*(table.c[name] == value for name, value in key.items()))
    if (found := connection.execute(there).scalar()) is not None:
        return int(found)
    made = sa.insert(table).values(_known_columns(table, {**row, **key})).returning(table.c.ien)
    entry = int(connection.execute(made).scalar_one())
    if values := value_rows(kind, entry, row):
        connection.execute(sa.insert(tables["archive_value"]), values)
    return entry


def _known_columns(table: sa.Table, row: Mapping[str, object]) -> dict[str, object]:
    """Leave out what later versions tell of an image."""
    return {name: value for name, value in row.items() if name in table.c}
