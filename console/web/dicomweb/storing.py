"""Requests that store objects: who may, what is taken, and what is answered (PS3.18 10.5)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from twisted.internet.defer import Deferred

from console.web.bodies import header
from console.web.dicomweb.archive import Wanted
from console.web.dicomweb.asked import Asked
from console.web.dicomweb.dicom_json import encode_json
from console.web.dicomweb.errors import BadAsked, NotAcceptable, NotYet, UnsupportedMedia
from console.web.dicomweb.intake import Stow, StowIntake
from console.web.dicomweb.media_types import DICOM, DICOM_JSON, JSON, MULTIPART, MediaType, choose, read_media_type
from console.web.dicomweb.stow import answer_of, status_of
from console.web.runner import Runner
from rpcs.actions import Caller

#: Who stores has to be allowed what the gateway does with an object.
PROCEDURE, CONTEXT = "MAG DICOM IMAGE PROCESSING", "MAG DICOM GATEWAY FULL"
#: Requests that store at a time.
MOST_STORING = 8


@dataclass(slots=True)
class Storing:
    """Takes objects, and hands them to the gateway."""

    runner: Runner
    caller: Callable[[Any], Awaitable[Caller]]
    stow: Callable[[], Stow]
    path: re.Pattern[bytes]
    _under_way: set[StowIntake] = field(default_factory=set)

    def intake(self, request: Any) -> StowIntake | None:
        """Give who takes the body of a request that stores objects; None for any other."""
        found = self.path.fullmatch(request.path)
        if request.method != b"POST" or found is None:
            return None
        study = (found[1] or b"").decode("ascii")
        intake = StowIntake(self.stow(), request, study)
        try:
            boundary = _boundary(read_media_type(header(request, b"content-type") or "none/none"))
        except (BadAsked, UnsupportedMedia) as error:
            intake.refuse(error)
            return intake
        if len(self._under_way) >= MOST_STORING:
            intake.refuse(NotYet(f"{MOST_STORING} requests are storing already; try again later.", retry=5))
            return intake
        self._under_way.add(intake)
        request.notifyFinish().addBoth(self._over, intake)
        intake.begin(Deferred.fromCoroutine(self._may(request)), boundary)
        return intake

    def _over(self, _result: object, intake: StowIntake) -> None:
        self._under_way.discard(intake)
        intake.abandon()

    async def _may(self, request: Any) -> None:
        self.runner.check(await self.caller(request), PROCEDURE, CONTEXT)

    async def store(self, asked: Asked) -> bytes:
        """Answer what became of the objects that came."""
        media_type = choose(asked.accepted, (DICOM_JSON, JSON))
        intake = asked.request.intake
        if not isinstance(intake, StowIntake):
            raise UnsupportedMedia
        parts = await intake.finish()
        if not media_type:
            raise NotAcceptable(f"What became of objects is told as {DICOM_JSON}.")
        if not parts:
            raise BadAsked("No object came.")
        stored = sum(part.stored for part in parts)
        if intake.unreachable and not stored:
            raise NotYet(f"No gateway takes objects now: {intake.unreachable}")
        studies = {part.wanted.study for part in parts if part.stored}
        one = replace(asked, wanted=Wanted(*studies)) if len(studies) == 1 else asked
        await one.note(self.runner, stored=stored, failed=len(parts) - stored, studies=" ".join(sorted(studies)))
        request = asked.request
        request.setResponseCode(status_of(parts))
        request.setHeader("Content-Type", media_type)
        return encode_json(answer_of(parts, asked.root))


def _boundary(kind: MediaType) -> str:
    """Give the boundary of a body of objects. Raises UnsupportedMedia."""
    if kind.name != MULTIPART or kind.parameters.get("type", DICOM).lower() != DICOM:
        raise UnsupportedMedia(f'Objects are taken as multipart/related; type="{DICOM}".')
    return kind.parameters.get("boundary", "")
