"""Images of consults and lab cases are found by whoever looks for them, under a note and before there is one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pytest
from sqlalchemy import insert, select, update

from fileman import SiteFileError, SiteKey, Store, apply_site, dump_site, parse_site
from fileman.files import DicomExport, Exam, Image, LabGroup, TiuNote
from rpcs.look_ups.find_studies import search
from rules.evaluator.image_facts import Names, know_image, read_rows
from tests.integration.rpcs.conftest import NOON
from tests.integration.rpcs.filing_gateway import CONSULT, LAB, Gateway
from tests.oracle.state_hook import setting
from tests.support.broker import RunningBroker
from tests.support.query_plans import statements_of

TODAY = date(2026, 11, 21)
NOTE = 77


@dataclass(frozen=True)
class Case:
    """A consult or lab case with one image, and what is to be told of it."""

    facts: dict[str, str]
    patient: int
    looked_up: str  # what LOOKUP STUDY takes, and its file and entry
    parent: str
    study_id: str
    procedure: str
    day: str
    note: bool

    @property
    def accession(self) -> str:
        return self.facts["accession"]


def cases() -> Iterator[Case]:
    for note in (False, True):
        yield Case(CONSULT, 2, "C660-GMR-1", "123^1", "1", "EYE CARE", "20240620", note)
        yield Case(LAB, 1, "LSP 24 17", f"8925^{NOTE if note else ''}", "SP 24 17", "SURGICAL PATHOLOGY", "20240610", note)


@pytest.fixture
def gateway(oracle_store: Store, oracle_broker: RunningBroker, site_key: SiteKey) -> Iterator[Gateway]:
    oracle_store.transact(lambda connection: setting(timing="prompt")(connection, site_key))
    with oracle_broker.client("FAKEPRG1", "1PRG!@#$") as client:
        gateway = Gateway(client, oracle_store)
        lab = {"service": "LAB", "patient": 1, "exam_date": "3240610.093", "cpt": "88305"}
        for ien, accession, procedure in ((900, "SP 24 17", "SURGICAL PATHOLOGY"), (901, "CY 24 17", "CYTOLOGY")):
            gateway.change(insert(Exam).values(ien=ien, accession=accession, service_ien=501, procedure=procedure, **lab))
        gateway.change(update(Exam).where(Exam.accession == CONSULT["accession"]).values(procedure="EYE CARE", cpt="92004"))
        yield gateway


@pytest.fixture(params=list(cases()), ids=lambda case: f"{case.facts['service']}-{'note' if case.note else 'waiting'}")
def case(request: pytest.FixtureRequest, gateway: Gateway) -> Case:
    case: Case = request.param
    if case.note:
        gateway.change(insert(TiuNote).values(ien=NOTE, patient=case.patient))
        gateway.change(update(Exam).where(Exam.accession == case.accession).values(tiu_note=NOTE))
    return case


@pytest.fixture
def image(gateway: Gateway, case: Case) -> int:
    """File an image of the case and, to be passed over, one of radiology."""
    gateway.filed("6.1", study="6", date="20240610")
    return gateway.filed("8.1", **{"study": "8", "date": "20240612", **case.facts})


def found(store: Store, **keys: str) -> list[str]:
    """Query studies by elements, `tag_0008_0050="..."`; give the lines."""
    request = {tag[4:].replace("_", ","): [value] if value else [] for tag, value in keys.items()}
    return store.read(lambda connection: search(connection, request, TODAY))


def uids(lines: list[str]) -> list[str]:
    return [line.partition("^")[2] for line in lines if line.startswith("0020,000D^")]


def test_a_gateway_finds_the_study_by_its_number(gateway: Gateway, case: Case, image: int) -> None:
    group = gateway.image(image).parent
    answer = gateway.client.call("MAG DICOM LOOKUP STUDY", case.looked_up).lines
    assert answer == ["1", f"{case.parent}^{group}^{case.accession}"]


def test_a_query_finds_the_study_by_each_of_its_keys(gateway: Gateway, case: Case, image: int) -> None:
    assert image
    for keys in (
        {"tag_0008_0050": case.accession},
        {"tag_0008_0050": case.accession[:-1] + "?"},
        {"tag_0020_0010": case.study_id},
        {"tag_0008_0020": "20240612"},
        {"tag_0008_0020": "20240612", "tag_0008_0030": "093000-093000"},
        {"tag_0020_000D": "8", "tag_0008_0050": case.accession},
        {"tag_0010_0020": "666000001" if case.patient == 1 else "666000002", "tag_0020_0010": case.study_id},
    ):
        assert uids(found(gateway.store, **keys)) == ["8"], keys
    assert uids(found(gateway.store, tag_0008_0020="20240612", tag_0008_0030="0931")) == []
    if case.facts is CONSULT:
        assert uids(found(gateway.store, tag_0008_0050="GMRC-1")) == ["8"]
        assert uids(found(gateway.store, tag_0008_0050="660-GMR-1")) == ["8"]


def test_a_query_tells_what_the_exam_says(gateway: Gateway, case: Case, image: int) -> None:
    assert image
    lines = found(gateway.store, tag_0020_000D="8", tag_0008_0050="", tag_0008_0104="", tag_0020_0010="", tag_0008_0020="")
    assert lines[1:] == [
        "0008,0020^20240612",
        f"0008,0050^{case.accession}",
        f"0008,0104^{case.procedure}",
        "0020,000D^8",
        f"0020,0010^{case.study_id}",
    ]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # PostgreSQL chooses its plans by how much there is
def test_queries_read_no_table_of_images_or_exams_through(gateway: Gateway, case: Case, image: int) -> None:
    assert image
    with statements_of(gateway.store) as statements:
        for keys in ({"tag_0008_0050": case.accession}, {"tag_0020_0010": case.study_id}, {"tag_0008_0020": "20240612"}):
            assert found(gateway.store, **keys, tag_0008_0090="", tag_0008_0061="")
        gateway.store.read(lambda connection: read_rows(connection, [image]))
    plans = statements.plans(gateway.store)
    assert len(plans) > 6
    for text, plan in plans.items():
        assert not any(step.startswith("SCAN") for step in plan), (text, plan)


def test_an_exporter_is_told_the_accession_number_and_may_leave_it_out(gateway: Gateway, case: Case, image: int) -> None:
    header = gateway.client.call("MAG IMAGE CURRENT INFO", str(image)).lines
    assert f"0008,0050^{case.accession}" in header
    assert f"0020,0010^{case.study_id}" in header
    assert gateway.client.call("MAG DICOM QUEUE IMAGE", str(image), "PACS-ARCHIVE", "660", "", "5", "", "500", "0").text == "1"
    exports = select(DicomExport.accession)
    assert gateway.store.read(lambda connection: connection.execute(exports).scalars().all()) == [case.accession]


def test_another_system_is_told_the_procedures_code(gateway: Gateway, case: Case, image: int) -> None:
    group = gateway.image(image).parent
    lines = gateway.client.call("MAG DOD GET STUDIES UID", "8").lines
    code = "92004" if case.facts is CONSULT else "88305"
    assert f"STUDY_IEN|{group}|1|{image}|{code}|660|1" in lines


def test_a_study_under_a_note_is_told_by_its_image(gateway: Gateway, case: Case, image: int) -> None:
    answer = gateway.client.call("MAG DICOM LOOKUP STUDY", f"C`{image}").lines
    imported = gateway.client.call("MAG DICOM IMPORTER LOOKUP", str(image)).text
    if case.note:
        assert answer == ["1", f"8925^{NOTE}^{image}^{case.accession}^{case.day}^{case.procedure}^"]
    else:
        assert answer == [f"-10,Group #{gateway.image(image).parent}: Images only point to Patient."]
    if case.note or case.facts is CONSULT:
        assert imported.split("^")[7:10] == [case.accession, case.day, case.procedure]
    else:
        assert imported.startswith("-7,Parent file 2006.5838")


def test_rules_know_the_accession_number_and_no_report(gateway: Gateway, case: Case, image: int) -> None:
    gateway.change(update(Exam).where(Exam.accession == case.accession).values(urgency="STAT"))
    rows = gateway.store.read(lambda connection: read_rows(connection, [image]))
    known = know_image(rows[image], Names(), 660, {})
    assert (known.accession, known.facts.study_uid, known.facts.urgency) == (case.accession, "8", "STAT")
    assert not known.facts.urgency_found, "VistA looks the order up by its report"
    assert {"RADIOLOGY_REPORT", "PACS_PROCEDURE"}.isdisjoint(known.facts.values)
    assert known.facts.values["MODALITY"] == (case.facts["modality"],)


def test_an_image_under_somebody_elses_note_is_not_sound(gateway: Gateway, case: Case, image: int) -> None:
    group = str(gateway.image(image).parent)
    assert gateway.client.call("MAG DICOM GET IMAGE GROUP", group).lines[0] == (
        "1" if case.note else "2^Images only point to Patient."
    )
    gateway.change(update(TiuNote).values(patient=3))
    if case.note:
        said = "0^Image and associated report have different patient pointers"
        assert gateway.client.call("MAG DICOM GET IMAGE GROUP", group).lines == [said]


def test_a_site_file_that_lacks_the_case_is_refused_while_it_has_images(
    gateway: Gateway, case: Case, image: int, site_key: SiteKey
) -> None:
    assert image
    site = parse_site(gateway.store.read(dump_site))
    gateway.store.transact(lambda connection: apply_site(connection, site, site_key, NOON))
    assert uids(found(gateway.store, tag_0008_0050=case.accession)) == ["8"]
    without = site.model_copy(update={"exam": tuple(it for it in site.exam if it.accession != case.accession)})
    with pytest.raises(SiteFileError, match=f"images are filed under exam {case.accession}"):
        gateway.store.transact(lambda connection: apply_site(connection, without, site_key, NOON))


def test_images_that_are_taken_back_are_found_no_more(gateway: Gateway, case: Case, image: int) -> None:
    assert gateway.ask(f"ROLLBACK||{image}")[0].startswith("ROLLBACK|0|")
    assert uids(found(gateway.store, tag_0008_0050=case.accession)) == []
    assert gateway.client.call("MAG DICOM LOOKUP STUDY", case.looked_up).lines == ["0"]


def test_cases_of_two_sections_at_one_moment_are_told_apart(gateway: Gateway) -> None:
    gateway.filed("8.1", **{"study": "8", **LAB})
    gateway.filed("9.1", **{"study": "9", **LAB, "accession": "CY 24 17"})
    assert len(gateway.rows(LabGroup)) == 2
    assert len({(row.lab_patient, row.inverse) for row in gateway.rows(LabGroup)}) == 1
    for accession, uid in (("SP 24 17", "8"), ("CY 24 17", "9")):
        assert uids(found(gateway.store, tag_0008_0050=accession)) == [uid]
        assert f"0008,0050^{accession}" in found(gateway.store, tag_0020_000D=uid, tag_0008_0050="")


def test_all_groups_of_a_consult_are_told(gateway: Gateway) -> None:
    gateway.filed("8.1", **{"study": "8", **CONSULT})
    gateway.filed("9.1", **{"study": "9", **CONSULT, "model": "X2"})
    groups = [row.ien for row in gateway.rows(Image) if row.parent is None]
    answer = gateway.client.call("MAG DICOM LOOKUP STUDY", "C1").lines
    assert answer == ["2", *(f"123^1^{group}^660-GMR-1" for group in groups)]
