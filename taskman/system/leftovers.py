"""Files that were released and still lie on their short-term location: each is removed once its image's entry says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, String, bindparam, or_, select, update

from fileman import Folder, UnsafePath, upserts
from fileman.files import Image, ReleasedFile
from taskman.context import TaskContext
from taskman.system.batches import change, rows_of
from taskman.system.folders import LocationUnfit, NotDeleted, remove_file
from taskman.system.whole_files import Contents

#: Releasing and bringing back have one subject: no file comes back while another run is about to remove it.
SUBJECT = "SHORT-TERM^MAGBSYS"
#: Files that are looked up at a time.
BATCH = 100

_LEFT = (
    select(ReleasedFile.image, ReleasedFile.name, ReleasedFile.location, Image.location.label("lies_on"))
    .join(Image, Image.ien == ReleasedFile.image, isouter=True)
    .where(
        ReleasedFile.removed.is_(False),
        ReleasedFile.image >= bindparam("after_image"),
        or_(ReleasedFile.image > bindparam("after_image"), ReleasedFile.name > bindparam("after_name", type_=String)),
    )
    .order_by(ReleasedFile.image, ReleasedFile.name)
    .limit(BATCH)
)
_NOTE = upserts(
    ReleasedFile,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[ReleasedFile.image, ReleasedFile.name],
        set_={it: getattr(insert.excluded, it) for it in ("location", "size", "digest", "released_at", "removed")},
    ),
)
_REMOVED = (
    update(ReleasedFile)
    .where(ReleasedFile.image == bindparam("of_image"), ReleasedFile.name == bindparam("of_name"))
    .values(removed=True)
)


def remove_left(task: TaskContext, folders: Mapping[int, Folder]) -> list[str]:
    """Remove the files that earlier runs left, because they died or because the location was away; say which stay, and why."""
    stay: list[str] = []
    after = (0, "")
    while not task.stop_requested():
        rows = rows_of(task, _LEFT, {"after_image": after[0], "after_name": after[1]})
        for row in rows:
            # an image whose entry names the location again needs its file: it came back with this very name
            if row.lies_on != row.location and (problem := remove_released(folders.get(row.location), row.name)):
                stay.append(problem)
            else:
                change(task, _note_removed, row)
        if len(rows) < BATCH:
            break
        after = (rows[-1].image, rows[-1].name)
    return list(dict.fromkeys(stay))


def remove_released(folder: Folder | None, name: str) -> str:
    """Remove a file; say why it stays, "" when it is gone, as it is with a location that the site has no more."""
    if folder is None:
        return ""
    try:
        remove_file(folder, name)
    except (LocationUnfit, NotDeleted, UnsafePath) as problem:
        return str(problem)
    return ""


def note_released(connection: Connection, image: int, location: int, files: Mapping[str, Contents], now: float) -> None:
    """Note which files an image had on a short-term location that its entry names no more: they are to be removed."""
    rows = [
        {
            "image": image,
            "name": name,
            "location": location,
            "size": contents.size,
            "digest": contents.digest,
            "released_at": now,
            "removed": False,
        }
        for name, contents in files.items()
    ]
    connection.execute(_NOTE[connection.dialect.name], rows)


def note_removed(task: TaskContext, connection: Connection, image: int, names: list[str]) -> None:
    """Note that files of an image are gone from their short-term location."""
    task.fence(connection)
    connection.execute(_REMOVED, [{"of_image": image, "of_name": name} for name in names])


def _note_removed(task: TaskContext, connection: Connection, row: Row[*tuple[Any, ...]]) -> None:
    note_removed(task, connection, row.image, [row.name])
