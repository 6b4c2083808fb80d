"""Whose object is transcoded next, and what was made of one that could not be sent in time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import DeferredLock, DeferredSemaphore

from gateway_client.transcoding.transcoder import PROCESSES, Transcoder
from gateway_client.transmission.object_file import ObjectFile

#: Objects that are kept for their next try, and their bytes together.
KEPT, KEPT_BYTES = 8, 2 << 30

_Key = tuple[str, object]


class Turns:
    """Has objects transcoded for destinations, one at a time for each, so that none takes all processes.

    What was made and not sent is kept for its next try: an object that waited long for its turn would else never get one in
    time. Its methods are for the reactor's thread.
    """

    def __init__(self, transcoder: Transcoder) -> None:
        self._transcoder = transcoder
        self._of_destination: defaultdict[str, DeferredLock] = defaultdict(DeferredLock)
        self._of_all = DeferredSemaphore(PROCESSES)
        self._kept: dict[_Key, ObjectFile] = {}

    async def transcode(
        self, reactor: Any, destination: str, one: ObjectFile, syntaxes: Sequence[str], in_time: Callable[[], bool]
    ) -> ObjectFile | None:
        """Bring an object into the first of some transfer syntaxes for which it is fit; None where its turn came too late.

        Raises CannotTranscode.
        """
        kept = self._kept.pop((destination, one.identity), None)
        if kept is not None:
            if kept.meta.transfer_syntax in syntaxes:
                return kept
            kept.close()
        async with self._of_destination[destination], self._of_all:
            return await self._transcoder.transcode(reactor, one, syntaxes) if in_time() else None

    def keep(self, destination: str, made: ObjectFile) -> ObjectFile:
        """Keep what was made of an object and not begun; gives that in place of which it was made."""
        if made.source is None:
            return made
        self._kept[destination, made.source.identity] = made
        while len(self._kept) > KEPT or sum(one.size for one in self._kept.values()) > KEPT_BYTES:
            self._kept.pop(next(iter(self._kept))).close()
        return made.source

    def close(self) -> None:
        """Forget what was kept."""
        while self._kept:
            self._kept.popitem()[1].close()
