"""The thread that waits for the disk: pieces of objects are written in their order, and what is whole is kept together."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from gateway_client.errors import GatewayError, NotAnObject, SpoolError
from gateway_client.objects.compression_rules import ObjectRule
from gateway_client.objects.header import DEFAULT_PATHS, identify
from gateway_client.objects.part10 import FileMeta
from gateway_client.reception.spool import Origin, Spool, SpooledFile, SpoolWriter

log = logging.getLogger(__name__)

Pieces = Sequence[memoryview | bytearray]


class End(Enum):
    """How an object's data set ended; one that is SHOWN lies on disk and waits for somebody to say what becomes of it."""

    SHOWN = "shown"
    WHOLE = "whole"
    ABANDONED = "abandoned"


class Spooling:
    """One object on its way into the spool; one that the `rule` refuses does not come there.

    All of it belongs to the spooling thread, but for `problem`, and where one that is shown lies, once it has told.
    """

    def __init__(self, meta: FileMeta, origin: Origin, rule: ObjectRule | None = None) -> None:
        self._rule = rule
        self.problem: GatewayError | None = None
        self.shown: tuple[Path, str] | None = None
        self._meta = meta
        self._origin = origin
        self._writer: SpoolWriter | None = None

    def put(self, spool: Spool, pieces: Pieces, end: End | None, paths: Sequence[str]) -> SpoolWriter | None:
        """Write pieces; give the object when it is whole and may be kept."""
        try:
            if end is not End.ABANDONED and self.problem is None:
                return self._put(spool, pieces, end, paths)
        except GatewayError as error:
            self.problem = error
        except Exception as error:  # whatever it is, its sender is to hear that the object was not kept
            log.exception("an object cannot be kept")
            self.problem = SpoolError(f"An object cannot be kept: {error!r}")
        if self._writer is not None:
            self._writer.discard()
        return None

    def _put(self, spool: Spool, pieces: Pieces, end: End | None, paths: Sequence[str]) -> SpoolWriter | None:
        if self._writer is None:
            if end is not None and not pieces:
                raise NotAnObject("The request has no data set.")
            self._writer = spool.begin(self._meta, self._origin)
        self._writer.write(*pieces)
        if end is None:
            return None
        if self.shown is None:
            head = bytes(self._writer.head)
            self._writer.header = identify(head, self._meta, paths, size=self._writer.size, end=self._writer.end)
            if self._rule is not None:
                self._rule(self._meta.transfer_syntax, self._writer.elements)
        if end is End.WHOLE:
            return self._writer
        self.shown = self._writer.show(), self._writer.digest
        return None


class _Step(NamedTuple):
    """Pieces of an object, whether it ends with them, and who is told when they are written: where it ends, when it is kept."""

    object: Spooling
    pieces: Pieces
    end: End | None
    done: Callable[[], None]


class SpoolThread:
    """Takes pieces of objects from the network's thread, and tells it what became of them.

    `received` hears of every object once it is durable, before its sender does. `soon` calls a function in the network's thread.
    """

    def __init__(
        self,
        spool: Spool,
        received: Callable[[SpooledFile], None],
        soon: Callable[[Callable[[], None]], None],
        paths: Sequence[str] = DEFAULT_PATHS,
    ) -> None:
        self._spool = spool
        self._received = received
        self._soon = soon
        self._paths = tuple(paths)
        self._steps: queue.SimpleQueue[_Step | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    def put(self, spooling: Spooling, pieces: Pieces, end: End | None, done: Callable[[], None]) -> None:
        """Have pieces written, after those that wait."""
        self._steps.put(_Step(spooling, pieces, end, done))

    def stop(self) -> None:
        """End when what waits is done; what comes later goes with `tmp/` at the next start."""
        self._steps.put(None)
        self._thread.join()

    def _run(self) -> None:
        going = True
        while going:
            steps = [self._steps.get()]
            steps += [self._steps.get() for _ in range(self._steps.qsize())]  # nobody else takes any
            work = [step for step in steps if step is not None]
            going = len(work) == len(steps)
            self._do(work)

    def _do(self, steps: Sequence[_Step]) -> None:
        whole: list[tuple[Spooling, SpoolWriter]] = []
        for step in steps:
            writer = step.object.put(self._spool, step.pieces, step.end, self._paths)
            if writer is not None:
                whole.append((step.object, writer))
        if whole:
            self._keep(whole)
        for step in steps:
            self._soon(step.done)  # each by itself: what one of them raises keeps no other sender from its answer

    def _keep(self, whole: Sequence[tuple[Spooling, SpoolWriter]]) -> None:
        for (spooling, _), kept in zip(whole, self._spool.keep([writer for _, writer in whole]), strict=True):
            spooling.problem = kept if isinstance(kept, SpoolError) else self._tell(kept)

    def _tell(self, kept: SpooledFile) -> SpoolError | None:
        try:
            self._received(kept)
        except Exception as error:  # the thread must live on for the others; this sender is to send it again
            log.exception("an object that was kept is not taken on")
            return SpoolError(f"An object is not taken on: {error!r}")
        return None
