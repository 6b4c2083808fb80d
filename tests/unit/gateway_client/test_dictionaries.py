"""Dictionaries: lines as the VA's installation guide prints them are read and written back, and what is wrong is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_client.dictionaries import Dictionaries, DictionaryError, Extractor, Instrument, Modality, read_dictionaries
from gateway_client.dictionaries.entries import Entry, Line, decode, read_lines, write_lines
from gateway_client.dictionaries.instrument import check_instruments, read_instruments
from gateway_client.dictionaries.modality import Modalities, check_modalities, read_modalities
from gateway_client.dictionaries.user_application import (
    Context,
    ServiceRole,
    UserApplication,
    check_user_applications,
    read_user_applications,
)
from gateway_client.dictionaries.worklist import (
    AccessionFormat,
    AllergiesElement,
    ImagingType,
    ReasonElement,
    SSNFormat,
    WeightFormat,
    Worklist,
    check_worklists,
    read_worklists,
)
from runtime import GatewaySettings

Reader = Callable[[Sequence[Line]], list[Entry[Any]]]


def lines_of(record: Any) -> list[tuple[str, ...]]:
    """Give the lines that say a record."""
    return list(record.lines) if isinstance(record, UserApplication) else [record.fields]


#: Lines as a site writes them, and what they mean.
CASES: list[tuple[Reader, str, Any]] = [
    (
        read_instruments,
        "CR1|Fuji AC3 CR, Room 2156|Wilmington, DE|RAD|60050|ISWIMGDIG1",
        Instrument("CR1", "Fuji AC3 CR, Room 2156", "Wilmington, DE", "RAD", 60050, "ISWIMGDIG1"),
    ),
    (read_instruments, " EYE-2 |Eye Station| |CON| 60302 ", Instrument("EYE-2", "Eye Station", "", "CON", 60302)),
    (
        read_modalities,
        "DEFAULT| DEFAULT|DEFAULT|<DICOM>|CORRECT^MAGDIR3||DATAMISC.DIC|RAD",
        Modality(service="RAD"),
    ),
    (  # as the manual's note has it, without a service
        read_modalities,
        "DEFAULT|DEFAULT|DEFAULT|<DICOM>|CORRECT^MAGDIR3||DATAMISC.DIC",
        Modality(),
    ),
    (
        read_modalities,
        "Roadrunner, Inc.|Beep-Beep|CT|b12 a1000 f0 c4095|LONGCASE^MAGDIR3|GECT^MAGDIR4A|DATAGECT.DIC|RAD",
        Modality(
            *("Roadrunner, Inc.", "Beep-Beep", "CT", "b12 a1000 f0 c4095"),
            *(Extractor.LONGCASE, "GECT^MAGDIR4A", "DATAGECT.DIC", "RAD"),
        ),
    ),
    (
        read_modalities,
        "ACME, Inc.|Coyotes Rule|CR|b10 f0 c1023 R8/<DICOM>|pidcase2||DATA_CR.DIC|CON",
        Modality("ACME, Inc.", "Coyotes Rule", "CR", "b10 f0 c1023 R8/<DICOM>", Extractor.PIDCASE2, "", "DATA_CR.DIC", "CON"),
    ),
    (
        read_worklists,
        "CT_SCAN_1|688|RAD|CT|LONG|Philips CT, Radiology East, Rm B-129",
        Worklist("CT_SCAN_1", "688", "RAD", (ImagingType("RAD", "CT"),), description="Philips CT, Radiology East, Rm B-129"),
    ),
    (
        read_worklists,
        "CR||CON|RAD:RAD,CARDIO/*,CARDIO/ECHO,OPHTH|S/NoDash/N/m/h|mixed",
        Worklist(
            *("CR", "", "CON"),
            (
                ImagingType("RAD", "RAD"),
                ImagingType("CON", "CARDIO", "*"),
                ImagingType("CON", "CARDIO", "ECHO"),
                ImagingType("CON", "OPHTH"),
            ),
            *(AccessionFormat.SHORT, SSNFormat.NO_DASH, WeightFormat.NO_WEIGHT),
            *(AllergiesElement.MEDICAL_ALERTS, ReasonElement.HISTORY, "mixed"),
        ),
    ),
    (read_worklists, "PATH||LAB|SP,CY", Worklist("PATH", "", "LAB", (ImagingType("LAB", "SP"), ImagingType("LAB", "CY")))),
    (
        read_user_applications,
        "Local Modality Worklist|VistA_Worklist|VistA Testing|LOCALHOST|60010|||WORKLIST\n"
        "|Verification SOP Class|Implicit VR Little Endian\n"
        "|Study Root Query/Retrieve Information Model - MOVE|Implicit VR Little Endian\n"
        "||Explicit VR Little Endian\n"
        "~C-Find|Y|N\n~S-Store|n|yes",
        UserApplication(
            *("Local Modality Worklist", "VistA_Worklist", "VistA Testing", "LOCALHOST", 60010, "", 500, "WORKLIST"),
            (
                Context("Verification SOP Class", ("Implicit VR Little Endian",)),
                Context(
                    "Study Root Query/Retrieve Information Model - MOVE",
                    ("Implicit VR Little Endian", "Explicit VR Little Endian"),
                ),
            ),
            (ServiceRole("C-FIND", True, False), ServiceRole("C-STORE", False, True)),
        ),
    ),
    (
        read_user_applications,
        "Laser Share|PRINT|VISTA_SEND|10.1.1.1|104|ge|-7|store",
        UserApplication("Laser Share", "PRINT", "VISTA_SEND", "10.1.1.1", 104, "GE", -7, "STORE"),
    ),
]


@pytest.mark.parametrize(("read", "text", "record"), CASES, ids=[text.partition("|")[0].strip() for _, text, _ in CASES])
def test_a_line_is_read_as_the_manual_means_it_and_what_is_written_is_read_back(read: Reader, text: str, record: Any) -> None:
    assert [entry.record for entry in read(read_lines(text, "X.DIC"))] == [record]
    written = write_lines(lines_of(record))
    assert [entry.record for entry in read(read_lines(written, "X.DIC"))] == [record]


def test_comments_empty_lines_and_any_line_end_are_borne_and_the_last_line_needs_none() -> None:
    text = "# comment\r\n\r\n  # indented\rA|1\n\n B | 2 "
    assert read_lines(text, "X.DIC") == [Line("X.DIC:4", ("A", "1")), Line("X.DIC:6", ("B", "2"))]


def test_bytes_are_utf_8_or_else_latin_1() -> None:
    assert decode("\ufeffMünchen".encode()) == "München"
    assert decode("München".encode("iso8859-1")) == "München"


#: Lines that are refused, and words of the complaint.
REFUSED: list[tuple[Reader, str, str]] = [
    (read_instruments, "CR1|x|y|RAD", "4 fields where 5 to 6 are expected"),
    (read_instruments, "|x|y|RAD|1", "the mnemonic is missing"),
    (read_instruments, "C^1|x|y|RAD|1", "'C^1' is no mnemonic"),
    (read_instruments, "CR1|x|y|rad|1", "'rad' is no imaging service; write RAD, CON or LAB"),
    (read_instruments, "CR1|x|y|RAD|65536", "'65536' is no port"),
    (read_instruments, "CR1|x|y|RAD|\u0663", "is no port"),
    (read_instruments, "CR1|x\ty|y|RAD|1", "holds a bar or a control character"),
    (read_modalities, "A||CT|<DICOM>|CORRECT", "the model is missing"),
    (read_modalities, "A|B|CT|<DICOM>|NOSUCH^MAGDIR3", "'NOSUCH^MAGDIR3' is no accession number code; write one of CORRECT"),
    (read_modalities, "A|B|CT|<DICOM>|IGNORE^MADGIR3", "no accession number code"),
    (read_modalities, "A|B|CT|R3|CORRECT", "'R3' in 'R3' is no image processing rule"),
    (read_modalities, "A|B|CR|/<DICOM>|CORRECT", "needs a reduction before it"),
    (read_modalities, "A|B|CR|R8/R8|CORRECT", "may be followed by nothing or by <DICOM> only"),
    (read_modalities, "A|B|CR|R8/R8<DICOM>|CORRECT", "may be followed by nothing or by <DICOM> only"),
    (read_modalities, "A|B|CR|b10 f0 c1023 R8/ b10 f0 <DICOM>|CORRECT", "may be followed by nothing"),
    (read_modalities, "A|B|CR|R8/<DICOM><DICOM>|CORRECT", "may be followed by nothing"),
    (read_modalities, "A|B|CR|R8 r4|CORRECT", "says something twice"),
    (read_modalities, "A|B|<SC>|b8|CORRECT", "secondary captures are stored as DICOM only"),
    (read_worklists, "A_TITLE_OF_17_LONG||RAD|CT", "is no calling AE title"),
    (read_worklists, "A||RAD|", "an imaging type is missing"),
    (read_worklists, "A||CON|CARDIO/", "an imaging type is missing"),
    (read_worklists, "A||RAD|CT/HEAD", "which only imaging types of CON have"),
    (read_worklists, "A||RAD|XYZ:CT", "begins with no imaging service"),
    (read_worklists, "A||RAD|CT|X", "'X' is no such format option; write LONG or SHORT"),
    (read_worklists, "A||RAD|CT|L/////", "has 6 format options"),
    (read_user_applications, "|A|B", "belongs to no application"),
    (read_user_applications, "A|B|C|h|1|AGFA", "'AGFA' is no type of PACS"),
    (read_user_applications, "A|B|C|h|1||high", "'high' is no priority"),
    (read_user_applications, "A|B|C|h|1|||KEEP", "'KEEP' is no use"),
    (read_user_applications, "A|B|C||1", "the host is missing"),
    (read_user_applications, "A|B|C|h|1\n||syntax", "stands before any SOP class"),
    (read_user_applications, "A|B|C|h|1\n|class", "2 fields where 3 are expected"),
    (read_user_applications, "A|B|C|h|1\n~C-ECHO|Y|N", "'C-ECHO' is no service"),
    (read_user_applications, "A|B|C|h|1\n~C-FIND|Y|maybe", "'maybe' does not say"),
]


@pytest.mark.parametrize(("read", "text", "complaint"), REFUSED, ids=[text.replace("\n", "/") for _, text, _ in REFUSED])
def test_what_is_wrong_is_told_with_file_line_and_what_to_do(read: Reader, text: str, complaint: str) -> None:
    with pytest.raises(DictionaryError) as caught:
        read(read_lines("# first\n" + text, "X.DIC"))
    (problem,) = caught.value.problems
    assert problem.where == f"X.DIC:{2 + text.count(chr(10))}"
    assert complaint in problem.what
    assert str(caught.value) == f"{problem.where}: {problem.what}"


def test_every_problem_of_a_file_is_told_at_once() -> None:
    with pytest.raises(DictionaryError) as caught:
        read_instruments(read_lines("CR1|x|y|RAD|0\nCR2|x|y|RAD|104\nCR3|x", "X.DIC"))
    assert [problem.where for problem in caught.value.problems] == ["X.DIC:1", "X.DIC:3"]


#: What may stand only once, and the two lines.
TWICE: list[tuple[Reader, Callable[[Any], object], str]] = [
    (read_instruments, check_instruments, "CR1|x||RAD|104\nCR1|x||RAD|105"),
    (read_instruments, check_instruments, "CR1|x||RAD|104\nCR2|x||RAD|104"),
    (read_modalities, check_modalities, "DEFAULT|DEFAULT|DEFAULT|<DICOM>|CORRECT\nDEFAULT|DEFAULT|DEFAULT||CORRECT"),
    (read_worklists, check_worklists, "A||RAD|CT\nA||RAD|MRI"),
    (read_user_applications, check_user_applications, "A|B|C|h|1\nA|B|C|h|2"),
]


@pytest.mark.parametrize(("read", "check", "text"), TWICE, ids=[text for _, _, text in TWICE])
def test_what_stands_twice_is_told_with_both_places(read: Reader, check: Callable[[Any], object], text: str) -> None:
    with pytest.raises(DictionaryError, match=r"^X\.DIC:2: the .* stands in X\.DIC:1 already; change or remove one\.$"):
        check(read(read_lines(text, "X.DIC")))


def test_the_general_default_is_mandatory() -> None:
    with pytest.raises(DictionaryError, match=r"^X\.DIC: the general default is missing; add DEFAULT\|DEFAULT\|DEFAULT\|<DICOM>"):
        check_modalities(read_modalities(read_lines("DEFAULT|DEFAULT|CT|<DICOM>|CORRECT", "X.DIC")))


CT_CLASS, SC_CLASS = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.7"
#: Manufacturer, model, modality and SOP class, and the line that counts.
RESOLVED = [
    (("ACME", "BETA", "CT", CT_CLASS), "ACME|BETA|CT"),
    (("ACME", "BETA", "CT", SC_CLASS), "ACME|BETA|<SC>"),
    (("ACME", "BETA", "CT", SC_CLASS + ".4"), "ACME|BETA|<SC>"),
    (("ACME", "BETA", "CT", SC_CLASS + ".1"), "ACME|BETA|CT"),  # single bit: not among the classes of <SC>
    (("ACME", "GAMMA", "CT", CT_CLASS), "ACME|*|CT"),
    (("ACME", "GAMMA", "MR", CT_CLASS), "DEFAULT|DEFAULT|DEFAULT"),
    (("OTHER", "BETA", "CT", CT_CLASS), "DEFAULT|DEFAULT|CT"),
    (("OTHER", "BETA", "CT", SC_CLASS), "DEFAULT|DEFAULT|CT"),
    (("acme", "beta", "CT", CT_CLASS), "DEFAULT|DEFAULT|CT"),
    (("", "", "", ""), "DEFAULT|DEFAULT|DEFAULT"),
]
SITE = "".join(
    f"{key}|<DICOM>|CORRECT\n"
    for key in ("DEFAULT|DEFAULT|DEFAULT", "DEFAULT|DEFAULT|CT", "ACME|BETA|CT", "ACME|BETA|<SC>", "ACME|*|CT")
)


@pytest.mark.parametrize(("asked", "key"), RESOLVED)
def test_the_most_particular_modality_counts(asked: tuple[str, str, str, str], key: str) -> None:
    modalities = check_modalities(read_modalities(read_lines(SITE, "X.DIC")))
    assert "|".join(modalities.resolve(*asked).key) == key


def test_without_a_dictionary_everything_is_stored_as_dicom_by_its_own_accession_number() -> None:
    assert Modalities().resolve("A", "B", "CT", CT_CLASS) == Modality()
    assert (Modality().rules, Modality().extractor) == ("<DICOM>", Extractor.CORRECT)


TOML = {
    "listener": [
        {"mnemonic": "CR1", "description": "Room 2156", "institution": "Wilmington, DE", "port": 60050},
        {"mnemonic": "EYE-2", "institution": 660, "service": "CON", "port": 60302},
    ],
    "modality": [{}, {"manufacturer": "ACME", "model": "BETA", "modality": "CT", "rules": "R8/", "accession": "LONGCASE"}],
    "worklist": [{"calling_ae_title": "CR", "service": "CON", "imaging_types": ["RAD:RAD", "CARDIO/*"], "reason": "HISTORY"}],
    "user_application": [
        {
            "name": "QR",
            "called_ae_title": "QR",
            "calling_ae_title": "VISTA",
            "host": "h",
            "port": 104,
            "use": "STORE",
            "contexts": [{"sop_class": "Verification SOP Class", "transfer_syntaxes": ["a", "b"]}],
            "roles": [{"service": "C-MOVE", "user": True}],
        }
    ],
}
FILES = {
    "INSTRUMENT.DIC": "CR1|Room 2156|Wilmington, DE|RAD|60050\nEYE-2||660|CON|60302\n",
    "Modality.dic": "DEFAULT|DEFAULT|DEFAULT|<DICOM>|CORRECT^MAGDIR3||DATAMISC.DIC\nACME|BETA|CT|R8/|LONGCASE||DATAMISC.DIC\n",
    "WORKLIST.DIC": "CR||CON|RAD:RAD,CARDIO/*|////H\n",
    "SCU_List.DIC": "QR|QR|VISTA|h|104|||STORE\n|Verification SOP Class|a\n||b\n~C-MOVE|Y|N\n",
}


def write_files(directory: Path, files: dict[str, str]) -> Path:
    """Write dictionaries."""
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
    return directory


def test_tables_say_the_same_as_files(tmp_path: Path) -> None:
    by_files = read_dictionaries(GatewaySettings(dictionaries=write_files(tmp_path, FILES)))
    assert by_files == read_dictionaries(GatewaySettings.model_validate(TOML))
    assert [instrument.mnemonic for instrument in by_files.instruments] == ["CR1", "EYE-2"]
    assert len(by_files.modalities.by_key) == 2
    assert (len(by_files.worklists), len(by_files.user_applications)) == (1, 1)


def test_without_files_and_tables_the_dictionaries_are_empty(tmp_path: Path) -> None:
    assert read_dictionaries(GatewaySettings()) == Dictionaries() == read_dictionaries(GatewaySettings(dictionaries=tmp_path))


def test_a_table_changes_an_instrument_of_the_file_and_keeps_what_it_does_not_give(tmp_path: Path) -> None:
    settings = {"dictionaries": write_files(tmp_path, FILES), "listener": [{"mnemonic": "CR1", "port": 60099}]}
    found = {it.mnemonic: it for it in read_dictionaries(GatewaySettings.model_validate(settings)).instruments}
    assert found["CR1"] == Instrument("CR1", "Room 2156", "Wilmington, DE", "RAD", 60099)


def test_problems_of_all_files_and_tables_are_told_together(tmp_path: Path) -> None:
    files = {"INSTRUMENT.DIC": "CR1|x|y|RAD|0\n", "MODALITY.DIC": "A|B|CT|R3|CORRECT\n", "WORKLIST.DIC": "A||RAD|CT\n"}
    settings = {"dictionaries": write_files(tmp_path, files), "worklist": [{"calling_ae_title": "A", "imaging_types": ["CT"]}]}
    with pytest.raises(DictionaryError) as caught:
        read_dictionaries(GatewaySettings.model_validate(settings))
    places = [problem.where for problem in caught.value.problems]
    assert places == [f"{tmp_path}/INSTRUMENT.DIC:1", f"{tmp_path}/MODALITY.DIC:1", "[[gateway.worklist]] 1"]


@pytest.mark.parametrize("settings", [{"listener": [{"mnemonic": "CR1"}]}, {"listener": [{"mnemonic": "A|B", "port": 1}]}])
def test_a_table_that_cannot_be_an_instrument_is_named(settings: dict[str, Any]) -> None:
    with pytest.raises(DictionaryError, match=r"^\[\[gateway\.listener\]\] 1: "):
        read_dictionaries(GatewaySettings.model_validate(settings))


def test_a_directory_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DictionaryError, match="the directory cannot be read"):
        read_dictionaries(GatewaySettings(dictionaries=tmp_path / "missing"))
    (tmp_path / "MODALITY.DIC").mkdir()
    with pytest.raises(DictionaryError, match=r"MODALITY\.DIC: the file cannot be read"):
        read_dictionaries(GatewaySettings(dictionaries=tmp_path))


def test_an_instrument_may_send_to_any_gateway_or_to_one() -> None:
    assert Instrument("A", "", "", "RAD", 1).sends_to("GW1")
    assert Instrument("A", "", "", "RAD", 1, "gw1").sends_to("GW1")
    assert not Instrument("A", "", "", "RAD", 1, "GW2").sends_to("GW1")


_field = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="|"), max_size=12).map(str.strip)
_mnemonic = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,20}[A-Za-z0-9]", fullmatch=True)
_service = st.sampled_from(("RAD", "CON", "LAB"))
_title = st.from_regex(r"[A-Z][A-Z0-9_]{0,15}", fullmatch=True)
_imaging_types = st.builds(ImagingType, _service, _title) | st.builds(ImagingType, st.just("CON"), _title, _title)
RECORDS = st.one_of(
    st.tuples(
        st.just(read_instruments),
        st.builds(Instrument, _mnemonic, _field, _field, _service, st.integers(1, 65535), _mnemonic | st.just("")),
    ),
    st.tuples(
        st.just(read_worklists),
        st.builds(
            Worklist,
            *(_title, _field, _service, st.lists(_imaging_types, min_size=1, max_size=3).map(tuple)),
            *map(st.sampled_from, (AccessionFormat, SSNFormat, WeightFormat, AllergiesElement, ReasonElement)),
            _field,
        ),
    ),
    st.tuples(
        st.just(read_user_applications),
        st.builds(
            UserApplication,
            *(_mnemonic, _title, _title, _mnemonic, st.integers(1, 65535), st.sampled_from(("", "GE", "KODAK"))),
            *(st.integers(-999, 9999), st.sampled_from(("", "STORE", "WORKLIST"))),
            st.lists(st.builds(Context, _mnemonic, st.lists(_mnemonic, min_size=1, max_size=3).map(tuple)), max_size=2).map(
                tuple
            ),
            st.lists(st.builds(ServiceRole, st.just("C-MOVE"), st.booleans(), st.booleans()), max_size=2).map(tuple),
        ),
    ),
)


@given(RECORDS)
def test_any_record_is_read_back_as_it_was_written(case: tuple[Reader, Any]) -> None:
    read, record = case
    assert [entry.record for entry in read(read_lines(write_lines(lines_of(record)), "X.DIC"))] == [record]
