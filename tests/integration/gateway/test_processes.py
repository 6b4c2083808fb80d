"""A gateway that receives in several processes: it does what one process does, whichever of them dies."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.image_sets import SMALL, make_set
from console.demo_samples import write_samples
from gateway_client import Configuration, Gateway
from gateway_client.commitment.transaction import Reason
from gateway_client.configuration import Peer
from gateway_client.journal import Journal
from gateway_client.objects.part10 import digest_of, read_meta
from gateway_client.reception.listeners import ListenerConfiguration
from gateway_client.reception.receivers import Receivers
from gateway_client.reception.receiving import GATHERED
from gateway_client.reception.spool import Spool, SpooledFile
from runtime import PortInUse, SystemClock, free_port
from tests.integration.gateway.conftest import echoscu, storescu, wait_for
from tests.integration.gateway.test_receiving import Raw, command, shipped
from tests.support.broker import RunningBroker
from tests.support.commitment import Modality
from tests.support.dicom import NO_DELAY


class Port:
    """Receiving processes with a spool, and what is heard of them."""

    def __init__(self, directory: Path, **changes: object) -> None:
        settings: dict[str, object] = {"dicom_port": 0, "stop_seconds": 5.0, "free_space_floor": 0, "processes": 2, **changes}
        configuration = Configuration(directory, directory, **settings)  # a test's changes
        self.spool = Spool(configuration.spool, SystemClock())
        Journal(configuration.journal).close()
        self.files: list[SpooledFile] = []
        self.lost: list[str] = []
        self.receivers = Receivers(configuration, self.files.append, self.lost.append, lambda: 0.0)
        self.receivers.start()

    @property
    def number(self) -> int:
        return self.receivers.port

    @property
    def connections(self) -> list[int]:
        return [receiver.connections for receiver in self.receivers._receivers]


@pytest.fixture
def make_port(tmp_path: Path) -> Iterator[Callable[..., Port]]:
    with contextlib.ExitStack() as stack:

        def make(**changes: object) -> Port:
            port = Port(tmp_path, **changes)
            stack.callback(port.spool.close)
            stack.callback(port.receivers.stop)
            return port

        yield make


def test_connections_are_spread_evenly_and_counted_until_they_end(make_port: Callable[..., Port]) -> None:
    port = make_port(processes=3)
    peers = [Raw(port.number) for _ in range(7)]
    assert sorted(port.connections) == [2, 2, 3]
    for peer in peers[:4]:
        peer.socket.close()
    wait_for(lambda: sum(port.connections) == 3)
    more = [Raw(port.number) for _ in range(3)]
    assert port.connections == [2, 2, 2]
    for peer in (*peers[4:], *more):
        peer.socket.close()
    wait_for(lambda: port.connections == [0, 0, 0])


def test_the_limit_of_associations_is_that_of_all_processes(make_port: Callable[..., Port]) -> None:
    port = make_port(max_associations=3)
    held = [Raw(port.number) for _ in range(3)]
    assert echoscu(port.number) != 0
    held.pop().socket.close()
    wait_for(lambda: echoscu(port.number) == 0)
    for peer in held:
        peer.socket.close()
    wait_for(lambda: port.connections == [0, 0])


def test_each_of_many_listeners_gets_its_own_connections(make_port: Callable[..., Port]) -> None:
    port = make_port(listeners=tuple(ListenerConfiguration(f"I{number}", "127.0.0.1", 0) for number in range(300)))
    for instrument in ("I0", "I255", "I256", "I299"):
        assert storescu(port.receivers.ports[instrument], shipped("CT_small.dcm")).returncode == 0
    wait_for(lambda: len(port.files) == 4)
    assert sorted(file.origin.instrument for file in port.files) == ["I0", "I255", "I256", "I299"]


def test_an_object_comes_as_through_one_process(make_port: Callable[..., Port]) -> None:
    port = make_port()
    path = shipped("CT_small.dcm")
    for _ in range(2):
        assert storescu(port.number, path).returncode == 0
    wait_for(lambda: len(port.files) == 2 and port.receivers.heard(port.receivers._places.reported()))
    assert not port.receivers.heard([2, 2])
    port.receivers.stop()
    assert port.receivers.heard([2, 2]), "there is no more to hear of"
    for file in port.files:
        assert file.digest == digest_of(port.spool.path(file.name))
        assert file.meta.sop_instance_uid == read_meta(path).sop_instance_uid
        assert (file.origin.calling, file.origin.called, file.origin.peer) == ("STORESCU", "ANY-SCP", "127.0.0.1")
        assert file.header is not None
        assert file.header.patient_name == "CompressedSamples^CT1"


def test_a_peer_comes_over_ipv6(make_port: Callable[..., Port]) -> None:
    port = make_port(dicom_host="::1")
    with socket.create_connection(("::1", port.number), timeout=20) as peer:
        peer.sendall(bytes(100))
        assert peer.recv(1) == b"\x07", "it is told that this was no association"


def test_a_port_that_is_taken_is_said_so(make_port: Callable[..., Port], tmp_path: Path) -> None:
    port = make_port()
    configuration = Configuration(tmp_path, tmp_path, dicom_port=port.number, processes=2)
    with pytest.raises(PortInUse, match=str(port.number)):
        Receivers(configuration, port.files.append, port.lost.append, lambda: 0.0).start()


def test_stopping_lets_a_sender_finish_its_object(make_port: Callable[..., Port], tmp_path: Path) -> None:
    port = make_port()
    idle, raw = Raw(port.number), Raw(port.number)
    path = shipped("CT_small.dcm")
    meta = read_meta(path)
    uid = meta.sop_instance_uid.encode()
    padding = struct.pack("<HH2sHI", 0xFFFC, 0xFFFC, b"OB", 0, GATHERED) + bytes(GATHERED)
    data = path.read_bytes()[meta.offset :] + padding
    begun = ((0x2, b"1.2.840.10008.5.1.4.1.1.2\0"), (0x100, b"\1\0"), (0x110, b"\1\0"), (0x700, b"\0\0"), (0x800, b"\1\0"))
    raw.send(3, command(*begun, (0x1000, uid + b"\0" * (len(uid) % 2))))
    for start in range(0, len(data) - 10000, 100000):
        raw.send(0, data[start : start + 100000][: len(data) - 10000 - start])
    wait_for(lambda: any((tmp_path / "spool" / "tmp").iterdir()))  # it came, so the association is not an idle one
    stopping = threading.Thread(target=port.receivers.stop)
    stopping.start()
    assert idle.read_pdu()[:1] in (b"", b"\x07"), "nothing went on there"
    raw.send(2, data[-10000:])
    answer = raw.read_pdu()
    raw.socket.close()
    idle.socket.close()
    stopping.join(15)
    assert not stopping.is_alive()
    assert struct.pack("<HHIH", 0, 0x900, 2, 0) in answer
    assert [file.digest for file in port.files] == [hashlib.sha256(data).hexdigest()]
    assert port.lost == []


def test_images_that_come_through_two_processes_are_filed(
    tmp_path: Path, demo_broker: RunningBroker, make_gateway: Callable[..., Gateway]
) -> None:
    samples = write_samples(tmp_path / "samples")
    gateway = make_gateway(demo_broker.port, processes=2)
    with ThreadPoolExecutor(4) as senders:
        done = list(senders.map(lambda sample: storescu(gateway.port, sample.path), samples))
    assert [process.returncode for process in done] == [0] * len(samples)
    outcomes = {sample.sop_instance_uid: sample.outcome.upper() for sample in samples}
    wait_for(lambda: states(gateway.configuration.journal) == outcomes)


@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning")
def test_what_any_of_them_received_is_committed_and_told_on_a_new_association(
    demo_broker: RunningBroker, make_gateway: Callable[..., Gateway], tmp_path: Path
) -> None:
    """It is asked for as soon as it was sent, over another association: what is on its way is waited for."""
    samples = [it for it in write_samples(tmp_path / "samples") if it.outcome == "filed"][:4]
    references = [(read_meta(it.path).sop_class_uid, it.sop_instance_uid) for it in samples]
    unknown = ("1.2.840.10008.5.1.4.1.1.2", "1.2.826.0.1.3680043.9.9")
    with Modality() as modality:
        gateway = make_gateway(demo_broker.port, processes=2, peers={modality.title: Peer("127.0.0.1", modality.port)})
        for sample in samples:
            assert storescu(gateway.port, sample.path).returncode == 0
        with modality.association(gateway.port) as association:
            status, transaction = modality.ask(association, [*references, unknown])
            assert status == 0x0000
        result = modality.hears()
    assert (result.transaction, result.event_type) == (transaction, 2)
    assert (result.committed, result.failed) == (references, [(*unknown, Reason.NO_SUCH_OBJECT_INSTANCE)])


@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning")
def test_a_peer_that_could_not_be_told_gets_no_context_for_commitment(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(free_port(), processes=2)
    with Modality() as modality, modality.association(gateway.port) as association:
        assert [it.abstract_syntax for it in association.rejected_contexts] == ["1.2.840.10008.1.20.1"]


def test_what_a_process_that_is_killed_has_answered_is_journaled_and_another_takes_its_place(
    tmp_path: Path, make_gateway: Callable[..., Gateway]
) -> None:
    images = make_set(tmp_path / "images", SMALL, [50] * 4)
    gateway = make_gateway(free_port(), processes=2)
    journal = gateway.configuration.journal
    with ThreadPoolExecutor(4) as senders:
        sending = [senders.submit(sent_and_answered, gateway.port, folder) for folder in images.folders]
        wait_for(lambda: len(os.listdir(gateway.configuration.spool / "in")) > 20)
        first = receiving(os.getpid())
        os.kill(first[0], signal.SIGKILL)
        answered = {uid for answers in sending for uid in answers.result()}
    assert 20 < len(answered) < images.count, "it was killed amid them"
    wait_for(lambda: answered <= states(journal).keys())
    wait_for(lambda: set(os.listdir(gateway.configuration.spool / "in")) == names(journal))
    assert os.listdir(gateway.configuration.spool / "tmp") == []

    wait_for(lambda: len(receiving(os.getpid())) == 2)
    assert first[0] not in receiving(os.getpid())
    with ThreadPoolExecutor(4) as senders:
        again = list(senders.map(lambda folder: sent_and_answered(gateway.port, folder), images.folders))
    everything = {uid for answers in again for uid in answers}
    assert len(everything) == images.count
    wait_for(lambda: everything == states(journal).keys())


PROGRAM = """
import sys
from pathlib import Path
from gateway_client import Configuration, Gateway
directory = Path(sys.argv[1])
gateway = Gateway(Configuration(directory, directory, broker_port=1, dicom_port=0, free_space_floor=0, processes=2))
gateway.start()
print(gateway.port, flush=True)
gateway.wait()
"""


def test_the_processes_end_when_the_gateway_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as gateway:
        assert gateway.stdout is not None
        peer = Raw(int(gateway.stdout.readline()))
        processes = receiving(gateway.pid)
        assert len(processes) == 2
        gateway.kill()
    assert peer.read_pdu()[:1] in (b"", b"\x07")
    peer.socket.close()
    wait_for(lambda: not any(map(_runs, processes)))


def states(journal: Path) -> dict[str, str]:
    """Read the state of every object from a journal's file."""
    with contextlib.closing(sqlite3.connect(journal)) as connection:
        return dict(connection.execute("SELECT sop_instance_uid, state FROM instance").fetchall())


def names(journal: Path) -> set[str]:
    """Read the files' names from a journal's file."""
    with contextlib.closing(sqlite3.connect(journal)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM instance")}


def sent_and_answered(port: int, folder: Path) -> set[str]:
    """Send a folder with DCMTK; give the UIDs of what was answered with success, whatever became of the rest."""
    done = subprocess.run(
        ["storescu", "-v", "+sd", "127.0.0.1", str(port), str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=NO_DELAY,
    )
    said = re.findall(r"Sending file: (\S+)|Received Store Response (\(Success\))", done.stderr + done.stdout)
    sent = [path for path, _ in said]
    return {read_meta(Path(path)).sop_instance_uid for path, (_, success) in zip(sent, said[1:], strict=False) if success}


def receiving(parent: int) -> list[int]:
    """List the receiving processes of a process."""
    found = []
    for children in Path(f"/proc/{parent}/task").glob("*/children"):
        for pid in children.read_text().split():
            with contextlib.suppress(FileNotFoundError):
                if b"gateway_client.reception.receiver_process" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(int(pid))
    return sorted(found)


def _runs(pid: int) -> bool:
    """Tell whether a process runs; one that has ended may be there until it is waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
