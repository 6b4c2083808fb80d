"""A site on several machines, all of them this one: brokers on one PostgreSQL, and HAProxy in front of them."""

from __future__ import annotations

import csv
import io
import json
import os
import pwd
import shutil
import socket
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from console.processes import Child
from runtime import free_port
from tests.support.certificates import Authority
from tests.support.services import DEMO_SITE
from tests.support.waiting import until
from xwb import Cipher, Literal, ResponseDecoder, encode_call, encode_connect

#: Debian keeps it where only root's PATH leads.
PROGRAM = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin") or "haproxy"
CONFIGURATION = Path(__file__).parents[2] / "deploy" / "haproxy" / "haproxy.cfg"
#: The demo's gateway user.
CODES = ("DEMOGW1", "1GWY!@#$")


class Visitor:
    """A client at an address of its own (any of 127.0.0.0/8 is this machine's), whose connection is shown as it is."""

    def __init__(self, port: int, address: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(address, 0))
        self.decoder = ResponseDecoder()

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.socket.close()

    def ask(self, request: bytes) -> str:
        """Send a request; give the answer's data. Raises ConnectionError when there is no answer."""
        self.socket.sendall(request)
        while (answer := self.decoder.next_event()) is None:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("closed without an answer")
            self.decoder.receive_data(data)
        assert answer.security == b"", answer
        return answer.data.decode("iso-8859-1")

    def call(self, name: str, *arguments: str) -> str:
        """Call a procedure."""
        return self.ask(encode_call(name.encode(), [Literal(argument.encode("iso-8859-1")) for argument in arguments]))

    def connect(self) -> str:
        """Begin a session."""
        return self.ask(encode_connect(b"127.0.0.1", b"visitor"))

    def sign_on(self) -> Visitor:
        """Begin a session, sign on, enter the gateways' context."""
        assert self.connect() == "accept"
        cipher = Cipher.standard()
        self.call("XUS SIGNON SETUP")
        answer = self.call("XUS AV CODE", cipher.encipher(";".join(CODES).encode()).decode("iso-8859-1"))
        assert int(answer.splitlines()[0]) > 0, answer
        assert self.call("XWB CREATE CONTEXT", cipher.encipher(b"MAG DICOM GATEWAY FULL").decode("iso-8859-1")) == "1"
        return self


@dataclass
class HAProxy:
    """HAProxy with our configuration, on free ports, in front of two brokers."""

    folder: Path
    brokers: tuple[int, int]
    tls: tuple[int, int] | None = None
    port: int = field(default_factory=free_port)
    tls_port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What the configuration is told."""
        told = {f"BROKER{number}": f"127.0.0.1:{port}" for number, port in enumerate(self.brokers, 1)}
        told |= {f"BROKER{number}_TLS": f"127.0.0.1:{port}" for number, port in enumerate(self.tls or (), 1)}
        told |= {"XWB": f"127.0.0.1:{self.port}", "XWB_TLS": f"127.0.0.1:{self.tls_port}"}
        user = pwd.getpwuid(os.getuid()).pw_name
        told |= {"ADMIN_SOCKET": str(self._admin), "HAPROXY_USER": user, "MAXCONN": "200"}
        return {**os.environ, **told}

    @property
    def _admin(self) -> Path:
        return self.folder / "haproxy.sock"

    def __enter__(self) -> HAProxy:
        """Start it and wait until both brokers have passed a whole check."""
        with (self.folder / "haproxy.log").open("wb") as log:
            command = [PROGRAM, "-db", "-f", str(CONFIGURATION)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=self.environment)
        with ExitStack() as on_failure:
            on_failure.callback(self._stop)
            until(self._admin.exists, "HAProxy answers", seconds=20)
            until(lambda: self.checks() == ["L7OK", "L7OK"], "both brokers pass HAProxy's check", seconds=30)
            on_failure.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End it."""
        self._stop()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)

    def servers(self) -> list[dict[str, str]]:
        """Say how HAProxy sees each broker."""
        with socket.socket(socket.AF_UNIX) as admin:
            admin.connect(str(self._admin))
            admin.sendall(b"show stat\n")
            said = b"".join(iter(lambda: admin.recv(65536), b"")).decode()
        rows = csv.DictReader(io.StringIO(said.removeprefix("# ")))
        return [row for row in rows if row["pxname"] == "brokers" and row["svname"].startswith("broker")]

    def checks(self) -> list[str]:
        """Tell what the last check of each broker came to."""
        return [row["check_status"] for row in self.servers()]

    def states(self) -> list[str]:
        """Tell which brokers are up."""
        return [row["status"] for row in self.servers()]


@dataclass
class TwoBrokers:
    """Two brokers, each a process with a data directory of its own, on one database, behind a proxy on this machine."""

    folder: Path
    database: str
    lock_seconds: int = 90
    settings: dict[str, str] = field(default_factory=dict)
    ports: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))
    tls: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))
    children: tuple[Child, Child] = field(init=False)

    def __post_init__(self) -> None:
        """Say what each process is started with."""
        certificate, key = Authority.create(self.folder).issue("localhost")
        shared = {
            "MAGBROKER_DATABASE": self.database,
            "MAGBROKER_SITE_KEY": str(self.folder / "site.key"),
            "MAGBROKER_PROXY_PROTOCOL_FROM": json.dumps(["127.0.0.1"]),
            "MAGBROKER_LOCK_SECONDS": str(self.lock_seconds),
            "MAGBROKER_TLS_CERTIFICATE": str(certificate),
            "MAGBROKER_TLS_KEY": str(key),
            "COLUMNS": "200",
            **self.settings,
        }
        one, other = (self._child(number, {**shared, "MAGBROKER_BROKER_TLS_PORT": str(self.tls[number])}) for number in range(2))
        self.children = (one, other)

    def _child(self, number: int, environment: dict[str, str]) -> Child:
        port, data = self.ports[number], self.folder / f"broker{number + 1}"
        arguments = ["broker", "--no-taskman", "--data", str(data), "--port", str(port), "--text-port", "0"]
        arguments += ["--site", str(DEMO_SITE)]
        return Child(f"broker {number + 1}", arguments, port, data / "broker.log", environment)

    def __enter__(self) -> TwoBrokers:
        """Start both at once, and wait until both listen."""
        for child in self.children:
            child.start()
        with ExitStack() as on_failure:
            on_failure.callback(self._stop)
            for child in self.children:
                child.await_ready()
            on_failure.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End both."""
        self._stop()

    def _stop(self) -> None:
        for child in self.children:
            child.stop()

    def kill(self, number: int) -> None:
        """Kill one as a power cut would."""
        process = self.children[number].process
        assert process is not None
        process.kill()
        process.wait(20)

    def logs(self) -> list[list[str]]:
        """Give the lines that each has written."""
        return [child.log_file.read_text(encoding="utf-8").splitlines() for child in self.children]
