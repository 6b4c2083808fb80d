"""Whoever wants pictures: it starts the processes that render, keeps small pictures for a while, and says when it is too busy."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import LifoQueue
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from console.rendering.errors import NotShown, RendererBusy, RenderingError
from console.rendering.wanted import Decoded, Decoding, Rendered, Rendering, decode_answer, encode_request
from runtime import HelperLost, HelperProblem, KeptHelper

#: Processes, and so pictures that are made at a time; pictures that may wait; seconds that one may take.
PROCESSES, WAITING, PATIENCE = 2, 200, 30.0
#: Bytes of all pictures that are kept, and of the largest one of these.
KEPT_BYTES, KEPT_SIZE = 32 << 20, 256 << 10
#: Seconds after the last picture after which the processes end.
IDLE_SECONDS = 300.0

_Key = tuple[Path, int, int, int, Rendering]


@dataclass(slots=True)
class Kept:
    """Small pictures that were made, those that were asked for last, no more than so many bytes; for any thread."""

    most: int = KEPT_BYTES
    largest: int = KEPT_SIZE
    _pictures: OrderedDict[_Key, Rendered] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, key: _Key) -> Rendered | None:
        """Give a picture that is kept."""
        with self._lock:
            found = self._pictures.get(key)
            if found is not None:
                self._pictures.move_to_end(key)
            return found

    def keep(self, key: _Key, rendered: Rendered) -> None:
        """Keep a picture if it is small, in place of those that nobody asked for."""
        if len(rendered.data) > self.largest:
            return
        with self._lock:
            before = self._pictures.pop(key, None)
            self._bytes += len(rendered.data) - (len(before.data) if before is not None else 0)
            self._pictures[key] = rendered
            while self._bytes > self.most:
                self._bytes -= len(self._pictures.popitem(last=False)[1].data)


class Renderer:
    """Renders frames side by side, in processes that begin with the first of them. All of it is for the reactor's thread."""

    def __init__(self, reactor: Any, patience: float = PATIENCE) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(0, PROCESSES, "renderer")
        self._processes = [KeptHelper("console.rendering", patience, "the decoder") for _ in range(PROCESSES)]
        self._idle: LifoQueue[KeptHelper] = LifoQueue()
        for process in self._processes:
            self._idle.put(process)
        self._kept = Kept()
        self._under_way = 0
        self._resting: IDelayedCall | None = None
        self._closed = False

    async def render(self, path: Path, wanted: Rendering) -> Rendered:
        """Give a picture of an object. Raises NotShown, RendererBusy, RenderingError where no process can be had, and OSError.

        Whoever cancels it before its turn has come costs nothing more.
        """
        rendered: Rendered = await self._in_turn(self._render, path, wanted)
        return rendered

    async def decode(self, path: Path, frame: int) -> bytes:
        """Give the samples of a frame. It goes as `render` does."""
        decoded: Decoded = await self._in_turn(self._ask, path, Decoding(frame))
        return decoded.data

    async def _in_turn(self, work: Callable[..., Any], *arguments: Any) -> Any:
        if self._closed:
            raise RenderingError("The program stops.")
        if self._under_way >= PROCESSES + WAITING:
            raise RendererBusy
        if not self._pool.started:
            self._pool.start()
        self._under_way += 1
        is_wanted = threading.Event()
        is_wanted.set()
        try:
            return await deferToThreadPool(self._reactor, self._pool, self._run, is_wanted, work, *arguments)
        finally:
            is_wanted.clear()

    def close(self) -> None:
        """End the processes; what they were to render fails."""
        self._closed = True
        if self._resting is not None and self._resting.active():
            self._resting.cancel()
        for process in self._processes:
            process.stop()
        if self._pool.started:
            self._pool.stop()
        for process in self._processes:
            process.end()

    def _ended(self) -> None:
        self._under_way -= 1
        if self._closed:
            return
        if self._resting is not None and self._resting.active():
            self._resting.reset(IDLE_SECONDS)
        else:
            self._resting = self._reactor.callLater(IDLE_SECONDS, self._rest)

    def _rest(self) -> None:
        """Let the processes go that nobody needed for a while."""
        self._pool.callInThread(self._let_go)

    # ---- in threads of the pool ----

    def _let_go(self) -> None:
        idle = []
        while not self._idle.empty():
            idle.append(self._idle.get())
        for process in idle:
            process.end()
            self._idle.put(process)

    def _run(self, is_wanted: threading.Event, work: Callable[..., Any], *arguments: Any) -> Any:
        try:
            if not is_wanted.is_set():
                raise RenderingError("Nobody wants it any more.")
            return work(*arguments)
        finally:
            self._reactor.callFromThread(self._ended)

    def _render(self, path: Path, wanted: Rendering) -> Rendered:
        status = os.stat(path)
        key = (path, status.st_ino, status.st_size, status.st_mtime_ns, wanted)
        if (found := self._kept.find(key)) is not None:
            return found
        rendered = self._ask(path, wanted)
        assert isinstance(rendered, Rendered)
        self._kept.keep(key, rendered)
        return rendered

    def _ask(self, path: Path, wanted: Rendering | Decoding) -> Rendered | Decoded:
        process = self._idle.get()
        try:
            answer = process.ask(encode_request(path, wanted))
        except HelperLost as problem:
            raise NotShown(str(problem)) from problem
        except HelperProblem as problem:
            raise RenderingError(str(problem)) from problem
        finally:
            self._idle.put(process)
        return decode_answer(answer)
