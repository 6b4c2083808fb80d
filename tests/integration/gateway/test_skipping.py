"""What a destination has already, as DCMTK's and Orthanc's archives say by C-FIND, is not sent there."""

from __future__ import annotations

import logging
import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from gateway_client.configuration import Configuration, Peer
from gateway_client.query_retrieve.presence import BELIEVED_FOR
from gateway_client.transmission.consignment import Consignment, Destination
from gateway_client.transmission.object_file import ObjectFile, Outcome, Result
from gateway_client.transmission.scu import StorageSCU
from runtime import DestinationSettings
from tests.integration.gateway.test_sending import Sink, shipped
from tests.support import dcmtk_archive, orthanc
from tests.support.dcmtk_archive import Dcmqrscp
from tests.support.orthanc import Orthanc
from tests.support.query_provider import QueryProvider, Table
from tests.support.sending import unnoted


@dataclass
class Sender:
    """Sends files of one study to one destination; `now` is its time in seconds."""

    directory: Path
    destination: Destination
    settings: DestinationSettings = field(default_factory=lambda: DestinationSettings(skip_present=True))
    peers: dict[str, Peer] = field(default_factory=dict)
    now: float = 0.0

    def __post_init__(self) -> None:
        destinations, times = {self.destination.name: self.settings}, {"dimse_timeout": 5.0, "connect_timeout": 2.0}
        configuration = Configuration(self.directory, self.directory, destinations=destinations, peers=self.peers, **times)
        self.scu = StorageSCU(configuration, monotonic=lambda: self.now)

    def send(self, *paths: Path, doubtful: tuple[int, ...] = (), whole: bool = False) -> list[Outcome]:
        ended: SimpleQueue[Consignment] = SimpleQueue()
        objects: list[ObjectFile] = []
        for path in paths:
            objects.append(ObjectFile(path))
            if whole:
                objects[-1].put_away()
        self.scu.send(Consignment(self.destination, "study", objects, unnoted, ended.put, doubtful=doubtful, whole=whole))
        consignment = ended.get(timeout=60)
        assert consignment.fault is None, consignment.fault
        assert len(consignment.outcomes) == len(paths)
        return [consignment.outcomes[place] for place in range(len(paths))]

    def results(self, *paths: Path, doubtful: tuple[int, ...] = ()) -> list[Result]:
        return [outcome.result for outcome in self.send(*paths, doubtful=doubtful)]


def made(directory: Path, series: int, images: int) -> list[Path]:
    """Make a study of so many series and images."""
    dataset = dcmread(shipped("CT_small.dcm"))
    dataset.StudyInstanceUID, paths = generate_uid(), []
    for _ in range(series):
        dataset.SeriesInstanceUID = generate_uid()
        for _ in range(images):
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            paths.append(directory / f"{dataset.SOPInstanceUID}.dcm")
            dataset.save_as(paths[-1])
    return paths


@pytest.fixture(params=["DCMTK", "Orthanc"])
def archive(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Destination]:
    if request.param == "DCMTK":
        with Dcmqrscp(tmp_path / "archive") as port:
            yield Destination("ARCHIVE", dcmtk_archive.AE_TITLE, "127.0.0.1", port)
    else:
        with Orthanc(tmp_path / "archive") as running:
            yield Destination("ARCHIVE", orthanc.AE_TITLE, "127.0.0.1", running.port)


def test_what_an_archive_has_is_not_sent_unless_its_answer_was_not_seen(tmp_path: Path, archive: Destination) -> None:
    sender = Sender(tmp_path, archive)
    first, second, third, fourth = made(tmp_path, series=2, images=2)
    try:
        assert sender.results(first, third) == [Result.SENT] * 2
        sender.now += BELIEVED_FOR + 1
        outcomes = sender.send(first, second, third, fourth)
        assert [it.result for it in outcomes] == [Result.PRESENT, Result.SENT, Result.PRESENT, Result.SENT]
        assert outcomes[0].reason.startswith("Not sent: it is there already, by C-FIND at ")
        assert sender.results(first, third, doubtful=(1,)) == [Result.PRESENT, Result.SENT]
    finally:
        sender.scu.close()


def test_a_destination_that_answers_no_queries_is_sent_all_and_not_asked_for_a_while(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink = Sink(tmp_path / "sink")
    sender = Sender(tmp_path, sink.destination())
    paths = made(tmp_path, series=1, images=2)
    try:
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                assert sender.results(*paths) == [Result.SENT] * 2
        assert caplog.text.count("everything is sent") == 1
    finally:
        sender.scu.close()
        sink.stop()


def test_a_folder_may_have_more_objects_than_files_may_be_open(tmp_path: Path) -> None:
    """Whoever else wants to open one meanwhile, as a port for its peers, is not kept from it."""
    sink, most = Sink(tmp_path / "sink"), resource.getrlimit(resource.RLIMIT_NOFILE)
    paths = made(tmp_path, series=1, images=100)
    settings = DestinationSettings(skip_present=True, query_ae_title="TABLE")
    with QueryProvider(Table.of_files(paths[:1])) as provider:
        sender = Sender(tmp_path, sink.destination(), settings, {"TABLE": Peer("127.0.0.1", provider.port)})
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 50, most[1]))
            outcomes = sender.send(*paths, whole=True)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, most)
            sender.scu.close()
            sink.stop()
    assert [it.result for it in outcomes] == [Result.PRESENT, *[Result.SENT] * 99]


def test_another_query_service_may_be_named_and_is_asked_once_for_a_study(tmp_path: Path) -> None:
    sink = Sink(tmp_path / "sink")
    there, missing = made(tmp_path, series=1, images=2)
    settings = DestinationSettings(skip_present=True, query_ae_title="TABLE")
    with QueryProvider(Table.of_files([there])) as provider:
        sender = Sender(tmp_path, sink.destination(), settings, {"TABLE": Peer("127.0.0.1", provider.port)})
        try:
            for _ in range(3):
                assert sender.results(there, missing) == [Result.PRESENT, Result.SENT]
            assert len(provider.heard) == 2, "its series, and the images of one"
            sender.now += BELIEVED_FOR + 1
            assert sender.results(missing) == [Result.SENT]
            assert len(provider.heard) == 4
        finally:
            sender.scu.close()
            sink.stop()
    assert len(sink.files()) == 1
