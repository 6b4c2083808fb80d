"""The serving process composed: database, broker and, on SQLite always in the same process, TaskMan."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import delete
from twisted.internet.interfaces import IOpenSSLContextFactory, IReactorTCP

import console.routines  # noqa: F401  registers what tasks run in this process
from broker import BrokerService, Dispatcher, Hub, Limits, Listener, Reactor, hl7_listener, text_listener
from console.alerts.service import AlertService, alert_service
from console.atna.sender import AtnaService, atna_service
from console.ciphers import ciphers_of
from console.database import key_of
from console.errors import ConsoleError
from console.packs import load_packs
from console.site_state import SiteState
from console.web import WebService, web_service
from fileman import SiteKey, Store, is_empty, read_faults, seconds_ahead
from fileman.files import AnsweredRequest
from rpcs import Environment, Registry, SiteCache
from runtime import Clock, Settings, SystemClock, TLSFiles, server_context
from taskman import Engine, Pace

log = logging.getLogger(__name__)

#: Seconds that the clocks of this machine and of the database may differ before the log tells of it.
CLOCKS_APART = 5.0
#: How long the answer to a gateway's request is kept for a resend.
ANSWERS_KEPT = timedelta(days=7)


class ServingReactor(Reactor, IReactorTCP):
    """What a serving process needs of the reactor."""


@dataclass(slots=True)
class Serving:
    """Everything that one serving process runs. A TaskMan worker has no broker."""

    store: Store
    engine: Engine
    broker: BrokerService | None = None
    web: WebService | None = None
    alerts: AlertService | None = None
    atna: AtnaService | None = None

    @property
    def ports(self) -> dict[str, int]:
        """The ports that are listened on, by name."""
        services = (self.broker, self.web)
        return {name: port for service in services if service is not None for name, port in service.ports.items()}

    def start(self) -> None:
        """Start TaskMan, then open the listeners, the broker's last: who reaches that reaches all. Raises PortTaken with
        everything stopped again.
        """
        self.engine.launch()
        try:
            if self.web is not None:
                self.web.start()
            if self.broker is not None:
                self.broker.start()
            if self.alerts is not None:
                self.alerts.start()
            if self.atna is not None:
                self.atna.start()
        except Exception:
            self.stop()
            raise

    def stop(self) -> None:
        """Close the listeners, stop TaskMan, commit what was submitted."""
        if self.atna is not None:
            self.atna.stop()
        if self.alerts is not None:
            self.alerts.stop()
        if self.web is not None:
            self.web.stop()
        if self.broker is not None:
            self.broker.stop()
        self.engine.shutdown()
        self.store.close()


def prepare(settings: Settings, store: Store, site_file: Path | None, known_rpcs: Registry, clock: Clock) -> None:
    """Make a database ready that was just opened: an empty one is filled from the site file, old answers go."""
    ahead = store.read(lambda connection: seconds_ahead(connection, clock.seconds()))
    if abs(ahead) > CLOCKS_APART:
        text = "this machine's clock is %.0f s %s the database's: VistA's locks go by it, so let all machines keep the same time"
        log.warning(text, abs(ahead), "ahead of" if ahead > 0 else "behind")
    if site_file is not None and store.read(is_empty):
        names = {procedure.name for procedure in known_rpcs}
        key = SiteKey.load_or_create(settings.site_key_path)
        for warning in SiteState(settings, store, key, clock, names).fill(site_file) or ():
            log.warning("%s: %s", site_file.name, warning)
    before = clock.seconds() - ANSWERS_KEPT.total_seconds()
    store.transact(lambda connection: connection.execute(delete(AnsweredRequest).where(AnsweredRequest.answered_at < before)))


def compose(
    settings: Settings,
    reactor: ServingReactor,
    *,
    site_file: Path | None = None,
    packs: Sequence[str] = (),
    with_broker: bool = True,
    with_taskman: bool = True,
) -> Serving:
    """Build the serving process from its settings; nothing listens or runs yet."""
    clock = SystemClock()
    procedures = load_packs(packs, installed=settings.installed_packs)
    registry = procedures.registry
    if procedures.packs:
        log.info("RPC packs: %s", ", ".join(procedures.packs))
    store = Store(settings.database_url, synchronous=settings.synchronous)
    try:
        prepare(settings, store, site_file, registry, clock)
        engine = Engine(
            store, clock, settings.data, worker=with_taskman, pace=pace_of(settings), url=settings.taskman.engine_database
        )
        broker = _broker(settings, reactor, store, engine, registry, clock) if with_broker else None
    except Exception:
        store.close()
        raise
    web = None if broker is None else _web(settings, reactor, broker.hub)
    alerts = alert_service(settings, store, clock) if broker is not None and settings.alerts.enabled else None
    atna = atna_service(settings.atna, store, clock) if broker is not None and settings.atna.host else None
    return Serving(store, engine, broker, web, alerts, atna)


def _broker(
    settings: Settings, reactor: ServingReactor, store: Store, engine: Engine, registry: Registry, clock: Clock
) -> BrokerService:
    for fault in store.read(read_faults):
        log.warning("a fault is set: %s; 'magbroker fault clear' clears it", fault)
    cipher, others = ciphers_of(settings)
    environment = Environment(
        store,
        clock,
        key_of(settings, store),
        cipher,
        engine.accepting,
        registry,
        other_ciphers=others,
        lock_seconds=settings.lock_seconds,
        data=settings.data,
    )
    dispatcher = Dispatcher(registry, environment, SiteCache(store), reactor, engine)
    return BrokerService(Hub(dispatcher, limits_of(settings), reactor), reactor, listeners_of(settings))


def _web(settings: Settings, reactor: ServingReactor, hub: Hub) -> WebService:
    tls = _tls(settings) if settings.web_tls else None
    dicom_web = None
    if settings.web_port is not None:
        from console.web.dicomweb import dicom_web_settings  # and all of DICOM with it

        dicom_web = dicom_web_settings(settings)
    return web_service(hub, reactor, settings.data, settings.web_port, settings.web_host, tls, dicom_web)


def _tls(settings: Settings) -> IOpenSSLContextFactory:
    """Make the TLS side of this process. Raises BadCertificate, and ConsoleError where the settings name no certificate."""
    if settings.tls_certificate is None or settings.tls_key is None:
        raise ConsoleError("A TLS port needs the settings tls_certificate and tls_key: PEM files.")
    return server_context(TLSFiles(settings.tls_certificate, settings.tls_key, settings.tls_client_authorities))


def pace_of(settings: Settings) -> Pace:
    """Give TaskMan's times that the settings name."""
    chosen = settings.taskman
    return Pace(
        slots=chosen.slots,
        heartbeat=chosen.heartbeat_seconds,
        lease=chosen.lease_seconds,
        dead_after=chosen.dead_after_seconds,
    )


def limits_of(settings: Settings) -> Limits:
    """Give the bounds that the settings name."""
    return Limits(
        settings.max_message_bytes,
        settings.max_ahead_bytes,
        settings.max_held_bytes,
        settings.max_sessions,
        settings.max_sessions_per_address,
        settings.max_connections_per_second,
        settings.call_back,
        settings.max_hl7_message_bytes,
    )


def listeners_of(settings: Settings) -> dict[str, Listener]:
    """Give the ports to listen on by name. Raises BadCertificate, and ConsoleError for a TLS port without certificate."""
    proxies = settings.proxy_protocol_from
    listeners = {"broker": Listener(settings.broker_port, interface=settings.broker_host, proxies=proxies)}
    if settings.hl7_port is not None:
        listeners["hl7"] = hl7_listener(settings.hl7_port, settings.hl7_host)
    if settings.text_transport:
        listeners["text"] = text_listener(settings.text_port, settings.text_host)
    if settings.broker_tls_port is None and settings.text_tls_port is None:
        return listeners
    tls = _tls(settings)
    if settings.broker_tls_port is not None:
        listeners["broker_tls"] = Listener(settings.broker_tls_port, interface=settings.broker_host, tls=tls, proxies=proxies)
    if settings.text_tls_port is not None:
        listeners["text_tls"] = text_listener(settings.text_tls_port, settings.text_host, tls)
    return listeners
