"""The broker of the test kit: real behaviour, a fresh database for each, observed and disturbed from the test."""

from __future__ import annotations

import socket
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from console.errors import ConsoleError
from fileman import BadFault
from fileman.files import Image, SignOnLog
from magbroker.client import BrokerClient
from magbroker.rpc_pack import Call, LocalArray, Pack, ResultType
from magbroker.testing import RealBroker, SiteTemplate
from runtime import FixedClock
from xwb import ConnectionLost, SecurityRefused, SignOnRefused

DEVELOPER = ("FAKEDOC1", "1DOC!@#$")
GATEWAY = "MAG DICOM GATEWAY FULL"
FILE_ONE = {
    1: "3",
    2: "STORE1||660|GWA|RAD|CT1|F1|666001100|DEMO^PATIENT^ONE|021026-201|021026-201|20260210|093000|0|CT||<DICOM>|1|1|660|0|GW|",
    3: "STORE2|1.2|1.2.1|1.2.1.1|1.2.840.10008.5.1.4.1.1.2|0|1|ACME|X1|3260210.0931|V||",
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> SiteTemplate:
    return SiteTemplate(tmp_path_factory.mktemp("site"))


def images(broker: RealBroker) -> int:
    return int(broker.store.read(lambda it: it.execute(select(func.count()).select_from(Image)).scalar_one()))


def test_brokers_of_one_template_share_nothing(template: SiteTemplate, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with RealBroker(template, tmp_path / "a") as first, RealBroker(template, tmp_path / "b") as second:
        assert first.port != second.port
        with first.client(*DEVELOPER, GATEWAY) as client:
            assert client.call("MAG DICOM IMAGE PROCESSING", FILE_ONE).lines[1].startswith("STORE|0|2^")
        assert (images(first), images(second)) == (2, 0)
        assert second.calls == []


def test_calls_are_noted_with_their_arguments_and_tasks_with_their_numbers(template: SiteTemplate, tmp_path: Path) -> None:
    with RealBroker(template, tmp_path) as broker:
        with broker.client(*DEVELOPER, GATEWAY) as client:
            answer = client.call("MAG DICOM ROUTE EVAL START", "660", {1: "1^ACTION^SEND"}).text
            with pytest.raises(SecurityRefused):
                client.call("NO SUCH RPC", "x")
        assert broker.calls_of("MAG DICOM ROUTE EVAL START") == [["660", {"1": "1^ACTION^SEND"}]]
        assert broker.calls[-1] == ("NO SUCH RPC", ["x"])
        assert answer == f"0,TaskMan task#={broker.tasks[0]}"


def test_added_procedures_are_called_in_a_context_of_the_site(template: SiteTemplate, tmp_path: Path) -> None:
    pack = Pack("ZZKIT")

    @pack.procedure("ZZ KIT TREE", returns=ResultType.GLOBAL_ARRAY, parameters=("ROOT",))
    def tree(call: Call) -> LocalArray[str]:
        return LocalArray.from_mapping({("b", 1): "deep", 2: "two", 10: call.text(0)})

    with RealBroker(template, tmp_path) as broker, broker.client(*DEVELOPER, GATEWAY) as client:
        with pytest.raises(SecurityRefused, match="doesn't exist"):
            client.call("ZZ KIT TREE", "ten")
        broker.add(pack)
        with pytest.raises(SecurityRefused, match="not registered to the option"):
            client.call("ZZ KIT TREE", "ten")
        broker.add(pack, context=GATEWAY)
        assert client.call("ZZ KIT TREE", "ten").lines == ["two", "ten", "deep"]
        with pytest.raises(ConsoleError, match="no context 'NONE'"):
            broker.add(pack, context="NONE")
    assert tree.__name__ == "tree", "the decorator leaves the function as it is"


def test_faults_strike_at_once_and_are_cleared(template: SiteTemplate, tmp_path: Path) -> None:
    with RealBroker(template, tmp_path) as broker:
        client = broker.client(*DEVELOPER, GATEWAY)
        broker.fault("dropped-answer", rpc="XWB IM HERE", times=1)
        with pytest.raises(ConnectionLost):
            client.call("XWB IM HERE")
        broker.fault("inhibited-logons")
        with pytest.raises(ConnectionLost):
            client.connect()
        broker.clear_faults()
        client.connect().bye()
        with pytest.raises(BadFault, match="Expected"):
            broker.fault("slow-answer", rpc="XWB IM HERE")


def test_a_reset_puts_data_back_under_a_session_that_goes_on(template: SiteTemplate, tmp_path: Path) -> None:
    with RealBroker(template, tmp_path) as broker, broker.client(*DEVELOPER, GATEWAY) as client:
        first = client.call("MAG DICOM IMAGE PROCESSING", FILE_ONE).lines
        broker.fault("slow-answer", rpc="MAG DICOM GET DOMAIN", seconds=3600)
        broker.reset()
        assert (images(broker), broker.calls) == (0, [])
        assert client.call("MAG DICOM GET DOMAIN").text == "DEMO.MAGBROKER.EXAMPLE"
        assert client.call("MAG DICOM IMAGE PROCESSING", FILE_ONE).lines == first, "the same numbers again"


def test_connections_are_cut_and_new_ones_taken(template: SiteTemplate, tmp_path: Path) -> None:
    with RealBroker(template, tmp_path) as broker:
        client = broker.client(*DEVELOPER)
        broker.drop_connections()
        with pytest.raises(ConnectionLost):
            client.call("XWB IM HERE")
        broker.client(*DEVELOPER).bye()


def test_a_closed_broker_leaves_neither_port_nor_session_open(template: SiteTemplate, tmp_path: Path) -> None:
    broker = RealBroker(template, tmp_path)
    client = broker.client(*DEVELOPER)
    broker.close()
    with pytest.raises(ConnectionLost):
        client.call("XWB IM HERE")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((broker.host, broker.port), timeout=10)
    (tmp_path / "again").mkdir()
    again = RealBroker(template, tmp_path / "again")
    open_sessions = select(func.count()).select_from(SignOnLog).where(SignOnLog.signed_off == "")
    assert again.store.read(lambda it: it.execute(open_sessions).scalar()) == 0
    again.close()


def test_a_site_may_be_text_and_the_clock_the_tests(tmp_path: Path) -> None:
    text = """
[[institution]]
ien = 660
name = "A"
[[user]]
duz = 1
name = "ONE,ONE"
access = "ONE1"
verify = "1ONE!@#$"
divisions = [660]
[[context]]
name = "XUS SIGNON"
rpcs = ["XUS SIGNON SETUP", "XUS AV CODE"]
"""
    clock = FixedClock(datetime.fromisoformat("2026-11-21T12:00"))
    (tmp_path / "broker").mkdir()
    with RealBroker(SiteTemplate(tmp_path, text, clock), tmp_path / "broker", clock=clock) as broker:
        with BrokerClient(broker.host, broker.port) as client:
            assert client.sign_on("ONE1", "1ONE!@#$").duz == 1
        clock.advance(91 * 86400)
        with pytest.raises(SignOnRefused, match="VERIFY CODE must be changed"):
            broker.client("ONE1", "1ONE!@#$")
