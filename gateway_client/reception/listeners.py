"""The ports that a gateway listens on, each an instrument's or an entity's but for the default one, and whom each lets in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from gateway_client.archive.entities import ApplicationEntity, entities_of
from gateway_client.dictionaries import DictionaryError, Instrument, Problem
from runtime import GatewaySettings, ListenerSettings, TLSFiles, tls_files

Network = IPv4Network | IPv6Network
#: Instruments of one gateway: each has a port, and with several processes a thread that accepts connections.
MOST = 1000


@dataclass(frozen=True, slots=True)
class ListenerConfiguration:
    """One port. `instrument` is a mnemonic, empty for the default listener and that of an application entity of the archive.

    Port 0 lets the system choose. Empty lists of AE titles and networks let everybody in. `chosen_by` says where the port is
    chosen that no setting names.
    """

    instrument: str
    host: str
    port: int
    called_ae_titles: tuple[str, ...] = ()
    calling_ae_titles: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    max_associations: int = 64
    tls: TLSFiles | None = None
    chosen_by: str = ""
    entity: ApplicationEntity | None = None

    @property
    def name(self) -> str:
        """Say in the log whose port it is; nothing for the default one."""
        return self.instrument or ("" if self.entity is None else self.entity.ae_title)

    @property
    def setting(self) -> str:
        """Say where its port is chosen."""
        if self.chosen_by:
            return self.chosen_by
        return f"INSTRUMENT.DIC or [[gateway.listener]] of {self.instrument}" if self.instrument else "gateway.dicom_port"

    def lets_in(self, peer: str) -> bool:
        """Tell whether a host may connect, by its address."""
        if not self.networks:
            return True
        try:
            address = ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in network for network in self.networks)


def listener_of(entity: ApplicationEntity) -> ListenerConfiguration:
    """Give the port of an application entity of the archive."""
    return ListenerConfiguration(
        "",
        entity.host,
        entity.port,
        () if entity.any_called_ae_title else (entity.ae_title,),
        entity.calling_ae_titles,
        entity.hosts,
        entity.max_associations,
        entity.tls,
        entity.setting,
        entity,
    )


def listeners_of(settings: GatewaySettings, instruments: Sequence[Instrument]) -> tuple[ListenerConfiguration, ...]:
    """Give the default listener and those of the instruments which send to this gateway.

    An instrument on the default listener's port takes its place. Raises DictionaryError when there are too many, or one has the
    port of an application entity of the archive.
    """
    default = ListenerConfiguration("", settings.dicom_host, settings.dicom_port, max_associations=settings.max_associations)
    found = tuple(_instruments(settings, instruments))
    if len(found) > MOST:
        raise DictionaryError([Problem("INSTRUMENT.DIC", f"{len(found)} instruments send to this gateway; it has {MOST} ports.")])
    entities = entities_of(settings.archive).values()
    problems = [
        Problem(listener.setting, f"Port {listener.port} is that of {entity.setting}; each needs its own.")
        for listener in found
        for entity in entities
        if entity.port and entity.port == listener.port
    ]
    if problems:
        raise DictionaryError(problems)
    return found if any(it.port == settings.dicom_port for it in found) else (default, *found)


def _instruments(settings: GatewaySettings, instruments: Sequence[Instrument]) -> Iterator[ListenerConfiguration]:
    tables = {table.mnemonic.strip(): table for table in settings.listener}
    for instrument in instruments:
        if not instrument.sends_to(settings.machine):
            continue
        table = tables.get(instrument.mnemonic) or ListenerSettings(mnemonic=instrument.mnemonic)
        yield ListenerConfiguration(
            instrument.mnemonic,
            table.address or settings.dicom_host,
            instrument.port,
            table.ae_titles,
            table.calling_ae_titles,
            table.hosts,
            table.max_associations or settings.max_associations,
            tls_files(table),
        )
