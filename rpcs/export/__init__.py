"""The DICOM export queue (#2006.574): filled on request, emptied by transmitters, looked at."""

from rpcs.export import listing, moves, requests
from rpcs.export.by_destination import Room, take_by_destination
from rpcs.export.entries import AGAIN, NO_ORIGIN, Report, apply_reports, described, origins_of, take_entries
from rpcs.export.holding import held_destinations

__all__ = [
    "AGAIN",
    "NO_ORIGIN",
    "Report",
    "Room",
    "apply_reports",
    "described",
    "held_destinations",
    "listing",
    "moves",
    "origins_of",
    "requests",
    "take_by_destination",
    "take_entries",
]
