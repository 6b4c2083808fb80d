"""DICOMweb laid into the web's site: its paths, who may ask, and what is written down of it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from klein import Klein
from twisted.python.threadpool import ThreadPool

from console.rendering import Renderer
from console.web.bodies import Intake
from console.web.dicomweb.archive import QUERY, RETRIEVE, Archive
from console.web.dicomweb.asked import Asked, read_request
from console.web.dicomweb.errors import NotYet
from console.web.dicomweb.intake import Stow, new_directory
from console.web.dicomweb.pictures import Pictures
from console.web.dicomweb.retrievals import THREADS, Retrievals
from console.web.dicomweb.searches import Searches
from console.web.dicomweb.settings import DicomWebSettings
from console.web.dicomweb.storing import CONTEXT, PROCEDURE, Storing
from console.web.runner import Runner
from gateway_client.transcoding import Transcoder
from rpcs.actions import OVER_DICOMWEB, Caller, NotAllowed

ROOT = "/dicom-web"
STUDIES = f"{ROOT}/studies"
STUDY = f"{STUDIES}/<study>"
SERIES = f"{STUDY}/series/<series>"
INSTANCE = f"{SERIES}/instances/<sop_instance>"  # klein has a parameter instance itself
FRAMES = f"{INSTANCE}/frames/<frames>"

_STORES = re.compile(rb"/dicom-web/studies(?:/([0-9.]{1,64}))?")
LOOK_FOR, GET, RENDER, STORE = OVER_DICOMWEB

Request = Any  # twisted gives it no types
Handler = Callable[[Asked], Awaitable[bytes]]


@dataclass(slots=True)
class DicomWeb:
    """Answers what is asked below ROOT. `caller` gives who sent a request. Network locations may lie below `data`."""

    runner: Runner
    caller: Callable[[Request], Awaitable[Caller]]
    data: Path
    settings: DicomWebSettings
    archive: Archive = field(init=False)
    renderer: Renderer = field(init=False)
    transcoder: Transcoder = field(init=False)
    pool: ThreadPool = field(init=False)
    storing: Storing = field(init=False)
    _stow: Stow | None = None

    def __post_init__(self) -> None:
        """Begin nothing yet."""
        self.archive = Archive(self.runner, self.data)
        self.renderer = Renderer(self.runner.dispatcher.reactor)
        self.transcoder = Transcoder(self.data / "dicomweb" / "transcoding")
        self.pool = ThreadPool(0, THREADS, "dicomweb")
        self.storing = Storing(self.runner, self.caller, self._stowing, _STORES)

    def start(self) -> None:
        """Be ready to answer."""
        self.pool.start()

    def lay(self, app: Klein) -> None:
        """Lay the paths into a site."""
        for method, path, handler, action, procedure in self._pages():
            app.route(path, methods=[method], endpoint=f"{method} {path}")(self._page(handler, action, procedure))

    def close(self) -> None:
        """End the processes that were begun."""
        self.renderer.close()
        self.transcoder.close()
        if self.pool.started:
            self.pool.stop()

    def intake(self, request: Request) -> Intake | None:
        """Give who takes the body of a request as it comes, where that may be long."""
        return self.storing.intake(request)

    def _stowing(self) -> Stow:
        """Make the folder of objects on their way in when the first comes."""
        if self._stow is None:
            directory = new_directory(self.data / "dicomweb" / "storing")
            self._stow = Stow(self.runner.dispatcher.reactor, self.settings, directory, self.pool)
        return self._stow

    def _pages(self) -> Sequence[tuple[str, str, Handler, str, str]]:
        """Give methods and paths, what answers them, how the audit names it, and the procedure that one has to be allowed."""
        searches = Searches(self.archive, self.runner)
        retrievals = Retrievals(
            self.archive, self.runner, self.renderer, self.transcoder, self.pool, lambda: self.settings.change()
        )
        pictures = Pictures(self.archive, self.renderer, self.runner)
        return [
            *[("POST", path, self.storing.store, STORE, PROCEDURE) for path in (STUDIES, STUDY)],
            ("GET", STUDIES, searches.studies, LOOK_FOR, QUERY),
            *[("GET", f"{path}/series", searches.series, LOOK_FOR, QUERY) for path in (ROOT, STUDY)],
            *[("GET", f"{path}/instances", searches.instances, LOOK_FOR, QUERY) for path in (ROOT, STUDY, SERIES)],
            *[("GET", path, retrievals.objects, GET, RETRIEVE) for path in (STUDY, SERIES, INSTANCE)],
            *[("GET", f"{path}/metadata", retrievals.metadata, GET, RETRIEVE) for path in (STUDY, SERIES, INSTANCE)],
            ("GET", FRAMES, retrievals.frames, GET, RETRIEVE),
            ("GET", f"{INSTANCE}/bulkdata/<path:attribute>", retrievals.bulk_data, GET, RETRIEVE),
            *[("GET", f"{path}/rendered", pictures.rendered, RENDER, RETRIEVE) for path in (INSTANCE, FRAMES)],
            *[("GET", f"{path}/thumbnail", pictures.thumbnail, RENDER, RETRIEVE) for path in (STUDY, SERIES, INSTANCE, FRAMES)],
        ]

    def _page(self, handler: Handler, action: str, procedure: str) -> Callable[..., Awaitable[bytes]]:
        async def page(request: Request, **segments: str) -> bytes:
            return await self._answer(handler, action, procedure, request, segments)

        return page

    async def _answer(
        self, handler: Handler, action: str, procedure: str, request: Request, segments: Mapping[str, str]
    ) -> bytes:
        """Answer a request of somebody who may. What he sees the handler writes down, before he sees it."""
        caller = await self.caller(request)
        asked = read_request(request, caller, segments, ROOT, action)
        try:
            self.runner.check(caller, procedure, CONTEXT if procedure == PROCEDURE else "")
            request.setHeader("Cache-Control", "no-store")
            request.setHeader("X-Content-Type-Options", "nosniff")
            return await handler(asked)
        except NotAllowed as refused:
            await asked.note(self.runner, str(refused))
            raise
        except NotYet as later:
            request.setHeader("Retry-After", str(later.retry))
            raise
