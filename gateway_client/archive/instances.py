"""The instances that a retrieval is of, page by page, as the broker lists them (MAGB RETRIEVE, MAGB RECALL)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dul.status import OUT_OF_RESOURCES, UNABLE_TO_COUNT_MATCHES
from gateway_client.archive.pages import Asked, pieces, read_page
from gateway_client.errors import BrokerRefused

#: States of images: in a short-term location, in a long-term one only, in neither that is on line.
IN_STORE, NEAR_LINE, OFF_LINE = "INSTORE", "NEAR-LINE", "OFFLINE"
#: Instances of one page.
AT_ONCE = 500
#: Statuses of queries for which retrievals have others (PS3.4 C.4.2.1.5).
_OF_RETRIEVALS = {OUT_OF_RESOURCES: UNABLE_TO_COUNT_MATCHES}
#: What MAGB RECALL answers besides of an image that is asked for.
WAITING = "WAITING"


@dataclass(frozen=True, slots=True)
class Held:
    """An instance of the archive: what it is, which IMAGE, where its file lies as the broker says it; its size may be unknown."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    image: int
    path: str
    state: str
    size: int = 0

    @classmethod
    def read(cls, row: Any) -> Held:
        """Read a row of MAGB RETRIEVE. Raises BrokerRefused."""
        try:
            sop_class, sop_instance, syntax, image, _digest, path, state, _location, size, *_more = row
            return cls(str(sop_class), str(sop_instance), str(syntax), int(image), str(path), str(state), int(size or 0))
        except (ValueError, TypeError) as error:
            raise BrokerRefused(f"MAGB RETRIEVE answers {str(row)[:80]}.") from error


@dataclass(frozen=True, slots=True)
class Recalled:
    """What became of an image that was asked back from a long-term location; `path` where it is in store again."""

    image: int
    state: str
    path: str = ""
    detail: str = ""


class RetrieveRefused(BrokerRefused):
    """The broker does not list what a retrieval is of; `status` is what its peer is answered."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


async def instances(broker: Asked, request: Mapping[str, Any]) -> AsyncIterator[list[Held]]:
    """Give the instances that a request is of, as many at a time as the broker gives. Raises GatewayError and xwb.XWBError."""
    asked, after = pieces(request), ""
    while True:
        page = read_page(await broker.call("MAGB RETRIEVE", asked, after, str(AT_ONCE)))
        if "error" in page.head:
            status = int(str(page.head.get("status") or "C001"), 16)
            raise RetrieveRefused(str(page.head["error"]), _OF_RETRIEVALS.get(status, status))
        yield [Held.read(row) for row in page.rows]
        if not page.more or page.more == after:
            return
        after = page.more


async def recall(broker: Asked, images: Iterable[int], ae_title: str, wait: float) -> list[Recalled]:
    """Ask for images to come back into store for an AE title, and tell how far each is; the broker may wait so many seconds.

    Raises GatewayError and xwb.XWBError.
    """
    answer = await broker.call("MAGB RECALL", pieces({"images": list(images), "for": ae_title}), f"{wait:g}")
    found = []
    for line in answer.lines:
        try:
            image, state, path, detail = [*json.loads(line), "", ""][:4]
            found.append(Recalled(int(image), str(state), str(path or ""), str(detail or "")))
        except (ValueError, TypeError) as error:
            raise BrokerRefused(f"MAGB RECALL answers {line[:80]!r}.") from error
    return found
