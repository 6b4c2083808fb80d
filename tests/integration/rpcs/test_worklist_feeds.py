"""Orders that come by HL7 are on the worklist when they are acknowledged; tables go onto it whole or say line and column."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from broker import hl7_listener
from fileman import SiteKey, Store
from fileman.files import Hl7Message, ScheduledStep, UserKey
from tests.support.broker import RunningBroker
from tests.support.query_plans import statements_of
from tests.support.services import DEMO_SITE, magbroker
from tests.unit.rpcs.test_orders import OMI, ORM, changed
from xwb import BrokerClient

#: The DUZ of PROGRAMMER,PAT.
PROGRAMMER = 9009
CANCEL = changed(ORM, "ORC|NW", "ORC|CA")
HEADER = "accession,step_id,patient_id,patient_name,modality,start_date,start_time,station_ae_titles\n"


class Ris:
    """A sender of HL7 messages over one connection."""

    def __init__(self, port: int, store: Store) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.store = store

    def send(self, message: str) -> str:
        """Send a message; give what MSA says of it."""
        self._connection.sendall(b"\x0b" + message.encode("utf-8") + b"\x1c\r")
        answer = b""
        while not answer.endswith(b"\x1c\r"):
            answer += self._connection.recv(4096)
        return answer.decode().split("\r")[1]

    def steps(self, *columns: str) -> list[tuple[Any, ...]]:
        wanted = [getattr(ScheduledStep, column) for column in columns or ("accession", "step_id", "status", "open")]
        return [tuple(row) for row in self.store.read(lambda it: it.execute(select(*wanted).order_by(ScheduledStep.ien)).all())]

    def filed(self) -> int:
        return len(self.store.read(lambda it: it.execute(select(Hl7Message.ien)).all()))

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def running(oracle_store: Store, site_key: SiteKey) -> Iterator[RunningBroker]:
    broker = RunningBroker(oracle_store, site_key, listeners={"hl7": hl7_listener(0)})
    yield broker
    broker.stop()


@pytest.fixture
def ris(running: RunningBroker, oracle_store: Store) -> Iterator[Ris]:
    ris = Ris(running.service.ports["hl7"], oracle_store)
    yield ris
    ris.close()


@pytest.fixture
def desk(running: RunningBroker, oracle_store: Store) -> Iterator[BrokerClient]:
    """Sign on as somebody who may change the worklist."""
    key = {"duz": PROGRAMMER, "key": "MAG SYSTEM", "position": 50}
    oracle_store.transact(lambda connection: connection.execute(insert(UserKey), key))
    with running.client("FAKEPRG1", "1PRG!@#$") as client:
        yield client


def test_an_order_is_on_the_worklist_when_it_is_acknowledged(ris: Ris) -> None:
    assert ris.send(ORM) == "MSA|AA|C1"
    assert ris.steps() == [("A1", "S1", "SCHEDULED", True)]
    assert ris.steps("source", "patient_id", "start_at", "location") == [("HL7", "666001103", "20261124103000", 660)]
    assert ris.filed() == 1


def test_an_order_of_several_steps_is_on_the_worklist_with_each(ris: Ris) -> None:
    assert ris.send(OMI) == "MSA|AA|C2"
    assert [step[:2] for step in ris.steps()] == [("A2", "S21"), ("A2", "S22")]


def test_an_order_that_is_sent_again_is_there_once(ris: Ris) -> None:
    for _ in range(3):
        assert ris.send(ORM) == "MSA|AA|C1"
    assert len(ris.steps()) == 1


def test_a_changed_order_changes_what_it_says_and_leaves_the_rest(ris: Ris) -> None:
    ris.send(ORM)
    change = changed(changed(changed(ORM, "ORC|NW", "ORC|XO"), "202611241030", "202611251100"), "|WHLC|", "||")
    assert ris.send(changed(change, "A1\r|R1|S1", "") if "A1\r" in change else change) == "MSA|AA|C1"
    assert ris.steps("accession", "start_at", "transport") == [("A1", "20261125110000", "WHLC")]


def test_a_change_finds_its_step_by_the_numbers_of_the_order(ris: Ris) -> None:
    ris.send(ORM)
    assert ris.send(changed(changed(ORM, "ORC|NW", "ORC|XO"), "A1|R1|S1", "||")) == "MSA|AA|C1"
    assert ris.steps() == [("A1", "S1", "SCHEDULED", True)]


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (CANCEL, "CANCELLED"),
        (changed(CANCEL, "A1|R1|S1", "||"), "CANCELLED"),
        (changed(changed(ORM, "ORC|NW", "ORC|SC"), "FI1^RIS||SC", "FI1^RIS||CM"), "COMPLETED"),
    ],
)
def test_an_order_that_is_over_leaves_the_worklist(ris: Ris, message: str, status: str) -> None:
    ris.send(ORM)
    for _ in range(2):
        assert ris.send(message) == "MSA|AA|C1"
        assert ris.steps() == [("A1", "S1", status, False)]


def test_only_the_step_that_is_named_is_cancelled(ris: Ris) -> None:
    ris.send(OMI)
    first, second = OMI.split("\rIPC|A2|R2|1.2.4|S22", 1)[0], "S22"
    assert ris.send(changed(first, "ORC|NW", "ORC|CA")) == "MSA|AA|C2"
    assert ris.steps() == [("A2", "S21", "CANCELLED", False), ("A2", second, "SCHEDULED", True)]


def test_an_order_that_is_renewed_is_on_the_worklist_again(ris: Ris) -> None:
    for message in (ORM, CANCEL, ORM):
        assert ris.send(message) == "MSA|AA|C1"
    assert ris.steps() == [("A1", "S1", "SCHEDULED", True)]


def test_a_cancellation_of_what_is_not_there_is_taken(ris: Ris) -> None:
    assert ris.send(CANCEL) == "MSA|AA|C1"
    assert (ris.steps(), ris.filed()) == ([], 1)


def test_a_step_that_is_done_stays_done(ris: Ris, oracle_store: Store) -> None:
    ris.send(ORM)
    oracle_store.transact(lambda it: it.execute(update(ScheduledStep).values(status="COMPLETED", open=False)))
    for message in (ORM, CANCEL):
        assert ris.send(message) == "MSA|AA|C1"
        assert ris.steps() == [("A1", "S1", "COMPLETED", False)]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (changed(ORM, "ORC|NW", "ORC|ZZ"), 'ORC-1: "ZZ" is no order control that is known here'),
        (changed(ORM, "|||CT|||", "||||||"), "the modality is missing"),
        (changed(ORM, "202611241030", ""), "the start date is missing"),
        (changed(ORM, "202611241030", "202613241030"), 'start_date "20261324" is no date; write 20240131'),
        (changed(ORM, "A1|R1|S1", "A" * 17 + "|R1|S1"), "accession is longer than 16 characters"),
        (changed(OMI, "S22|MR|", "S22|mr|"), 'modality "mr" is no code: capital letters, digits, blanks and underscores are'),
        (changed(ORM, "1.2.3^RIS", "1.02^RIS"), 'study_uid "1.02" is no UID'),
    ],
)
def test_an_order_that_cannot_be_read_is_filed_and_refused_with_the_reason(ris: Ris, message: str, reason: str) -> None:
    control = message.split("|")[9]
    assert ris.send(message) == f"MSA|AE|{control}|{reason}"
    assert (ris.steps(), ris.filed()) == ([], 1), "all of it or nothing"
    assert ris.send(changed(ORM, "|C1|", "|C3|")) == "MSA|AA|C3", "the connection goes on"


def test_an_order_of_another_patient_does_not_take_a_step(ris: Ris) -> None:
    ris.send(ORM)
    for message in (changed(ORM, "666001103", "666001104"), changed(CANCEL, "666001103", "666001104")):
        assert ris.send(message) == "MSA|AE|C1|order FI1 is another patient's"
    assert ris.steps("patient_id", "status") == [("666001103", "SCHEDULED")]


def test_a_reason_separates_nothing_in_the_answer(ris: Ris) -> None:
    answer = ris.send(changed(ORM, "ORC|NW", "ORC|\\F\\A\\X0D\\B"))
    assert answer == 'MSA|AE|C1|ORC-1: " A B" is no order control that is known here'


def test_a_message_in_utf_8_keeps_its_names(ris: Ris) -> None:
    name = changed(ORM, "WASHINGTON^JAMES^A^JR^DR", "山田^太郎")
    assert ris.send(changed(name, "|P|2.3.1", "|P|2.3.1||||||UNICODE UTF-8")) == "MSA|AA|C1"
    assert ris.steps("patient_name") == [("山田^太郎",)]


def test_every_look_up_of_an_order_uses_an_index(ris: Ris, oracle_store: Store) -> None:
    with statements_of(oracle_store) as statements:
        for message in (ORM, changed(ORM, "ORC|NW", "ORC|XO"), CANCEL):
            ris.send(message)
    assert statements.seen
    if oracle_store.sqlite:
        for text, steps in statements.plans(oracle_store).items():
            if "lease" not in text:  # the broker's own, of the sessions that others left
                assert not [step for step in steps if step.startswith("SCAN") and "CONSTANT" not in step], (text, steps)


# ---- tables ----


def rows(*lines: tuple[int, dict[str, str]]) -> dict[str, str]:
    text = json.dumps([list(line) for line in lines])
    return {f"ROWS{number}": text[at : at + 50] for number, at in enumerate(range(0, len(text), 50), start=1)}


ROW = {
    "accession": "T1",
    "patient_id": "P1",
    "patient_name": "YAMADA^TAROU=山田^太郎",
    "modality": "CT",
    "start_date": "2026-11-24",
    "start_time": "10:30",
}


def test_rows_of_a_table_go_onto_the_worklist_and_are_listed(desk: BrokerClient) -> None:
    assert (
        desk.call("MAGB WORKLIST FEED", rows((2, ROW), (3, {**ROW, "accession": "T2", "status": "COMPLETED"}))).text
        == '1^{"entries": 2}'
    )
    listed = json.loads(desk.call("MAGB WORKLIST LIST", {"LIMIT": "1"}).text[2:])
    (one,) = listed["entries"]
    assert (one["accession"], one["step_id"], one["source"], one["patient_name"]) == ("T1", "T1", "CSV", ROW["patient_name"])
    assert (one["start_date"], one["start_time"], listed["more"]) == ("20261124", "1030", False)
    everything = json.loads(desk.call("MAGB WORKLIST LIST", {"ALL": "1", "AFTER": str(one["ien"])}).text[2:])
    assert [it["status"] for it in everything["entries"]] == ["COMPLETED"]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (rows((7, {**ROW, "modality": "ct"})), "0^usage^line 7, column modality: "),
        (rows((7, {**ROW, "colour": "red"})), "0^usage^line 7, column colour: is no column"),
        (
            rows((1, ROW), (7, {**ROW, "patient_id": "P2"})),
            "0^usage^line 7, column patient_id: step T1 of T1 is another patient's",
        ),
        ({"ROWS1": "[[1]]"}, "0^usage^ROWS1 and so on are to be JSON"),
        ({"ROWS1": '[[1, {"accession": "\\ud800"}]]'}, "0^usage^ROWS1 and so on are to be JSON"),
        ({}, "0^usage^ROWS1 and so on are to be JSON"),
        (rows(*[(number, ROW) for number in range(501)]), "0^usage^ROWS1 and so on are to be JSON"),
    ],
    ids=["value", "column", "other patient", "no columns", "no character", "nothing", "too many"],
)
def test_rows_that_cannot_be_taken_change_nothing(
    desk: BrokerClient, oracle_store: Store, request_: dict[str, str], said: str
) -> None:
    assert desk.call("MAGB WORKLIST FEED", request_).text.startswith(said)
    assert oracle_store.read(lambda it: it.execute(select(ScheduledStep.ien)).all()) == []


def test_without_the_key_nothing_goes_onto_the_worklist(running: RunningBroker, oracle_store: Store) -> None:
    with running.client("FAKEPRG1", "1PRG!@#$") as client:
        assert client.call("MAGB WORKLIST FEED", rows((2, ROW))).text.startswith("0^key^")
    assert oracle_store.read(lambda it: it.execute(select(ScheduledStep.ien)).all()) == []


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    assert magbroker("site", "load", str(DEMO_SITE), "--data", str(folder)).returncode == 0
    return folder


def test_a_file_is_imported_and_listed_by_commands(loaded: Path, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    lines = [f"T{number:04},,P{number},NAME^{number},CT,2026-11-24,10:30,CT1\\CT2" for number in range(250)]
    file.write_text("\ufeff" + HEADER + "\r\n".join(lines) + "\r\n", encoding="utf-8")
    for _ in range(2):
        done = magbroker("worklist", "import", str(file), "--data", str(loaded))
        assert (done.returncode, done.stdout.replace("\n", " ")) == (0, f"{file}: 250 steps are on the worklist ")
    listed = json.loads(magbroker("worklist", "list", "--json", "--limit", "1000", "--data", str(loaded)).stdout)
    of_file = [one for one in listed["entries"] if one["source"] == "CSV"]
    assert (len(of_file), of_file[0]["station_ae_titles"]) == (250, "CT1\\CT2")
    assert [one for one in listed["entries"] if one["source"] == "EXAM"], "the demo site's exams"
    shown = magbroker("worklist", "list", "--data", str(loaded)).stdout
    assert "WASHINGTON^JAMES^A" in shown.replace("\n", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEADER + "T1,S1,P1,N,CT,20261124,1030,CT1\nT2,S1,P1,N,ct,20261124,,\n", 'line 3, column modality: "ct" is no code'),
        (HEADER + "T1,S1,P1,N,CT,20261324,1030,CT1\n", 'line 2, column start_date: "20261324" is no date'),
        (HEADER + "T1,S1,P1,N,CT,,,\n", "line 2, column start_date: the start date is missing"),
        (HEADER + "T1,S1,P1,N,CT,20261124,,\n\nT1,S1,P1,N,CT,20261124,,\n", "line 4: is the same step as line 2"),
        (HEADER + "T1,S1,P1,N,CT,20261124,,,,\n", "line 2: has 10 fields, the first line 8"),
        (HEADER + 'T1,"S1,P1\n', "line 2: this is not CSV"),
        ("accession,colour\n", "line 1, column colour: there is no column 'colour'"),
        ("accession,accession\n", "line 1, column accession: is there twice"),
        ("accession;modality\n", "line 1, column patient_id: is missing"),
        ("", "line 1, column accession: is missing"),
        (HEADER.replace(",", "\t") + "T1\tS1\tP1\tN\tCT\t20261124\t2530\t\n", 'line 2, column start_time: "2530" is no time'),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_line_and_column(loaded: Path, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "list.csv"
    file.write_text(text, encoding="utf-8")
    done = magbroker("worklist", "import", str(file), "--data", str(loaded))
    assert done.returncode == 1
    assert f"{file}, {said}" in done.stderr.replace("\n", " ")


def test_a_file_that_is_not_utf_8_is_told(loaded: Path, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(HEADER.encode() + b"T1,S1,P1,M\xfcLLER,CT,20261124,,\n")
    done = magbroker("worklist", "import", "--check", str(file), "--data", str(loaded))
    assert f"{file}, line 2: this is not UTF-8 text." in done.stderr.replace("\n", " ")


def test_a_file_may_be_read_without_being_imported(loaded: Path, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(HEADER + "CHECKED,S1,P1,N,CT,20261124,,\n", encoding="utf-8")
    done = magbroker("worklist", "import", "--check", "--json", str(file), "--data", str(loaded))
    assert json.loads(done.stdout) == {"entries": 1, "imported": 0}
    listed = magbroker("worklist", "list", "--json", "--limit", "1000", "--data", str(loaded)).stdout
    assert "CHECKED" not in listed
