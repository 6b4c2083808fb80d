"""Whoever wants objects transcoded: it starts the processes, waits for them a while, and begins new ones for those that die."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from queue import LifoQueue
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from gateway_client.errors import CannotTranscode, ModificationError, NotPart10
from gateway_client.transcoding.requests import decode_answer, encode_request
from gateway_client.transmission.object_file import ObjectFile
from runtime import HelperProblem, KeptHelper, make_directories

#: Seconds that one object may take.
PATIENCE = 120.0
#: Processes, and so objects that are transcoded at a time.
PROCESSES = 2


class Transcoder:
    """Transcodes objects side by side, in processes that begin with the first of them. `directory` is its own."""

    def __init__(self, directory: Path, patience: float = PATIENCE) -> None:
        self._directory = directory
        self._pool = ThreadPool(0, PROCESSES, "transcoder")
        self._processes = [KeptHelper("gateway_client.transcoding", patience) for _ in range(PROCESSES)]
        self._idle: LifoQueue[KeptHelper] = LifoQueue()
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
                    answer = process.ask(encode_request(source, target, syntaxes))
                finally:
                    self._idle.put(process)
                if reason := decode_answer(answer):
                    raise CannotTranscode(reason)
                return ObjectFile(target)
        except OSError as error:
            raise CannotTranscode(f"{error.filename or self._directory}: {error.strerror or error}") from error
        except (HelperProblem, NotPart10, ModificationError) as error:
            raise CannotTranscode(str(error)) from error

    def close(self) -> None:
        """End the processes; what they were to transcode fails."""
        for process in self._processes:
            process.stop()
        if self._pool.started:
            self._pool.stop()
        for process in self._processes:
            process.end()
