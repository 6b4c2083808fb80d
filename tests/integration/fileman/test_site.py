"""A site file fills a database, replaces what was there, and comes out of it again."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import Connection, func, insert, select, update

from fileman import (
    BadSiteKey,
    SiteFileError,
    SiteKey,
    Store,
    apply_site,
    check_verify_code,
    dump_site,
    is_empty,
    next_ien,
    next_iens,
    parse_site,
    read_site_file,
    reset_imaging,
    site_settings,
)
from fileman.files import (
    NUMBERED_FILES,
    Exam,
    File,
    Image,
    ImagingSite,
    NetworkLocation,
    NewPerson,
    Option,
    OptionRpc,
    Report,
    UserOption,
)
from tests.conftest import ORACLE_SITE
from tests.support.rows import counts, fill

NOW = datetime.fromisoformat("2026-11-21T12:00")
ROW = {"location": 10, "object_type": 100, "patient": 1, "saved_at": "3261121", "saved_by": 1}
KEPT_BY_RESET = {
    "api_token",
    "atna_position",
    "audit_change",
    "alert",
    "alert_mute",
    "alert_notice",
    "audit_record",
    "security_event",
    "session_end",
    "rule_version",
    "acquisition_site",
    "consult_service",
    "image_index",
    "tele_reader",
    "ae_security",
    "hospital_location",
    "imaging_location",
    "procedure_modifier",
    "radiology_code",
    "radiology_order",
    "radiology_procedure",
    "transmit_service",
    "fault",
    "option_item",
    "sign_on_token",
    "exam",
    "gateway_status",
    "holiday",
    "imaging_site",
    "institution",
    "lease",
    "network_location",
    "new_person",
    "option",
    "option_rpc",
    "option_schedule",
    "patient",
    "running_task",
    "sign_on_log",
    "site_setting",
    "site_version",
    "task",
    "task_error",
    "task_manager",
    "task_step",
    "task_sync_flag",
    "tiu_note",
    "transmit_destination",
    "user_division",
    "user_key",
    "user_option",
}


#: Every table and key that only look-ups need, as a dump writes it.
LOOKED_UP = """
[site]
uid_root = "1.2.3"
agency = "I"

[[institution]]
ien = 660
name = "SALT LAKE CITY"

[[imaging_site]]
ien = 1
institution = 660
pacs = false
pacs_retention_days = 0
pacs_minimum_space = 25

[[user]]
duz = 1
name = "READER,RITA"
radiology_classes = "ST"

[[patient]]
dfn = 1
name = "DEMO,PATIENT ONE"
height_cm = 172.5
weight_kg = 80.0
employee = true
sensitive = true

[[exam]]
service = "RAD"
accession = "010124-1"
patient = 1
datetime = 2024-01-01T08:00:00
pregnant = "u"
requester = "DOCTOR,DORA"

[[transmit_destination]]
ien = 1
name = "ARCHIVE"
ae_title = "ARCHIVE"
host = "127.0.0.1"
port = 104
location = 660
gateway_ae_title = "GW"
updated = 2026-11-21T03:37:00
services = ["C-ECHO SCU SCP", "C-FIND", "C-STORE SCP"]

[[ae_security]]
ien = 1
name = "READING ROOM"
local_title = "VISTA_QR_SCP"
location = 660
host = "127.0.0.1"
port = 11112
ae_title = "READROOM"
force_reconciliation = "0"
origin = "V"
flags = {"REJECT" = "1"}
services = ["C-FIND SCU", "STORAGE COMMIT SCU"]
response_delay = 2
response_retries = 3

[[procedure]]
ien = 58
name = "CHEST 2 VIEWS PA&LAT"
kind = "S"
cpt = "71020"
cpt_name = "CHEST X-RAY 2VW"
imaging_type = 1
inactive = 2025-01-01
modalities = ["CR", "DX"]

[[procedure_modifier]]
ien = 3
name = "LEFT"
imaging_types = [1, 5]

[[hospital_location]]
ien = 7
name = "XRAY CLINIC"
kind = "C"
inactive = 2025-01-01
reactivated = 2025-06-01

[[imaging_location]]
ien = 4
hospital_location = 7
institution = 660
imaging_type = 1
outside = true
outside_room = true

[[order]]
ien = 12
patient = 1
procedure = 58
modifiers = [3]
status = "SCHEDULED"
entered = 2024-01-01
reason = "COUGH"
accession = "010124-1"
imaging_location = 4

[[diagnostic_code]]
ien = 1
name = "NORMAL"

[[film_size]]
ien = 2
name = "14X17"

[[camera]]
ien = 3
name = "ROOM 1"
description = "CHEST STAND"

[[cpt_modifier]]
ien = 4
name = "LEFT SIDE"
code = "LT"
active_from = 2000-01-01
inactive = 2030-01-01
"""


def load(store: Store, text: str, key: SiteKey) -> list[str]:
    return store.transact(lambda connection: apply_site(connection, parse_site(text), key, NOW))


def person(store: Store, duz: int) -> NewPerson:
    def look(connection: Connection) -> NewPerson:
        columns = connection.execute(select(NewPerson.__table__).where(NewPerson.duz == duz)).mappings().one()
        return NewPerson(**columns)

    return store.read(look)


def exam_number(store: Store, accession: str) -> tuple[int, int | None]:
    statement = select(Exam.ien, Exam.report).where(Exam.accession == accession)
    ien, report = store.read(lambda connection: connection.execute(statement).one())
    return ien, report


def file_one(store: Store, accession: str) -> None:
    """File an image under an exam."""

    def work(connection: Connection) -> None:
        exam = connection.execute(select(Exam).where(Exam.accession == accession)).one()
        connection.execute(
            insert(Report).values(
                ien=next_ien(connection, "report"), service="RAD", accession=accession, exam=exam.ien, patient=exam.patient,
                exam_date=exam.exam_date, entered="3261121", entered_by=1,
            )
        )  # fmt: skip
        connection.execute(update(Exam).where(Exam.ien == exam.ien).values(report=1))
        connection.execute(insert(Image).values(ien=next_ien(connection, "image"), name="X", **ROW))

    store.transact(work)


def test_the_recorded_site_loads_as_it_is(oracle_store: Store, site_key: SiteKey) -> None:
    settings = oracle_store.read(site_settings)
    assert (settings.domain, settings.timing, settings.patches[0]) == ("ORACLE.DOMAIN.EXT", "vista", "MAG*3.0*54 2012-01-01 T1")
    assert settings.intro[1] == "Second intro line"
    assert not settings.m2m_context_check
    doctor = person(oracle_store, 9001)
    assert (doctor.nickname, doctor.default_division, doctor.timeout) == ("ROB", 660, 600)
    assert doctor.access_hash == site_key.access_hash("fakedoc1")
    assert check_verify_code(doctor.verify_hash, "1doc!@#$")


def test_users_of_every_kind_come_as_they_are_described(oracle_store: Store) -> None:
    assert person(oracle_store, 9005).verify_changed == "3260813.0337"  # verify_age_days = 100
    assert person(oracle_store, 9006).terminated == "3150101"
    assert person(oracle_store, 9007).disuser
    assert person(oracle_store, 9008).verify_hash == ""
    assert person(oracle_store, 9010).locked_until == "3261122.0337"  # tomorrow
    assert person(oracle_store, 9013).verify_never_expires


def test_options_are_numbered_in_the_order_of_the_file(oracle_store: Store) -> None:
    names = oracle_store.read(lambda connection: connection.execute(select(Option.ien, Option.name).order_by(Option.ien)).all())
    assert [ien for ien, _name in names] == list(range(1, len(names) + 1))
    assert names[0].name == "XUS SIGNON"
    contexts = select(UserOption.option).where(UserOption.duz == 9001).order_by(UserOption.position)
    assert oracle_store.read(lambda connection: connection.execute(contexts).scalars().all())[:2] == [
        "MAG DICOM GATEWAY FULL",
        "MAG DICOM GATEWAY VIEW",
    ]


def test_codes_that_have_to_be_given_back_are_enciphered(oracle_store: Store, site_key: SiteKey) -> None:
    location = oracle_store.read(
        lambda connection: connection.execute(select(NetworkLocation).where(NetworkLocation.ien == 14)).one()
    )
    assert location.password != "RPWDA"
    assert site_key.decipher(location.password) == "RPWDA"
    assert location.path == "var/ROUTE-DEST-A"
    site = oracle_store.read(lambda connection: connection.execute(select(ImagingSite).where(ImagingSite.ien == 1)).one())
    assert (site_key.decipher(site.gateway_access), site_key.decipher(site.gateway_verify)) == ("FAKEGW1", "1GWY!@#$")


def test_a_dump_loads_to_the_same_dump_and_holds_no_secret(oracle_store: Store, site_key: SiteKey) -> None:
    first = oracle_store.read(dump_site)
    load(oracle_store, first, site_key)
    assert oracle_store.read(dump_site) == first
    for secret in ("1DOC!@#$", "FAKEDOC1", "RPWDA", "1GWY!@#$", "FAKEGW1"):
        assert secret not in first


def test_what_look_ups_need_survives_a_dump(store: Store, site_key: SiteKey) -> None:
    load(store, LOOKED_UP, site_key)
    dump = store.read(dump_site)
    for line in LOOKED_UP.split("\n"):
        assert not line or f"\n{line}\n" in f"\n{dump}", line
    load(store, dump, site_key)
    assert store.read(dump_site) == dump


def test_a_dump_can_be_read_by_people(oracle_store: Store) -> None:
    dump = oracle_store.read(dump_site)
    for line in (
        "birth_date = 1950-01-15",
        'birth_date = "2700229"',
        "terminated = 2015-01-01",
        "locked_until = 2026-11-22T03:37:00",
        "datetime = 2024-07-01T08:33:00",
        'physical = "\\\\\\\\SLC-IMG1\\\\IMAGE1$\\\\"',
    ):
        assert f"\n{line}\n" in dump


def test_an_empty_value_that_is_not_the_default_survives_a_dump(store: Store, site_key: SiteKey) -> None:
    load(store, '[site]\ndomain = ""\n[[context]]\nname = "A"\ntype = ""\n', site_key)
    load(store, store.read(dump_site), site_key)
    assert store.read(site_settings).domain == ""
    assert store.read(lambda connection: connection.execute(select(Option.type)).scalar_one()) == ""


def test_a_dump_is_of_no_use_under_another_key(oracle_store: Store, site_key: SiteKey) -> None:
    dump = oracle_store.read(dump_site)
    other = SiteKey(bytes(32))
    with pytest.raises(BadSiteKey, match="another site's key"):
        load(oracle_store, dump, other)
    without = "\n".join(line for line in dump.splitlines() if not line.startswith("key_fingerprint"))
    with pytest.raises(BadSiteKey):
        load(oracle_store, without, other)
    assert oracle_store.read(dump_site) == dump


def test_a_clear_code_beside_a_dumped_hash_replaces_it(oracle_store: Store, site_key: SiteKey) -> None:
    dump = oracle_store.read(dump_site)
    load(oracle_store, dump.replace("duz = 9001\n", 'duz = 9001\naccess = "NEWDOC1"\nverify = "2DOC!@#$"\n'), site_key)
    doctor = person(oracle_store, 9001)
    assert doctor.access_hash == site_key.access_hash("NEWDOC1")
    assert check_verify_code(doctor.verify_hash, "2DOC!@#$")


def test_an_empty_database_is_told_from_a_filled_one(store: Store, site_key: SiteKey) -> None:
    assert store.read(is_empty)
    load(store, "", site_key)
    assert not store.read(is_empty)


def test_caches_hear_of_a_new_site_and_not_of_a_refused_one(oracle_store: Store, site_key: SiteKey) -> None:
    before = oracle_store.site_version()
    with pytest.raises(BadSiteKey):
        load(oracle_store, '[site]\nkey_fingerprint = "0"\n', site_key)
    assert oracle_store.site_version() == before
    load(oracle_store, "", site_key)
    assert oracle_store.site_version() == before + 1
    oracle_store.transact(reset_imaging)
    assert oracle_store.site_version() == before + 2


def test_procedures_that_nobody_knows_are_kept_and_told(store: Store, site_key: SiteKey) -> None:
    site = parse_site('[[context]]\nname = "A"\nrpcs = ["XWB IM HERE", "NO SUCH RPC"]\n[[context]]\nname = "B"\nrpcs = ["*"]\n')
    warnings = store.transact(lambda connection: apply_site(connection, site, site_key, NOW, {"XWB IM HERE"}))
    assert warnings == ["procedures that are not known stay in their contexts: NO SUCH RPC"]
    assert store.read(lambda connection: connection.execute(select(func.count()).select_from(OptionRpc)).scalar_one()) == 3


def test_a_warning_names_some_of_many(store: Store, site_key: SiteKey) -> None:
    site = parse_site(f'[[context]]\nname = "A"\nrpcs = {[f"RPC {number:02}" for number in range(1, 13)]}\n')
    (warning,) = store.transact(lambda connection: apply_site(connection, site, site_key, NOW, set()))
    assert warning.endswith(": RPC 01, RPC 02, RPC 03, RPC 04, RPC 05, RPC 06, RPC 07, RPC 08 and 4 more")


def test_images_keep_their_exam_when_the_site_is_replaced(oracle_store: Store, site_key: SiteKey) -> None:
    file_one(oracle_store, "070124-160")
    before = exam_number(oracle_store, "070124-160"), exam_number(oracle_store, "660-GMR-1")
    dump = oracle_store.read(dump_site)
    head, first, rest = dump.partition("[[exam]]\n")
    added = '[[exam]]\naccession = "112126-1"\npatient = 1\ndatetime = 2026-11-21\n\n'
    load(oracle_store, head + added + first + rest, site_key)
    assert (exam_number(oracle_store, "070124-160"), exam_number(oracle_store, "660-GMR-1")) == before
    assert before[0][1] == 1
    number, report = exam_number(oracle_store, "112126-1")
    assert number > before[1][0]
    assert report is None
    images = select(func.count()).select_from(Image)
    assert oracle_store.read(lambda connection: connection.execute(images).scalar_one()) == 1


@pytest.mark.parametrize(
    ("present", "instead", "problem"),
    [
        ('accession = "070124-160"', 'accession = "070124-161"', "images are filed under exam 070124-160 of patient 1"),
        (
            'case = "160"\npatient = 1\n',
            "patient = 2\n",
            "images are filed under exam 070124-160 of patient 1",
        ),
        ('ien = 10\nname = "RAID1"', 'ien = 20\nname = "RAID1"', "images lie in network location 10"),
    ],
    ids=["exam gone", "exam of another patient", "location gone"],
)
def test_a_site_that_would_orphan_images_is_refused(
    oracle_store: Store, site_key: SiteKey, present: str, instead: str, problem: str
) -> None:
    file_one(oracle_store, "070124-160")
    dump = oracle_store.read(dump_site)
    assert present in dump
    with pytest.raises(SiteFileError, match=problem):
        load(oracle_store, dump.replace(present, instead), site_key)
    assert oracle_store.read(dump_site) == dump


def test_a_reset_empties_imaging_and_keeps_the_site_and_its_sessions(store: Store) -> None:
    tables = File.metadata.sorted_tables
    store.transact(lambda connection: fill(connection, [table for table in tables if table.name != "file_header"]))
    store.transact(reset_imaging)
    left = store.read(lambda connection: counts(connection, tables))
    assert {name for name, rows in left.items() if rows} - {"file_header"} == KEPT_BY_RESET
    assert {left[name] for name in KEPT_BY_RESET} == {3}
    reports = store.read(lambda connection: connection.execute(select(Exam.report)).scalars().all())
    assert reports == [None, None, None]
    routed = store.read(lambda connection: connection.execute(select(ImagingSite.last_routing)).scalars().all())
    assert routed == ["", "", ""]


def test_a_reset_begins_the_numbers_of_imaging_again(store: Store) -> None:
    first = {file: store.transact(lambda connection, file=file: next_iens(connection, file, 5))[0] for file in NUMBERED_FILES}
    store.transact(reset_imaging)
    again = {file: store.transact(lambda connection, file=file: next_ien(connection, file)) for file in NUMBERED_FILES}
    kept = {"alert", "alert_notice", "api_token", "audit_record", "security_event"}
    goes_on = {"option_schedule", "scheduled_step", "sign_on_log", "task", "task_error", "transmit_destination"} | kept
    assert {file for file in NUMBERED_FILES if again[file] != first[file]} == goes_on
    assert {again[file] - first[file] for file in goes_on} == {5}


def test_the_recorded_site_is_the_same_after_a_reset(oracle_store: Store) -> None:
    before = oracle_store.read(dump_site)
    file_one(oracle_store, "070124-160")
    oracle_store.transact(reset_imaging)
    assert oracle_store.read(dump_site) == before
    assert exam_number(oracle_store, "070124-160")[1] is None


def test_the_whole_file_is_read_from_disk(store: Store, site_key: SiteKey) -> None:
    site = read_site_file(ORACLE_SITE)
    warnings = store.transact(lambda connection: apply_site(connection, site, site_key, NOW))
    assert warnings == []
    assert store.read(lambda connection: counts(connection, [File.metadata.tables["exam"]])) == {"exam": 64}


TELEREADER = """
[[user]]
duz = 9
name = "READER,ROSE"
access = "ROSE1"
verify = "1ROS!@#$"

[[institution]]
ien = 660
name = "SALT LAKE CITY"
station = "660"

[[image_index]]
file = "2005.84"
ien = 5
name = "EYE CARE"
abbreviation = "EYE"

[[image_index]]
file = "2005.85"
ien = 5
name = "FUNDUS PHOTO"
abbreviation = "FUN"

[[acquisition_site]]
institution = 660
primary_site = 660
lock_minutes = 30

[[consult_service]]
service = "EYE CARE"
specialty = 5
procedure = 5
site = 660

[[tele_reader]]
duz = 9
site = 660
specialty = 5
procedure = 5
selected = false
"""


def test_telereader_facts_come_back_as_they_were_loaded(store: Store, site_key: SiteKey) -> None:
    assert load(store, TELEREADER, site_key) == []
    first = store.read(dump_site)
    for line in ('file = "2005.85"', 'abbreviation = "FUN"', "lock_minutes = 30", "selected = false"):
        assert line in first
    load(store, first, site_key)
    assert store.read(dump_site) == first
    doubled = TELEREADER + TELEREADER[TELEREADER.index("[[tele_reader]]") :]
    with pytest.raises(SiteFileError, match="tele_reader: there are two with procedure 9 660 5 5"):
        load(store, doubled, site_key)
