"""The journal's part of what is kept until destinations have committed to it: `delete_after_commitment` of their settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gateway_client.commitment.commitments import COMMITTED
from gateway_client.configuration import Configuration
from gateway_client.journal import Journal

#: The place of what is kept in the spool; other places are routers' locations, by name.
SPOOL = ""

#: Where and as which files an image is kept, and of one in the spool which instance it is: its number may have been given again,
#: by a database that was restored, and what was committed to may have been another instance, without identity or with loss.
_KEPT_OF = """
SELECT place, file, (SELECT sop_instance_uid FROM instance WHERE name=kept.file) FROM kept WHERE image=? AND NOT due
"""


class KeptFile(NamedTuple):
    """A file at a place, and its IMAGE (#2005)."""

    file: str
    image: int


class Kept:
    """Reads and writes what is kept, from any thread. Raises JournalError.

    A file is due when each destination that its place names has committed to its image. Until then it is a matter of time only.
    """

    def __init__(self, journal: Journal, configuration: Configuration) -> None:
        self._journal = journal
        self._configuration = configuration

    def needs(self, place: str) -> frozenset[str]:
        """Name the destinations that must commit before what is kept at a place is due; none where nothing is kept for that."""
        if place == SPOOL:
            return frozenset(self._configuration.delete_after_commitment)
        return frozenset(self._configuration.destination(place).delete_after_commitment)

    def keep(self, place: str, files: Sequence[KeptFile], now: float) -> None:
        """Note files that are kept from now on; what was committed to before is due at once."""
        if not files or not self.needs(place):
            return
        with self._journal.transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO kept (place, file, image, kept_at) VALUES (?,?,?,?)",
                [(place, file, image, now) for file, image in files],
            )
            self.committed({image for _, image in files})

    def committed(self, images: Iterable[int]) -> None:
        """Have files of images be due that all have committed to who must."""
        with self._journal.transaction() as connection:
            for image in images:
                rows = connection.execute(_KEPT_OF, (image,)).fetchall()
                peers = self._peers(image) if rows else ()
                for place, file, uid in rows:
                    answered = {peer for peer, instance in peers if uid in (None, instance)}
                    if (needed := self.needs(place)) and needed <= answered:
                        connection.execute("UPDATE kept SET due=1 WHERE place=? AND file=?", (place, file))

    def _peers(self, image: int) -> list[tuple[str, str]]:
        """Name the destinations that have committed to an image, and to which instance that was sent to them."""
        with self._journal.transaction() as connection:
            rows = connection.execute(
                "SELECT DISTINCT peer, sop_instance_uid FROM commitment_reference AS one JOIN commitment ON"
                " commitment.id=one.commitment WHERE one.image=? AND one.reason=?",
                (image, COMMITTED),
            ).fetchall()
        return [(peer, uid) for peer, uid in rows]

    def has(self, place: str, file: str) -> bool:
        """Tell whether a file is kept."""
        with self._journal.transaction() as connection:
            return connection.execute("SELECT 1 FROM kept WHERE place=? AND file=?", (place, file)).fetchone() is not None

    def due(self, place: str, most: int) -> list[KeptFile]:
        """Give files that were committed to, the oldest first."""
        with self._journal.transaction() as connection:
            rows = connection.execute(
                "SELECT file, image FROM kept WHERE place=? AND due ORDER BY kept_at LIMIT ?", (place, most)
            )
            return [KeptFile(*row) for row in rows]

    def expired(self, place: str, before: float, most: int) -> list[KeptFile]:
        """Give files that are kept since before a moment."""
        with self._journal.transaction() as connection:
            rows = connection.execute(
                "SELECT file, image FROM kept WHERE place=? AND kept_at<? ORDER BY kept_at LIMIT ?", (place, before, most)
            )
            return [KeptFile(*row) for row in rows]

    def forget(self, place: str, files: Iterable[str]) -> None:
        """Note that files are not kept any more."""
        with self._journal.transaction() as connection:
            connection.executemany("DELETE FROM kept WHERE place=? AND file=?", [(place, file) for file in files])

    def count(self, place: str) -> int:
        """Count the files at a place."""
        with self._journal.transaction() as connection:
            (count,) = connection.execute("SELECT count(*) FROM kept WHERE place=?", (place,)).fetchone()
        return int(count)
