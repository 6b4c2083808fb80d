"""Files of the archive opened to be sent: each as what the archive says it is, whole, and as its destination is to get it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from gateway_client.archive.instances import Held
from gateway_client.errors import CutOff, GatewayError
from gateway_client.locations import NetworkLocations
from gateway_client.objects.splicing import Change
from gateway_client.objects.wholeness import check_file
from gateway_client.transmission.object_file import ObjectFile

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """An instance with its file, or with the reason why there is none that can be sent; it may be `missing` where it was told."""

    held: Held
    object: ObjectFile | None
    reason: str = ""
    missing: bool = False

    def close(self) -> None:
        """Close the file."""
        if self.object is not None:
            self.object.close()


def open_files(locations: NetworkLocations, instances: Sequence[Held], change: Change | None) -> list[Opened]:
    """Open the files of instances, in any thread; one that cannot be sent is no reason to send no other."""
    return [_open(locations, held, change) for held in instances]


def _open(locations: NetworkLocations, held: Held, change: Change | None) -> Opened:
    one, missing = None, False
    try:
        if not held.path:
            return Opened(held, None, "No file holds it as it was received.")
        path = locations.local_path(held.path)
        one = ObjectFile(path, change)
        if one.stored_as != held.sop_instance:
            reason = f"{held.path} holds {one.stored_as}."
        else:
            if one.stored_size != held.size:  # which the archive need not know
                check_file(path)
            return Opened(held, one)
    except (CutOff, GatewayError) as error:
        reason = str(error)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        reason = f"{held.path}: {error.strerror or error}."
    except Exception as error:
        log.exception("%s cannot be opened to be sent", held.path)
        reason = f"A fault: {error!r}."
    if one is not None:
        one.close()
    return Opened(held, None, reason, missing)
