"""Prior studies come from DCMTK's and Orthanc's archives to the destination of a new one, each once."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from gateway_client.configuration import Configuration, Peer
from gateway_client.journal import Journal
from gateway_client.priors.archive import archives_of
from gateway_client.priors.fetching import FIRST_PAUSE, MOST_TRIES, Fetching
from gateway_client.priors.noting import StudiesSeen
from gateway_client.priors.searches import PriorSearches, Stage
from gateway_client.query_retrieve.presence import asked_for
from gateway_client.transmission.object_file import ObjectFile
from runtime import DestinationSettings, FixedClock, PriorSettings, ReactorThread, free_port
from tests.integration.gateway.test_sending import Sink, shipped
from tests.support import dcmtk_archive, orthanc
from tests.support.dcmtk_archive import Dcmqrscp
from tests.support.orthanc import Orthanc
from tests.support.query_provider import AE_TITLE, QueryProvider, Table
from tests.unit.gateway_client.fakes import MOMENT, FakeBroker

NAME, PATIENT = "READING ROOM", "PRIOR1"


def study(directory: Path, date: str, patient: str = PATIENT, series: int = 1, modality: str = "CT") -> list[Path]:
    """Make a study of one image a series."""
    dataset = dcmread(shipped("CT_small.dcm"))
    dataset.PatientID, dataset.StudyDate, dataset.StudyInstanceUID, paths = patient, date, generate_uid(), []
    dataset.PatientBirthDate, dataset.Modality, dataset.StudyTime = "19500131", modality, "101500"
    for _ in range(series):
        dataset.SeriesInstanceUID, dataset.SOPInstanceUID = generate_uid(), generate_uid()
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        paths.append(directory / f"{dataset.SOPInstanceUID}.dcm")
        dataset.save_as(paths[-1])
    return paths


@dataclass
class Archive:
    ae_title: str
    port: int

    def keep(self, *paths: Path) -> None:
        command = ["storescu", "-aec", self.ae_title, "127.0.0.1", str(self.port), *map(str, paths)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)


class Office:
    """The task that fetches, over a journal that outlives it."""

    def __init__(self, directory: Path, archive: Archive, port: int, holder: int = 0, **settings: object) -> None:
        self.directory, self.archive, self.clock = directory, archive, FixedClock(MOMENT)
        self.wanted, self.queued = ["export^7"], list[str]()
        self.broker = FakeBroker(
            {
                "MAGB TRANSMIT DESTINATIONS": lambda: [f"1^{NAME}^READROOM^127.0.0.1^{port}^DEMOGW1^660"],
                "MAGB EXPORT PRIORS": lambda exports, studies: (
                    self.wanted if exports else [f"study^{it}" for it in studies if it in self.queued]
                ),
            }
        )
        self.configuration = Configuration(
            directory,
            directory,
            destinations={
                NAME: DestinationSettings(
                    priors=PriorSettings(archive=archive.ae_title, **settings),
                    skip_present=bool(holder),
                    query_ae_title=AE_TITLE if holder else "",
                )
            },
            peers={archive.ae_title: Peer("127.0.0.1", archive.port), AE_TITLE: Peer("127.0.0.1", holder)},
        )
        self.reactor = ReactorThread("priors")
        self.start()

    def start(self) -> None:
        self.journal = Journal(self.directory / "journal.db", synchronous="NORMAL")
        self.searches = PriorSearches(self.journal)
        (archive,) = archives_of(self.configuration, self.reactor)
        asked = partial(asked_for, self.configuration)
        self.fetching = Fetching(self.configuration, self.searches, archive, asked, self.clock, lambda: 1.0)
        self.fetching.connected(self.broker)

    def see(self, path: Path, export: int = 7) -> None:
        one = ObjectFile(path)
        StudiesSeen(self.configuration, self.searches).see(NAME, export, 12, one, self.clock.seconds())
        one.close()

    def run(self) -> None:
        while self.fetching.step(self.broker):
            pass

    def stories(self) -> list[list[str]]:
        return [line.split("^")[5:] for line in self.journal.events(100)[0]]


@pytest.fixture(params=["DCMTK", "Orthanc"])
def archive(tmp_path: Path, request: pytest.FixtureRequest, sink: Sink) -> Iterator[Archive]:
    destinations = {"READROOM": sink.port}
    if request.param == "DCMTK":
        with Dcmqrscp(tmp_path / "archive", destinations) as port:
            yield Archive(dcmtk_archive.AE_TITLE, port)
    else:
        with Orthanc(tmp_path / "archive", destinations) as running:
            yield Archive(orthanc.AE_TITLE, running.port)


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    sink = Sink(tmp_path / "sink")
    yield sink
    sink.stop()


def arrived(sink: Sink) -> set[str]:
    return {str(dcmread(path).SOPInstanceUID) for path in sink.files()}


def uids(*paths: Path) -> set[str]:
    return {path.stem for path in paths}


def test_the_latest_priors_of_the_patient_come_once_however_often_it_is_begun(
    tmp_path: Path, archive: Archive, sink: Sink
) -> None:
    oldest, old, mr, late = (
        study(tmp_path, "20150101"),
        study(tmp_path, "20230101", series=2),
        study(tmp_path, "20240101", modality="MR"),
        study(tmp_path, "20250101"),
    )
    other, new = study(tmp_path, "20250601", "PRIOR2"), study(tmp_path, "20260101")
    same_day = study(tmp_path, "20260101")
    archive.keep(*oldest, *old, *mr, *late, *other, *same_day, *new)
    office = Office(tmp_path, archive, sink.port, number=2, same_modality=True)
    office.see(new[0])
    assert office.fetching.step(office.broker), "the broker is asked whether a rule wants priors"
    office.start()  # as after a kill
    assert office.fetching.step(office.broker), "they are found"
    office.start()
    assert office.fetching.step(office.broker), "one is moved"
    assert arrived(sink) == uids(*late)
    office.start()
    office.see(new[0])
    office.run()
    assert arrived(sink) == uids(*late, *old)
    assert office.searches.counts() == {"OVER": 2}
    assert [story[0] for story in office.stories()] == ["2 found", "moved", "moved"]
    assert "2 objects" in office.stories()[-1][1]
    office.reactor.stop()


def test_series_that_the_destination_has_are_not_moved_nor_what_this_site_sends_itself(
    tmp_path: Path, archive: Archive, sink: Sink
) -> None:
    whole, half, ours = study(tmp_path, "20250101"), study(tmp_path, "20240101", series=2), study(tmp_path, "20230101")
    (new,) = study(tmp_path, "20260101")
    archive.keep(*whole, *half, *ours)
    with QueryProvider(Table.of_files([*whole, half[0]])) as holder:
        office = Office(tmp_path, archive, sink.port, holder.port)
        office.queued = [f"{NAME}^{dcmread(ours[0]).StudyInstanceUID}"]
        office.see(new)
        office.run()
    assert arrived(sink) == uids(half[1])
    assert [story[0] for story in office.stories()] == ["3 found", "already there", "moved"]
    office.reactor.stop()


def test_where_the_destination_cannot_be_asked_its_priors_are_moved_whole(tmp_path: Path, archive: Archive, sink: Sink) -> None:
    prior, (new,) = study(tmp_path, "20250101"), study(tmp_path, "20260101")
    archive.keep(*prior)
    office = Office(tmp_path, archive, sink.port, free_port())
    office.see(new)
    office.run()
    assert arrived(sink) == uids(*prior)
    office.reactor.stop()


@pytest.fixture
def nobody() -> Archive:
    return Archive("ARCHIVE", free_port())


def test_where_no_rule_asks_for_priors_nothing_is_asked(tmp_path: Path, nobody: Archive) -> None:
    (new,) = study(tmp_path, "20260101")
    office = Office(tmp_path, nobody, 1)
    office.wanted = ["export^8"]
    office.see(new)
    office.run()
    assert office.fetching.step(office.broker) is False
    assert office.stories() == []
    office.see(new, export=8)
    assert office.fetching.step(office.broker)
    (search,) = office.searches.searches(Stage.WAITING, "ARCHIVE", office.clock.seconds(), 9)
    assert (search.export, search.study.patient_id) == (8, PATIENT), "another rule asks for them with the same study"
    office.reactor.stop()


def test_an_archive_that_is_away_is_asked_again_and_given_up_in_the_end(tmp_path: Path, nobody: Archive) -> None:
    (new,) = study(tmp_path, "20260101")
    office = Office(tmp_path, nobody, 1, every_study=True)
    office.see(new)
    office.run()
    office.run()
    assert office.searches.searches(Stage.WAITING, "ARCHIVE", office.clock.seconds(), 9) == []
    office.clock.advance(FIRST_PAUSE)
    assert [it.tries for it in office.searches.searches(Stage.WAITING, "ARCHIVE", office.clock.seconds(), 9)] == [1]
    for _ in range(MOST_TRIES):
        office.clock.advance(3600)
        office.run()
    ((outcome, detail),) = office.stories()
    assert outcome == "failed"
    assert detail.startswith(f"{NAME}: not searched for: No association with ARCHIVE")
    office.reactor.stop()


def test_a_stop_counts_no_try(tmp_path: Path, nobody: Archive) -> None:
    (new,) = study(tmp_path, "20260101")
    office = Office(tmp_path, nobody, 1, every_study=True)
    office.see(new)
    office.fetching.step(office.broker)
    office.fetching._archive.close()
    office.fetching.step(office.broker)
    assert [it.tries for it in office.searches.searches(Stage.WAITING, "ARCHIVE", office.clock.seconds(), 9)] == [0]
    office.reactor.stop()
