"""The DICOM port: DCMTK sends, everything is kept as it came, and nobody can disturb it."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from dul import Exchange
from gateway_client.configuration import Configuration
from gateway_client.errors import SpoolFull
from gateway_client.objects.part10 import FileMeta, digest_of, encode_head, read_meta
from gateway_client.reception.scp import StorageSCP
from gateway_client.reception.spool import Spool, SpooledFile, SpoolWriter
from gateway_client.transmission.consignment import Destination
from gateway_client.transmission.object_file import Result
from gateway_client.transmission.scu import StorageSCU
from runtime import PortInUse, SystemClock, free_port
from tests.integration.gateway.conftest import digest_as_sent, echoscu, storescu, wait_for
from tests.support.sending import send_file

NAMES = [
    "CT_small.dcm",  # explicit VR little endian
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "image_dfl.dcm",  # deflated
    "MR_small_RLE.dcm",
    "JPEG2000.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",  # JPEG baseline
    "test-SR.dcm",
]


def shipped(name: str) -> Path:
    """Find a file that comes with pydicom."""
    return Path(str(get_testdata_file(name, download=False)))


class Port:
    """A storage SCP with a spool of its own."""

    def __init__(self, directory: Path, **changes: object) -> None:
        settings: dict[str, object] = {"dicom_port": 0, "stop_seconds": 5.0, **changes}
        self.configuration = Configuration(directory, directory, **settings)  # a test's changes
        self.spool = Spool(directory, SystemClock(), max_object_bytes=self.configuration.max_object_bytes)
        self.files: list[SpooledFile] = []
        self.scp = StorageSCP(self.configuration, self.spool, self.files.append)
        self.scp.start()
        self.directory = directory

    @property
    def number(self) -> int:
        return self.scp.port

    def leftovers(self) -> list[str]:
        """List what is half received."""
        return os.listdir(self.directory / "tmp")

    def destination(self, title: str = "MAGBROKER") -> Destination:
        return Destination("GATEWAY", title, "127.0.0.1", self.number)


@pytest.fixture
def make_port(tmp_path: Path) -> Iterator[Callable[..., Port]]:
    ports: list[Port] = []

    def make(**changes: object) -> Port:
        ports.append(Port(tmp_path / f"port{len(ports)}", **changes))
        return ports[-1]

    (tmp_path / "port0").mkdir()
    yield make
    for port in ports:
        port.scp.stop()
        port.spool.close()


@pytest.fixture
def port(make_port: Callable[..., Port]) -> Port:
    return make_port()


@pytest.fixture
def scu(port: Port) -> Iterator[StorageSCU]:
    scu = StorageSCU(port.configuration)
    yield scu
    scu.close()


def reference(tmp_path: Path, source: Path) -> Path:
    """Give the file that DCMTK's own SCP makes of what DCMTK's SCU sends, with the data set as it came."""
    directory = tmp_path / "reference"
    directory.mkdir()
    number = free_port()
    receiver = subprocess.Popen(
        ["storescp", "+B", "+xa", "-od", str(directory), "-fe", ".dcm", str(number)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: echoscu(number) == 0)
        assert storescu(number, source).returncode == 0
    finally:
        receiver.terminate()
        receiver.wait(10)
    (received,) = directory.glob("*.dcm")
    return received


@pytest.mark.parametrize("name", NAMES)
def test_dcmtk_sends_and_the_data_set_is_kept_as_dcmtk_itself_would_keep_it(tmp_path: Path, port: Port, name: str) -> None:
    done = storescu(port.number, shipped(name))
    assert done.returncode == 0, done.stderr
    (file,) = port.files
    assert file.digest == digest_of(port.spool.path(file.name)) == digest_of(reference(tmp_path, shipped(name)))
    meta, sent = read_meta(port.spool.path(file.name)), read_meta(shipped(name))
    assert meta.transfer_syntax == sent.transfer_syntax
    assert (file.origin.calling, file.origin.called, file.origin.peer) == ("STORESCU", "ANY-SCP", "127.0.0.1")
    assert dcmread(port.spool.path(file.name)).SOPInstanceUID == file.meta.sop_instance_uid


@pytest.mark.parametrize("name", NAMES)
def test_our_own_sender_and_receiver_leave_every_bit_as_it_is(port: Port, scu: StorageSCU, name: str) -> None:
    assert send_file(scu, port.destination(), "study", shipped(name)).result is Result.SENT
    (file,) = port.files
    assert file.digest == digest_as_sent(shipped(name))


def test_dcmtk_echoes(port: Port) -> None:
    assert echoscu(port.number) == 0


def test_a_private_sop_class_is_taken(port: Port, scu: StorageSCU, tmp_path: Path) -> None:
    data = shipped("CT_small.dcm").read_bytes()[read_meta(shipped("CT_small.dcm")).offset :]
    private = "1.3.46.670589.5.0.3.1"
    data = data.replace(b"UI\x1a\x001.2.840.10008.5.1.4.1.1.2\0", b"UI\x16\x00" + private.encode() + b"\0", 1)
    meta = FileMeta(private, read_meta(shipped("CT_small.dcm")).sop_instance_uid, "1.2.840.10008.1.2.1")
    (tmp_path / "private.dcm").write_bytes(encode_head(meta) + data)
    assert send_file(scu, port.destination(), "study", tmp_path / "private.dcm").result is Result.SENT
    assert port.files[0].meta.sop_class_uid == private


def test_an_object_that_is_another_than_announced_is_refused(port: Port, scu: StorageSCU, tmp_path: Path) -> None:
    data = shipped("CT_small.dcm").read_bytes()[read_meta(shipped("CT_small.dcm")).offset :]
    meta = FileMeta("1.2.840.10008.5.1.4.1.1.2", "1.2.3.4", "1.2.840.10008.1.2.1")
    (tmp_path / "other.dcm").write_bytes(encode_head(meta) + data)
    outcome = send_file(scu, port.destination(), "study", tmp_path / "other.dcm")
    assert (outcome.result, outcome.reason) == (
        Result.REFUSED,
        "status A900, The data set is not the one that the C-STORE request names.",
    )
    assert port.files == []
    assert port.leftovers() == []


@pytest.mark.parametrize("data", [b"", b"no data set at all, only letters", bytes(100)])
def test_what_is_no_data_set_is_refused(port: Port, scu: StorageSCU, tmp_path: Path, data: bytes) -> None:
    meta = FileMeta("1.2.840.10008.5.1.4.1.1.2", "1.2.3.4", "1.2.840.10008.1.2.1")
    (tmp_path / "nothing.dcm").write_bytes(encode_head(meta) + data)
    outcome = send_file(scu, port.destination(), "study", tmp_path / "nothing.dcm")
    assert (outcome.result, outcome.reason) == (
        Result.REFUSED,
        "status C000, The bytes are not a DICOM data set that can be identified.",
    )
    assert port.files == []
    assert port.leftovers() == []
    assert send_file(scu, port.destination(), "study", shipped("CT_small.dcm")).result is Result.SENT


@pytest.mark.parametrize("call", ["writev", "fsync"])
def test_a_full_disk_is_answered_a700_and_leaves_nothing(port: Port, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        done = storescu(port.number, shipped("CT_small.dcm"), options=("-v",))
    assert done.returncode != 0
    assert re.search("OutOfResources|a700", done.stderr + done.stdout)
    assert port.files == []
    assert port.leftovers() == []
    assert port.spool.names() == []
    assert storescu(port.number, shipped("CT_small.dcm")).returncode == 0


def test_below_the_free_space_floor_the_answer_is_a700(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    def begin(*_: object) -> SpoolWriter:
        raise SpoolFull

    monkeypatch.setattr(port.spool, "begin", begin)
    assert storescu(port.number, shipped("CT_small.dcm")).returncode != 0
    assert port.files == []


def test_an_object_that_is_too_large_is_refused_and_the_next_one_is_taken(make_port: Callable[..., Port]) -> None:
    port = make_port(max_object_bytes=20000)
    assert storescu(port.number, shipped("CT_small.dcm")).returncode != 0
    assert storescu(port.number, shipped("MR_small_implicit.dcm")).returncode == 0
    assert [file.size < 20000 for file in port.files] == [True]
    assert port.leftovers() == []


JUNK = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    bytes(1000),
    b"\x01\x00\xff\xff\xff\xff" + bytes(100),  # an association request of 4 GiB
    b"\x01\x00\x00\x00\x00\x04\x00\x01\x00\x00",  # one that is cut off
    b"\x04\x00\x00\x00\x00\x0c" + bytes(12),  # data before an association
    b"[XWB]10304\nTCPConnect50009127.0.0.1f0001000001xf\x04",
    os.urandom(5000),
]


@pytest.mark.parametrize("junk", JUNK)
def test_bytes_that_are_not_dicom_do_not_disturb_the_port(port: Port, junk: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port.number), timeout=10) as connection:
        connection.sendall(junk)
        assert echoscu(port.number) == 0
        connection.settimeout(10)
        with contextlib.suppress(OSError):  # the port has closed already
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1000):
                pass
    assert storescu(port.number, shipped("CT_small.dcm")).returncode == 0


class Raw:
    """A peer that says what it likes, over an association that was accepted."""

    def __init__(self, number: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", number), timeout=10)
        self.socket.sendall(_association_request())
        assert self.read_pdu()[0] == 2

    def read_pdu(self) -> bytes:
        """Read one PDU, nothing when the peer has closed."""
        head = self._exactly(6)
        return head + self._exactly(int.from_bytes(head[2:], "big")) if head else b""

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                piece = self.socket.recv(count - len(data))
            except ConnectionResetError:
                return b""
            if not piece:
                return b""
            data += piece
        return data

    def send(self, control: int, data: bytes) -> None:
        """Send one P-DATA PDU with one value."""
        value = bytes([1, control]) + data
        self.socket.sendall(b"\x04\0" + struct.pack(">II", len(value) + 4, len(value)) + value)


def _item(kind: int, data: bytes) -> bytes:
    return bytes([kind, 0]) + struct.pack(">H", len(data)) + data


def _association_request() -> bytes:
    context = _item(0x30, b"1.2.840.10008.5.1.4.1.1.2") + _item(0x40, b"1.2.840.10008.1.2.1")
    user = _item(0x51, struct.pack(">I", 16384)) + _item(0x52, b"1.2.3")
    body = b"\0\1\0\0" + b"MAGBROKER".ljust(16) + b"RAW".ljust(16) + bytes(32)
    body += _item(0x10, b"1.2.840.10008.3.1.1.1") + _item(0x20, b"\1\0\0\0" + context) + _item(0x50, user)
    return b"\x01\0" + struct.pack(">I", len(body)) + body


def command(*elements: tuple[int, bytes]) -> bytes:
    """Encode a command set."""
    body = b"".join(struct.pack("<HHI", 0, number, len(value)) + value for number, value in elements)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


STORE = command(
    (0x2, b"1.2.840.10008.5.1.4.1.1.2\0"),
    (0x100, b"\1\0"),
    (0x110, b"\1\0"),
    (0x700, b"\0\0"),
    (0x800, b"\1\0"),
    (0x1000, b"1.2.3\0"),
)


def test_a_peer_that_vanishes_in_the_middle_leaves_nothing(port: Port) -> None:
    raw = Raw(port.number)
    raw.send(3, STORE)
    for _ in range(200):
        raw.send(0, bytes(16000))
    wait_for(lambda: len(port.leftovers()) == 1)
    raw.socket.close()
    wait_for(lambda: port.leftovers() == [])
    assert port.files == []


@pytest.mark.parametrize(
    "command_set",
    [b"rubbish", b"", command((0x100, b"\x99\x99"), (0x800, b"\1\1")), command((0x2, b"1.2\0")), STORE[:40]],
)
def test_a_broken_command_set_ends_its_association_only(port: Port, command_set: bytes) -> None:
    raw = Raw(port.number)
    raw.send(3, command_set)
    answer = raw.read_pdu()
    assert not answer or answer[0] == 7
    raw.socket.close()
    assert echoscu(port.number) == 0


def test_a_command_set_without_end_is_cut_off(port: Port) -> None:
    raw = Raw(port.number)
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        for _ in range(10):
            raw.send(1, bytes(16000))
    answer = raw.read_pdu()
    assert not answer or answer[0] == 7
    raw.socket.close()
    assert echoscu(port.number) == 0


def test_a_peer_that_stops_within_a_pdu_is_left_after_the_timeout(make_port: Callable[..., Port]) -> None:
    port = make_port(network_timeout=0.5)
    raw = Raw(port.number)
    raw.send(3, STORE)
    raw.socket.sendall(b"\x04\0\0\0\x40\0" + bytes(100))
    assert raw.read_pdu()[:1] in (b"", b"\x07")
    raw.socket.close()
    wait_for(lambda: port.leftovers() == [])


def test_only_the_listed_ae_titles_are_taken_when_some_are_listed(make_port: Callable[..., Port]) -> None:
    port = make_port(called_ae_titles=("GATEWAY", "OTHER"))
    file = shipped("CT_small.dcm")
    assert storescu(port.number, file, options=("-aec", "OTHER")).returncode == 0
    assert storescu(port.number, file, options=("-aec", "GATEWAY")).returncode == 0
    done = storescu(port.number, file, options=("-aec", "STRANGER"))
    assert done.returncode != 0
    assert "Called AE Title Not Recognized" in done.stderr


def test_more_associations_than_allowed_are_rejected(make_port: Callable[..., Port]) -> None:
    port = make_port(max_associations=2)
    held = [Raw(port.number) for _ in range(2)]
    assert echoscu(port.number) != 0
    for raw in held:
        raw.socket.close()
    wait_for(lambda: echoscu(port.number) == 0)


def test_a_port_that_is_taken_is_said_so(port: Port, tmp_path: Path) -> None:
    second = StorageSCP(Configuration(tmp_path, tmp_path, dicom_port=port.number), port.spool, port.files.append)
    with pytest.raises(PortInUse, match=str(port.number)):
        second.start()


def test_stopping_lets_a_sender_finish_its_object(port: Port) -> None:
    raw = Raw(port.number)
    path = shipped("CT_small.dcm")
    meta = read_meta(path)
    uid = meta.sop_instance_uid.encode()
    announced = command(
        (0x2, b"1.2.840.10008.5.1.4.1.1.2\0"),
        (0x100, b"\1\0"),
        (0x110, b"\1\0"),
        (0x700, b"\0\0"),
        (0x800, b"\1\0"),
        (0x1000, uid + b"\0" * (len(uid) % 2)),
    )
    data = path.read_bytes()[meta.offset :]
    raw.send(3, announced)
    raw.send(0, data[:10000])
    wait_for(lambda: any(exchange.busy for exchange in exchanges(port)))
    stopping = threading.Thread(target=port.scp.stop)
    stopping.start()
    wait_for(lambda: not _listens(port))
    raw.send(2, data[10000:])
    answer = raw.read_pdu()
    raw.socket.close()
    stopping.join(10)
    assert not stopping.is_alive()
    assert answer[0] == 4
    assert struct.pack("<HHIH", 0, 0x900, 2, 0) in answer
    assert [file.digest for file in port.files] == [digest_of(path)]


def exchanges(port: Port) -> list[Exchange]:
    """List the associations of a port."""
    return [exchange for opened in port.scp._ports._open for exchange in opened.listener.exchanges]


def _listens(port: Port) -> bool:
    return bool(port.scp._ports._open)
