"""What a C-MOVE could not send, handed to the export queue of the broker: the transmitter tries it again as everything it has."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from gateway_client.archive.instances import Held
from gateway_client.archive.pages import Asked, pieces
from gateway_client.errors import GatewayError
from gateway_client.transmission.consignment import Destination
from xwb import XWBError

log = logging.getLogger(__name__)


class Deferring:
    """Puts images into the export queue for one destination, and counts them; `reason` says why one could not be."""

    def __init__(self, broker: Asked, destination: Destination, location: int, asked_by: str) -> None:
        self._broker = broker
        self._destination = destination
        self._location = location
        self._asked_by = asked_by
        self.count = 0
        self.reason = ""

    async def put(self, instances: Sequence[Held], doubtful: Collection[str] = ()) -> bool:
        """Queue instances; those whose UIDs are `doubtful` may have arrived. False where the broker does not take them."""
        request = {
            "application": self._destination.name,
            "location": self._location,
            "for": self._asked_by,
            "images": [[held.image, int(held.sop_instance in doubtful)] for held in instances],
        }
        try:
            answer = (await self._broker.call("MAGB EXPORT MOVE", pieces(request))).text
        except (XWBError, GatewayError) as error:
            answer = str(error)
        if answer == "0":
            answer = "It is no longer on file."
        if not answer.isdigit():
            self.reason = answer
            log.error("%d images cannot be queued for %s: %s", len(instances), self._destination.name, answer)
            return False
        if (left_out := len(instances) - int(answer)) > 0:
            log.warning("%d images for %s are no longer on file and will not be sent", left_out, self._destination.name)
        self.count += int(answer)
        return True
