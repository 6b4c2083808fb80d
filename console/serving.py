"""The serving process composed: database, broker and, on SQLite always in the same process, TaskMan."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import delete
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime

import console.routines  # noqa: F401  registers what tasks run in this process
from broker import BrokerService, Dispatcher, Hub, Limits, Listener, ListeningReactor, TLSFiles, server_context, text_listener
from console.errors import ConsoleError
from console.packs import load_packs
from console.site_state import SiteState
from fileman import BadSiteKey, SiteKey, Store, is_empty, read_faults, site_settings
from fileman.files import AnsweredRequest
from rpcs import Environment, Registry, SiteCache
from runtime import Clock, Settings, SystemClock
from taskman import Engine, Pace
from xwb import Cipher

log = logging.getLogger(__name__)

#: How long the answer to a gateway's request is kept for a resend.
ANSWERS_KEPT = timedelta(days=7)


class ServingReactor(IReactorFromThreads, IReactorTime, ListeningReactor):
    """What a serving process needs of the reactor."""


@dataclass(slots=True)
class Serving:
    """Everything that one serving process runs."""

    store: Store
    broker: BrokerService
    engine: Engine

    def start(self) -> None:
        """Start TaskMan, then open the listeners. Raises PortTaken with everything stopped again."""
        self.engine.launch()
        try:
            self.broker.start()
        except Exception:
            self.stop()
            raise

    def stop(self) -> None:
        """Close the listeners, stop TaskMan, commit what was submitted."""
        self.broker.stop()
        self.engine.shutdown()
        self.store.close()


def open_store(settings: Settings, key: SiteKey, site_file: Path | None, known_rpcs: Registry, clock: Clock) -> Store:
    """Open the database; an empty one is filled from the site file."""
    store = Store(settings.database_url, synchronous=settings.synchronous)
    if site_file is not None and store.read(is_empty):
        names = {procedure.name for procedure in known_rpcs}
        _site, warnings = SiteState(settings, store, key, clock, names).load(site_file)
        for warning in warnings:
            log.warning("%s: %s", site_file.name, warning)
    before = clock.seconds() - ANSWERS_KEPT.total_seconds()
    store.transact(lambda connection: connection.execute(delete(AnsweredRequest).where(AnsweredRequest.answered_at < before)))
    return store


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
    key = SiteKey.load_or_create(settings.site_key_path)
    store = open_store(settings, key, site_file, registry, clock)
    if with_broker and _belongs_to_another_key(store, key):
        store.close()
        raise BadSiteKey(
            f"{settings.site_key_path} is not the key of the database's site: nobody could sign on. Put a copy of that site's"
            " site.key there."
        )
    for fault in store.read(read_faults):
        log.warning("a fault is set: %s; 'magbroker fault clear' clears it", fault)
    engine = Engine(
        store, clock, settings.data, worker=with_taskman, pace=pace_of(settings), url=settings.taskman.engine_database
    )
    cipher, others = ciphers_of(settings)
    site = SiteCache(store)
    environment = Environment(store, clock, key, cipher, engine.accepting, registry, other_ciphers=others)
    dispatcher = Dispatcher(registry, environment, site, reactor, engine)
    hub = Hub(dispatcher, limits_of(settings), reactor)
    service = BrokerService(hub, reactor, listeners_of(settings) if with_broker else {})
    return Serving(store, service, engine)


def pace_of(settings: Settings) -> Pace:
    """Give TaskMan's times that the settings name."""
    chosen = settings.taskman
    return Pace(
        slots=chosen.slots,
        heartbeat=chosen.heartbeat_seconds,
        lease=chosen.lease_seconds,
        dead_after=chosen.dead_after_seconds,
    )


def _belongs_to_another_key(store: Store, key: SiteKey) -> bool:
    """Tell whether a database, PostgreSQL's in particular, was filled under another key than that of this data directory."""
    if store.read(is_empty):
        return False
    return store.read(site_settings).key_fingerprint not in ("", key.fingerprint())


def ciphers_of(settings: Settings) -> tuple[Cipher, dict[str, Cipher]]:
    """Give the cipher of the site, and the others that are known by name. Raises BadCipherTable."""
    standard = Cipher.standard()
    others = {name: Cipher.from_file(path) for name, path in settings.known_cipher_tables.items()}
    if settings.cipher_table is None:
        return standard, others
    return Cipher.from_file(settings.cipher_table), {"VA (the standard one)": standard, **others}


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
    )


def listeners_of(settings: Settings) -> dict[str, Listener]:
    """Give the ports to listen on by name. Raises BadCertificate, and ConsoleError for a TLS port without certificate."""
    listeners = {"broker": Listener(settings.broker_port, interface=settings.broker_host)}
    if settings.text_transport:
        listeners["text"] = text_listener(settings.text_port, settings.text_host)
    if settings.broker_tls_port is None and settings.text_tls_port is None:
        return listeners
    if settings.tls_certificate is None or settings.tls_key is None:
        raise ConsoleError("A TLS port needs the settings tls_certificate and tls_key: PEM files.")
    tls = server_context(TLSFiles(settings.tls_certificate, settings.tls_key, settings.tls_client_authorities))
    if settings.broker_tls_port is not None:
        listeners["broker_tls"] = Listener(settings.broker_tls_port, interface=settings.broker_host, tls=tls)
    if settings.text_tls_port is not None:
        listeners["text_tls"] = text_listener(settings.text_tls_port, settings.text_host, tls)
    return listeners
