"""ACQUIRED and PROCESSED: statistics, and the queues that an image enters when its file is in place (MAGDIR82)."""

from __future__ import annotations

from datetime import date

from sqlalchemy import bindparam, func, select, update

from fileman import derived_file_types, expect_derived_files, from_fileman, to_fileman
from fileman.files import BackgroundQueue, Image, ImageAudit, ImagingSite, SendQueue
from rpcs.background_queue import Work, enqueue, waits
from rpcs.call import Call
from rpcs.image_processing.counts import count
from rpcs.image_processing.messages import Messages, Results
from rpcs.image_processing.request import Item
from rpcs.image_processing.store import remember_current
from rpcs.numbers import subscript
from rpcs.site import PlaceData
from xwb import m_number

ROUTINE = "MAGDIR82"
#: Days without routing after which a gateway that asks for it is warned, once a day.
QUIET_DAYS = 7
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_UID = select(Image.uid, Image.file_ref, Image.big_extension).where(Image.ien == bindparam("ien"))
_DELETED = select(ImageAudit.uid).where(ImageAudit.ien == bindparam("ien"))
_ROUTED = select(ImagingSite.last_routing, ImagingSite.last_routing_warning).where(ImagingSite.ien == bindparam("place_"))
_WARNED = update(ImagingSite).where(ImagingSite.ien == bindparam("place_")).values(last_routing_warning=bindparam("today"))
_EVALUATED = select(func.count()).where(
    BackgroundQueue.place == bindparam("place_"), BackgroundQueue.queue == "EVAL", BackgroundQueue.status == "NOT_PROCESSED"
)
_SENT = select(func.count()).where(SendQueue.origin == bindparam("origin_"), SendQueue.status == "WAITING")


def acquired(call: Call, item: Item) -> None:
    """Count an object that an instrument has sent; nothing is answered."""
    _status, location, instrument = item.pieces(3)
    count(call, location, instrument, "acquired")


def processed(call: Call, item: Item, results: Results) -> tuple[int, str] | None:
    """Queue a filed image for the jukebox and, when asked, for the rule evaluator; answer the arguments back.

    An image that waits for the jukebox is not queued twice. Its abstract and other files that are made later are awaited from
    now on. Codes: -401 and -403 (not consolidated, consolidated) when it
    cannot be queued for the jukebox, -405 besides, once a day, when nothing was routed for a week. Gives the image and its
    UID, None for an image that is not on file.
    """
    _status, location, instrument, pointer, counted, evaluate, machine = item.pieces(7)
    if m_number(counted):
        count(call, location, instrument, "processed")
        remember_current(call, machine, "")
    if m_number(pointer) < 0:
        results.add("PROCESSED", _echo(item))
        return None
    messages, code = Messages(), ""
    place = _place(call, location)
    image = subscript(pointer)
    filed = call.connection.execute(_UID, {"ien": image}).first()
    row = filed or call.connection.execute(_DELETED, {"ien": image}).first()
    works = []
    if row is None or place is None:
        code += _not_queued(call, messages, pointer, location)
    elif not waits(call, place.ien, Work("JUKEBOX", image)):
        works.append(Work("JUKEBOX", image))
    if m_number(evaluate):
        code += _warn_of_silence(call, messages, location)
        if place is not None and image:
            works.append(Work("EVAL", image))
    if place is not None:
        enqueue(call, place.ien, works)
    if filed is not None and filed.file_ref:
        types = derived_file_types(filed.file_ref, filed.big_extension)
        expect_derived_files(call.connection, image, types, call.clock.seconds())
    if code:
        results.error("PROCESSED", code, ROUTINE, messages)
    else:
        results.add("PROCESSED", _echo(item))
    return None if row is None or place is None else (image, str(row.uid))


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


def _warn_of_silence(call: Call, messages: Messages, location: str) -> str:
    """Warn, once a day, when images are to be routed and nothing was for a week (WARNROUT)."""
    place = call.site.place_of(location)
    row = None if place is None else call.connection.execute(_ROUTED, {"place_": place.ien}).first()
    if place is None or row is None or not row.last_routing:
        return ""
    today = call.clock.now().date()
    last = from_fileman(row.last_routing).date()
    if (today - last).days < QUIET_DAYS or row.last_routing_warning >= to_fileman(today):
        return ""
    waiting = call.connection.execute(_EVALUATED, {"place_": place.ien}).scalar_one()
    origin = subscript(location)
    sending = call.connection.execute(_SENT, {"origin_": origin}).scalar_one()
    if messages.lines:
        messages.lines.append(" ")
    messages.lines += _silence(last, waiting, sending)
    messages.local_error(ROUTINE)
    call.connection.execute(_WARNED, {"place_": place.ien, "today": to_fileman(today)})
    return "-405"


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
