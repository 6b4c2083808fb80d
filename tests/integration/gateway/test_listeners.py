"""Several ports, each an instrument's: whom each lets in, and what is filed of each, sent by DCMTK."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread
from sqlalchemy import select

from fileman.files import AcquisitionCount, Image
from gateway_client import Configuration, Gateway
from gateway_client.objects.part10 import read_meta
from gateway_client.reception.listeners import ListenerConfiguration
from gateway_client.reception.receivers import Receivers
from gateway_client.reception.scp import StorageSCP
from gateway_client.reception.spool import Spool, SpooledFile
from rpcs.actions.status import read_status
from runtime import BadCertificate, GatewaySettings, PortInUse, Settings, SystemClock, free_port
from tests.integration.gateway.conftest import echoscu, is_free, storescu, wait_for
from tests.integration.gateway.test_receiving import Raw, shipped
from tests.integration.gateway.test_with_a_broker import make_file
from tests.support.broker import RunningBroker
from tests.support.certificates import Authority
from tests.support.dicom_tls import Secured

CT = "CT_small.dcm"
Listen = Callable[..., StorageSCP | Receivers]


@pytest.fixture
def files() -> list[SpooledFile]:
    return []


@pytest.fixture(params=[1, 2], ids=["one process", "two processes"])
def listen(request: pytest.FixtureRequest, tmp_path: Path, files: list[SpooledFile]) -> Iterator[Listen]:
    """Give a function that listens as tables say, on free ports, besides the default one, with one process or several."""
    running: list[StorageSCP | Receivers] = []

    def start(*tables: dict[str, object], **dictionaries: str) -> StorageSCP | Receivers:
        for name, text in dictionaries.items():
            (tmp_path / f"{name}.DIC").write_text(text, encoding="ascii")
        listeners = [{"port": free_port(), **table} for table in tables]
        settings = {"dicom_port": free_port(), "dictionaries": tmp_path, "listener": listeners, "free_space_floor_bytes": 0}
        gateway = GatewaySettings.model_validate(settings)
        configuration = replace(
            Configuration.from_settings(Settings(data=tmp_path, gateway=gateway)), directory=tmp_path, processes=request.param
        )
        spool = Spool(tmp_path / "spool", SystemClock())
        scp: StorageSCP | Receivers = (
            StorageSCP(configuration, spool, files.append)
            if configuration.processes == 1
            else Receivers(configuration, files.append, lambda _tag: None, lambda: 0.0)
        )
        scp.start()
        running.append(scp)
        return scp

    yield start
    for scp in running:
        scp.stop()


def sent(port: int, *options: str) -> str:
    """Send an object; give what DCMTK complains about, nothing when it was taken."""
    done = storescu(port, shipped(CT), options=options)
    return done.stderr if done.returncode else ""


def test_each_port_says_which_instrument_its_objects_are_of(listen: Listen, files: list[SpooledFile], tmp_path: Path) -> None:
    other = free_port()
    scp = listen({"mnemonic": "GI/FLUORO-1"}, INSTRUMENT=f"CT1|x||RAD|{other}\nCT2|x||RAD|{free_port()}|ANOTHERGW\n")
    assert set(scp.ports) == {"", "CT1", "GI/FLUORO-1"}
    assert scp.ports["CT1"] == other
    for number, (instrument, port) in enumerate(scp.ports.items(), start=1):
        assert sent(port) == ""
        wait_for(lambda count=number: len(files) == count)
        assert files[-1].origin.instrument == instrument
        assert Spool(tmp_path / "spool", SystemClock()).read(files[-1].name).origin.instrument == instrument


def test_the_two_titles_and_the_host_decide_who_gets_in(listen: Listen, files: list[SpooledFile]) -> None:
    scp = listen(
        {"mnemonic": "TITLED", "ae_titles": ["ONE", "TWO"], "calling_ae_titles": ["CT_1"]},
        {"mnemonic": "NEAR", "hosts": ["10.0.0.0/8", "127.0.0.1"]},
        {"mnemonic": "FAR", "hosts": ["10.0.0.0/8", "2001:db8::/32"]},
    )
    assert sent(scp.ports["TITLED"], "-aec", "TWO", "-aet", "CT_1") == ""
    assert "Called AE Title Not Recognized" in sent(scp.ports["TITLED"], "-aec", "THREE", "-aet", "CT_1")
    assert "Calling AE Title Not Recognized" in sent(scp.ports["TITLED"], "-aec", "ONE", "-aet", "CT_2")
    assert sent(scp.ports["NEAR"]) == ""
    assert "No Reason" in sent(scp.ports["FAR"])
    wait_for(lambda: sorted(file.origin.instrument for file in files) == ["NEAR", "TITLED"])


@pytest.mark.parametrize("listen", [1], indirect=True)
def test_the_log_tells_who_was_rejected_and_why(listen: Listen, caplog: pytest.LogCaptureFixture) -> None:
    scp = listen({"mnemonic": "TITLED", "ae_titles": ["ONE"], "calling_ae_titles": ["CT_1"]})
    sent(scp.ports["TITLED"], "-aec", "THREE", "-aet", "CT_1")
    sent(scp.ports["TITLED"], "-aec", "ONE", "-aet", "CT_2")
    assert "CT_1 at 127.0.0.1, which calls THREE, is rejected: called AE title not recognized" in caplog.text
    assert "CT_2 at 127.0.0.1, which calls ONE, is rejected: calling AE title not recognized" in caplog.text


def test_a_busy_listener_keeps_nobody_from_another(listen: Listen) -> None:
    scp = listen({"mnemonic": "A", "max_associations": 1}, {"mnemonic": "B"})
    held = Raw(scp.ports["A"])
    assert echoscu(scp.ports["A"]) != 0
    assert echoscu(scp.ports["B"]) == 0
    held.socket.close()


def test_a_listener_with_a_certificate_speaks_tls_only(listen: Listen, tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    certificate, key = authority.issue("localhost")
    files = {"tls_certificate": certificate, "tls_key": key, "tls_client_authorities": authority.file}
    scp = listen({"mnemonic": "SAFE", **files})
    client = Secured(authority, *authority.issue("client"))
    assert sent(scp.ports["SAFE"], *client.options) == ""
    assert sent(scp.ports["SAFE"]) != ""
    assert sent(scp.ports[""]) == ""


def test_a_listener_on_the_default_port_takes_its_place(tmp_path: Path) -> None:
    settings = {"dicom_port": 11119, "listener": [{"mnemonic": "CT1", "port": 11119, "address": "0.0.0.0"}]}
    gateway = GatewaySettings.model_validate(settings)
    configuration = Configuration.from_settings(Settings(data=tmp_path, gateway=gateway))
    assert configuration.all_listeners == (ListenerConfiguration("CT1", "0.0.0.0", 11119),)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("problem", ["port", "certificate"])
def test_a_listener_that_cannot_listen_is_named_and_no_port_stays_open(problem: str, processes: int, tmp_path: Path) -> None:
    first = free_port()
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        tables: list[dict[str, object]] = [{"mnemonic": "FIRST", "port": first}, {"mnemonic": "SECOND", "port": taken}]
        if problem == "certificate":
            tables[1] |= {"port": free_port(), "tls_certificate": tmp_path / "no.pem", "tls_key": tmp_path / "no.key"}
        settings = GatewaySettings.model_validate({"dicom_port": free_port(), "listener": tables, "processes": processes})
        gateway = Gateway(Configuration.from_settings(Settings(data=tmp_path, gateway=settings)))
        complaint = f"Port {taken} .*SECOND" if problem == "port" else "no.pem"
        with pytest.raises((PortInUse, BadCertificate), match=complaint):
            gateway.start()
    assert is_free(first)


@pytest.mark.parametrize(
    "table", [{"tls_key": "x"}, {"tls_client_authorities": "x"}, {"hosts": ["nowhere"]}, {"ae_titles": ["A" * 17]}, {"port": 0}]
)
def test_a_listener_that_makes_no_sense_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="listener"):
        GatewaySettings.model_validate({"listener": [{"mnemonic": "A", **table}]})


def test_the_number_of_an_exam_is_taken_from_where_the_equipment_puts_it(demo_broker: RunningBroker, tmp_path: Path) -> None:
    """The manual's default would send these to the CORRECT list: their Accession Number is empty."""
    (tmp_path / "MODALITY.DIC").write_text(
        "DEFAULT|DEFAULT|DEFAULT|<DICOM>|CORRECT^MAGDIR3||DATAMISC.DIC|RAD\n"
        "ACME|PID|CT|<DICOM>|PIDCASE2^MAGDIR3||DATAMISC.DIC|RAD\n"
        "ACME|SERIES|CT|b12 f0 R8/<DICOM>|SERDESC^MAGDIR3||DATAMISC.DIC|RAD\n"
        "ACME|TEST|CT|<DICOM>|IGNORE^MAGDIR3||DATAMISC.DIC|RAD\n",
        encoding="ascii",
    )
    settings = {"access": "DEMOGW1", "verify": "1GWY!@#$", "dicom_port": free_port(), "dictionaries": tmp_path}
    gateway = Gateway(
        Configuration.from_settings(
            Settings(data=tmp_path, broker_port=demo_broker.port, gateway=GatewaySettings.model_validate(settings))
        )
    )
    gateway.start()
    uids = {}
    try:
        for model in ("PID", "SERIES", "TEST"):
            path = make_file(tmp_path, accession="")
            dataset = dcmread(path)
            dataset.Manufacturer, dataset.ManufacturerModelName, dataset.SeriesDescription = "ACME", model, "HEAD 021026-201"
            dataset.PatientID += "//021026-201" if model == "PID" else ""
            dataset.save_as(path)
            uids[model] = dataset.SOPInstanceUID
            assert storescu(gateway.port, path).returncode == 0
        wait_for(lambda: gateway.status().get("spool_filed") == 2 and gateway.status().get("spool_ignored") == 1)
    finally:
        gateway.stop()
    kinds = select(Image.uid, Image.object_type, Image.file_ref)
    found = {row.uid: row for row in demo_broker.store.transact(lambda connection: connection.execute(kinds).all())}
    assert found[uids["PID"]].file_ref.endswith(".DCM")
    assert found[uids["SERIES"]].file_ref.endswith(".TGA")
    assert uids["TEST"] not in found


def test_an_instruments_images_are_filed_and_counted_as_its_own(demo_broker: RunningBroker, tmp_path: Path) -> None:
    listeners = [{"mnemonic": "CT7", "institution": "Lakeside Clinic, UT", "port": free_port()}]
    settings = {"access": "DEMOGW1", "verify": "1GWY!@#$", "dicom_port": free_port(), "listener": listeners}
    gateway = Gateway(
        Configuration.from_settings(
            Settings(data=tmp_path, broker_port=demo_broker.port, gateway=GatewaySettings.model_validate(settings))
        )
    )
    gateway.start()
    try:
        files = [make_file(tmp_path) for _ in range(3)]
        for file, instrument in zip(files, ("CT7", "CT7", ""), strict=True):
            assert storescu(gateway.ports[instrument], file).returncode == 0
        store = demo_broker.store
        counted = select(AcquisitionCount.instrument, AcquisitionCount.acquired, AcquisitionCount.processed)

        def counts() -> set[tuple[str, int, int]]:
            rows = store.transact(lambda connection: connection.execute(counted).all())
            return {(row.instrument, row.acquired, row.processed) for row in rows}

        wait_for(lambda: counts() == {("CT7", 2, 2), ("DEMO", 1, 1)})
        sites = select(Image.uid, Image.acquisition_site).where(
            Image.uid.in_([read_meta(file).sop_instance_uid for file in files])
        )
        found = {row.uid: row.acquisition_site for row in store.transact(lambda connection: connection.execute(sites).all())}
        assert [found[read_meta(file).sop_instance_uid] for file in files] == [661, 661, 660]
        assert gateway.status()["port_CT7"] == gateway.ports["CT7"]
        shown = store.read(lambda connection: read_status(connection, SystemClock().seconds())).instruments
        assert shown == {"CT7": {"acquired": 2, "processed": 2}, "DEMO": {"acquired": 1, "processed": 1}}
    finally:
        gateway.stop()
