"""Objects that come in a multipart body, written to files as they come, and handed to the gateway meanwhile (PS3.18 10.5).

What the gateway has answered with success is durable in its spool; nothing else is acknowledged. Files here are for the time
between, and gone with the request.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from console.scu.files import Found
from console.scu.sending import Sender, Sent
from console.web.bodies import BODY_LIMIT, IDLE_SECONDS, break_off
from console.web.dicomweb.archive import Wanted
from console.web.dicomweb.errors import BadAsked, TooLarge, UnsupportedMedia
from console.web.dicomweb.media_types import DICOM, read_media_type
from console.web.dicomweb.multipart import Event, MultipartReader, PartBegins, PartData
from console.web.dicomweb.settings import DicomWebSettings
from console.web.dicomweb.stow import CANNOT_UNDERSTAND, DOES_NOT_MATCH, Part, failure_of
from console.web.errors import told
from dul.status import OUT_OF_RESOURCES
from gateway_client import GatewayError, ObjectFile, Result

log = logging.getLogger(__name__)

#: Objects of one request, and those that wait to be handed on, with their bytes, before no more is read.
MOST_PARTS, MOST_WAITING, MOST_WAITING_BYTES = 20_000, 64, 256 << 20
_REFUSED = "HTTP/1.1 {} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_STUDY, _SERIES, _SOP_CLASS, _SOP_INSTANCE = 0x0020000D, 0x0020000E, 0x00080016, 0x00080018
_READ = frozenset((_STUDY, _SERIES, _SOP_CLASS, _SOP_INSTANCE))


@dataclass(frozen=True, slots=True)
class Stow:
    """What all requests that store share."""

    reactor: Any
    settings: DicomWebSettings
    directory: Path
    pool: ThreadPool


@dataclass(slots=True)
class _Coming:
    """The part that comes: its file, None once it is of no use, and its bytes."""

    path: Path
    file: BinaryIO | None
    size: int = 0


@dataclass(slots=True, eq=False)
class StowIntake:
    """Takes one body. Nothing is read before somebody says that it may; all of it belongs to the reactor's thread."""

    stow: Stow
    request: Any
    #: The study that the path names.
    study: str
    parts: list[Part] = field(default_factory=list)
    #: How objects ended that reached nobody: the last reason.
    unreachable: str = ""
    _reader: MultipartReader | None = None
    _early: list[bytes] = field(default_factory=list)
    _problem: Exception | None = None
    _passed: int = 0
    _coming: _Coming | None = None
    _waiting: deque[Path] = field(default_factory=deque)
    _waiting_bytes: int = 0
    _ready: Deferred[None] | None = None
    #: Keeps a connection of which nothing is read, so that it is not cut off for being silent.
    _keeping: LoopingCall | None = None
    _abandoned: bool = False
    _sending: Deferred[None] | None = None
    _count: int = 0

    def begin(self, may: Deferred[None], boundary: str) -> None:
        """Wait for the word that the body may come; what that fails with is the answer."""
        self._pause(True)
        self._ready = Deferred()
        may.addCallbacks(lambda _nothing: self._begin(boundary), lambda failure: self.refuse(failure.value))
        may.addBoth(self._go_on)

    def refuse(self, problem: Exception) -> None:
        """Take nothing: the answer is another, when the body has come, or at once if it is long."""
        self._problem = problem

    def write(self, data: bytes) -> None:
        """Take a piece."""
        if self._problem is not None:
            self._passed += len(data)
            if self._passed > BODY_LIMIT:
                break_off(self.request, _REFUSED.format(told(self._problem)[0]).encode())
        elif self._abandoned:
            return
        elif self._reader is None:
            self._early.append(data)
        else:
            self._read(data)

    def abandon(self) -> None:
        """Forget what was not handed on: the request is over, or its client is gone."""
        self._abandoned = True
        self._pause(False)
        if self._coming is not None:
            self._drop(self._coming)
        while self._waiting:
            self._waiting.popleft().unlink(missing_ok=True)

    async def finish(self) -> list[Part]:
        """Give what became of the objects, when the gateway has answered for all. Raises what the body was refused with."""
        if self._ready is not None:
            await self._ready
        try:
            if self._problem is None and self._reader is not None:
                self._reader.close()
        except BadAsked as error:
            self._problem = error
        if self._coming is not None:
            self._drop(self._coming)
        if self._sending is not None:
            await self._sending
        if self._problem is not None:
            raise self._problem
        return self.parts

    # ---- the body ----

    def _begin(self, boundary: str) -> None:
        try:
            self._reader = MultipartReader(boundary)
        except BadAsked as error:
            self.refuse(error)

    def _go_on(self, _result: object) -> None:
        """Take what came meanwhile, and more."""
        early, self._early = self._early, []
        for data in early:
            self.write(data)
        self._pause(False)
        ready, self._ready = self._ready, None
        if ready is not None:
            ready.callback(None)

    def _read(self, data: bytes) -> None:
        assert self._reader is not None
        try:
            for event in self._reader.receive(data):
                self._take(event)
        except (BadAsked, TooLarge, UnsupportedMedia) as error:
            self.refuse(error)

    def _take(self, event: Event) -> None:
        if isinstance(event, PartBegins):
            self._begin_part(event)
        elif isinstance(event, PartData):
            self._take_data(event.data)
        else:
            self._end_part()

    def _begin_part(self, part: PartBegins) -> None:
        kind = part.headers.get("content-type", DICOM)
        if read_media_type(kind).name != DICOM:
            raise UnsupportedMedia(f"A part is {kind[:60]!r}; objects are taken as {DICOM}.")
        self._count += 1
        if self._count > MOST_PARTS:
            raise TooLarge(f"At most {MOST_PARTS} objects are taken at once.")
        path = self.stow.directory / f"{id(self):x}-{self._count}.dcm"
        try:
            if shutil.disk_usage(self.stow.directory).free < self.stow.settings.free_space_floor:
                raise OSError(None, "the disk is nearly full")
            self._coming = _Coming(path, path.open("wb"))
        except OSError as error:
            log.error("an object cannot be kept: %s", error.strerror or error)
            self._coming = _Coming(path, None)
            self.parts.append(Part(failure=OUT_OF_RESOURCES))

    def _take_data(self, data: bytes) -> None:
        coming = self._coming
        if coming is None or coming.file is None:
            return
        coming.size += len(data)
        try:
            if coming.size > self.stow.settings.max_object_bytes:
                raise OSError(None, "it is larger than max_object_bytes")
            coming.file.write(data)
        except OSError as error:
            log.error("an object is not taken: %s", error.strerror or error)
            self._drop(coming)
            self.parts.append(Part(failure=OUT_OF_RESOURCES))

    def _end_part(self) -> None:
        coming, self._coming = self._coming, None
        if coming is None or coming.file is None:
            return
        try:
            coming.file.close()
        except OSError as error:
            log.error("an object cannot be kept: %s", error.strerror or error)
            self._drop(coming)
            self.parts.append(Part(failure=OUT_OF_RESOURCES))
            return
        self._waiting.append(coming.path)
        self._waiting_bytes += coming.size
        if len(self._waiting) >= MOST_WAITING or self._waiting_bytes >= MOST_WAITING_BYTES:
            self._pause(True)
        if self._sending is None:
            self._sending = Deferred.fromCoroutine(self._send_all())

    def _drop(self, coming: _Coming) -> None:
        if coming.file is not None:
            with contextlib.suppress(OSError):  # what is left in its buffer cannot be written either
                coming.file.close()
            coming.file = None
        coming.path.unlink(missing_ok=True)

    def _pause(self, wanted: bool) -> None:
        """Have no more read for now, or go on; who is kept waiting by us is not cut off for being silent."""
        channel = getattr(self.request, "channel", None)  # a request that is over has none
        if wanted and self._keeping is None and channel is not None and not self._abandoned:
            channel.transport.pauseProducing()
            self._keeping = LoopingCall(channel.resetTimeout)
            self._keeping.clock = self.stow.reactor
            self._keeping.start(IDLE_SECONDS / 3)
        elif not wanted and self._keeping is not None:
            self._keeping.stop()
            self._keeping = None
            if channel is not None:
                channel.transport.resumeProducing()

    # ---- the gateway ----

    async def _send_all(self) -> None:
        """Hand on what waits, as many at a time as have come, until nothing does."""
        while self._waiting:
            batch, size = [*self._waiting], self._waiting_bytes
            self._waiting.clear()
            try:
                await self._send(batch)
            except CancelledError:
                log.info("a client left before its objects were stored")
            except Exception:
                log.exception("objects cannot be handed to the gateway")
                self.parts += [Part(failure=OUT_OF_RESOURCES)] * len(batch)
            finally:
                for path in batch:
                    path.unlink(missing_ok=True)
            self._waiting_bytes -= size
            self._pause(False)
        self._sending = None

    async def _send(self, batch: list[Path]) -> None:
        """Hand some objects on, and note what became of each."""
        stow = self.stow
        read = await deferToThreadPool(stow.reactor, stow.pool, _read_all, batch, self.study)
        parts = {found.path: part for found, part in read if found is not None}
        self.parts += [part for found, part in read if found is None]

        def heard(sent: Sent) -> None:
            part, outcome = parts.pop(sent.file.path), sent.outcome
            if outcome.result is not Result.SENT:
                log.warning("%s was not stored: %s", part.wanted.instance, outcome.reason)
            if outcome.result is Result.UNREACHABLE:
                self.unreachable = outcome.reason
            self.parts.append(
                replace(part, failure=failure_of(outcome), warning=outcome.status if not failure_of(outcome) else 0)
            )

        files = [found for found, _part in read if found is not None]
        if files:
            await Sender(stow.settings.peer, 1, heard).send(stow.reactor, files)


def _read_all(batch: list[Path], study: str) -> list[tuple[Found | None, Part]]:
    return [_read_part(path, study) for path in batch]


def _read_part(path: Path, study: str) -> tuple[Found | None, Part]:
    """Read which object a file holds; without a file what was wrong with it."""
    try:
        one = ObjectFile(path)
        try:
            elements = one.elements(_READ)
        finally:
            one.close()
    except (GatewayError, OSError) as error:
        log.warning("what was sent to be stored is no object: %s", error)
        return None, Part(failure=CANNOT_UNDERSTAND)
    wanted = Wanted(*(elements.first(tag) for tag in (_STUDY, _SERIES, _SOP_INSTANCE)))
    part = Part(elements.first(_SOP_CLASS) or one.meta.sop_class_uid, wanted)
    if not (wanted.study and wanted.series and wanted.instance):
        return None, replace(part, failure=CANNOT_UNDERSTAND)
    if study and wanted.study != study:
        return None, replace(part, failure=DOES_NOT_MATCH)
    return Found(path, one.meta, one.stored_size - one.meta.offset), part


def new_directory(root: Path) -> Path:
    """Make an empty folder for objects on their way; what a process left that was killed goes."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    return Path(tempfile.mkdtemp(dir=root))
