"""Images by the name of their file; what lies at routers' locations stands in one file, whoever takes it away."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

from fileman.dates import to_fileman

revision = "0010"
down_revision = "0009"

#: Entries that are read at a time.
BATCH = 1000
_LOCATION = ";MAG(2005.2,"
_UNPURGED = sa.text(
    "SELECT q.ien, q.image, q.destination, q.file_type, q.mechanism, q.queued, q.status_at, l.name, i.file_ref"
    " FROM send_queue q JOIN image i ON i.ien = q.image LEFT JOIN network_location l ON q.destination = l.ien || ';MAG(2005.2,'"
    " WHERE q.ien > :after AND q.status = 'SENT' AND q.purged_at IS NULL AND q.status_at IS NOT NULL AND i.file_ref != ''"
    " AND NOT EXISTS (SELECT 1 FROM routed_copy c WHERE c.image = q.image AND c.file_type = q.file_type"
    " AND q.destination = c.destination || ';MAG(2005.2,')"
    " ORDER BY q.ien LIMIT :most"
)
_LAST = sa.text("SELECT max(sequence), max(copy) FROM routed_copy WHERE image = :image")
_COPIED = sa.text(
    "INSERT INTO routed_copy"
    " (image, sequence, copy, destination, mechanism, name, file_type, file, queued, began, sent, removed)"
    " VALUES (:image, :sequence, :copy, :destination, 1, :name, :file_type, :file, :queued, '', :sent, '')"
)


def upgrade() -> None:
    """Apply."""
    named = sa.text("file_ref != ''")
    op.create_index(op.f("ix_image_file_ref"), "image", ["file_ref"], sqlite_where=named, postgresql_where=named)
    _keep_copies()
    op.drop_column("send_queue", "purged_at")


def _keep_copies() -> None:
    """Write down the copies that only the send queue knew of, so that they are taken away in time."""
    connection, after = op.get_bind(), 0
    while rows := connection.execute(_UNPURGED, {"after": after, "most": BATCH}).all():
        after = rows[-1].ien
        for row in rows:
            if not row.destination.endswith(_LOCATION):
                continue
            sequence, copy = connection.execute(_LAST, {"image": row.image}).one()
            values = {
                "image": row.image,
                "sequence": (sequence or 0) + 1,
                "copy": (copy or 0) + 1,
                "destination": int(row.destination.partition(";")[0]),
                "name": row.name or "",
                "file_type": row.file_type,
                "file": row.file_ref,
                "queued": row.queued,
                "sent": to_fileman(datetime.fromtimestamp(row.status_at)),  # noqa: DTZ006  FileMan dates are local time
            }
            connection.execute(_COPIED, values)
