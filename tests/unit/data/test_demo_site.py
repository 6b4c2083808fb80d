"""What the demo site promises to those who sign on to it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest

from rpcs.actions import ACTIONS, context_of
from tests.unit.data.resources import demo_site

SITE = demo_site()


def column(table: str, key: str) -> list[Any]:
    return [row[key] for row in SITE[table] if key in row]


# every table, and the keys of the site file format that its rows may have
KEYS = {
    "site": "domain server volume uci device production signon_attempts lockout_seconds broker_timeout "
    "verify_lifetime_days default_institution site_number intro rule_semantics timing m2m_context_check consolidated patches",
    "institution": "ien name station",
    "imaging_site": "ien institution namespace write_location pacs_write_location jukebox_location gateway_access gateway_verify",
    "user": "duz name access verify default_division nickname contexts divisions keys timeout verify_never_expires",
    "context": "name rpcs lock out_of_order type",
    "patient": "dfn name ssn birth_date sex icn",
    "exam": "service accession case site_accession patient datetime procedure procedure_ien cpt status urgency "
    "location ien request_type",
    "procedure": "ien name cpt imaging_type modalities",
    "network_location": "ien name physical path kind online router site hash send compression user password "
    "retention_days retry_connect retry_transmit subdirectory",
    "transmit_destination": "ien name ae_title host port gateway location",
    "holiday": "date name",
    "option_schedule": "option frequency variables",
}


def test_every_key_is_one_of_the_site_file_format() -> None:
    assert set(SITE) == set(KEYS)
    for table, known in KEYS.items():
        rows = [SITE[table]] if table == "site" else SITE[table]
        for row in rows:
            assert set(row) <= set(known.split()), (table, row)


UNIQUE = [
    ("institution", "ien"),
    ("institution", "station"),
    ("imaging_site", "ien"),
    ("imaging_site", "namespace"),
    ("user", "duz"),
    ("user", "name"),
    ("user", "access"),
    ("context", "name"),
    ("patient", "dfn"),
    ("patient", "name"),
    ("patient", "ssn"),
    ("patient", "icn"),
    ("exam", "accession"),
    ("exam", "site_accession"),
    ("exam", "case"),
    ("network_location", "ien"),
    ("network_location", "name"),
    ("network_location", "physical"),
    ("network_location", "path"),
    ("transmit_destination", "ien"),
    ("transmit_destination", "name"),
    ("transmit_destination", "ae_title"),
    ("holiday", "date"),
]


@pytest.mark.parametrize(("table", "key"), UNIQUE)
def test_what_identifies_a_row_is_there_once(table: str, key: str) -> None:
    values = column(table, key)
    assert values
    assert len(values) == len(set(values))


POINTERS = [
    ("imaging_site", "institution", "institution", "ien"),
    ("imaging_site", "write_location", "network_location", "ien"),
    ("imaging_site", "pacs_write_location", "network_location", "ien"),
    ("imaging_site", "jukebox_location", "network_location", "ien"),
    ("user", "default_division", "institution", "ien"),
    ("exam", "patient", "patient", "dfn"),
    ("exam", "location", "institution", "ien"),
    ("procedure", "ien", "exam", "procedure_ien"),
    ("network_location", "site", "imaging_site", "ien"),
    ("transmit_destination", "location", "institution", "ien"),
]


@pytest.mark.parametrize(("table", "key", "target", "target_key"), POINTERS)
def test_every_pointer_has_a_target(table: str, key: str, target: str, target_key: str) -> None:
    assert column(table, key)
    assert set(column(table, key)) <= set(column(target, target_key))


def test_users_hold_only_contexts_and_divisions_that_exist() -> None:
    for user in SITE["user"]:
        assert set(user["contexts"]) <= set(column("context", "name"))
        assert set(user["divisions"]) <= set(column("institution", "ien"))
        assert user.get("default_division", user["divisions"][0]) in user["divisions"]


USERS = [
    ("FAKEDOC1", "1DOC!@#$", 9001, {"MAG DICOM GATEWAY FULL", "MAG DICOM GATEWAY VIEW"}, set()),
    ("DEMOGW1", "1GWY!@#$", 9002, {"MAG DICOM GATEWAY FULL", "MAGB GATEWAY"}, set()),
    ("DEMOVW1", "1VIW!@#$", 9003, {"MAG DICOM GATEWAY VIEW"}, set()),
    (
        "DEMOMG1",
        "1MGR!@#$",
        9004,
        {"MAG DICOM GATEWAY FULL", "MAGB TASKMAN", "MAGB GATEWAY"},
        {"XUPROGMODE", "ZTMQ", "MAG SYSTEM", "XUMGR"},
    ),
]


@pytest.mark.parametrize(("access", "verify", "duz", "contexts", "keys"), USERS)
def test_the_documented_codes_belong_to_the_documented_users(
    access: str, verify: str, duz: int, contexts: set[str], keys: set[str]
) -> None:
    (user,) = (user for user in SITE["user"] if user["access"] == access)
    assert (user["verify"], user["duz"]) == (verify, duz)
    assert contexts <= set(user["contexts"])
    assert set(user.get("keys", [])) == keys


def test_the_viewer_reaches_nothing_that_stores_or_routes() -> None:
    (view,) = (context for context in SITE["context"] if context["name"] == "MAG DICOM GATEWAY VIEW")
    assert "MAG DICOM IMAGE PROCESSING" not in view["rpcs"]
    assert not [name for name in view["rpcs"] if name.startswith(("MAG DICOM ROUTE EVAL", "MAGB "))]


def test_one_context_serves_the_gateway_and_no_va_context_holds_a_procedure_of_ours() -> None:
    rpcs = {context["name"]: context["rpcs"] for context in SITE["context"]}
    assert set(rpcs.pop("MAGB GATEWAY")) == {
        "MAGB NETWORK LOCATIONS",
        "MAGB TRANSMIT DESTINATIONS",
        "MAGB IMAGE EVENTS",
        "MAGB EXPORT NEXT",
        "MAGB EXPORT RESULT",
        "MAGB EXPORT REQUEUE",
        "MAGB EXPORT PRIORS",
        "MAGB EXPORT MOVE",
        "MAGB GATEWAY HEARTBEAT",
        *(name for name in ACTIONS if context_of(name) == "MAGB GATEWAY"),
        "MAGB QUERY",
        "MAGB RETRIEVE",
        "MAGB RECALL",
        "MAGB INSTANCE FILES",
        "MAGB WORKLIST",
        "MAGB MPPS",
        "MAG DICOM FIND LOCATION",
        "MAG DICOM IMAGE PROCESSING",
        "MAG DICOM GET NEXT QUEUE ENTRY",
        "MAG DICOM ROUTE EVAL START",
        "MAG DICOM ROUTE EVAL STOP",
        "MAG DICOM ROUTE EVAL LOG",
        "MAGB ROUTE COPIES",
        "MAGB ROUTE DESTINATIONS",
        "MAGB ROUTE REQUEUE",
        "MAG DICOM ROUTE LOCK TRANSMIT",
        "MAG DICOM ROUTE NEXT FILE",
        "MAG DICOM ROUTE LOG XMIT",
        "MAG DICOM ROUTE STATUS",
        "MAG DICOM ROUTE GET PURGE",
        "MAG DICOM NETWORK STATUS",
        "MAG CFIND QUERY",
        "MAG STUDY UID QUERY",
        "MAG DICOM GET MACHINE ID",
        "MAG DICOM GET DOMAIN",
        "MAG DICOM VALID LOCATIONS",
        "MAG DICOM GET PLACE",
        "MAG DICOM GET VERSION",
    }
    assert set(rpcs.pop("MAGB TASKMAN")) == {name for name in ACTIONS if context_of(name) == "MAGB TASKMAN"}
    assert not [name for names in rpcs.values() for name in names if name.startswith("MAGB ")]


def test_no_context_names_a_procedure_twice() -> None:
    for context in SITE["context"]:
        assert len(context["rpcs"]) == len(set(context["rpcs"])), context["name"]


def test_no_patient_can_be_a_real_one() -> None:
    assert 8 <= len(SITE["patient"]) <= 10
    for patient in SITE["patient"]:
        assert re.fullmatch(r"666\d{6}", patient["ssn"])
        assert re.fullmatch(r"10085\d{5}V\d{6}", patient.get("icn", "1008500000V000000"))
        assert re.fullmatch(r"[A-Z'-]+,[A-Z]+( [A-Z]+)*", patient["name"])


def test_the_names_try_hyphen_apostrophe_and_suffix() -> None:
    names = " / ".join(column("patient", "name"))
    for trial in ("-", "'", " JR", " III"):
        assert trial in names


def test_an_accession_number_tells_the_day_and_case_of_its_exam() -> None:
    for exam in SITE["exam"]:
        if exam["service"] != "RAD":
            continue
        when: datetime = exam["datetime"]
        legacy = f"{when:%m%d%y}-{exam['case']}"
        assert exam["accession"] == legacy
        assert exam.get("site_accession", f"660-{legacy}") == f"660-{legacy}"


def test_there_is_an_exam_of_every_kind_that_the_demonstration_needs() -> None:
    exams = SITE["exam"]
    assert {exam["service"] for exam in exams} == {"RAD", "CON"}
    assert {exam.get("urgency", "ROUTINE") for exam in exams} == {"ROUTINE", "URGENT", "STAT"}
    assert [exam["accession"] for exam in exams if exam["status"] == "CANCELLED"] == ["030226-214"]
    assert [exam["site_accession"] for exam in exams if "site_accession" in exam] == ["660-021126-202"]


def test_the_gateway_writes_to_an_online_raid_and_rules_have_one_router_to_send_to() -> None:
    locations = {row["ien"]: row for row in SITE["network_location"]}
    for imaging_site in SITE["imaging_site"]:
        raid = locations[imaging_site["write_location"]]
        assert (raid["kind"], raid["online"], raid["router"], raid["hash"]) == ("MAG", True, False, True)
    raid1 = locations[1]
    assert (raid1["name"], raid1["path"], raid1["physical"]) == ("RAID1", "image1", "\\\\DEMO-IMG1\\IMAGE1$\\")
    assert [row["name"] for row in locations.values() if row["router"]] == ["OUTREACH"]
    assert not [row for row in locations.values() if row["path"].startswith(("/", ".."))]


def test_both_destinations_are_on_this_machine() -> None:
    assert [(row["name"], row["ae_title"], row["host"], row["port"]) for row in SITE["transmit_destination"]] == [
        ("READING ROOM", "READROOM", "127.0.0.1", 11113),
        ("RESEARCH", "RESEARCH", "127.0.0.1", 11113),
    ]
