"""What the journal knows of the folders in which objects came: which one an image is of, and when a folder is complete."""

from __future__ import annotations

import math

from gateway_client.journal import Journal, State

#: Seconds for which a folder waits for those of its objects that are yet to be filed, after the last one came.
LONGEST_WAIT = 3600.0
#: What may still become part of a folder that is sent.
_TO_BE_FILED = (State.RECEIVED, State.WAITING, State.STORING, State.STORED, State.PLACED)
_FOLDER_OF = "SELECT folder FROM instance WHERE sop_instance_uid=? AND ien=? AND folder IS NOT NULL ORDER BY id DESC LIMIT 1"
_LEFT = f"SELECT 1 FROM instance WHERE folder=? AND state IN ({','.join('?' * len(_TO_BE_FILED))}) LIMIT 1"


class FolderContents:
    """Reads the folders that acquisition made. Raises JournalError."""

    def __init__(self, journal: Journal, merge_seconds: float = 0.0) -> None:
        self._journal = journal
        self._merge_seconds = merge_seconds

    def folder_of(self, sop_instance_uid: str, image: int) -> int | None:
        """Give the number of the folder in which an image came; None where this gateway does not know it, or no longer."""
        with self._journal.transaction() as connection:
            row = connection.execute(_FOLDER_OF, (sop_instance_uid, image)).fetchone()
        return None if row is None else int(row["folder"])

    def complete_at(self, folder: int, now: float) -> float:
        """Give the moment, in seconds since the epoch, from which nothing is added to a folder; infinite where that is open."""
        with self._journal.transaction() as connection:
            row = connection.execute("SELECT last_at FROM folder WHERE number=?", (folder,)).fetchone()
            left = connection.execute(_LEFT, (folder, *_TO_BE_FILED)).fetchone()
        if row is None:
            return 0.0
        last_at = float(row["last_at"])
        if left is not None and now < last_at + LONGEST_WAIT:
            return math.inf
        return last_at + self._merge_seconds
