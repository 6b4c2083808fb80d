"""Whoever wants objects transcoded: it starts the processes, waits for them a while, and begins new ones for those that die."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import LifoQueue
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from gateway_client.errors import CannotTranscode, ModificationError, NotPart10
from gateway_client.transcoding.requests import READY, decode_answer, encode_request
from gateway_client.transmission.object_file import ObjectFile
from runtime import HelperProcess, make_directories

#: Seconds that one object may take, and those that a process may take to start.
PATIENCE, START = 120.0, 30.0
#: Processes, and so objects that are transcoded at a time.
PROCESSES = 2


class Transcoder:
    """Transcodes objects side by side, in processes that begin with the first of them. `directory` is its own."""

    def __init__(self, directory: Path, patience: float = PATIENCE) -> None:
        self._directory = directory
        self._pool = ThreadPool(0, PROCESSES, "transcoder")
        self._processes = [_Process(patience) for _ in range(PROCESSES)]
        self._idle: LifoQueue[_Process] = LifoQueue()
        for process in self._processes:
            self._idle.put(process)
        shutil.rmtree(directory, ignore_errors=True)  # what one that was killed left

    def transcode(self, reactor: Any, one: ObjectFile, syntaxes: Sequence[str]) -> Deferred[ObjectFile]:
        """Bring an object into the first of some transfer syntaxes for which it is fit; its file has no name any more.

        It fails with CannotTranscode.
        """
        if not self._pool.started:
            self._pool.start()
        return deferToThreadPool(reactor, self._pool, self._transcode, one, syntaxes)

    def _transcode(self, one: ObjectFile, syntaxes: Sequence[str]) -> ObjectFile:
        try:
            make_directories(self._directory)
            with tempfile.TemporaryDirectory(dir=self._directory) as work:
                source, target = one.path, Path(work, "transcoded")
                if one.changed:
                    source = Path(work, "changed")
                    one.save(source)
                process = self._idle.get()
                try:
                    process.transcode(source, target, syntaxes)
                finally:
                    self._idle.put(process)
                return ObjectFile(target)
        except OSError as error:
            raise CannotTranscode(f"{error.filename or self._directory}: {error.strerror or error}") from error
        except (NotPart10, ModificationError) as error:
            raise CannotTranscode(str(error)) from error

    def close(self) -> None:
        """End the processes; what they were to transcode fails."""
        for process in self._processes:
            process.stop()
        if self._pool.started:
            self._pool.stop()
        for process in self._processes:
            process.end()


class _Process:
    """A process that transcodes, begun when it is needed, one object after the other."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._lock = threading.Lock()
        self._process: HelperProcess | None = None
        self._closed = False

    def transcode(self, source: Path, target: Path, syntaxes: Sequence[str]) -> None:
        """Write an object in one of some transfer syntaxes. Raises CannotTranscode and OSError."""
        process = self._process or self._start()
        answer = process.ask(encode_request(source, target, syntaxes), self._patience)
        if not answer:
            self.end()
            raise CannotTranscode("the codec died" if answer is not None else f"it took longer than {self._patience:g} seconds")
        if reason := decode_answer(answer):
            raise CannotTranscode(reason)

    def stop(self) -> None:
        """Kill it, whatever it does, and begin no other; who waits for it hears that it died."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()

    def _start(self) -> HelperProcess:
        with self._lock:
            if self._closed:
                raise CannotTranscode("the gateway stops")
            process = self._process = HelperProcess("gateway_client.transcoding")
        if process.ask(b"", START) != READY:
            self.end()
            raise CannotTranscode("the process does not start; python -m gateway_client.transcoding says why")
        return process

    def end(self) -> None:
        """End it; the next object begins another."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.end()
