"""What a gateway is told when it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from gateway_client.acquisition.folders import Grouping
from gateway_client.acquisition.store_request import Station
from gateway_client.archive.entities import LISTENING, ApplicationEntity, Entities, EntityRole, entities_of
from gateway_client.coercion.changes import check_destinations
from gateway_client.dictionaries import Dictionaries, read_dictionaries
from gateway_client.objects.header import DEFAULT_PATHS
from gateway_client.reception.listeners import ListenerConfiguration, listener_of, listeners_of
from runtime import DestinationSettings, Settings

CommitmentWay = Literal["", "new", "same", "next"]
"""Over which association a peer hears what came of a storage commitment; empty is a new one where its address is known."""

#: How a destination is sent to of which nothing else is said.
_AS_EVERY_OTHER = DestinationSettings()


@dataclass(frozen=True, slots=True)
class Peer:
    """What is known of a peer by its AE title: where it listens, and how it wants to hear of storage commitment."""

    host: str = ""
    port: int = 0
    commitment: CommitmentWay = ""


def imports_of(directory: Path) -> Path:
    """Give the folder in which objects from media wait, of a gateway's directory."""
    return directory / "import"


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that one gateway needs to know.

    `directory` holds spool and journal; network locations with relative paths lie below `data`. Without `called_ae_titles`
    every called AE title is taken. With more than one of `processes` it is these that receive. Times are seconds. Against a
    VistA that does not know REQUEST items set `batch` to 1.
    """

    directory: Path
    data: Path
    machine: str = "DEMOGW1"
    location: int = 660
    instrument: str = "DEMO"
    service: str = "RAD"
    broker_host: str = "127.0.0.1"
    broker_port: int = 9430
    access: str = ""
    verify: str = ""
    context: str = "MAGB GATEWAY"
    dicom_host: str = "127.0.0.1"
    dicom_port: int = 11112
    ae_title: str = "MAGBROKER"
    calling_ae_title: str = "MAGBROKER"
    called_ae_titles: tuple[str, ...] = ()
    batch: int = 32
    max_object_bytes: int = 4 << 30
    free_space_floor: int = 256 << 20
    max_associations: int = 64
    processes: int = 1
    network_timeout: float = 60.0
    dimse_timeout: float = 30.0
    connect_timeout: float = 5.0
    heartbeat_seconds: float = 5.0
    poll_seconds: float = 1.0
    association_idle_seconds: float = 1.0
    associations_per_destination: int = 2
    associations: int = 3
    stop_seconds: float = 20.0
    destinations: Mapping[str, DestinationSettings] = field(default_factory=dict)
    normalise_patient_name: bool = False
    grouping: Grouping | None = None
    correct_seconds: float = 10.0
    originals_days: int = 30
    delete_after_commitment: tuple[str, ...] = ()
    study_quiet_seconds: float = 0.0
    placement_tries: int = 24
    header_paths: tuple[str, ...] = DEFAULT_PATHS
    journal_synchronous: Literal["FULL", "NORMAL"] = "FULL"
    abort_after_refusal: tuple[str, ...] = ()
    log_level: str = "INFO"
    log_format: str = "console"
    dictionaries: Dictionaries = field(default_factory=Dictionaries)
    listeners: tuple[ListenerConfiguration, ...] = ()
    commitment_wait: float = 600.0
    commitment_from: Literal["both", "short-term"] = "both"
    peers: Mapping[str, Peer] = field(default_factory=dict)
    entities: Entities = field(default_factory=dict)

    @property
    def station(self) -> Station:
        """Say who this gateway is in a REQUEST list."""
        return Station(self.location, self.machine, self.instrument, self.service)

    def destination(self, name: str) -> DestinationSettings:
        """Say how a transmit destination is sent to: as its own settings say, or those of `*`, or the defaults."""
        return self.destinations.get(name) or self.destinations.get("*") or _AS_EVERY_OTHER

    def address_of(self, title: str) -> tuple[str, int] | None:
        """Give the address at which a peer is told of commitment on a new association, if it may be."""
        peer = self.peers.get(title)
        return (peer.host, peer.port) if peer and peer.host and peer.port and peer.commitment != "next" else None

    @property
    def all_listeners(self) -> tuple[ListenerConfiguration, ...]:
        """Give the ports at which objects are received: the default one alone unless others are named, and the receiver's."""
        default = ("", self.dicom_host, self.dicom_port, self.called_ae_titles)
        named = self.listeners or (ListenerConfiguration(*default, max_associations=self.max_associations),)
        receiver = self.entities.get(EntityRole.RECEIVER)
        return named if receiver is None else (*named, listener_of(receiver))

    @property
    def archive_listeners(self) -> tuple[tuple[ApplicationEntity, ListenerConfiguration], ...]:
        """Give the entities that receive no objects, with their ports, which are the gateway's own process's."""
        found = [self.entities[role] for role in LISTENING if role is not EntityRole.RECEIVER and role in self.entities]
        return tuple((entity, listener_of(entity)) for entity in found)

    @property
    def retrieve_ae_title(self) -> str:
        """Say which of the archive's entities gives back what it holds; nothing where there is no archive."""
        short_term = self.entities.get(EntityRole.SHORT_TERM)
        return "" if short_term is None else short_term.ae_title

    @property
    def default_entity(self) -> ApplicationEntity:
        """Say as which entity the gateway's own port answers queries: as the short-term one, by the gateway's AE title."""
        short_term = self.entities.get(EntityRole.SHORT_TERM) or ApplicationEntity(EntityRole.SHORT_TERM, self.ae_title)
        return replace(short_term, ae_title=self.ae_title, host=self.dicom_host, port=self.dicom_port)

    @property
    def anybody_may_ask(self) -> bool:
        """Whether the archive answers whoever calls; where an entity names callers or hosts, the own port answers no queries."""
        asked = [self.entities[role] for role in (EntityRole.SHORT_TERM, EntityRole.LONG_TERM) if role in self.entities]
        return not any(entity.calling_ae_titles or entity.hosts for entity in asked)

    @property
    def spool(self) -> Path:
        """The spool's directory."""
        return self.directory / "spool"

    @property
    def imports(self) -> Path:
        """The folder in which objects from media wait for the gateway."""
        return imports_of(self.directory)

    @property
    def journal(self) -> Path:
        """The journal's file."""
        return self.directory / "journal.db"

    @property
    def transcoding(self) -> Path:
        """The folder of objects that are being transcoded, empty at a start."""
        return self.directory / "transcoding"

    @property
    def pseudonym_key(self) -> Path:
        """The file of the key without which nobody finds out who is meant by a pseudonym."""
        return self.directory / "pseudonyms.key"

    @property
    def notes(self) -> Path:
        """The file of the transmitter's notes."""
        return self.directory / "sending.notes"

    @classmethod
    def from_settings(cls, settings: Settings, broker_port: int | None = None) -> Configuration:
        """Take what the settings say; a broker that chose its own port is named by `broker_port`.

        Raises DictionaryError when a dictionary cannot be used, CoercionError when a destination's changes cannot.
        """
        gateway = settings.gateway
        entities = entities_of(gateway.archive, gateway.dicom_host)
        sender = entities.get(EntityRole.SENDER)
        check_destinations(gateway.destination)
        dictionaries = read_dictionaries(gateway)
        return cls(
            directory=settings.gateway_directory,
            data=settings.data,
            machine=gateway.machine,
            location=gateway.location,
            instrument=gateway.instrument,
            service=gateway.service,
            broker_host=gateway.broker_host,
            broker_port=broker_port or settings.broker_port,
            access=gateway.access,
            verify=gateway.verify,
            context=gateway.context,
            dicom_host=gateway.dicom_host,
            dicom_port=gateway.dicom_port,
            ae_title=gateway.ae_title,
            calling_ae_title=gateway.calling_ae_title if sender is None else sender.ae_title,
            batch=gateway.batch,
            max_associations=gateway.max_associations,
            processes=gateway.processes,
            associations_per_destination=gateway.associations_per_destination,
            associations=gateway.associations,
            max_object_bytes=gateway.max_object_bytes,
            free_space_floor=gateway.free_space_floor_bytes,
            log_level=settings.log_level,
            log_format=settings.log_format,
            destinations=gateway.destination,
            normalise_patient_name=gateway.normalise_patient_name,
            grouping=Grouping(gateway.folders == "procedure step", gateway.folder_merge_seconds) if gateway.folders else None,
            correct_seconds=gateway.correct_seconds,
            originals_days=gateway.originals_days,
            delete_after_commitment=gateway.delete_after_commitment,
            study_quiet_seconds=gateway.study_quiet_seconds,
            placement_tries=gateway.placement_tries,
            dictionaries=dictionaries,
            listeners=listeners_of(gateway, dictionaries.instruments),
            commitment_wait=gateway.commitment_wait_seconds,
            commitment_from=gateway.commitment_from,
            abort_after_refusal=tuple(title for title, peer in gateway.peer.items() if peer.abort_after_refusal),
            peers={title: Peer(it.host, it.port, it.commitment) for title, it in gateway.peer.items()},
            entities=entities,
        )
