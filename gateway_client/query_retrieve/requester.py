"""Queries and retrievals for programs: each blocks until the peer has answered, over an association of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from dul import Progress
from gateway_client.query_retrieve.peer import Peer
from gateway_client.query_retrieve.query import GET, MOVE, find_matches, question, wanted_objects
from gateway_client.query_retrieve.retrieval import Retrieved, get_objects, move_objects, sop_classes_of
from gateway_client.query_retrieve.running import run
from gateway_client.query_retrieve.taking import Taking
from gateway_client.reception.application import Application

#: Matches of one query, after which the peer is stopped.
MOST_MATCHES = 10_000


@dataclass(frozen=True, slots=True)
class Requester:
    """Asks a peer; from any thread, several at a time. Keys are written as those of `magbroker find`.

    Raises BadQuery for keys that cannot be understood, NoAssociation, PeerFailed for what the peer refuses, UnusableCertificate.
    """

    peer: Peer

    def find(self, level: str, *keys: str, model: str | None = None, limit: int = MOST_MATCHES) -> list[Dataset]:
        """Give what matches at a level: patient, study, series, image or worklist (C-FIND). After `limit` the peer is stopped."""
        asked = question(level, model, keys)
        matches: list[Dataset] = []
        run(lambda reactor: find_matches(reactor, self.peer, asked.query, limit, matches.append))
        return matches

    def move(
        self, destination: str, *keys: str, model: str | None = None, told: Callable[[Progress], None] = lambda _progress: None
    ) -> Retrieved:
        """Have the peer send objects to an AE title that it knows (C-MOVE)."""
        _level, query = wanted_objects(MOVE, model, keys)
        return run(lambda reactor: move_objects(reactor, self.peer, query, destination, told))

    def get(
        self,
        *keys: str,
        folder: Path,
        application: Application | None = None,
        model: str | None = None,
        sop_classes: Sequence[str] = (),
        max_object_bytes: int = 4 << 30,
        told: Callable[[Progress], None] = lambda _progress: None,
    ) -> Retrieved:
        """Have the peer send objects over the same association (C-GET), and offer each to an application.

        What that gives no place lies in the folder under its SOP Instance UID. `sop_classes` may come; the peer is asked which
        there are if none are named. Raises SpoolError too, where the folder cannot be used.
        """
        _level, query = wanted_objects(GET, model, keys)

        with Taking(application or Application(), folder, max_object_bytes) as taking:

            async def work(reactor: Any) -> Retrieved:
                classes = sop_classes or await sop_classes_of(reactor, self.peer, query)
                taking.begin(reactor)
                try:
                    return await get_objects(reactor, self.peer, query, classes or [], taking.store, told, taking.established)
                finally:
                    await taking.ended()

            return run(work)
