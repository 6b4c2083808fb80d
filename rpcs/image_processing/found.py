"""What the images of one call have in common: looked up once, for none of it changes while the call's transaction lasts."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection

from rpcs.image_processing.report import report_patient
from rpcs.image_processing.study import Study, find_study


@dataclass(slots=True)
class Found:
    """Exams by service and accession number, the owners of reports, and acquisition devices by name, as far as they were found.

    An exam is as it was found: its report may have been made since.
    """

    connection: Connection
    devices: dict[str, int] = field(default_factory=dict)
    _studies: dict[tuple[str, str], Study | None] = field(default_factory=dict)
    _owners: dict[int, int | None] = field(default_factory=dict)

    def study(self, service: str, accession: str) -> Study | None:
        """Find an exam; see `find_study`."""
        key = service, accession
        if key not in self._studies:
            self._studies[key] = find_study(self.connection, service, accession)
        return self._studies[key]

    def owner(self, report: int) -> int | None:
        """Give the patient of a report; None when it is gone."""
        if report not in self._owners:
            self._owners[report] = report_patient(self.connection, report)
        return self._owners[report]
