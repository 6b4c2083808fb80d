"""A study that fits no exam is corrected or deleted by a person while the gateway is killed again and again."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.uid import generate_uid

from rpcs.actions import answer_of
from tests.support.broker import signed_on_client
from tests.support.dicom import data_set_bytes, make_slices, storescu
from tests.support.services import Services, demo_site
from tests.support.waiting import until

#: Between how many of the study's 30 objects are corrected when the gateway is killed.
KILLS = ((1, 8), (9, 16), (17, 24))
RIGHT = {"NAME": "DEMO^PATIENT^ONE", "PATIENT_ID": "666-00-1100", "ACCESSION": "021026-201"}


def _wrong(directory: Path, count: int) -> dict[str, Path]:
    """Make slices of a study that has no exam."""
    slices, study = make_slices(directory, count), generate_uid()
    for path in slices.values():
        dataset = dcmread(path)
        dataset.StudyInstanceUID, dataset.PatientName, dataset.AccessionNumber = study, "MIX^UP", "X1"
        dataset.save_as(path)
    return slices


def test_a_study_is_corrected_and_another_deleted_though_the_gateway_is_killed(tmp_path: Path) -> None:
    fixed, deleted = _wrong(tmp_path / "fixed", 30), _wrong(tmp_path / "deleted", 30)
    chance = random.Random(8)
    environment = {"MAGBROKER_GATEWAY__CORRECT_SECONDS": "1"}
    with Services(tmp_path / "var", demo_site(tmp_path / "site.toml"), environment=environment) as services:
        spool = services.directory / "gateway" / "spool"
        for slices in (fixed, deleted):
            storescu(services.dicom_port, *slices.values())
        with signed_on_client(services.broker_port, "DEMOMG1", "1MGR!@#$", "MAGB GATEWAY") as client:

            def corrected(count: int) -> bool:
                return len(list(spool.glob("original/*"))) >= count

            def ask(name: str, **asked: object) -> Any:
                return answer_of(client.call(f"MAGB CORRECT {name}", {key: str(it) for key, it in asked.items()}).text)

            until(lambda: sum(it["images"] for it in ask("LIST")["entries"]) == len(fixed) + len(deleted), "all on the list")
            for study in ask("LIST")["entries"]:
                if study["image_uid"] in fixed:
                    ask("FIX", STUDY=study["ien"], **RIGHT)
                else:
                    ask("DELETE", STUDY=study["ien"])
            for bounds in KILLS:
                until(partial(corrected, chance.randint(*bounds)), "some of the originals")
                services.kill(services.gateway)
                assert ask("LIST")["entries"], "every kill must fall while there is something to correct or to delete"
                services.start(services.gateway)
            until(lambda: ask("LIST")["entries"] == [], "an empty list")
        until(lambda: not list((spool / "in").iterdir()), "an empty spool")
        found = [dcmread(path) for path in services.directory.rglob("image1/**/*.DCM")]
        filed = {str(dataset.SOPInstanceUID): dataset for dataset in found}
        originals = {dcmread(path).SOPInstanceUID: data_set_bytes(path) for path in (spool / "original").iterdir()}
        assert not list((spool / "held").iterdir())
    assert len(found) == len(fixed)
    assert originals == {uid: data_set_bytes(path) for uid, path in fixed.items()}
    for uid in fixed:
        assert (filed[uid].PatientName, filed[uid].PatientID, filed[uid].AccessionNumber) == tuple(RIGHT.values())
        (item,) = filed[uid].OriginalAttributesSequence
        assert item.ModifiedAttributesSequence[0].PatientName == "MIX^UP"
