"""DCMTK's archive and worklist servers for tests."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from pydicom.dataset import Dataset

from runtime import free_port
from tests.support.dicom import NO_DELAY
from tests.support.waiting import until

AE_TITLE = "ARCHIVE"


@dataclass
class _Server:
    """A process that listens, within `with`."""

    directory: Path
    port: int = field(default_factory=free_port, kw_only=True)

    def command(self) -> list[str]:
        """Write what it reads, and say how it is started."""
        raise NotImplementedError

    def __enter__(self) -> int:
        """Start it; give its port."""
        self.directory.mkdir(parents=True)
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(self.command(), stdout=quiet, stderr=quiet, env=NO_DELAY, cwd=self.directory)
        until(self._listens, f"{self._process.args} listens")
        return self.port

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(20)

    def _listens(self) -> bool:
        assert self._process.poll() is None
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


@dataclass
class Dcmqrscp(_Server):
    """Keeps what it is sent, answers queries, moves to the ports of `destinations` by AE title."""

    destinations: Mapping[str, int] = field(default_factory=dict)

    def command(self) -> list[str]:
        """Write its configuration."""
        (self.directory / "images").mkdir()
        hosts = "".join(f"{title.lower()} = ({title}, 127.0.0.1, {port})\n" for title, port in self.destinations.items())
        configuration = self.directory / "dcmqrscp.cfg"
        configuration.write_text(
            f"NetworkTCPPort = {self.port}\nMaxPDUSize = 16384\nMaxAssociations = 16\nHostTable BEGIN\n{hosts}HostTable END\n"
            f"VendorTable BEGIN\nVendorTable END\n"
            f"AETable BEGIN\n{AE_TITLE} {self.directory / 'images'} RW (200, 1024mb) ANY\nAETable END\n",
            encoding="utf-8",
        )
        return ["dcmqrscp", "-c", str(configuration), str(self.port)]


@dataclass
class Wlmscpfs(_Server):
    """Answers worklist queries from entries."""

    entries: tuple[Dataset, ...] = ()

    def command(self) -> list[str]:
        """Write the entries."""
        folder = self.directory / AE_TITLE
        folder.mkdir()
        (folder / "lockfile").touch()
        for number, entry in enumerate(self.entries):
            entry.save_as(folder / f"{number}.wl", implicit_vr=False, little_endian=True)
        return ["wlmscpfs", "-dfr", "-dfp", str(self.directory), str(self.port)]
