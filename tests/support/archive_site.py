"""An archive for tests: a broker, a gateway with the archive's application entities, and objects that came by C-STORE."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.config import IGNORE
from pydicom.data import get_testdata_file
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from sqlalchemy import func, select

from fileman import SiteKey, Store, apply_site, read_site_file
from fileman.files import ArchiveInstance, Image
from gateway_client import Configuration, Gateway
from gateway_client.archive.entities import EntityRole, entities_of
from runtime import ArchiveSettings
from tests.support.broker import RunningBroker
from tests.support.dicom import NO_DELAY
from tests.support.waiting import until

NOW = datetime.fromisoformat("2026-11-21T12:00")
ROOT = "DEPOT"
_ARCHIVED = select(func.count()).select_from(ArchiveInstance)
#: What follows the root in the title of each entity.
SUFFIXES = {"receiver": "DRSP", "commitment": "DNES", "short_term": "DQRY", "long_term": "DPQR"}
#: The information models, and how findscu calls them.
MODELS = {
    "patient": ("1.2.840.10008.5.1.4.1.2.1.1", "-P"),
    "study": ("1.2.840.10008.5.1.4.1.2.2.1", "-S"),
    "patient/study": ("1.2.840.10008.5.1.4.1.2.3.1", "-O"),
    "worklist": ("1.2.840.10008.5.1.4.31", "-W"),
}


@dataclass
class Found:
    """What a C-FIND came to: its matches, their statuses, and the final status with its Error Comment."""

    matches: list[Dataset] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)
    status: int | None = None
    comment: str = ""

    def by(self, attribute: str | int) -> dict[str, Dataset]:
        """Give the matches by an attribute that each has once, named by its keyword or its tag."""
        return {str(match[attribute].value): match for match in self.matches}


@dataclass
class ArchiveSite:
    """Runs within `with`. `entities` are the settings of `[gateway.archive]`, by table; ports are free ones.

    Without a `database` it is SQLite's.
    """

    directory: Path
    entities: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)
    database: str = ""

    def __enter__(self) -> ArchiveSite:
        """Start."""
        self.store = Store(self.database or f"sqlite:///{self.directory / 'magbroker.db'}")
        site_key = SiteKey.load_or_create(self.directory / "site.key")
        with resources.as_file(resources.files("magbroker_data") / "demo.toml") as file:
            site = read_site_file(file)
        self.store.transact(lambda connection: apply_site(connection, site, site_key, NOW))
        self.broker = RunningBroker(self.store, site_key)
        self.gateway = self.start_gateway()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop."""
        self.gateway.stop()
        self.broker.stop()
        self.store.close()

    def configuration(self) -> Configuration:
        """Give the gateway's."""
        tables = {role: {"port": 0, **self.entities.get(role, {})} for role in SUFFIXES}
        entities = entities_of(ArchiveSettings.model_validate({"ae_root": ROOT, **self.entities, **tables}))
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
            **self.changes,
        )

    def start_gateway(self) -> Gateway:
        """Start the gateway, which has to be stopped."""
        gateway = Gateway(self.configuration())
        gateway.start()
        return gateway

    def title(self, role: str) -> str:
        """Give the AE title of an entity."""
        return self.gateway.configuration.entities[EntityRole(role)].ae_title

    def port(self, role: str) -> int:
        """Give the port of an entity."""
        return self.gateway.entity_ports[role]

    def archived(self) -> int:
        """Give how many objects the archive knows."""
        return self.store.read(lambda connection: int(connection.execute(_ARCHIVED).scalar_one()))

    def filed(self, uids: Collection[str]) -> dict[str, Path]:
        """Wait until objects are filed; give their files by SOP Instance UID."""
        statement = select(Image.uid, Image.file_ref).where(Image.uid.in_(uids))

        def found() -> dict[str, str]:
            rows = self.store.read(lambda connection: connection.execute(statement).all())
            return {row.uid: row.file_ref for row in rows if row.file_ref}

        until(lambda: found().keys() >= set(uids), f"{len(uids)} objects are filed")
        files = {path.name: path for path in (self.directory / "image1").rglob("*") if path.is_file()}
        until(lambda: all(self._in_place(name) for name in found().values()), "their files are in place")
        files = {path.name: path for path in (self.directory / "image1").rglob("*") if path.is_file()}
        return {uid: files[name] for uid, name in found().items()}

    def _in_place(self, name: str) -> bool:
        return any((self.directory / "image1").rglob(name))

    def keep(self, objects: Sequence[Dataset]) -> None:
        """Send objects to the receiver, and wait until the archive knows them all."""
        expected = self.archived() + len(objects)
        ae = AE("MODALITY")
        for uid in {str(it.SOPClassUID) for it in objects}:
            ae.add_requested_context(uid, ExplicitVRLittleEndian)
        association = ae.associate("127.0.0.1", self.port("receiver"), ae_title=f"{ROOT}DRSP")
        assert association.is_established
        for it in objects:
            assert association.send_c_store(it).Status == 0x0000
        association.release()
        until(lambda: self.archived() == expected, f"{expected} objects archived")

    def find(
        self,
        level: str,
        keys: Mapping[Any, Any] | Dataset,
        model: str = "study",
        role: str = "short_term",
        syntax: str = ExplicitVRLittleEndian,
        **named: Any,
    ) -> Found:
        """Ask with pynetdicom: keys by keyword or tag, or an identifier."""
        identifier = keys if isinstance(keys, Dataset) else Dataset()
        if not isinstance(keys, Dataset):
            for attribute, value in keys.items():
                identifier.add(key(attribute, value))
        if level:
            identifier.add(key("QueryRetrieveLevel", level))
        ae = AE("WORKSTATION")
        uid, _option = MODELS[model]
        ae.add_requested_context(uid, syntax)
        association = ae.associate("127.0.0.1", self.port(role), ae_title=ROOT + SUFFIXES[role])
        assert association.is_established
        found = Found()
        for status, match in association.send_c_find(identifier, uid, **named):
            found.status = getattr(status, "Status", None)
            found.comment = str(getattr(status, "ErrorComment", ""))
            if found.status in (0xFF00, 0xFF01):
                found.statuses.add(found.status)
                found.matches.append(match)
        association.release()
        return found

    def findscu(self, directory: Path, model: str, keys: Sequence[str], role: str = "short_term") -> list[Dataset]:
        """Ask with DCMTK, keys as it writes them; give the matches."""
        directory.mkdir(parents=True)
        words = [word for key in keys for word in ("-k", key)]
        title = ROOT + SUFFIXES[role]
        command = ["findscu", "-v", MODELS[model][1], "-X", "-od", str(directory), "-aec", title, *words]
        command += ["127.0.0.1", str(self.port(role))]
        run = subprocess.run(command, capture_output=True, text=True, env=NO_DELAY, timeout=60, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
        return [dcmread(path, force=True) for path in sorted(directory.glob("rsp*.dcm"))]


def key(attribute: str | int, value: Any) -> DataElement:
    """Make a key, whatever its value is: wild cards are no values of most VRs."""
    tag = tag_for_keyword(attribute) if isinstance(attribute, str) else attribute
    assert tag is not None
    return DataElement(tag, dictionary_VR(tag), value, validation_mode=IGNORE)


def an_object(name: str = "CT_small.dcm", **attributes: Any) -> Dataset:
    """Make one of pydicom's objects with other attributes, in Explicit VR Little Endian; what is None is not there."""
    path = get_testdata_file(name)
    assert isinstance(path, str)
    made = dcmread(path)
    made.pop("DataSetTrailingPadding", None)
    for keyword, value in attributes.items():
        if value is None:
            made.pop(keyword, None)
        else:
            setattr(made, keyword, value)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return made
