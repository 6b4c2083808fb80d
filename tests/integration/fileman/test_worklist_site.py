"""The worklist of a site file: its scheduled steps go in and come out, exams that are still to be made stand beside them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select

from fileman import SiteFileError, SiteKey, Store, apply_site, dump_site, parse_site, reset_imaging
from fileman.files import ScheduledStep, ScheduledValue
from fileman.worklist import HL7, StepKey, find_step, put_step

NOW = datetime.fromisoformat("2026-11-23T12:00")
SITE = """
[[institution]]
ien = 660
name = "SALT LAKE CITY"

[[patient]]
dfn = 100
name = "WASHINGTON,JAMES A JR"
ssn = "666001103"
birth_date = 1939-11-02
sex = "M"
height_cm = 175
weight_kg = 80.5

[[procedure]]
ien = 43
name = "CT HEAD"
imaging_type = 5

[[procedure]]
ien = 44
name = "MYSTERY"
"""
EXAM = """
[[exam]]
accession = "{accession}"
case = 7
patient = {patient}
datetime = {datetime}
procedure = "CT HEAD"
procedure_ien = {procedure}
status = "{status}"
urgency = "URGENT"
location = 660
pregnant = "n"
requester = "GREY,MEREDITH"
"""
STEP = """
[[scheduled_step]]
accession = "A1"
step_id = "S1"
procedure_id = "R1"
patient_name = "YAMADA^TAROU=山田^太郎=やまだ^たろう"
patient_id = "P1"
birth_date = 1950-01-31
sex = "M"
size = 1.75
weight = 80
datetime = 2026-11-24T10:30:00
modality = "CT"
station_ae_titles = ["CT1", "CT2"]
status = "READY"
location = 660
imaging_type = "CT"
placer_order = "PL1"
filler_order = "FI1"
performing_physician = "YANG^CRISTINA"
step_description = "HEAD"
station_name = "ROOM 7"
step_location = "BASEMENT"
protocol_code = "P5"
protocol_scheme = "LOCAL"
protocol_meaning = "HEAD WITHOUT"
contrast_agent = "NONE"
pre_medication = "NONE"
step_comments = "BE KIND"
procedure_description = "CT HEAD"
procedure_code = "70450"
procedure_scheme = "C4"
procedure_meaning = "CT HEAD"
study_uid = "1.2.3"
priority = "STAT"
reason = "FELL"
transport = "WHEELCHAIR"
diagnoses = ["CONCUSSION", "NAUSEA"]
requesting_physician = "GREY^MEREDITH"
referring_physician = "BAILEY^MIRANDA"
admission_id = "ADM1"
institution_name = "SALT LAKE CITY"
current_location = "WARD 3"
confidentiality = "R"
patient_state = "DIZZY"
pregnancy = "1"
medical_alerts = ["PACEMAKER"]
allergies = ["LATEX", "IODINE"]
special_needs = "SIGN LANGUAGE"
"""


def exam(
    status: str = "WAITING FOR EXAM", *, accession: str = "112426-7", when: str = "2026-11-24T08:00:00", **more: object
) -> str:
    return EXAM.format(**{"status": status, "accession": accession, "datetime": when, "patient": 100, "procedure": 43, **more})


def load(store: Store, text: str, key: SiteKey) -> None:
    store.transact(lambda connection: apply_site(connection, parse_site(text), key, NOW))


def steps(store: Store) -> list[dict[str, Any]]:
    table: Any = ScheduledStep.__table__
    return [dict(row) for row in store.read(lambda it: it.execute(select(table).order_by(table.c.ien)).mappings().all())]


def feed(store: Store, **given: str) -> int:
    whole = {"patient_id": "P9", "patient_name": "X", "modality": "CT", "start_date": "20261124", "step_id": "1", **given}

    def work(connection: Any) -> int:
        return put_step(connection, HL7, whole, 1.0)

    return store.transact(work)


def test_scheduled_steps_come_out_of_a_site_as_they_went_in(store: Store, site_key: SiteKey) -> None:
    load(store, SITE + STEP, site_key)
    dump = store.read(dump_site)
    table = dump[dump.index("[[scheduled_step]]") :].split("\n\n")[0]
    written = {line for line in STEP.strip().splitlines()[1:] if line.split(" ")[0] != "weight"}
    assert {*table.splitlines()[1:]} - written == {"weight = 80.0", 'service = "RAD"'}
    load(store, dump, site_key)
    assert store.read(dump_site) == dump


def test_loading_a_site_again_keeps_the_numbers_and_the_values_of_its_steps(store: Store, site_key: SiteKey) -> None:
    load(store, SITE + STEP + exam(), site_key)
    before = steps(store)
    values = store.read(lambda it: it.execute(select(ScheduledValue).order_by(*ScheduledValue.__table__.primary_key)).all())
    load(store, SITE + STEP + exam(), site_key)
    assert steps(store) == before
    assert len(before) == 2
    again = store.read(lambda it: it.execute(select(ScheduledValue).order_by(*ScheduledValue.__table__.primary_key)).all())
    assert again == values


def test_what_a_patient_is_told_of_comes_from_the_patient_file(store: Store, site_key: SiteKey) -> None:
    text = '[[scheduled_step]]\naccession = "A1"\npatient = 100\ndatetime = 2026-11-24T10:30:00\nmodality = "MR"\nweight = 79\n'
    load(store, SITE + text, site_key)
    (step,) = steps(store)
    assert (step["patient_name"], step["patient_id"]) == ("WASHINGTON^JAMES^A^^JR", "666001103")
    assert (step["birth_date"], step["sex"], step["size"], step["weight"]) == ("19391102", "M", "1.75", "79")
    assert (step["step_id"], step["procedure_id"], step["imaging_type"]) == ("A1", "A1", "MRI")
    assert step["study_uid"].startswith("2.25.")


@pytest.mark.parametrize(
    ("text", "statuses"),
    [
        (exam("WAITING FOR EXAM"), ["SCHEDULED"]),
        (exam(""), ["SCHEDULED"]),
        (exam("CALLED FOR EXAM"), ["STARTED"]),
        (exam("EXAMINED"), []),
        (exam("COMPLETE"), []),
        (exam("CANCELLED"), []),
        (exam(procedure=44), []),  # nothing tells its modality
        (exam(accession="A1"), ["READY"]),  # of which the site file has a step
        (exam(accession="660-112426-00007"), ["SCHEDULED"]),
        (exam(accession="660-112426-000007"), []),  # longer than DICOM allows
        (exam(when='"3261100"'), []),  # some day in November
    ],
)
def test_exams_that_are_still_to_be_made_are_on_the_worklist(
    store: Store, site_key: SiteKey, text: str, statuses: list[str]
) -> None:
    load(store, SITE + text + (STEP if 'accession = "A1"' in text else ""), site_key)
    assert [step["status"] for step in steps(store)] == statuses
    assert "[[scheduled_step]]" not in store.read(dump_site) or statuses == ["READY"]


def test_the_step_of_an_exam_tells_what_the_exam_does(store: Store, site_key: SiteKey) -> None:
    load(store, SITE + exam(), site_key)
    (step,) = steps(store)
    told = {name: step[name] for name in ("accession", "procedure_id", "modality", "start_date", "start_time", "priority")}
    assert told == {
        "accession": "112426-7",
        "procedure_id": "7",
        "modality": "CT",
        "start_date": "20261124",
        "start_time": "080000",
        "priority": "HIGH",
    }
    assert (step["requesting_physician"], step["pregnancy"], step["institution_name"]) == ("GREY^MEREDITH", "1", "SALT LAKE CITY")


def test_an_order_takes_the_place_of_the_step_of_its_exam(store: Store, site_key: SiteKey) -> None:
    load(store, SITE + exam(), site_key)
    feed(store, accession="112426-7")
    assert [(step["source"], step["step_id"]) for step in steps(store)] == [("HL7", "1")]
    load(store, SITE + exam(), site_key)
    assert [(step["source"], step["step_id"]) for step in steps(store)] == [("HL7", "1")]


def test_a_reset_takes_off_what_others_scheduled(store: Store, site_key: SiteKey) -> None:
    load(store, SITE + STEP, site_key)
    fed = feed(store, accession="FED", patient_name="FED^BY HL7")
    store.transact(reset_imaging)
    assert [step["accession"] for step in steps(store)] == ["A1"]
    assert fed not in store.read(lambda it: it.execute(select(ScheduledValue.step)).scalars().all())


def test_a_site_file_with_the_step_of_a_feed_takes_its_place(store: Store, site_key: SiteKey) -> None:
    feed(store, accession="A1", step_id="S1")
    load(store, SITE + STEP, site_key)
    assert store.read(lambda it: find_step(it, StepKey("A1", "S1")))["source"] == "SITE"  # type: ignore[index]  # it is there


@pytest.mark.parametrize(
    ("present", "instead", "problem"),
    [
        ('modality = "CT"', 'modality = "ct"', 'line 35: scheduled_step.modality: "ct" is no code'),
        ('sex = "M"\nsize', 'sex = "X"\nsize', 'scheduled_step.sex: is "X"; write M, F or O'),
        ('study_uid = "1.2.3"', 'study_uid = "1.02"', "is no UID"),
        ('accession = "A1"', 'accession = "A1234567890123456"', "is longer than 16 characters"),
        ('"CT1", "CT2"', '"CT1", "A TITLE THAT IS LONG"', "is longer than 16 characters"),
        ("datetime = 2026-11-24T10:30:00", 'datetime = "3261100"', "the start date is missing"),
        ('patient_id = "P1"', "", "say who, by patient, or by patient_id and patient_name"),
        ('patient_id = "P1"', "patient = 5", "there is no patient 5"),
        ('priority = "STAT"', 'urgency = "STAT"', "urgency is not known here"),
    ],
)
def test_what_is_wrong_with_a_step_is_told(store: Store, site_key: SiteKey, present: str, instead: str, problem: str) -> None:
    assert present in STEP
    with pytest.raises(SiteFileError) as told:
        load(store, SITE + STEP.replace(present, instead), site_key)
    assert problem in str(told.value)


def test_a_step_that_is_there_twice_is_told(store: Store, site_key: SiteKey) -> None:
    text = STEP.replace('step_id = "S1"\n', "") + STEP.replace('step_id = "S1"', 'step_id = "A1"')
    with pytest.raises(SiteFileError, match="there are two with step A1 A1"):
        load(store, SITE + text, site_key)
