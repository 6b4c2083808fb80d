"""Real DICOM peers and objects for tests: DCMTK's programs, and slices of synthetic studies made from pydicom's files."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.filereader import read_file_meta_info
from pydicom.uid import generate_uid

from runtime import free_port

#: The station that made the test's slices, so that a rule can tell them from the demo's samples.
STATION = "SLICES"
#: DCMTK's programs send small messages at once then.
NO_DELAY = {**os.environ, "TCP_NODELAY": "1"}
_HEAD_BYTES = 132 + 12


def make_slices(directory: Path, count: int) -> dict[str, Path]:
    """Write CT slices of one study that has an exam at the demo site; gives them by SOP Instance UID."""
    directory.mkdir(parents=True)
    dataset = dcmread(str(get_testdata_file("CT_small.dcm")))
    dataset.PatientName, dataset.PatientID = "DEMO^PATIENT^ONE", "666-00-1100"
    dataset.PatientBirthDate, dataset.PatientSex = "19500131", "M"
    dataset.AccessionNumber, dataset.StudyDate, dataset.StationName = "021026-201", "20260210", STATION
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.pop("DataSetTrailingPadding", None)  # storescu does not send it
    slices = {}
    for number in range(count):
        uid = generate_uid()
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
        dataset.InstanceNumber = number + 1
        slices[str(uid)] = directory / f"{number:06d}.dcm"
        dataset.save_as(slices[str(uid)])
    return slices


def data_set_bytes(path: Path) -> bytes:
    """Give the bytes after the file meta information: the data set as it went over the wire."""
    length = int(read_file_meta_info(path).FileMetaInformationGroupLength)
    return path.read_bytes()[_HEAD_BYTES + length :]


def storescu(port: int, *files: Path, options: tuple[str, ...] = (), expect: int = 0) -> str:
    """Send files or a folder with DCMTK; gives what it said."""
    command = ["storescu", "-v", "-aec", "MAGBROKER", *options, "+sd", "127.0.0.1", str(port), *map(str, files)]
    run = subprocess.run(command, capture_output=True, text=True, env=NO_DELAY, timeout=300, check=False)
    said = run.stdout + run.stderr
    assert run.returncode == expect, said
    return said


@dataclass
class Storescp:
    """DCMTK's storescp, writing what it receives bit by bit; it keeps every copy of an object that comes again."""

    directory: Path
    port: int = field(default_factory=free_port)
    options: tuple[str, ...] = ()
    _process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Storescp:
        """Listen."""
        self.directory.mkdir(parents=True, exist_ok=True)
        command = ["storescp", "+B", "+xa", "+uf", "-od", str(self.directory), *self.options, str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=NO_DELAY)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return self
        raise RuntimeError("storescp does not listen")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)

    def received(self) -> dict[str, list[Path]]:
        """Give the complete files by SOP Instance UID."""
        found: dict[str, list[Path]] = {}
        for path in sorted(self.directory.iterdir()):
            try:
                uid = str(read_file_meta_info(path).MediaStorageSOPInstanceUID)
            except Exception:  # still being written
                continue
            found.setdefault(uid, []).append(path)
        return found


class ResendingModality(threading.Thread):
    """Sends every object until it is answered with success, as a modality does whose archive goes away now and then.

    It sends `batch` at a time, and again what was not answered, with a pause between.
    """

    def __init__(self, port: int, files: Iterable[Path], batch: int = 10, pause: float = 0.4) -> None:
        super().__init__(daemon=True)
        self.left = list(files)
        self._port, self._batch, self._pause = port, batch, pause

    def run(self) -> None:
        """Send until nothing is left."""
        while self.left:
            files = self.left[: self._batch]
            command = ["storescu", "-v", "-aec", "MAGBROKER", "127.0.0.1", str(self._port), *map(str, files)]
            run = subprocess.run(command, capture_output=True, text=True, env=NO_DELAY, timeout=300, check=False)
            if run.returncode == 0:
                del self.left[: self._batch]
            time.sleep(self._pause)


class ListeningModality(threading.Thread):
    """Sends objects, `batch` in an association and with pauses between, and hears how each one is answered.

    What is under way when an association is cut off has no answer: of such objects it sends every second one again at once and
    holds the others back, so that a test sees what became of them.
    """

    def __init__(self, port: int, files: Iterable[Path], batch: int = 20, pause: float = 0.3) -> None:
        super().__init__(daemon=True)
        self.left = list(files)
        self.answered: set[Path] = set()
        self.cut_off: list[Path] = []
        self._port, self._batch, self._pause = port, batch, pause

    @property
    def held_back(self) -> set[Path]:
        """Those that were sent once and never answered."""
        return set(self.cut_off[::2]) - self.answered

    def run(self) -> None:
        """Send until nothing is left."""
        while self.left:
            command = ["storescu", "-v", "-aec", "MAGBROKER", "127.0.0.1", str(self._port), *map(str, self.left[: self._batch])]
            self._send(command)
            self.left = [path for path in self.left if path not in self.answered and path not in self.held_back]
            time.sleep(self._pause)

    def _send(self, command: list[str]) -> None:
        under_way = None
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=NO_DELAY) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("I: Sending file: "):
                    under_way = Path(line.removeprefix("I: Sending file: ").rstrip())
                elif under_way and line.startswith("I: Received Store Response (Success)"):
                    self.answered.add(under_way)
                    under_way = None
        if under_way:
            self.cut_off.append(under_way)
