"""Table 2, storage as SCU: an object of each row, in each of its transfer syntaxes, goes out of our sender bit by bit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from pynetdicom import AE, _config, evt

from gateway_client.objects.part10 import read_meta
from gateway_client.transmission.object_file import ObjectFile, Result
from gateway_client.transmission.scu import Consignment, Destination, StorageSCU
from tests.support.archive_site import ArchiveSite
from tests.support.magicstore_objects import Maker
from tests.support.magicstore_tables import TABLE_2, ContextRow
from tests.support.sending import unnoted

SUCCESS = 0x0000
EVERY_SYNTAX = list(dict.fromkeys(syntax for row in TABLE_2 for syntax in row.transfer_syntaxes))


class Peer:
    """A storage SCP that keeps what comes as it comes."""

    def __init__(self) -> None:
        self.received: dict[str, tuple[str, str, bytes]] = {}
        self.callers: set[str] = set()
        ae = AE("PEER")
        for row in TABLE_2:
            ae.add_supported_context(row.uid, list(row.transfer_syntaxes))
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_ACCEPTED, self._accepted)]
        self._server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = self._server.socket.getsockname()[1]

    def close(self) -> None:
        """Listen no longer."""
        self._server.shutdown()

    def _accepted(self, event: Any) -> None:
        self.callers.add(event.assoc.requestor.ae_title.strip())

    def _store(self, event: Any) -> int:
        request = event.request
        data = event.encoded_dataset(include_meta=False)
        self.received[request.AffectedSOPInstanceUID] = (request.AffectedSOPClassUID, event.context.transfer_syntax, data)
        return SUCCESS


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    """Run the peer; pynetdicom takes private and retired SOP classes for those of storage when it is told to only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_config, "UNRESTRICTED_STORAGE_SERVICE", True)
        running = Peer()
        yield running
        running.close()


@pytest.fixture(scope="module")
def objects(maker: Maker) -> dict[tuple[str, str], Path]:
    """Make an object of each row in each of its transfer syntaxes."""
    return {(row.uid, syntax): maker.object_of(row, syntax) for row in TABLE_2 for syntax in row.transfer_syntaxes}


@pytest.fixture(scope="module")
def sent(depot: ArchiveSite, peer: Peer, objects: dict[tuple[str, str], Path]) -> None:
    """Send all of them, those of a transfer syntax over one association."""
    scu = StorageSCU(depot.configuration())
    ended: SimpleQueue[Consignment] = SimpleQueue()
    destination = Destination("PEER", "PEER", "127.0.0.1", peer.port)
    for wanted in EVERY_SYNTAX:
        files = [ObjectFile(path) for (_, syntax), path in objects.items() if syntax == wanted]
        scu.send(Consignment(destination, wanted, files, unnoted, ended.put, whole=True))
        consignment = ended.get(timeout=60)
        assert {outcome.result for outcome in consignment.outcomes.values()} == {Result.SENT}, consignment.outcomes
    scu.close()


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize("row", TABLE_2, ids=lambda row: row.name)
def test_an_object_of_each_row_arrives_as_it_is_in_every_transfer_syntax(
    row: ContextRow, peer: Peer, objects: dict[tuple[str, str], Path]
) -> None:
    for syntax in row.transfer_syntaxes:
        path = objects[row.uid, syntax]
        assert peer.received[path.stem] == (row.uid, syntax, path.read_bytes()[read_meta(path).offset :])


@pytest.mark.usefixtures("sent")
def test_the_sender_calls_by_the_title_that_it_shares_with_the_receiver(depot: ArchiveSite, peer: Peer) -> None:
    assert peer.callers == {depot.title("sender")} == {depot.title("receiver")}
