"""Headers of any object in any transfer syntax and character set, and of what is broken."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.data import get_testdata_file
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID
from pydicom.valuerep import PersonName

from gateway_client.errors import NotAnObject, UIDMismatch
from gateway_client.objects.elements import INFLATED, scan
from gateway_client.objects.header import DEFAULT_PATHS, identify, parse_paths, read_header
from gateway_client.objects.part10 import FileMeta, encode_head, read_meta
from gateway_client.objects.spans import Encoding
from tests.unit.gateway_client.fakes import CT, EXPLICIT, data_set

FILES = ["CT_small.dcm", "MR_small_RLE.dcm", "image_dfl.dcm", "JPEG2000.dcm", "ExplVR_BigEnd.dcm", "rtplan.dcm", "test-SR.dcm"]


def shipped(name: str) -> Path:
    """Find a file that comes with pydicom."""
    return Path(str(get_testdata_file(name, download=False)))


@pytest.mark.parametrize("name", FILES)
def test_the_fields_are_those_that_pydicom_reads(name: str) -> None:
    header, expected = read_header(shipped(name)), dcmread(shipped(name), stop_before_pixels=True)
    assert header.sop_instance_uid == expected.SOPInstanceUID
    assert header.study_uid == expected.StudyInstanceUID
    assert header.patient_name == str(expected.PatientName)
    assert header.patient_id == str(expected.get("PatientID", "") or "")
    assert header.modality == expected.Modality
    assert header.instance_number == str(expected.get("InstanceNumber", "") or "")


@pytest.mark.parametrize("name", FILES)
def test_a_data_set_is_identified_by_its_first_bytes(name: str) -> None:
    path = shipped(name)
    meta, expected = read_meta(path), dcmread(path, stop_before_pixels=True)
    with path.open("rb") as file:
        file.seek(meta.offset)
        head = file.read(65536)
    named = FileMeta(str(expected.SOPClassUID), str(expected.SOPInstanceUID), meta.transfer_syntax)
    identify(head, named)
    with pytest.raises(UIDMismatch):
        identify(head, FileMeta(named.sop_class_uid, "1.2.3", meta.transfer_syntax))
    with pytest.raises(UIDMismatch):
        identify(head, FileMeta("1.2.3", named.sop_instance_uid, meta.transfer_syntax))


@pytest.mark.parametrize("data", [b"", b"\x08", b"not DICOM at all, but long enough to look like something", bytes(2000)])
@pytest.mark.parametrize("syntax", [EXPLICIT, "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"])
def test_what_is_no_data_set_is_not_identified(data: bytes, syntax: str) -> None:
    with pytest.raises(NotAnObject):
        identify(data, FileMeta(CT, "1.2.3", syntax))


def test_an_object_without_a_uid_is_not_identified() -> None:
    whole = data_set("1.2.3")
    with pytest.raises(NotAnObject, match="no SOP"):
        identify(whole[whole.index(b"\x08\x00\x50\x00") :], FileMeta(CT, "1.2.3", EXPLICIT))


def test_elements_whose_vr_was_not_known_to_who_wrote_them_are_read_by_the_dictionary() -> None:
    """As those of pydicom-data's explicit_VR-UN.dcm: one who converts without a dictionary writes UN (PS3.5 6.2.2)."""
    elements = {0x00080016: b"1.2.840.10008.5.1.4.1.1.2\0", 0x00080018: b"1.2.3\0", 0x00100010: b"ROE^JANE"}
    encoding = Encoding()
    data = b"".join(encoding.element(tag, "UN", value) for tag, value in elements.items())
    header = identify(
        data, FileMeta("1.2.840.10008.5.1.4.1.1.2", "1.2.3", "1.2.840.10008.1.2.4.90"), size=len(data), end=data[-8:]
    )
    assert header is not None
    assert (header.sop_instance_uid, header.patient_name) == ("1.2.3", "ROE^JANE")
    assert ("0010,0010", "PN") in {(item.path, item.vr) for item in header.items}


def written(tmp_path: Path, dataset: Dataset, syntax: str = EXPLICIT) -> Path:
    """Write a data set to a file."""
    dataset.SOPClassUID, dataset.SOPInstanceUID = CT, "1.2.3"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.file_meta.MediaStorageSOPClassUID, dataset.file_meta.MediaStorageSOPInstanceUID = CT, "1.2.3"
    dcmwrite(tmp_path / "x.dcm", dataset, enforce_file_format=True)
    return tmp_path / "x.dcm"


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "MÜLLER^JÖRG"),
        ("ISO_IR 192", "ΔΗΜΟ^ΑΣΘΕΝΗΣ"),
        ("ISO_IR 144", "ДЕМО^ПАЦИЕНТ"),
        ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        ("", "DEMO^PATIENT"),
    ],
)
def test_names_are_decoded_by_their_character_set(tmp_path: Path, charset: str, name: str) -> None:
    dataset = Dataset()
    dataset.SpecificCharacterSet = charset.split("\\") if "\\" in charset else charset
    dataset.PatientName = name
    assert read_header(written(tmp_path, dataset)).patient_name == name


def test_escape_sequences_are_no_part_of_a_chinese_name(tmp_path: Path) -> None:
    """The example of PS3.5 K.2 is written in ISO 2022 IR 58, whose escape sequences pydicom reads and does not write."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = ["", "ISO 2022 IR 58"]
    terms = ["iso8859", "iso_ir_58"]
    dataset.PatientName = PersonName(b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=", terms)
    assert read_header(written(tmp_path, dataset)).patient_name == "Zhang^XiaoDong=张^小东="


def test_values_and_items_of_sequences_become_header_items(tmp_path: Path) -> None:
    dataset = Dataset()
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.Rows = 512
    dataset.SliceThickness = "5.0"
    dataset.ImageComments = "one|two\\three"
    step, second = Dataset(), Dataset()
    step.RequestedProcedureID, second.RequestedProcedureID = "RP1", "RP2"
    dataset.RequestAttributesSequence = [step, second]
    paths = ("0008,0008", "0028,0010", "0018,0050", "0020,4000", "0040,0275>0040,1001", "0010,0010")
    items = read_header(written(tmp_path, dataset), paths).items
    assert [(item.path, item.vr, item.number, item.value) for item in items] == [
        ("0002,0010", "UI", 1, EXPLICIT),
        ("0008,0008", "CS", 1, "ORIGINAL"),
        ("0008,0008", "CS", 2, "PRIMARY"),
        ("0008,0008", "CS", 3, "AXIAL"),
        ("0028,0010", "US", 1, "512"),
        ("0018,0050", "DS", 1, "5.0"),
        ("0020,4000", "LT", 1, "one|two\\three"),
        ("0040,0275>1>0040,1001", "SH", 1, "RP1"),
        ("0040,0275>2>0040,1001", "SH", 1, "RP2"),
    ]


@pytest.mark.parametrize("syntax", [EXPLICIT, "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"])
@pytest.mark.parametrize("block", [0x10, 0x11, 0xFF])
def test_archive_management_flags_are_found_in_the_block_that_their_creator_reserved(
    tmp_path: Path, syntax: str, block: int
) -> None:
    dataset = Dataset()
    other = dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True) if block != 0x10 else None
    dataset.add_new((0x0029, block), "LO", "SIEMENS MEDCOM HEADER")
    dataset.add_new((0x0029, block << 8 | 0x51), "CS", "01")
    dataset.add_new((0x0029, block << 8 | 0x52), "CS", "00")
    if other is not None:
        other.add_new(0x51, "OB", b"no flag")
    items = read_header(written(tmp_path, dataset, syntax)).items
    told = {item.path: item.value for item in items if item.path.startswith("0029")}
    assert told == {"0029,xx51,SIEMENS MEDCOM HEADER": "01", "0029,xx52,SIEMENS MEDCOM HEADER": "00"}


@pytest.mark.parametrize("calling", ["", "CT1"])
@pytest.mark.parametrize("called", ["", "MAG GATEWAY"])
def test_the_association_is_told_before_all_elements_whichever_are_chosen(tmp_path: Path, calling: str, called: str) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(encode_head(FileMeta(CT, "1.2.3", EXPLICIT, calling, called)) + data_set("1.2.3"))
    head = [("0002,0010", "UI", 1, EXPLICIT), ("0002,0017", "AE", 1, calling)]
    expected = [*head, ("0002,0018", "AE", 1, called), ("0008,0018", "UI", 1, "1.2.3")]
    items = [(item.path, item.vr, item.number, item.value) for item in read_header(path, ("0008,0018",)).items]
    assert items == [item for item in expected if item[3]]


def test_a_deflated_bomb_is_inflated_in_part_only() -> None:
    import zlib

    packer = zlib.compressobj(wbits=-15)
    bomb = packer.compress(data_set("1.2.3")) + packer.compress(bytes(64 << 20)) + packer.flush()
    tracemalloc.start()
    try:
        identify(bomb[:65536], FileMeta(CT, "1.2.3", "1.2.840.10008.1.2.1.99"))
        assert tracemalloc.get_traced_memory()[1] < 4 * INFLATED, "of 64 MB"
    finally:
        tracemalloc.stop()


def test_the_default_paths_are_elements() -> None:
    plain = tuple(path for path in DEFAULT_PATHS if ",xx" not in path)
    assert len(parse_paths(plain)) == len(set(plain)) == len(DEFAULT_PATHS) - 2
    with pytest.raises(NotAnObject, match="PatientName"):
        parse_paths(("PatientName",))


SYNTAXES = st.sampled_from([EXPLICIT, "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"])


@settings(max_examples=300)
@given(st.binary(max_size=200), st.integers(0, 300), st.binary(max_size=12), SYNTAXES)
def test_no_header_can_break_the_reader(data: bytes, position: int, patch: bytes, syntax: str) -> None:
    whole = data_set("1.2.3", extra=b"\x40\x00\x75\x02SQ\x00\x00\xff\xff\xff\xff")
    for broken in (data, whole[:position] + patch + whole[position:], whole + data, whole[:position]):
        try:
            values = read_all(broken, syntax)
        except NotAnObject:  # the one error that it may end in
            values = []
        assert all(isinstance(value, str) for value in values)


def read_all(data: bytes, syntax: str) -> list[str]:
    """Read every element that is asked for by default, in items too."""
    elements = scan(data, syntax)
    values = []
    for first, *_, last in ((path[0], path[-1]) for path in parse_paths(DEFAULT_PATHS)):
        values += elements.values(first)
        for item in elements.items(first):
            values += item.values(last)
    return values


def test_a_head_and_nothing_else_has_no_header(tmp_path: Path) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(encode_head(FileMeta(CT, "1.2.3", EXPLICIT)))
    with pytest.raises(NotAnObject):
        read_header(path)
