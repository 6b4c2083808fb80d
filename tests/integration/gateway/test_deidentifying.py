"""De-identified objects at a DCMTK storescp: nothing of the patient is in the bytes that came, and dciodvfy finds them sound."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from gateway_client.coercion.changes import change_for
from gateway_client.coercion.pseudonyms import read_key
from gateway_client.configuration import Configuration
from gateway_client.objects.part10 import read_meta
from gateway_client.transmission.consignment import Destination
from gateway_client.transmission.object_file import ObjectFile, Result
from gateway_client.transmission.scu import StorageSCU
from runtime import DestinationSettings
from tests.support.dicom import Storescp
from tests.support.sending import send_all

SETTINGS = DestinationSettings.model_validate(
    {
        "transcode": ["implicit"],
        "deidentify": {"retain_dates": "modified", "clean_descriptors": ["head*"]},
        "coerce": [{"attribute": "InstitutionName", "set": "TRIAL 7"}],
    }
)


def identified(name: str, path: Path) -> Path:
    """Write a file of pydicom's with a patient whose traces can be found."""
    dataset = dcmread(str(get_testdata_file(name, download=False)))
    dataset.PatientName, dataset.PatientID, dataset.AccessionNumber = "SECRET^PATIENT", "SECRET-ID", "SECRET-ACC"
    dataset.OperatorsName, dataset.StudyDescription, dataset.StudyDate = "SECRET^OPERATOR", "SECRET STUDY", "20240229"
    dataset.private_block(0x0029, "SECRET", create=True).add_new(0x01, "LO", "SECRET")
    dataset.save_as(path)
    return path


def errors(path: Path) -> set[str]:
    """Give what dciodvfy finds wrong."""
    done = subprocess.run(["dciodvfy", path], capture_output=True, timeout=60, check=False)
    return {line for line in done.stderr.decode("latin-1").splitlines() if line.startswith("Error")}


@pytest.mark.parametrize(
    ("name", "options"),
    [("CT_small.dcm", ()), ("MR_small_RLE.dcm", ("+xr",)), ("MR_small_RLE.dcm", ("+xi",)), ("examples_overlay.dcm", ())],
)
def test_what_comes_has_nothing_of_the_patient_and_is_sound(tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    path = identified(name, tmp_path / "one.dcm")
    change = change_for(SETTINGS, lambda: read_key(tmp_path / "key"))
    scu = StorageSCU(Configuration(tmp_path / "gateway", tmp_path, destinations={"RESEARCH": SETTINGS}))
    one = ObjectFile(path, change)
    uid = one.meta.sop_instance_uid
    with Storescp(tmp_path / "sink", options=options) as peer:
        outcome = send_all(scu, Destination("RESEARCH", "SINK", "127.0.0.1", peer.port), "study", [one])[0]
        (file,) = peer.received()[uid]
    scu.close()
    assert outcome.result is Result.SENT, outcome
    assert outcome.reason.endswith(f"It is {uid} there.")
    content, before, after = file.read_bytes(), dcmread(path), dcmread(file)
    uids = [before.SOPInstanceUID, before.StudyInstanceUID, before.SeriesInstanceUID]
    assert not [it for it in (b"SECRET", b"20240229", *(uid.encode() for uid in uids)) if it in content]
    assert after.PatientIdentityRemoved == "YES"
    assert after.InstitutionName == "TRIAL 7"
    assert after.SOPInstanceUID == read_meta(file).sop_instance_uid == uid
    assert (after.pixel_array == before.pixel_array).all()
    assert errors(file) <= errors(path)
