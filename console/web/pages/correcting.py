"""The CORRECT list as pages: each study with its picture, what its header says beside who it may be of, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, select

from console.rendering import RendererBusy, Rendering, RenderingError, Viewport
from console.web.errors import Away, NoSuchPage, TooMany
from console.web.pages.frame import Frame, Route, address
from console.web.pages.visitor import Ask
from fileman.files import DicomFailedImage
from rpcs.actions import ActionError, BadRequest, NotFound

#: Studies of a page, candidates that are compared, and studies that are dealt with at once.
ROWS, CANDIDATES, MOST_AT_ONCE = 50, 3, 50
#: A candidate is clear-cut that scores so high, and so much higher than the next.
CLEAR_SCORE, CLEAR_LEAD = 60.0, 15.0
#: A field that is alike to this part, and more, is marked as nearly the same.
NEARLY = 0.7
#: Pixels of the longer side of the picture.
SIDE = 480
#: What a reason means, and what helps.
REASONS = {
    "NO CASE #": "The images came without an accession number: say which exam they are of.",
    "BAD CASE #": "No exam has this accession number: it was mistyped, or the exam is not entered yet.",
    "CANCELLED": "The exam of this accession number was cancelled: the images are of another one, or it has to be entered again.",
    "PID ERROR": "The exam is another patient's than the images say: choose whose they are.",
}
#: What can be done with several studies at once, by its name in the address.
AT_ONCE = {"fix": "MAGB CORRECT FIX", "delete": "MAGB CORRECT DELETE", "undo": "MAGB CORRECT UNDO"}

_LINE = '<text x="240" y="{}" fill="#eee" font-family="sans-serif" font-size="22" text-anchor="middle">{}</text>'
_NO_PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 480"><rect width="480" height="480" fill="#333"/>'
    + _LINE.format(235, "No picture: its file lies in a")
    + _LINE.format(265, "spool out of reach from here.")
    + "</svg>"
).encode()
_FILE = select(DicomFailedImage.file_path).where(DicomFailedImage.ien == bindparam("entry"), DicomFailedImage.removed.is_(False))


@dataclass(frozen=True, slots=True)
class Compared:
    """One field of a study beside a candidate's: `mark` is SAME, NEARLY, UNLIKE, or UNKNOWN where one of them has none."""

    given: str
    has: str
    mark: str


@dataclass(frozen=True, slots=True)
class Dealt:
    """A study among several that are dealt with at once: who it is taken for, and what came of it."""

    entry: Mapping[str, Any]
    candidate: Mapping[str, Any] | None
    clear: bool = True
    outcome: str = ""
    refused: str = ""


def compared(field: Mapping[str, Any]) -> Compared:
    """Mark a field of a candidate."""
    given, has, score = str(field["given"] or ""), str(field["has"] or ""), float(field["score"])
    mark = "UNKNOWN" if not given or not has else "SAME" if score >= 1 else "NEARLY" if score >= NEARLY else "UNLIKE"
    return Compared(given, has, mark)


def clear_cut(candidates: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether the first of some candidates is so much likelier than the others that nobody has to choose."""
    scores = [float(it["score"]) for it in candidates[:2]] + [0.0, 0.0]
    return scores[0] >= CLEAR_SCORE and scores[0] - scores[1] >= CLEAR_LEAD


def fields_for(candidate: Mapping[str, Any]) -> dict[str, str]:
    """Give what a correction is asked for a candidate."""
    return {name: str(candidate[name]) for name in ("name", "patient_id", "accession") if candidate.get(name)}


async def list_page(frame: Frame, ask: Ask) -> str:
    """List the studies."""
    after = {"after": ask.values["after"]} if ask.values.get("after") else {}
    answer = await frame.run("MAGB CORRECT LIST", ask, {"limit": ROWS, **after})
    following = answer["next"]
    return frame.page(
        "correct_list.html" if ask.partial else "correct.html",
        ask,
        entries=answer["entries"],
        reasons=REASONS,
        again=address("/correct", after),
        first=bool(after),
        next_page="" if following is None else address("/correct", {"after": following}),
    )


async def study_page(frame: Frame, ask: Ask, entry: str) -> str:
    """Show one study: what it came with, who it may be of; what became of it when it is not on the list any more."""
    uid = ask.values.get("uid", "")
    try:
        found = await frame.run("MAGB CORRECT LIST", ask, {"study": entry, "limit": ROWS})
        study = found["entries"][0]
        uid = study["image_uid"]
        asked = await frame.run("MAGB CORRECT CANDIDATES", ask, {"study": entry, "limit": CANDIDATES})
    except NotFound:
        if not uid:
            raise
        return await _gone(frame, ask, entry, uid)
    candidates = asked["candidates"]
    names = [field["field"] for field in candidates[0]["fields"]] if candidates else []
    return frame.page(
        "correct_study_state.html" if ask.partial else "correct_study.html",
        ask,
        entry=entry,
        uid=uid,
        study=study,
        images=found["entries"],
        given=asked["given"],
        candidates=candidates,
        choices=[address("/do/correct/fix", {"study": entry, **fields_for(it)}) for it in candidates],
        rows={name: [compared(_named(it["fields"], name)) for it in candidates] for name in names},
        reasons=REASONS,
        story=await _story(frame, ask, uid),
    )


def _named(fields: Iterable[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """Give a field by its name; one that cannot be compared is empty on both sides."""
    return next((it for it in fields if it["field"] == name), {"given": "", "has": "", "score": 0.0})


async def _story(frame: Frame, ask: Ask, uid: str) -> Mapping[str, Any] | None:
    try:
        told: Mapping[str, Any] = await frame.run("MAGB IMAGE STORY", ask, {"image": uid})
    except (ActionError, Away):
        return None
    return told


async def _gone(frame: Frame, ask: Ask, entry: str, uid: str) -> str:
    story = await _story(frame, ask, uid)
    template = "correct_study_state.html" if ask.partial else "correct_study.html"
    return frame.page(template, ask, entry=entry, uid=uid, study=None, story=story, reasons=REASONS)


async def picture(frame: Frame, ask: Ask, entry: str) -> bytes:
    """Give a picture of a study's first image, whose file lies in the spool of a gateway on this machine."""
    frame.runner.check(ask.visitor.caller, "MAGB CORRECT LIST")

    def look(connection: Connection) -> str | None:
        return connection.execute(_FILE, {"entry": int(entry)}).scalar() if entry.isdigit() and len(entry) < 10 else None

    path = await frame.runner.scan(look)
    file = None if path is None else in_spool(frame.runner.dispatcher.environment.data, path)
    if file is None:
        return _no_picture(ask)
    try:
        made = await frame.renderer.render(file, Rendering(viewport=Viewport(SIDE, SIDE), placeholder=True))
    except RendererBusy as error:
        raise TooMany from error
    except (RenderingError, OSError):
        return _no_picture(ask)
    await frame.runner.record(ask.visitor.caller, "CORRECT PICTURE", {"STUDY": entry}, f"CORRECT entry {entry}")
    ask.request.setHeader("Content-Type", made.media_type)
    return made.data


def _no_picture(ask: Ask) -> bytes:
    ask.request.setHeader("Content-Type", "image/svg+xml")
    return _NO_PICTURE


def in_spool(data: Path, path: str) -> Path | None:
    """Give a file that a gateway named, if it lies in the spool of this data directory's gateway; None for any other."""
    spool = (data / "gateway" / "spool").resolve()
    file = Path(path).resolve()
    return file if file.is_relative_to(spool) and file.is_file() else None


async def at_once_page(frame: Frame, ask: Ask, what: str) -> str:
    """Deal with several studies: show for whom each is taken, then fix, delete or take back those that are ticked."""
    name = AT_ONCE.get(what)
    if name is None:
        raise NoSuchPage
    frame.require(ask, name)
    studies = list(dict.fromkeys(filter(None, ask.values.get("study", "").split(","))))
    if not studies or len(studies) > MOST_AT_ONCE:
        raise BadRequest(f"Tick studies first, {MOST_AT_ONCE} at most.")
    dealt = [await _deal(frame, ask, what, study) for study in studies]
    if ask.posted:
        ask.request.setHeader("HX-Trigger", "done")
    template = "correct_at_once.html" if ask.partial else "correct_at_once_alone.html"
    return frame.page(template, ask, what=what, dealt=dealt, posted=ask.posted, reason=ask.values.get("reason", ""))


async def _deal(frame: Frame, ask: Ask, what: str, study: str) -> Dealt:
    """Deal with one study, or only say who it would be taken for."""
    entry: Mapping[str, Any] = {"ien": study, "name": "", "patient_id": "", "accession": "", "reason": ""}
    try:
        entry = (await frame.run("MAGB CORRECT LIST", ask, {"study": study, "limit": 1}))["entries"][0]
        candidates: list[Mapping[str, Any]] = []
        if what == "fix":
            candidates = (await frame.run("MAGB CORRECT CANDIDATES", ask, {"study": study, "limit": 2}))["candidates"]
        best = candidates[0] if candidates else None
        clear = what != "fix" or clear_cut(candidates)
        if not ask.posted:
            return Dealt(entry, best, clear)
        if what == "fix" and best is None:
            return Dealt(entry, None, refused="Nobody is like this study; fix it by itself.")
        asked = fields_for(best) if best is not None else {}
        if what == "delete":
            asked = {"reason": ask.values.get("reason", "")}
        await frame.run(AT_ONCE[what], ask, {"study": study, **asked})
    except ActionError as error:
        return Dealt(entry, None, refused=str(error))
    return Dealt(entry, best, clear, outcome="done")


ROUTES = (
    Route("/correct", list_page),
    Route("/correct/study/<entry>", study_page),
    Route("/correct/picture/<entry>", picture),
    Route("/correct/at-once/<what>", at_once_page, ("GET", "POST")),
)
