"""What a person does with the queues: see how long they are and what stands in them, let wait again, hurry, redirect, delete.

Everybody who may use the context may look; a change takes the key MAG SYSTEM.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rpcs.actions import parameters as takes
from rpcs.actions.action import Act, action
from rpcs.actions.errors import BadRequest, NotFound, RefusedAction
from rpcs.actions.rules import KEY
from rpcs.queues import (
    QUEUES,
    SENDING_QUEUES,
    Errand,
    Filter,
    Lot,
    NoSuchPlace,
    Queue,
    QueueError,
    depths_of,
    page_of,
)

#: Entries that are listed at once, and that may be named in one call.
MOST_LISTED, MOST_NAMED = 500, 5000
#: Entries that were not found are named so many at most.
MOST_MISSING = 10
#: The largest priority, and the longest time, in days.
MOST_PRIORITY, MOST_DAYS = 32767, 10_000
_STATUSES = tuple(dict.fromkeys(status for queue in QUEUES.values() for status in queue.statuses))
_ORDERS = tuple(dict.fromkeys(order.name for queue in QUEUES.values() for order in queue.orders))

_QUEUE = takes.choice("QUEUE", "Which queue.", tuple(QUEUES), required=True)
_SENDING = takes.choice("QUEUE", "Which queue.", tuple(SENDING_QUEUES), required=True)
_ENTRIES = takes.text("ENTRIES", "These entries, parted by commas: export^image of EXPORT, numbers of the others.")
_DESTINATION = takes.text(
    "DESTINATION", "Those for a destination: a transmit destination of EXPORT, a router's location of SEND."
)
_LOCATION = takes.number("LOCATION", "Those of an institution.")


@contextmanager
def _explained() -> Iterator[None]:
    """Say in an action's words what is wrong with what was asked of a queue."""
    try:
        yield
    except NoSuchPlace as error:
        raise NotFound(str(error)) from error
    except QueueError as error:
        raise BadRequest(str(error)) from error


def _statuses(act: Act, queue: Queue) -> tuple[str, ...]:
    """Read STATUS. Raises BadRequest for one that entries of the queue do not have."""
    status = act.text("STATUS")
    if status and status not in queue.statuses:
        raise BadRequest(f"Entries of {queue.name} are {', '.join(queue.statuses)}, not {status}.")
    return (status,) if status else ()


@action(
    "MAGB QUEUE DEPTHS",
    takes.choice("QUEUE", "Of this queue only.", tuple(QUEUES)),
    takes.number("LOCATION", "Of this institution only."),
    lists={"queues": ("queue", "location", "name", "destination", "status", "entries")},
)
def queue_depths(act: Act) -> dict[str, Any]:
    """Tell how many entries each queue has, by location, destination and status.

    Nothing is counted beyond 10,000, which stands for that many or more; `more` says that there are more rows than the 400 that
    are given: name a QUEUE or a LOCATION then.
    """
    depths, more = depths_of(act.connection, act.text("QUEUE"), act.number("LOCATION"))
    return {"queues": depths, "more": more}


@action(
    "MAGB QUEUE LIST",
    _QUEUE,
    takes.choice("STATUS", "Those in this status.", _STATUSES),
    _DESTINATION,
    _LOCATION,
    takes.number("IMAGE", "Those of this image."),
    takes.choice("ORDER", "By number, as transmitters take them, or the longest in their status first.", _ORDERS),
    takes.text("AFTER", "Behind the entry of this place: what a page gave as `next`."),
    takes.limit(MOST_LISTED),
    lists={"entries": ("entry", "image", "location", "destination", "status", "status_at", "priority", "file", "reason")},
)
def queue_list(act: Act) -> dict[str, Any]:
    """List entries of QUEUE: all, or those of STATUS, DESTINATION, LOCATION, IMAGE; LIMIT at most, behind AFTER.

    ORDER is NUMBER, the oldest entry first; PRIORITY, as transmitters take them: the highest first, the oldest in it; AGE, the
    longest in its status first. What an index cannot find in an order is refused with what it can. Without ORDER it is the
    first of these that goes with what is asked. `next` is what to give as AFTER for the next page, and null on the last.
    """
    queue = QUEUES[act.text("QUEUE")]
    filter = Filter(_statuses(act, queue), act.text("DESTINATION"), act.number("LOCATION"), act.number("IMAGE"))
    with _explained():
        page, following = page_of(act.connection, queue, filter, act.text("ORDER"), act.text("AFTER"), act.number("LIMIT"))
    return {"entries": page, "next": following}


def _errand(act: Act, statuses: tuple[str, ...] = ()) -> Errand:
    """Read which entries are meant. Raises BadRequest unless they are named, or said by a filter, one of the two."""
    named = tuple(dict.fromkeys(filter(None, (text.strip() for text in act.text("ENTRIES").split(",")))))
    if len(named) > MOST_NAMED:
        raise BadRequest(f"At most {MOST_NAMED} entries are changed at once.")
    wanted = Filter(statuses, act.text("DESTINATION"), act.number("LOCATION"))
    if bool(named) == bool(str(wanted)):
        raise BadRequest("Either ENTRIES says what is meant, or DESTINATION, LOCATION and STATUS do.")
    return Errand(act.connection, act.caller.name, act.clock, named, wanted)


def _carried_out(act: Act, errand: Errand, queue: Queue, work: Callable[[], Lot]) -> dict[str, Any]:
    """Do something to entries, and tell what was done. Raises NotFound where there is none of those that are named."""
    with _explained():
        lot = work()
    missing = [left.entry for left in lot.left if not left.status]
    if errand.named and len(missing) == len(errand.named):
        more = f" and {len(missing) - MOST_MISSING} more" if len(missing) > MOST_MISSING else ""
        raise NotFound(f"{queue.name} has no such entry: {', '.join(missing[:MOST_MISSING])}{more}.")
    busy = [left.entry for left in lot.left if left.status == queue.busy] if queue.busy else []
    if errand.named and not lot.steps and busy:
        raise RefusedAction(f"Being sent: {', '.join(busy[:MOST_MISSING])}. Wait for what comes of it, or for it to wait again.")
    if errand.named:
        for step in lot.steps:
            act.changed(f"{queue.name.lower()} entry {step.entry}", step.before, step.after)
    elif lot.steps:
        subject = f"{queue.name.lower()} queue, {errand.filter}"
        act.changed(subject, {"entries": _ends_of([step.entry for step in lot.steps])}, {"changed": lot.entries})
    return {"entries": lot.entries, "left": lot.left, "more": lot.more}


def _ends_of(names: Sequence[str]) -> Sequence[str]:
    """Give the first and the last of some names, which is all that the audit of a lot has room for."""
    return names if len(names) < 3 else [names[0], "...", names[-1]]


@action(
    "MAGB QUEUE REQUEUE",
    _QUEUE,
    _ENTRIES,
    _DESTINATION,
    _LOCATION,
    takes.flag("ALL", "Whatever failed in the whole queue."),
    writes=True,
    key=KEY,
)
def queue_requeue(act: Act) -> dict[str, Any]:
    """Let entries wait again: ENTRIES that failed, were sent or skipped, or all that failed for DESTINATION, of LOCATION, or ALL.

    Of an image that waits for the same destination already, or for the same work, only that entry is left. What was sent is sent
    again, marked so. For a destination that is held they are held. `left` names those of ENTRIES that are as they were, with the
    status, empty where there is none; `more` tells to call again: one call does 1,000 at most, 500 of SEND.
    """
    queue = QUEUES[act.text("QUEUE")]
    errand = _errand(act, queue.failed if act.flag("ALL") or not act.text("ENTRIES") else ())
    if not (errand.named or act.flag("ALL") or errand.filter.destination or errand.filter.location):
        raise BadRequest("Say which: ENTRIES, DESTINATION or LOCATION, or ALL 1 for whatever failed in the queue.")
    return _carried_out(act, errand, queue, lambda: queue.requeue(errand))


@action(
    "MAGB QUEUE PRIORITY",
    _SENDING,
    takes.number("PRIORITY", "From 0 up; the highest is sent first.", required=True, least=0, most=MOST_PRIORITY),
    _ENTRIES,
    _DESTINATION,
    _LOCATION,
    writes=True,
    key=KEY,
)
def queue_priority(act: Act) -> dict[str, Any]:
    """Give entries that wait another PRIORITY: ENTRIES, or all for DESTINATION or of LOCATION; the next one sent is by it.

    An export is sent together: all of its images get the priority. What is being sent is finished. `left` names those of ENTRIES
    that do not wait; `more` tells to call again.
    """
    queue = SENDING_QUEUES[act.text("QUEUE")]
    errand, priority = _errand(act), act.number("PRIORITY")
    return _carried_out(act, errand, queue, lambda: queue.set_priority(errand, priority))


@action(
    "MAGB QUEUE DESTINATION",
    _SENDING,
    takes.text("TO", "The destination that they are for from now on.", required=True),
    _ENTRIES,
    _DESTINATION,
    _LOCATION,
    writes=True,
    key=KEY,
)
def queue_destination(act: Act) -> dict[str, Any]:
    """Give entries that wait, are held or failed to the destination TO: ENTRIES, or all for DESTINATION or of LOCATION.

    An image that is under way there is not queued twice. Of SEND, files of a type that the router's location does not take are
    left. `left` names those of ENTRIES that are as they were; `more` tells to call again.
    """
    queue = SENDING_QUEUES[act.text("QUEUE")]
    errand = _errand(act)
    return _carried_out(act, errand, queue, lambda: queue.redirect(errand, act.text("TO")))


@action(
    "MAGB QUEUE PURGE",
    _QUEUE,
    _ENTRIES,
    takes.choice("STATUS", "All in this status.", _STATUSES),
    takes.number("DAYS", "Only those that have been so for more days than that.", least=0, most=MOST_DAYS),
    _DESTINATION,
    _LOCATION,
    writes=True,
    key=KEY,
    destroys="Delete these entries? What they stand for is not done then.",
)
def queue_purge(act: Act) -> dict[str, Any]:
    """Delete ENTRIES, or those in STATUS, of DESTINATION and LOCATION where these are given, for more than DAYS.

    What is being sent is refused. Of a background queue DAYS count from the request. `left` names those of ENTRIES that are as
    they were; `more` tells to call again: one call does 1,000 at most, 500 of SEND.
    """
    queue = QUEUES[act.text("QUEUE")]
    statuses = _statuses(act, queue)
    errand = _errand(act, statuses)
    if not (errand.named or statuses):
        raise BadRequest("Say ENTRIES, or the STATUS of those to be deleted.")
    if queue.busy and queue.busy in statuses:
        raise RefusedAction(f"What is {queue.busy} is being sent: wait for what comes of it, or for it to wait again.")
    return _carried_out(act, errand, queue, lambda: queue.purge(errand, act.number("DAYS")))
