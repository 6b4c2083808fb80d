"""Frames as JPEG and PNG: what they show, how they are cut and scaled, what has no picture, and what a crash costs."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.data import get_testdata_file
from pydicom.uid import ImplicitVRLittleEndian
from twisted.internet.defer import Deferred, gatherResults

from console.rendering import JPEG, PNG, NoSuchFrame, NotShown, Rendered, Renderer, RendererBusy, Rendering, Viewport, render
from console.rendering.renderer import Kept
from console.rendering.wanted import decode_answer, decode_request, encode_answer, encode_request
from runtime import ReactorThread
from taskman.pictures.windows import LINEAR_EXACT, SIGMOID, Window
from tests.support.pictures import INVERTED, SHOWN, SIDE, coloured, frames, near, picture, quadrants
from tests.support.waiting import until

PLAIN = Rendering(media_type=PNG)


def shown(rendered: Rendered) -> list[int]:
    return quadrants(np.asarray(Image.open(io.BytesIO(rendered.data)).convert("L")))


def saved(directory: Path, dataset: Dataset) -> Path:
    dataset.save_as(directory / "x.dcm")
    return directory / "x.dcm"


def with_table(**changes: Any) -> Dataset:
    """Make an object whose VOI LUT turns 0 to 300 the other way round, by a table of 301 entries of 8 bits."""
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [301, 0, 8], [round(255 - 255 * entry / 300) for entry in range(301)]
    table["LUTDescriptor"].VR = table["LUTData"].VR = "US"
    dataset = picture(**changes)
    del dataset.WindowCenter, dataset.WindowWidth
    dataset.VOILUTSequence = [table]
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    return dataset


def palette() -> Dataset:
    """Make an object whose four quadrants are indices into a palette of greys."""
    indices = np.kron(np.array([[0, 1], [2, 3]]), np.ones((SIDE // 2, SIDE // 2))).astype(np.uint8)
    greys = np.array([0, 85, 170, 255], np.uint16) * 257
    dataset = picture(PhotometricInterpretation="PALETTE COLOR", PixelRepresentation=0, BitsAllocated=8, BitsStored=8, HighBit=7)
    dataset.PixelData = indices.tobytes()
    for colour in ("Red", "Green", "Blue"):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [4, 0, 16])
        dataset[f"{colour}PaletteColorLookupTableDescriptor"].VR = "US"
        setattr(dataset, f"{colour}PaletteColorLookupTableData", greys.tobytes())
    return dataset


@pytest.mark.parametrize(
    ("dataset", "wanted", "expected"),
    [
        (picture(), PLAIN, SHOWN),
        (picture(), Rendering(), SHOWN),
        (picture(PhotometricInterpretation="MONOCHROME1"), PLAIN, INVERTED),
        (picture(), Rendering(None, Window(100.5, 201.0), None, PNG), [0, 128, 255, 255]),
        (picture(), Rendering(None, Window(100.0, 200.0, LINEAR_EXACT), None, PNG), [0, 128, 255, 255]),
        (picture(), Rendering(None, Window(100.0, 200.0, SIGMOID), None, PNG), [30, 128, 225, 250]),
        (picture(), Rendering(None, Window(9000.0, 2.0), None, PNG), [0, 0, 0, 0]),  # as it is asked for, if nothing is seen
        (picture(RescaleSlope=2, RescaleIntercept=-100), Rendering(None, Window(200.5, 601.0), None, PNG), SHOWN),
        (with_table(), PLAIN, INVERTED),
        (with_table(RescaleSlope=0.5, RescaleIntercept=0), PLAIN, [255, 213, 170, 128]),
        (with_table(), Rendering(None, Window(150.5, 301.0), None, PNG), SHOWN),
        (coloured(), Rendering(None, Window(9000.0, 2.0), None, PNG), SHOWN),  # colours have no window
        (palette(), PLAIN, SHOWN),
        (frames(5), PLAIN, SHOWN),
        (frames(5), Rendering(2, None, None, PNG), SHOWN),
        (frames(5), Rendering(4, None, None, PNG), [0, 0, 0, 0]),
    ],
)
def test_a_frame_is_shown_as_it_is_wanted(dataset: Dataset, wanted: Rendering, expected: list[int], tmp_path: Path) -> None:
    rendered = render(saved(tmp_path, dataset), wanted)
    assert near(shown(rendered), expected)
    assert Image.open(io.BytesIO(rendered.data)).get_format_mimetype() == wanted.media_type


def test_the_frame_that_stands_for_an_object_may_be_told(tmp_path: Path) -> None:
    dataset = frames(5)
    dataset.RepresentativeFrameNumber = 1
    rendered = render(saved(tmp_path, dataset), PLAIN)
    assert (rendered.frame, rendered.frames, shown(rendered)) == (0, 5, [0, 0, 0, 0])


def test_windows_are_told_with_their_names(tmp_path: Path) -> None:
    names = {"WindowCenterWidthExplanation": ["BONE", "LUNG"], "VOILUTFunction": "SIGMOID"}
    path = saved(tmp_path, picture(WindowCenter=[150.5, 9], WindowWidth=[301, 2], **names))
    bone, lung = Window(150.5, 301.0, SIGMOID, "BONE"), Window(9.0, 2.0, SIGMOID, "LUNG")
    rendered = render(path, PLAIN)
    assert (rendered.window, rendered.windows) == (bone, (bone, lung))
    assert render(path, Rendering(window=Window(1.0, 2.0))).window == Window(1.0, 2.0)


def test_without_a_window_that_is_told_which_shows_everything(tmp_path: Path) -> None:
    path = saved(tmp_path, picture(WindowCenter="", WindowWidth=""))
    assert render(path, PLAIN).window == Window(150.0, 300.0, LINEAR_EXACT)
    assert render(saved(tmp_path, with_table()), PLAIN).window is None


@pytest.mark.parametrize(
    ("viewport", "size", "expected"),
    [
        (Viewport(32, 32), (32, 32), SHOWN),
        (Viewport(100, 32), (32, 32), SHOWN),  # in proportion
        (Viewport(128, 200), (128, 128), SHOWN),
        (Viewport(64, 64, 0, 0, -64, 64), (64, 64), [85, 0, 255, 170]),
        (Viewport(64, 64, 0, 0, 64, -64), (64, 64), [170, 255, 0, 85]),
        (Viewport(64, 64, 32, 0, 32, 32), (64, 64), [85, 85, 85, 85]),
        (Viewport(64, 64, 32, 32), (64, 64), [255, 255, 255, 255]),
        (Viewport(40, 40, 0, 0, 64, 32), (40, 20), [0, 85, 0, 85]),
        (Viewport(10, 10, -100, -100, 1000, 1000), (10, 10), SHOWN),  # what there is of it
    ],
)
def test_a_viewport_cuts_turns_and_scales(viewport: Viewport, size: tuple[int, int], expected: list[int], tmp_path: Path) -> None:
    rendered = render(saved(tmp_path, picture()), Rendering(None, None, viewport, PNG))
    assert (rendered.width, rendered.height) == size == Image.open(io.BytesIO(rendered.data)).size
    assert all(abs(one - other) <= 25 for one, other in zip(shown(rendered), expected, strict=True))  # edges are smooth


def test_quality_makes_a_jpeg_smaller(tmp_path: Path) -> None:
    path = Path(str(get_testdata_file("CT_small.dcm")))
    low, high = (render(path, Rendering(quality=quality)) for quality in (10, 95))
    assert len(low.data) < len(high.data) / 2


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("MR_small_RLE.dcm", (64, 64)),
        ("MR_small_jp2klossless.dcm", (64, 64)),
        ("MR_small_jpeg_ls_lossless.dcm", (64, 64)),
        ("MR_small_bigendian.dcm", (64, 64)),
        ("JPEG-LL.dcm", (1024, 256)),
        ("JPEG2000.dcm", (1024, 256)),
        ("SC_rgb_jpeg_dcmtk.dcm", (100, 100)),
        ("SC_ybr_full_422_uncompressed.dcm", (100, 100)),
        ("image_dfl.dcm", (512, 512)),
        ("examples_palette.dcm", (350, 800)),
        ("liver_1frame.dcm", (512, 512)),
        ("rtdose.dcm", (10, 10)),
        ("examples_ybr_color.dcm", (240, 320)),
    ],
)
def test_whatever_decodes_is_shown(name: str, shape: tuple[int, int]) -> None:
    rendered = render(Path(str(get_testdata_file(name))), PLAIN)
    assert (rendered.height, rendered.width) == shape
    assert np.asarray(Image.open(io.BytesIO(rendered.data))).std() > 1, "there is something to be seen"


@pytest.mark.parametrize(
    ("changes", "wanted", "problem", "why"),
    [
        ({}, Rendering(1), NoSuchFrame, "it has 1 frames, and no frame 2"),
        ({}, Rendering(-1), NoSuchFrame, "no frame 0"),
        ({"Rows": 0}, PLAIN, NotShown, "no pixels"),
        ({"Rows": 65535, "Columns": 65535}, PLAIN, NotShown, "too large"),
        ({"PixelData": b"short"}, PLAIN, NotShown, "reshape"),
        ({}, Rendering(None, None, Viewport(9, 9, 64, 0), PNG), NotShown, "beside the image"),
    ],
)
def test_what_cannot_be_shown_says_why(
    changes: dict[str, Any], wanted: Rendering, problem: type[NotShown], why: str, tmp_path: Path
) -> None:
    with pytest.raises(problem, match=why):
        render(saved(tmp_path, picture(**changes)), wanted)


def test_requests_and_answers_come_through_as_they_are() -> None:
    wanted = Rendering(3, Window(1.5, 2.0, SIGMOID, "Ä"), Viewport(1, 2, 0.5, 0.0, -3.0), PNG, 7)
    assert decode_request(encode_request(Path("/a\nb/ü"), wanted)) == (Path("/a\nb/ü"), wanted)
    rendered = Rendered(bytes(range(256)), JPEG, 1, 2, 0, 9, None, (Window(1.0, 2.0),))
    assert decode_answer(encode_answer(rendered)) == rendered
    for problem in (NotShown, NoSuchFrame):
        with pytest.raises(problem, match="because"):
            decode_answer(encode_answer(problem("because")))


class Renders:
    """A renderer in the thread of a reactor."""

    def __init__(self, patience: float = 30.0) -> None:
        self.thread = ReactorThread("rendering")
        self.renderer = self.thread.call(lambda: Renderer(self.thread.reactor, patience))

    def render(self, *wanted: tuple[Path, Rendering]) -> list[Any]:
        """Ask for all at once; give the pictures."""

        def ask() -> Deferred[list[Any]]:
            asked = [Deferred.fromCoroutine(self.renderer.render(*one)) for one in wanted]
            return gatherResults([one.addErrback(lambda failure: failure.value) for one in asked])

        return list(self.thread.call(ask))

    @property
    def pids(self) -> list[int]:
        return [it._process.pid for it in self.renderer._processes if it._process is not None]


@pytest.fixture
def rendering() -> Iterator[Renders]:
    it = Renders()
    yield it
    it.thread.call(it.renderer.close)
    it.thread.stop()


def test_pictures_are_made_side_by_side_and_small_ones_are_kept(rendering: Renders, tmp_path: Path) -> None:
    path = saved(tmp_path, picture())
    wanted = [Rendering.thumbnail(), PLAIN, Rendering(quality=50), Rendering(frame=1)]
    small, plain, poor, none = rendering.render(*((path, it) for it in wanted))
    assert (small.width, plain.width, near(shown(poor), SHOWN), type(none)) == (128, SIDE, True, NoSuchFrame)
    for pid in rendering.pids:
        os.kill(pid, signal.SIGKILL)
    assert rendering.render((path, PLAIN)) == [plain], "nothing is rendered again"
    saved(tmp_path, picture(PhotometricInterpretation="MONOCHROME1"))
    (again,) = rendering.render((path, PLAIN))
    if isinstance(again, NotShown):  # of the two processes it was one that is dead
        (again,) = rendering.render((path, PLAIN))
    assert near(shown(again), INVERTED), "a file in place of the other is another one"


def test_a_decoder_that_crashes_costs_one_picture(rendering: Renders, tmp_path: Path) -> None:
    path = saved(tmp_path, picture())
    rendering.render((path, PLAIN))
    for pid in rendering.pids:
        os.kill(pid, signal.SIGKILL)
    (lost,) = rendering.render((path, Rendering(quality=60)))
    assert (type(lost), str(lost)) == (NotShown, "the decoder died")
    (found,) = rendering.render((path, Rendering(quality=60)))
    assert near(shown(found), SHOWN)


def test_a_decoder_that_hangs_is_ended(tmp_path: Path) -> None:
    rendering = Renders(patience=0.2)
    os.mkfifo(tmp_path / "x.dcm")  # whoever opens it waits for ever
    (slow,) = rendering.render((tmp_path / "x.dcm", PLAIN))
    assert (type(slow), str(slow)) == (NotShown, "it took longer than 0.2 seconds")
    assert rendering.pids == []
    rendering.thread.call(rendering.renderer.close)
    rendering.thread.stop()


def test_too_many_pictures_at_once_are_refused(rendering: Renders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.rendering.renderer.WAITING", 1)
    path = saved(tmp_path, picture())
    found = rendering.render(*((path, Rendering(quality=quality)) for quality in range(50, 55)))
    assert [type(it) for it in found] == [Rendered] * 3 + [RendererBusy] * 2
    until(lambda: rendering.renderer._under_way == 0)
    assert isinstance(rendering.render((path, PLAIN))[0], Rendered), "there is room again"


def test_what_is_no_longer_wanted_is_not_rendered(rendering: Renders, tmp_path: Path) -> None:
    path = saved(tmp_path, picture())

    def ask() -> Deferred[Any]:
        kept, *others = [Deferred.fromCoroutine(rendering.renderer.render(path, Rendering(quality=q))) for q in range(50, 60)]
        for other in others:
            other.addErrback(lambda _failure: None)
            other.cancel()
        return kept

    assert isinstance(rendering.thread.call(ask), Rendered)
    until(lambda: rendering.renderer._under_way == 0)
    assert len(rendering.renderer._kept._pictures) <= 2, "the first, and what may have begun beside it"


def test_processes_that_nobody_needs_end(rendering: Renders, tmp_path: Path) -> None:
    rendering.render((saved(tmp_path, picture()), PLAIN))
    until(lambda: rendering.renderer._resting is not None)
    assert rendering.pids != []
    rendering.thread.call(rendering.renderer._rest)
    until(lambda: rendering.pids == [])
    assert isinstance(rendering.render((tmp_path / "x.dcm", Rendering(quality=3)))[0], Rendered)


def test_no_more_is_kept_than_may_be() -> None:
    kept = Kept(most=100, largest=60)

    def made(size: int) -> Rendered:
        return Rendered(bytes(size), JPEG, 1, 1, 0, 1)

    def key(name: str) -> Any:
        return (Path(name), 0, 0, 0, PLAIN)

    kept.keep(key("large"), made(61))
    for name in ("a", "b"):
        kept.keep(key(name), made(50))
    assert kept.find(key("a")) is not None
    kept.keep(key("c"), made(20))
    kept.keep(key("c"), made(40))
    assert [kept.find(key(name)) is not None for name in ("large", "a", "b", "c")] == [False, True, False, True]
    assert kept._bytes == 90


def test_the_process_imports_no_more_than_it_needs_and_yields() -> None:
    script = "import sys, console.rendering.__main__; print({'dbos', 'sqlalchemy', 'twisted', 'klein'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout == "set()\n"
