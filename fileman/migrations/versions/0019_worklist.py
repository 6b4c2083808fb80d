"""The worklist: scheduled procedure steps, what they are found by, and the procedure steps that modalities performed."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

_STEP_TEXTS = (
    "placer_order",
    "filler_order",
    "accession",
    "step_id",
    "station_ae_titles",
    "start_date",
    "start_time",
    "start_at",
    "modality",
    "performing_physician",
    "step_description",
    "station_name",
    "step_location",
    "protocol_code",
    "protocol_scheme",
    "protocol_meaning",
    "contrast_agent",
    "pre_medication",
    "procedure_id",
    "procedure_description",
    "procedure_code",
    "procedure_scheme",
    "procedure_meaning",
    "study_uid",
    "priority",
    "transport",
    "requesting_physician",
    "referring_physician",
    "admission_id",
    "institution_name",
    "current_location",
    "patient_name",
    "patient_id",
    "birth_date",
    "sex",
    "size",
    "weight",
    "confidentiality",
    "patient_state",
    "pregnancy",
    "special_needs",
    "source",
    "status",
    "service",
    "imaging_type",
    "imaging_procedure",
)
_PERFORMED_TEXTS = (
    "uid",
    "status",
    "ae_title",
    "station_name",
    "step_id",
    "modality",
    "patient_name",
    "patient_id",
    "study_uid",
    "start_at",
    "end_at",
)
_STEP_LONG_TEXTS = ("step_comments", "reason", "diagnoses", "medical_alerts", "allergies")
_STEP_INDEXES = (
    ("placer_order",),
    ("filler_order",),
    ("study_uid",),
    ("patient_id",),
    ("procedure_id",),
    ("open", "ien"),
    ("open", "start_at"),
    ("open", "modality", "start_at"),
)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String().with_variant(sa.String(collation="C"), "postgresql"), nullable=False)


def _long_text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), autoincrement=False, nullable=False)


def _moment(name: str) -> sa.Column[float]:
    return sa.Column(name, sa.Float(53), nullable=False)


def _index(table: str, *columns: str) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns))


def upgrade() -> None:
    """Apply."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence("ien_scheduled_step", start=1)))
    op.create_table(
        "scheduled_step",
        _number("ien"),
        sa.Column("open", sa.Boolean(), nullable=False),
        _moment("changed_at"),
        sa.Column("location", sa.Integer(), nullable=True),
        *map(_text, _STEP_TEXTS),
        *map(_long_text, _STEP_LONG_TEXTS),
        sa.Column("size_m", sa.Float(53), nullable=True),
        sa.Column("weight_kg", sa.Float(53), nullable=True),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_scheduled_step")),
        sa.UniqueConstraint("accession", "step_id", name=op.f("uq_scheduled_step_accession_step_id")),
    )
    for columns in _STEP_INDEXES:
        _index("scheduled_step", *columns)
    op.create_table(
        "scheduled_value",
        _number("step"),
        _text("tag"),
        _number("position"),
        _text("text"),
        _text("folded"),
        sa.PrimaryKeyConstraint("step", "tag", "position", name=op.f("pk_scheduled_value")),
    )
    _index("scheduled_value", "tag", "text", "step")
    _index("scheduled_value", "tag", "folded", "step")
    _make_performed()
    _index("institution", "station")


def _make_performed() -> None:
    op.create_table(
        "performed_step",
        *map(_text, _PERFORMED_TEXTS),
        _long_text("attributes"),
        _moment("created_at"),
        _moment("changed_at"),
        sa.PrimaryKeyConstraint("uid", name=op.f("pk_performed_step")),
    )
    for column in ("patient_id", "study_uid", "changed_at"):
        _index("performed_step", column)
    op.create_table(
        "performed_series",
        _text("step"),
        _number("position"),
        *map(_text, ("series_uid", "description", "protocol", "physician", "operator", "retrieve_ae_title")),
        sa.Column("instances", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("step", "position", name=op.f("pk_performed_series")),
    )
    _index("performed_series", "series_uid")
    op.create_table(
        "performed_order",
        _text("step"),
        _number("position"),
        _text("accession"),
        _text("step_id"),
        sa.Column("scheduled", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("step", "position", name=op.f("pk_performed_order")),
    )
    _index("performed_order", "accession")
    _index("performed_order", "scheduled")
