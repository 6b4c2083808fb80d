"""Orthanc for tests: an archive of others that asks for objects, and is asked for them."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from runtime import free_port
from tests.support.dicom import NO_DELAY
from tests.support.waiting import until

AE_TITLE = "ORTHANC"
_SECONDS = 60


@dataclass
class Orthanc:
    """Runs in a folder within `with`; `modalities` are the ports of those that it knows, by AE title."""

    directory: Path
    modalities: Mapping[str, int] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    http: int = field(default_factory=free_port)

    def __enter__(self) -> Orthanc:
        """Start it, and wait until it answers."""
        self.directory.mkdir(parents=True, exist_ok=True)
        configuration = {
            "StorageDirectory": str(self.directory / "storage"),
            "DicomAet": AE_TITLE,
            "DicomPort": self.port,
            "HttpPort": self.http,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DefaultEncoding": "Utf8",
            "SyncStorageArea": False,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True,
            "DicomModalities": {title: [title, "127.0.0.1", port] for title, port in self.modalities.items()},
        }
        path = self.directory / "orthanc.json"
        path.write_text(json.dumps(configuration), encoding="utf-8")
        program = shutil.which("Orthanc") or "/usr/sbin/Orthanc"
        with (self.directory / "log").open("wb") as log:
            self._process = subprocess.Popen([program, str(path)], stdout=log, stderr=log, env=NO_DELAY)
        until(self._answers, "Orthanc answers")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(_SECONDS)

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self.directory / "log").read_text()
        try:
            self.get("/system")
        except urllib.error.URLError:
            return False
        return True

    def get(self, path: str) -> Any:
        """Ask its REST interface for something."""
        return json.loads(self.read(path))

    def read(self, path: str) -> bytes:
        """Give what its REST interface has at a path, as it is."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=_SECONDS) as answer:
            content: bytes = answer.read()
            return content

    def post(self, path: str, body: object) -> Any:
        """Have something done; bytes go as they are, all else as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", data=data)
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            return json.loads(answer.read())
