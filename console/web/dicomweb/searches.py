"""Answers to queries: studies, series and instances that match, a page at a time (PS3.18 10.6)."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from console.web.dicomweb.archive import QUERY, Archive, Asking
from console.web.dicomweb.asked import Asked
from console.web.dicomweb.dicom_json import attributes_json, encode_json
from console.web.dicomweb.errors import BadAsked, DicomWebError, NotAcceptable, TooLarge
from console.web.dicomweb.media_types import DICOM_JSON, JSON, choose
from console.web.dicomweb.questions import (
    AVAILABILITY,
    INSTANCE_UID,
    MORE,
    RETRIEVE_URL,
    SERIES_UID,
    STUDY_UID,
    Question,
    read_question,
)
from console.web.runner import Runner
from gateway_client import BrokerRefused
from gateway_client.archive.pages import Page, pieces, read_page
from gateway_client.archive.questions import Question as Nesting
from gateway_client.archive.questions import availability
from rpcs.archive import Level

#: Matches that are passed over for one answer at most, and at once.
MOST_PASSED, PASSED_AT_ONCE = 10_000, 1000
#: Queries of which it is known where pages begin, and pages of one.
QUERIES, PAGES = 256, 256
_OUT_OF_RESOURCES = "A700"


@dataclass(slots=True)
class Beginnings:
    """Where the pages of queries begin that were answered lately, by their offsets: who turns pages passes nothing over."""

    _known: OrderedDict[str, dict[int, str]] = field(default_factory=OrderedDict)

    def before(self, query: str, offset: int) -> tuple[int, str]:
        """Give the last offset up to some that is known, and where it begins."""
        known = self._known.get(query, {})
        offsets = sorted(known)
        place = bisect_right(offsets, offset)
        return (offsets[place - 1], known[offsets[place - 1]]) if place else (0, "")

    def learn(self, query: str, offset: int, after: str) -> None:
        """Note where a page begins."""
        known = self._known.setdefault(query, {})
        self._known.move_to_end(query)
        known[offset] = after
        if len(known) > PAGES:
            del known[next(iter(known))]
        if len(self._known) > QUERIES:
            self._known.popitem(last=False)


@dataclass(slots=True)
class Searches:
    """Answers queries."""

    archive: Archive
    runner: Runner
    beginnings: Beginnings = field(default_factory=Beginnings)

    async def studies(self, asked: Asked) -> bytes:
        """Give the studies that match."""
        return await self._search(asked, Level.STUDY)

    async def series(self, asked: Asked) -> bytes:
        """Give the series that match, of a study or of all."""
        return await self._search(asked, Level.SERIES)

    async def instances(self, asked: Asked) -> bytes:
        """Give the instances that match, of a series, of a study or of all."""
        return await self._search(asked, Level.IMAGE)

    async def _search(self, asked: Asked, level: Level) -> bytes:
        media_type = choose(asked.accepted, (DICOM_JSON, JSON))
        if not media_type:
            raise NotAcceptable(f"Matches are given as {DICOM_JSON}.")
        question = read_question(level, asked.wanted, asked.parameters)
        page = await self._page(self.archive.for_caller(asked.caller), question)
        await asked.note(self.runner, matches=len(page.rows))
        request = asked.request
        warnings = [*question.warnings, *([MORE] if page.more and question.unlimited else [])]
        request.responseHeaders.setRawHeaders("Warning", warnings)
        if not page.rows:
            request.setResponseCode(204)
            return b""
        request.setHeader("Content-Type", media_type)
        nesting = Nesting(level.name, {}, {}, {}, frozenset(), incomplete=False)
        return encode_json([self._match(asked.root, nesting, match) for match in page.rows])

    def _match(self, root: str, nesting: Nesting, match: Mapping[str, Any]) -> dict[str, Any]:
        tags = match["tags"]
        named = (("studies", STUDY_UID), ("series", SERIES_UID), ("instances", INSTANCE_UID))
        path = "".join(f"/{name}/{tags[tag][0]}" for name, tag in named if tags.get(tag))
        told = {AVAILABILITY: availability(match), RETRIEVE_URL: [root + path]}
        return attributes_json({**nesting.answer(match), **told})

    async def _page(self, asking: Asking, question: Question) -> Page:
        """Give the matches that are wanted. Raises BadAsked where too many come before them."""
        query = json.dumps(question.conditions)
        at, after = self.beginnings.before(query, question.offset)
        if question.offset - at > MOST_PASSED:
            raise BadAsked(f"offset is more than {MOST_PASSED} behind the last match that was given; ask for pages in turn.")
        while at < question.offset:
            count = min(PASSED_AT_ONCE, question.offset - at)
            page = await self._asked(asking, question.conditions, after, count)
            at, after = at + count, page.more
            if not after:
                return Page({}, [])
            self.beginnings.learn(query, at, after)
        if not question.limit:
            return Page({}, [])
        page = await self._asked(asking, question.request, after, question.limit)
        if page.more:
            self.beginnings.learn(query, at + question.limit, page.more)
        return page

    async def _asked(self, asking: Asking, request: Mapping[str, Any], after: str, count: int) -> Page:
        try:
            page = read_page(await asking.call(QUERY, pieces(request), after, count))
        except BrokerRefused as error:
            raise DicomWebError(str(error)) from error
        if "error" in page.head:
            raise (TooLarge if page.head.get("status") == _OUT_OF_RESOURCES else BadAsked)(str(page.head["error"]))
        return page
