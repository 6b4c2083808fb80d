"""Images that were deleted, the links of groups to reports, notes, consults and lab cases, the import list, corrections."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

NUMBERED = ("consult_group", "importable_object", "lab_group", "queue_pointer", "tiu_image")


def text(name: str, length: int | None = None) -> sa.Column[str]:
    """Make a column of text that may be empty."""
    return sa.Column(name, sa.String(length), nullable=False)


def number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    """Make a column of whole numbers."""
    return sa.Column(name, sa.Integer(), nullable=nullable, autoincrement=False)


def table(name: str, *columns: sa.schema.SchemaItem, key: tuple[str, ...] = ("ien",)) -> None:
    """Make a table with a primary key."""
    op.create_table(name, *columns, sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{name}")))


def index(name: str, *columns: str) -> None:
    """Make an index under the name that the models give it."""
    op.create_index(op.f(f"ix_{name}_{'_'.join(columns)}"), name, list(columns))


def upgrade() -> None:
    """Apply."""
    if op.get_bind().dialect.name == "postgresql":
        for file in NUMBERED:
            op.execute(sa.schema.CreateSequence(sa.Sequence(f"ien_{file}", start=1)))
    _deleted_images()
    _links()
    _failed_images()
    _queues_and_counts()
    op.add_column("exam", sa.Column("purged", sa.String(), server_default="", nullable=False))
    op.add_column("exam", sa.Column("registered", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("exam", sa.Column("tiu_note", sa.Integer(), nullable=True))
    index("exam", "service", "service_ien")


def _deleted_images() -> None:
    op.add_column("image", sa.Column("last_member", sa.Integer(), server_default="0", nullable=False))
    op.add_column("image", sa.Column("parent_inverse", sa.String(), server_default="", nullable=False))
    op.execute("UPDATE image SET last_member = members WHERE members > 0")
    table(
        "image_audit",
        number("ien"),
        *(text(name) for name in ("name", "file_ref")),
        *(number(name, nullable=True) for name in ("location", "abstract_location", "jukebox_location")),
        *(number(name) for name in ("object_type", "patient")),
        *(text(name) for name in ("procedure", "last_access")),
        number("parent", nullable=True),
        text("saved_at"),
        number("saved_by"),
        *(text(name) for name in ("short_description", "procedure_time", "parent_file")),
        *(number(name, nullable=True) for name in ("parent_ien", "parent_image_pointer")),
        *(text(name) for name in ("parent_inverse", "transmission", "package")),
        *(number(name, nullable=True) for name in ("image_class", "image_type", "procedure_or_event", "specialty")),
        text("origin"),
        *(number(name, nullable=True) for name in ("acquisition_site", "acquisition_device")),
        text("creation_date"),
        number("status"),
        *(number(name, nullable=True) for name in ("big_location", "big_jukebox_location")),
        text("big_extension"),
        text("uid", 64),
        *(number(name, nullable=True) for name in ("report", "procedure_ien")),
        text("series_uid", 64),
        number("sop_class", nullable=True),
        *(number(name) for name in ("members", "last_member")),
        number("group_sequence", nullable=True),
        *(text(name) for name in ("series_number", "image_number")),
        text("digest", 64),
        number("deleted_by"),
        *(text(name) for name in ("deleted_at", "delete_reason")),
    )
    index("image_audit", "uid")


def _links() -> None:
    table(
        "lost_member",
        *(number(name) for name in ("group", "sequence", "image")),
        *(text(name) for name in ("series_number", "image_number")),
        key=("group", "sequence"),
    )
    table("report_image", *(number(name) for name in ("report", "sequence", "image")), key=("report", "sequence"))
    index("report_image", "image")
    op.execute(
        "INSERT INTO report_image (report, sequence, image)"
        " SELECT report, row_number() OVER (PARTITION BY report ORDER BY ien), ien"
        " FROM image WHERE object_type = 11 AND parent_file = '74' AND report IS NOT NULL"
    )
    table("consult_group", *(number(name) for name in ("ien", "consult", "group")))
    index("consult_group", "consult")
    index("consult_group", "group")
    table("lab_group", number("ien"), text("parent_file"), number("lab_patient"), text("inverse"), number("group"))
    index("lab_group", "group")
    index("lab_group", "lab_patient", "inverse")
    op.create_table(
        "tiu_note",
        sa.Column("ien", sa.Integer(), nullable=False),
        number("patient"),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_tiu_note")),
    )
    table("tiu_image", *(number(name) for name in ("ien", "note", "image")))
    index("tiu_image", "note")
    index("tiu_image", "image")
    table(
        "importable_object",
        number("ien"),
        *(text(name) for name in ("name", "patient_id", "machine", "study_date", "accession", "study_uid", "modality")),
        *(text(name) for name in ("series_uid", "file_path")),
        text("image_uid", 64),
    )
    index("importable_object", "image_uid")
    index("importable_object", "machine", "file_path")


def _failed_images() -> None:
    texts = ("queued", "fixed", "fixed_by", "new_name", "new_patient_id", "new_accession")
    with op.batch_alter_table("dicom_failed_image") as failed:
        failed.add_column(sa.Column("related_sequence", sa.Integer(), nullable=True))
        failed.add_column(sa.Column("last_related", sa.Integer(), server_default="0", nullable=False))
        for name in ("first_of_study", "removed"):
            failed.add_column(sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False))
        for name in texts:
            failed.add_column(sa.Column(name, sa.String(), server_default="", nullable=False))
    op.execute("UPDATE dicom_failed_image SET first_of_study = true WHERE related_to IS NULL")
    op.execute(
        "UPDATE dicom_failed_image SET related_sequence ="
        " (SELECT count(*) FROM dicom_failed_image AS other"
        " WHERE other.related_to = dicom_failed_image.related_to AND other.ien <= dicom_failed_image.ien)"
        " WHERE related_to IS NOT NULL"
    )
    op.execute(
        "UPDATE dicom_failed_image SET last_related ="
        " (SELECT count(*) FROM dicom_failed_image AS other WHERE other.related_to = dicom_failed_image.ien)"
    )
    index("dicom_failed_image", "machine", "location", "queued")


def _queues_and_counts() -> None:
    op.add_column("background_queue", sa.Column("file_path", sa.String(), server_default="", nullable=False))
    table(
        "queue_pointer",
        number("ien"),
        text("queue"),
        *(number(name) for name in ("place", "last_pointer", "total")),
        text("last_processed"),
        sa.UniqueConstraint("place", "queue", name=op.f("uq_queue_pointer_place_queue")),
    )
    for name in ("acquired_at", "processed_at"):
        op.add_column("acquisition_count", sa.Column(name, sa.String(), server_default="", nullable=False))
    op.add_column("acquisition_count", sa.Column("sequence", sa.Integer(), server_default="0", nullable=False))
    op.execute(
        "UPDATE acquisition_count SET sequence ="
        " (SELECT count(*) FROM acquisition_count AS other"
        " WHERE other.day = acquisition_count.day AND other.location = acquisition_count.location"
        " AND other.instrument <= acquisition_count.instrument)"
    )
