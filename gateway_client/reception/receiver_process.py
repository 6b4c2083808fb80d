"""A process that receives: `python -m gateway_client.reception.receiver_process SOCKET PLACES`, started by the gateway alone.

Over the socket come connections, and objects are reported; when it is closed the gateway is gone, and so is this process.
"""

from __future__ import annotations

import pickle
import signal
import socket
import sys
from functools import partial

from gateway_client.commitment.arrivals import mark_of
from gateway_client.commitment.commitments import Commitments
from gateway_client.commitment.kept import Kept
from gateway_client.commitment.requestor import CommitmentRequestor
from gateway_client.commitment.requests import CommitmentRequests
from gateway_client.commitment.taking import CommitmentInProcess, Taking
from gateway_client.journal import Journal
from gateway_client.reception.places import Places
from gateway_client.reception.receivers import NUMBER, STOP, Orders
from gateway_client.reception.reports import READY, encode_report
from gateway_client.reception.scp import StorageSCP
from gateway_client.reception.spool import Spool, SpooledFile
from runtime import ReactorThread, SystemClock, set_up_logs


def main() -> None:
    """Receive until the gateway says that it stops, or is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a service manager may tell all processes; the gateway lets peers finish
    orders: Orders = pickle.load(sys.stdin.buffer)
    configuration, process = orders.configuration, orders.number
    set_up_logs(configuration.log_level, configuration.log_format)
    gateway = socket.socket(fileno=int(sys.argv[1]))
    places = Places(int(sys.argv[2]), configuration.processes, len(configuration.all_listeners))

    def report(file: SpooledFile) -> None:
        places.object_reported(process)
        gateway.sendall(encode_report(file))

    clock = SystemClock()
    spool = Spool(
        configuration.spool,
        clock,
        max_object_bytes=configuration.max_object_bytes,
        free_space_floor=configuration.free_space_floor,
        tag=orders.tag,
    )
    journal = Journal(configuration.journal, synchronous=configuration.journal_synchronous)
    reactor = ReactorThread("dicom")
    taking = Taking(Commitments(journal), lambda: mark_of(orders.run, places.reported()), reactor, clock)
    requests = CommitmentRequests(journal, Kept(journal, configuration).committed)
    results = CommitmentRequestor(configuration, requests, reactor, clock).services
    commitment = CommitmentInProcess(configuration, taking, results)
    scp = StorageSCP(configuration, spool, report, reactor, beside=partial(places.beside, process), commitment=commitment)
    scp.open()
    gateway.sendall(READY)
    stop = _adopt_connections(gateway, scp, partial(places.connection_ended, process))
    scp.stop(configuration.stop_seconds if stop else 0.0)
    reactor.stop()
    journal.close()
    spool.close()


def _adopt_connections(gateway: socket.socket, scp: StorageSCP, ended: partial[None]) -> bool:
    """Take connections until there are no more; True when the gateway stops, False when it is gone."""
    while True:
        data, descriptors, _flags, _address = socket.recv_fds(gateway, NUMBER.size, 1)
        for descriptor in descriptors:
            (number,) = NUMBER.unpack(data)
            scp.adopt(number, socket.socket(fileno=descriptor), ended)
        if not data or data == STOP:
            return bool(data)


if __name__ == "__main__":
    main()
