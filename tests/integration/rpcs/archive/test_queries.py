"""MAGB QUERY: levels, roots, pages, what is worked out, what is refused."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from fileman.files import NetworkLocation
from rpcs.archive import ATTRIBUTES, Level
from rpcs.archive.matching import MOST_PATTERNS, MOST_STARS
from tests.integration.rpcs.archive.asking import Archive, Header
from tests.support.query_plans import statements_of

FIRST, SECOND = {"pid": "666000001", "name": "IMAGPATIENT^ONE^M"}, {"pid": "666000002", "name": "IMAGPATIENT^TWO"}
CONSULT = {"service": "CON", "accession": "660-GMR-1", **SECOND}


def header(patient: dict[str, str], **more: str) -> Header:
    """Make a header of elements by their names here."""
    named = {"modality": "0008,0060", "date": "0008,0020", "time": "0008,0030", "series": "0020,0011", "image": "0020,0013"}
    told = {named[name]: value for name, value in more.items()}
    return {"0010,0010": patient["name"], "0010,0020": patient["pid"], "0008,0016": "1.2.840.10008.5.1.4.1.1.2", **told}


@pytest.fixture
def filled(archive: Archive) -> Archive:
    """File two images of a study, one of another study, and one of another patient."""
    archive.file("5.1", header(FIRST, modality="CT", date="20240610", time="0930", series="1", image="1"), size=10)
    archive.file("5.2", header(FIRST, modality="CT", date="20240610", time="0930", series="1", image="2"), size=20)
    archive.file("6.1", header(FIRST, modality="PR", date="20240611", time="120000.5", series="2", image="1"), study="1.9")
    archive.file("7.1", header(SECOND, modality="XC", date="20250101", time="23"), study="1.7", **CONSULT)
    return archive


def test_every_level_has_its_own_entries(filled: Archive) -> None:
    assert filled.found("PATIENT", {}, "00100020") == [["666000001"], ["666000002"]]
    assert filled.found("STUDY", {}, "0020000D") == [["1.2.3"], ["1.9"], ["1.7"]]
    assert filled.found("SERIES", {}, "0020000E") == [["1.2.3.1"], ["1.9.1"], ["1.7.1"]]
    assert filled.found("IMAGE", {}, "00080018") == [["5.1"], ["5.2"], ["6.1"], ["7.1"]]


def test_attributes_of_higher_levels_match_and_are_returned_at_lower_ones(filled: Archive) -> None:
    keys = {"00100010": ["IMAGPATIENT^ONE*"], "00080020": ["20240610"], "00080060": ["CT"]}
    assert filled.found("IMAGE", keys, "00080018", relational=True) == [["5.1"], ["5.2"]]
    assert filled.found("IMAGE", {"0020000E": ["1.9.1"]}, "00100010") == [["IMAGPATIENT^ONE^M"]]


def test_counts_modalities_and_classes_are_those_of_the_whole_study_whatever_else_matches(filled: Archive) -> None:
    tags = ("00201200", "00201202", "00201204", "00201206", "00201208", "00080061", "00080062")
    keys = {**{tag: [] for tag in tags}, "00080018": ["5.2"], "00201209": []}
    (match,) = filled.query("IMAGE", keys)[1:]
    told = match["tags"]
    assert [told[tag] for tag in tags[:-2]] == [["2"], ["2"], ["3"], ["1"], ["2"]]
    assert (told["00201209"], told["00080061"]) == (["2"], ["CT"])
    assert told["00080062"] == ["1.2.840.10008.5.1.4.1.1.2"]


@pytest.mark.parametrize(
    ("key", "studies"),
    [
        ({"00080061": ["PR"]}, [["1.9"]]),
        ({"00080061": ["C*", "XC"]}, [["1.2.3"], ["1.7"]]),
        ({"00080062": ["1.2.840.10008.5.1.4.1.1.2"]}, [["1.2.3"], ["1.9"], ["1.7"]]),
        ({"00080062": ["1.2"]}, []),
        ({"00201208": ["2"]}, [["1.2.3"]]),
        ({"00201200": ["2"]}, [["1.2.3"], ["1.9"]]),
        ({"00201206": ["2-9"]}, []),
    ],
)
def test_what_is_worked_out_can_be_a_key(filled: Archive, key: dict[str, list[str]], studies: list[list[str]]) -> None:
    assert filled.found("STUDY", key, "0020000D") == studies


def test_pages_follow_each_other_until_there_is_no_more(filled: Archive) -> None:
    seen, after = [], ""
    while True:
        head, *matches = filled.query("IMAGE", {"00080018": []}, after, 3)
        seen += [match["tags"]["00080018"][0] for match in matches]
        assert len(matches) <= 3
        if head["more"] is None:
            break
        after = head["more"]
    assert seen == ["5.1", "5.2", "6.1", "7.1"]
    assert filled.query("IMAGE", {"00080018": []}, "", 4)[0]["more"] is None
    assert filled.query("IMAGE", {"00080018": []}, "99999999999", 4)[1:] != [], "what is no number of an entry begins anew"


def test_an_entry_that_comes_between_two_pages_is_not_missed_and_none_comes_twice(filled: Archive) -> None:
    head, *matches = filled.query("IMAGE", {"00080018": []}, "", 3)
    filled.file("8.1", header(FIRST))
    rest = filled.query("IMAGE", {"00080018": []}, head["more"], 3)[1:]
    assert [it["tags"]["00080018"] for it in (*matches, *rest)] == [["5.1"], ["5.2"], ["6.1"], ["7.1"], ["8.1"]]


def test_keys_that_mean_nothing_at_a_level_are_told_and_do_not_match(filled: Archive) -> None:
    head, *matches = filled.query("STUDY", {"0020000D": [], "00080060": ["CT"], "00181030": ["X"], "nonsense": []})
    assert head["unsupported"] == ["00080060", "00181030", "nonsense"]
    assert len(matches) == 3
    assert matches[0]["tags"].keys() == {"0020000D"}


def test_where_instances_are_is_the_worst_of_them(filled: Archive) -> None:
    (match,) = filled.query("STUDY", {"0020000D": ["1.2.3"]})[1:]
    assert (match["state"], match["locations"], match["bytes"], match["seconds"]) == ("INSTORE", ["RAID1"], 30, 1)
    filled.gateway.change(update(NetworkLocation).where(NetworkLocation.ien == 10).values(online=False))
    (match,) = filled.query("STUDY", {"0020000D": ["1.2.3"]})[1:]
    assert (match["state"], match["locations"]) == ("OFFLINE", [])
    assert match["seconds"] == -1


def test_characters_beyond_the_wires_come_back_whole_and_match(filled: Archive) -> None:
    name = "IMAGPATIENT^ONE=山田^太郎=やまだ^たろう"
    filled.file("9.1", {**header(FIRST), "0010,0010": name, "0008,1030": "头 | \\ 😀"}, study="1.10")
    assert filled.found("STUDY", {"00100010": ["山田*"], "00081030": ["*😀"]}, "00100010") == [[name]]
    assert filled.found("STUDY", {"00100010": ["*=*=やまだ^*"], "0020000D": ["1.10"]}, "00081030") == [["头 | \\ 😀"]]


@pytest.mark.parametrize(
    ("key", "fold", "found"),
    [
        ("imagpatient^one^m", False, 0),
        ("imagpatient^one^m", True, 1),
        ("imagpatient^one^*", True, 1),
        ("IMAGPATIENT^ONE^M^^", False, 1),
        (" IMAGPATIENT ^ONE^M ", False, 1),
        ("IMAGPATIENT^ONE^?", False, 1),
        ("IMAGPATIENT^ONE", False, 0),
        ("=IMAGPATIENT^ONE^M", False, 0),
        ("IMAGPATIENT^ONE^M=", False, 1),
        ("^", False, 2),
        ("*PATIENT^O*", False, 1),
        ("?MAGPATIENT^ONE*", False, 1),
        ("*patient^o*", False, 0),
        ("*patient^o*", True, 1),
        ("*IMAGPATIENT^ONE^M", False, 1),
        ("*IMAGPATIENT^ON", False, 0),
        ("*=*PATIENT^O*", False, 0),
        ("*AGP?TIENT^T*", False, 1),
        ("*MAGPATIENT^ONE^MORE", False, 0),
    ],
)
def test_person_names_match_by_their_groups(filled: Archive, key: str, fold: bool, found: int) -> None:
    assert len(filled.query("PATIENT", {"00100010": [key]}, fold_names=fold)[1:]) == found


REFUSED = [
    ({"level": "VISIT"}, "A900"),
    ({"level": None}, "A900"),
    ({"root": "STUDY", "level": "PATIENT"}, "A900"),
    ({"root": "PATIENT/STUDY", "level": "SERIES"}, "A900"),
    ({"root": "?"}, "A900"),
    ({"keys": []}, "A900"),
    ({"keys": {"00100010": "X"}}, "A900"),
    ({"keys": {"00100010": [5]}}, "A900"),
    ({"fold_names": "yes"}, "A900"),
    ({"keys": {"00080020": ["2024"]}}, "A900"),
    ({"keys": {"00080020": ["20240101-20240102-20240103"]}}, "A900"),
    ({"keys": {"00080020": ["-"]}}, "A900"),
    ({"keys": {"00080030": ["noon"]}}, "A900"),
    ({"keys": {"00201208": ["many"]}}, "A900"),
    ({"keys": {"00201208": ["99999999999999999999"]}}, "A900"),
    ({"keys": {"00100010": ["A=B=C=D"]}}, "A900"),
    ({"keys": {"00100010": ["a*" * (MOST_STARS + 1)]}}, "A700"),
    ({"keys": {"00100010": ["x" * 2000]}}, "A700"),
    ({"keys": {"00100010": [f"{number}*" for number in range(MOST_PATTERNS + 1)]}}, "A700"),
    ({"keys": {"0020000D": [f"1.{number}" for number in range(10_001)]}}, "A700"),
    ({"keys": {str(number): [] for number in range(600)}}, "A700"),
]


@pytest.mark.parametrize(("change", "status"), REFUSED)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_question_that_cannot_be_answered_is_refused_with_a_status(
    archive: Archive, change: dict[str, object], status: str
) -> None:
    answer = archive.ask("MAGB QUERY", {"level": "STUDY", "root": "PATIENT", "keys": {}} | change)
    assert len(answer) == 1
    assert answer[0]["status"] == status
    assert answer[0]["error"]


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "[" * 10_000])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_no_request_is_refused(archive: Archive, text: str) -> None:
    for procedure in ("MAGB QUERY", "MAGB RETRIEVE"):
        assert '"status": "A900"' in archive.gateway.client.call(procedure, [text], "", "").lines[0]


def test_characters_that_no_database_holds_match_nothing(filled: Archive) -> None:
    for value in ("\ud800", "A\0B", "\udfff*", "\U0010ffff*", "\ue000?"):
        for tag in ("00100010", "00100020", "0020000D", "00101000"):
            assert filled.query("STUDY", {tag: [value]})[1:] == [], (tag, value)


def test_long_lists_of_uids_are_compared(filled: Archive) -> None:
    uids = [f"9.{number}" for number in range(9_000)] + ["5.2"]
    assert filled.found("IMAGE", {"00080018": uids}, "00080018") == [["5.2"]]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("level", "keys", "index"),
    [
        ("STUDY", {"0020000D": ["1.2.3"]}, "sqlite_autoindex_archive_study_1 (study_uid=?)"),
        ("STUDY", {"00100010": ["IMAG*N*"]}, "ix_archive_value_attribute_value_entry (attribute=? AND value>? AND value<?)"),
        ("STUDY", {"00100010": ["*PAT?ENT*"]}, "ix_archive_tail_attribute_value_entry (attribute=? AND value>? AND value<?)"),
        (
            "STUDY",
            {"00100010": ["IMAG*"], "00080020": ["20240101-"]},
            "ix_archive_value_attribute_value_entry (attribute=?",
        ),
        ("STUDY", {"00080020": ["20240101-20240201"]}, "ix_archive_study_study_date (study_date>? AND study_date<?)"),
        ("STUDY", {"00080030": ["1200-"]}, "ix_archive_study_study_time_key (study_time_key>? AND study_time_key<?)"),
        ("STUDY", {"00080050": ["061024*"]}, "ix_archive_study_accession (accession>? AND accession<?)"),
        ("STUDY", {"00080050": ["061024?101"]}, "ix_archive_study_accession (accession>? AND accession<?)"),
        ("STUDY", {"00101000": ["X", "Y*"]}, "ix_archive_value_attribute_value_entry (attribute=? AND value=?)"),
        ("STUDY", {"00080061": ["CT"]}, "ix_archive_series_study_modality (study=? AND modality=?)"),
        ("PATIENT", {"00100020": ["666*"]}, "ix_archive_patient_patient_id (patient_id>? AND patient_id<?)"),
        ("SERIES", {"0020000D": ["1.2.3"]}, "ix_archive_series_study_modality (study=?)"),
        ("SERIES", {"0020000E": ["1.2.3.1"]}, "sqlite_autoindex_archive_series_1 (series_uid=?)"),
        ("SERIES", {"00200011": ["3-5"]}, "ix_archive_series_series_number_key (series_number_key>? AND series_number_key<?)"),
        ("IMAGE", {"0020000E": ["1.2.3.1"]}, "ix_archive_instance_series (series=?)"),
        ("IMAGE", {"00080018": ["5.1"]}, "ix_archive_instance_sop_uid (sop_uid=?)"),
        ("IMAGE", {"00080023": ["20240101"]}, "ix_archive_instance_content_date (content_date=?)"),
        (
            "IMAGE",
            {"00700080": ["LUNG*"]},
            "ix_archive_instance_presentation_label (presentation_label>?",
        ),
    ],
)
def test_queries_are_answered_by_an_index_of_what_they_ask_for(
    archive: Archive, level: str, keys: dict[str, list[str]], index: str
) -> None:
    wanted = {it.tag: [] for it in ATTRIBUTES.values() if it.level <= Level[level]}
    with statements_of(archive.gateway.store) as statements:
        archive.query(level, wanted | keys)
    plans = {text: steps for text, steps in statements.plans(archive.gateway.store).items() if "archive_" in text}
    assert any(index in step for steps in plans.values() for step in steps), plans
    scans = [step for steps in plans.values() for step in steps if step.startswith("SCAN archive") and "INDEX" not in step]
    assert scans == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_many_matches_take_no_more_statements_than_few(filled: Archive) -> None:
    wanted = {it.tag: [] for it in ATTRIBUTES.values()}
    counts = []
    for uids in (["5.1"], []):
        with statements_of(filled.gateway.store) as statements:
            filled.query("IMAGE", wanted | {"00080018": uids})
        counts.append(len([text for text in statements.seen if "archive_" in text]))
    assert counts == [9, 9]
