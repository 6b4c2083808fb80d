"""Routing that a radiologist asks for: exams listed with what may be chosen, and put into the queues (MAGJ ROUTE *)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, bindparam, func, select

from fileman import from_fileman, to_fileman
from fileman.files import Exam, Image, NetworkLocation, Patient, Report
from rpcs.background_queue import Work, enqueue, waiting
from rpcs.call import Call
from rpcs.export.requests import QUEUED_TYPES, ExportRequest, request_export
from rpcs.look_ups.exams import find_at_place
from rpcs.numbers import whole
from rpcs.registry import Access, listed, procedure
from rules.evaluator.queueing import Copies, Origin, queue_copies
from xwb import ResultType

#: The keys whose holders may route on demand: copies, DICOM objects.
COPY_KEY, DICOM_KEY = "MAGJ DEMAND ROUTE", "MAGJ DEMAND ROUTE DICOM"
PRIORITIES = (("900", "STAT"), ("750", "High"), ("500", "Medium"), ("250", "Low"))
DO_NOT = "[Do Not Route]"
DICOM_SUFFIX = "DCM"
#: The queue of images that are to be brought from the jukebox.
JUKEBOX_TO_DISK = "JBTOHD"
_NOT_OFFERED = "Destination is not available"

_DESCRIBED = (
    select(
        Patient.name,
        func.coalesce(
            Exam.report, select(func.min(Report.ien)).where(Report.exam == Exam.ien).correlate(Exam).scalar_subquery()
        ).label("report"),
    )
    .select_from(Exam)
    .join(Patient, Patient.dfn == Exam.patient)
    .where(Exam.ien == bindparam("exam"))
)
_IMAGES = (
    select(Image.ien, Image.procedure, Image.location, Image.big_location, Image.acquisition_site)
    .where(Image.report == bindparam("of_report"), Image.object_type.in_(QUEUED_TYPES))
    .order_by(func.coalesce(Image.parent, Image.ien), Image.group_sequence, Image.ien)
)
_SEND = select(NetworkLocation.send).where(NetworkLocation.ien == bindparam("location"))


@dataclass(slots=True)
class Refusals:
    """Exams that nothing can be done about, and why."""

    header: str
    texts: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Give the lines that tell of them."""
        if not self.texts:
            return []
        return ["*ERROR", f"{len(self.texts)} Exams Not Able to be {self.header}", *self.texts, "*END"]


@procedure("MAGJ ROUTE ENABLE", access=Access.SESSION, routine="RTENA^MAGJRT")
def route_enable(call: Call) -> str:
    """Answer TRUE when the user holds a key to routing on demand and there is somewhere to route to, FALSE otherwise."""
    return "TRUE" if _destinations(call) else "FALSE"


def _destinations(call: Call) -> list[str]:
    """Give `ien^name` of the places that the user's keys let images be sent to."""
    keys = call.site.keys_of(call.session.duz)
    found = []
    if COPY_KEY in keys:
        routers = sorted(call.site.locations.values(), key=lambda it: it.ien)
        found += [f"{it.ien}^{it.name}" for it in routers if it.router and it.online and it.kind != "JUKEBOX"]
    if DICOM_KEY in keys:
        by_name: dict[str, dict[int, int]] = {}
        for it in call.site.destinations:
            if it.name and it.location in (0, call.session.division):
                by_name.setdefault(it.name, {})[it.location] = it.ien
        for name, places in sorted(by_name.items()):
            one = len(places) == 1
            found += [f"{ien}DCM^dcm {name if one else f'{name} ({place})'}" for place, ien in sorted(places.items())]
    return found


@procedure(
    "MAGJ ROUTE REQUEST",
    returns=ResultType.GLOBAL_ARRAY,
    access=Access.WRITES,
    routine="RTREQ^MAGJRT",
    parameters=(listed("DATA", 50, required=True),),
)
def route_request(call: Call) -> list[str]:
    """Answer which exams, elements `patient^inverse date^number^report`, can be routed, and what may be chosen for them.

    The first line is `exams^1~Route Exams to Selected Locations`, or `0^0~Unable to Route any Exams`. Below a heading come
    `^case^patient^procedure^time^status^modality|pointers||`, then prompts for destination and priority; at the end exams that
    cannot be routed: without images, or with images on the jukebox only, which are asked for.
    """
    refused, exams = Refusals("Routed"), []
    for element in call.list(0).values():
        line = _describe(call, element, refused)
        exams += [line] if line else []
    if not exams:
        return ["0^0~Unable to Route any Exams", *refused.lines()]
    heading = "^Case #^Patient^Procedure^Image Date/Time^Status^Modality"
    fill = "AUTOFILL" if len(exams) > 1 else ""
    where = ["*PROMPT", f"DROP^Route To^{fill}^{DO_NOT}", f"0^{DO_NOT}", *_destinations(call), "*END"]
    when = ["*PROMPT", f"DROP^Priority^{fill}^Medium", *(f"{number}^{word}" for number, word in PRIORITIES), "*END"]
    first = f"{len(exams)}^1~Route Exams to Selected Locations"
    return [first, heading, *exams, "*END", *where, *when, *refused.lines()]


def _describe(call: Call, element: str, refused: Refusals) -> str:
    patient, inverse, number, report = [*element.split("^"), *[""] * 4][:4]
    exam = find_at_place(call.connection, patient, inverse, number)
    described = call.connection.execute(_DESCRIBED, {"exam": exam.ien}).first() if exam is not None else None
    if exam is None or described is None:
        refused.texts.append(f"Request has Invalid Case Pointer ({patient}^{inverse}^{number}^{whole(report)}).")
        return ""
    case = exam.site_accession or exam.accession
    images = _images(call, described.report)
    away = [image for image in images if not _is_at_hand(call, image)]
    if away:
        _fetch(call, away)
        refused.texts.append(f"Case #{case}--Images have been requested from Jukebox; try again later.")
        return ""
    if not images:
        refused.texts.append(f"Case #{case}--No Images exist for exam.")
        return ""
    modality = next((image.procedure for image in images if image.procedure), "")
    pointers = f"{patient}^{inverse}^{number}^{described.report or ''}"
    modality = "CR" if modality == "DR" else modality
    shown = (case, described.name[:30], exam.procedure[:35], _time(exam.exam_date), exam.status, modality)
    return f"^{'^'.join(shown)}|{pointers}||"


def _images(call: Call, report: int | None) -> Sequence[Row[*tuple[Any, ...]]]:
    return call.connection.execute(_IMAGES, {"of_report": report}).all() if report else []


def _is_at_hand(call: Call, image: Row[*tuple[Any, ...]]) -> bool:
    location = call.site.locations.get(image.big_location or image.location or 0)
    return location is not None and location.online


def _fetch(call: Call, images: Sequence[Row[*tuple[Any, ...]]]) -> None:
    """Ask for images to be brought from the jukebox (JBTOHD^MAGBAPI); once is enough."""
    places = call.site.places
    place = call.site.place_of(call.session.division) or (places[0] if places else None)
    if place is None:
        return
    asked = [image.ien for image in images]
    there = waiting(call, place.ien, JUKEBOX_TO_DISK, asked)
    works = [Work(place.ien, JUKEBOX_TO_DISK, image) for image in asked if image not in there]
    enqueue(call.connection, works, call.session.duz, call.clock.now())


def _time(text: str) -> str:
    """Write an exam's moment: JUN 10,2024@09:30."""
    moment = from_fileman(text)
    return f"{moment:%b} {moment.day},{moment.year}@{moment:%H:%M}".upper()


@procedure(
    "MAGJ ROUTE EXAMS",
    returns=ResultType.GLOBAL_ARRAY,
    access=Access.WRITES,
    routine="RTEXAM^MAGJRT",
    parameters=(listed("DATA", 50, required=True),),
)
def route_exams(call: Call) -> list[str]:
    """Queue the images of exams, elements `destination^priority|patient^inverse date^number^report`; answer how many exams.

    A destination is one of those that MAGJ ROUTE REQUEST offers this user: the IEN of a router's network location, or that of a
    DICOM destination followed by DCM; 0 leaves the exam out. The first line is `lines^1~n Exams were queued to be routed.`, or
    `lines^0~Unable to queue any exams for routing.`; the lines after it tell of exams with another destination, without report
    or images, and of those of which no image could be queued.
    """
    refused, queued = Refusals("Queued"), 0
    offered = {place.partition("^")[0] for place in _destinations(call)}
    for element in call.list(0).values():
        where, _, pointers = element.partition("|")
        destination, priority = [*where.split("^"), ""][:2]
        if not whole(destination):
            continue
        why = _queue_exam(call, pointers, destination, whole(priority) or 500) if destination in offered else _NOT_OFFERED
        if why:
            refused.texts.append(f"Exam not queued: {why} ({element})")
        else:
            queued += 1
    reply = f"1~{queued} Exam{'' if queued == 1 else 's'} were queued to be routed."
    lines = refused.lines()
    return [f"{len(lines)}^{reply if queued else '0~Unable to queue any exams for routing.'}", *lines]


def _queue_exam(call: Call, pointers: str, destination: str, priority: int) -> str:
    """Put the images of an exam into the queue of its destination's kind (SEND^MAGBRTUT); say why none was, empty otherwise."""
    report = whole([*pointers.split("^"), *[""] * 4][3])
    if not report:
        return "Missing exam pointer information for exam"
    images = _images(call, report)
    if not images:
        return "No images found"
    send = _export if destination.endswith(DICOM_SUFFIX) else _copy
    return "" if send(call, images, whole(destination), priority) else "No image could be queued"


def _origin(call: Call, image: Row[*tuple[Any, ...]]) -> Origin:
    location = image.acquisition_site or call.session.division or call.site.settings.default_institution
    return Origin(location, to_fileman(call.clock.now()), call.clock.seconds())


def _copy(call: Call, images: Sequence[Row[*tuple[Any, ...]]], location: int, priority: int) -> bool:
    """Have images copied to a router's location; false when it takes no files."""
    kinds = call.connection.execute(_SEND, {"location": location}).scalar() or ""
    copies = Copies(location, priority, [kind for kind in kinds.split(",") if kind])
    for image in images:
        queue_copies(call.connection, image.ien, copies, _origin(call, image))
    return bool(copies.file_types)


def _export(call: Call, images: Sequence[Row[*tuple[Any, ...]]], destination: int, priority: int) -> bool:
    """Have images sent to a DICOM destination; false when none of them could be queued."""
    name = next(it.name for it in call.site.destinations if it.ien == destination)
    requests = [ExportRequest(image.ien, name, _origin(call, image), priority=priority) for image in images]
    return sum(request_export(call, request).images for request in requests) > 0
