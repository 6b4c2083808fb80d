"""What DICOMweb takes of the settings: the gateway that stores, and what is changed in objects on their way out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway_client import Change, Configuration, change_for, read_key
from gateway_client.query_retrieve import Peer
from runtime import Settings

#: How DICOMweb is named as a peer: of the gateway, of images that are asked back, and among the settings of destinations.
NAME = "DICOMWEB"
#: Addresses to listen at that are none to call.
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


@dataclass(frozen=True, slots=True)
class DicomWebSettings:
    """Whom objects are handed to, how large one may be, how many bytes of disk are left alone, and what is changed in others."""

    peer: Peer = field(default_factory=lambda: Peer("127.0.0.1", 11112, "MAGBROKER", NAME))
    max_object_bytes: int = 4 << 30
    free_space_floor: int = 256 << 20
    change: Callable[[], Change | None] = lambda: None


def dicom_web_settings(settings: Settings) -> DicomWebSettings:
    """Read the settings; those of the destination `DICOMWEB`, else of `*`, say what is changed, as for any other."""
    gateway = settings.gateway
    host = _ANYWHERE.get(gateway.dicom_host, gateway.dicom_host)
    chosen = gateway.destination.get(NAME) or gateway.destination.get("*")
    key = Configuration(settings.gateway_directory, settings.data).pseudonym_key

    def change() -> Change | None:
        return None if chosen is None else change_for(chosen, lambda: read_key(key))

    peer = Peer(host, gateway.dicom_port, gateway.ae_title, NAME)
    return DicomWebSettings(peer, gateway.max_object_bytes, gateway.free_space_floor_bytes, change)
