"""What the benchmark measures side by side starts, takes images and ends: DCMTK, Orthanc, pynetdicom and ours, the real ones."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from pydicom import dcmread

from bench.associations import measure_associations
from bench.image_sets import CT, SMALL, Shape, make_set
from bench.interleaved import Start, Wanted, figures, interleaved, one_run
from bench.moving import measure_moving
from bench.peers import TUNED, MissingPeer, Peer, orthanc, own, own_part, program, pynetdicom, storescp
from bench.routing import Backlogs, measure_routing
from bench.sending import measure_sending
from tests.support.services import DEMO_SITE

PEERS: dict[str, Start] = {
    "storescp": storescp,
    "orthanc": orthanc,
    "orthanc-tuned": functools.partial(orthanc, settings=TUNED),
    "pynetdicom": pynetdicom,
    "written": functools.partial(own_part, "written"),
    "gateway": functools.partial(own_part, "gateway"),
    "filed": functools.partial(own, site=DEMO_SITE),
}


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_takes_an_image_of_each_sender_and_ends(name: str, tmp_path: Path) -> None:
    images = make_set(tmp_path / "sets", SMALL, [1, 1])
    with PEERS[name](tmp_path / "peer") as peer:
        run = one_run(peer, images, 2)
        assert peer.taken() == 2
    assert run.images > 0
    assert run.megabytes > 0
    assert not [pid for pid in peer.pids if Path(f"/proc/{pid}").exists()]


def test_both_routers_send_images_on(tmp_path: Path) -> None:
    sizes = Backlogs({SMALL: 1}, (1, 2), orthanc_limit=1, repetitions=1)
    lines = {figure.subject: figure for figure in measure_routing(tmp_path, DEMO_SITE, sizes)}
    assert {"small, in until out, 1: magbroker", "small, in until out, 1: Orthanc"} < set(lines)
    assert "small, in until out, 2: magbroker" in lines
    assert "small, in until out, 2: Orthanc" not in lines
    assert lines["time for an image of 2"].note == "against one of 1; linear is 1"


def test_what_waits_in_the_export_queue_is_sent_and_told(tmp_path: Path) -> None:
    figures = list(measure_sending(tmp_path, DEMO_SITE, {SMALL: 3}))
    names = ["small, sent from the export queue", "small to a storescp as it comes, sent from the export queue"]
    assert [figure.subject for figure in figures] == names
    assert all(figure.value > 0 for figure in figures)


def test_a_study_is_moved_as_often_as_is_measured_and_sent_once(tmp_path: Path) -> None:
    figures = {figure.subject: figure.value for figure in measure_moving(tmp_path, DEMO_SITE, {SMALL: 3})}
    names = ["small, moved by C-MOVE", "small, sent from the export queue in the same run", "small, C-MOVE against the queue"]
    assert list(figures) == names
    moved, sent, ratio = figures.values()
    assert ratio == moved / sent > 0


def test_associations_stay_open_with_an_image_sent_over_each(tmp_path: Path) -> None:
    (figure,) = measure_associations(tmp_path, 3)
    assert figure.subject == "memory with 3 open associations"
    assert 0 < figure.value < 300


def test_runs_take_turns_and_end_as_medians_with_ratios(tmp_path: Path) -> None:
    order: list[str] = []

    def start(name: str) -> Start:
        def started(folder: Path) -> AbstractContextManager[Peer]:
            order.append(name)
            return storescp(folder)

        return started

    images = make_set(tmp_path / "sets", SMALL, [1])
    runs = interleaved(tmp_path / "runs", {"ours": start("ours"), "theirs": start("theirs")}, images, 1, repetitions=3)
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    ours, theirs = figures("small", images, runs, [Wanted("theirs", 2.0)])
    assert "x theirs (wanted 2)" in ours.note
    assert "wanted" not in theirs.note
    assert runs["ours"].spread[0] <= runs["ours"].images <= runs["ours"].spread[1]


@pytest.mark.parametrize("shape", [CT, SMALL], ids=lambda shape: shape.name)
def test_images_of_a_set_differ_in_uid_and_number_only(shape: Shape, tmp_path: Path) -> None:
    images = make_set(tmp_path, shape, [2, 1])
    datasets = [dcmread(path) for folder in images.folders for path in sorted(folder.iterdir())]
    assert len({it.SOPInstanceUID for it in datasets}) == len({it.InstanceNumber for it in datasets}) == images.count == 3
    assert len({it.SeriesInstanceUID for it in datasets}) == 1
    assert all(it.file_meta.MediaStorageSOPInstanceUID == it.SOPInstanceUID for it in datasets)
    for it in datasets:
        del it.SOPInstanceUID, it.InstanceNumber
    assert datasets[0] == datasets[1] == datasets[2]
    assert datasets[0].pixel_array.shape == (images.shape.edge, images.shape.edge)


def test_a_program_that_is_missing_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPeer, match="storescp is not installed; it is in the Debian package dcmtk"):
        program("storescp")
