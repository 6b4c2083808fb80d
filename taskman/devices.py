"""Where a task may go: this site's one UCI and volume set, and its devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: Devices by name, and whether output may be queued to them. A task's output here goes to its record, so NULL is the only
#: device that takes any; HOME is a terminal, to which nothing is queued.
DEVICES = {"": True, "NULL": True, "HOME": False}


@dataclass(frozen=True, slots=True)
class Destination:
    """The UCI and volume set of the site, against which a task's own are checked; "" takes any."""

    uci: str = ""
    volume: str = ""
    devices: Mapping[str, bool] = field(default_factory=lambda: DEVICES)


def device_name(device: str) -> str:
    """Give the name in a device specification such as `NULL;132;66`."""
    return device.partition(";")[0]
