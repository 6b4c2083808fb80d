"""A real syslog server: rsyslog, which writes what it receives into a file."""

from __future__ import annotations

import shutil
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal

from console.atna.syslog import Record
from runtime import free_port
from tests.support.waiting import until

_PROGRAM = shutil.which("rsyslogd") or "/usr/sbin/rsyslogd"
_CONFIGURATION = """
global(workDirectory="{folder}" maxMessageSize="128k" parser.escapeControlCharactersOnReceive="off"{tls})
module(load="{module}"{driver})
template(name="raw" type="string" string="%rawmsg%\\n")
input(type="{module}" port="{port}" address="127.0.0.1" ruleset="kept")
ruleset(name="kept") {{ action(type="omfile" file="{folder}/received" template="raw" flushOnTXEnd="on") }}
"""


@dataclass
class Rsyslog:
    """Receives within `with`; it may be killed and started again."""

    folder: Path
    transport: Literal["tls", "tcp", "udp"] = "tcp"
    #: Authority's certificate, and the server's own with its key.
    certificates: tuple[Path, Path, Path] | None = None
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it listens."""
        self.folder.mkdir(parents=True, exist_ok=True)
        tls, driver = "", ""
        if self.transport == "tls":
            assert self.certificates is not None
            names = ("CAFile", "CertFile", "KeyFile")
            tls = "".join(f' defaultNetstreamDriver{n}="{f}"' for n, f in zip(names, self.certificates, strict=True))
            driver = ' streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="x509/certvalid"'
        module = "imudp" if self.transport == "udp" else "imtcp"
        text = _CONFIGURATION.format(folder=self.folder, tls=tls, module=module, driver=driver, port=self.port)
        file = self.folder / "rsyslog.conf"
        file.write_text(text, encoding="utf-8")
        command = [_PROGRAM, "-n", "-f", str(file), "-i", str(self.folder / "pid")]
        with (self.folder / "said").open("ab") as said:
            self._process = subprocess.Popen(command, stdout=said, stderr=said)
        until(self._listens, "rsyslog listens")

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "said").read_text(encoding="utf-8")
        kind = socket.SOCK_DGRAM if self.transport == "udp" else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as one:
            if self.transport == "udp":
                try:
                    one.bind(("127.0.0.1", self.port))
                except OSError:
                    return True
                return False
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """Kill it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None

    def __enter__(self) -> Rsyslog:
        """Start."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End."""
        self.kill()

    def records(self) -> list[Record]:
        """Give the audit messages that were received, in order."""
        file = self.folder / "received"
        lines = file.read_bytes().splitlines() if file.exists() else []
        return [Record.decode(line) for line in lines if b"<AuditMessage" in line]
