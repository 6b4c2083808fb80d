"""HL7 messages come in by MLLP, and a text gateway pulls them by number, by date, and as they come."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from broker import Limits, hl7_listener
from fileman import SiteKey, Store, hl7_messages
from runtime import FixedClock
from tests.support.broker import RunningBroker
from xwb import BrokerClient

NOON = datetime.fromisoformat("2026-11-18T12:00")
ORDER = "MSH|^~\\&|RIS|SLC|VISTA|660|20261118||ORM^O01|{control}|P|2.3\rPID|1||100^^^^PI||DEMO^PATIENT\r"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
def broker(oracle_store: Store, site_key: SiteKey, clock: FixedClock) -> Iterator[RunningBroker]:
    broker = RunningBroker(
        oracle_store, site_key, clock=clock, listeners={"hl7": hl7_listener(0)}, limits=Limits(hl7_message_bytes=5000)
    )
    yield broker
    broker.stop()


@pytest.fixture
def gateway(broker: RunningBroker) -> Iterator[BrokerClient]:
    with broker.client("FAKEPRG1", "1PRG!@#$") as client:
        yield client


def sent(broker: RunningBroker, *messages: str) -> list[str]:
    """Send messages over one connection and give what MSA says of each."""
    said = []
    with socket.create_connection(("127.0.0.1", broker.service.ports["hl7"]), timeout=20) as connection:
        for message in messages:
            connection.sendall(b"\x0b" + message.encode("iso-8859-1") + b"\x1c\r")
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                try:
                    data = connection.recv(4096)
                except ConnectionResetError:
                    data = b""
                if not data:
                    return [*said, "closed"]
                answer += data
            said.append(answer.decode().split("\r")[1])
    return said


def test_a_message_is_acknowledged_when_it_can_be_pulled(broker: RunningBroker, gateway: BrokerClient) -> None:
    assert gateway.call("MAG DICOM GET HIGHEST HL7").text == "0"
    assert sent(broker, ORDER.format(control="C1"), ORDER.format(control="C2")) == ["MSA|AA|C1", "MSA|AA|C2"]
    assert gateway.call("MAG DICOM GET HIGHEST HL7").text == "2"
    header, patient = ORDER.format(control="C2").split("\r")[:2]
    lines = ["2", "3261118^ORM^3261118.12", "^2006.502^2^2^3261118", header, patient]
    assert gateway.call("MAG DICOM TEXT PROCESSING", {1: "2", 2: "2|0"}).lines == lines


def test_a_number_that_is_gone_gives_the_next_message(broker: RunningBroker, gateway: BrokerClient, clock: FixedClock) -> None:
    sent(broker, ORDER.format(control="OLD"))
    clock.moment = NOON + timedelta(days=1)
    sent(broker, ORDER.format(control="NEW"))
    assert gateway.call("MAG DICOM PURGE HL7", "3261119").text == "1"
    assert gateway.call("MAG DICOM TEXT PROCESSING", {1: "2", 2: "1|0"}).lines[0] == "2"
    assert gateway.call("MAG DICOM PURGE HL7", "").text == "0"
    assert gateway.call("MAG DICOM PURGE HL7", "9999999.24").text == "1"
    sent(broker, ORDER.format(control="NEXT"))
    assert gateway.call("MAG DICOM GET HIGHEST HL7").text == "3"


def test_one_call_purges_so_many_messages_the_oldest_first(
    broker: RunningBroker, gateway: BrokerClient, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hl7_messages, "PURGED_AT_ONCE", 2)
    for days in (1, 0, 2):
        clock.moment = NOON + timedelta(days=days)
        sent(broker, ORDER.format(control="A"), ORDER.format(control="B"))
    assert gateway.call("MAG DICOM PURGE HL7", "3261120").text == "2"
    days = [gateway.call("MAG DICOM TEXT PROCESSING", {1: "2", 2: f"{number}|0"}).lines[1][:7] for number in (1, 2, 3, 5)]
    assert days == ["3261119", "3261119", "3261120", "3261120"]
    assert [gateway.call("MAG DICOM PURGE HL7", "3261120").text for _ in range(2)] == ["2", "0"]


def test_a_long_segment_goes_on_in_lines_that_begin_with_the_separator(broker: RunningBroker, gateway: BrokerClient) -> None:
    fields = [letter * 90 for letter in "ABCDE"]
    sent(broker, ORDER.format(control="C1") + "OBX|" + "|".join(fields) + "\r")
    lines = gateway.call("MAG DICOM TEXT PROCESSING", {1: "2", 2: "1|0"}).lines
    assert lines[2].split("^")[2] == str(len(lines) - 3)
    assert lines[5:] == ["OBX|" + "|".join(fields[:2]), "|" + "|".join(fields[2:4]), "|" + fields[4]]


def test_a_message_to_come_is_waited_for(broker: RunningBroker, gateway: BrokerClient) -> None:
    pulled: list[list[str]] = []

    def pull() -> None:
        pulled.append(gateway.call("MAG DICOM TEXT PROCESSING", {1: "2", 2: "1|20"}).lines)

    waiting = threading.Thread(target=pull)
    waiting.start()
    with broker.client("FAKEPRG1", "1PRG!@#$") as other:
        assert other.call("XWB IM HERE").text == "1"
    assert not pulled
    sent(broker, ORDER.format(control="C1"))
    waiting.join(20)
    assert pulled[0][0] == "1"


@pytest.mark.parametrize("request_line", ["1|0", "1|-5", "1|", "", "1|1", "99999999999999|0", "x|y"])
def test_without_a_message_the_answer_is_empty(gateway: BrokerClient, request_line: str) -> None:
    assert gateway.call("MAG DICOM TEXT PROCESSING", {1: "2", 2: request_line}).lines == [""]


def test_numbers_are_found_by_date_and_dates_by_number(broker: RunningBroker, gateway: BrokerClient, clock: FixedClock) -> None:
    for days in range(3):
        clock.moment = NOON + timedelta(days=days)
        sent(broker, ORDER.format(control=f"A{days}"), ORDER.format(control=f"B{days}"))
    ask = "MAG DICOM HL7 POINTER ACTION"
    assert gateway.call(ask, "GetDate", "3").text == "Nov 19, 2026@12:00"
    assert gateway.call(ask, "GetDate", "77").text == '-1,Invalid Pointer "77".'
    found = {value: gateway.call(ask, "DatePtr", value).text for value in ("3261118", "3261119.13", "3261121", "", "5", "x")}
    assert found == {"3261118": "0", "3261119.13": "3", "3261121": "5", "": "5", "5": "0", "x": "5"}
    assert gateway.call(ask, "Other", "").text == '-2,Invalid Request: "Other".'


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("no message at all", "closed"),
        ("MSH|^~\\&|A|B|C|D|1||ORM^O01||P|2.3", "MSA|AE||message type (MSH-9) and control id (MSH-10) are needed"),
        ("MSH|^~\\&|A|B|C|D|1|||C1|P|2.3", "MSA|AE|C1|message type (MSH-9) and control id (MSH-10) are needed"),
        (ORDER.format(control="C1") + "NTE|\0\r", "MSA|AE|C1|NUL is no character of a message"),
        ("MSH\rPID|1|2", "closed"),
        ("MSH|^~\\&|" + "x" * 6000, "closed"),
    ],
)
def test_what_is_no_message_is_not_filed(broker: RunningBroker, gateway: BrokerClient, message: str, said: str) -> None:
    assert sent(broker, message) == [said]
    assert gateway.call("MAG DICOM GET HIGHEST HL7").text == "0"


def test_a_message_that_never_ends_is_cut(broker: RunningBroker) -> None:
    with socket.create_connection(("127.0.0.1", broker.service.ports["hl7"]), timeout=20) as connection:
        connection.sendall(b"\x0b" + b"x" * 6000)
        assert connection.recv(10) == b""
