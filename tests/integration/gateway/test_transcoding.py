"""Objects for a DCMTK storescp that does not take their own transfer syntax."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels.utils import pixel_array

from dul import CommandField, Exchange, InMemory, Listener, Listening, Policy, Request, Timeouts, negotiate
from dul import Sink as DataSink
from gateway_client.configuration import Configuration
from gateway_client.objects.part10 import digest_of, read_meta
from gateway_client.transcoding import SYNTAXES, Transcoder
from gateway_client.transcoding.conversion import transcode_first
from gateway_client.transmission.consignment import Destination
from gateway_client.transmission.notes import Mark
from gateway_client.transmission.object_file import ObjectFile, Outcome, Result
from gateway_client.transmission.scu import StorageSCU
from runtime import DestinationSettings, ReactorThread
from tests.support.dicom import Storescp
from tests.support.sending import send_all, send_file

TRANSCODE = ("deflated", "explicit", "implicit")


def shipped(name: str) -> Path:
    """Find a file that comes with pydicom."""
    return Path(str(get_testdata_file(name, download=False)))


@pytest.fixture
def scu(tmp_path: Path) -> Iterator[StorageSCU]:
    settings = {"SINK": DestinationSettings(transcode=TRANSCODE)}
    scu = StorageSCU(Configuration(tmp_path / "gateway", tmp_path, destinations=settings))
    yield scu
    scu.close()


def sink(peer: Storescp, name: str = "SINK") -> Destination:
    return Destination(name, "SINK", "127.0.0.1", peer.port)


def arrived(peer: Storescp, path: Path) -> Path:
    (file,) = peer.received()[read_meta(path).sop_instance_uid]
    return file


@pytest.mark.parametrize(
    ("options", "syntax"),
    [(("+xi",), "implicit"), (("+xe",), "explicit"), (("+xd",), "deflated")],
)
@pytest.mark.parametrize("name", ["MR_small_jp2klossless.dcm", "MR_small_RLE.dcm", "SC_rgb_jpeg_gdcm.dcm"])
def test_an_object_goes_in_a_transfer_syntax_that_the_destination_takes(
    tmp_path: Path, scu: StorageSCU, name: str, options: tuple[str, ...], syntax: str
) -> None:
    path = shipped(name)
    with Storescp(tmp_path / "sink", options=options) as peer:
        outcome = send_file(scu, sink(peer), "study", path)
        assert outcome.result is Result.SENT, outcome
        file = arrived(peer, path)
    assert read_meta(file).transfer_syntax == SYNTAXES[syntax]
    assert np.array_equal(pixel_array(dcmread(file)), pixel_array(path))
    assert outcome.reason.startswith(f"Transcoded from {dcmread(path).file_meta.TransferSyntaxUID.name} into ")


@pytest.mark.parametrize(
    ("option", "syntax", "names", "decoder"),
    [
        ("+xs", "jpeg-lossless", ("examples_overlay.dcm", "examples_rgb_color.dcm", "examples_palette.dcm"), "dcmdjpeg"),
        ("+xr", "rle", ("MR_small_jp2klossless.dcm", "examples_rgb_color.dcm", "examples_palette.dcm"), "dcmdrle"),
    ],
)
def test_dcmtk_decodes_what_was_compressed(
    tmp_path: Path, option: str, syntax: str, names: tuple[str, ...], decoder: str
) -> None:
    """What was deflated is not taken as it is."""
    settings = {"SINK": DestinationSettings(transcode=("jpeg-lossless", "rle"))}
    scu = StorageSCU(Configuration(tmp_path / "gateway", tmp_path, destinations=settings))
    with Storescp(tmp_path / "sink", options=(option,)) as peer:
        for name in names:
            deflated = tmp_path / name
            assert transcode_first(shipped(name), deflated, [SYNTAXES["deflated"]]) == ""
            outcome = send_file(scu, sink(peer), "study", deflated)
            assert outcome.result is Result.SENT, outcome
            assert read_meta(arrived(peer, deflated)).transfer_syntax == SYNTAXES[syntax]
            decoded = tmp_path / "decoded.dcm"
            subprocess.run([decoder, arrived(peer, deflated), decoded], check=True, timeout=60)
            assert np.array_equal(pixel_array(decoded), pixel_array(shipped(name)))
    scu.close()


def test_what_is_compressed_with_loss_goes_as_another_instance(tmp_path: Path) -> None:
    settings = {"SINK": DestinationSettings(transcode=("jpeg-baseline",))}
    scu = StorageSCU(Configuration(tmp_path / "gateway", tmp_path, destinations=settings))
    with Storescp(tmp_path / "sink", options=("+xy",)) as peer:
        outcome = send_file(scu, sink(peer), "study", shipped("image_dfl.dcm"))
        ((uid, (file,)),) = peer.received().items()
    scu.close()
    assert outcome.result is Result.SENT, outcome
    assert uid != read_meta(shipped("image_dfl.dcm")).sop_instance_uid
    assert outcome.reason.endswith(f"into JPEG Baseline (Process 1). It is {uid} there.")
    subprocess.run(["dcmdjpeg", file, tmp_path / "decoded.dcm"], check=True, timeout=60)
    assert dcmread(tmp_path / "decoded.dcm").SOPInstanceUID == uid


def test_a_peer_that_does_not_wait_gets_what_was_transcoded_over_another_association(tmp_path: Path, scu: StorageSCU) -> None:
    associations: list[Exchange] = []
    objects: list[str] = []

    def store(request: Request) -> DataSink:
        objects.append(request.command.sop_instance or "")
        return InMemory(lambda _data: request.respond(0), 1 << 20)

    implicit = SYNTAXES["implicit"]
    policy = Policy(choose=lambda _syntax, proposed: implicit if implicit in proposed else "")
    listening = Listening(
        lambda request, _peer: negotiate(request, policy),
        {CommandField.C_STORE_RQ: store},
        timeouts=Timeouts(idle=0.05),  # a process that transcodes takes longer to begin
        established=associations.append,
    )
    reactor = ReactorThread("impatient")
    port = reactor.call(Listener(listening, reactor.reactor).listen, 0, "127.0.0.1").getHost().port
    path = shipped("MR_small_RLE.dcm")
    outcome = send_file(scu, Destination("SINK", "SINK", "127.0.0.1", port), "study", path)
    reactor.stop()
    assert outcome.result is Result.SENT, outcome
    assert objects == [read_meta(path).sop_instance_uid]
    assert len(associations) == 2


def test_what_was_answered_is_noted_before_the_next_object_takes_its_time(
    tmp_path: Path, scu: StorageSCU, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["MR_small_RLE.dcm", "MR_small_implicit.dcm", "MR_small_RLE.dcm"]
    marks: list[tuple[int, Mark]] = []
    before: list[list[tuple[int, Mark]]] = []
    transcode = Transcoder.transcode

    def noticed(*arguments: Any) -> Any:
        before.append([*marks])
        return transcode(*arguments)

    monkeypatch.setattr(Transcoder, "transcode", noticed)
    with Storescp(tmp_path / "sink", options=("+xi",)) as peer:
        objects = [ObjectFile(shipped(name)) for name in names]
        outcomes = send_all(scu, sink(peer), "study", objects, lambda place, mark: marks.append((place, mark)))
    assert [outcome.result for outcome in outcomes.values()] == [Result.SENT] * 3
    assert [sorted(place for place, mark in marks if mark is Mark.SENT) for marks in before] == [[], [0, 1]]


def test_what_was_transcoded_too_late_to_be_sent_is_there_at_the_next_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    calls: list[float] = []
    transcode = Transcoder.transcode

    def slowly(*arguments: Any) -> Any:
        calls.append(now[0])
        now[0] += 300.0
        return transcode(*arguments)

    monkeypatch.setattr(Transcoder, "transcode", slowly)
    settings = {"SINK": DestinationSettings(transcode=TRANSCODE)}
    scu = StorageSCU(Configuration(tmp_path / "gateway", tmp_path, destinations=settings), lambda: now[0])
    path = shipped("MR_small_RLE.dcm")
    with Storescp(tmp_path / "sink", options=("+xi",)) as peer:

        def send(until: float) -> Outcome:
            return send_all(scu, sink(peer), "study", [ObjectFile(path)], until=until)[0]

        assert send(240.0).result is Result.UNSENT
        second = send(1000.0)
        assert second.result is Result.SENT
        assert second.reason.startswith("Transcoded from RLE Lossless into ")
        assert calls == [0.0]
        assert len(peer.received()[read_meta(path).sop_instance_uid]) == 1
        assert send(1000.0).result is Result.SENT
        assert calls == [0.0, 300.0], "it is made again once it was sent"
    scu.close()


def test_what_is_taken_as_it_is_is_not_touched(tmp_path: Path, scu: StorageSCU) -> None:
    path = shipped("MR_small_jp2klossless.dcm")
    with Storescp(tmp_path / "sink") as peer:
        outcome = send_file(scu, sink(peer), "study", path)
        assert (outcome.result, outcome.reason) == (Result.SENT, "")
        assert digest_of(arrived(peer, path)) == digest_of(path)


def test_without_a_setting_nothing_is_transcoded(tmp_path: Path, scu: StorageSCU) -> None:
    path = shipped("MR_small_jp2klossless.dcm")
    with Storescp(tmp_path / "sink", options=("+xi",)) as peer:
        outcome = send_file(scu, sink(peer, "OTHER"), "study", path)
        assert outcome.result is Result.REFUSED
        assert peer.received() == {}


def test_a_study_of_several_transfer_syntaxes_goes_whole_and_what_cannot_be_transcoded_is_refused(
    tmp_path: Path, scu: StorageSCU
) -> None:
    names = ["MR_small_jp2klossless.dcm", "MR_small_implicit.dcm", "SC_rgb_rle_2frame.dcm", "JPGExtended.dcm", "test-SR.dcm"]
    marks: list[tuple[int, Mark]] = []
    with Storescp(tmp_path / "sink", options=("+xi",)) as peer:
        objects = [ObjectFile(shipped(name)) for name in names]
        outcomes = send_all(scu, sink(peer), "study", objects, lambda place, mark: marks.append((place, mark)))
    results = [outcome.result for _place, outcome in sorted(outcomes.items())]
    assert results == [Result.SENT, Result.SENT, Result.SENT, Result.REFUSED, Result.SENT]
    assert "which is not transcoded: Deflated Explicit VR Little Endian: " not in outcomes[3].reason
    assert "which is not transcoded: Implicit VR Little Endian: " in outcomes[3].reason
    assert sorted(place for place, mark in marks if mark is Mark.SENT) == [0, 1, 2, 4]
    assert sorted(place for place, mark in marks if mark is Mark.HANDED_OVER) == [0, 1, 2, 4]
