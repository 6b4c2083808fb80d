"""The demo's sample images: what is written, and that the demo site treats each as the sample list says."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.datadict import tag_for_keyword
from pydicom.uid import ImplicitVRLittleEndian

from console import demo_samples
from console.demo_samples import (
    BrokenSampleList,
    Sample,
    SampleError,
    SampleRecipe,
    UnknownSampleSource,
    parse_recipes,
    read_recipes,
    write_samples,
)
from tests.unit.data.resources import demo_site, resource

SITE = demo_site()
RECIPES = read_recipes()
NAMES = [recipe.file_name for recipe in RECIPES]
PATIENTS = {patient["dfn"]: patient for patient in SITE["patient"]}

each_recipe = pytest.mark.parametrize("recipe", RECIPES, ids=NAMES)

# One source holds a UID with a component that begins with 0; it is compared as it stands.
odd_uid_in_source = pytest.mark.filterwarnings("ignore:Invalid value for VR UI:UserWarning")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sample]:
    return {sample.file_name: sample for sample in write_samples(tmp_path_factory.mktemp("samples") / "not" / "yet")}


def source_of(recipe: SampleRecipe) -> Dataset:
    path = get_testdata_file(recipe.source, download=False)
    assert isinstance(path, str)
    return dcmread(path, force=True)


def vista_name(dicom_name: str) -> str:
    """Turn FAMILY^GIVEN^MIDDLE^^SUFFIX into FAMILY,GIVEN MIDDLE SUFFIX."""
    family, *others = dicom_name.split("^")
    return f"{family},{' '.join(part for part in others if part)}"


def exam_of(recipe: SampleRecipe) -> dict[str, Any] | None:
    for exam in SITE["exam"]:
        if recipe.accession in (exam["accession"], exam.get("site_accession", exam["accession"])):
            return dict(exam)
    return None


def association(recipe: SampleRecipe) -> str:
    """Say which association problem the image has at the demo site; empty for none."""
    exam = exam_of(recipe)
    if not recipe.accession:
        return "-1,NO CASE #"
    if exam is None:
        return "-2,BAD CASE #"
    if exam["status"] == "CANCELLED":
        return "-3,CANCELLED"
    patient = PATIENTS[exam["patient"]]
    same = (patient["name"], patient["ssn"]) == (vista_name(recipe.patient_name), recipe.patient_id.replace("-", ""))
    return "" if same else "-4,PID ERROR"


def test_there_are_enough_samples_and_each_file_name_is_there_once() -> None:
    assert 12 <= len(NAMES) <= 20
    assert len(set(NAMES)) == len(NAMES)
    assert sorted(NAMES) == NAMES


@each_recipe
def test_the_source_comes_with_pydicom_itself(recipe: SampleRecipe) -> None:
    path = get_testdata_file(recipe.source, download=False)
    assert path is not None
    assert Path(str(path)).is_relative_to(Path(pydicom.__file__).parent)


@each_recipe
def test_a_sample_ends_where_the_list_says(recipe: SampleRecipe) -> None:
    problem = association(recipe)
    assert recipe.reason == problem
    assert recipe.outcome == ("correct" if problem else "filed")


def test_every_association_problem_is_shown() -> None:
    problems = [recipe.reason for recipe in RECIPES if recipe.outcome == "correct"]
    assert sorted(problems) == ["-1,NO CASE #", "-2,BAD CASE #", "-3,CANCELLED", "-4,PID ERROR"]


@each_recipe
def test_a_sample_shows_a_patient_of_the_site_on_the_day_of_the_exam(recipe: SampleRecipe) -> None:
    (patient,) = (row for row in PATIENTS.values() if row["ssn"] == recipe.patient_id.replace("-", ""))
    assert vista_name(recipe.patient_name) == patient["name"]
    assert (recipe.birth_date, recipe.sex) == (f"{patient['birth_date']:%Y%m%d}", patient["sex"])
    exam = exam_of(recipe)
    assert exam is None or recipe.study_date == f"{exam['datetime']:%Y%m%d}"


def test_destinations_are_those_of_the_site() -> None:
    known = {row["name"] for row in SITE["transmit_destination"]}
    assert {name for recipe in RECIPES for name in recipe.destinations} == known


@each_recipe
def test_the_copy_is_a_readable_dicom_file_with_the_header_of_the_list(recipe: SampleRecipe, samples: dict[str, Sample]) -> None:
    sample = samples[recipe.file_name]
    copy = dcmread(sample.path)
    assert {keyword: str(copy[keyword].value) for keyword in recipe.header} == recipe.header
    assert (sample.patient, sample.accession) == (recipe.patient_name, recipe.accession)
    assert (sample.outcome, sample.destinations) == (recipe.outcome, recipe.destinations)
    assert sample.modality == copy.Modality != ""


@each_recipe
def test_the_copy_keeps_transfer_syntax_and_uids_of_the_source(recipe: SampleRecipe, samples: dict[str, Sample]) -> None:
    sample, source, copy = samples[recipe.file_name], source_of(recipe), dcmread(samples[recipe.file_name].path)
    meta = getattr(source, "file_meta", Dataset())
    syntax = meta.get("TransferSyntaxUID", ImplicitVRLittleEndian)  # the bare data set is implicit VR
    assert copy.file_meta.TransferSyntaxUID == sample.transfer_syntax == syntax
    assert copy.file_meta.MediaStorageSOPInstanceUID == sample.sop_instance_uid == source.SOPInstanceUID
    assert copy.file_meta.MediaStorageSOPClassUID == copy.SOPClassUID == source.SOPClassUID
    assert sample.study_instance_uid == copy.StudyInstanceUID == source.StudyInstanceUID


@each_recipe
def test_the_pixel_data_stays_byte_for_byte(recipe: SampleRecipe, samples: dict[str, Sample]) -> None:
    source, copy = source_of(recipe), dcmread(samples[recipe.file_name].path)
    assert ("PixelData" in copy) == ("PixelData" in source)
    if "PixelData" in source:
        assert copy.get_item("PixelData").value == source.get_item("PixelData").value != b""


@odd_uid_in_source
@each_recipe
def test_only_the_named_elements_change(recipe: SampleRecipe, samples: dict[str, Sample]) -> None:
    source, copy = source_of(recipe), dcmread(samples[recipe.file_name].path)
    changed = {tag_for_keyword(keyword) for keyword in recipe.header}
    kept = {tag for tag in source.keys() if tag.element != 0} - changed  # noqa: SIM118  a data set iterates over elements
    assert copy.keys() - kept == changed
    assert [tag for tag in kept if copy[tag] != source[tag]] == []


def test_there_is_data_with_and_without_pixels() -> None:
    assert sorted({"PixelData" in source_of(recipe) for recipe in RECIPES}) == [False, True]


def test_the_samples_cover_modalities_and_transfer_syntaxes(samples: dict[str, Sample]) -> None:
    modalities = {"CT", "MR", "CR", "US", "SR", "RTPLAN", "RTDOSE", "RTSTRUCT", "OT", "ECG", "NM"}
    assert {sample.modality for sample in samples.values()} == modalities
    assert {sample.transfer_syntax for sample in samples.values()} == {
        "1.2.840.10008.1.2",  # implicit VR little endian
        "1.2.840.10008.1.2.1",  # explicit VR little endian
        "1.2.840.10008.1.2.1.99",  # deflated
        "1.2.840.10008.1.2.2",  # explicit VR big endian
        "1.2.840.10008.1.2.4.50",  # JPEG baseline
        "1.2.840.10008.1.2.4.80",  # JPEG-LS lossless
        "1.2.840.10008.1.2.4.90",  # JPEG 2000 lossless
        "1.2.840.10008.1.2.4.91",  # JPEG 2000
        "1.2.840.10008.1.2.5",  # RLE
    }


def test_some_samples_have_several_frames(samples: dict[str, Sample]) -> None:
    frames = {name: int(dcmread(sample.path).get("NumberOfFrames") or 1) for name, sample in samples.items()}
    assert {name: count for name, count in frames.items() if count > 1} == {
        "10-us-cine.dcm": 30,
        "12-rt-dose.dcm": 15,
        "15-sc-two-frames.dcm": 2,
    }


def test_no_instance_is_there_twice_and_no_study_belongs_to_two_exams(samples: dict[str, Sample]) -> None:
    assert len({sample.sop_instance_uid for sample in samples.values()}) == len(samples)
    accessions: dict[str, set[str]] = {}
    for sample in samples.values():
        accessions.setdefault(sample.study_instance_uid, set()).add(sample.accession)
    assert all(len(found) == 1 for found in accessions.values())


def test_writing_again_gives_the_same_bytes(samples: dict[str, Sample], tmp_path: Path) -> None:
    def digests(written: list[Sample]) -> list[str]:
        return [hashlib.sha256(sample.path.read_bytes()).hexdigest() for sample in written]

    write_samples(tmp_path)
    assert digests(write_samples(tmp_path)) == digests(list(samples.values()))
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES


def test_a_source_that_pydicom_lacks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = parse_recipes(resource("samples.toml").replace('"CT_small.dcm"', '"no_such.dcm"'))
    monkeypatch.setattr(demo_samples, "read_recipes", lambda: missing)
    with pytest.raises(UnknownSampleSource, match=r"does not ship this image\. no_such\.dcm") as caught:
        write_samples(tmp_path)
    assert caught.value.source == "no_such.dcm"


FIRST = resource("samples.toml").split("[[sample]]")[1]

BROKEN = [
    ('outcome = "filed"', 'outcome = "perhaps"', "01-ct-head.dcm outcome = 'perhaps'"),
    ('outcome = "filed"', "", "01-ct-head.dcm .*outcome"),
    ('sex = "M"', 'sex = "M"\nshoe_size = 9', "01-ct-head.dcm .*shoe_size"),
    ('file_name = "01-ct-head.dcm"', "", "no file_name"),
    ('sex = "M"', "sex = M", "Decode"),
]


@pytest.mark.parametrize(("old", "new", "complaint"), BROKEN)
def test_a_broken_entry_is_named(old: str, new: str, complaint: str) -> None:
    text = f"[[sample]]{FIRST}"
    assert len(parse_recipes(text)) == 1
    with pytest.raises(BrokenSampleList, match=complaint):
        parse_recipes(text.replace(old, new))


def test_a_list_without_samples_is_refused() -> None:
    with pytest.raises(SampleError, match="sample"):
        parse_recipes("")
