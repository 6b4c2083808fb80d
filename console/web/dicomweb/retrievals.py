"""Answers that are objects: whole, their headers, frames and bulk data (PS3.18 10.4), sent as they are read."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from console.rendering import NoSuchFrame, NotShown, Renderer, RendererBusy, RenderingError
from console.web.dicomweb.accepting import Frames, Objects, read_frames, read_objects
from console.web.dicomweb.archive import MOST_RECALLED, Archive
from console.web.dicomweb.asked import Asked
from console.web.dicomweb.dicom_json import encode_json
from console.web.dicomweb.errors import BadAsked, NotAcceptable, NotHeld, NotYet
from console.web.dicomweb.media_types import DICOM, DICOM_JSON, JSON, MULTIPART, OCTETS, choose
from console.web.dicomweb.metadata import Header, header_json, read_header, value_at
from console.web.dicomweb.multipart import content_type, encode_end, encode_part_head, new_boundary
from console.web.dicomweb.outlet import Gone, Outlet
from console.web.dicomweb.pixels import frames_of, native_stretch, read_stretch, stored_frame
from console.web.runner import Runner
from gateway_client import Change, GatewayError, NetworkLocations, ObjectFile, encode_head
from gateway_client.archive.instances import IN_STORE, Held
from gateway_client.archive.opening import Opened, open_files
from gateway_client.errors import CannotTranscode
from gateway_client.transcoding import Transcoder

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Instances that are kept as they were counted; of more the list is asked for again.
KEPT = 5_000
#: Bytes that are read and written at once.
BLOCK = 256 << 10
#: Frames of one answer.
MOST_FRAMES = 10_000
#: Files that are opened, and headers that are read, at a time.
THREADS = 4


def _forget(_result: object) -> None:
    """Let go of what needs nothing."""


def _unless_left(waited: Deferred[T], let_go: Callable[[T], None]) -> Deferred[T]:
    """Give what something comes to, which goes on when its client has left; `let_go` gets it then."""
    told: Deferred[T] = Deferred()

    def over(result: T) -> None:
        if told.called:
            let_go(result)
        else:
            told.callback(result)

    waited.addCallbacks(over, lambda failure: None if told.called else told.errback(failure))
    return told


def _close_all(opened: Sequence[Opened]) -> None:
    for one in opened:
        one.close()


@dataclass(slots=True)
class Listed:
    """The instances of something, all of them in store; `missing` are those whose file is not where it should be."""

    pages: Sequence[Sequence[Held]]
    count: int
    missing: int


@dataclass(slots=True)
class Retrievals:
    """Gives what the archive holds. `change` is what is changed in objects on their way out."""

    archive: Archive
    runner: Runner
    renderer: Renderer
    transcoder: Transcoder
    pool: ThreadPool
    change: Callable[[], Change | None]

    async def objects(self, asked: Asked) -> bytes:
        """Give the objects of a study, of a series, or one."""
        how = read_objects(asked.accepted)
        if how.single and not asked.wanted.instance:
            raise NotAcceptable('Several objects are given as multipart/related; type="application/dicom" only.')
        listed = await self._listed(asked)
        if not how.made and not any(how.is_as_stored(held.transfer_syntax) for page in listed.pages for held in page):
            raise NotAcceptable(f"None is stored in, or brought into, {', '.join(how.syntaxes)[:300]}.")
        if asked.wanted.instance:
            return await self._object(asked, how, listed.pages[0][0])
        await asked.note(self.runner, instances=listed.count)
        _tell_missing(asked, listed)
        boundary = new_boundary()
        asked.request.setHeader("Content-Type", content_type(DICOM, boundary))
        async with _outlet(asked) as outlet:
            async for held in self._held(asked, listed):
                one = await self._opened(asked, held)
                if one is None:
                    continue
                made = await self._made(one, how, strict=False)
                await self._write_object(outlet, made, boundary)
            await outlet.write(encode_end(boundary))
        return b""

    async def metadata(self, asked: Asked) -> bytes:
        """Give the headers of a study's objects, of a series', or one's."""
        media_type = choose(asked.accepted, (DICOM_JSON, JSON))
        if not media_type:
            raise NotAcceptable(f"Headers are given as {DICOM_JSON}.")
        listed = await self._listed(asked)
        await asked.note(self.runner, instances=listed.count)
        _tell_missing(asked, listed)
        asked.request.setHeader("Content-Type", media_type)
        between = b"["
        async with _outlet(asked) as outlet:
            async for held in self._held(asked, listed):
                one = await self._opened(asked, held)
                if one is None:
                    continue
                await outlet.write(between + await self._thread(_header_text, one, asked))
                between = b",\n"
            await outlet.write(b"]" if between != b"[" else b"[]")
        return b""

    async def frames(self, asked: Asked) -> bytes:
        """Give frames of an instance, in the order that is asked for."""
        numbers = _numbers(asked.segments["frames"])
        one, header = await self._header(asked)
        how = read_frames(asked.accepted, header.transfer_syntax)
        count = frames_of(header)
        if beyond := [number for number in numbers if number > count]:
            raise NotHeld(f"It has {count} frames, and no frame {beyond[0]}.")
        return await self._frames(asked, one, header, how, numbers)

    async def bulk_data(self, asked: Asked) -> bytes:
        """Give a value that its header has an address for; of compressed pixels all frames."""
        one, header = await self._header(asked)
        path, pixels = asked.segments["attribute"], header.pixels
        if pixels is not None and path.upper() == pixels.tag:
            if pixels.length is None:
                how = read_frames(asked.accepted, header.transfer_syntax)
                return await self._frames(asked, one, header, how, range(1, frames_of(header) + 1))
            blocks = _blocks(one.meta.offset + pixels.place, pixels.length)
            parts: Sequence[Callable[[], bytes]] = [partial(read_stretch, one.path, *block) for block in blocks]
        else:
            _one, header = await self._header(asked, self.change())
            parts = [partial(value_at, header, path)]
            parts[0]()  # what there is not shows before anything is begun
        accepted = [it for it in asked.accepted if it.inner.takes(OCTETS)]
        if not accepted:
            raise NotAcceptable(f'Bulk data are given as multipart/related; type="{OCTETS}".')
        await asked.note(self.runner)
        single = accepted[0].name not in (MULTIPART, "*/*")
        boundary = new_boundary()
        asked.request.setHeader("Content-Type", OCTETS if single else content_type(OCTETS, boundary))
        async with _outlet(asked) as outlet:
            if not single:
                await outlet.write(encode_part_head(boundary, {"Content-Type": OCTETS}))
            for part in parts:
                await outlet.write(await self._thread(part))
            if not single:
                await outlet.write(encode_end(boundary))
        return b""

    # ---- frames ----

    async def _frames(self, asked: Asked, one: ObjectFile, header: Header, how: Frames, numbers: Sequence[int]) -> bytes:
        if how.single and len(numbers) != 1:
            raise NotAcceptable(f'Several frames are given as multipart/related; type="{how.media_type}".')
        first = await self._frame(one, header, how, numbers[0] - 1)  # what cannot be decoded shows before it is begun
        await asked.note(self.runner, frames=len(numbers))
        boundary, told = new_boundary(), f"{how.media_type}; transfer-syntax={how.transfer_syntax}"
        asked.request.setHeader("Content-Type", told if how.single else content_type(how.media_type, boundary))
        address = f"{asked.root}/{asked.wanted.path}/frames/"
        async with _outlet(asked) as outlet:
            for place, number in enumerate(numbers):
                data = first if not place else await self._frame(one, header, how, number - 1)
                if not how.single:
                    headers = {"Content-Type": told, "Content-Location": f"{address}{number}"}
                    await outlet.write(encode_part_head(boundary, headers))
                await outlet.write(data)
            if not how.single:
                await outlet.write(encode_end(boundary))
        return b""

    async def _frame(self, one: ObjectFile, header: Header, how: Frames, frame: int) -> bytes:
        """Give one frame. Raises NotHeld, NotAcceptable for what cannot be decoded, and NotYet."""
        offset = one.meta.offset
        if not how.decoded:
            return await self._thread(stored_frame, one.path, header, offset, frame)
        if (stretch := native_stretch(header, offset, frame)) is not None:
            return await self._thread(read_stretch, one.path, *stretch)
        try:
            return await self.renderer.decode(one.path, frame)
        except NoSuchFrame as error:
            raise NotHeld(f"{error}.") from error
        except NotShown as error:
            raise NotAcceptable(f"It cannot be decoded: {str(error).rstrip('.')}.") from error
        except RendererBusy as error:
            raise NotYet(str(error), retry=2) from error
        except RenderingError as error:
            raise NotYet(f"It cannot be decoded now: {error}") from error

    async def _header(self, asked: Asked, change: Change | None = None) -> tuple[ObjectFile, Header]:
        """Open the one instance that is asked for, as it is stored or changed, and read its header."""
        held = await self.archive.one(asked.caller, asked.wanted)
        path = await self.archive.path_of(asked.caller, held)
        return await self._thread(_open_header, path, held, change)

    # ---- whole objects ----

    async def _object(self, asked: Asked, how: Objects, held: Held) -> bytes:
        """Give one object; what is wrong with it is told, as nothing was sent yet."""
        one = await self._opened(asked, held)
        if one is None:
            raise NotYet(f"The file of {held.sop_instance} cannot be read now.")
        made = await self._made(one, how, strict=True)
        await asked.note(self.runner, instances=1)
        boundary = new_boundary()
        told = f"{DICOM}; transfer-syntax={made.meta.transfer_syntax}"
        asked.request.setHeader("Content-Type", told if how.single else content_type(DICOM, boundary))
        async with _outlet(asked) as outlet:
            await self._write_object(outlet, made, "" if how.single else boundary)
            if not how.single:
                await outlet.write(encode_end(boundary))
        return b""

    async def _write_object(self, outlet: Outlet, one: ObjectFile, boundary: str) -> None:
        """Write an object, and close it; it has its own transfer syntax in the head of its part."""
        try:
            if boundary:
                told = f"{DICOM}; transfer-syntax={one.meta.transfer_syntax}"
                await outlet.write(encode_part_head(boundary, {"Content-Type": told}))
            await outlet.write(encode_head(replace(one.meta, sending_ae_title="", receiving_ae_title="")))
            while one.size:
                await outlet.write(await self._thread(one.read, min(one.size, BLOCK)))
        finally:
            one.close()

    async def _made(self, one: ObjectFile, how: Objects, *, strict: bool) -> ObjectFile:
        """Bring an object into a transfer syntax that is accepted.

        One that cannot be is given as it is, with its own in the head of its part, or when `strict` NotAcceptable is raised.
        """
        stored = one.meta.transfer_syntax
        if how.is_as_stored(stored):
            return one
        reason = "it is not brought into any of these"
        if how.made:
            try:
                making = self.transcoder.transcode(self.runner.dispatcher.reactor, one, how.made)
                made = await _unless_left(making, ObjectFile.close)
            except CannotTranscode as error:
                reason = str(error)
            except BaseException:
                one.close()
                raise
            else:
                one.close()
                return made
        log.info("%s stays in %s: %s", one.meta.sop_instance_uid, stored, reason)
        if strict:
            one.close()
            raise NotAcceptable(f"It is stored in {stored}: {reason}.")
        return one

    # ---- what is there ----

    async def _listed(self, asked: Asked) -> Listed:
        """List what is asked for. Raises NotHeld where there is none, NotYet where some is not in store, or no file is there."""
        locations = await self.archive.locations(asked.caller)
        count, missing, pages, away = 0, 0, list[list[Held]](), list[Held]()
        async for page in self.archive.pages(asked.caller, asked.wanted):
            count += len(page)
            away += [held for held in page if held.state != IN_STORE][: MOST_RECALLED - len(away)]
            missing += await self._thread(_count_missing, locations, page)
            if count <= KEPT or not pages:
                pages.append(page)
        if not count:
            raise NotHeld
        await self.archive.bring_back(asked.caller, away)
        if missing == count:
            raise NotYet(f"Of {count} files none can be read here now.")
        return Listed(pages, count, missing)

    async def _held(self, asked: Asked, listed: Listed) -> AsyncIterator[Held]:
        """Give the instances as they were listed; of many the list is asked for again."""
        if listed.count <= KEPT:
            for page in listed.pages:
                for held in page:
                    yield held
            return
        async for again in self.archive.pages(asked.caller, asked.wanted):
            for held in again:
                yield held

    async def _opened(self, asked: Asked, held: Held) -> ObjectFile | None:
        """Open an object as it goes out; None for one that cannot be."""
        locations = await self.archive.locations(asked.caller)
        (opened,) = await self._thread(open_files, locations, [held], self.change(), let_go=_close_all)
        if opened.object is None:
            log.error("%s is not given: %s", held.sop_instance, opened.reason)
        return opened.object

    async def _thread(self, work: Callable[..., T], *arguments: Any, let_go: Callable[[T], None] = _forget) -> T:
        """Do something on a thread; `let_go` gets what it comes to where nobody waits for that any more."""
        return await _unless_left(deferToThreadPool(self.runner.dispatcher.reactor, self.pool, work, *arguments), let_go)


def _header_text(one: ObjectFile, asked: Asked) -> bytes:
    """Write the header of an object, and close it."""
    try:
        header = read_header(one)
        stored = header if not one.changed else _open_stored(one.path)
        uids = (stored.elements.first(tag) for tag in (0x0020000D, 0x0020000E))
        wanted = replace(asked.wanted, **dict(zip(("study", "series"), uids, strict=True)), instance=one.stored_as)
        return encode_json(header_json(header, f"{asked.root}/{wanted.path}"))
    finally:
        one.close()


def _open_stored(path: Path) -> Header:
    """Read the header of an object as it is stored: by its UIDs there it is found, whatever it has on its way out."""
    one = ObjectFile(path)
    try:
        return read_header(one)
    finally:
        one.close()


def _open_header(path: Path, held: Held, change: Change | None) -> tuple[ObjectFile, Header]:
    """Open an object, and read its header; its file is closed until it is read. Raises NotYet and NotHeld."""
    try:
        one = ObjectFile(path, change)
        try:
            return one, read_header(one)
        finally:
            one.close()
    except (GatewayError, OSError) as error:
        raise NotYet(f"The file of {held.sop_instance} cannot be read now.") from error


def _count_missing(locations: NetworkLocations, page: Sequence[Held]) -> int:
    """Count the instances in store whose file is not there."""
    return sum(held.state == IN_STORE and not _is_there(locations, held) for held in page)


def _is_there(locations: NetworkLocations, held: Held) -> bool:
    try:
        return bool(held.path) and locations.local_path(held.path).is_file()
    except (GatewayError, OSError):
        return False


def _tell_missing(asked: Asked, listed: Listed) -> None:
    """Say that some files are missing (PS3.18 table 10.4.3-1)."""
    if listed.missing:
        asked.request.setResponseCode(206)
        asked.request.setHeader("Warning", f'299 magbroker "Of {listed.count} objects {listed.missing} cannot be read now."')


def _numbers(text: str) -> list[int]:
    """Read a list of frames, counted from 1. Raises BadAsked."""
    numbers = text.split(",")
    if len(numbers) > MOST_FRAMES:
        raise BadAsked(f"More than {MOST_FRAMES} frames are asked for.")
    if not all(number.isascii() and number.isdigit() and len(number) < 10 and int(number) for number in numbers):
        raise BadAsked(f"{text[:60]!r} is no list of frames, which are counted from 1.")
    return [int(number) for number in numbers]


def _blocks(place: int, length: int) -> list[tuple[int, int]]:
    return [(place + at, min(BLOCK, length - at)) for at in range(0, length, BLOCK)]


@asynccontextmanager
async def _outlet(asked: Asked) -> AsyncIterator[Outlet]:
    """Give what an answer is written to; what goes wrong after its beginning breaks it off."""
    outlet = Outlet(asked.request)
    try:
        yield outlet
        outlet.close()
    except (Gone, CancelledError):
        log.debug("a client left before its answer was whole")
    except Exception:
        log.exception("%s is broken off", asked.request.path[:200])
        outlet.abort()
