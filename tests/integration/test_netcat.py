"""Over netcat the text transport answers as `[XWB]` does."""

from __future__ import annotations

import subprocess

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.testing import StringTransport

from broker.text_session import TextSession
from tests.support.broker import RunningBroker, in_reactor
from tests.support.waiting import until

STORE = [
    "STORE1||660|GWA|RAD|CT1|C:\\\\X.DCM|666000001|IMAGPATIENT^ONE^M|061024-101|061024-101|20240610|093000|0|CR||<DICOM>|1|1|660|0|GW|",
    "STORE2|1.2.3.1|1.2.3.1.1|1.2.3.1.1.1|1.2.840.10008.5.1.4.1.1.1|0|1|ACME|X1|3240610.0931|V||",
]


def netcat(port: int, *lines: str) -> list[str]:
    """Type lines into netcat and give what it prints."""
    typed = "".join(line + "\n" for line in lines).encode("iso-8859-1")
    done = subprocess.run(["nc", "-N", "127.0.0.1", str(port)], input=typed, capture_output=True, timeout=30, check=True)
    return done.stdout.decode("iso-8859-1").split("\n")[:-1]


def test_sign_on_context_start_and_image_processing(oracle_broker: RunningBroker) -> None:
    answer = netcat(
        oracle_broker.text_port,
        "SIGNON^FAKEGW1^1GWY!@#$",
        "CONTEXT^MAG DICOM GATEWAY FULL",
        "MAG DICOM GET DOMAIN",
        "MAG DICOM ROUTE EVAL START^660^@",
        "1=1^ACTION^SEND",
        "2=1^ACTION^1^ROUTE-DEST-A",
        "",
        "MAG DICOM IMAGE PROCESSING^@",
        "1=3",
        f"2={STORE[0]}",
        f"3={STORE[1]}",
        "",
        "BYE",
    )
    assert answer[0] == "OK 1"
    assert answer[1].startswith("Good ")
    assert answer[2:5] == ["OK 0", "OK 1", "ORACLE.DOMAIN.EXT"]
    assert answer[5:7] == ["OK 1", "0,TaskMan task#=1000"]
    assert oracle_broker.engine.taken == [1000]
    assert answer[7:9] == ["OK 2", "2"]
    assert answer[9].startswith("STORE|0|2^\\\\\\\\SLC-IMG1") or answer[9].startswith("STORE|0|2^\\\\SLC-IMG1")
    assert answer[10:] == ["OK 0"]
    with oracle_broker.client() as client:
        request = {1: "3", 2: STORE[0].replace("\\\\", "\\"), 3: STORE[1]}
        again = client.call("MAG DICOM IMAGE PROCESSING", request)
        assert again.lines[1] == "STORE|1 Image partially in the database||MAGDIR81|"
        assert client.call("MAG DICOM ROUTE EVAL START", "660", {1: "1^ACTION^SEND"}).text == "0,TaskMan task#=1001"


def test_errors_say_what_is_wrong(oracle_broker: RunningBroker) -> None:
    answer = netcat(
        oracle_broker.text_port,
        "MAG DICOM GET DOMAIN",
        "SIGNON^FAKEGW1^WRONG",
        "SIGNON^FAKEGW1^1GWY!@#$",
        "CONTEXT^NO SUCH OPTION",
        "CONTEXT^MAG DICOM GATEWAY FULL",
        "NO SUCH RPC",
        "MAG DICOM GET PLACE^1^2^3",
        "BYE",
    )
    assert answer[0] == "ERROR SECURITY Application context has not been created!"
    assert answer[1] == "ERROR SIGNON Not a valid ACCESS CODE/VERIFY CODE pair."
    assert answer[2].startswith("OK ")
    errors = [line for line in answer if line.startswith("ERROR")]
    assert errors[2] == "ERROR SECURITY The context 'NO SUCH OPTION' does not exist on server."
    assert errors[3] == "ERROR SECURITY Remote Procedure 'NO SUCH RPC' doesn't exist on the server."
    assert errors[4].startswith("ERROR M ")


def typed_from(broker: RunningBroker, address: str, line: bytes) -> StringTransport:
    """Type a line at a connection that comes from some address."""
    kind = IPv6Address if ":" in address else IPv4Address
    transport = StringTransport(peerAddress=kind("TCP", address, 40000))

    def type_it() -> None:
        session = TextSession(broker.service.hub)
        session.makeConnection(transport)
        session.dataReceived(line)

    in_reactor(type_it)
    return transport


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7", "::ffff:192.0.2.7"])
def test_codes_in_clear_from_another_machine_are_not_looked_at(oracle_broker: RunningBroker, address: str) -> None:
    answer = typed_from(oracle_broker, address, b"SIGNON^FAKEGW1^1GWY!@#$\n")
    assert answer.value() == (
        b"ERROR SIGNON Expected a connection over TLS or from this machine: codes are not taken in clear over a network.\n"
    )


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_codes_in_clear_from_this_machine_are_taken(oracle_broker: RunningBroker, address: str) -> None:
    answer = typed_from(oracle_broker, address, b"SIGNON^FAKEGW1^1GWY!@#$\n")
    until(lambda: bool(answer.value()), "it answers")
    assert answer.value().startswith(b"OK ")
