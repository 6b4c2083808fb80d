"""A private PostgreSQL cluster from Debian's binaries, for one test session."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from runtime import free_port

WHERE = Path("/usr/lib/postgresql")
#: A file system in memory, and the bytes that must be free there for the clusters of a session.
MEMORY = Path("/dev/shm")
ROOM = 4 << 30
PREFIX = "magbroker-pg-"
MISSING = "PostgreSQL's server is not installed; 'make packages' installs it, or: apt-get install postgresql"


def binaries() -> Path:
    """Give the folder of the newest server's programs."""
    versions = sorted(WHERE.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not versions:
        raise RuntimeError(MISSING)
    return versions[-1].parent


def _as_owner(command: list[str]) -> list[str]:
    """Let nothing outlive the tests, however they end; as root run as Debian's user postgres, since PostgreSQL refuses root."""
    user = ["--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
    return ["setpriv", *user, "--pdeathsig=INT", *command]


def _clear(where: Path) -> None:
    """Remove what sessions left behind that were killed."""
    for left in where.glob(f"{PREFIX}*-*"):
        owner = left.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(left, ignore_errors=True)


@dataclass
class PostgresCluster:
    """A cluster on a free loopback port, trusting its one user.

    It is kept in memory where there is room, without fsync: a database is a thousand files, and each test has its own. One
    that is `durable`, as benchmarks want it, is on disk.
    """

    port: int = field(default_factory=free_port)
    durable: bool = False
    directory: Path = field(init=False)
    _server: subprocess.Popen[bytes] | None = None
    _count: int = 0

    def __post_init__(self) -> None:
        """Make its folder."""
        roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
        where = MEMORY if roomy and not self.durable else Path(tempfile.gettempdir())
        _clear(where)
        self.directory = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=where))

    def start(self) -> None:
        """Make the cluster and start its server."""
        folder = binaries()
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.directory, owner.pw_uid, owner.pw_gid)
        cluster = self.directory / "cluster"
        initdb = [str(folder / "initdb"), "-D", str(cluster), "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(_as_owner(initdb), check=True, stdout=subprocess.DEVNULL, cwd=self.directory)
        self.resume()

    def resume(self) -> None:
        """Start the server of a cluster that was made before."""
        folder, cluster = binaries(), self.directory / "cluster"
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.directory),
            "max_connections": "200",
        }
        if not self.durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self.directory / "log").open("ab") as log:
            command = _as_owner([str(folder / "postgres"), "-D", str(cluster), *settings])
            self._server = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.directory)
        self._await()

    def _await(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                with psycopg.connect(self._conninfo("postgres"), connect_timeout=5):
                    return
            except psycopg.OperationalError:
                if time.monotonic() > deadline or (self._server and self._server.poll() is not None):
                    raise RuntimeError((self.directory / "log").read_text(errors="replace")) from None

    def _conninfo(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} user=tests dbname={database}"

    def new_database(self) -> tuple[str, str]:
        """Name a database that is to be made, with its SQLAlchemy URL."""
        self._count += 1
        name = f"test_{self._count}"
        return name, f"postgresql+psycopg://tests@127.0.0.1:{self.port}/{name}"

    def create_database(self) -> tuple[str, str]:
        """Make an empty database; give its name and SQLAlchemy URL."""
        name, url = self.new_database()
        self.copy_database("template1", name)
        return name, url

    def create_linguistic_database(self) -> tuple[str, str]:
        """Make an empty database that sorts as English dictionaries do; give its name and SQLAlchemy URL."""
        name, url = self.new_database()
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE "en-US"')
        return name, url

    def copy_database(self, template: str, name: str) -> None:
        """Make a database as a copy of one to which nobody is connected."""
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            # files are copied in half the time that it takes to log their pages, which servers before 15 cannot
            how = "STRATEGY file_copy" if connection.info.server_version >= 150_000 else ""
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {how}')

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def cpu_seconds(self) -> float:
        """Give the processor seconds of the server: of its processes that live, and of those that ended."""
        if self._server is None:
            return 0.0
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it ended meanwhile
                fields = stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
                if int(stat.parent.name) == self._server.pid:
                    ticks += sum(int(field) for field in fields[11:15])
                elif int(fields[1]) == self._server.pid:
                    ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def halt(self) -> None:
        """End the server by its pid, whoever is connected to it."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait(30)
            self._server = None

    def stop(self) -> None:
        """End the server and remove the cluster."""
        self.halt()
        shutil.rmtree(self.directory, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Database:
    """A database of the cluster, as its owner sees it from outside of magbroker."""

    url: str

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """Run SQL and give the rows."""
        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def relations(self) -> list[str]:
        """Name tables, indexes, sequences and views in it."""
        found = self.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname")
        return [str(name) for (name,) in found]
