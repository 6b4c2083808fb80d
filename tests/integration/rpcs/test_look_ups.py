"""Look-ups that no record shows answer as their routines do, on both engines."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import insert, update

import rpcs.look_ups.whitelist
from fileman import SiteKey, Store
from fileman.files import Image, Patient
from rpcs.dictionary import FILES, FileView
from runtime import FixedClock
from tests.integration.rpcs.conftest import NOON
from tests.integration.rpcs.looked_up import load_looked_up
from tests.support.broker import RunningBroker
from tests.support.query_plans import statements_of
from xwb import BrokerClient, MError

#: Who may call everything.
PROGRAMMER = ("FAKEPRG1", "1PRG!@#$")
#: Calls with the one value that they answer.
VALUES: list[tuple[str, list[str], str]] = [
    ("MAG DICOM GET USERNAME", [], "PROGRAMMER,PAT"),
    ("MAG DICOM GET UID ROOT", [], "1.2.840.113754"),
    ("MAG DICOM GET AGENCY", [], "V"),
    ("MAG DICOM FIND LOCATION", ["SALT LAKE CITY"], "660"),
    ("MAG DICOM FIND LOCATION", ["salt lake city"], "660"),
    ("MAG DICOM FIND LOCATION", ["688"], "688"),
    ("MAG DICOM FIND LOCATION", ["SALT"], '-1,Invalid location "SALT".'),
    ("MAG DICOM GET PLACE", ["688X"], "2"),
    ("MAG DICOM GET PLACE", [""], '-1,Location "0" not found.'),
    ("MAG DICOM PACS CUTOFF DATE", ["2"], "45"),
    ("MAG DICOM PACS CUTOFF DATE", ["9"], "-2,No PACS Installed"),
    ("MAG DICOM SET PACS PARAMS", [""], "-1,No Place Specified."),
    ("MAG DICOM SET PACS PARAMS", ["9"], "-2,Invalid Place Specified."),
    ("MAG DICOM SET PACS PARAMS", ["1"], "1"),
    ("MAG DICOM GET DFN", ["1000000001V401987"], "1"),
    ("MAG DICOM GET DFN", ["1000000002"], "2"),
    ("MAG DICOM GET DFN", ["5V1"], "-1^ICN NOT IN DATABASE"),
    ("MAG DICOM GET ICN", ["77"], "-1^NO MPI NODE"),
    ("MAG DICOM GET RAD INFO BY ACN", ["061024-101"], "1^1^6759389.9069^1^SALT LAKE CITY"),
    ("MAG DICOM GET RAD INFO BY ACN", ["66-061024-101"], "-1^invalid site accession number format^66-061024-101"),
    ("MAG DICOM GET RAD INFO BY ACN", ["61024-101"], "-2^invalid accession number format^61024-101"),
    ("MAG DICOM VISTA AE TITLE", ["C-MOVE", "SCU", "660"], "0`READROOM"),
    ("MAG DICOM VISTA AE TITLE", ["C-MOVE", "SCP", "660"], '-1`No title for "C-MOVE", "SCP" at location "660".'),
    ("MAG DICOM VISTA AE TITLE", ["C-MOVE", "", "660"], "-2`No ROLE provided."),
    ("MAG DIRHASH", ["SLC00000012345.DCM", "10"], "SLC0\\00\\00\\01\\23\\"),
    ("MAG DIRHASH", ["SLC00000012345.DCM", "12"], "^"),
    ("MAG DICOM FILEMAN GET", ["4", "688", "99"], "688"),
    ("MAG DICOM FILEMAN GET", ["2", "2", "NAME"], "IMAGPATIENT,TWO"),
    ("MAG DICOM FILEMAN GET", ["2005.2", "14", "5"], "ON-LINE"),
    ("MAG DICOM FILEMAN GET", ["2", "77", ".01"], ""),
]
#: Calls with the lines that they answer.
LINES: list[tuple[str, list[str], list[str]]] = [
    (
        "MAG DICOM GET PATIENT VITALS",
        ["2"],
        ["HEIGHT^1.725^m^meter", "WEIGHT^80^kg^kilogram", "VIP^ES"],
    ),
    ("MAG DICOM GET PATIENT VITALS", ["1"], ["VIP^"]),
    ("MAG DICOM GET PATIENT VITALS", ["77"], ['-2,No Patient has DFN "77".']),
    ("MAG DICOM GET PATIENT VITALS", [""], ["-1,No DFN specified"]),
    ("MAG DICOM GET PATIENT", ["77"], ["1", "Site-DFN^1^660-77"]),
    ("MAG DICOM GET RAD PERSON", ["S", "alex"], ["1", "9001^ALEXANDER,ROBERT"]),
    ("MAG DICOM GET RAD PERSON", ["T", ""], ["-1^No provider matching input."]),
    ("MAG DICOM GET RAD PERSON", ["", "A"], ["-1^No RAD/NUC classification provided."]),
    ("MAG DICOM GET RAD FILM", ["14*"], ["1", "2^14X17"]),
    ("MAG DICOM GET RAD FILM", ["99"], ["-1^No records match the input."]),
    ("MAG DICOM GET RAD CAMERA", ["room"], ["1", "3^ROOM 1^CHEST STAND"]),
    ("MAG DICOM GET RAD DX CODE", [""], ["1", "1^NORMAL"]),
    ("MAG DICOM GET RAD DIAGNOSTIC CODE", ["N"], ["1", "1^NORMAL"]),
    ("MAG DICOM GET RAD CPT MOD", ["L"], ["1", "4^LEFT SIDE"]),
    ("MAG DICOM GET RAD CPT MOD", ["L", "3091231"], ["2", "5^LEFT OF OLD", "4^LEFT SIDE"]),
    ("MAG DICOM GET HOSP LOCATION", ["XRAY"], ["1", "7^XRAY CLINIC"]),
    ("MAG DICOM GET HOSP LOCATION", ["NONE"], ["0"]),
    ("MAG DICOM RADIOLOGY MODIFIERS", [], ["2", "LEFT^3^1", "LEFT^3^5"]),
    (
        "MAG DICOM RADIOLOGY PROCEDURES",
        ["660"],
        [
            "2",
            "CHEST 2 VIEWS PA&LAT^58^S^71020^1^^4^7^XRAY CLINIC",
            "CHEST, ALL VIEWS^90^B^^1^^4^7^XRAY CLINIC",
        ],
    ),
    (
        "MAG DICOM RADIOLOGY PROCEDURES",
        ["660", "1"],
        ["1", "CHEST 2 VIEWS PA&LAT^58^S^71020^1^^4^7^XRAY CLINIC"],
    ),
    ("MAG DICOM RADIOLOGY PROCEDURES", ["999"], ["-2,Institution 999 does not exist."]),
    (
        "MAG DICOM GET RAD ORDERS",
        ["1"],
        [
            "2",
            "12^58^LEFT|3^SCHEDULED^3240609^COUGH^6759389.9069^1^061024-101^3240610.093^",
            "14^43^^PENDING^^^^^^^",
        ],
    ),
    ("MAG DICOM GET RAD ORDERS", ["x"], ['-1,Invalid or missing patient identifier: "x".']),
    (
        "MAG DICOM LOOKUP CON STUDY",
        ["660-GMR-1"],
        [
            *("1", "2", "1^ALL SERVICES", "^", "C1", "ALL SERVICES", "99CON", "C1", "ALL SERVICES", "99CON"),
            *("3240620.09", "ACTIVE", "660", "660-GMR-1", "1"),
        ],
    ),
    ("MAG DICOM LOOKUP CON STUDY", [""], ["-1,No Accession Number Specified"]),
    ("MAG DICOM LOOKUP CON STUDY", ["660-GMR-9"], ["-2,Error in Accession Number Lookup"]),
    (
        "MAG DICOM CHECK AE TITLE",
        ["readroom", "660"],
        [
            "0,READING ROOM`READROOM`VISTA_QR_SCP`660`127.0.0.1`11112`0`V`REJECT=1|WARNING=0"
            "`SERVICE MESSAGE=C-FIND^SCU^C-MOVE^SCU^`120`3"
        ],
    ),
    ("MAG DICOM CHECK AE TITLE", ["", "660"], ["-1,No AE Title specified"]),
    ("MAG DICOM CHECK AE TITLE", ["READROOM", ""], ["-3,No Location specified"]),
    ("MAG DICOM CHECK AE TITLE", ["other", "660"], ['-2,No entry for AE Title "OTHER" at location "660".']),
    (
        "MAG DICOM GET AE ENTRY",
        ["COMMITTER", "688"],
        ["0,COMMITTER`COMMIT``688``````SERVICE MESSAGE=STORAGE COMMIT^SCP^`0`"],
    ),
    (
        "MAG DICOM GET AE ENTRY",
        ["COMMITTER", "660"],
        ['-2,No entry for Application Name "COMMITTER" at location "660".'],
    ),
    (
        "MAG DICOM GET AE ENTRY LOC",
        ["STORAGE COMMIT", "SCP", "688"],
        ["0,COMMITTER`COMMIT``688``````SERVICE MESSAGE=STORAGE COMMIT^SCP^`0`"],
    ),
]


@pytest.fixture
def broker(oracle_store: Store, site_key: SiteKey) -> Iterator[RunningBroker]:
    load_looked_up(oracle_store, site_key)
    broker = RunningBroker(oracle_store, site_key, clock=FixedClock(NOON))
    yield broker
    broker.stop()


@pytest.fixture
def client(broker: RunningBroker) -> Iterator[BrokerClient]:
    with broker.client(*PROGRAMMER) as client:
        yield client


def filing(accession: str, service: str, name: str, pid: str, study: str, number: int) -> dict[int, str]:
    """Word the filing of one image."""
    one = f"STORE1||660|GWA|{service}|CT1|f{number}|{pid}|{name}|{accession}|{accession}|20240610|093000|0|CR||<DICOM>|1"
    two = f"STORE2|{study}|{study}.0|{study}.{number}|1.2.840.10008.5.1.4.1.1.1|0|1|ACME|X1|3240610.0931|V||"
    return {1: "3", 2: f"{one}|{number}|660|0|GW|", 3: two}


@pytest.fixture
def images(client: BrokerClient) -> list[str]:
    """File two images of a radiology study and one of a consult; give their numbers."""
    wanted = [
        filing("061024-101", "RAD", "IMAGPATIENT^ONE^M", "666000001", "9.1", 1),
        filing("061024-101", "RAD", "IMAGPATIENT^ONE^M", "666000001", "9.1", 2),
        filing("660-GMR-1", "CON", "IMAGPATIENT^TWO", "666000002", "9.6", 1),
    ]
    answers = [client.call("MAG DICOM IMAGE PROCESSING", request).lines[-1] for request in wanted]
    assert all(answer.startswith("STORE|0|") for answer in answers), answers
    return [answer.split("|")[2].split("^")[0] for answer in answers]


def test_look_ups_answer_values(client: BrokerClient) -> None:
    answers = [(name, arguments, client.call(name, *arguments).text) for name, arguments, _answer in VALUES]
    assert answers == VALUES


def test_look_ups_answer_lines(client: BrokerClient) -> None:
    answers = [(name, arguments, client.call(name, *arguments).lines) for name, arguments, _lines in LINES]
    assert answers == LINES


def test_a_radiology_study_is_told_as_the_procedure_file_has_it(client: BrokerClient) -> None:
    lines = client.call("MAG DICOM LOOKUP RAD STUDY", "061024-101", "").lines
    assert lines[5:8] == ["71020", "CHEST X-RAY 2VW", "CHEST 2 VIEWS PA&LAT^^^^^S^^Y^71020^^^1"]
    assert (lines[12], lines[15]) == ("CR,DX", ""), "no report, so no accession number"


def test_the_imaging_types_are_radiologys_and_the_specialties(client: BrokerClient) -> None:
    count, *types = client.call("MAG DICOM GET IMAGING TYPES").lines
    assert int(count) == len(types)
    assert types[:3] == ["RAD^ANI", "RAD^CARD", "RAD^CT"]
    assert {"CON^CARDIO", "CON^EYE", "CON^WH"} < set(types)
    assert types == [*sorted(it for it in types if it[0] == "R"), *sorted(it for it in types if it[0] == "C")]


def test_the_uid_table_comes_in_parts_to_its_end(client: BrokerClient) -> None:
    whole = client.call("MAG DICOM GET UID TABLE", "", "100000").lines
    assert whole[-1] == "^"
    assert int(whole[0]) == len(whole) - 1
    assert "^MAGDICOM(2006.539,1,0)" in whole
    offset, parts = "", []
    while True:
        count, *part = client.call("MAG DICOM GET UID TABLE", offset, "20").lines
        assert int(count) == len(part) <= 23
        if part[-1] == "^":
            parts += part
            break
        parts += part
        offset = part[-2]
    assert parts == whole[1:]
    assert client.call("MAG DICOM GET UID TABLE", "^XUSEC(0)", "20").lines == ["1", "^"]


def test_shares_that_are_on_line_are_told_once_and_with_their_place(client: BrokerClient) -> None:
    lines = client.call("MAG GET NETLOC", "ALL").lines
    assert lines[0] == "1^SUCCESS"
    assert "10^\\\\SLC-IMG1\\IMAGE1$^MAG^1^^^^^^1" in lines
    assert "14^\\\\REMOTE-A\\INBOX$^MAG^1^RUSERA^RPWDA^^^^1" in lines
    assert not any("REMOTE-C" in line or "DEAD" in line for line in lines), "these are off line"
    assert client.call("MAG GET NETLOC", "WORM").lines[1:] == ["11^\\\\SLC-JB1\\PLATTER1^WORM-OTG^1^^^^^^1"]


def test_a_directory_on_no_location_is_an_m_error(client: BrokerClient) -> None:
    with pytest.raises(MError, match="Global variable undefined"):
        client.call("MAG DIRHASH", "SLC00000012345.DCM", "99")


def test_a_call_without_its_parameters_is_answered_like_one_with_empty_ones(client: BrokerClient) -> None:
    for name in ("FIND LOCATION", "PACS CUTOFF DATE", "FILEMAN GET", "GET UID TABLE", "ADD CAMERA EQUIP RM"):
        assert client.call(f"MAG DICOM {name}").text == client.call(f"MAG DICOM {name}", "").text


def test_parameters_of_a_pacs_are_set_where_none_were(client: BrokerClient, oracle_store: Store, site_key: SiteKey) -> None:
    load_looked_up(oracle_store, site_key, without_pacs=True)
    assert client.call("MAG DICOM PACS CUTOFF DATE", "1").text == "-2,No PACS Installed"
    assert client.call("MAG DICOM SET PACS PARAMS", "1").text == "1"
    assert client.call("MAG DICOM PACS CUTOFF DATE", "1").text == "30"
    assert client.call("MAG DICOM PACS MINIMUM SPACE", "1").text.startswith("-3,PACS Minimum Space")


def test_a_consult_and_its_images_are_found_by_either_number(client: BrokerClient, images: list[str]) -> None:
    group = client.call("MAG DICOM LOOKUP STUDY", "C660-GMR-1").lines[1].split("^")[2]
    assert client.call("MAG DICOM LOOKUP STUDY", "CGMRC-1").lines == ["1", f"123^1^{group}^660-GMR-1"]
    assert client.call("MAG DICOM LOOKUP STUDY", "C1").lines == ["1", f"123^1^{group}^660-GMR-1"]
    assert int(group) == int(images[2]) - 1
    assert client.call("MAG DICOM LOOKUP STUDY", "R101").lines[1].startswith("74^1^1^"), "a case number alone"
    assert client.call("MAG DICOM LOOKUP STUDY", "C660-GMR-2").lines == ["-4,Consult is cancelled"]


def test_a_study_of_an_image_that_does_not_fit_its_group_is_not_told(
    client: BrokerClient, images: list[str], oracle_store: Store
) -> None:
    assert client.call("MAG DICOM LOOKUP STUDY", f"R`{images[0]}").lines[0] == "1"
    stray = update(Image).where(Image.ien == int(images[0])).values(patient=2)
    oracle_store.transact(lambda connection: connection.execute(stray))
    assert client.call("MAG DICOM LOOKUP STUDY", f"R`{images[0]}").lines == [
        "-9,Patient pointer mismatch between Image Group and Image"
    ]
    count, stray_image, fitting = client.call("MAG STUDY UID QUERY", "9.1").lines
    assert (count, stray_image) == ("2 images found", f"{images[0]}^-13,Questionable Integrity")
    assert fitting.startswith(f"{images[1]}^\\\\SLC-IMG1")


def test_reports_can_be_walked_through(client: BrokerClient, images: list[str]) -> None:
    assert images
    info = "MAG DICOM GET RAD RPT INFO"
    assert client.call(info, "O1", "0", "1", "").text == "1"
    assert client.call(info, "O1", "1", "1", "").text == "0"
    assert client.call(info, "O2", "1", "2005", "0").text == "1"
    assert client.call(info, "G2", "1", "2005", "1").text == "1", "the group of the study"
    assert client.call(info, "O2", "1", "2005", "1").text == "0"
    assert client.call(info, "G1", "7", "", "").text == ""
    with pytest.raises(MError, match="ORDER2"):
        client.call(info, "O1", "1", "5", "")


def test_a_study_is_answered_with_the_files_of_its_images(client: BrokerClient, images: list[str]) -> None:
    directory = "\\\\SLC-IMG1\\IMAGE1$\\SLC0\\00\\00\\00\\00\\"
    count, *lines = client.call("MAG STUDY UID QUERY", "9.1").lines
    assert count == "2 images found"
    name = f"SLC{int(images[0]):011d}"
    assert lines[0] == f"{images[0]}^{directory}{name}.DCM^^^{directory}{name}.TXT"
    assert client.call("MAG STUDY UID QUERY", "9.1.0").lines[1:] == lines, "as a series"
    assert client.call("MAG STUDY UID QUERY", "9.9").lines == ["0 images found"]
    assert client.call("MAG STUDY UID QUERY", "9,9").lines == ['-2,Invalid UID format: "9,9".']
    assert client.call("MAG STUDY UID QUERY", "").lines == ["-1,No UID specified."]


def test_images_of_one_uid_are_told_apart_as_the_caller_wants(
    client: BrokerClient, images: list[str], oracle_store: Store
) -> None:
    first, second, _other = images
    same = update(Image).where(Image.ien == int(second)).values(uid="9.1.1", saved_at="3270101.1")
    oracle_store.transact(lambda connection: connection.execute(same))
    multiple = '^-14,Multiple images with UID="9.1.1".'
    assert client.call("MAG STUDY UID QUERY", "9.1").lines == ["2 images found", f"{first}{multiple}", f"{second}{multiple}"]
    for flag, found in (("1", {first, second}), ("2", {first}), ("3", {second})):
        lines = client.call("MAG STUDY UID QUERY", "9.1", flag).lines[1:]
        assert {line.split("^")[0] for line in lines} == found


def test_a_corrected_image_gets_a_uid_that_no_other_has_and_keeps_it(client: BrokerClient, images: list[str]) -> None:
    first, second, _other = images
    new_uid = "MAG NEW SOP INSTANCE UID"
    assert client.call(new_uid, "9.1.1", "9.1.1", first).text == "9.1.3", "9.1.1 and 9.1.2 are taken"
    assert client.call(new_uid, "9.1.1", "7.7", first).text == "9.1.3"
    assert client.call(new_uid, "9.1.2", "9.1.3", second).text == "9.1.4"
    assert client.call(new_uid, "9.1.9", "", "999").text == "-2,Cannot find image with UID 9.1.9"
    assert client.call(new_uid, "9.1.9", "", "").text == "-2,Cannot find image with UID 9.1.9"
    long = f"1.{'2' * 61}.9"
    assert client.call(new_uid, "x", f"{long}9", images[2]).text == f"-3,Cannot use {long}9 to create valid UID"


def test_an_order_takes_one_imaging_location_and_the_location_one_outside_room(client: BrokerClient) -> None:
    place = "MAG DICOM SET IMAGING LOCATION"
    assert client.call(place, "12", "4").text == '1,Radiology Image Location set for pointer: "12".'
    assert client.call(place, "12", "4").text.startswith("2,")
    assert client.call(place, "99", "4").text.startswith("-3,")
    assert client.call(place, "13", "9").text.startswith("-4,")
    assert client.call(place, "12x", "4").text.startswith("-1,")
    assert client.call("MAG DICOM GET RAD ORDERS", "1").lines[1].endswith("^XRAY CLINIC")
    room = "MAG DICOM ADD CAMERA EQUIP RM"
    assert client.call(room, "1^6759389.9069^1").lines == ['1,OUTSIDE STUDY has been added for "XRAY CLINIC".']
    assert client.call(room, "1^6759389.9069^1").lines == ['2,OUTSIDE STUDY is already defined for "XRAY CLINIC".']
    assert client.call(room, "2^6759389.9069^1").lines[0].startswith("-2,")
    assert client.call(room, "1^6759389.9069^2").lines[0].startswith("-2,"), "there is one case of this moment"
    assert client.call(room, "1^1E999999999^1").lines[0].startswith("-2,")
    assert client.call(room, "1").lines[0].startswith("-1,")


#: A call of each procedure that runs at once, and what it is given.
AT_ONCE: dict[str, list[str]] = {
    "MAG DICOM GET BASIC IMAGE": ["2"],
    "MAG DICOM GET IMAGE GROUP": ["1"],
    "MAG DICOM GET PATIENT": ["1"],
    "MAG DICOM LOOKUP RAD STUDY": ["061024-101", ""],
    "MAG DICOM LOOKUP STUDY": ["101"],
    "MAG DICOM LOOKUP CON STUDY": ["660-GMR-1"],
    "MAG DICOM GET RAD RPT INFO": ["G2", "1", "2005", "1"],
    "MAG DICOM GET RAD ORDERS": ["1"],
    "MAG STUDY UID QUERY": ["9.1"],
    "MAG NEW SOP INSTANCE UID": ["9.1.1", "9.1.1", "2"],
    "MAG DICOM WORKSTATION VERSION": ["GW", "3.0"],
    "MAG DICOM GET MACHINE ID": ["GW"],
    "MAG DICOM FILEMAN GET": ["2005", "2", ".01"],
    "MAG GET DICOM DEST": ["PACS-ARCHIVE", ""],
}


#: Files whose .01 is no text: a site has few of their entries.
FEW = {"2006.1"}


@pytest.mark.parametrize("view", [view for view in FILES if view.number not in FEW], ids=lambda view: view.number)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # PostgreSQL chooses its plans by how much there is
def test_entries_are_looked_up_by_name_in_an_index(client: BrokerClient, oracle_store: Store, view: FileView) -> None:
    with statements_of(oracle_store) as statements:
        for asked in ({"VALUE": "A"}, {"PART": "A"}, {"PART": "A", "FROM": "AB"}, {"PART": "A", "FLAGS": "B"}):
            client.call("DDR FIND1" if "VALUE" in asked else "DDR LISTER", {"FILE": view.number, **asked})
    name = getattr(view.table, view.fields[0].column).name
    plans = [
        plan
        for text, plan in statements.plans(oracle_store).items()
        if f"FROM {view.table.__tablename__} " in text.replace("\n", "") + " "
    ]
    plans = [plan for plan in plans if not any("INTEGER PRIMARY KEY" in step for step in plan)]
    assert len(plans) == 2, "forwards and backwards"
    for plan in plans:
        assert any(f"({name}>? AND {name}<?)" in step for step in plan), plan


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # PostgreSQL chooses its plans by how much there is
def test_what_is_answered_at_once_reads_no_table_through(client: BrokerClient, images: list[str], oracle_store: Store) -> None:
    assert images
    with statements_of(oracle_store) as statements:
        for name, arguments in AT_ONCE.items():
            client.call(name, *arguments)
    plans = statements.plans(oracle_store)
    assert len(plans) > 20
    for text, plan in plans.items():
        assert not any(step.startswith("SCAN") for step in plan) or "option" in text, (text, plan)


LIST = "MAG DICOM LIST GLOBAL VARIABLE"


def test_nobody_lists_globals_without_the_key(client: BrokerClient) -> None:
    assert client.call(LIST, "^MAG(2005.2)", "9", "0").lines == ["-13,Calling user does not have security key MAG SYSTEM"]


@pytest.fixture
def lister(client: BrokerClient, oracle_store: Store, site_key: SiteKey) -> BrokerClient:
    """A caller who may list globals."""
    load_looked_up(oracle_store, site_key, lists_globals=True)
    return client


def test_globals_are_listed_from_where_the_last_call_ended(lister: BrokerClient) -> None:
    first = ["^DPT(1,0)", '"IMAGPATIENT,ONE M^M^2500115^^^^^^666000001"']
    second = ["^DPT(2,0)", '"IMAGPATIENT,TWO^F^2611231^^^^^^666000002"']
    for pattern in ("^DPT(1:2,0)", "^DPT(:2", "^DPT(1:2,0:0)"):
        assert lister.call(LIST, pattern, "99", "0").lines == ["2", *first, *second]
    assert lister.call(LIST, "^DPT(1:2,0)", "1", "0").lines == ["1^2^2^1", *first]
    assert lister.call(LIST, "^DPT(1:2,0)", "99", "1^2^2^1").lines == ["2", *second]
    assert lister.call(LIST, "^DPT(1:2,0)", "99", "1").lines == ["2", *second]
    assert lister.call(LIST, "^DPT(1:2,0)", "99", "2").lines == ["2"]
    assert lister.call(LIST, '^DPT(,0:0:%D["TWO")', "99", "0").lines == ["1", *second]
    assert lister.call(LIST, '^DPT(1::%S["2",0)', "1", "0").lines[1:] == second


def test_a_call_looks_at_so_many_entries_and_the_next_one_goes_on_there(
    lister: BrokerClient, oracle_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpcs.look_ups.whitelist, "MOST_ENTRIES", 50)
    rows = [{"dfn": 10_000 + number, "name": f"ZZMANY,P{number:04d}"} for number in range(120)]
    oracle_store.transact(lambda connection: connection.execute(insert(Patient), rows))
    pattern = '^DPT(10000:,0:0:%D["P0119")'
    answers = [["0"]]
    with statements_of(oracle_store) as statements:
        while len(answers) < 4:
            answers.append(lister.call(LIST, pattern, "99", answers[-1][0]).lines)
        entries = [text for text in statements.seen if "FROM patient" in text]
    assert answers[1:3] == [["0^2^10050^0"], ["0^2^10100^0"]]
    assert answers[3] == ["1", "^DPT(10119,0)", '"ZZMANY,P0119"']
    assert len(entries) == 1, "rows are read in batches"
    skipping = lister.call(LIST, "^DPT(10000:,0)", "1", "60").lines
    assert skipping == ["60^2^10050^50"]
    assert lister.call(LIST, "^DPT(10000:,0)", "1", skipping[0]).lines[1] == "^DPT(10060,0)"


def test_a_node_that_no_entry_has_is_not_looked_for(lister: BrokerClient, images: list[str], oracle_store: Store) -> None:
    assert images
    with statements_of(oracle_store) as statements:
        assert lister.call(LIST, '^MAG(2005,,"ZZZ")', "99", "0").lines == ["0"]
    assert not [text for text in statements.seen if "FROM image" in text]


def test_no_more_is_listed_than_may_be_read(lister: BrokerClient) -> None:
    for pattern in ("^XTV(8989.3", "^VA(200,1,20)", "^XUSEC", "^DPT(2)", "^MAG(2005.2,14)", "^%ZOSF"):
        assert lister.call(LIST, pattern, "99", "0").lines == ["0"], pattern
    everything = lister.call(LIST, "^VA", "999", "0").lines
    assert everything[1::2]
    assert "PRG!@" not in "".join(everything)


@pytest.mark.parametrize(
    ("pattern", "refused"),
    [
        ("DPT", "-1,Invalid wild-card: DPT"),
        ("^D-T(1)", "-2,Invalid Global Variable Name ^D-T"),
        ("^DPT(1:2:%D]1)", "-3,"),
        ("^DPT(x:2)", "-4,"),
        ("^DPT(1:x)", "-5,"),
        ("^DPT(x)", "-6,"),
    ],
)
def test_what_is_no_pattern_lists_nothing(lister: BrokerClient, pattern: str, refused: str) -> None:
    (answer,) = lister.call(LIST, pattern, "99", "0").lines
    assert answer.startswith(refused)
