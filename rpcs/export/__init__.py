"""The DICOM export queue (#2006.574): filled on request, emptied by transmitters, looked at."""

from rpcs.export import listing, requests
from rpcs.export.entries import Report, apply_report

__all__ = ["Report", "apply_report", "listing", "requests"]
