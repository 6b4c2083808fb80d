"""A DICOM query is carried out by TaskMan, and what it found is fetched in parts until it is cleaned up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select, update

import console.routines  # noqa: F401  registers the task
import rpcs.look_ups.find_studies
import rpcs.look_ups.queries
from fileman import SiteKey, Store
from fileman.files import Image, QueryResult, QueryResultLine
from rpcs.look_ups.find_studies import search
from runtime import SystemClock
from taskman import Engine
from tests.integration.rpcs.conftest import NOON
from tests.integration.rpcs.test_look_ups import filing
from tests.support.broker import RunningBroker
from tests.support.query_plans import statements_of
from tests.support.waiting import until
from xwb import BrokerClient

FIND = "MAG CFIND QUERY"


@pytest.fixture
def broker(oracle_store: Store, site_key: SiteKey, tmp_path: Path) -> Iterator[RunningBroker]:
    engine = Engine(oracle_store, SystemClock(), tmp_path)
    engine.launch()
    broker = RunningBroker(oracle_store, site_key, engine=engine)
    yield broker
    broker.stop()
    engine.shutdown()


@pytest.fixture
def client(broker: RunningBroker) -> Iterator[BrokerClient]:
    """Sign on, and file a study of two images, one of another day, and one of a consult."""
    wanted = [
        filing("061024-101", "RAD", "IMAGPATIENT^ONE^M", "666000001", "9.1", 1),
        filing("061024-101", "RAD", "IMAGPATIENT^ONE^M", "666000001", "9.1", 2),
        filing("010123-90", "RAD", "IMAGPATIENT^ONE^M", "666000001", "9.4", 1),
        filing("660-GMR-1", "CON", "IMAGPATIENT^TWO", "666000002", "9.6", 1),
    ]
    with broker.client() as client:
        for request in wanted:
            assert client.call("MAG DICOM IMAGE PROCESSING", request).lines[-1].startswith("STORE|0|")
        yield client


def query(client: BrokerClient, *tags: str, most: str = "100") -> list[str]:
    """Carry out a query to its end; give all lines that it found."""
    started = client.call(FIND, dict(enumerate(tags, 1)), "0", "0", most).lines
    assert started[0].endswith(",Query Started through TaskMan"), started
    result = started[0].split(",")[1]
    lines: list[str] = []
    answer = [""]

    def done() -> bool:
        answer[:] = client.call(FIND, {}, result, "0", most).lines
        return not answer[0].startswith("-1,TaskMan still active")

    until(done)
    while not answer[0].startswith("0,"):
        count, offset, said = answer[0].split(",")
        assert (int(count), said) == (len(answer) - 1, "result(s).")
        lines += answer[1:]
        answer = client.call(FIND, {}, result, offset, most).lines
    assert client.call(FIND, {}, result, "-1", most).lines == ["1,Result Set Cleaned Up"]
    return lines


def studies(lines: list[str]) -> list[str]:
    """Give the study UIDs of a result."""
    return [line.partition("^")[2] for line in lines if line.startswith("0020,000D^")]


def test_a_study_is_found_by_each_of_its_keys(client: BrokerClient) -> None:
    uid = "0020,000D|UI|U|"
    for keys, found in (
        (["0010,0010|PN|R|Imagpatient^One"], []),
        (["0010,0010|PN|R|Imagpatient^One*"], ["9.1", "9.4"]),
        (["0010,0010|PN|R|IMAGPATIENT"], ["9.1", "9.4", "9.6"]),
        (["0010,0020|LO|R|666-00-0001"], ["9.1", "9.4"]),
        (["0010,0020|LO|R|\\666000001\\"], ["9.1", "9.4"]),
        (["0008,0050|SH|R|660-061024-101"], ["9.1"]),
        (["0008,0050|SH|R|061024-10?"], ["9.1"]),
        (["0020,0010|SH|R|90"], ["9.4"]),
        (["0008,0020|DA|R|20240101-20241231"], ["9.1", "9.6"]),
        (["0008,0020|DA|R|20240610", "0008,0030|TM|R|0900-1000"], ["9.1", "9.6"]),
        (["0008,0020|DA|R|20240620"], []),  # the day of the consult: its study is of the day of the images
        (["0010,0010|PN|R|Imag*^One*", "0008,0020|DA|R|-20231231"], ["9.4"]),
        (["0010,0020|LO|R|666000001", "0010,0040|CS|O|F"], []),
    ):
        lines = query(client, uid, *keys)
        assert studies(lines) == found, (keys, lines)
    for pattern, found in (("9.1", ["9.1"]), ("9.?", ["9.1", "9.4", "9.6"])):
        assert studies(query(client, uid + pattern)) == found


def test_a_result_tells_what_was_asked_for_in_the_order_of_the_tags(client: BrokerClient) -> None:
    tags = ["0010,0010", "0010,0030", "0010,0040", "0008,0020", "0008,0030", "0008,0050", "0008,0061", "0020,0010", "0020,1208"]
    lines = query(client, "0020,000D|UI|U|9.1", *(f"{tag}|XX|O|" for tag in tags), "0010,1000|LO|O|<unknown>", most="2")
    assert lines == [
        "0000,0902^Result # 1",
        "0008,0020^20240610",
        "0008,0030^093000",
        "0008,0050^660-061024-101",
        "0008,0061^CR",
        "0010,0010^IMAGPATIENT,ONE,M",
        "0010,0030^19500115",
        "0010,0040^M",
        "0010,1000^0001\\1000000001V401987\\666-00-0001\\666000001",
        "0020,000D^9.1",
        "0020,0010^101",
        "0020,1208^2",
    ]


def test_no_more_studies_are_given_than_a_result_holds_and_it_says_so(
    client: BrokerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpcs.look_ups.find_studies, "MOST_STUDIES", 2)
    monkeypatch.setattr(rpcs.look_ups.find_studies, "LINES_AT_ONCE", 3)
    asked = ["0020,000D|UI|U|", "0010,0010|PN|R|IMAGPATIENT", "0008,0061|CS|O|"]
    lines = query(client, *asked)
    assert (studies(lines), lines[-1]) == (["9.1", "9.4"], "0000,0902^Only the first 2 results are given.")
    assert query(client, "0010,0010|PN|R|IMAGPATIENT^ONE*")[-1] == "0020,000D^9.4", "all of two are not only the first"


#: A query for each key that reads a file by it.
KEYS = (
    *("0010,0010|PN|R|I*", "0010,0020|LO|R|666*", "0008,0050|SH|R|06*", "0020,000D|UI|U|9.*"),
    *("0008,0050|SH|R|061024-101", "0020,0010|SH|R|101", "0020,000D|UI|U|9.1"),
)


def test_a_key_that_means_too_much_finds_nothing(client: BrokerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpcs.look_ups.find_studies, "MOST_MATCHES", 0)
    for key in KEYS:
        assert query(client, key) == [f"0000,0902^More than 0 matches for tag {key.partition('|')[0]}"]


def test_all_values_of_a_key_have_one_bound(client: BrokerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpcs.look_ups.find_studies, "MOST_MATCHES", 3)
    uid = "0020,000D|UI|U|"
    assert studies(query(client, uid + "\\".join(["9.*"] * 9))) == ["9.1", "9.4", "9.6"], "the same value counts once"
    assert query(client, uid + "9.*\\9.1*") == ["0000,0902^More than 3 matches for tag 0020,000D"]
    names = query(client, "0010,0010|PN|R|IMAGPATIENT^O*\\IMAGPATIENT^ON*\\IMAGPATIENT^ONE*\\IMAGPATIENT^ONE^*")
    assert names == ["0000,0902^More than 3 matches for tag 0010,0010"]


def test_a_key_has_so_many_values_at_most(client: BrokerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpcs.look_ups.find_studies, "MOST_VALUES", 2)
    for tag in ("0020,000D", "0010,0020", "0008,0061"):
        lines = query(client, f"{tag}|XX|R|9.1\\9.2\\9.3", "0008,0020|DA|R|20240610")
        assert lines == [f"0000,0902^More than 2 values for tag {tag}"]


def test_what_means_everything_is_not_queried(client: BrokerClient) -> None:
    refused = ["-2,Errors encountered", "No permission to query whole database."]
    for value in ("*", "**", "?*", "*\\**", "<UNKNOWN>", ""):
        assert client.call(FIND, {1: f"0008,0050|SH|R|{value}"}, "0", "0", "9").lines == refused, value


def test_a_part_has_its_bound(client: BrokerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpcs.look_ups.queries, "MOST_LINES", 2)
    started = client.call(FIND, {1: "0020,000D|UI|U|9.1", 2: "0010,0010|PN|O|"}, "0", "0", "9").lines[0]
    result = started.split(",")[1]
    until(lambda: not client.call(FIND, {}, result, "0", "9").lines[0].startswith("-1"))
    assert client.call(FIND, {}, result, "0", "99999").lines[0] == "2,2,result(s)."


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # PostgreSQL chooses its plans by how much there is
def test_a_query_reads_no_table_through(client: BrokerClient, oracle_store: Store) -> None:
    assert client
    keys = {
        "0010,0010": "IMAG*",
        "0010,0020": "666*",
        "0008,0050": "06*",
        "0020,0010": "101",
        "0020,000D": "9.*",
        "0008,0020": "20240610",
    }
    with statements_of(oracle_store) as statements:
        for tag, value in keys.items():
            lines = oracle_store.read(lambda connection, tag=tag, value=value: search(connection, {tag: [value]}, NOON.date()))
            assert studies(lines), tag
    plans = statements.plans(oracle_store)
    assert len(plans) > len(keys)
    assert not [(text, plan) for text, plan in plans.items() if any(step.startswith("SCAN") for step in plan)]


NOT_FOUND: list[tuple[list[str], list[str]]] = [
    (["0010,0010|PN|R|NOBODY"], ["No matches for tag 0010,0010"]),
    (
        ["0010,0020|LO|R|666000001", "0010,0010|PN|R|Imagpatient^Two"],
        ["No matches left, conflict between Patient Name and ID"],
    ),
    (["0010,0020|LO|R|666000002", "0020,0010|SH|R|90"], ["No matches left, conflict between Patient and Study Info"]),
    (
        ["0008,0020|DA|R|2024-x", "0008,0030|TM|R|25-096199"],
        [
            "Invalid 'from' date: \"2024\".",
            "Invalid 'until' date: \"x\".",
            "Invalid hours in 'from' time: \"25\".",
            "Invalid minutes in 'until' time: \"096199\".",
            "Invalid seconds 'until' time: \"096199\".",
        ],
    ),
    (["0008,0020|DA|R|19000101"], ["No matches for tag 0008,0020 / 0008,0030"]),
    (["0010,0020|LO|R|666000001", "0040,0002|DA|O|"], ['Cannot calculate value for tag: "0040,0002".']),
    (["0008,0061|CS|O|CR"], ["No Selection Specified."]),
]


def test_what_cannot_be_found_is_told_in_the_result(client: BrokerClient) -> None:
    for tags, said in NOT_FOUND:
        assert query(client, *tags) == [f"0000,0902^{reason}" for reason in said], tags


def test_the_whole_database_is_not_queried(client: BrokerClient) -> None:
    for tags in ({}, {1: "0010,0010|PN|R|*", 2: "0010,0020|LO|R|<UNKNOWN>"}):
        assert client.call(FIND, tags, "0", "0").lines == ["-2,Errors encountered", "No permission to query whole database."]


def test_a_study_uid_of_two_patients_is_an_error_unless_the_caller_says_which(client: BrokerClient, oracle_store: Store) -> None:
    same = update(Image).where(Image.uid == "9.6").values(uid="9.1")
    oracle_store.transact(lambda connection: connection.execute(same))
    uid, name = "0020,000D|UI|U|9.1", "0010,0010|PN|R|"
    assert query(client, uid, name) == ["0000,0902^Duplicate Study UID (tag 0020,000D)"]
    assert [line for line in query(client, uid, name, "0000,0902|XX|O|1") if line.startswith("0010,0010")]


def test_results_that_nobody_fetched_go_after_five_days(client: BrokerClient, broker: RunningBroker, oracle_store: Store) -> None:
    result = client.call(FIND, {1: "0020,000D|UI|U|9.1"}, "0", "0").lines[0].split(",")[1]
    until(lambda: client.call(FIND, {}, result, "0").lines[0].startswith("2,"))
    with broker.client("FAKEPRG1", "1PRG!@#$") as programmer:
        assert programmer.call("MAG DICOM QUERY CLEANUP").text == ""
        left = select(func.count()).select_from(QueryResultLine)
        assert oracle_store.read(lambda connection: connection.execute(left).scalar_one()) == 2
        old = update(QueryResult).values(changed="3200101.1")
        oracle_store.transact(lambda connection: connection.execute(old))
        assert programmer.call("MAG DICOM QUERY CLEANUP").text == ""
        assert oracle_store.read(lambda connection: connection.execute(left).scalar_one()) == 0


def test_one_call_cleans_up_so_many_lines_only(
    broker: RunningBroker, oracle_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpcs.look_ups.queries, "MOST_DELETED", 4)

    def fill(connection: Connection) -> None:
        for ien in range(1, 5):
            connection.execute(insert(QueryResult).values(ien=ien, status="OK", changed=f"320010{ien}", task=None))
            lines = [{"result": ien, "line": line, "text": "0020,000D^9.1"} for line in range(3)]
            connection.execute(insert(QueryResultLine), lines)

    oracle_store.transact(fill)
    left = []
    with broker.client("FAKEPRG1", "1PRG!@#$") as programmer:
        while not left or left[-1]:
            assert programmer.call("MAG DICOM QUERY CLEANUP").text == ""
            found = select(QueryResult.ien).order_by(QueryResult.ien)
            left.append(oracle_store.read(lambda connection, found=found: list(connection.execute(found).scalars())))
    assert left == [[3, 4], []]
