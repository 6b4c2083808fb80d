"""Where a C-MOVE may send to: the site's DICOM transmit destinations, and peers that the settings name, by AE title."""

from __future__ import annotations

from dataclasses import replace

from gateway_client.archive.pages import Asked
from gateway_client.coercion.changes import change_for
from gateway_client.coercion.pseudonyms import read_key
from gateway_client.configuration import Configuration
from gateway_client.objects.splicing import Change
from gateway_client.transmission.consignment import Destination
from gateway_client.transmission.export_queue import destinations_of_peers, read_destinations


class MoveDestinations:
    """Finds destinations by AE title, and what is changed in what goes there."""

    def __init__(self, configuration: Configuration, broker: Asked) -> None:
        self._configuration = configuration
        self._broker = broker
        self._peers = destinations_of_peers(configuration.peers)
        self._changes = {
            name: change_for(it, lambda: read_key(configuration.pseudonym_key)) for name, it in configuration.destinations.items()
        }

    async def find(self, ae_title: str) -> Destination | None:
        """Give the destination of an AE title. Raises xwb.XWBError.

        A transmit destination goes before a peer, so that what its settings say of it holds; of several that of this gateway,
        else the first. One without a name cannot be queued for: a transmit destination has the peer's.
        """
        lines = (await self._broker.call("MAGB TRANSMIT DESTINATIONS")).lines
        machine = self._configuration.machine
        site = read_destinations(lines, machine)
        found = [it for it in site.values() if it.ae_title == ae_title]
        ours = [it for it in found if it.gateway == machine]
        peer = self._peers.get(ae_title)
        if peer is not None and ae_title in site:
            peer = replace(peer, name="")
        return next(iter((*ours, *found)), peer)

    def change_of(self, name: str) -> Change | None:
        """Give what becomes of objects on their way to a destination, or to any that has no settings of its own."""
        return self._changes.get(name, self._changes.get("*"))
