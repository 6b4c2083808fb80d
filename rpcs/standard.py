"""The standard registry with every procedure in it: importing this imports them all."""

from __future__ import annotations

from rpcs import (
    actions,
    archive,
    broker_calls,
    deletion,
    desktop,
    examples,
    export,
    gateways,
    image_processing,
    importer,
    instance_files,
    look_ups,
    magb,
    recall,
    routing,
    sign_on,
    tele_reader,
    text_files,
    worklist,
)
from rpcs.registry import STANDARD

#: The modules whose procedures make up the standard registry.
FAMILIES = (
    actions,
    archive,
    broker_calls,
    deletion,
    desktop,
    examples,
    export,
    gateways,
    image_processing,
    importer,
    instance_files,
    look_ups,
    magb,
    recall,
    routing,
    sign_on,
    tele_reader,
    text_files,
    worklist,
)

__all__ = ["FAMILIES", "STANDARD"]
