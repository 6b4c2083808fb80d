"""Instruments: what their objects are stored for, wherever the institution is that the dictionary names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway_client.acquisition.stations import Stations
from gateway_client.acquisition.store_request import Station
from gateway_client.acquisition.storing import LOCK_PAUSE
from gateway_client.dictionaries import Dictionaries, Instrument
from gateway_client.errors import UnknownInstitution
from tests.unit.gateway_client.fakes import Desk, FakeBroker
from xwb import SecurityRefused

GATEWAY = Station(660, "DEMOGW1", "DEMO", "RAD")
VALID = ["2", "500^SALT LAKE CITY, UT^660AA", "662^FORT.DOUGLAS^662"]


def find_location(name: str) -> str:
    return "77" if name == "Elsewhere" else f'-1,Invalid location "{name}".'


def stations(institution: str) -> Stations:
    """Give the stations of one instrument, asked for at a broker."""
    found = Stations(GATEWAY, [Instrument("EYE-2", "", institution, "CON", 60302)])
    found.connected(FakeBroker({"MAG DICOM VALID LOCATIONS": lambda: VALID, "MAG DICOM FIND LOCATION": find_location}))
    return found


#: What a dictionary says, and the IEN that it means.
INSTITUTIONS: Sequence[tuple[str, int | None]] = [
    ("", None),
    ("500", 500),
    ("660AA", 500),
    ("Salt Lake City", 500),
    ("salt lake city, Utah", 500),
    ("Fort.Douglas", 662),
    ("Elsewhere", 77),
]


@pytest.mark.parametrize(("institution", "ien"), INSTITUTIONS)
def test_an_institution_is_found_by_number_station_or_name_up_to_the_comma(institution: str, ien: int | None) -> None:
    assert stations(institution).station("EYE-2") == Station(660, "DEMOGW1", "EYE-2", "CON", ien)


@pytest.mark.parametrize("institution", ["Fort Douglas", "Salt", "499", ", UT"])
def test_an_institution_that_the_broker_does_not_know_is_named(institution: str) -> None:
    with pytest.raises(UnknownInstitution, match=f"no institution '{institution}'; correct it in INSTRUMENT.DIC"):
        stations(institution).station("EYE-2")


def test_a_broker_that_refuses_to_tell_leaves_the_institution_unknown() -> None:
    def refuse(*_arguments: str) -> list[str]:
        raise SecurityRefused("not in your context")

    found = Stations(GATEWAY, [Instrument("EYE-2", "", "x", "CON", 60302)])
    found.connected(FakeBroker({"MAG DICOM VALID LOCATIONS": refuse, "MAG DICOM FIND LOCATION": refuse}))
    with pytest.raises(UnknownInstitution):
        found.station("EYE-2")


def test_what_came_to_no_instrument_is_the_gateways_and_takes_the_service_of_its_equipment() -> None:
    found = stations("")
    assert found.station("") == GATEWAY
    assert found.station("", "LAB") == Station(660, "DEMOGW1", "DEMO", "LAB")
    assert found.station("EYE-2", "LAB").service == "CON", "an instrument's own service counts"
    assert found.station("GONE") == Station(660, "DEMOGW1", "GONE", "RAD"), "an instrument that was taken out keeps its name"


def test_an_object_is_counted_stored_and_released_for_its_instrument(tmp_path: Path) -> None:
    instruments = (Instrument("EYE-2", "", "Salt Lake City", "CON", 60302),)
    desk = Desk(tmp_path, changes={"dictionaries": Dictionaries(instruments)})
    desk.broker.handlers["MAG DICOM VALID LOCATIONS"] = lambda: VALID
    desk.restart()
    desk.receive("1.2.1", instrument="EYE-2")
    desk.receive("1.2.2")
    while desk.step():
        pass
    store, processed = desk.requests()
    first, second = ([line.split("|") for line in store if line.startswith(opcode)] for opcode in ("ACQUIRED", "STORE1"))
    assert [line[3] for line in first] == ["EYE-2", "DEMO"]
    assert [(line[2], line[4], line[5], line[19]) for line in second] == [
        ("660", "CON", "EYE-2", "500"),
        ("660", "RAD", "DEMO", "660"),
    ]
    assert [line.split("|")[3] for line in processed[1:]] == ["EYE-2", "DEMO"]
    assert "EYE-2" in next(event for event in desk.events() if event[0] == "1.2.1")[6]
    desk.close()


def test_objects_of_an_unknown_institution_wait_and_others_do_not(tmp_path: Path) -> None:
    desk = Desk(tmp_path, changes={"dictionaries": Dictionaries((Instrument("EYE-2", "", "Nowhere", "CON", 60302),))})
    desk.receive("1.2.1", instrument="EYE-2")
    desk.receive("1.2.2")
    while desk.step():
        pass
    assert desk.states() == {"1.2.1": "RECEIVED", "1.2.2": "FILED"}
    desk.broker.handlers["MAG DICOM FIND LOCATION"] = lambda _name: "500"
    for _ in range(2):  # the first time it is asked for, the second time it is there
        desk.clock.advance(LOCK_PAUSE)
        while desk.step():
            pass
    assert desk.states() == {"1.2.1": "FILED", "1.2.2": "FILED"}
    stored = [line for request in desk.requests() for line in request if line.startswith(("ACQUIRED", "STORE1"))]
    assert [line.split("|")[0] for line in stored] == ["ACQUIRED", "STORE1"] * 2
    desk.close()
