"""Texts and names of every character set: stored, found by each group of a name, told as they are, and given back bit by bit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from pydicom import Dataset
from pydicom.valuerep import PersonName

from tests.integration.gateway.archive.samples import PATIENT_ID
from tests.support.archive_site import ROOT, ArchiveSite, an_object, key
from tests.support.dcmtk_retrieval import getscu
from tests.support.dicom import data_set_bytes
from tests.support.moving_site import bytes_of


class Written(NamedTuple):
    """A name and a text in the character sets of some terms (PS3.3 C.12.1.1.2); `asked` says that pydicom can write patterns."""

    terms: tuple[str, ...]
    name: str
    text: str
    asked: bool = True


ROWS = (
    Written(("ISO_IR 100",), "MÜLLER^JÖRG", "Schädel"),
    Written(("ISO_IR 101",), "WĄŻ^ŁUKASZ", "Łódź"),
    Written(("ISO_IR 109",), "ĦĠEJ^ĈAR", "Ĵaŭdo"),
    Written(("ISO_IR 110",), "BĒRZIŅŠ^JĀNIS", "Rīga"),
    Written(("ISO_IR 144",), "ИВАНОВ^ИВАН", "Голова"),
    Written(("ISO_IR 127",), "قباني^لنزار", "رأس"),
    Written(("ISO_IR 126",), "ΔΙΟΝΥΣΙΟΥ^ΕΛΕΝΗ", "Κεφάλι"),
    Written(("ISO_IR 138",), "שרון^דבורה", "ראש"),
    Written(("ISO_IR 148",), "ŞAHİN^ÇİĞDEM", "Göğüs"),
    Written(("ISO_IR 166",), "ใจดี^สมชาย", "ศีรษะ"),
    Written(("ISO_IR 13",), "ﾔﾏﾀﾞ^ﾀﾛｳ", "ｱﾀﾏ", asked=False),
    Written(("", "ISO 2022 IR 87"), "Yamada^Tarou=山田^太郎=やまだ^たろう", "頭部"),
    Written(("ISO 2022 IR 13", "ISO 2022 IR 87"), "ﾔﾏﾀﾞ^ﾊﾅｺ=山田^花子=やまだ^はなこ", "胸部"),
    Written(("", "ISO 2022 IR 87", "ISO 2022 IR 159"), "Araki^Jou=荒木^丂=あらき^じょう", "丂頭"),
    Written(("", "ISO 2022 IR 149"), "Hong^Gildong=洪^吉洞=홍^길동", "두부"),
    Written(("", "ISO 2022 IR 58"), "Zhang^XiaoDong=张^小东=", "头部", asked=False),
    Written(("ISO_IR 192",), "Wang^XiaoDong=王^小東=", "頭 😀"),
    Written(("GB18030",), "Li^Na=李^娜=", "胸部 𠀀"),
    Written(("GBK",), "Zhao^Yun=赵^云=", "腹部"),
)
#: What pydicom would write without its escape sequences (PS3.5 K.2).
BYTES = {
    "Zhang^XiaoDong=张^小东=": PersonName(b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=", ["iso8859", "iso_ir_58"]),
    "头部": b"\x1b$)A\xcd\xb7\xb2\xbf",
}
rows = pytest.mark.parametrize("place", range(len(ROWS)), ids=lambda place: " ".join(ROWS[place].terms).strip())
SYNTAXES = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")


def study_of(place: int) -> str:
    """Give the study of a row."""
    return f"2.25.5000{place:02}"


@pytest.fixture(scope="module")
def objects() -> list[Dataset]:
    """Make an object of each row, in a study of its own."""
    return [
        an_object(
            SpecificCharacterSet=list(row.terms) if len(row.terms) > 1 else row.terms[0],
            PatientName="DEMO^PATIENT ONE",
            PatientID=PATIENT_ID,
            PatientBirthDate="19500131",
            AccessionNumber="021026-201",
            ReferringPhysicianName=BYTES.get(row.name, row.name),
            NameOfPhysiciansReadingStudy=["READER^RITA", BYTES.get(row.name, row.name)],
            StudyDescription=BYTES.get(row.text, row.text),
            StudyInstanceUID=study_of(place),
            SeriesInstanceUID=f"{study_of(place)}.1",
            SOPInstanceUID=f"{study_of(place)}.1.1",
        )
        for place, row in enumerate(ROWS)
    ]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, objects: list[Dataset]) -> Iterator[ArchiveSite]:
    """Run an archive that holds them."""
    with ArchiveSite(tmp_path_factory.mktemp("archive")) as site:
        site.keep(objects)
        yield site


def found_by(
    archive: ArchiveSite, terms: tuple[str, ...], attribute: str, value: str, syntax: str = SYNTAXES[1]
) -> dict[str, Dataset]:
    """Ask for studies in character sets; give the matches by their UIDs."""
    asked = Dataset()
    asked.SpecificCharacterSet = list(terms) if len(terms) > 1 else terms[0]
    for name in ("ReferringPhysicianName", "NameOfPhysiciansReadingStudy", "StudyDescription", "StudyInstanceUID"):
        asked.add(key(name, value if name == attribute else ""))
    found = archive.find("STUDY", asked, syntax=syntax)
    assert found.status == 0x0000, found.comment
    return found.by("StudyInstanceUID")


def asked_in(row: Written) -> list[tuple[str, ...]]:
    """Give the terms in which the row is asked for."""
    return [("ISO_IR 192",), row.terms][: 1 + row.asked]


@rows
def test_what_is_told_is_what_was_stored(archive: ArchiveSite, place: int) -> None:
    row = ROWS[place]
    for syntax in SYNTAXES:
        match = found_by(archive, row.terms, "StudyInstanceUID", study_of(place), syntax)[study_of(place)]
        told = str(match.ReferringPhysicianName), [str(it) for it in match.NameOfPhysiciansReadingStudy], match.StudyDescription
        assert told == (row.name.rstrip("="), ["READER^RITA", row.name.rstrip("=")], row.text)
        assert match.SpecificCharacterSet in ("ISO_IR 100", "ISO_IR 192")


@rows
def test_a_study_is_found_by_each_group_of_a_name_in_its_character_sets_and_in_unicode(archive: ArchiveSite, place: int) -> None:
    row = ROWS[place]
    groups = [group for group in row.name.split("=") if group]
    patterns = [row.name, *groups, *(f"{group.split('^')[0]}*" for group in groups)]
    for terms in asked_in(row):
        for pattern in patterns:
            assert study_of(place) in found_by(archive, terms, "ReferringPhysicianName", pattern), (terms, pattern)
        assert [*found_by(archive, terms, "NameOfPhysiciansReadingStudy", row.name)] == [study_of(place)]


@rows
def test_a_study_is_found_by_a_text_and_its_parts(archive: ArchiveSite, place: int) -> None:
    row = ROWS[place]
    for terms in asked_in(row):
        for pattern in (row.text, f"{row.text[0]}*", f"*{row.text[-1]}", "?" * len(row.text)):
            assert study_of(place) in found_by(archive, terms, "StudyDescription", pattern), (terms, pattern)


@pytest.mark.parametrize(
    ("pattern", "matches"), [("=山田*", True), ("Yamada*=", True), ("==やまだ*", True), ("山田*==", False), ("=Yamada*", False)]
)
def test_a_group_of_a_name_stays_in_its_place(archive: ArchiveSite, tmp_path: Path, pattern: str, matches: bool) -> None:
    place = next(place for place, row in enumerate(ROWS) if row.name.startswith("Yamada"))
    keys = [
        "SpecificCharacterSet=ISO_IR 192",
        "QueryRetrieveLevel=STUDY",
        f"ReferringPhysicianName={pattern}",
        "StudyInstanceUID",
    ]
    found = archive.findscu(tmp_path / "found", "study", keys)
    assert (study_of(place) in {str(match.StudyInstanceUID) for match in found}) is matches


@rows
def test_an_object_is_given_back_bit_by_bit(archive: ArchiveSite, objects: list[Dataset], tmp_path: Path, place: int) -> None:
    wanted = ["QueryRetrieveLevel=STUDY", f"StudyInstanceUID={study_of(place)}"]
    done = getscu(tmp_path / "got", (f"{ROOT}DQRY", archive.port("short_term")), wanted)
    assert (done.status, done.completed) == (0x0000, 1)
    (path,) = (tmp_path / "got").iterdir()
    assert {path.name: data_set_bytes(path)} == bytes_of([objects[place]])
