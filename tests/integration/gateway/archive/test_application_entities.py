"""The entities of an archive: each has its own port and title, and takes what its role does; asked by pynetdicom and DCMTK."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pynetdicom import AE

from gateway_client import Gateway
from gateway_client.archive.entities import entities_of
from runtime import ArchiveSettings
from tests.integration.gateway.conftest import storescu, wait_for
from tests.integration.gateway.test_receiving import shipped
from tests.integration.gateway.test_with_a_broker import images, make_file
from tests.support.broker import RunningBroker

VERIFICATION, CT, COMMITMENT = "1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.20.1"
TITLES = {"receiver": "DEPOTDRSP", "commitment": "DEPOTDNES", "short_term": "DEPOTDQRY", "long_term": "DEPOTDPQR"}
ANY_PORTS = {role: {"port": 0} for role in TITLES}


@pytest.fixture(params=[1, 2], ids=["one process", "two processes"])
def gateway(request: pytest.FixtureRequest, demo_broker: RunningBroker, make_gateway: Callable[..., Gateway]) -> Gateway:
    archive = ArchiveSettings.model_validate({"ae_root": "DEPOT", **ANY_PORTS})
    return make_gateway(demo_broker.port, processes=request.param, entities=entities_of(archive))


def taken(port: int, title: str, *uids: str) -> set[str]:
    """Propose contexts; give the abstract syntaxes that are accepted."""
    ae = AE("PEER")
    for uid in uids:
        ae.add_requested_context(uid)
    association = ae.associate("127.0.0.1", port, ae_title=title)
    assert association.is_established, association.acceptor.primitive.reason_str
    accepted = {str(context.abstract_syntax) for context in association.accepted_contexts}
    if VERIFICATION in accepted:
        assert association.send_c_echo().Status == 0x0000
    association.release()
    return accepted


def test_each_entity_answers_at_its_own_port_what_its_role_does(gateway: Gateway) -> None:
    expected = {
        "receiver": {VERIFICATION, CT},
        "commitment": {VERIFICATION, COMMITMENT},
        "short_term": {VERIFICATION},
        "long_term": {VERIFICATION},
    }
    assert len({gateway.port, *gateway.entity_ports.values()}) == 5
    for role, uids in expected.items():
        assert taken(gateway.entity_ports[role], TITLES[role], VERIFICATION, CT, COMMITMENT) >= uids, role
    assert CT not in taken(gateway.entity_ports["short_term"], TITLES["short_term"], VERIFICATION, CT)
    assert gateway.ports == {"": gateway.port}


@pytest.mark.parametrize("role", TITLES)
def test_an_entity_called_by_another_title_takes_no_association(gateway: Gateway, role: str) -> None:
    call = ["echoscu", "-v", "-aec", "MAGBROKER", "127.0.0.1", str(gateway.entity_ports[role])]
    done = subprocess.run(call, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0
    assert "Reason: Called AE Title Not Recognized" in done.stdout + done.stderr


def test_the_heartbeat_says_which_ports_the_entities_have(gateway: Gateway) -> None:
    status = gateway.status()
    assert {role: status[f"port_{role}"] for role in TITLES} == gateway.entity_ports


def test_what_the_receiver_takes_is_filed_as_at_the_default_port(
    gateway: Gateway, demo_broker: RunningBroker, tmp_path: Path
) -> None:
    port = gateway.entity_ports["receiver"]
    path = make_file(tmp_path)
    assert storescu(port, path, options=("-aec", TITLES["receiver"])).returncode == 0
    wait_for(lambda: images(demo_broker.store, path.stem))


def test_the_receiver_ends_the_association_after_an_object_that_it_did_not_take_and_the_default_port_does_not(
    demo_broker: RunningBroker, make_gateway: Callable[..., Gateway]
) -> None:
    entities = entities_of(ArchiveSettings.model_validate({"ae_root": "DEPOT", **ANY_PORTS}))
    gateway = make_gateway(demo_broker.port, entities=entities, max_object_bytes=20000)
    dataset = dcmread(str(shipped("CT_small.dcm")))
    ae = AE("PEER")
    ae.add_requested_context(CT, [dataset.file_meta.TransferSyntaxUID])
    with_receiver = ae.associate("127.0.0.1", gateway.entity_ports["receiver"], ae_title=TITLES["receiver"])
    with_default = ae.associate("127.0.0.1", gateway.port)
    for association in (with_receiver, with_default):
        assert association.send_c_store(dataset).Status == 0xA700
    wait_for(lambda: with_receiver.is_aborted)
    assert with_default.send_c_store(dataset).Status == 0xA700, "the association goes on"
    with_default.release()
