"""For which instrument an object is stored: its mnemonic, its imaging service, and its institution, which the broker numbers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from gateway_client.acquisition.store_request import Station
from gateway_client.broker import Broker
from gateway_client.dictionaries import Instrument
from gateway_client.errors import UnknownInstitution
from xwb import RemoteError

log = logging.getLogger(__name__)


class Stations:
    """The instruments of a gateway; `gateway` is what counts where an object came to none."""

    def __init__(self, gateway: Station, instruments: Sequence[Instrument]) -> None:
        self._gateway = gateway
        self._instruments = {instrument.mnemonic: instrument for instrument in instruments}
        self._institutions: dict[str, int | None] = {"": None}

    def connected(self, broker: Broker) -> None:
        """Have the institutions numbered that the instruments name (MAG DICOM VALID LOCATIONS, MAG DICOM FIND LOCATION)."""
        wanted = {instrument.institution for instrument in self._instruments.values()} - {""}
        if not wanted:
            return
        valid = [line.split("^") for line in _ask(broker, "MAG DICOM VALID LOCATIONS")[1:]]
        for institution in wanted:
            number = _match(institution, valid) or _find(broker, institution)
            if number.isdecimal():
                self._institutions[institution] = int(number)
            else:
                log.error("The broker knows no institution %r; objects of its instruments wait: %s", institution, number)

    def station(self, mnemonic: str, service: str = "") -> Station:
        """Give an instrument's station; `service` is the equipment's, for what came to no instrument.

        Raises UnknownInstitution. An instrument that is not known any more stands where the gateway does.
        """
        instrument = self._instruments.get(mnemonic)
        if instrument is None:
            return replace(
                self._gateway, instrument=mnemonic or self._gateway.instrument, service=service or self._gateway.service
            )
        if instrument.institution not in self._institutions:
            raise UnknownInstitution(instrument.institution)
        location = self._institutions[instrument.institution]
        return replace(self._gateway, instrument=mnemonic, service=instrument.service, instrument_location=location)


def _ask(broker: Broker, name: str, *arguments: str) -> list[str]:
    try:
        return broker.call(name, *arguments).lines
    except RemoteError as error:
        return [str(error)]


def _find(broker: Broker, institution: str) -> str:
    """Have the broker find an institution that is none of its imaging sites; give its IEN, or what the broker said."""
    answer = ""
    for name in dict.fromkeys((institution, institution.partition(",")[0].strip())):
        answer = "".join(_ask(broker, "MAG DICOM FIND LOCATION", name)[:1])
        if answer.isdecimal():
            break
    return answer


def _match(institution: str, valid: Sequence[Sequence[str]]) -> str:
    """Find an institution by IEN, station number, or its name up to the first comma, whatever the case of its letters."""
    name = institution.partition(",")[0].strip().casefold()
    for ien, title, station in (entry for entry in valid if len(entry) == 3):
        if institution in (ien, station) or (name and title.partition(",")[0].strip().casefold() == name):
            return ien
    return ""
