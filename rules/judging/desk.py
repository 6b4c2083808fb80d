"""What judging asks of its surroundings: destinations, prior studies, and where each balance stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rules.judging.balance import Balances
from rules.judging.facts import ImageFacts


@dataclass(frozen=True, slots=True)
class PriorStudy:
    """An earlier study of the patient that goes along (#2006.65): its group, what an export names it by, its images."""

    group: int
    study_uid: str
    accession: str
    images: tuple[int, ...]


class Desk(Protocol):
    """What carrying a rule out needs to know."""

    @property
    def balances(self) -> Balances:
        """Where each deck stands; changed in place."""

    def router(self, name: str) -> int | None:
        """Look up a router's network location (#2005.2), for SEND and BALANCE."""

    def service(self, name: str) -> int | None:
        """Look up a DICOM transmit destination (#2006.587), for DICOM."""

    def priors(self, facts: ImageFacts) -> Sequence[PriorStudy]:
        """Give the prior studies that PRIORSTUDY YES takes along, in the order in which they are queued."""


@dataclass(slots=True)
class MemoryDesk:
    """A desk that knows what it is given: for trials and tests."""

    routers: Mapping[str, int] = field(default_factory=dict)
    services: Mapping[str, int] = field(default_factory=dict)
    prior_studies: Iterable[PriorStudy] = ()
    balances: Balances = field(default_factory=Balances)

    def router(self, name: str) -> int | None:
        """Look up a router."""
        return self.routers.get(name)

    def service(self, name: str) -> int | None:
        """Look up a DICOM transmit destination."""
        return self.services.get(name)

    def priors(self, facts: ImageFacts) -> Sequence[PriorStudy]:
        """Give the prior studies, the same for each radiology image."""
        return tuple(self.prior_studies) if facts.values.get("PARENT_DATA") == ("RADIOLOGY",) else ()
