"""Table 11 of the MagicStore statement: the attributes of the worklist, asked for over real associations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement

from fileman.worklist import add_steps
from tests.integration.gateway.archive.worklist_samples import BARE, EMPTY_SEQUENCES, ENTRIES, EXAMPLES, FULL
from tests.support.archive_site import ArchiveSite, Found, key
from tests.support.magicstore_tables import RANGE, TABLE_11, WILD, WorklistRow

ACCESSION, STEP = 0x00080050, 0x00400100
SYNTAXES = {"implicit": "1.2.840.10008.1.2", "explicit": "1.2.840.10008.1.2.1", "big endian": "1.2.840.10008.1.2.2"}
#: What no entry is without.
NEEDED = {"ScheduledProcedureStepStartDate", "Modality", "ScheduledProcedureStepID", "RequestedProcedureID", "StudyInstanceUID"}
NEEDED |= {"AccessionNumber", "PatientName", "PatientID"}
ROWS = [row for row in TABLE_11 if row.keyword in EXAMPLES]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchiveSite]:
    """Run an archive whose worklist has the samples beside the demo site's exams."""
    with ArchiveSite(tmp_path_factory.mktemp("worklist")) as site:
        site.store.transact(lambda connection: add_steps(connection, ENTRIES))
        yield site


def named(row: WorklistRow) -> str:
    return row.keyword


def ask(archive: ArchiveSite, *keys: tuple[int | str, str], role: str = "long_term", syntax: str = SYNTAXES["explicit"]) -> Found:
    """Ask with pynetdicom; keys of the step's sequence are those that table 11 has in it."""
    asked, item = Dataset(), Dataset()
    inside = {row.tag for row in TABLE_11 if row.inside}
    for attribute, value in keys:
        element = a_key(attribute, value)
        (item if element.tag in inside else asked).add(element)
    if item:
        asked.add(key(STEP, [item]))
    return archive.find("", asked, "worklist", role, syntax)


def a_key(attribute: int | str, value: str) -> DataElement:
    """Make a key; pydicom writes no range of numbers, it goes as another VR of text."""
    element = key(attribute, "")
    if element.VR == "DS":
        return DataElement(element.tag, "LO", value)
    return key(attribute, int(value) if value and element.VR == "US" else value.split("\\") if "\\" in value else value)


def told(match: Dataset, row: WorklistRow) -> tuple[str, ...]:
    """Give the values of an attribute as texts."""
    element = (match[STEP].value[0] if row.inside else match)[row.tag]
    return tuple(map(str, element.value)) if element.VM > 1 else (str(element.value),) if element.VM else ()


def test_the_samples_try_each_way_of_matching_of_the_table() -> None:
    assert {row.keyword for row in TABLE_11} == {*EXAMPLES, *EMPTY_SEQUENCES, keyword_for_tag(STEP)}
    for row in ROWS:
        matching = EXAMPLES[row.keyword].matching
        assert WILD not in row.matching or any("*" in it or "?" in it for it in matching), row.keyword
        assert RANGE not in row.matching or any("-" in it for it in matching), row.keyword


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_an_attribute_is_matched_and_told(archive: ArchiveSite, tmp_path: Path, row: WorklistRow) -> None:
    example = EXAMPLES[row.keyword]
    everything = ask(archive, (ACCESSION, ""), (row.tag, ""))
    assert (everything.status, everything.statuses) == (0x0000, {0xFF00})
    assert told(everything.by(ACCESSION)[FULL], row) == example.values
    path = f"{'(0040,0100)[0].' if row.inside else ''}({row.tag >> 16:04x},{row.tag & 0xFFFF:04x})"
    by_dcmtk = archive.findscu(tmp_path / "matches", "worklist", [f"{path}=", "(0008,0050)"], "long_term")
    matches = {str(match[ACCESSION].value): match for match in by_dcmtk}
    assert told(matches[FULL], row) == example.values
    if row.keyword not in NEEDED:
        assert told(matches[BARE], row) == (), "it comes back with zero length where nothing is known"
    for value in example.matching:
        found = ask(archive, (ACCESSION, ""), (row.tag, value))
        assert FULL in found.by(ACCESSION), f"{value} matches"
        assert (found.status, found.statuses) == (0x0000, {0xFF00})
    for value in example.failing:
        found = ask(archive, (ACCESSION, ""), (row.tag, value))
        assert FULL not in found.by(ACCESSION), f"{value} does not match"
        assert found.status == 0x0000


@pytest.mark.parametrize("keyword", EMPTY_SEQUENCES)
def test_a_sequence_that_nothing_is_known_of_has_no_items(archive: ArchiveSite, keyword: str) -> None:
    found = ask(archive, (ACCESSION, FULL), (keyword, ""))
    assert [len(match[keyword].value) for match in found.matches] == [0]
    assert found.statuses == {0xFF00}


def test_the_steps_sequence_matches_by_all_that_its_item_asks_for(archive: ArchiveSite) -> None:
    asked = [("ScheduledStationAETitle", "CT_B"), ("Modality", "CT"), ("ScheduledProcedureStepStartDate", "20261124")]
    assert list(ask(archive, (ACCESSION, ""), *asked).by(ACCESSION)) == [FULL]
    for other in (("Modality", "MR"), ("ScheduledStationAETitle", "CT_C")):
        kept = [it for it in asked if it[0] != other[0]]
        assert FULL not in ask(archive, (ACCESSION, ""), other, *kept).by(ACCESSION)


def test_an_empty_step_sequence_is_told_whole(archive: ArchiveSite) -> None:
    identifier = Dataset()
    identifier.AccessionNumber = FULL
    identifier.ScheduledProcedureStepSequence = []
    (match,) = archive.find("", identifier, "worklist", "long_term").matches
    (step,) = match.ScheduledProcedureStepSequence
    inside = [row for row in ROWS if row.inside]
    assert {row.keyword: told(match, row) for row in inside} == {row.keyword: EXAMPLES[row.keyword].values for row in inside}
    assert step.ScheduledProcedureStepStatus == "SCHEDULED"


def test_a_match_has_the_attributes_that_were_asked_for_and_no_others(archive: ArchiveSite) -> None:
    (match,) = ask(archive, (ACCESSION, FULL), ("PatientName", ""), ("Modality", "")).matches
    assert [element.tag for element in match] == [0x00080005, ACCESSION, 0x00100010, STEP]
    assert [element.keyword for element in match[STEP].value[0]] == ["Modality"]


@pytest.mark.parametrize("syntax", SYNTAXES.values(), ids=SYNTAXES)
def test_the_worklist_is_told_in_each_transfer_syntax_of_table_5(archive: ArchiveSite, syntax: str) -> None:
    found = ask(archive, (ACCESSION, FULL), ("PatientWeight", ""), ("Modality", "CT"), ("PregnancyStatus", ""), syntax=syntax)
    (match,) = found.matches
    assert (match.PatientWeight, match.PregnancyStatus, match[STEP].value[0].Modality) == (80, 1, "CT")


def test_optional_keys_that_are_not_supported_are_warned_of(archive: ArchiveSite) -> None:
    found = ask(archive, (ACCESSION, FULL), ("PatientComments", ""))
    assert (found.status, found.statuses, len(found.matches)) == (0x0000, {0xFF01}, 1)
    assert "PatientComments" not in found.matches[0]


@pytest.mark.parametrize(
    ("keyword", "value", "comment"),
    [
        ("ScheduledProcedureStepStartDate", "SOON", "00400002: 'SOON' is neither a date nor a range of dates"),
        ("PatientWeight", "HEAVY", "00101030: 'HEAVY' is neither a number nor a range of numbers"),
    ],
)
def test_a_value_that_its_key_cannot_have_is_refused_with_a_comment(
    archive: ArchiveSite, keyword: str, value: str, comment: str
) -> None:
    found = ask(archive, (ACCESSION, ""), (keyword, value))
    assert (found.status, found.matches, found.comment) == (0xA900, [], comment)
