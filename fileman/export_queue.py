"""DICOM OBJECT EXPORT (#2006.574): images taken out of exports, which keep count and go with their last one."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, delete, exists, update

from fileman.files import DicomExport, DicomExportImage

#: Images of one export that one statement takes out: databases bound its parameters.
_AT_ONCE = 500

_DELETE = delete(DicomExportImage).where(
    DicomExportImage.export == bindparam("export_"),
    DicomExportImage.sequence.in_(bindparam("sequences", expanding=True)),
    DicomExportImage.status == bindparam("status_"),
)
_COUNT_DOWN = (
    update(DicomExport)
    .where(DicomExport.ien == bindparam("export_"))
    .values(image_count=DicomExport.image_count - bindparam("gone"))
)
_DELETE_EMPTY = delete(DicomExport).where(
    DicomExport.ien == bindparam("export_"),
    ~exists().where(DicomExportImage.export == DicomExport.ien),
)


def take_out_exported(connection: Connection, entries: Iterable[tuple[int, int, str]]) -> int:
    """Take images out of exports, each named by export, sequence and the status it was seen with; give how many went.

    One whose status has changed meanwhile stays. The caller holds `export_lock` of their locations.
    """
    sequences: dict[tuple[int, str], list[int]] = {}
    for export, sequence, status in entries:
        sequences.setdefault((export, status), []).append(sequence)
    total = 0
    for (export, status), those in sequences.items():
        for begin in range(0, len(those), _AT_ONCE):
            key = {"export_": export, "status_": status, "sequences": those[begin : begin + _AT_ONCE]}
            gone = connection.execute(_DELETE, key).rowcount
            connection.execute(_COUNT_DOWN, {"export_": export, "gone": gone})
            total += gone
        connection.execute(_DELETE_EMPTY, {"export_": export})
    return total
