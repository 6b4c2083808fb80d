"""A data set that is changed has the new values, tells the old ones, and is otherwise what it was."""

from __future__ import annotations

import io
import struct
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.datadict import get_private_entry
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from gateway_client.errors import ModificationError, NotPart10
from gateway_client.objects.modification import Provenance, modify
from gateway_client.objects.part10 import digest_of, read_meta
from gateway_client.objects.rewriting import Rewritten, rewrite
from gateway_client.objects.spans import NESTING, Encoding, Reader, encoding_of
from gateway_client.objects.splicing import ACCESSION_NUMBER, PATIENT_ID, PATIENT_NAME, Change

AT = datetime(2026, 11, 21, 9, 30, 15, tzinfo=UTC)
WHO = Provenance("DEMOGW1", AT, source="CT1")
NEW = {PATIENT_NAME: "NEW^NAME", PATIENT_ID: "42", ACCESSION_NUMBER: "021026-201"}
MOST = 1 << 30
SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]


def write(directory: Path, dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> Path:
    """Write a data set into a file of a transfer syntax."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    path = directory / "source.dcm"
    dcmwrite(path, dataset, enforce_file_format=True)
    return path


def changing(values: dict[int, str]) -> Change:
    """Give what changes a data set to these values."""
    return partial(modify, values=values, provenance=WHO)


def changed(path: Path, values: dict[int, str] | None = None) -> tuple[Dataset, Rewritten]:
    """Change a file; give it as pydicom reads it, and what was said of it."""
    target = path.with_name(f"{path.name}.new")
    said = rewrite(path, target, changing(values or NEW), MOST)
    assert said is not None
    assert said.digest == digest_of(target)
    assert said.size == target.stat().st_size - read_meta(target).offset
    return dcmread(target), said


#: pydicom's own files: its data package would be fetched.
_FILES = sorted(map(str, (Path(pydicom.__file__).parent / "data" / "test_files").glob("*.dcm")))


def unknown_private(tag: int, creator: str) -> bool:
    """Tell a private element that pydicom's dictionary does not explain."""
    try:
        return get_private_entry(tag, creator)[2] == "Unknown"
    except KeyError:
        return True


def plain(dataset: Dataset) -> dict[int, object]:
    """Give the elements that a change leaves alone, sequences as such dictionaries."""
    found: dict[int, object] = {}
    for element in dataset:
        if element.tag.elem == 0 or element.tag in (0x00080001, 0x04000561):
            continue
        if element.tag.is_private and not element.tag.is_private_creator:
            creator = dataset.get((element.tag.group, element.tag.elem >> 8))
            if unknown_private(element.tag, str(creator.value) if creator is not None else ""):
                continue
        elif element.tag.is_private:
            continue
        found[int(element.tag)] = [plain(item) for item in element.value] if element.VR == "SQ" else element.value
    return found


@pytest.mark.filterwarnings("ignore")  # pydicom's, about what its files have wrong
@pytest.mark.parametrize("name", _FILES, ids=lambda name: Path(name).name)
def test_every_file_of_pydicom_has_the_new_values_and_all_others_as_they_were(name: str, tmp_path: Path) -> None:
    path, target = Path(name), tmp_path / "new.dcm"
    try:
        said = rewrite(path, target, changing(NEW), MOST)
    except (NotPart10, ModificationError) as error:
        pytest.skip(str(error))
    assert said is not None
    before, after = dcmread(path), dcmread(target)
    assert (str(after.PatientName), after.PatientID, after.AccessionNumber) == ("NEW^NAME", "42", "021026-201")
    old = after.OriginalAttributesSequence[-1].ModifiedAttributesSequence[0]
    assert [old.PatientName, old.PatientID] == [before.get(keyword) or "" for keyword in ("PatientName", "PatientID")]
    expected, found = plain(before), plain(after)
    for tag in NEW:
        expected.pop(tag, None)
        found.pop(tag)
    assert repr(found) == repr(expected)
    assert before.file_meta == after.file_meta


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("undefined", [False, True])
def test_unknown_private_elements_are_removed_and_named_wherever_they_are_nested(
    syntax: str, undefined: bool, tmp_path: Path
) -> None:
    inner, item, dataset = Dataset(), Dataset(), Dataset()
    for level in (inner, item, dataset):
        level.private_block(0x0019, "NOBODY KNOWS", create=True).add_new(0x01, "LO", "secret")
        block = level.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
        block.add_new(0x08, "CS", "IMAGE NUM 4")
        level.private_block(0x0029, "ALSO UNKNOWN", create=True).add_new(0x02, "SH", "s")
        level.StudyDescription = "stays"
    item.RequestAttributesSequence = Sequence([inner])
    dataset.ReferencedImageSequence = Sequence([item, Dataset()])
    item.is_undefined_length_sequence_item = undefined
    for level, keyword in ((item, "RequestAttributesSequence"), (dataset, "ReferencedImageSequence")):
        level[keyword].is_undefined_length = undefined
    dataset.PatientName, dataset.PatientID, dataset.PixelData = "OLD^NAME", "1", bytes(range(256)) * 40
    dataset["PixelData"].VR = "OB"
    after, said = changed(write(tmp_path, dataset, syntax))
    levels = ["", "(0008,1140)>1>", "(0008,1140)>1>(0040,0275)>1>"]
    named = [f"{level}({tag}) {creator}" for level in levels for tag, creator in _UNKNOWN]
    assert sorted(said.removed) == sorted(named)
    item = after.ReferencedImageSequence[0]
    for level in (after, item, item.RequestAttributesSequence[0]):
        assert [int(element.tag) for element in level if element.tag.is_private] == [0x00290010, 0x00291008]
        assert level.StudyDescription == "stays"
    assert len(after.ReferencedImageSequence) == 2
    assert after.PixelData == dataset.PixelData


_UNKNOWN = [("0019,1001", "NOBODY KNOWS"), ("0029,1102", "ALSO UNKNOWN")]


def test_what_was_there_before_is_told_and_earlier_changes_too(tmp_path: Path) -> None:
    dataset = Dataset()
    dataset.PatientName, dataset.PatientID = "FIRST^NAME", "1"
    path = write(tmp_path, dataset)
    once, _ = changed(path, {PATIENT_NAME: "SECOND^NAME", PATIENT_ID: "1"})
    (item,) = once.OriginalAttributesSequence
    assert item.ModifiedAttributesSequence[0] == Dataset({0x00100010: dataset["PatientName"]}), "only what changed is told"
    assert (item.AttributeModificationDateTime, item.ModifyingSystem) == ("20261121093015.000000+0000", "DEMOGW1")
    assert (item.ReasonForTheAttributeModification, item.SourceOfPreviousValues) == ("CORRECT", "CT1")
    twice, _ = changed(tmp_path / "source.dcm.new", {PATIENT_NAME: "THIRD^NAME", ACCESSION_NUMBER: "9"})
    names = [item.ModifiedAttributesSequence[0].PatientName for item in twice.OriginalAttributesSequence]
    assert names == ["FIRST^NAME", "SECOND^NAME"]
    assert twice.OriginalAttributesSequence[1].ModifiedAttributesSequence[0].AccessionNumber == "", "there was none"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("DEMO^ONE", {PATIENT_NAME: "DEMO^ONE", PATIENT_ID: "1"}),
        ("DEMO^ONE^^^", {PATIENT_NAME: "DEMO^ONE"}),
        ("DEMO^ONE=ideographic=phonetic", {PATIENT_NAME: "DEMO^ONE"}),
    ],
)
def test_what_has_the_values_already_is_not_changed(name: str, values: dict[int, str], tmp_path: Path) -> None:
    dataset = Dataset()
    dataset.PatientName, dataset.PatientID = name, "1"
    path = write(tmp_path, dataset)
    assert rewrite(path, tmp_path / "new", changing(values), MOST) is None
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("present", "other", "name", "expected"),
    [
        (None, "plain", "NEW^NAME", None),
        (None, "plain", "MÜLLER^JÖRG", "ISO_IR 100"),
        (None, "plain", "ŁUKASZ^X", "ISO_IR 192"),
        ("ISO_IR 100", "Größe", "MÜLLER^JÖRG", "ISO_IR 100"),
        ("ISO_IR 192", "Größe", "ŁUKASZ^山田", "ISO_IR 192"),
        ("ISO_IR 101", "Łódź", "PEÑA^X", ["ISO 2022 IR 101", "ISO 2022 IR 100"]),
        ("ISO_IR 100", "Größe", "Иванов^Иван", ["ISO 2022 IR 100", "ISO 2022 IR 144"]),
        (["", "ISO 2022 IR 87"], "plain", "MÜLLER^JÖRG", "ISO_IR 100"),
        (["", "ISO 2022 IR 87"], "山田", "MÜLLER^JÖRG", ["", "ISO 2022 IR 87", "ISO 2022 IR 100"]),
        ("GB18030", "山田", "MÜLLER^山", "GB18030"),
    ],
)
def test_the_character_set_that_changes_least_carries_a_new_name(
    present: str | list[str] | None, other: str, name: str, expected: str | list[str] | None, tmp_path: Path
) -> None:
    dataset = Dataset()
    if present is not None:
        dataset.SpecificCharacterSet = present
    dataset.PatientName, dataset.StudyDescription = "OLD", other
    after, _ = changed(write(tmp_path, dataset), {PATIENT_NAME: name})
    assert after.PatientName == name
    assert after.StudyDescription == other
    assert after.get("SpecificCharacterSet") == expected
    old = after.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert old.PatientName == "OLD"
    if present != expected:
        assert old.SpecificCharacterSet == (present or "")


def test_an_old_name_in_a_set_of_its_own_is_still_read_when_the_set_changes(tmp_path: Path) -> None:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 101"
    dataset.PatientName = "Łukasz"
    after, _ = changed(write(tmp_path, dataset), {PATIENT_NAME: "MÜLLER^ÅSA"})
    assert (after.SpecificCharacterSet, str(after.PatientName)) == ("ISO_IR 100", "MÜLLER^ÅSA")
    assert after.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].PatientName == "Łukasz"


@pytest.mark.parametrize(
    ("character_set", "values"),
    [
        ("GBK", {PATIENT_NAME: "Ł^À"}),
        ("ISO_IR 100", {PATIENT_ID: "1\\2"}),
        ("ISO_IR 100", {PATIENT_ID: "1\n2"}),
        ("ISO_IR 101", {PATIENT_NAME: "山田^Łódź"}),
    ],
)
def test_a_value_that_cannot_be_written_is_refused_and_nothing_is(
    character_set: str, values: dict[int, str], tmp_path: Path
) -> None:
    dataset = Dataset()
    dataset.SpecificCharacterSet = character_set
    dataset.PatientName, dataset.StudyDescription = (
        "OLD",
        "山" if character_set == "GBK" else "Ü" if "100" in character_set else "Ł",
    )
    path = write(tmp_path, dataset)
    with pytest.raises(ModificationError):
        rewrite(path, tmp_path / "new", changing(values), MOST)
    assert not (tmp_path / "new").exists()


def test_lengths_of_groups_that_change_go_and_others_stay() -> None:
    explicit = Encoding()
    data = explicit.element(0x00080000, "UL", struct.pack("<I", 12)) + explicit.element(0x00080060, "CS", b"CT")
    data += explicit.element(0x00100000, "UL", struct.pack("<I", 12)) + explicit.element(0x00100020, "LO", b"12")
    modified = modify(data, explicit, {PATIENT_ID: "3"}, WHO)
    assert modified is not None
    out = b"".join(piece if isinstance(piece, bytes) else data[slice(*piece)] for piece in modified.pieces)
    assert [span.tag for span in Reader(out).data_set(explicit)] == [0x00080000, 0x00080060, 0x00100020, 0x04000561]


def test_a_deflated_data_set_that_inflates_to_more_than_allowed_is_refused(tmp_path: Path) -> None:
    dataset = Dataset()
    dataset.PatientName, dataset.PixelData = "OLD", bytes(1 << 20)
    dataset["PixelData"].VR = "OB"
    path = write(tmp_path, dataset, DeflatedExplicitVRLittleEndian)
    assert path.stat().st_size < 10_000
    with pytest.raises(ModificationError, match="more than 65536 bytes"):
        rewrite(path, tmp_path / "new", changing(NEW), 65536)


#: A sequence of undefined length that begins with an item of undefined length.
_BEGUN = b"\x40\x00\x75\x02SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"


@pytest.mark.parametrize(
    "data",
    [
        b"\x10\x00\x10\x00PN\x08\x00OLD^"[:11],  # a value that is cut off, all there is
        b"\x40\x00\x75\x02SQ\x00\x00\xff\xff\xff\xff\x08\x00\x05\x00CS\x00\x00",  # no item in a sequence
        b"\x40\x00\x75\x02SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\x10\x00\x00\x00\x08\x00\x05\x00CS\xff\x00abcdefgh",
        b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff\x08\x00\x05\x00CS\x00\x00",  # no fragments
        _BEGUN * (NESTING + 5) + b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0" * (NESTING + 5),
        _BEGUN * 5000,
    ],
)
def test_bytes_that_cannot_be_read_are_refused_or_stay_as_they_are(data: bytes) -> None:
    try:
        modified = modify(data, Encoding(), NEW, WHO)
    except ModificationError:
        return
    assert modified is not None
    assert sum(len(piece) for piece in modified.pieces if isinstance(piece, bytes)) > 0


def test_what_a_sequence_of_defined_length_has_wrong_inside_stays_and_the_rest_is_changed() -> None:
    wrong = b"\x40\x00\x75\x02SQ\x00\x00\x04\x00\x00\x00\xff\xff\xff\xff"
    data = Encoding().element(0x00100020, "LO", b"12") + wrong
    modified = modify(data, Encoding(), {PATIENT_ID: "3"}, WHO)
    assert modified is not None
    out = b"".join(piece if isinstance(piece, bytes) else data[slice(*piece)] for piece in modified.pieces)
    assert wrong in out
    assert dcmread(io.BytesIO(out), force=True, stop_before_pixels=True).PatientID == "3"


def test_encodings_follow_the_transfer_syntax() -> None:
    assert [encoding_of(syntax) for syntax in SYNTAXES] == [Encoding("<", True), Encoding("<"), Encoding(">"), Encoding("<")]
