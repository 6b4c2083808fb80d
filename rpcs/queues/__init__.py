"""The queues as people see and steer them, all in the same way: the export queue, the send queue, the background queues."""

from collections.abc import Mapping

from rpcs.queues.background_queue import QUEUES as BACKGROUND_QUEUES
from rpcs.queues.background_queue import BackgroundWork
from rpcs.queues.depths import depths_of
from rpcs.queues.entries import Errand, Filter, Lot, NoSuchPlace, Queue, QueueError, SendingQueue, page_of
from rpcs.queues.export_queue import ExportQueue
from rpcs.queues.send_queue import SendingCopies

#: Those whose entries go to a destination, and all of them, by name.
SENDING_QUEUES: Mapping[str, SendingQueue] = {it.name: it for it in (ExportQueue(), SendingCopies())}
QUEUES: Mapping[str, Queue] = {**SENDING_QUEUES, **{name: BackgroundWork(name) for name in BACKGROUND_QUEUES}}

__all__ = [
    "QUEUES",
    "SENDING_QUEUES",
    "Errand",
    "Filter",
    "Lot",
    "NoSuchPlace",
    "Queue",
    "QueueError",
    "SendingQueue",
    "depths_of",
    "page_of",
]
