"""How a routine wants its task to end: what it returns, as a routine of VistA leaves ZTSTOP or ZTREQ."""

from __future__ import annotations

from dataclasses import dataclass

from taskman.when import When


@dataclass(frozen=True, slots=True)
class Stopped:
    """The routine stopped because it was asked to (ZTSTOP=1)."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """The record may go (ZTREQ="@"), unless it is to be kept until a time (ZTKIL)."""


@dataclass(frozen=True, slots=True)
class Requeued:
    """Run the task again (ZTREQ): `at` as REQ^%ZTLOAD takes it, so "" is at once; what is empty stays as it is."""

    at: When = ""
    device: str = ""
    description: str = ""
    entry_point: str = ""


Ending = Stopped | Deleted | Requeued | None
