"""`magbroker coerce` shows what a destination gets of a file, and writes it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from console.cli.coerce import coerce
from console.errors import NothingThere, WrongUsage
from gateway_client import FileMeta, encode_head
from tests.support.changing import CT, ct, deflated, encoded, item

SETTINGS = """
[gateway.destination."RESEARCH"]
deidentify = "basic"

[gateway.destination."READING ROOM"]
coerce = [
  { attribute = "PatientID", prefix = "GH-" },
  { attribute = "RequestAttributesSequence>AccessionNumber", set = "A1" },
  { attribute = "InstitutionName", remove = true },
]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("magbroker.toml").write_text(SETTINGS, encoding="utf-8")
    dataset = ct(InstitutionName="OLD", RequestAttributesSequence=[item(RequestedProcedureID="R1")])
    head = FileMeta(CT, "1.2.3.4.5", ExplicitVRLittleEndian, "MODALITY", "MAGBROKER")
    Path("one.dcm").write_bytes(encode_head(head) + encoded(dataset))
    return tmp_path


def test_it_shows_each_element_that_is_different(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = folder / "magbroker.toml"
    coerce([Path("one.dcm")], "READING ROOM", config=config)
    assert capsys.readouterr().out.splitlines() == [
        "one.dcm as 1.2.3.4.5",
        "  InstitutionName: OLD -> missing",
        "  PatientID: 666-00-1100 -> GH-666-00-1100",
        "  RequestAttributesSequence[1]>AccessionNumber: missing -> A1",
    ]
    assert not list(folder.glob("var/**/*")), "no key is made where no pseudonym is wanted"


def test_the_page_shows_what_it_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "change-what-is-sent.md").read_text(encoding="utf-8")
    settings, shown = (re.findall(rf"^```{kind}\n(.*?)^```$", page, re.M | re.S)[0] for kind in ("toml", "console"))
    Path("magbroker.toml").write_text(settings, encoding="utf-8")
    request = item(RequestedProcedureID="R1")
    dataset = ct(InstitutionName="OLD", AccessionNumber="021026-201", StationName="SCANNER1", RequestAttributesSequence=[request])
    Path("one.dcm").write_bytes(encode_head(FileMeta(CT, "1.2.3.4.5", ExplicitVRLittleEndian)) + encoded(dataset))
    coerce([Path("one.dcm")], "READING ROOM", config=folder / "magbroker.toml")
    assert shown.splitlines()[1:] == capsys.readouterr().out.splitlines()


def test_it_writes_what_is_sent_without_the_names_of_equipment(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deflated(folder / "two.dcm", ct(SOPInstanceUID="1.2.3.4.6"))
    coerce([folder], "RESEARCH", to=folder / "made", config=folder / "magbroker.toml", as_json=True)
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [Path(one["path"]).name for one in told] == ["one.dcm", "two.dcm"]
    assert sorted(str(path) for path in (folder / "made").iterdir()) == sorted(one["file"] for one in told)
    for one, syntax in zip(told, (ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian), strict=True):
        made = dcmread(one["file"])
        assert made.SOPInstanceUID == made.file_meta.MediaStorageSOPInstanceUID == one["sop_instance_uid"]
        assert made.file_meta.TransferSyntaxUID == syntax
        assert made.PatientIdentityRemoved == "YES"
        (name,) = [change for change in one["changes"] if change["name"] == "PatientName"]
        assert (name["before"], name["after"]) == ("DEMO^PATIENT", made.PatientName)
        assert "SourceApplicationEntityTitle" not in made.file_meta


def test_what_cannot_be_changed_is_told_and_the_rest_is_done(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = ct(BurnedInAnnotation="YES", SOPInstanceUID="1.2.3.4.7")
    Path("burned.dcm").write_bytes(encode_head(FileMeta(CT, "1.2.3.4.7", ExplicitVRLittleEndian)) + encoded(shown))
    with pytest.raises(typer.Exit) as ended:
        coerce([folder], basic=True, to=folder / "made")
    assert ended.value.exit_code == 1
    first, second = capsys.readouterr().out.splitlines()
    assert "burned.dcm is not changed: It is not de-identified: Burned In Annotation (0028,0301) is YES" in first
    assert "one.dcm as " in second
    assert len(list((folder / "made").iterdir())) == 1


def test_a_mistyped_destination_never_gets_what_all_others_get(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("magbroker.toml").write_text(SETTINGS + '[gateway.destination."*"]\nretries = 1\n', encoding="utf-8")
    with pytest.raises(NothingThere, match=r"Did you mean RESEARCH\?.* READING ROOM\. .*--destination '\*'"):
        coerce([Path("one.dcm")], "research", to=folder / "leak", config=folder / "magbroker.toml")
    assert not (folder / "leak").exists()
    coerce([Path("one.dcm")], "*", config=folder / "magbroker.toml")
    assert capsys.readouterr().out == "one.dcm as 1.2.3.4.5\n"


def test_what_is_passed_over_is_counted_and_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.txt", "b.txt"):
        Path(name).write_text("no image", encoding="utf-8")
    coerce([Path("a.txt"), Path("one.dcm"), Path("b.txt")], "READING ROOM", config=folder / "magbroker.toml", as_json=True)
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 1
    assert said.err == "passed over, no DICOM file: 2 (a.txt, b.txt)\n"
    with pytest.raises(NothingThere, match="passed over: 1 no DICOM file"):
        coerce([Path("a.txt")], "READING ROOM", config=folder / "magbroker.toml")


@pytest.mark.parametrize(
    ("arguments", "error", "problem"),
    [
        ({}, WrongUsage, "Give either"),
        ({"destination": "RESEARCH", "basic": True}, WrongUsage, "Give either"),
        ({"destination": "ELSEWHERE"}, NothingThere, 'no .gateway.destination."ELSEWHERE".'),
        ({"destination": "Research"}, NothingThere, r"Did you mean RESEARCH\? There are: RESEARCH, READING ROOM\.$"),
    ],
)
def test_it_says_what_it_needs(folder: Path, arguments: dict[str, object], error: type[Exception], problem: str) -> None:
    with pytest.raises(error, match=problem):
        coerce([folder], config=folder / "magbroker.toml", **arguments)  # type: ignore[arg-type]  # a table of such
