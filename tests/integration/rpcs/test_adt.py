"""Patients are changed and merged by what HL7 tells of them, as people do it, and audited as via HL7."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from broker import hl7_listener
from fileman import SiteKey, Store
from fileman.files import AuditRecord, Exam, Hl7Message, Patient
from tests.integration.rpcs.acting import Person
from tests.integration.rpcs.test_worklist_feeds import Ris
from tests.support.broker import RunningBroker

#: Numbers as VA hospitals write them: integration control number, social security number, DFN.
ONE = "1000000001V654321^^^USVHA^NI~666000001^^^USSSA^SS~1^^^USVHA^PI"
TWO = "1000000002V123456^^^USVHA^NI~666000002^^^USSSA^SS~2^^^USVHA^PI"


def header(event: str) -> str:
    return f"MSH|^~\\&|ADT1|660|VISTA|660|20261123||ADT^{event}^ADT_A01|M1|P|2.4"


def update(pid3: str = ONE, name: str = "NEWNAME^UNA^MAE^JR", birth: str = "19510203", sex: str = "F") -> str:
    return "\r".join([header("A08"), "EVN|A08|20261123", f"PID|1||{pid3}||{name}||{birth}|{sex}", "PV1|1|O"])


def merge(pid3: str = TWO, mrg1: str = ONE) -> str:
    return "\r".join([header("A40"), "EVN|A40|20261123", f"PID|1||{pid3}||ANY^BODY", f"MRG|{mrg1}"])


@pytest.fixture
def ris(oracle_store: Store, site_key: SiteKey) -> Iterator[Ris]:
    broker = RunningBroker(oracle_store, site_key, listeners={"hl7": hl7_listener(0)})
    ris = Ris(broker.service.ports["hl7"], oracle_store)
    yield ris
    ris.close()
    broker.stop()


@pytest.fixture
def person(oracle_store: Store) -> Person:
    return Person(oracle_store)


def audited(person: Person) -> list[tuple[str, str, str, str]]:
    rows = person.rows(AuditRecord)
    return [(row["action"], row["outcome"], row["via"], row["name"]) for row in rows]


def test_a_message_changes_what_is_known_of_a_patient(ris: Ris, person: Person) -> None:
    assert ris.send(update()) == "MSA|AA|M1"
    row = person.row(Patient, dfn=1)
    assert (row["name"], row["birth_date"], row["sex"]) == ("NEWNAME,UNA MAE JR", "2510203", "F")
    assert (row["ssn"], row["icn"]) == ("666000001", "1000000001V654321")
    assert audited(person) == [("MAGB PATIENT UPDATE", "done", "HL7", "HL7 ADT1")]
    (record,) = person.rows(AuditRecord)
    assert record["address"] == "127.0.0.1"
    assert json.loads(record["request"])["NAME"] == "NEWNAME,UNA MAE JR"
    assert len(person.rows(Hl7Message)) == 1


def test_the_same_message_again_does_no_harm(ris: Ris, person: Person) -> None:
    for message in (update(), merge()):
        assert ris.send(message) == "MSA|AA|M1"
        before = person.rows(Patient)
        assert ris.send(message) == "MSA|AA|M1"
        assert person.rows(Patient) == before


def test_a_number_that_was_not_known_is_taken_over(ris: Ris, person: Person) -> None:
    assert ris.send(update("666-99-0003^^^USSSA^SS~3^^^USVHA^PI", "", "", "")) == "MSA|AA|M1"
    row = person.row(Patient, dfn=3)
    assert (row["name"], row["ssn"]) == ("O'BRIEN,SEAN P", "666990003")


@pytest.mark.parametrize("pid3", ["666000001", "666-00-0001^^^^SS", "1000000001V654321^^^^NI", "1^^^^PI", "666000001^^^HOSP^MR"])
def test_any_number_of_a_patient_finds_him(ris: Ris, person: Person, pid3: str) -> None:
    assert ris.send(update(pid3)) == "MSA|AA|M1"
    assert person.row(Patient, dfn=1)["name"] == "NEWNAME,UNA MAE JR"


def test_a_message_merges_two_patients(ris: Ris, person: Person) -> None:
    assert ris.send(merge()) == "MSA|AA|M1"
    assert not [row for row in person.rows(Patient) if row["dfn"] == 1]
    assert not [row for row in person.rows(Exam) if row["patient"] == 1]
    assert audited(person) == [("MAGB PATIENT MERGE", "done", "HL7", "HL7 ADT1")]


def test_a_message_under_the_old_numbers_is_the_survivors_and_gives_them_to_nobody(ris: Ris, person: Person) -> None:
    ris.send(merge())
    assert ris.send(update(ONE, "LATER^NAME", "", "")) == "MSA|AA|M1"
    row = person.row(Patient, dfn=2)
    assert (row["name"], row["ssn"], row["icn"]) == ("LATER,NAME", "666000002", "1000000002V123456")


def test_several_pairs_of_one_message_are_merged(ris: Ris, person: Person) -> None:
    more = ["PID|2||666000004^^^^SS||X^Y", "MRG|666000005^^^^SS"]
    assert ris.send("\r".join([merge(), *more])) == "MSA|AA|M1"
    assert {row["dfn"] for row in person.rows(Patient)} == {2, 3, 4, 6, 7, 8}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (update("999999999^^^^SS"), "PID-3: there is no patient 999999999"),
        (update(""), "PID-3 is to say which patient is meant"),
        (update("666000001^^^^SS~2^^^^PI"), "PID-3 names several patients: 1, 2"),
        (update(birth="31.1.1951"), 'PID-7: "31.1.1951" is no time stamp'),
        (update(birth="19511340"), "BIRTH DATE is written 1950-01-31, not '1951-13-40'."),
        (update("3^^^^PI~666000003^^^^SS~1000000001V654321X^^^^NI", "A"), ""),
        (header("A08"), "there is no PID segment"),
        (merge(ONE, ONE), "PID-3 and MRG-1 name the same patient"),
        (merge(TWO, "999999999^^^^SS"), "MRG-1: there is no patient 999999999"),
        (merge(TWO).rpartition("\r")[0], "ADT A40 is to have a PID with an MRG behind it"),
    ],
)
def test_what_cannot_be_done_is_told_why_and_changes_nothing_but_the_file_of_messages(
    ris: Ris, person: Person, message: str, reason: str
) -> None:
    before = [row for row in person.rows(Patient) if row["dfn"] != 3]
    assert ris.send(message) == ("MSA|AE|M1|" + reason if reason else "MSA|AA|M1")
    assert [row for row in person.rows(Patient) if row["dfn"] != 3] == before
    assert len(person.rows(Hl7Message)) == 1


def test_what_an_action_refuses_is_audited(ris: Ris, person: Person) -> None:
    assert ris.send(update("1^^^^PI~NEW|^^^^SS".replace("|", "\\F\\"))).startswith("MSA|AE|M1|SSN has characters")
    assert audited(person) == [("MAGB PATIENT UPDATE", "usage", "HL7", "HL7 ADT1")]


def test_other_messages_of_patients_are_filed_only(ris: Ris, person: Person) -> None:
    before = person.rows(Patient)
    assert ris.send(update().replace("A08", "A01")) == "MSA|AA|M1"
    assert (person.rows(Patient), audited(person)) == (before, [])
