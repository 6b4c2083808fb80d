"""What stands on the CORRECT list is corrected by a person over RPC, and filed or deleted by the gateway, once."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid
from sqlalchemy import select, update

from fileman.files import DicomFailedImage, Exam, Image, ImageEvent, ImageHeader
from gateway_client.acquisition import originals
from gateway_client.acquisition.filing import Means
from gateway_client.acquisition.releasing import Releasing
from gateway_client.acquisition.storing import Storing
from gateway_client.configuration import Configuration
from gateway_client.correction.correcting import Correcting
from gateway_client.journal import Journal, State
from gateway_client.objects.part10 import digest_of, read_meta
from gateway_client.reception.spool import Origin, Spool
from rpcs.actions import RefusedAction, answer_of
from runtime import FixedClock
from tests.support.broker import RunningBroker
from tests.support.dicom import data_set_bytes, make_slices
from xwb import BrokerClient

MOMENT = datetime.fromisoformat("2026-11-21T09:30")
RIGHT = {"NAME": "DEMO^PATIENT^ONE", "PATIENT_ID": "666-00-1100", "ACCESSION": "021026-201"}


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Site:
    """A broker, a person, and the tasks of a gateway done step by step, which may be killed at any step."""

    directory: Path
    broker: RunningBroker
    client: BrokerClient
    clock: FixedClock = field(default_factory=lambda: FixedClock(MOMENT))

    def __post_init__(self) -> None:
        """Start."""
        self.person = self.broker.client("DEMOMG1", "1MGR!@#$", "MAGB GATEWAY")
        self.start()

    def start(self) -> None:
        """Start the gateway's tasks on what an earlier run left."""
        self.configuration = Configuration(self.directory / "gateway", self.directory)
        self.configuration.directory.mkdir(exist_ok=True)
        self.spool = Spool(self.configuration.spool, self.clock)
        self.journal = Journal(self.configuration.journal, synchronous="NORMAL")
        means = Means(self.configuration, self.spool, self.journal, self.clock, lambda: 0.5)
        self.storing, self.releasing, self.correcting = Storing(means), Releasing(means), Correcting(means)
        self.storing.recover()
        self.releasing.connected(self.client)

    def stop(self) -> None:
        """End without a word."""
        self.journal.close()
        self.spool.close()

    def receive(self, path: Path) -> None:
        """Take an object as from a modality."""
        meta = read_meta(path)
        writer = self.spool.begin(meta, Origin("CT1", "MAGBROKER", "127.0.0.1"))
        writer.write(path.read_bytes()[meta.offset :])
        self.storing.received(writer.commit())

    def work(self) -> None:
        """Do all that there is to do, and once more after the pause between two questions."""
        for _ in range(2):
            more = True
            while more:
                more = False
                for task in (self.storing, self.releasing, self.correcting):
                    task.offline()
                    more = task.step(self.client) or more
            self.clock.advance(self.configuration.correct_seconds)

    def ask(self, name: str, **asked: object) -> Any:
        """Have the person call a procedure."""
        return answer_of(self.person.call(f"MAGB CORRECT {name}", {key: str(value) for key, value in asked.items()}).text)

    def rows(self, statement: Any) -> list[Any]:
        """Look into the broker's database."""
        return list(self.broker.store.transact(lambda connection: connection.execute(statement).all()))

    def counts(self) -> dict[str, int]:
        """Count the gateway's objects by state."""
        return self.journal.counts()

    def filed(self) -> dict[str, list[Dataset]]:
        """Give the files in the network location by SOP Instance UID."""
        found: dict[str, list[Dataset]] = {}
        for path in (self.directory / "image1").rglob("*.DCM"):
            dataset = dcmread(path)
            found.setdefault(dataset.SOPInstanceUID, []).append(dataset)
        return found

    def story(self, uid: str) -> list[tuple[str, str]]:
        """Give the steps of an image on the CORRECT list."""
        statement = select(ImageEvent.outcome, ImageEvent.detail).filter_by(uid=uid, stage="CORRECT").order_by(ImageEvent.ien)
        return [tuple(row) for row in self.rows(statement)]

    def spooled(self) -> list[str]:
        """List every file of the spool by its directory."""
        return sorted(path.parent.name for path in self.configuration.spool.rglob("*") if path.is_file())


@pytest.fixture
def site(tmp_path: Path, demo_broker: RunningBroker) -> Iterator[Site]:
    with demo_broker.client("DEMOGW1", "1GWY!@#$", "MAGB GATEWAY") as client:
        site = Site(tmp_path, demo_broker, client)
        yield site
        site.stop()
        site.person.close()


def wrong_study(directory: Path, count: int, **values: str) -> dict[str, Path]:
    """Make slices of a study whose exam nobody knows."""
    slices = make_slices(directory, count)
    study = generate_uid()
    for path in slices.values():
        dataset = dcmread(path)
        dataset.StudyInstanceUID = study
        for keyword, value in {"PatientName": "MIX^UP", "PatientID": "0", "AccessionNumber": "X1", **values}.items():
            setattr(dataset, keyword, value)
        dataset.private_block(0x0019, "NOBODY KNOWS", create=True).add_new(0x01, "LO", "MIX^UP")
        dataset.save_as(path)
    return slices


def test_a_corrected_study_is_filed_with_the_new_values_and_its_originals_are_kept(site: Site, tmp_path: Path) -> None:
    slices = wrong_study(tmp_path / "slices", 3)
    for path in slices.values():
        site.receive(path)
    site.work()
    assert site.counts() == {"CORRECT": 3}
    (study,) = site.ask("LIST")["entries"]
    assert (study["reason"], study["patient_id"], study["accession"], study["images"]) == ("BAD CASE #", "0", "X1", 3)
    site.ask("FIX", STUDY=study["ien"], **RIGHT)
    site.work()
    assert site.counts() == {"FILED": 3}
    assert site.ask("LIST") == {"entries": [], "next": None}
    assert site.rows(select(DicomFailedImage)) == []
    filed = site.filed()
    for uid, path in slices.items():
        (dataset,), before = filed[uid], dcmread(path)
        assert (dataset.PatientName, dataset.PatientID, dataset.AccessionNumber) == tuple(RIGHT.values())
        (item,) = dataset.OriginalAttributesSequence
        old = item.ModifiedAttributesSequence[0]
        assert (old.PatientName, old.PatientID, old.AccessionNumber) == ("MIX^UP", "0", "X1")
        assert (item.ModifyingSystem, item.ReasonForTheAttributeModification) == ("DEMOGW1", "CORRECT")
        assert dataset.PixelData == before.PixelData
        assert "(0019,1101) NOBODY KNOWS" in " ".join(detail for _, detail in site.story(uid))
        assert [outcome for outcome, _ in site.story(uid)] == ["fixed", "corrected", "corrected"]
    kept = site.configuration.spool / "original"
    assert {dcmread(path).SOPInstanceUID: data_set_bytes(path) for path in kept.iterdir()} == {
        uid: data_set_bytes(path) for uid, path in slices.items()
    }
    digests = dict(map(tuple, site.rows(select(Image.uid, Image.digest).where(Image.uid.in_(slices)))))
    assert digests == {uid: digest_of(Path(str(filed[uid][0].filename))) for uid in slices}


def test_originals_go_when_their_time_is_over(site: Site, tmp_path: Path) -> None:
    (path,) = wrong_study(tmp_path / "slices", 1).values()
    site.receive(path)
    site.work()
    site.ask("FIX", STUDY=site.ask("LIST")["entries"][0]["ien"], **RIGHT)
    site.work()
    for days, left in ((29, 1), (2, 0)):
        site.clock.advance(days * 86400)
        site.work()
        assert (site.correcting.kept(), len(list((site.configuration.spool / "original").iterdir()))) == (left, left)


def test_a_deleted_study_leaves_nothing_but_its_story(site: Site, tmp_path: Path) -> None:
    slices = wrong_study(tmp_path / "slices", 3)
    for path in slices.values():
        site.receive(path)
    site.work()
    study = site.ask("LIST")["entries"][0]["ien"]
    site.ask("FIX", STUDY=study, ACCESSION="ALSO WRONG")
    site.work()
    assert site.spooled() == ["in"] * 3 + ["original"] * 3
    site.ask("DELETE", STUDY=study, REASON="a phantom")
    site.work()
    assert site.spooled() == []
    assert site.counts() == {}
    assert [site.rows(select(file)) for file in (DicomFailedImage, Image)] == [[], []]
    assert site.rows(select(ImageHeader).where(ImageHeader.uid.in_(slices))) == []
    for uid in slices:
        assert site.story(uid)[-2:] == [("to be deleted", "a phantom"), ("deleted", "-2,BAD CASE #")]


def test_a_study_that_fits_no_exam_again_waits_again_and_is_corrected_from_its_original(site: Site, tmp_path: Path) -> None:
    slices = wrong_study(tmp_path / "slices", 2)
    for path in slices.values():
        site.receive(path)
    site.work()
    study = site.ask("LIST")["entries"][0]["ien"]
    site.ask("FIX", STUDY=study, NAME="NOBODY,AT ALL", ACCESSION="X2")
    site.work()
    assert site.counts() == {"CORRECT": 2}
    (listed,) = site.ask("LIST")["entries"]
    assert (listed["ien"], listed["queued"]) == (study, "")
    site.ask("FIX", STUDY=study, **RIGHT)
    site.work()
    assert site.counts() == {"FILED": 2}
    for (dataset,) in site.filed().values():
        (item,) = dataset.OriginalAttributesSequence
        assert item.ModifiedAttributesSequence[0].PatientName == "MIX^UP", "one change, from what was received"


def test_what_is_tried_again_without_new_values_is_filed_bit_for_bit(site: Site, tmp_path: Path) -> None:
    """The exam of a study is entered late."""
    right = {"PatientName": RIGHT["NAME"], "PatientID": RIGHT["PATIENT_ID"], "AccessionNumber": RIGHT["ACCESSION"]}
    ((uid, path),) = wrong_study(tmp_path / "slices", 1, **right).items()
    accession = update(Exam).where(Exam.accession.in_([RIGHT["ACCESSION"], "LATER"]))
    site.broker.store.transact(lambda connection: connection.execute(accession.values(accession="LATER")))
    site.receive(path)
    site.work()
    (study,) = site.ask("LIST")["entries"]
    site.broker.store.transact(lambda connection: connection.execute(accession.values(accession=RIGHT["ACCESSION"])))
    site.ask("FIX", STUDY=study["ien"])
    site.work()
    (dataset,) = site.filed()[uid]
    assert data_set_bytes(Path(str(dataset.filename))) == data_set_bytes(path)
    assert site.spooled() == []


def test_the_original_sent_again_after_a_correction_is_known(site: Site, tmp_path: Path) -> None:
    slices = wrong_study(tmp_path / "slices", 1)
    (path,) = slices.values()
    for _ in range(2):
        site.receive(path)  # the second one waits on the list too
    site.work()
    site.ask("FIX", STUDY=site.ask("LIST")["entries"][0]["ien"], **RIGHT)
    site.work()
    site.receive(path)
    site.work()
    assert site.counts() == {"FILED": 1, "DUPLICATE": 2}
    assert site.ask("LIST")["entries"] == []


def test_many_studies_and_more_images_than_a_query_lists_are_worked_off(site: Site, tmp_path: Path) -> None:
    sizes = [30, 1, 1, 27, 2]
    for number, size in enumerate(sizes):
        for path in wrong_study(tmp_path / f"slices{number}", size).values():
            site.receive(path)
    site.work()
    studies = site.ask("LIST", LIMIT=3)
    assert [study["images"] for study in studies["entries"]] == sizes[:3]
    studies["entries"] += site.ask("LIST", LIMIT=3, AFTER=studies["next"])["entries"]
    assert [study["images"] for study in studies["entries"]] == sizes
    assert len(site.ask("LIST", STUDY=studies["entries"][0]["ien"])["entries"]) == 30
    for number, study in enumerate(studies["entries"]):
        if number == 3:
            site.ask("DELETE", STUDY=study["ien"])
        else:
            site.ask("FIX", STUDY=study["ien"], **RIGHT)
    site.work()
    assert site.counts() == {"FILED": sum(sizes) - 27}
    assert site.ask("LIST")["entries"] == []


def test_an_object_that_cannot_be_changed_stays_on_the_list_with_the_reason(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((uid, path),) = wrong_study(tmp_path / "slices", 1).items()
    site.receive(path)
    site.work()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(originals, "rewrite", full)
    site.ask("FIX", STUDY=site.ask("LIST")["entries"][0]["ien"], **RIGHT)
    site.work()
    assert site.counts() == {"CORRECT": 1}
    assert site.story(uid)[1:] == [("refused", "[Errno 28] No space left on device")], "once, not at every question"
    assert site.ask("LIST")["entries"][0]["queued"] == "FIXED"
    monkeypatch.undo()
    site.clock.advance(300)
    site.work()
    assert site.counts() == {"FILED": 1}


def test_what_was_asked_can_be_taken_back_until_the_gateway_has_filed(site: Site, tmp_path: Path) -> None:
    for path in wrong_study(tmp_path / "slices", 2).values():
        site.receive(path)
    site.work()
    study = site.ask("LIST")["entries"][0]["ien"]
    site.ask("DELETE", STUDY=study)
    with pytest.raises(RefusedAction, match="queued already"):
        site.ask("FIX", STUDY=study, **RIGHT)
    site.ask("UNDO", STUDY=study)
    site.work()
    assert site.counts() == {"CORRECT": 2}
    site.ask("FIX", STUDY=study, **RIGHT)
    site.correcting.step(site.client)
    site.storing.step(site.client)
    with pytest.raises(RefusedAction, match="has filed"):
        site.ask("UNDO", STUDY=study)
    site.work()
    assert site.counts() == {"FILED": 2}
    assert site.ask("LIST")["entries"] == []


#: What is done to disk and journal while something is corrected or deleted: the process ends before or behind the n-th.
_STEPS = ["link", "rename", "unlink", "fsync"]


@pytest.mark.parametrize("asked", ["FIX", "DELETE"])
def test_a_gateway_killed_between_any_two_steps_files_each_image_once_or_deletes_it(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    """The n-th step of a run is its last, for n from 1 on until a run gets through; each run has a study of its own."""
    steps, last, filed = 0, 0, list[str]()

    def stepping(function: Callable[..., Any], *, behind: bool = False) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            nonlocal steps
            steps += 1
            done = function(*arguments, **named) if behind else None
            if steps == last:
                raise Killed
            return done if behind else function(*arguments, **named)

        return step

    while not steps or steps >= last:
        last, steps = last + 1, 0
        slices = wrong_study(tmp_path / f"slices{last}", 2)
        for path in slices.values():
            site.receive(path)
        site.work()
        (study,) = site.ask("LIST")["entries"]
        site.ask(asked, STUDY=study["ien"], **(RIGHT if asked == "FIX" else {}))
        with monkeypatch.context() as patch:
            for name in _STEPS:
                patch.setattr(os, name, stepping(getattr(os, name)))
            patch.setattr(site.client, "call", stepping(site.client.call, behind=True))
            steps = 0
            with contextlib.suppress(Killed):
                site.work()
        site.stop()
        site.start()
        site.work()
        site.clock.advance(300)
        site.work()
        filed += slices if asked == "FIX" else []
        assert site.ask("LIST")["entries"] == []
        assert site.counts() == ({"FILED": len(filed)} if filed else {})
        assert {uid: len(found) for uid, found in site.filed().items()} == dict.fromkeys(filed, 1)
        assert site.journal.in_state(State.CORRECT, 1e12, 1) == []
        assert site.spooled() == ["original"] * len(filed)
    assert last > 10
