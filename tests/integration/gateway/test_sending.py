"""The transmitter's association with DCMTK at the other end: every bit as it is, and every way in which it can go wrong."""

from __future__ import annotations

import subprocess
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest
from pydicom.data import get_testdata_file

from dul import CommandField, InMemory, Listener, Listening, Policy, Request, negotiate
from dul import Sink as DataSink
from gateway_client.configuration import Configuration
from gateway_client.errors import NotPart10
from gateway_client.objects.part10 import FileMeta, digest_of, encode_head, read_meta
from gateway_client.transmission.consignment import Consignment, Destination
from gateway_client.transmission.notes import Mark
from gateway_client.transmission.object_file import WINDOW, ObjectFile, Result
from gateway_client.transmission.scu import StorageSCU
from runtime import ReactorThread, free_port
from tests.integration.gateway.conftest import digest_as_sent, is_free, wait_for
from tests.support.sending import send_all, send_file, unnoted

NAMES = [
    "CT_small.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "image_dfl.dcm",
    "MR_small_RLE.dcm",
    "JPEG2000.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "test-SR.dcm",
]


def shipped(name: str) -> Path:
    """Find a file that comes with pydicom."""
    return Path(str(get_testdata_file(name, download=False)))


class Sink:
    """DCMTK's storescp, which keeps data sets as they come."""

    def __init__(self, directory: Path, *options: str) -> None:
        directory.mkdir()
        self.directory = directory
        self.port = free_port()
        self.log = directory.with_suffix(".log")
        with self.log.open("wb") as log:
            command = ["storescp", "-d", "+B", "+xa", "-od", str(directory), "-fe", ".dcm", *options, str(self.port)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(lambda: not is_free(self.port))

    def destination(self, name: str = "SINK") -> Destination:
        return Destination(name, "SINK", "127.0.0.1", self.port)

    def files(self) -> list[Path]:
        return sorted(self.directory.glob("*.dcm"))

    def associations(self) -> int:
        """Count the storage associations; DCMTK tells each when it is asked for and when it is accepted."""
        return self.log.read_text(errors="replace").count("Calling Application Name:    MAGBROKER") // 2

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture
def make_sink(tmp_path: Path) -> Iterator[Callable[..., Sink]]:
    sinks: list[Sink] = []

    def make(*options: str) -> Sink:
        sinks.append(Sink(tmp_path / f"sink{len(sinks)}", *options))
        return sinks[-1]

    yield make
    for sink in sinks:
        sink.stop()


@pytest.fixture
def scu(tmp_path: Path) -> Iterator[StorageSCU]:
    scu = StorageSCU(Configuration(tmp_path, tmp_path, dimse_timeout=5.0, connect_timeout=2.0))
    yield scu
    scu.close()


def copies(tmp_path: Path, name: str, count: int) -> list[Path]:
    """Make objects of one class with UIDs of their own."""
    data = shipped(name).read_bytes()
    uid = read_meta(shipped(name)).sop_instance_uid
    paths = []
    for number in range(count):
        path = tmp_path / f"copy{number}.dcm"
        path.write_bytes(data.replace(uid.encode(), f"{uid[:-3]}{number:03d}".encode()))
        paths.append(path)
    return paths


@pytest.mark.parametrize("name", NAMES)
def test_the_data_set_arrives_bit_by_bit(make_sink: Callable[..., Sink], scu: StorageSCU, name: str) -> None:
    sink = make_sink()
    outcome = send_file(scu, sink.destination(), "study", shipped(name))
    assert outcome.result is Result.SENT, outcome
    (arrived,) = sink.files()
    assert digest_of(arrived) == digest_as_sent(shipped(name))
    assert read_meta(arrived).transfer_syntax == read_meta(shipped(name)).transfer_syntax


def test_a_small_pdu_of_the_peer_is_respected(make_sink: Callable[..., Sink], scu: StorageSCU) -> None:
    sink = make_sink("-pdu", "4096")
    assert send_file(scu, sink.destination(), "study", shipped("CT_small.dcm")).result is Result.SENT
    assert digest_of(sink.files()[0]) == digest_of(shipped("CT_small.dcm"))


def test_a_study_goes_over_one_association_and_another_over_another(
    make_sink: Callable[..., Sink], scu: StorageSCU, tmp_path: Path
) -> None:
    sink = make_sink()
    paths = copies(tmp_path, "CT_small.dcm", 6)
    for path in paths[:4]:
        assert send_file(scu, sink.destination(), "study 1", path).result is Result.SENT
    assert sink.associations() == 1
    for path in paths[4:]:
        assert send_file(scu, sink.destination(), "study 2", path).result is Result.SENT
    assert sink.associations() == 2
    assert len(sink.files()) == 6


def test_a_study_of_several_classes_settles_on_one_association(make_sink: Callable[..., Sink], scu: StorageSCU) -> None:
    sink = make_sink()
    names = ["CT_small.dcm", "MR_small_RLE.dcm", "test-SR.dcm"]
    for name in names:
        assert send_file(scu, sink.destination(), "study", shipped(name)).result is Result.SENT
    settled = sink.associations()
    for name in names:
        assert send_file(scu, sink.destination(), "study", shipped(name)).result is Result.SENT
    assert sink.associations() == settled


def test_an_association_that_is_not_used_is_released(make_sink: Callable[..., Sink], tmp_path: Path) -> None:
    time = [0.0]
    scu = StorageSCU(Configuration(tmp_path, tmp_path, association_idle_seconds=1.0), lambda: time[0])
    sink = make_sink()
    assert send_file(scu, sink.destination(), "study", shipped("CT_small.dcm")).result is Result.SENT
    scu.close_idle()
    assert "Association Release" not in sink.log.read_text(errors="replace").split("MAGBROKER")[-1]
    time[0] = 1.5
    scu.close_idle()
    wait_for(lambda: "Association Release" in sink.log.read_text(errors="replace").split("MAGBROKER")[-1])


def test_a_destination_that_is_not_there_is_unreachable(scu: StorageSCU) -> None:
    outcome = send_file(scu, Destination("X", "X", "127.0.0.1", free_port()), "study", shipped("CT_small.dcm"))
    assert outcome.result is Result.UNREACHABLE


def test_a_destination_that_refuses_associations_says_so(make_sink: Callable[..., Sink], scu: StorageSCU) -> None:
    outcome = send_file(scu, make_sink("--refuse").destination(), "study", shipped("CT_small.dcm"))
    assert outcome.result is Result.UNREACHABLE
    assert "rejects associations" in outcome.reason


def test_a_destination_that_does_not_take_the_transfer_syntax_refuses(tmp_path: Path, scu: StorageSCU) -> None:
    directory = tmp_path / "plain"
    directory.mkdir()
    number = free_port()
    process = subprocess.Popen(
        ["storescp", "-od", str(directory), str(number)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: not is_free(number))
        destination = Destination("PLAIN", "PLAIN", "127.0.0.1", number)
        outcome = send_file(scu, destination, "study", shipped("JPEG2000.dcm"))
        assert outcome.result is Result.REFUSED
        assert "JPEG 2000" in outcome.reason
        assert send_file(scu, destination, "study", shipped("CT_small.dcm")).result is Result.SENT
    finally:
        process.terminate()
        process.wait(10)


def test_a_destination_that_goes_away_in_the_middle_is_reached_again_after_a_restart(
    make_sink: Callable[..., Sink], scu: StorageSCU, tmp_path: Path
) -> None:
    first, second = copies(tmp_path, "CT_small.dcm", 2)
    sink = make_sink()
    assert send_file(scu, sink.destination(), "study", first).result is Result.SENT
    sink.stop()
    assert send_file(scu, sink.destination(), "study", second).result in (Result.UNREACHABLE, Result.BROKEN, Result.DOUBT)
    again = make_sink()
    assert send_file(scu, again.destination(), "study", second).result is Result.SENT


def test_a_destination_that_never_answers_is_a_doubt(make_sink: Callable[..., Sink], tmp_path: Path) -> None:
    scu = StorageSCU(Configuration(tmp_path, tmp_path, dimse_timeout=0.5))
    sink = make_sink("--sleep-during", "3")
    assert send_file(scu, sink.destination(), "study", shipped("CT_small.dcm")).result is Result.DOUBT
    scu.close()


@pytest.mark.parametrize("content", [b"", b"nothing of DICOM"])
def test_what_is_no_dicom_file_cannot_be_sent(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    for opened in (read_meta, ObjectFile):
        with pytest.raises(NotPart10):
            opened(tmp_path / "x")
    with pytest.raises(FileNotFoundError):
        ObjectFile(tmp_path / "none")


def test_a_large_object_is_not_in_memory_as_a_whole(make_sink: Callable[..., Sink], scu: StorageSCU, tmp_path: Path) -> None:
    size = 40 << 20
    meta = read_meta(shipped("CT_small.dcm"))
    path = tmp_path / "large.dcm"
    data = shipped("CT_small.dcm").read_bytes()[meta.offset :]
    pixels = data.index(b"\xe0\x7f\x10\x00OW")
    head = data[:pixels] + b"\xe0\x7f\x10\x00OW\0\0" + size.to_bytes(4, "little")
    path.write_bytes(encode_head(FileMeta(meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax)) + head + bytes(size))
    sink = make_sink()
    tracemalloc.start()
    outcome = send_file(scu, sink.destination(), "study", path)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert outcome.result is Result.SENT
    assert peak < 4 << 20
    assert digest_of(sink.files()[0]) == digest_of(path)


class Answering:
    """A listener of ours that answers in another order once as many objects came as it takes at a time, or no more come.

    It aborts the association in place of the answers when there are so many left.
    """

    def __init__(self, window: int, wanted: int, aborts_at: int = 0) -> None:
        self.window, self.left, self.aborts_at = window, wanted, aborts_at
        self.open: list[Request] = []
        self.most = 0
        self.reactor = ReactorThread("answering")
        policy = Policy(choose=lambda _syntax, proposed: proposed[0], operations_window=(window, window))
        listening = Listening(lambda request, _peer: negotiate(request, policy), {CommandField.C_STORE_RQ: self.store})
        self.port = self.reactor.call(Listener(listening, self.reactor.reactor).listen, 0, "127.0.0.1").getHost().port

    def store(self, request: Request) -> DataSink:
        return InMemory(lambda _data: self.came(request), 1 << 20)

    def came(self, request: Request) -> None:
        self.open.append(request)
        self.most = max(self.most, len(self.open))
        if len(self.open) == min(self.window or WINDOW, self.left):
            if self.left == self.aborts_at:
                request.exchange.abort()
            self.left -= len(self.open)
            answered, self.open = self.open[::-1], []
            for one in answered:
                one.respond(0xA700 if str(one.command.sop_instance).endswith("005") else 0)


@pytest.mark.parametrize("window", [0, 3, 1])
def test_as_many_objects_are_on_their_way_as_the_destination_takes(tmp_path: Path, scu: StorageSCU, window: int) -> None:
    paths = copies(tmp_path, "CT_small.dcm", 21)
    answering = Answering(window, len(paths))
    marks: list[tuple[int, Mark]] = []
    objects = [ObjectFile(path) for path in paths]
    destination = Destination("X", "X", "127.0.0.1", answering.port)
    outcomes = send_all(scu, destination, "study", objects, lambda place, mark: marks.append((place, mark)))
    answering.reactor.stop()
    assert answering.most == (window or WINDOW)
    assert [place for place, outcome in outcomes.items() if outcome.result is Result.REFUSED] == [5]
    assert sorted(place for place, outcome in outcomes.items() if outcome.result is Result.SENT) == [*range(5), *range(6, 21)]
    assert [place for place, mark in marks if mark is Mark.HANDED_OVER] == list(range(21))
    assert sorted(place for place, mark in marks if mark is Mark.SENT) == [*range(5), *range(6, 21)]


def test_what_was_not_begun_when_the_association_is_lost_is_unsent(tmp_path: Path, scu: StorageSCU) -> None:
    answering = Answering(3, 8, aborts_at=5)
    marks: dict[int, Mark] = {}
    objects = [ObjectFile(path) for path in copies(tmp_path, "CT_small.dcm", 8)]
    outcomes = send_all(scu, Destination("X", "X", "127.0.0.1", answering.port), "study", objects, marks.__setitem__)
    answering.reactor.stop()
    results = [outcome.result for _place, outcome in sorted(outcomes.items())]
    assert results == [Result.SENT] * 3 + [Result.DOUBT] * 3 + [Result.UNSENT] * 2
    assert list(marks.values()) == [Mark.SENT] * 3 + [Mark.HANDED_OVER] * 3


def test_nothing_is_begun_after_its_moment_or_a_halt(make_sink: Callable[..., Sink], scu: StorageSCU, tmp_path: Path) -> None:
    sink = make_sink()
    paths = copies(tmp_path, "CT_small.dcm", 2)
    late = send_all(scu, sink.destination(), "study", [ObjectFile(paths[0])], until=0.0)
    assert [outcome.result for outcome in late.values()] == [Result.UNSENT]
    assert send_file(scu, sink.destination(), "study", paths[0]).result is Result.SENT
    scu.halt()
    assert send_file(scu, sink.destination(), "study", paths[1]).result is Result.UNSENT
    assert len(sink.files()) == 1


def test_a_destination_that_hangs_holds_up_no_other(make_sink: Callable[..., Sink], tmp_path: Path) -> None:
    scu = StorageSCU(Configuration(tmp_path, tmp_path, dimse_timeout=3.0))
    ended: SimpleQueue[Consignment] = SimpleQueue()
    hanging, healthy = make_sink("--sleep-during", "10"), make_sink()
    paths = copies(tmp_path, "CT_small.dcm", 20)
    for sink, some in ((hanging, paths[:1]), (healthy, paths[1:])):
        objects = [ObjectFile(path) for path in some]
        scu.send(Consignment(sink.destination(), "study", objects, unnoted, ended.put))
    first, second = ended.get(timeout=30), ended.get(timeout=30)
    assert [outcome.result for outcome in first.outcomes.values()] == [Result.SENT] * 19
    assert [outcome.result for outcome in second.outcomes.values()] == [Result.DOUBT]
    scu.close()


def test_a_destination_that_takes_one_association_at_a_time_is_asked_for_the_next_when_it_is_free(
    make_sink: Callable[..., Sink], tmp_path: Path
) -> None:
    scu = StorageSCU(Configuration(tmp_path, tmp_path, association_idle_seconds=3600.0))
    ended: SimpleQueue[Consignment] = SimpleQueue()
    sink = make_sink()
    paths = copies(tmp_path, "CT_small.dcm", 20)
    for study, further, some in (("first", False, paths[:10]), ("second", True, paths[10:])):
        objects = [ObjectFile(path) for path in some]
        scu.send(Consignment(sink.destination(), study, objects, unnoted, ended.put, further=further))
    for study in ("first", "second"):
        consignment = ended.get(timeout=30)
        assert consignment.study == study
        assert {outcome.result for outcome in consignment.outcomes.values()} == {Result.SENT}
    assert len(sink.files()) == 20
    scu.close()
