"""Real peers on both sides of us, with TLS and without: DCMTK's programs and pynetdicom."""

from __future__ import annotations

import ssl as standard
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.filereader import read_file_meta_info
from pynetdicom import AE, evt
from pynetdicom.events import Event

from dul import VERIFICATION, Command, CommandField, ConnectionLost
from runtime import ReactorThread, free_port
from tests.integration.dul.conftest import Asking, Port, Security
from tests.support.certificates import Authority
from tests.support.dicom import NO_DELAY, data_set_bytes
from tests.support.waiting import until
from tests.unit.dul.pair import ECHO_COMMAND, Memory

IMPLICIT = "1.2.840.10008.1.2"
NAMES = ["CT_small.dcm", "MR_small_bigendian.dcm", "JPEG2000.dcm", "rtplan.dcm"]
FILES = [Path(str(get_testdata_file(name, download=False))) for name in NAMES]
#: DCMTK's own senders write the lengths of encapsulated pixels, and of sequences, anew.
UNCHANGED = FILES[:2]
#: The option of DCMTK that proposes a file's transfer syntax.
PROPOSING = {
    "1.2.840.10008.1.2.1": "-xe",
    "1.2.840.10008.1.2.2": "-xb",
}

Listen = Callable[..., Port]


def run(*command: object, expect: int = 0) -> str:
    """Run one of DCMTK's programs, and give what it said."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60, check=False, env=NO_DELAY)
    said = done.stdout + done.stderr
    assert done.returncode == expect, said
    return said


def listening(security: Security | None) -> dict[str, Any]:
    return {"tls": security.listening()} if security else {}


def options(security: Security | None) -> list[str]:
    return security.of_dcmtk() if security else []


def test_dcmtk_echoes(listen: Listen, security: Security | None) -> None:
    port = listen(**listening(security))
    run("echoscu", *options(security), "--repeat", "3", "localhost", port.number)
    until(lambda: port.connections() == 0, "the connection is closed")
    assert port.associations() == 0


@pytest.mark.parametrize("file", UNCHANGED, ids=lambda file: file.name)
def test_dcmtk_stores_and_every_bit_arrives(listen: Listen, security: Security | None, file: Path) -> None:
    port = listen(**listening(security))
    syntax = str(read_file_meta_info(file).TransferSyntaxUID)
    run("storescu", *options(security), PROPOSING[syntax], "localhost", port.number, file, file)
    first, second = port.stored
    assert first == second
    assert (first.uid, first.transfer_syntax) == (dcmread(file).SOPInstanceUID, syntax)
    assert len(first.data) % 2 == 0
    assert first.data == data_set_bytes(file)[: len(first.data)], "DCMTK leaves the padding after the data set out"


def test_dcmsend_stores_what_it_is_given(listen: Listen) -> None:
    port = listen()
    run("dcmsend", "127.0.0.1", port.number, *FILES)
    assert {stored.uid for stored in port.stored} == {str(dcmread(file).SOPInstanceUID) for file in FILES}
    assert port.abandoned == 0


def client_of(security: Security | None, port: Port, *contexts: tuple[str, str]) -> Any:
    """Ask for an association with pynetdicom."""
    ae = AE("PYNETDICOM")
    for abstract, transfer in contexts:
        ae.add_requested_context(abstract, transfer)
    tls = (security.of_python(standard.Purpose.SERVER_AUTH), "localhost") if security else None
    return ae.associate("127.0.0.1", port.number, tls_args=tls)


def test_pynetdicom_echoes_and_stores(listen: Listen, security: Security | None) -> None:
    port = listen(**listening(security))
    datasets = [dcmread(file) for file in FILES]
    contexts = [(str(dataset.SOPClassUID), str(dataset.file_meta.TransferSyntaxUID)) for dataset in datasets]
    association = client_of(security, port, (VERIFICATION, IMPLICIT), *contexts)
    assert association.is_established
    assert association.send_c_echo().Status == 0
    for dataset in datasets:
        assert association.send_c_store(dataset).Status == 0
    association.release()
    assert association.is_released
    assert [stored.uid for stored in port.stored] == [str(dataset.SOPInstanceUID) for dataset in datasets]
    until(lambda: port.connections() == 0, "the connection is closed")


def test_an_abort_of_pynetdicom_ends_the_association(listen: Listen, security: Security | None) -> None:
    port = listen(**listening(security))
    association = client_of(security, port, (VERIFICATION, IMPLICIT))
    assert port.associations() == 1
    association.abort()
    until(lambda: port.connections() == 0, "the connection is closed")


def test_our_abort_is_heard_by_pynetdicom(listen: Listen, security: Security | None) -> None:
    port = listen(**listening(security))
    association = client_of(security, port, (VERIFICATION, IMPLICIT))
    port.reactor.call(lambda: [exchange.abort() for exchange in list(port.listener.exchanges)])
    until(lambda: port.connections() == 0, "the connection is closed")
    until(lambda: association.is_aborted, "it has heard")
    assert not association.is_established


def contexts_of(files: list[Path]) -> list[tuple[str, str]]:
    metas = [read_file_meta_info(file) for file in files]
    return [(str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)) for meta in metas]


def store_all(asking: Asking) -> None:
    """Store the files, with an echo after each."""
    for file, (abstract, transfer) in zip(FILES, contexts_of(FILES), strict=True):
        uid = str(dcmread(file).SOPInstanceUID)
        command = Command(field=CommandField.C_STORE_RQ, sop_class=abstract, sop_instance=uid, priority=0)
        data = data_set_bytes(file)
        response = asking.ask(abstract, transfer, command, Memory(data + b"\0" * (len(data) % 2))).command
        assert (response.status, response.sop_instance) == (0, uid)
        assert asking.ask(VERIFICATION, IMPLICIT, ECHO_COMMAND).command.status == 0


@pytest.fixture
def storescp(tmp_path: Path, security: Security | None) -> Iterator[tuple[int, Path]]:
    """Run DCMTK's storescp, which writes what it receives bit by bit; give its port and its folder."""
    folder, port = tmp_path / "received", free_port()
    folder.mkdir()
    command = ["storescp", *options(security), "+B", "+xa", "-od", str(folder), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=NO_DELAY)
    try:
        echo = ["echoscu", *options(security), "localhost", str(port)]
        until(lambda: subprocess.run(echo, capture_output=True, check=False, timeout=30).returncode == 0, "storescp listens")
        yield port, folder
    finally:
        process.terminate()
        process.wait(20)


def test_dcmtk_keeps_every_bit_of_what_we_store(
    reactor: ReactorThread, storescp: tuple[int, Path], security: Security | None
) -> None:
    port, folder = storescp
    tls = {"tls": security.asking()} if security else {}
    asking = Asking(reactor, port, [(VERIFICATION, IMPLICIT), *contexts_of(FILES)], **tls)
    store_all(asking)
    asking.release()
    kept = {str(read_file_meta_info(path).MediaStorageSOPInstanceUID): path for path in folder.iterdir()}
    for file in FILES:
        sent, got = data_set_bytes(file), data_set_bytes(kept[str(dcmread(file).SOPInstanceUID)])
        assert got == sent + b"\0" * (len(sent) % 2)


def test_pynetdicom_takes_what_we_store(reactor: ReactorThread, security: Security | None) -> None:
    taken: list[str] = []

    def take(event: Event) -> int:
        taken.append(str(event.dataset.SOPInstanceUID))
        return 0x0000

    ae = AE("PYNETDICOM")
    ae.add_supported_context(VERIFICATION, IMPLICIT)
    for abstract, transfer in contexts_of(FILES):
        ae.add_supported_context(abstract, transfer)
    context = security.of_python(standard.Purpose.CLIENT_AUTH) if security else None
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, take)], ssl_context=context)
    try:
        tls = {"tls": security.asking()} if security else {}
        asking = Asking(reactor, server.server_address[1], [(VERIFICATION, IMPLICIT), *contexts_of(FILES)], **tls)
        store_all(asking)
        asking.release()
    finally:
        server.shutdown()
    assert taken == [str(dcmread(file).SOPInstanceUID) for file in FILES]


@pytest.mark.parametrize("security", ["tls"], indirect=True)
def test_whoever_has_no_certificate_gets_no_association(listen: Listen, security: Security) -> None:
    port = listen(**listening(security))
    said = run("echoscu", "+tla", "-ic", "localhost", port.number, expect=1)
    assert "Failed" in said
    run("echoscu", *options(security), "localhost", port.number)
    until(lambda: port.connections() == 0, "the connections are closed")


@pytest.mark.parametrize("security", ["tls"], indirect=True)
def test_a_peer_that_is_not_who_it_should_be_is_not_talked_to(
    listen: Listen, reactor: ReactorThread, security: Security, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    stranger = Security(tmp_path / "other")
    Authority.create(stranger.folder).issue("localhost")
    port = listen(tls=stranger.listening())
    with pytest.raises(ConnectionLost, match="certificate verify failed"):
        Asking(reactor, port.number, [(VERIFICATION, IMPLICIT)], tls=security.asking())


def test_nobody_listening_is_an_error_at_once(reactor: ReactorThread) -> None:
    with pytest.raises(ConnectionLost, match="refused"):
        Asking(reactor, free_port(), [(VERIFICATION, IMPLICIT)])


@pytest.mark.parametrize("security", ["tls"], indirect=True)
def test_connections_beyond_the_limit_are_closed_before_their_handshake(
    listen: Listen, security: Security, caplog: pytest.LogCaptureFixture
) -> None:
    port = listen(**listening(security), associations=1)
    first = client_of(security, port, (VERIFICATION, IMPLICIT))
    assert first.is_established
    second = client_of(security, port, (VERIFICATION, IMPLICIT))
    assert not second.is_established  # on a busy machine pynetdicom may miss why
    assert "is rejected: 1 associations are open" in caplog.text
    until(lambda: port.connections() == 1, "the rejected one is closed")
    first.release()
