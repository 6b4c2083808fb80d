"""Accession number codes: what each takes from a header, and what becomes of the object then."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_client.acquisition.accession import Extracted, extract
from gateway_client.correction.corrections import Corrections, Values
from gateway_client.dictionaries import Dictionaries, Extractor, Modalities, Modality
from gateway_client.journal import State
from gateway_client.objects.header import InstanceHeader
from tests.unit.gateway_client.fakes import Desk, element

ROOT = "1.2.840.113754.1.4"
#: The code, what the header says, the number that is found; where it stood in the patient's ID or name, what is left of that.
CASES: list[tuple[str, dict[str, str], str, str]] = [
    ("CORRECT", {"accession": "021026-201"}, "021026-201", ""),
    ("CORRECT", {"accession": "GMRC-12 x", "study_id": "7"}, "GMRC-12 x", ""),
    ("CORRECT", {"study_id": "7"}, "", ""),
    # STUDYUID^MAGDRAHL: station 660, RADTI 6739789.9184 (10 Feb 2026 08:15), RACNI 1, accession 021026-201
    ("STUDYUID", {"study_uid": f"{ROOT}.660.6739789.9184.1.21026.201", "accession": "x"}, "021026-201", ""),
    ("STUDYUID", {"study_uid": f"{ROOT}.660.6739789.9184.1.660.21026.201"}, "660-021026-201", ""),
    ("STUDYUID", {"study_uid": f"{ROOT}.660.6738768.8.2.123126.99999"}, "123126-99999", ""),
    ("STUDYUID", {"study_uid": f"{ROOT}.660.6739789.9184.1.31026.201"}, "", ""),  # the dates are two
    ("STUDYUID", {"study_uid": "1.2.840.10008.5.1", "accession": "021026-201"}, "", ""),
    ("STUDYUID", {"study_uid": ""}, "", ""),
    ("GEMSPACS", {"accession": "021026-201", "study_id": "7"}, "021026-201", ""),
    ("GEMSPACS", {"study_id": "021026-201"}, "021026-201", ""),
    ("PQ2000", {"study_id": "CT 201", "accession": "x"}, "201", ""),
    ("PQ2000", {"study_id": "CT", "accession": "021026-201"}, "021026-201", ""),
    ("GECTHISA", {"accession": "021026-201 HEAD"}, "021026-201", ""),
    ("GECTHISA", {"study_id": "7"}, "", ""),  # the scanner's own number of the exam
    ("GEDRS", {"study_id": "021026-201"}, "021026-201", ""),
    ("GEDRS", {"accession": "201"}, "201", ""),
    ("LONGCASE", {"accession": "021026-201"}, "021026-201", ""),
    ("LONGCASE", {"accession": "RAD 660-021026-201/1"}, "660-021026-201", ""),
    ("LONGCASE", {"accession": "201"}, "", ""),
    ("LONGCASE", {"accession": "4021026-201"}, "", ""),
    ("PIDCASE", {"patient_id": "666001100 201"}, "201", "666001100"),
    ("PIDCASE", {"patient_id": "666-00-1100-021026-201"}, "021026-201", "666-00-1100"),
    ("PIDCASE", {"patient_id": "666001100201"}, "201", "666001100"),
    ("PIDCASE", {"patient_id": "666001100P/201"}, "201", "666001100P"),
    ("PIDCASE", {"patient_id": "666001100"}, "", "666001100"),
    ("PIDCASE", {"patient_id": "MRN17"}, "", "MRN17"),
    ("PIDCASE2", {"patient_id": "666-00-1100//021026-201"}, "021026-201", "666-00-1100"),
    ("PIDCASE2", {"patient_id": "MRN17 // 201 "}, "201", "MRN17"),
    ("PIDCASE2", {"patient_id": "666-00-1100/201"}, "", "666-00-1100/201"),
    ("STUDYID", {"study_id": "660-021026-201", "accession": "x"}, "660-021026-201", ""),
    ("STUDYID", {"study_id": "7", "accession": "021026-201"}, "", ""),
    ("ADACNM", {"accession": "021026-201"}, "021026-201", ""),
    ("ADACNM", {"accession": "7", "study_id": "NM 021026-201"}, "021026-201", ""),
    ("SERDESC", {"series_description": "BONE 021026-201 ANT"}, "021026-201", ""),
    ("SERDESC", {"series_description": "201"}, "201", ""),
    ("SERDESC", {"series_description": "TC99M BONE", "accession": "x"}, "", ""),
    ("PNAME", {"patient_name": "DEMO^PATIENT ONE^201"}, "201", "DEMO^PATIENT ONE"),
    ("PNAME", {"patient_name": "DEMO,PATIENT 021026-201=\u4e00"}, "021026-201", "DEMO,PATIENT=\u4e00"),
    ("PNAME", {"patient_name": "DEMO^PATIENT"}, "", "DEMO^PATIENT"),
    ("MEDCASE", {"accession": "MED-12"}, "MED-12", ""),
    ("MEDCASE", {"study_id": "12"}, "12", ""),
]


@pytest.mark.parametrize(("code", "said", "number", "left"), CASES)
def test_a_code_takes_the_number_from_where_it_stands(code: str, said: dict[str, str], number: str, left: str) -> None:
    header = InstanceHeader(**{"patient_id": "ID", "patient_name": "NAME", **said})
    patient_id = left if code.startswith("PIDCASE") else "ID"
    patient_name = left if code == "PNAME" else "NAME"
    assert extract(Extractor[code], header) == Extracted(number, patient_id, patient_name)


def test_every_code_is_tried_and_one_has_images_ignored() -> None:
    assert {code for code, *_ in CASES} | {"IGNORE"} == set(Extractor)
    assert extract(Extractor.IGNORE, InstanceHeader(accession="x")) is None


_texts = st.text(max_size=64)


@pytest.mark.parametrize("filler", [" ", "^", ", ", "A ", "12-"])
@pytest.mark.parametrize("extractor", Extractor)
def test_values_of_any_length_hold_nothing_up(extractor: Extractor, filler: str) -> None:
    """With expressions that go back and forth it would take longer than any test."""
    text = f"A{filler * 30_000}B"
    extracted = extract(extractor, InstanceHeader(*[text] * (len(InstanceHeader._fields) - 1)))
    assert (extracted is None) is (extractor is Extractor.IGNORE)


@given(st.sampled_from(Extractor), st.builds(InstanceHeader, *[_texts] * 16))
def test_whatever_a_header_says_nothing_raises(extractor: Extractor, header: InstanceHeader) -> None:
    extracted = extract(extractor, header)
    assert (extracted is None) is (extractor is Extractor.IGNORE)


def desk_with(directory: Path, *modalities: Modality) -> Desk:
    found = {modality.key: modality for modality in modalities}
    return Desk(directory, changes={"dictionaries": Dictionaries(modalities=Modalities(found))})


def store1(desk: Desk) -> list[str]:
    """Give the pieces of the one STORE1 that was sent, its opcode first."""
    (line,) = (line for request in desk.requests() for line in request if line.startswith("STORE1"))
    return line.split("|")


def test_the_equipment_decides_number_rules_and_service(tmp_path: Path) -> None:
    desk = desk_with(
        tmp_path,
        Modality(),
        Modality("ACME", "BETA", "CT", "b12 f0 R8/<DICOM>", Extractor.STUDYID, service="LAB"),
    )
    beta = element(0x20, 0x10, "SH", "021026-777")
    desk.receive("1.2.1", extra=beta, equipment=("ACME", "BETA"))
    desk.step()
    pieces = store1(desk)
    assert (pieces[4], pieces[9], pieces[10], pieces[16]) == ("LAB", "021026-777", "021026-201", "b12 f0 R8/<DICOM>")
    desk.close()


def test_a_corrected_number_counts_wherever_the_equipment_puts_one(tmp_path: Path) -> None:
    desk = desk_with(tmp_path, Modality(extractor=Extractor.STUDYID))
    desk.imaging.refusals["1.2.1"] = ["STORE|-2 Image Association Problem||MAGDIR81|", "MSG|END|-1,NO CASE #"]
    desk.receive("1.2.1")
    desk.step()
    assert desk.states() == {"1.2.1": "CORRECT"}
    corrections = Corrections(desk.journal)
    (instance,) = desk.journal.in_state(State.CORRECT, desk.clock.seconds(), 1)
    corrections.try_values(instance, Values(accession="021026-888"), desk.clock.seconds())
    corrections.store_again(instance, None, False, desk.clock.seconds())
    desk.imaging.refusals.clear()
    while desk.step():
        pass
    assert desk.states() == {"1.2.1": "FILED"}
    numbers = [line.split("|")[9] for request in desk.requests() for line in request if line.startswith("STORE1")]
    assert numbers == ["", "021026-888"]
    desk.close()


def test_an_ignored_image_leaves_the_spool_and_its_story_says_so(tmp_path: Path) -> None:
    desk = desk_with(tmp_path, Modality(extractor=Extractor.IGNORE))
    desk.receive("1.2.1")
    desk.receive("1.2.2")
    while desk.step():
        pass
    assert desk.states() == {"1.2.1": "IGNORED", "1.2.2": "IGNORED"}
    assert desk.spool.names() == []
    assert desk.imaging.images == {}
    assert [event[2] for event in desk.events()] == ["RECEIVE", "RECEIVE", "IGNORE", "IGNORE"]
    desk.restart()
    assert desk.step() is False
    desk.close()
