"""Attributes become what a destination's settings say; all else stays as it is, byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from gateway_client.coercion.changes import change_for, check_destinations
from gateway_client.errors import CoercionError, ModificationError
from gateway_client.objects.spans import Bytes, Encoding
from gateway_client.objects.splicing import Change, Modified, in_turn
from runtime import CoerceSettings, DestinationSettings
from tests.support.changing import changed, changed_bytes, ct, encoded, item


def no_key() -> bytes:
    raise AssertionError("no pseudonym is wanted")


def coercing(*tables: dict[str, object]) -> Change:
    change = change_for(DestinationSettings.model_validate({"coerce": tables}), no_key)
    assert change is not None
    return change


def full() -> Dataset:
    return ct(
        AccessionNumber="A1",
        InstitutionName="OLD",
        StudyID="",
        ReferringPhysicianName="DOE^JOHN",
        ImageType=["ORIGINAL", "PRIMARY"],
        RequestAttributesSequence=[item(RequestedProcedureID="R1"), item(RequestedProcedureID="R2", AccessionNumber="A2")],
    )


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"attribute": "InstitutionName", "set": "NEW"}, {"InstitutionName": "NEW"}),
        ({"attribute": "(0008,0080)", "set": "NEW"}, {"InstitutionName": "NEW"}),
        ({"attribute": "0008,0081", "set": "STREET 1"}, {"InstitutionAddress": "STREET 1"}),  # which is not there yet
        ({"attribute": "ImageType", "set": "DERIVED\\SECONDARY\\AXIAL"}, {"ImageType": ["DERIVED", "SECONDARY", "AXIAL"]}),
        (
            {"attribute": "PatientName", "set": "MÜLLER^JÖRG"},
            {"PatientName": "MÜLLER^JÖRG", "SpecificCharacterSet": "ISO_IR 100"},
        ),
        ({"attribute": "InstitutionName", "remove": True}, {"InstitutionName": None}),
        ({"attribute": "RequestAttributesSequence", "remove": True}, {"RequestAttributesSequence": None}),
        ({"attribute": "InstitutionName", "empty": True}, {"InstitutionName": ""}),
        ({"attribute": "AccessionNumber", "prefix": "X-", "suffix": "-Y"}, {"AccessionNumber": "X-A1-Y"}),
        ({"attribute": "StudyID", "prefix": "X-"}, {}),  # it has no value
        ({"attribute": "StudyID", "copy_from": "AccessionNumber"}, {"StudyID": "A1"}),
        ({"attribute": "StudyID", "copy_from": "AccessionNumber", "prefix": "S"}, {"StudyID": "SA1"}),
        ({"attribute": "StudyID", "copy_from": "FillerOrderNumberImagingServiceRequest"}, {}),  # which is missing
        ({"attribute": "StudyID", "set": "1", "when": {"Modality": "C?", "InstitutionName": "O*"}}, {"StudyID": "1"}),
        ({"attribute": "StudyID", "set": "1", "when": {"Modality": "MR"}}, {}),
        ({"attribute": "StudyID", "set": "1", "when": {"StudyID": "", "StationName": ""}}, {"StudyID": "1"}),
    ],
)
def test_one_attribute_becomes_what_the_table_says(table: dict[str, object], expected: dict[str, object], syntax: str) -> None:
    after, before = changed(full(), coercing(table), syntax), full()
    for keyword, value in expected.items():
        assert after.get(keyword) == value
    for keyword in set(before.dir()) | set(after.dir()):
        if keyword not in expected:
            assert after.get(keyword) == before.get(keyword), keyword


def test_an_attribute_in_a_sequence_is_changed_in_every_item() -> None:
    sequence = "RequestAttributesSequence"
    after = changed(
        full(),
        coercing(
            {"attribute": f"{sequence}>AccessionNumber", "copy_from": "AccessionNumber", "prefix": "N"},
            {"attribute": f"{sequence}>(0040,1001)", "remove": True},
            {"attribute": "ReferencedStudySequence>ReferencedSOPInstanceUID", "set": "1.2"},  # is not there
        ),
    )
    assert [item.AccessionNumber for item in after[sequence].value] == ["NA1", "NA1"]
    assert not any("RequestedProcedureID" in item for item in after[sequence].value)
    assert "ReferencedStudySequence" not in after


def test_the_last_table_that_applies_to_an_attribute_counts() -> None:
    tables = [
        {"attribute": "StudyID", "set": "1"},
        {"attribute": "StudyID", "set": "2", "when": {"Modality": "CT"}},
        {"attribute": "StudyID", "set": "3", "when": {"Modality": "MR"}},
    ]
    assert changed(full(), coercing(*tables)).StudyID == "2"
    assert "StudyID" not in changed(full(), coercing(*tables, {"attribute": "StudyID", "remove": True}))


def test_what_is_so_already_is_not_touched() -> None:
    tables = [{"attribute": "InstitutionName", "set": "OLD"}, {"attribute": "StationName", "remove": True}]
    assert coercing(*tables)(encoded(full()), Encoding()) is None


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"attribute": "PatientsID", "set": "1"}, "'PatientsID' is no attribute; give a keyword"),
        ({"attribute": "PatientID>StudyID", "set": "1"}, "PatientID in 'PatientID>StudyID' is no sequence"),
        ({"attribute": "SOPInstanceUID", "set": "1.2"}, "SOPInstanceUID says what an object is"),
        ({"attribute": "PixelData", "remove": True}, "PixelData says what an object is"),
        ({"attribute": "(0002,0010)", "set": "1.2"}, "TransferSyntaxUID says what an object is"),
        ({"attribute": "(0029,1010)", "set": "1"}, r"\(0029,1010\) is in no dictionary"),
        ({"attribute": "Rows", "set": "1"}, "Rows has VR US, which is no text"),
        ({"attribute": "StudyDate", "set": "today"}, "StudyDate cannot be 'today'"),
        ({"attribute": "StudyID", "set": "12345678901234567"}, "StudyID cannot be"),
        ({"attribute": "StudyID", "set": "a\nb"}, "characters that cannot be printed"),
        ({"attribute": "StudyID", "copy_from": "PixelData"}, "PixelData is no text of the data set itself"),
        ({"attribute": "StudyID", "set": "1", "when": {"Rows": "1"}}, "Rows is no text of the data set itself"),
    ],
)
def test_what_no_object_may_be_given_is_an_error_that_names_the_destination(table: dict[str, object], problem: str) -> None:
    settings = DestinationSettings.model_validate({"coerce": [table]})
    with pytest.raises(CoercionError, match=rf'\[gateway.destination."RESEARCH"\] coerce: .*{problem}'):
        check_destinations({"RESEARCH": settings})


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"set": "1", "remove": True},
        {"copy_from": "PatientID", "set": "1"},
        {"empty": True, "prefix": "X"},
    ],
)
def test_a_table_says_one_thing(table: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="give one of set, copy_from, empty and remove"):
        CoerceSettings.model_validate({"attribute": "StudyID", **table})


def test_a_value_that_becomes_too_long_or_cannot_be_written_is_refused() -> None:
    with pytest.raises(ModificationError, match="StudyID cannot be '666-00-1100-and-more'"):
        changed(full(), coercing({"attribute": "StudyID", "copy_from": "PatientID", "suffix": "-and-more"}))
    with pytest.raises(ModificationError, match="cannot carry 'Ä' for RequestedProcedureID"):
        changed(full(), coercing({"attribute": "RequestAttributesSequence>RequestedProcedureID", "set": "Ä"}))


def cut(pieces: list[bytes | tuple[int, int]]) -> Change:
    """Put a data set together from such pieces, as far as it has them."""

    def change(data: Bytes, _encoding: Encoding) -> Modified:
        most = len(data)
        return Modified([it if isinstance(it, bytes) else (min(it[0], most), min(sum(it), most)) for it in pieces], ())

    return change


PIECES = st.lists(st.binary(max_size=5) | st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6)


@given(st.binary(max_size=40), st.lists(PIECES, max_size=4))
def test_changes_in_turn_are_as_one_after_the_other(data: bytes, changes: list[list[bytes | tuple[int, int]]]) -> None:
    expected = data
    for pieces in changes:
        expected = changed_bytes(expected, cut(pieces))
    assert changed_bytes(data, in_turn([cut(pieces) for pieces in changes])) == expected
