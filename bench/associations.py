"""What many open associations weigh: each has sent an image and waits."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import StoragePresentationContexts
from twisted.internet.defer import Deferred

from bench.figures import Figure
from bench.image_sets import SMALL, make_set
from bench.peers import own_part
from bench.processes import resident_megabytes
from dul import AssociateRequest, Command, CommandField, Exchange, ProposedContext, connect
from gateway_client.objects.part10 import read_meta
from runtime import ReactorThread

OPEN = 1000
#: Megabytes that the gateway may have then.
WANTED = 300
#: Storage classes that each peer proposes, as modalities and routers do.
_PROPOSED = 64
_SYNTAXES = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))
SUCCESS = 0x0000
#: Files that bench and gateway have open besides.
_OTHER_FILES = 256


class NotOpen(Exception):
    """Associations did not stay open."""


class NotStored(Exception):
    """The gateway did not take an image."""


def measure_associations(directory: Path, count: int = OPEN) -> Iterator[Figure]:
    """Open associations to a whole gateway, store an image over each, and look at its memory before and with them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + _OTHER_FILES), hard))  # for the gateway too, a child of ours
    images = make_set(directory / "sets", SMALL, [count])
    files = sorted(images.folders[0].iterdir())
    reactor = ReactorThread("associations")
    try:
        with own_part("gateway", directory / "gateway") as gateway:
            (pid,) = gateway.pids
            before = resident_megabytes(pid)
            opened = [
                reactor.call(lambda file=file: Deferred.fromCoroutine(_open(reactor, gateway.port, file))) for file in files
            ]
            after = resident_megabytes(pid)
            if closed := sum(exchange.over for exchange in opened):
                raise NotOpen(f"{closed} of {count} associations have ended.")
    finally:
        reactor.stop()
    each = 1024 * (after - before) / count
    note = f"wanted below {WANTED}; {before:.0f} MB before them, {each:.1f} KB each; each has sent {images.image_bytes:,} bytes"
    yield Figure(f"memory with {count:,} open associations", after, note, unit="MB")


async def _open(reactor: ReactorThread, port: int, file: Path) -> Exchange:
    """Open an association and store a file over it. Raises DulError or NotStored."""
    classes = dict.fromkeys((str(CTImageStorage), *(str(it.abstract_syntax) for it in StoragePresentationContexts)))
    contexts = [ProposedContext(2 * place + 1, uid, _SYNTAXES) for place, uid in enumerate(list(classes)[:_PROPOSED])]
    exchange = await connect(reactor.reactor, ("127.0.0.1", port), AssociateRequest("MAGBROKER", "BENCH", tuple(contexts)))
    meta = read_meta(file)
    sop_class, sop_instance = meta.sop_class_uid, meta.sop_instance_uid
    command = Command(field=CommandField.C_STORE_RQ, priority=0, sop_class=sop_class, sop_instance=sop_instance)
    context = exchange.context_for(sop_class, meta.transfer_syntax)
    assert context is not None
    answer = await exchange.ask(context, command, file.read_bytes()[meta.offset :]).response()
    if answer.command.status != SUCCESS:
        raise NotStored(f"Status {answer.command.status:04X}H for {file.name}.")
    return exchange
