"""ACQUIRED and PROCESSED: statistics, and the queues that an image enters when its file is in place (MAGDIR82)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import date
from typing import NamedTuple

from sqlalchemy import bindparam, func, select, update

from fileman import derived_file_types, from_fileman, to_fileman
from fileman.files import BackgroundQueue, ImageAudit, ImagingSite, SendQueue
from rpcs.background_queue import Work, waiting
from rpcs.call import Call
from rpcs.image_processing.found import FilesOf, Found
from rpcs.image_processing.messages import Messages, Results
from rpcs.image_processing.pending import Pending
from rpcs.image_processing.request import Item
from rpcs.numbers import subscript
from rpcs.site import PlaceData
from xwb import m_number

ROUTINE = "MAGDIR82"
#: Days without routing after which a gateway that asks for it is warned, once a day.
QUIET_DAYS = 7
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_DELETED = select(ImageAudit.uid).where(ImageAudit.ien == bindparam("ien"))
_ROUTED = select(ImagingSite.last_routing, ImagingSite.last_routing_warning).where(ImagingSite.ien == bindparam("place_"))
_WARNED = update(ImagingSite).where(ImagingSite.ien == bindparam("place_")).values(last_routing_warning=bindparam("today"))
_EVALUATED = select(func.count()).where(
    BackgroundQueue.place == bindparam("place_"), BackgroundQueue.queue == "EVAL", BackgroundQueue.status == "NOT_PROCESSED"
)
_SENT = select(func.count()).where(SendQueue.origin == bindparam("origin_"), SendQueue.status == "WAITING")


class _Routed(NamedTuple):
    """When a place last used routing, and when it was last warned that it does not (FileMan dates)."""

    last: str
    warned: str


def acquired(item: Item, pending: Pending) -> None:
    """Count an object that an instrument has sent; nothing is answered."""
    _status, location, instrument = item.pieces(3)
    pending.counts[location, instrument, "acquired"] += 1


def processed_images(items: Sequence[Item]) -> list[int]:
    """Name the images that the PROCESSED requests of a call are about."""
    return [image for it in items if it.opcode == "PROCESSED" and (image := subscript(it.pieces(4)[3]))]


@dataclass(slots=True)
class Processing:
    """The PROCESSED requests of one call: their images are looked for at once, and what they wait for is written at once.

    `in_place` gathers the images whose files are where they belong. Those of our own gateway that were `judged` before are not
    given to the rules again.
    """

    call: Call
    found: Found
    pending: Pending
    items: InitVar[Sequence[Item]]
    judged: Collection[int] = ()
    in_place: dict[int, None] = field(default_factory=dict)
    _waiting: dict[tuple[int, int], bool] = field(default_factory=dict)
    _routed: dict[int, _Routed | None] = field(default_factory=dict)

    def __post_init__(self, items: Sequence[Item]) -> None:
        """Look for the images, and for those that wait for the jukebox already."""
        images: dict[int, None] = {}
        by_place: dict[int, dict[int, None]] = {}
        for item in items:
            if item.opcode != "PROCESSED":
                continue
            _status, location, _instrument, pointer = item.pieces(4)
            image, place = subscript(pointer), _place(self.call, location)
            if image and place is not None:
                images[image] = by_place.setdefault(place.ien, {})[image] = None
        on_file = self.found.look_for_images(list(images))
        for place_ien, them in by_place.items():
            self._look_for_waiting(place_ien, [image for image in them if image in on_file])

    def processed(self, item: Item, results: Results) -> tuple[int, str] | None:
        """Queue a filed image for the jukebox and, when asked, for the rule evaluator; answer the arguments back.

        An image that waits for the jukebox is not queued twice. Its abstract and other files that are made later are awaited
        from now on. Codes: -401 and -403 (not consolidated, consolidated) when it cannot be queued for the jukebox, -405
        besides, once a day, when nothing was routed for a week. Gives the image and its UID, None for an image that is not on
        file or was judged before.
        """
        _status, location, instrument, pointer, counted, evaluate, machine = item.pieces(7)
        if m_number(counted):
            self.pending.counts[location, instrument, "processed"] += 1
            self.pending.set_current(machine, "")
        if m_number(pointer) < 0:
            results.add("PROCESSED", _echo(item))
            return None
        messages, code = Messages(), ""
        place, image = _place(self.call, location), subscript(pointer)
        filed = self._files_of(image)
        uid = self.call.connection.execute(_DELETED, {"ien": image}).scalar() if filed is None else filed.uid
        if uid is None or place is None:
            code += _not_queued(self.call, messages, pointer, location)
        elif not self._is_waiting(place.ien, image):
            self._waiting[place.ien, image] = True
            self.pending.works.append(Work(place.ien, "JUKEBOX", image))
        if m_number(evaluate):
            code += self._warn_of_silence(messages, location)
            if place is not None and image and image not in self.judged:
                self.pending.works.append(Work(place.ien, "EVAL", image))
        if filed is not None and filed.file_ref:
            self.in_place[image] = None
            self.pending.derived[image] = derived_file_types(filed.file_ref, filed.big_extension)
        if code:
            results.error("PROCESSED", code, ROUTINE, messages)
        else:
            results.add("PROCESSED", _echo(item))
        return None if uid is None or place is None or image in self.judged else (image, str(uid))

    def _look_for_waiting(self, place: int, images: Sequence[int]) -> None:
        there = waiting(self.call, place, "JUKEBOX", images)
        self._waiting.update(((place, image), image in there) for image in images)

    def _is_waiting(self, place: int, image: int) -> bool:
        if (place, image) not in self._waiting:
            self._look_for_waiting(place, [image])
        return self._waiting[place, image]

    def _files_of(self, image: int) -> FilesOf | None:
        if image in self.pending.images:
            self.pending.write()
        return self.found.files_of(image)

    def _warn_of_silence(self, messages: Messages, location: str) -> str:
        """Warn, once a day, when images are to be routed and nothing was for a week (WARNROUT)."""
        place = self.call.site.place_of(location)
        if place is None:
            return ""
        if place.ien not in self._routed:
            row = self.call.connection.execute(_ROUTED, {"place_": place.ien}).first()
            self._routed[place.ien] = None if row is None else _Routed(*row)
        routed = self._routed[place.ien]
        if routed is None or not routed.last:
            return ""
        today = self.call.clock.now().date()
        last = from_fileman(routed.last).date()
        if (today - last).days < QUIET_DAYS or routed.warned >= to_fileman(today):
            return ""
        self.pending.write()
        evaluating = self.call.connection.execute(_EVALUATED, {"place_": place.ien}).scalar_one()
        origin = subscript(location)
        sending = self.call.connection.execute(_SENT, {"origin_": origin}).scalar_one()
        if messages.lines:
            messages.lines.append(" ")
        messages.lines += _silence(last, evaluating, sending)
        messages.local_error(ROUTINE)
        self._routed[place.ien] = routed._replace(warned=to_fileman(today))
        self.call.connection.execute(_WARNED, {"place_": place.ien, "today": to_fileman(today)})
        return "-405"


def _echo(item: Item) -> str:
    """Give the arguments back, the status emptied."""
    return "|" + item.arguments.partition("|")[2]


def _place(call: Call, location: str) -> PlaceData | None:
    """Find the place whose queues take the image: of a site that is not consolidated the last one, as recorded."""
    if call.site.settings.consolidated:
        return call.site.place_of(location)
    return call.site.places[-1] if call.site.places else None


def _not_queued(call: Call, messages: Messages, pointer: str, location: str) -> str:
    consolidated = call.site.settings.consolidated
    messages.lines += [
        "JUKEBOX QUEUE CREATION ERROR:",
        "An image has not been entered into the jukebox queue.",
        f"Image pointer: {pointer}" + (f"   Location: {location}" if consolidated else ""),
    ]
    messages.local_error(ROUTINE)
    return "-403" if consolidated else "-401"


def _silence(last: date, waiting: int, sending: int) -> list[str]:
    return [
        f"More than a week has elapsed since {last.day}-{_MONTHS[last.month - 1]}-{last.year}",
        "when the last activity occurred that is related",
        "to the processing of Routed Image files.",
        " ",
        'The site parameter for "This is a Routing Site" is',
        "currently turned ON.",
        "If this site is no longer actively routing image files",
        "this site parameter must be turned OFF.",
        "This parameter needs to be turned OFF on each VistA",
        "DICOM Gateway that processes incoming images.",
        " ",
        f"There are currently {_entries(waiting)}",
        "waiting to be processed in the evaluation queue.",
        " ",
        f"There are currently {_entries(sending)}",
        "waiting to be processed in the transmission queue.",
        " ",
        "If this site is still a routing site, then both the",
        "Routing Rule Evaluator and the Routing Transmitter",
        "must be restarted.",
    ]


def _entries(number: int) -> str:
    return f"{number} entr{'y' if number == 1 else 'ies'}"
