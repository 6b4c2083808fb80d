"""DDR procedures read the files and fields that are named, change the few that may be changed, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import insert

from fileman import Store
from fileman.files import Patient
from rpcs.dictionary import FILES, MOST
from tests.support.broker import RunningBroker
from xwb import BrokerClient
from xwb.answer import interpret, to_parameter
from xwb.encode import encode_call

GETS, FIND1, FINDER, LISTER = "DDR GETS ENTRY DATA", "DDR FIND1", "DDR FINDER", "DDR LISTER"
FILER, DELETE, HELP = "DDR FILER", "DDR DELETE ENTRY", "DDR GET DD HELP"
NO_IENS = "The input parameter that identifies the IENS is missing or invalid."
NO_FILE = ["[BEGIN_diERRORS]", "401^1^3.081^^^1", "FILE^3.081", "File #3.081 does not exist.", "[END_diERRORS]"]


@pytest.fixture
def client(oracle_broker: RunningBroker) -> Iterator[BrokerClient]:
    with oracle_broker.client("FAKEPRG1", "1PRG!@#$") as client:
        yield client


def asked(client: BrokerClient, name: str, version: bytes = b"0", **attributes: str) -> list[str]:
    """Call a procedure with attributes, as a client that names a version of it."""
    request = encode_call(name.encode(), [to_parameter(attributes)], version=version)
    return interpret(client._exchange(request)).lines


@pytest.mark.parametrize(
    ("attributes", "answer"),
    [
        ({"FIELDS": ".01;99", "FLAGS": "IE"}, ["[Data]", "4^660^.01^SALT LAKE CITY^SALT LAKE CITY", "4^660^99^660^660"]),
        ({"FIELDS": "*", "FLAGS": "E"}, ["[Data]", "4^660^.01^^SALT LAKE CITY", "4^660^99^^660"]),
        ({"FIELDS": ".01:50", "FLAGS": "I"}, ["[Data]", "4^660^.01^SALT LAKE CITY^"]),
        ({"FIELDS": "7"}, ["[ERROR]"]),
        ({"FIELDS": "NAME", "OPTIONS": "U", "FLAGS": "I"}, ["[BEGIN_diDATA]", "4^660^.01^I", "SALT LAKE CITY", "[END_diDATA]"]),
        (
            {"FIELDS": ".01", "OPTIONS": "U?", "FLAGS": "IE"},
            [
                *("[BEGIN_diDATA]", "4^660^.01^B", "SALT LAKE CITY", "SALT LAKE CITY", "[END_diDATA]"),
                *("[BEGIN_diHELP]", "4^.01^?^1", "This is the NAME of an entry.", "[END_diHELP]"),
            ],
        ),
    ],
)
def test_fields_of_an_entry_are_read(client: BrokerClient, attributes: dict[str, str], answer: list[str]) -> None:
    assert asked(client, GETS, FILE="4", IENS="660,", **attributes) == answer


def test_values_are_given_as_stored_and_in_words(client: BrokerClient) -> None:
    assert asked(client, GETS, FILE="2005.2", IENS="14,", FIELDS="5;26", FLAGS="IE") == [
        "[Data]",
        "2005.2^14^5^1^ON-LINE",
        "2005.2^14^26^1^YES",
    ]


@pytest.mark.parametrize(
    ("attributes", "code", "text"),
    [
        ({"FILE": "3.081", "IENS": "1,"}, "401^1^3.081^^^1", "File #3.081 does not exist."),
        ({"FILE": "", "IENS": "1,"}, "401^1^^^^1", "File # does not exist."),
        ({"FILE": "4", "IENS": "9999,"}, "601^1^4^9999,^^2", "The entry does not exist."),
        (
            {"FILE": "4", "IENS": "1,660,"},
            "202^1^^1,660,^^1",
            "The input parameter that identifies the IENS is missing or invalid.",
        ),
        ({"FILE": "4", "IENS": "x"}, "202^1^^x^^1", "The input parameter that identifies the IENS is missing or invalid."),
        ({"FILE": "4", "IENS": "660,", "FIELDS": "2"}, "501^1^4^^2^2", "File #4 does not contain a field 2."),
    ],
)
def test_what_is_not_there_is_an_error(client: BrokerClient, attributes: dict[str, str], code: str, text: str) -> None:
    assert asked(client, GETS, **attributes) == (["[ERROR]"])
    lines = asked(client, GETS, OPTIONS="U", **attributes)
    assert lines[:4] == ["[BEGIN_diDATA]", "[END_diDATA]", "[BEGIN_diERRORS]", code]
    assert lines[-2:] == [text, "[END_diERRORS]"]


def test_a_pointer_is_told_by_the_name_of_its_entry(client: BrokerClient) -> None:
    assert asked(client, GETS, FILE="2006.1", IENS="1,", FIELDS=".01;.03", FLAGS="IE") == [
        "[Data]",
        "2006.1^1^.01^660^SALT LAKE CITY",
        "2006.1^1^.03^10^RAID1",
    ]


@pytest.mark.parametrize("secret", ["access_hash", "verify_hash", "password", "gateway_access", "gateway_verify", "token_hash"])
def test_no_field_holds_a_code(secret: str) -> None:
    assert not [one for view in FILES for one in view.fields if one.column == secret]


@pytest.mark.parametrize(
    ("attributes", "answer"),
    [
        ({"FILE": "4", "VALUE": "SALT"}, ["660"]),
        ({"FILE": "4", "VALUE": "salt"}, ["660"]),
        ({"FILE": "4", "VALUE": "SALT", "FLAGS": "X"}, ["0"]),
        ({"FILE": "4", "VALUE": "SALT LAKE CITY", "FLAGS": "X"}, ["660"]),
        ({"FILE": "4", "VALUE": "`688"}, ["688"]),
        ({"FILE": "4", "VALUE": "688"}, ["0"]),
        ({"FILE": "4", "VALUE": "688", "FLAGS": "A"}, ["688"]),
        ({"FILE": "4", "VALUE": "100%"}, ["0"]),
        ({"FILE": "2006.1", "VALUE": "660"}, ["1"]),
        ({"FILE": "3.081", "VALUE": "X"}, ["", *NO_FILE]),
    ],
)
def test_one_entry_is_found(client: BrokerClient, attributes: dict[str, str], answer: list[str]) -> None:
    assert asked(client, FIND1, **attributes) == answer


def test_several_are_an_error_when_one_is_wanted(client: BrokerClient) -> None:
    lines = asked(client, FIND1, FILE="2005.2", VALUE="ROUTE")
    assert lines[:3] == ["", "[BEGIN_diERRORS]", "299^1^2005.2^^^1"]
    assert lines[4] == "More than one entry matches the value(s) 'ROUTE'."


def test_entries_are_found_by_the_beginning_of_their_names(client: BrokerClient) -> None:
    found = {"FILE": "2005.2", "VALUE": "ROUTE-DEST-", "FIELDS": "1;5"}
    packed = asked(client, FINDER, FLAGS="P", **found)
    assert packed[:2] == ["[BEGIN_diDATA]", "14^ROUTE-DEST-A^\\\\REMOTE-A\\INBOX$\\^ON-LINE"]
    assert len(packed) == 4
    assert packed[-1] == "[END_diDATA]"
    assert asked(client, FINDER, FLAGS="P", MAX="1", **{**found, "FIELDS": "@;5"}) == [
        *("[Misc]", "MORE", "[BEGIN_diDATA]", "14^ON-LINE", "[END_diDATA]")
    ]
    assert asked(client, FINDER, MAX="1", **{**found, "FIELDS": "5"})[2:] == [
        *("[BEGIN_diDATA]", "BEGIN_IENs", "14", "END_IENs"),
        *("BEGIN_IDVALUES", "5;^1", "ON-LINE", "END_IDVALUES", "[END_diDATA]"),
    ]
    assert asked(client, FINDER, FILE="2005.2", VALUE="NOWHERE", FLAGS="P") == ["0^*^0^"]
    assert asked(client, FINDER, FILE="3.081", VALUE="X") == NO_FILE
    assert asked(client, FINDER, FILE="2005.2", VALUE="R", XREF="C")[3] == "There is no C index for File #2005.2."
    assert asked(client, FINDER, FILE="2005.2", VALUE="R", SCREEN="I 1")[1].startswith("202^1^2005.2")


@pytest.fixture
def many(oracle_store: Store) -> None:
    """File more patients than one call lists."""
    rows = [{"dfn": 10_000 + number, "name": f"ZZMANY,P{number:04d}"} for number in range(MOST + 5)]
    oracle_store.transact(lambda connection: connection.execute(insert(Patient), rows))


@pytest.mark.usefixtures("many")
def test_a_list_that_is_cut_off_says_so_whatever_was_asked_for(client: BrokerClient) -> None:
    found = asked(client, FINDER, FILE="2", VALUE="ZZMANY", FLAGS="P", FIELDS="@", MAX="2500")
    assert (found[:2], len(found)) == (["[Misc]", "MORE"], MOST + 4)
    lines = asked(client, LISTER, FILE="2", PART="ZZMANY", FIELDS="@", MAX="2500")
    last = f"ZZMANY,P{MOST - 1:04d}^{10_000 + MOST - 1}"
    assert (lines[:2], len(lines)) == (["[Misc]", f"MORE^{last}"], MOST + 3)
    name = last.partition("^")[0]
    rest = asked(client, LISTER, FILE="2", PART="ZZMANY", FIELDS="@", MAX="2500", FROM=name)
    assert (rest[0], len(rest)) == ("[Data]", 6)


def listed(client: BrokerClient, **attributes: str) -> tuple[list[str], list[str]]:
    """Walk a list to its end; give what each step says before its data, and all data."""
    steps, data, place = [], [], {}
    while True:
        lines = asked(client, LISTER, **attributes, **place)
        begin = lines.index("[Data]")
        data += lines[begin + 1 :]
        if begin == 0:
            return steps, data
        steps.append(lines[1])
        place = {"FROM": lines[1].split("^")[1]}
        assert len(steps) < 20


def test_a_list_is_walked_in_steps_both_ways(client: BrokerClient) -> None:
    steps, forwards = listed(client, FILE="2005.2", FIELDS=".01", PART="ROUTE", MAX="3")
    assert [line.split("^")[1] for line in forwards] == ["ROUTE-DEST-A", "ROUTE-DEST-B", "ROUTE-NOFLAGS", "ROUTE-OFFLINE"]
    assert steps == ["MORE^ROUTE-NOFLAGS^17"]
    _steps, backwards = listed(client, FILE="2005.2", FIELDS=".01", PART="ROUTE", MAX="3", FLAGS="B")
    assert backwards == forwards[::-1]
    assert asked(client, LISTER, FILE="3.081") == ["[Errors]"]


def changed(client: BrokerClient, *lines: str, mode: str = "EDIT") -> list[str]:
    return client.call(FILER, mode, list(lines)).lines


def test_some_fields_may_be_changed_all_or_none(client: BrokerClient) -> None:
    assert changed(client, "2005.2^5^14,^OFF-LINE", "2006.587^4^1^11999") == ["[Data]"]
    assert asked(client, GETS, FILE="2005.2", IENS="14,", FIELDS="5", FLAGS="I") == ["[Data]", "2005.2^14^5^0^"]
    assert asked(client, GETS, FILE="2006.587", IENS="1,", FIELDS="4", FLAGS="I") == ["[Data]", "2006.587^1^4^11999^"]
    assert client.call("MAG DICOM ROUTE VALID DEST", "ROUTE-DEST-A").text == "14"
    refused = changed(client, "2005.2^5^14,^1", "2005.2^5^777,^1")
    assert refused[2:4] == ["601^1^2005.2^777,^^2", "FILE^2005.2"]
    assert asked(client, GETS, FILE="2005.2", IENS="14,", FIELDS="5", FLAGS="I") == ["[Data]", "2005.2^14^5^0^"]


@pytest.mark.parametrize(
    ("line", "code", "text"),
    [
        ("2^.01^1,^OTHER,NAME", "405", "Entries in file PATIENT cannot be edited."),
        ("200^.01^9001,^X", "405", "Entries in file NEW PERSON cannot be edited."),
        ("19^.01^1,^X", "401", "File #19 does not exist."),
        ("2006.587^4^1,^x", "701", "The value 'x' for field PORT in file DICOM TRANSMIT DESTINATION is not valid."),
        ("2006.587^4^1,^99999", "701", "The value '99999' for field PORT in file DICOM TRANSMIT DESTINATION is not valid."),
        ("2005.2^5^14,^MAYBE", "701", "The value 'MAYBE' for field OPERATIONAL STATUS in file NETWORK LOCATION is not valid."),
        ("", "401", "File # does not exist."),
    ],
)
def test_nothing_else_is_changed(client: BrokerClient, line: str, code: str, text: str) -> None:
    lines = changed(client, line)
    assert lines[2].startswith(f"{code}^")
    assert lines[-2] == text


def test_nothing_is_added(client: BrokerClient) -> None:
    assert changed(client, "2006.587^.01^+1,^NEW", mode="ADD")[-2].endswith("cannot be edited.")


def test_an_entry_is_deleted_only_where_entries_may_be(client: BrokerClient) -> None:
    said = [asked(client, DELETE, FILE=file, IENS=iens) for file, iens in (("2006.587", "1,"), ("2006.587", "1,"), ("2", "1,"))]
    assert said == [["1"], ["0"], ["0"]]
    assert asked(client, GETS, FILE="2006.587", IENS="1,", FIELDS=".01") == ["[ERROR]"]


def test_help_tells_what_a_field_is(client: BrokerClient) -> None:
    help_lines = ["[BEGIN_diHELP]", "4^99^?^1", "This is the STATION NUMBER of an entry.", "[END_diHELP]"]
    assert asked(client, HELP, FILE="4", FIELD="99", FLAGS="?") == help_lines
    assert asked(client, HELP, FILE="99", FIELD="1") == ["[BEGIN_diHELP]", "[END_diHELP]"]


def test_a_client_of_another_version_gets_a_map(client: BrokerClient) -> None:
    found = {"FILE": "4", "FLAGS": "P", "PART": "SALT", "FIELDS": "99"}
    plain = ["[BEGIN_diDATA]", "660^SALT LAKE CITY^660", "[END_diDATA]"]
    assert asked(client, LISTER, b"1", **found) == plain
    assert asked(client, LISTER, b"2", **found) == ["[MAP]", "IEN^.01^99", *plain]
    assert asked(client, LISTER, b"1.108", **{**found, "FLAGS": ""})[:4] == ["[BEGIN_diDATA]", "BEGIN_IENs", "660", "END_IENs"]
