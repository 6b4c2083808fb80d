"""Images per second: C-STORE in until filed, C-STORE in until out again at a destination, and DCMTK's storescp beside them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid
from sqlalchemy import func, select

from bench.figures import Figure
from bench.image_sets import fit_demo_exam
from bench.peers import ENVIRONMENT, storescp
from bench.services import services
from fileman import Store
from fileman.files import ImageEvent

IMAGES = 400
PATIENCE_SECONDS = 120.0
RULE = 'dicom("READING ROOM") when MODALITY=CT\n'


class TooSlow(Exception):
    """The images did not come through in time."""


def measure_road(directory: Path, site: Path) -> Iterator[Figure]:
    """Measure the gateway with one association of DCMTK's storescu, and storescp with the same images."""
    slices = make_slices(directory / "slices", IMAGES)
    reference = _storescp(directory / "reference", slices)
    yield Figure("C-STORE into DCMTK storescp", reference, "the reference: nothing is filed, nothing is forced to disk")
    with services(directory / "filed", site) as running:
        seconds, spooled = _timed(running.dicom_port, slices, lambda: _stage(directory / "filed", "PROCESSED"))
        note = f"1 association; answered at {spooled:,.0f}/s, {spooled / reference:.2f} of storescp"
        yield Figure("C-STORE in until filed", IMAGES / seconds, note)
    rules = directory / "bench.rule"
    rules.write_text(RULE, encoding="utf-8")
    with storescp(directory / "sink") as sink:
        routed = directory / "routed.toml"
        routed.write_text(site.read_text(encoding="utf-8").replace("port = 11113", f"port = {sink.port}"), encoding="utf-8")
        with services(directory / "routed", routed, rules) as running:
            seconds, _spooled = _timed(running.dicom_port, slices, sink.taken)
            yield Figure("C-STORE in until out at the destination", IMAGES / seconds, "one rule, DCMTK storescp as destination")


def make_slices(directory: Path, count: int) -> Path:
    """Write CT slices of one synthetic study that has an exam at the demo site."""
    directory.mkdir(parents=True)
    dataset = dcmread(str(get_testdata_file("CT_small.dcm")))
    fit_demo_exam(dataset)
    for number in range(count):
        uid = generate_uid()
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
        dataset.InstanceNumber = number + 1
        dataset.save_as(directory / f"{number:06d}.dcm")
    return directory


def _storescu(port: int, folder: Path) -> float:
    """Send a folder over one association; give the images answered per second."""
    command = ["storescu", "-aec", "MAGBROKER", "+sd", "127.0.0.1", str(port), str(folder)]
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=ENVIRONMENT, timeout=PATIENCE_SECONDS)
    return IMAGES / (time.perf_counter() - began)


def _storescp(directory: Path, slices: Path) -> float:
    with storescp(directory) as sink:
        return _storescu(sink.port, slices)


def _timed(port: int, slices: Path, done: Callable[[], int]) -> tuple[float, float]:
    """Send the slices and wait until all are done; give the seconds and the rate at which they were answered."""
    began = time.perf_counter()
    spooled = _storescu(port, slices)
    while done() < IMAGES:
        if time.perf_counter() - began > PATIENCE_SECONDS:
            raise TooSlow(f"Only {done()} of {IMAGES} images came through in {PATIENCE_SECONDS:g} s.")
        time.sleep(0.05)
    return time.perf_counter() - began, spooled


def _stage(directory: Path, stage: str) -> int:
    store = Store(f"sqlite:///{directory / 'magbroker.db'}")
    try:
        count = select(func.count(func.distinct(ImageEvent.uid))).where(ImageEvent.stage == stage)
        return int(store.read(lambda connection: connection.execute(count).scalar_one()))
    finally:
        store.close()
