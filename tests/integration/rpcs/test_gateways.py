"""What gateways tell of themselves and of their destinations is kept and given back, on both engines."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from fileman import Store, dump_site
from fileman.files import DicomWorkstation, TransmitDestination
from tests.support.broker import RunningBroker
from xwb import BrokerClient, MError

TOLD = "MAG DICOM UPDATE SCU LIST"
#: Two destinations of one gateway, with services of the first.
LIST = {
    "1": "READING^READ1^10.0.0.1^104^GWX^GWX_AE^660",
    "1_C-STORE": "0^1",
    "1_C-FIND": "1^0",
    "2": "ARCHIVE X^ARCHX^10.0.0.2^11112^GWX^GWX_AE^660",
}


@pytest.fixture
def client(oracle_broker: RunningBroker) -> Iterator[BrokerClient]:
    with oracle_broker.client("FAKEPRG1", "1PRG!@#$") as client:
        yield client


def destinations(store: Store) -> dict[str, int]:
    """Give the numbers of a gateway's destinations by name."""
    query = select(TransmitDestination.name, TransmitDestination.ien).where(TransmitDestination.gateway == "GWX")
    return store.read(lambda connection: {row.name: row.ien for row in connection.execute(query)})


def test_a_list_of_destinations_takes_the_place_of_the_one_before(client: BrokerClient, oracle_store: Store) -> None:
    assert client.call(TOLD, LIST).text == "1, 2 added"
    first = destinations(oracle_store)
    assert set(first) == {"READING", "ARCHIVE X"}
    assert min(first.values()) > 5, "the site file numbered five"
    assert client.call(TOLD, {"1": LIST["2"], "2": "NEW^N^h^1^GWX^GWX_AE^660"}).text == "1, 1 added, 1 removed, 1 updated"
    second = destinations(oracle_store)
    assert second["ARCHIVE X"] == first["ARCHIVE X"]
    assert second["NEW"] > max(first.values()), "no number is given twice"
    assert client.call(TOLD, {"1": LIST["2"]}).text == "1, 1 removed, 1 updated"
    third = client.call(TOLD, {"1": LIST["2"], "2": "NEWER^N^h^1^GWX^GWX_AE^660"})
    assert third.text == "1, 1 added, 1 updated"
    assert destinations(oracle_store)["NEWER"] > second["NEW"]


@pytest.mark.parametrize(
    "changed",
    [
        {"2": "ARCHIVE X^ARCHX^10.0.0.2^11112^OTHER^GWX_AE^660"},
        {"2": "ARCHIVE X^ARCHX^10.0.0.2^11112^GWX^GWX_AE^688"},
        {"2": "ARCHIVE X^^10.0.0.2^11112^GWX^GWX_AE^660"},
        {"2": "ARCHIVE X^ARCHX^10.0.0.2^port^GWX^GWX_AE^660"},
        {"2": "ARCHIVE X"},
    ],
)
def test_a_list_that_is_not_whole_or_of_one_gateway_changes_nothing(
    client: BrokerClient, oracle_store: Store, changed: dict[str, str]
) -> None:
    assert client.call(TOLD, LIST | changed).text == "-1,Missing or Inconsistent Parameters."
    assert destinations(oracle_store) == {}


def test_a_destination_is_told_with_its_services_and_can_be_changed(client: BrokerClient, oracle_store: Store) -> None:
    client.call(TOLD, LIST)
    get, put = "MAG GET DICOM DEST", "MAG SET DICOM DEST"
    told = ["2^READ1", "3^10.0.0.1", "4^104", "5^GWX_AE", "6^660", "C-ECHO^1^1", "C-FIND^1^0", "C-STORE^0^1"]
    assert client.call(get, "READING", "--All DICOM Gateways--").lines == ["9", *told]
    assert client.call(get, "READING", "GWX").lines == ["9", *told]
    with pytest.raises(MError, match="Undefined local variable: N"):
        client.call(get, "READING", "GW1")
    assert client.call(put, {"1": "3^10.9.9.9", "2": "4^", "3": "C-MOVE^1^x"}, "READING", "GWX").text == "1"
    changed = ["2^READ1", "3^10.9.9.9", "4^104", "5^GWX_AE", "6^660", "C-MOVE^1^0"]
    assert client.call(get, "READING", "").lines == ["7", *changed]
    assert client.call(put, {"1": "2^DUP"}, "DUP-NAME", "").text == "2", "of both gateways"
    assert client.call(put, {"1": "2^DUP"}, "NOBODY", "").text == "0"
    assert client.call(put, {"1": "2^DUP"}, "", "").text == "-1,No Destination Specified."
    lines = client.call(get, "", "").lines
    assert lines[0] == str(len(lines))
    assert {"B^PACS-ARCHIVE", "B^READING", "D^GW1", "D^GWX"} < set(lines)
    assert 'services = ["C-MOVE SCU"]' in oracle_store.read(dump_site)


def test_a_gateway_is_renamed_and_removed_wherever_it_stands(client: BrokerClient, oracle_store: Store) -> None:
    client.call(TOLD, LIST)
    assert client.call("MAG DICOM UPDATE GATEWAY NAME", "GWX", "", "660", "660").text == "-1,No Gateway Name specified"
    assert client.call("MAG DICOM UPDATE GATEWAY NAME", "GWX", "GWY", "660", "").text == "-2,No Gateway Location specified"
    assert client.call("MAG DICOM UPDATE GATEWAY NAME", "GWX", "GWY", "660", "688").text == "2"
    assert client.call("MAG GET DICOM DEST", "READING", "GWY").lines[5] == "6^688"
    assert client.call("MAG DICOM XMIT RENAME GATEWAY", "GWY", "GWX").text == "2 entries renamed"
    assert client.call("MAG DICOM XMIT RENAME GATEWAY", "GWX_AE", "NEW_AE", "6").text == "2 entries renamed"
    assert client.call("MAG DICOM XMIT RENAME GATEWAY", "GWX", "", "5").text == "-2,No new Gateway name specified"
    assert client.call("MAG DICOM XMIT REMOVE GATEWAY", "GWX", "7").text == "-3,Invalid key specified (7)"
    assert client.call("MAG DICOM XMIT REMOVE GATEWAY", "GW2").text == "2 entries removed"
    assert client.call("MAG DICOM XMIT REMOVE GATEWAY", "NEW_AE", "6").text == "2 entries removed"
    assert client.call("MAG DICOM XMIT REMOVE GATEWAY", "GWX").text == "0 entries removed"
    assert destinations(oracle_store) == {}


@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("RENAME", [], "-1,No previous Gateway name specified"),
        ("RENAME", ["A", "B", "7"], "-3,Invalid key specified (7)"),
        ("REMOVE", [], "-1,No Gateway name specified"),
        ("REMOVE", ["GWX_AE", "5"], "0 entries removed"),
        ("REMOVE", ["GWX", "6"], "0 entries removed"),
    ],
    ids=repr,
)
def test_a_gateway_is_found_by_the_name_that_the_key_means(
    client: BrokerClient, oracle_store: Store, name: str, arguments: list[str], answer: str
) -> None:
    client.call(TOLD, LIST)
    assert client.call(f"MAG DICOM XMIT {name} GATEWAY", *arguments).text == answer
    assert len(destinations(oracle_store)) == 2


def test_what_a_gateway_tells_of_itself_is_given_back(client: BrokerClient) -> None:
    keep, give = "MAG DICOM STORE GATEWAY INFO", "MAG DICOM GET GATEWAY INFO"
    files = {"INSTRUMENT": "3240610.0930^C:\\DICOM\\Instrument.dic", "OTHER": "3240610^x"}
    versions = {"GW": "3.0;P46", "MAG_CSTORE": "3240101^C:\\MAG_CSTORE.EXE"}
    assert client.call(keep, "", "660", files, versions).text == "-1,No HostName provided."
    assert client.call(keep, "GWHOST", "", files, versions).text == "-3,No location provided."
    assert client.call(keep, "GWHOST", "660", files, versions).text == "0"
    told = [
        "Loc=660",
        "In_p=C:\\DICOM\\Instrument.dic",
        "In_s=10-JUN-2024 09:30:00",
        "Ver=3.0;P46",
        "CS_p=C:\\MAG_CSTORE.EXE",
        "CS_s=1-JAN-2024 00:00:00",
    ]
    assert client.call(give, "gwhost").lines == ["7", *told]
    assert client.call(keep, "gwhost", "688", {"PORTLIST": "3240610^P"}, {"GW": "4"}).text == "0"
    assert client.call(give, "GwHost").lines[1:5] == ["Loc=688", told[1], told[2], "PL_p=P"]
    assert client.call(give, "nobody").lines == ['-2,Cannot find info for "nobody".']
    assert client.call(give, "").lines == []


def test_a_workstation_keeps_its_entry_when_its_version_changes(client: BrokerClient, oracle_store: Store) -> None:
    assert client.call("MAG DICOM WORKSTATION VERSION", "WS1", "3.0;P46").text == "1"
    assert client.call("MAG DICOM WORKSTATION VERSION", "WS2", "3.0;P46").text == "2"
    assert client.call("MAG DICOM WORKSTATION VERSION", "WS1", "3.0;P221").text == "1"
    with pytest.raises(MError, match="Undefined local variable: VERSION"):
        client.call("MAG DICOM WORKSTATION VERSION", "WS3")
    query = select(DicomWorkstation.station, DicomWorkstation.version).order_by(DicomWorkstation.ien)
    kept = oracle_store.read(lambda connection: connection.execute(query).all())
    assert [tuple(row) for row in kept] == [("WS1", "3.0;P221"), ("WS2", "3.0;P46")]
