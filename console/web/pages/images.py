"""Images as pages: the studies that the archive has, their series and images, and one image with all that is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from console.web.dicomweb import Asking, DicomWebError, Wanted
from console.web.errors import Away
from console.web.pages.frame import Frame, Route, address
from console.web.pages.headers import header_of
from console.web.pages.studies import (
    COLUMNS,
    IMAGES,
    SERIES_UID,
    STUDIES,
    STUDY_UID,
    Found,
    Search,
    find,
    search_of,
)
from console.web.pages.visitor import Ask
from rpcs.actions import ActionError, NotFound
from rpcs.archive import Level

#: How the audit names looking at an image's page.
LOOKED = "IMAGE LOOK"
#: Images of a series that the viewer goes through.
MOST_VIEWED = 1000


async def studies_page(frame: Frame, ask: Ask) -> str:
    """List the studies that match the filters in the address, the newest first."""
    asked = {column.name: ask.values[column.name] for column in COLUMNS if ask.values.get(column.name)}
    found = await find(_asking(frame, ask), search_of(asked), ask.values.get("after", ""), STUDIES)
    return frame.page(
        "images_table.html" if ask.partial else "images.html",
        ask,
        columns=COLUMNS,
        asked=asked,
        found=found,
        first=bool(ask.values.get("after")),
        next_page=address("/images", {**asked, "after": found.more}) if found.more else "",
    )


async def study_page(frame: Frame, ask: Ask, study: str) -> str:
    """Show a study by its series."""
    asking = _asking(frame, ask)
    studies = await find(asking, Search(Level.STUDY, {STUDY_UID: study}), "", 2)
    if not studies.rows:
        raise NotFound("The archive has no such study; what is to be corrected is not filed yet.")
    series = await find(asking, Search(Level.SERIES, {STUDY_UID: study}), ask.values.get("after", ""), IMAGES)
    await frame.runner.record(ask.visitor.caller, LOOKED, {"STUDY": study}, f"study {study}")
    following = address(f"/images/study/{study}", {"after": series.more}) if series.more else ""
    return frame.page("images_study.html", ask, uid=study, studies=studies.rows, series=series.rows, next_page=following)


async def series_page(frame: Frame, ask: Ask, study: str, series: str) -> str:
    """Show a series by its images."""
    found = await _images(frame, ask, study, series, ask.values.get("after", ""), IMAGES)
    if not found.rows:
        raise NotFound("The archive has no such series.")
    await frame.runner.record(ask.visitor.caller, LOOKED, {"STUDY": study, "SERIES": series}, f"study {study}")
    path = f"/images/series/{study}/{series}"
    following = address(path, {"after": found.more}) if found.more else ""
    return frame.page("images_series.html", ask, study=study, series=series, images=found.rows, next_page=following)


async def image_page(frame: Frame, ask: Ask, image: str) -> str:
    """Show one image, by its number or UID: picture, story, decisions, where it lies."""
    story = await _if_any(frame, ask, "MAGB IMAGE STORY", {"image": image})
    shown = await _if_any(frame, ask, "MAGB IMAGE SHOW", {"image": image})
    if story is None and shown is None:
        raise NotFound(f"Nothing is known of image {image[:64]}.")
    steps = story["steps"] if story is not None else []
    facts = {"image": image, "story": story, "steps": steps, "place_of": _place_of(shown)}
    if ask.partial:
        return frame.page("images_image_state.html", ask, **facts, look=shown)
    if shown is not None:
        await frame.runner.record(ask.visitor.caller, LOOKED, {"IMAGE": image}, f"image {shown['ien']}")
    decided, others = None, Found([])
    if shown is not None:
        decided = await _if_any(frame, ask, "MAGB RULES EXPLAIN", {"image": str(shown["ien"])})
        others = await _images(frame, ask, shown["study_uid"], shown["series_uid"], "", MOST_VIEWED)
    viewed = [{"uid": row["instance"], "frames": int(row["frames"] or 1), "number": row["number"]} for row in others.rows]
    return frame.page("images_image.html", ask, **facts, look=shown, decided=decided, viewed=frame.json(viewed))


def _place_of(shown: Mapping[str, Any] | None) -> str:
    """Give where DICOMweb has the series of an image."""
    if shown is None:
        return ""
    return f"/dicom-web/studies/{quote(shown['study_uid'])}/series/{quote(shown['series_uid'])}/instances"


async def header_page(frame: Frame, ask: Ask, image: str) -> str:
    """Show the header of an image's file."""
    shown = await frame.run("MAGB IMAGE SHOW", ask, {"image": image})
    caller = ask.visitor.caller
    try:
        held = await frame.archive.one(caller, Wanted(shown["study_uid"], shown["series_uid"], shown["uid"]))
        path = await frame.archive.path_of(caller, held)
        rows = await frame.runner.aside(lambda: header_of(path))
    except (DicomWebError, OSError, ValueError) as error:
        return frame.page("_refused.html", ask, kind="missing", message=f"The file cannot be read now: {error}")
    await frame.runner.record(caller, LOOKED, {"IMAGE": image, "PART": "header"}, f"image {shown['ien']}")
    return frame.page("images_header.html", ask, rows=rows)


async def _images(frame: Frame, ask: Ask, study: str, series: str, after: str, most: int) -> Found:
    search = Search(Level.IMAGE, {STUDY_UID: study, SERIES_UID: series})
    return await find(_asking(frame, ask), search, after, most)


async def _if_any(frame: Frame, ask: Ask, name: str, values: Mapping[str, object]) -> Any:
    """Give what an action gives, None where there is nothing to give."""
    try:
        return await frame.run(name, ask, values)
    except Away:
        raise
    except ActionError:
        return None


def _asking(frame: Frame, ask: Ask) -> Asking:
    return frame.archive.for_caller(ask.visitor.caller)


ROUTES = (
    Route("/images", studies_page),
    Route("/images/study/<study>", study_page),
    Route("/images/series/<study>/<series>", series_page),
    Route("/images/image/<image>", image_page),
    Route("/images/header/<image>", header_page),
)
