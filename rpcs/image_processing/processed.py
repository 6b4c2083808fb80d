"""ACQUIRED and PROCESSED: statistics, and the queues that an image enters when its file is in place (MAGDIR82)."""

from __future__ import annotations

from sqlalchemy import bindparam, insert, select, update

from fileman import next_iens, to_fileman, upserts
from fileman.files import AcquisitionCount, BackgroundQueue, CurrentImage, Image
from rpcs.call import Call
from rpcs.image_processing.messages import Results, local_error
from rpcs.image_processing.request import Item

_UID = select(Image.uid).where(Image.ien == bindparam("ien"))
_QUEUE = insert(BackgroundQueue)
_CLEAR_CURRENT = update(CurrentImage).where(CurrentImage.machine == bindparam("of_machine")).values(uid="")
_KEY = [AcquisitionCount.day, AcquisitionCount.location, AcquisitionCount.instrument]
_COUNT = {
    "acquired": upserts(
        AcquisitionCount,
        lambda insert: insert.on_conflict_do_update(index_elements=_KEY, set_={"acquired": AcquisitionCount.acquired + 1}),
    ),
    "processed": upserts(
        AcquisitionCount,
        lambda insert: insert.on_conflict_do_update(index_elements=_KEY, set_={"processed": AcquisitionCount.processed + 1}),
    ),
}


def acquired(call: Call, item: Item) -> None:
    """Count an object that an instrument has sent; nothing is answered."""
    _status, location, instrument = item.pieces(3)
    _count(call, location, instrument, "acquired")


def processed(call: Call, item: Item, results: Results) -> tuple[int, str] | None:
    """Queue a filed image for the jukebox and, when asked, for the rule evaluator; answer the arguments back.

    Gives the image and its UID, None for an image that is not on file.
    """
    _status, location, instrument, pointer, count, evaluate, machine = item.pieces(7)
    if count.strip("0 "):
        _count(call, location, instrument, "processed")
        call.connection.execute(_CLEAR_CURRENT, {"of_machine": machine})
    image = int(pointer) if pointer.isdigit() else 0
    if pointer.startswith("-"):
        results.add("PROCESSED", _echo(item))
        return None
    uid = call.connection.execute(_UID, {"ien": image}).scalar()
    queues = [*(["JUKEBOX"] if uid is not None else []), *(["EVAL"] if evaluate.strip("0 ") and image else [])]
    _enter(call, queues, image, location)
    if uid is None:
        results.extend(_not_queued(call, pointer, location))
        return None
    results.add("PROCESSED", _echo(item))
    return image, str(uid)


def _echo(item: Item) -> str:
    """Give the arguments back, the status emptied."""
    return "|" + item.arguments.partition("|")[2]


def _count(call: Call, location: str, instrument: str, column: str) -> None:
    statement = _COUNT[column][call.connection.dialect.name]
    day = to_fileman(call.clock.now().date())
    counts = {"acquired": 0, "processed": 0, column: 1}
    call.connection.execute(statement, {"day": day, "location": location, "instrument": instrument, **counts})


def _enter(call: Call, queues: list[str], image: int, location: str) -> None:
    places = call.site.places
    place = call.site.place_of(location) or (places[0] if places else None)
    if not queues or place is None:
        return
    moment = to_fileman(call.clock.now())
    numbers = next_iens(call.connection, "background_queue", len(queues))
    rows = [
        {
            "ien": ien,
            "queue": queue,
            "duz": call.session.duz,
            "requested": moment,
            "status": "NOT_PROCESSED",
            "image": image,
            "place": place.ien,
        }
        for ien, queue in zip(numbers, queues, strict=True)
    ]
    call.connection.execute(_QUEUE, rows)


def _not_queued(call: Call, pointer: str, location: str) -> list[str]:
    consolidated = call.site.settings.consolidated
    code = "-403" if consolidated else "-401"
    messages = [
        "JUKEBOX QUEUE CREATION ERROR:",
        "An image has not been entered into the jukebox queue.",
        f"Image pointer: {pointer}" + (f"   Location: {location}" if consolidated else ""),
    ]
    return local_error("PROCESSED", code, "MAGDIR82", messages)
