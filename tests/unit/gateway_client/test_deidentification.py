"""Objects leave without identity, as PS3.15 annex E has it; what the options keep stays, and so do pixels."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydicom import Dataset, Sequence
from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_for_tag
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from gateway_client.coercion.changes import change_for
from gateway_client.coercion.profile import FULL_DATES, MODIFIED_DATES, UIDS, Action, profile_with
from gateway_client.coercion.pseudonyms import Pseudonyms, read_key
from gateway_client.errors import MayShowIdentity, ModificationError, PseudonymKeyError
from gateway_client.objects.part10 import FileMeta, encode_head
from gateway_client.objects.spans import Encoding
from gateway_client.objects.splicing import Change
from gateway_client.transmission.object_file import ObjectFile
from runtime import DestinationSettings
from tests.support.changing import CT, changed, changed_bytes, ct, decoded, deflated, encoded, item

KEY = bytes(range(32))
DAY = date(2024, 1, 1)
PSEUDONYMS = Pseudonyms(KEY)
ULTRASOUND, SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.7"
PDF = "1.2.840.10008.5.1.4.1.1.104.1"
#: Moments and UIDs that no option keeps: of birth, of a place; of observations (retired), of signatures.
KEPT_BY_NONE = {0x00100030, 0x00100032, 0x00160077, 0x0040A124, 0x04000100}
#: A value of each VR that can be found again, and dates that are found by their years.
SECRETS: dict[str, object] = {
    "AE": "SECRET", "AS": "077Y", "CS": "SECRET", "DA": "19770707", "DS": "77.7777", "DT": "19770707070707", "IS": "777777",
    "LO": "SECRET", "LT": "SECRET", "OB": b"SECRET", "PN": "SECRET^SECRET", "SH": "SECRET", "ST": "SECRET", "TM": "070707",
    "UC": "SECRET", "UI": "1.7.7.7.7", "UN": b"SECRET", "UR": "urn:SECRET", "UT": "SECRET", "OW": b"SECRET", "US": 7777,
    "FD": 7777.7, "FL": 7777.7, "UL": 77777777, "OB or OW": b"SECRET", "US or SS": 7777,
}  # fmt: skip
NEEDLES = (b"SECRET", b"077Y", b"1977", b"77.7777", b"777777", b"070707", b"1.7.7.7.7")


def deidentifying(*, key: bytes = KEY, **options: object) -> Change:
    change = change_for(DestinationSettings.model_validate({"deidentify": options}), lambda: key)
    assert change is not None
    return change


def named() -> list[int]:
    """Give the attributes of the table that pydicom's dictionary knows, those that lie in a data set."""
    tags = [tag for tag in profile_with(()).actions if tag >> 16 >= 8 and keyword_for_tag(tag)]
    assert len(tags) > 600
    return tags


def with_secret(tag: int) -> Dataset:
    """Make a data set with a secret in an attribute of the table, and in one of a nested item."""
    vr = dictionary_VR(tag)
    value = (
        Sequence([item(TextValue="SECRET", PatientName="SECRET", ReferencedSOPInstanceUID="1.7.7.7.7")])
        if vr == "SQ"
        else SECRETS[vr]
    )
    inner = Dataset()
    inner.add_new(tag, vr.split(" ")[0], value)
    dataset = ct(PatientID="1", PatientName="1", ReferencedImageEvidenceSequence=[inner])
    if dictionary_VM(tag) == "1-n" and vr == "LO":
        value = [value, value]
    dataset.add_new(tag, vr.split(" ")[0], value)
    return dataset


def test_no_attribute_of_the_table_keeps_its_value_wherever_it_is_nested() -> None:
    change = deidentifying()
    for tag in named():
        after = changed_bytes(encoded(with_secret(tag)), change)
        assert not [needle for needle in NEEDLES if needle in after], f"{tag:08X}"
        decoded(after)


def test_the_table_lets_every_date_be_kept_or_put_back_and_every_uid_be_kept() -> None:
    full, modified, uids = (profile_with((option,)) for option in (FULL_DATES, MODIFIED_DATES, UIDS))
    for tag in named():
        if tag in KEPT_BY_NONE:
            assert {one.action(tag) for one in (full, modified, uids)} == {profile_with(()).action(tag)}, f"{tag:08X}"
        elif dictionary_VR(tag) in ("DA", "DT", "TM"):
            assert (full.action(tag), modified.action(tag)) == (Action.KEEP, Action.SHIFT), f"{tag:08X}"
        elif profile_with(()).action(tag) is Action.UID:
            assert uids.action(tag) is Action.KEEP, f"{tag:08X}"


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"retain_uids": True}, {"StudyInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID", "DeviceUID"}),
        ({"retain_device_identity": True}, {"StationName", "DeviceSerialNumber", "DeviceUID"}),
        ({"retain_institution_identity": True}, {"InstitutionName", "InstitutionalDepartmentName"}),
        ({"retain_patient_characteristics": True}, {"PatientSex", "PatientAge", "PatientWeight"}),
        ({"retain_dates": "full"}, {"StudyDate", "ContentTime", "AcquisitionDateTime"}),
        ({"clean_descriptors": ["ct head *"]}, {"StudyDescription"}),
        ({}, set()),
    ],
)
def test_an_option_keeps_what_it_says_and_nothing_else(options: dict[str, object], kept: set[str]) -> None:
    everything = {
        "StudyInstanceUID": "1.7.7.7.7",
        "SOPInstanceUID": "1.7.7",
        "FrameOfReferenceUID": "1.7.7.7",
        "StationName": "SECRET",
        "DeviceSerialNumber": "SECRET",
        "DeviceUID": "1.7.7.7.7",
        "InstitutionName": "SECRET",
        "InstitutionalDepartmentName": "SECRET",
        "PatientSex": "M",
        "PatientAge": "077Y",
        "PatientWeight": "77.7777",
        "StudyDate": "19770707",
        "ContentTime": "070707",
        "AcquisitionDateTime": "19770707070707",
        "StudyDescription": "CT HEAD SECRET",
        "SeriesDescription": "SECRET",
        "PatientBirthDate": "19770707",
        "OperatorsName": "SECRET",
    }
    after = changed(ct(**everything), deidentifying(**options))
    for keyword, value in everything.items():
        assert (str(after.get(keyword)) == value) is (keyword in kept), keyword


@pytest.mark.parametrize(
    ("options", "codes", "times"),
    [
        ({}, ["113100"], "REMOVED"),
        ({"retain_dates": "full", "retain_uids": True}, ["113100", "113106", "113110"], "UNMODIFIED"),
        ({"retain_dates": "modified"}, ["113100", "113107"], "MODIFIED"),
        (
            {
                "retain_device_identity": True,
                "retain_institution_identity": True,
                "retain_patient_characteristics": True,
                "clean_descriptors": ["CT*"],
                "clean_structured_content": True,
                "clean_graphics": True,
                "safe_private": ["(0019,xx0A) SIEMENS MR HEADER"],
            },
            ["113100", "113103", "113104", "113105", "113108", "113109", "113111", "113112"],
            "REMOVED",
        ),
    ],
)
def test_the_object_says_how_it_was_deidentified(options: dict[str, object], codes: list[str], times: str) -> None:
    after = changed(ct(), deidentifying(**options))
    assert after.PatientIdentityRemoved == "YES"
    assert [code.CodeValue for code in after.DeidentificationMethodCodeSequence] == codes
    assert {code.CodingSchemeDesignator for code in after.DeidentificationMethodCodeSequence} == {"DCM"}
    assert after.LongitudinalTemporalInformationModified == times
    assert after.DeidentificationMethod


def test_a_patient_keeps_one_pseudonym_and_references_still_lead_to_their_objects() -> None:
    change = deidentifying()
    image = changed(ct(SOPInstanceUID="1.2.3.4.5"), change)
    reference = item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID="1.2.3.4.5")
    report = changed(ct(SOPInstanceUID="1.9", StudyInstanceUID="1.99", SourceImageSequence=[reference]), change)
    assert report.SourceImageSequence[0].ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert report.SourceImageSequence[0].ReferencedSOPClassUID == CT, "what kind of object it is stays"
    assert image.PatientID == image.PatientName == report.PatientID != "666-00-1100"
    assert changed(ct(PatientID="666-00-1101"), change).PatientID != image.PatientID
    other = changed(ct(), deidentifying(key=bytes(32)))
    assert {image.PatientID, image.SOPInstanceUID}.isdisjoint({other.PatientID, other.SOPInstanceUID}), "another key, others"


def test_dates_are_put_back_by_as_many_days_for_all_objects_of_a_patient() -> None:
    change = deidentifying(retain_dates="modified")
    first = changed(ct(StudyDate="20240101", StudyTime="070707", AcquisitionDateTime="20240103010101.5+0100"), change)
    second = changed(ct(StudyInstanceUID="1.99", StudyDate="20240131", SeriesDate="20240231"), change)
    days = [PSEUDONYMS.shifted(day, "666-00-1100") for day in (DAY, DAY.replace(day=3), DAY.replace(day=31))]
    expected = [day.strftime("%Y%m%d") for day in days]
    assert days[0] < DAY
    assert [first.StudyDate, first.AcquisitionDateTime, second.StudyDate] == [
        expected[0],
        f"{expected[1]}010101.5+0100",
        expected[2],
    ]
    assert first.StudyTime == "070707"
    assert second.SeriesDate == "19000101", "what is no date is replaced"


def test_private_elements_go_but_those_that_the_site_knows_to_be_safe() -> None:
    dataset = ct()
    dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 7)
    dataset.private_block(0x0019, "SIEMENS MR HEADER").add_new(0x0B, "LO", "SECRET")
    dataset.private_block(0x0019, "OTHER", create=True).add_new(0x0A, "LO", "SECRET")
    nested = item(TextValue="x")
    nested.private_block(0x0029, "OTHER", create=True).add_new(0x0A, "LO", "SECRET")
    dataset.ReferencedImageEvidenceSequence = [nested]
    none = changed(dataset, deidentifying())
    assert not [element for element in none.iterall() if element.tag.is_private]
    some = changed(dataset, deidentifying(safe_private=["(0019,xx0a) SIEMENS MR HEADER"]))
    assert [(int(it.tag), it.value) for it in some.iterall() if it.tag.is_private] == [
        (0x00190010, "SIEMENS MR HEADER"),
        (0x0019100A, 7),
    ]


def test_what_no_dictionary_knows_goes_and_persons_moments_and_instances_beside_the_table_too() -> None:
    dataset = ct(EvaluatorName="SECRET", ExpirationDateTime="19770707", VolumetricPresentationInputSetUID="1.7.7.7.7")
    dataset.add_new(0x0008FFFE, "LO", "SECRET")
    dataset.add_new(0x00020016, "AE", "SECRET")
    after = changed_bytes(encoded(dataset), deidentifying())
    assert not [needle for needle in NEEDLES if needle in after]


def overlaid(kind: str) -> Dataset:
    dataset = ct()
    for tag, vr, value in (
        (0x60000010, "US", 8),
        (0x60000040, "CS", kind),
        (0x60000022, "LO", "SECRET"),
        (0x60003000, "OW", b"SECRET\0\0"),
        (0x50001000, "LO", "SECRET"),
    ):
        dataset.add_new(tag, vr, value)
    note = item(UnformattedTextValue="SECRET", BoundingBoxAnnotationUnits="PIXEL")
    dataset.GraphicAnnotationSequence = [item(GraphicLayer="L", TextObjectSequence=[note])]
    return dataset


def test_graphics_go_and_where_they_are_cleaned_regions_stay_without_their_texts() -> None:
    assert b"SECRET" not in changed_bytes(encoded(overlaid("R")), deidentifying())
    cleaned = changed(overlaid("R"), deidentifying(clean_graphics=True))
    assert [f"{element.tag:08X}" for element in cleaned if element.tag.group >> 8 in (0x50, 0x60)] == [
        "60000010",
        "60000040",
        "60003000",
    ]
    (note,) = cleaned.GraphicAnnotationSequence[0].TextObjectSequence
    assert (note.UnformattedTextValue, note.BoundingBoxAnnotationUnits) == ("REMOVED", "PIXEL")
    assert (0x6000, 0x3000) not in changed(overlaid("G"), deidentifying(clean_graphics=True)), "a graphic may be a text"


def test_structured_content_keeps_its_codes_and_numbers_where_it_is_cleaned() -> None:
    concept = item(CodeValue="121071", CodingSchemeDesignator="DCM", CodeMeaning="Finding")
    content = [
        item(ValueType="TEXT", TextValue="SECRET", ConceptNameCodeSequence=[concept]),
        item(ValueType="PNAME", PersonName="SECRET"),
        item(ValueType="NUM", MeasuredValueSequence=[item(NumericValue="77.7777")]),
    ]
    plain = changed(ct(ContentSequence=content), deidentifying())
    assert [it.ValueType for it in plain.ContentSequence] == ["TEXT", "PNAME", "NUM"]
    assert plain.ContentSequence[0].ConceptNameCodeSequence[0].CodeMeaning == "REMOVED"
    cleaned = changed(ct(ContentSequence=content), deidentifying(clean_structured_content=True)).ContentSequence
    assert cleaned[0].ConceptNameCodeSequence[0].CodeMeaning == "Finding"
    assert (cleaned[0].TextValue, str(cleaned[1].PersonName)) == ("REMOVED", "REMOVED")
    assert cleaned[2].MeasuredValueSequence[0].NumericValue == "77.7777"


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"BurnedInAnnotation": "YES"}, "Burned In Annotation .* is YES"),
        ({"SOPClassUID": ULTRASOUND}, "pixels of its SOP class often show"),
        ({"SOPClassUID": SECONDARY_CAPTURE}, "pixels of its SOP class often show"),
    ],
)
def test_pixels_that_may_show_whose_they_are_do_not_leave_unless_settings_allow_it(
    values: dict[str, object], problem: str
) -> None:
    with pytest.raises(MayShowIdentity, match=problem):
        changed(ct(**values), deidentifying())
    assert changed(ct(**values), deidentifying(send_burned_in=True)).PatientIdentityRemoved == "YES"


def test_an_overlay_in_the_pixels_does_not_leave_unless_settings_allow_it() -> None:
    dataset = ct(BurnedInAnnotation="NO")
    dataset.add_new(0x60000102, "US", 12)
    with pytest.raises(MayShowIdentity, match="an overlay lies in its Pixel Data"):
        changed(dataset, deidentifying())
    assert (0x6000, 0x0102) not in changed(dataset, deidentifying(send_burned_in=True))
    dataset.add_new(0x60003000, "OW", b"SECRET")
    assert (0x6000, 0x3000) not in changed(dataset, deidentifying())


def test_a_screen_without_identity_leaves_and_a_document_never_does() -> None:
    assert changed(ct(SOPClassUID=ULTRASOUND, BurnedInAnnotation="NO"), deidentifying()).PatientIdentityRemoved == "YES"
    with pytest.raises(MayShowIdentity, match="encapsulated document"):
        changed(ct(SOPClassUID=PDF, BurnedInAnnotation="NO"), deidentifying(send_burned_in=True))


def scan() -> Dataset:
    concept = item(CodeValue="1", PatientName="A^B", ReferencedSOPInstanceUID="1.2")
    dataset = ct(StudyDate="20240101", StudyDescription="SECRET", ReferencedImageEvidenceSequence=[concept], OperatorsName="A^B")
    dataset.ReferringPhysicianName, dataset.Rows = "DOE^JANE", 2
    return dataset


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_every_transfer_syntax_gives_the_same_object(syntax: str, undefined: bool) -> None:
    dataset = scan()
    for element in dataset:
        if element.VR == "SQ":
            element.is_undefined_length = undefined
    expected = changed(scan(), deidentifying())
    assert changed(dataset, deidentifying(), syntax).to_json_dict() == expected.to_json_dict()


#: A sequence, a person, a moment and a UID beside the table.
BESIDE = [0x00400260, 0x00142006, 0x40101025, 0x00081167]


@pytest.mark.parametrize("tag", [0x00081140, 0x0040A730, 0x00700001, 0x00080090, 0x00080020, *BESIDE])
@pytest.mark.parametrize("vr", ["LO", "US", "DA", "UI", "AT", "OB", "UT", "ZZ"])
def test_what_has_another_vr_than_it_should_does_not_leave_either(tag: int, vr: str) -> None:
    data = encoded(ct()) + Encoding().element(tag, vr, b"19770707")
    for options in ({}, {"clean_structured_content": True, "clean_graphics": True}):
        with suppress(ModificationError):  # a sequence that has no items
            assert b"1977" not in changed_bytes(data, deidentifying(**options))


@pytest.mark.parametrize("inner", [0x00081032, 0x00142006, 0x00080104])
@pytest.mark.parametrize("vr", ["CS", "UL", "LO", "OB"])
def test_nor_does_it_in_an_item_that_says_nothing(inner: int, vr: str) -> None:
    """Those of sequences with action D."""
    data = Encoding().element(0x00080082, "SQ", Encoding().item(Encoding().element(inner, vr, b"SECRET")))
    assert b"SECRET" not in changed_bytes(encoded(ct()) + data, deidentifying())


SEQUENCE_END, ITEM_END = (struct.pack("<HHI", 0xFFFE, element, 0) for element in (0xE0DD, 0xE00D))


@pytest.mark.parametrize(
    "hidden",
    [
        Encoding().element(0x00400260, "SQ", SEQUENCE_END + b"SECRET"),
        Encoding().element(0x00400260, "SQ", Encoding().item(b"") + SEQUENCE_END + b"SECRET"),
        Encoding().element(0x00400260, "SQ", Encoding().item(ITEM_END + Encoding().item(b"SECRET^X"))),
        ITEM_END + Encoding().element(0x7FE00010, "OW", b"SECRET"),
    ],
    ids=["behind the end", "behind an item and the end", "behind the end of an item", "behind an end of nothing"],
)
def test_what_is_hidden_where_a_reader_may_not_look_does_not_leave_and_pixels_are_not_cut_off(hidden: bytes) -> None:
    with pytest.raises(ModificationError, match="ends"):
        changed_bytes(encoded(ct()) + hidden, deidentifying())


@pytest.mark.parametrize("nested", [False, True])
def test_an_object_that_has_an_element_twice_does_not_leave(nested: bool) -> None:
    twice = Encoding().element(0x00081070, "PN", b"SECRET") + Encoding().element(0x00081070, "PN", b"")
    data = Encoding().element(0x00400260, "SQ", Encoding().item(twice)) if nested else twice
    with pytest.raises(ModificationError, match="more than once"):
        changed_bytes(encoded(ct()) + data, deidentifying())


def test_a_sequence_that_was_written_as_unknown_is_entered() -> None:
    inner = Encoding(implicit=True)
    name = inner.item(inner.element(0x00100010, "PN", b"SECRET^X") + inner.element(0x00080100, "SH", b"1"))
    data = encoded(ct()) + Encoding().element(0x00400260, "UN", name)
    after = decoded(changed_bytes(data, deidentifying()))
    assert "SECRET" not in str(after)
    assert after.PerformedProtocolCodeSequence[0].CodeValue == "1"


class Guarded(bytes):
    """A data set of which nothing from a place on may be read."""

    before = 0

    def __getitem__(self, stretch: object) -> bytes:  # type: ignore[override]  # by stretches alone
        assert isinstance(stretch, slice)
        assert stretch.start <= self.before
        return super().__getitem__(stretch)


def test_pixel_data_stay_and_are_not_read() -> None:
    dataset = ct()
    dataset.add_new(0x7FE00010, "OW", bytes(range(256)) * 64)
    data = Guarded(encoded(dataset))
    data.before = len(data) - 256 * 64
    modified = deidentifying()(data, Encoding())
    assert modified is not None
    assert modified.pieces[-1] == (data.before - 12, len(data))


def test_what_follows_the_data_set_does_not_leave() -> None:
    data = encoded(ct()) + b"SECRET"
    assert b"SECRET" not in changed_bytes(data, deidentifying())


def test_a_deflated_object_leaves_without_identity_too(tmp_path: Path) -> None:
    one = ObjectFile(deflated(tmp_path / "one.dcm", scan()), deidentifying())
    assert one.meta.sop_instance_uid == PSEUDONYMS.uid("1.2.3.4.5")
    after = zlib.decompressobj(-zlib.MAX_WBITS).decompress(one.read(one.size))
    one.close()
    assert decoded(after).to_json_dict() == changed(scan(), deidentifying()).to_json_dict()


def test_an_object_that_is_read_again_has_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(encode_head(FileMeta(CT, "1.2.3.4.5", ExplicitVRLittleEndian)) + encoded(scan()))
    sent = []
    for key in (read_key(tmp_path / "key"), read_key(tmp_path / "key")):
        one = ObjectFile(path, deidentifying(key=key, retain_dates="modified"))
        sent.append((one.meta, one.told, one.read(one.size)))
        one.close()
    assert sent[0] == sent[1]
    assert sent[0][1] == f"It is {sent[0][0].sop_instance_uid} there."


def test_the_key_is_made_once_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "gateway" / "pseudonyms.key"
    key = read_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert (read_key(path), len(key)) == (key, 32)
    assert key != read_key(tmp_path / "another.key")


@pytest.mark.parametrize("content", [b"", b"00ff", b"no key", b"\xff" * 64])
def test_a_key_that_is_broken_is_not_made_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(PseudonymKeyError, match="put back the one that was there"):
        read_key(tmp_path / "key")
    assert (tmp_path / "key").read_bytes() == content


@pytest.mark.parametrize(
    ("uid", "stays"),
    [(CT, True), ("1.2.840.10008.1.4.1.1", True), ("", True), ("1.2.840.100080.1", False), ("1.2.840.10008.SECRET", False)],
)
def test_uids_that_the_standard_defines_stay(uid: str, stays: bool) -> None:
    assert (PSEUDONYMS.uid(uid) == uid) is stays


@given(st.binary(min_size=32, max_size=32), st.from_regex(r"[12]\.[3-9]\d{0,8}(\.[1-9]\d{0,8}){1,5}", fullmatch=True))
def test_a_pseudonym_is_a_uid_that_does_not_tell_the_other(key: bytes, uid: str) -> None:
    found = Pseudonyms(key).uid(uid)
    assert found != uid
    assert UID(found).is_valid
    assert found.startswith("2.25.")


@given(st.binary(min_size=32, max_size=32), st.text(max_size=8), st.dates(min_value=date(1900, 1, 1)), st.integers(0, 300))
def test_days_between_dates_stay(key: bytes, patient: str, day: date, days: int) -> None:
    later = min(date.max, day + timedelta(days=days)) if day < date(9999, 1, 1) else day
    shifted = Pseudonyms(key).shifted
    assert shifted(later, patient) - shifted(day, patient) == later - day
    assert shifted(day, patient) < day


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"clean_descriptors": ["CT *", "* ?"]}, "matches texts of any kind; name those that have no identity"),
        ({"safe_private": ["(0018,xx10) EVEN"]}, r"is no private element; write it as \(0019,xx0A\) SIEMENS MR HEADER"),
        ({"retain_dates": "all"}, "should be '', 'full' or 'modified'"),
        ("full", 'give "basic", or a table of options'),
    ],
)
def test_an_option_that_is_none_is_told_with_what_to_do(options: object, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        DestinationSettings.model_validate({"deidentify": options})


def test_what_is_coerced_is_coerced_in_what_was_deidentified() -> None:
    change = change_for(
        DestinationSettings.model_validate(
            {
                "deidentify": "basic",
                "coerce": [
                    {"attribute": "ClinicalTrialSubjectID", "copy_from": "PatientID"},
                    {"attribute": "ClinicalTrialProtocolID", "set": "TRIAL 7"},
                ],
            }
        ),
        lambda: KEY,
    )
    assert change is not None
    after = changed(ct(ClinicalTrialProtocolID="OTHER"), change)
    assert after.ClinicalTrialSubjectID == after.PatientID == PSEUDONYMS.patient("666-00-1100")
    assert after.ClinicalTrialProtocolID == "TRIAL 7"


@pytest.mark.parametrize("value", ["20240231", "SECRET", "20240101SECRET", "00010101"])
def test_what_is_no_date_is_not_put_back_but_replaced(value: str) -> None:
    data = encoded(ct()) + Encoding().element(0x00404011, "DT", value.encode())
    assert value.encode() not in changed_bytes(data, deidentifying(retain_dates="modified"))


MOVED = {"retain_dates": "modified", "clean_structured_content": True, "clean_graphics": True, "clean_descriptors": ["a*"]}
WHOLE = {syntax: encoded(scan(), syntax) for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)}


@given(st.sampled_from(sorted(WHOLE)), st.booleans(), st.lists(st.tuples(st.integers(0), st.binary(max_size=4)), max_size=5))
def test_whatever_the_bytes_are_they_are_deidentified_or_refused(
    syntax: str, moved: bool, spoiled: list[tuple[int, bytes]]
) -> None:
    data = WHOLE[syntax]
    for place, other in spoiled:
        at = place % len(data)
        data = data[:at] + other + data[at + 2 :]
    change = deidentifying(**(MOVED if moved else {}))
    with suppress(ModificationError):
        assert b"PS3.15 Basic Application Level Confidentiality Profile" in changed_bytes(data, change, syntax)
