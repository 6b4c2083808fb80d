"""Studies that go to destinations which are to get priors too, noted as their first objects come by."""

from __future__ import annotations

import logging

from gateway_client.configuration import Configuration
from gateway_client.errors import NotAnObject
from gateway_client.priors.choosing import NewStudy
from gateway_client.priors.searches import PriorSearches, Search
from gateway_client.transmission.object_file import ObjectFile

log = logging.getLogger(__name__)

#: What is told of a study, in the order of `NewStudy`: Study Instance UID, Patient ID, Patient's Birth Date, Study Date,
#: Study Time, Modality, Body Part Examined.
_ATTRIBUTES = (0x0020000D, 0x00100020, 0x00100030, 0x00080020, 0x00080030, 0x00080060, 0x00180015)


class StudiesSeen:
    """Notes each study once; it belongs to the transmitter's thread."""

    def __init__(self, configuration: Configuration, searches: PriorSearches) -> None:
        self._configuration = configuration
        self._searches = searches

    def see(self, destination: str, export: int, image: int, one: ObjectFile, now: float) -> None:
        """Note the study of an object that is to be sent, where its destination is to get priors. Raises JournalError."""
        settings = self._configuration.destination(destination).priors
        if settings is None or self._searches.noted(destination, export):
            return
        try:
            found = one.elements(frozenset(_ATTRIBUTES))
        except (NotAnObject, OSError) as error:
            log.warning("no priors for the study of %s: %s", one.path, error)
            return
        study = NewStudy(*(found.first(tag).strip() for tag in _ATTRIBUTES))
        if study.uid:
            self._searches.note(settings.archive, Search(0, destination, export, image, one.meta.sop_instance_uid, study), now)
