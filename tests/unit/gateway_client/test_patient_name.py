"""Names take one form and go back to what they were, bit for bit; nothing else in an object changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pydicom
import pytest
from pydicom import dcmread

from gateway_client.errors import ModificationError
from gateway_client.objects.modification import Provenance, modify
from gateway_client.objects.part10 import read_meta
from gateway_client.objects.patient_name import normalise, normalised, restore
from gateway_client.objects.rewriting import rewrite
from gateway_client.objects.spans import Encoding, Reader, encoding_of
from gateway_client.objects.splicing import PATIENT_NAME, Modified
from gateway_client.transmission.object_file import ObjectFile
from tests.unit.gateway_client.test_modification import AT

EXPLICIT = Encoding()
MOST = 1 << 30
_FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
FILES = ["CT_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "JPEG2000.dcm", "UN_sequence.dcm"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Doe^John^M", "DOE^JOHN^M"),
        ("  doe ^ john  j ", "DOE^JOHN J"),
        ("Doe, John Mid", "DOE^JOHN^MID"),
        ("Doe,John", "DOE^JOHN"),
        ("O'Brien-Smith^A^^Dr^Jr", "O'BRIEN-SMITH^A^^DR^JR"),
        ("DOE^JOHN^^^", "DOE^JOHN"),
        ("DOE", "DOE"),
        ("", ""),
        ("Müller^Jörg", "MÜLLER^JÖRG"),
    ],
)
def test_a_name_has_one_form(name: str, expected: str) -> None:
    assert normalised(name) == expected
    assert normalised(expected) == expected, "and stays in it"


def data_set(name: bytes, *elements: tuple[int, str, bytes]) -> bytes:
    """Make a data set of explicit VR little endian with a name and further elements."""
    found = sorted([(PATIENT_NAME, "PN", name), *elements])
    return b"".join(EXPLICIT.element(*element) for element in found)


def joined(data: bytes, modified: Modified | None) -> bytes:
    assert modified is not None
    return b"".join(piece if isinstance(piece, bytes) else data[slice(*piece)] for piece in modified.pieces)


def values(data: bytes) -> dict[int, bytes]:
    return {span.tag: data[span.value : span.after] for span in Reader(data).data_set(EXPLICIT)}


SIENET = (0x00910010, "LO", b"SIENET")
OTHER = (0x00910010, "LO", b"SOMEBODY")


@pytest.mark.parametrize(
    ("elements", "added"),
    [
        ([], {0x00910010: b"SIENET", 0x00911020: b"Doe^John"}),
        ([OTHER], {0x00910011: b"SIENET", 0x00911120: b"Doe^John"}),
        ([SIENET, (0x00911001, "LO", b"xy")], {0x00911020: b"Doe^John"}),
        ([(0x00911001, "LO", b"xy")], {0x00910011: b"SIENET", 0x00911120: b"Doe^John"}),  # a block in use, by nobody
    ],
)
def test_the_name_as_it_came_lies_in_a_block_of_its_own_and_comes_back(
    elements: Sequence[tuple[int, str, bytes]], added: dict[int, bytes]
) -> None:
    before = data_set(b"Doe^John", *elements)
    after = joined(before, normalise(before, EXPLICIT))
    assert values(after) == {**values(before), PATIENT_NAME: b"DOE^JOHN", **added}
    assert list(values(after)) == sorted(values(after))
    assert joined(after, restore(after, EXPLICIT)) == before
    assert normalise(after, EXPLICIT) is None


@pytest.mark.parametrize(
    ("name", "elements"),
    [
        (b"DOE^JOHN", []),
        (b"DOE^JOHN=Ideographic=phonetic", []),
        (b"Doe^John", [SIENET, (0x00911020, "PN", b"doe^john")]),
        (b"Doe^John", [(0x00910020, "PN", b"doe^john")]),
        (b"\x1b$B=U;3\x1b(B^Taro ", [(0x00080005, "CS", b"\\ISO 2022 IR 87 ")]),  # the byte of = is half a letter
        (b"D\xff^X ", [(0x00080005, "CS", b"ISO_IR 100")]),  # whose capital is not in Latin 1
        (b"Doe^John", [(0x00910000 | number, "LO", b"OTHER ") for number in range(0x10, 0x100)]),
    ],
)
def test_nothing_is_done_where_nothing_is_to_be_done_or_can_be(name: bytes, elements: list[tuple[int, str, bytes]]) -> None:
    assert normalise(data_set(name, *elements), EXPLICIT) is None


def test_a_name_that_has_several_values_against_the_standard_is_no_trouble() -> None:
    before = data_set(b"a\\b^c ")
    assert values(joined(before, normalise(before, EXPLICIT)))[PATIENT_NAME].rstrip() == b"A\\B^C"


def test_the_other_groups_of_a_name_stay() -> None:
    before = data_set(b"doe^john=IDEO=phon^x")
    assert values(joined(before, normalise(before, EXPLICIT)))[PATIENT_NAME].rstrip() == b"DOE^JOHN=IDEO=phon^x"


def test_a_bare_element_is_read_and_left_alone() -> None:
    bare = (0x00910020, "PN", b"Doe^John")
    after = joined(before := data_set(b"DOE^JOHN", bare), restore(before, EXPLICIT))
    assert values(after) == {PATIENT_NAME: b"Doe^John", 0x00910020: b"Doe^John"}


def test_what_no_name_was_kept_of_is_not_restored() -> None:
    assert restore(data_set(b"DOE^JOHN"), EXPLICIT) is None
    assert restore(data_set(b"DOE^JOHN", OTHER, (0x00911020, "PN", b"not ours")), EXPLICIT) is None


def test_a_corrected_name_is_not_undone_by_the_one_that_was_kept() -> None:
    before = data_set(b"Wrong^Patient")
    kept = joined(before, normalise(before, EXPLICIT))
    corrected = joined(kept, modify(kept, EXPLICIT, {PATIENT_NAME: "RIGHT^PATIENT"}, Provenance("GW", AT)))
    assert not {0x00910010, 0x00911020} & values(corrected).keys()
    assert restore(corrected, EXPLICIT) is None


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (b"ROE^JANE", (0x00911020, "PN", b"Doe^John")),
        (b"", (0x00911020, "PN", b"Doe^John")),
        (b"DOE^JOHN", (0x00911020, "PN", b"")),
        (b"ROE^JANE", (0x00910020, "PN", b"Doe^John")),
        (b"DOE^JOHN=IDEO", (0x00911020, "PN", b"=IDEO ")),
    ],
)
def test_a_name_that_was_changed_since_is_not_undone_by_another_patients(
    name: bytes, kept: tuple[int, str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    uid = (0x00080018, "UI", b"1.2.77")
    assert restore(data_set(name, uid, SIENET, kept), EXPLICIT) is None
    (record,) = caplog.records
    assert "1.2.77" in record.getMessage()
    assert "oe" not in record.getMessage().casefold(), "names are not for the log"


@pytest.mark.parametrize("name", FILES)
def test_files_are_sent_as_they_came_whatever_pieces_are_asked_for(name: str, tmp_path: Path) -> None:
    source, target = _FOLDER / name, tmp_path / "normalised.dcm"
    meta = read_meta(source)
    data = source.read_bytes()[meta.offset :]
    encoding = encoding_of(meta.transfer_syntax)
    lower = joined(data, modify(data, encoding, {PATIENT_NAME: "doe^john"}, Provenance("GW", AT)))
    changed = tmp_path / "lower.dcm"
    changed.write_bytes(source.read_bytes()[: meta.offset] + lower)
    assert rewrite(changed, target, normalise, MOST) is not None
    assert dcmread(target).PatientName == "DOE^JOHN"
    for count in (7, 1000, 1 << 20):
        one, sent = ObjectFile(target, restore), b""
        while one.size:
            sent += one.read(min(count, one.size))
        one.close()
        assert sent == lower


def test_an_object_that_cannot_be_read_is_not_sent_as_something_else(tmp_path: Path) -> None:
    source = _FOLDER / "CT_small.dcm"
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(source.read_bytes()[: read_meta(source).offset] + b"\x40\x00\x75\x02SQ\x00\x00\xff\xff\xff\xff" * 9)
    with pytest.raises(ModificationError):
        ObjectFile(broken, restore)
