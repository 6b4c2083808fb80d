"""An archive with DICOMweb for tests: a broker, a gateway and the web beside it, and objects of an exam of the demo site."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from console.reactor_thread import in_reactor, reactor
from console.web import WebService, web_service
from console.web.dicomweb import DicomWebSettings
from gateway_client.query_retrieve import Peer
from tests.support.archive_site import ArchiveSite
from tests.support.http import Web

ROOT = "/dicom-web"
#: Sign on as the demo's manager, who may all, as a user who may not look at the archive, and as one who may not store.
MANAGER, STRANGER, LOOKER = ("DEMOMG1", "1MGR!@#$"), ("FAKEDOC1", "1DOC!@#$"), ("DEMOVW1", "1VIW!@#$")


@dataclass(frozen=True)
class Got:
    """What came back, as it came."""

    status: int
    body: bytes
    headers: dict[str, str]


@dataclass
class DicomWebSite:
    """Runs within `with`; on a PostgreSQL `database`, else on SQLite."""

    directory: Path
    database: str = ""
    changes: dict[str, Any] = field(default_factory=dict)
    service: WebService = field(init=False)
    archive: ArchiveSite = field(init=False)
    token: str = ""

    def __enter__(self) -> DicomWebSite:
        """Start, and sign the manager on."""
        self._open = ExitStack()
        self.archive = self._open.enter_context(ArchiveSite(self.directory, {}, self.changes, self.database))
        peer = Peer("127.0.0.1", self.archive.gateway.port, "MAGBROKER", "DICOMWEB")
        settings = DicomWebSettings(peer, free_space_floor=0)
        self.service = web_service(self.archive.broker.service.hub, reactor, self.directory, 0, gateway=settings)
        in_reactor(self.service.start)
        self._open.callback(in_reactor, self.service.stop)
        self.token = self.sign_on(*MANAGER)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop."""
        self._open.close()

    @property
    def port(self) -> int:
        """Where the web listens."""
        return self.service.ports["web"]

    @property
    def url(self) -> str:
        """The root of DICOMweb."""
        return f"http://127.0.0.1:{self.port}{ROOT}"

    def sign_on(self, access: str, verify: str) -> str:
        """Give a token of a user."""
        return str(Web(self.port).post("/api/sign-on", access=access, verify=verify).body["token"])

    def get(self, path: str, accept: str = "", token: str | None = None, **headers: str) -> Got:
        """Ask for something below the root."""
        return self.ask("GET", path, None, accept, token, **headers)

    def ask(self, method: str, path: str, body: Any = None, accept: str = "", token: str | None = None, **headers: str) -> Got:
        """Ask once, as the manager unless another token is given; "" is nobody's."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if accept:
            sent["Accept"] = accept
        token = self.token if token is None else token
        if token:
            sent["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, ROOT + path, body, sent)
            response = connection.getresponse()
            return Got(
                response.status,
                response.read(),
                {name.lower(): ", ".join(response.headers.get_all(name, [])) for name in response.headers},
            )
        finally:
            connection.close()

    def audited(self) -> list[dict[str, Any]]:
        """Give what the audit has of DICOMweb, the newest first."""
        found = Web(self.port, token=self.token).get("/api/audit/list", limit=500).body["actions"]
        return [one for one in found if one["action"].startswith("DICOMWEB")]


def of_the_exam(dataset: Dataset, study: str, series: str, number: int = 1) -> Dataset:
    """Make an object one of an exam that the demo site has."""
    dataset.PatientName, dataset.PatientID = "DEMO^PATIENT^ONE", "666-00-1100"
    dataset.PatientBirthDate, dataset.PatientSex = "19500131", "M"
    dataset.AccessionNumber, dataset.StudyDate, dataset.StudyTime = "021026-201", "20260210", "101112"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.SeriesNumber, dataset.InstanceNumber = 7, number
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.pop("DataSetTrailingPadding", None)
    return dataset


def shipped(name: str) -> Dataset:
    """Read an object that pydicom ships."""
    return dcmread(str(get_testdata_file(name)))
