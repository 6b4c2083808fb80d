"""The entities of an archive on free ports, of a gateway with a broker and the demo site, for the tests of a whole module."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import select

from fileman import SiteKey, Store, apply_site, read_site_file
from fileman.files import Image
from gateway_client import Configuration, Gateway
from gateway_client.archive.entities import LISTENING, EntityRole, entities_of
from runtime import ArchiveSettings
from tests.support.broker import RunningBroker
from tests.support.waiting import until

ROOT = "MAGISTORE1"
_NOW = datetime.fromisoformat("2026-11-21T12:00")


def entities_with(tables: dict[str, dict[str, Any]]) -> ArchiveSettings:
    """Give the settings of an archive whose entities are on free ports, with further ones of some tables."""
    filled = {str(role): {"port": 0, **tables.get(role, {})} for role in LISTENING}
    return ArchiveSettings.model_validate({"ae_root": ROOT, **tables, **filled})


@dataclass
class Depot:
    """They run within `with`. `tables` are those of [gateway.archive]; `settings` are further ones of the gateway."""

    directory: Path
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    broker: RunningBroker = field(init=False)
    gateway: Gateway = field(init=False)

    def __enter__(self) -> Depot:
        """Start both."""
        with ExitStack() as stack:
            store = Store(f"sqlite:///{self.directory / 'magbroker.db'}")
            stack.callback(store.close)
            key = SiteKey.load_or_create(self.directory / "site.key")
            with resources.as_file(resources.files("magbroker_data") / "demo.toml") as file:
                site = read_site_file(file)
            store.transact(lambda connection: apply_site(connection, site, key, _NOW))
            self.broker = RunningBroker(store, key)
            stack.callback(self.broker.stop)
            self.gateway = Gateway(self.configuration())
            self.gateway.start()
            stack.callback(self.gateway.stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop both."""
        self._stack.close()

    def configuration(self) -> Configuration:
        """Give the gateway's."""
        entities = entities_of(entities_with(self.tables))
        return Configuration(
            self.directory / "gateway",
            self.directory,
            broker_port=self.broker.port,
            access="DEMOGW1",
            verify="1GWY!@#$",
            dicom_port=0,
            calling_ae_title=entities[EntityRole.SENDER].ae_title,
            poll_seconds=0.05,
            heartbeat_seconds=0.2,
            free_space_floor=0,
            entities=entities,
            **self.settings,  # of the fields' types
        )

    def title(self, role: str) -> str:
        """Give an entity's AE title."""
        return self.gateway.configuration.entities[EntityRole(role)].ae_title

    def port(self, role: str) -> int:
        """Give an entity's port."""
        return self.gateway.entity_ports[role]

    def filed(self, uids: Collection[str]) -> dict[str, Path]:
        """Wait until objects are filed; give their files by SOP Instance UID."""
        statement = select(Image.uid, Image.file_ref).where(Image.uid.in_(uids))

        def found() -> dict[str, str]:
            rows = self.broker.store.transact(lambda connection: connection.execute(statement).all())
            return {row.uid: row.file_ref for row in rows if row.file_ref}

        until(lambda: found().keys() >= set(uids), f"{len(uids)} objects are filed")
        files = {path.name: path for path in (self.directory / "image1").rglob("*") if path.is_file()}
        until(lambda: all(self._in_place(name) for name in found().values()), "their files are in place")
        files = {path.name: path for path in (self.directory / "image1").rglob("*") if path.is_file()}
        return {uid: files[name] for uid, name in found().items()}

    def _in_place(self, name: str) -> bool:
        return any((self.directory / "image1").rglob(name))
