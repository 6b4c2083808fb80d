"""Parts of our gateway that have no command of their own: `python -m bench.own_servers PART PORT DIRECTORY [PROCESSES]`.

They run until SIGTERM.
"""

from __future__ import annotations

import contextlib
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from gateway_client import Configuration, Gateway
from gateway_client.journal import Journal
from gateway_client.reception.receivers import Receivers
from gateway_client.reception.scp import StorageSCP
from gateway_client.reception.spool import Spool, SpooledFile
from runtime import SystemClock, free_port

#: Associations that the gateway takes: more than any bench opens.
ASSOCIATIONS = 2048
#: Seconds for which they may be silent: until all are open.
SILENT = 600.0


@contextlib.contextmanager
def _written(configuration: Configuration) -> Iterator[None]:
    """Receive into a spool, the header of each object read before its sender hears of success; nothing is filed."""
    spool = Spool(configuration.spool, SystemClock())
    Journal(configuration.journal).close()  # receiving processes have one that is there
    several = configuration.processes > 1
    scp = Receivers(configuration, _check, _fail, random.random) if several else StorageSCP(configuration, spool, _check)
    scp.start()
    try:
        yield
    finally:
        scp.stop()
        spool.close()


def _check(file: SpooledFile) -> None:
    assert file.header is not None, "the header was not read"


def _fail(tag: str) -> None:
    raise AssertionError(f"the process {tag} died")


@contextlib.contextmanager
def _gateway(configuration: Configuration) -> Iterator[None]:
    """Run a whole gateway whose broker is away: everything is received and journaled."""
    gateway = Gateway(configuration)
    gateway.start()
    try:
        yield
    finally:
        gateway.stop()


_PARTS: dict[str, Callable[[Configuration], contextlib.AbstractContextManager[None]]] = {
    "written": _written,
    "gateway": _gateway,
}


def main() -> None:
    """Run a part until SIGTERM or SIGINT."""
    ending = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)  # before there are threads, which inherit it
    part, port, directory, *processes = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), *map(int, sys.argv[4:])
    configuration = Configuration(
        directory,
        directory,
        broker_port=free_port(),
        dicom_port=port,
        max_associations=ASSOCIATIONS,
        processes=processes[0] if processes else 1,
        network_timeout=SILENT,
        free_space_floor=0,
        stop_seconds=5.0,
    )
    with _PARTS[part](configuration):
        signal.sigwait(ending)


if __name__ == "__main__":
    main()
