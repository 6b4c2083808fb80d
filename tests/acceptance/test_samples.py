"""Every sample of pydicom takes the whole road: received, filed, routed, received again, no bit of its data set changed."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import pydicom.data
import pytest
from data_store import DataStore
from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import ColorPaletteStorage, generate_uid
from pynetdicom import AE, _config

from gateway_client.errors import CutOff
from gateway_client.objects.part10 import FileMeta, digest_of, encode_head, read_meta
from gateway_client.objects.rewriting import rewrite
from gateway_client.objects.spans import Bytes, Encoding, Reader, as_written
from gateway_client.objects.splicing import Modified, spliced
from gateway_client.objects.wholeness import check_file
from tests.support.dicom import STATION, Storescp
from tests.support.services import services_sending_to
from tests.support.waiting import until

PYDICOM = Path(pydicom.data.__file__).parent
#: pydicom-data of PyPI; it has all that pydicom would download but eleven files that came later.
FOLDERS = (PYDICOM / "test_files", PYDICOM / "charset_files", PYDICOM / "palettes", Path(DataStore().data_path))
NO_HEAD = "nothing before its data set tells its transfer syntax"
NO_UIDS = "its data set has no SOP Class or no SOP Instance UID"
NO_PATIENT = "a colour palette is nobody's: it belongs to the Non-Patient Object Storage Service (PS3.4 GG)"
CUT_OFF = "it is cut off in the middle of an element: the gateway sets it aside"
#: Why those are not sent that are not.
EXCLUDED = {
    "charset_files/chrSQEncoding.dcm": NO_UIDS,
    "charset_files/chrSQEncoding1.dcm": NO_UIDS,
    "data/OT-PAL-8-face.dcm": NO_HEAD,
    "data/emri_small_jpeg_2k_lossless_too_short.dcm": CUT_OFF,
    "palettes/fall.dcm": NO_PATIENT,
    "palettes/hotiron.dcm": NO_PATIENT,
    "palettes/hotmetalblue.dcm": NO_PATIENT,
    "palettes/pet.dcm": NO_PATIENT,
    "palettes/pet20step.dcm": NO_PATIENT,
    "palettes/spring.dcm": NO_PATIENT,
    "palettes/summer.dcm": NO_PATIENT,
    "palettes/winter.dcm": NO_PATIENT,
    "test_files/ExplVR_BigEndNoMeta.dcm": NO_HEAD,
    "test_files/ExplVR_LitEndNoMeta.dcm": NO_HEAD,
    "test_files/MR_truncated.dcm": CUT_OFF,
    "test_files/UN_sequence.dcm": NO_UIDS,
    "test_files/empty_charset_LEI.dcm": NO_UIDS,
    "test_files/meta_missing_tsyntax.dcm": NO_UIDS,
    "test_files/nested_priv_SQ.dcm": NO_UIDS,
    "test_files/no_meta.dcm": NO_HEAD,
    "test_files/no_meta_group_length.dcm": NO_UIDS,
    "test_files/priv_SQ.dcm": NO_UIDS,
    "test_files/rtplan_truncated.dcm": CUT_OFF,
    "test_files/rtstruct.dcm": NO_HEAD,
}


def samples() -> Iterator[Path]:
    """Give every file that is meant to be DICOM, directories of media aside: those are no objects that are sent."""
    for folder in FOLDERS:
        for path in sorted(folder.rglob("*")):
            if path.name.startswith("DICOMDIR"):
                continue
            if path.is_file() and (path.suffix == ".dcm" or path.read_bytes()[128:132] == b"DICM"):
                yield path


def name_of(sample: Path) -> str:
    """Name a sample by its folder and itself."""
    return f"{sample.parent.name}/{sample.name}"


def why_not(sample: Path) -> str:
    """Say why a sample cannot be sent; empty when it can."""
    try:
        header = dcmread(sample, stop_before_pixels=True)
    except InvalidDicomError:
        return NO_HEAD
    if header.get("SOPClassUID") == ColorPaletteStorage:
        return NO_PATIENT
    if "SOPClassUID" not in header or "SOPInstanceUID" not in header:
        return NO_UIDS
    try:
        check_file(sample)
    except CutOff:
        return CUT_OFF
    return ""


def fitted(source: Path, target: Path) -> None:
    """Give a sample a patient and an exam of the demo site, and a UID of its own; all else of it stays, byte for byte."""
    header = dcmread(source, stop_before_pixels=True)
    uid = str(generate_uid(entropy_srcs=[str(source.relative_to(source.parents[1]))]))
    values = {
        0x00080018: ("UI", uid.encode() + b"\0" * (len(uid) % 2)),
        0x00080050: ("SH", b"021026-201"),
        0x00081010: ("SH", STATION.encode()),
        0x00100010: ("PN", b"DEMO^PATIENT^ONE"),
        0x00100020: ("LO", b"666-00-1100"),
    }

    for keyword, tag in (("StudyInstanceUID", 0x0020000D), ("SeriesInstanceUID", 0x0020000E)):
        if not header.get(keyword):
            values[tag] = ("UI", b"2.25.12\0")

    def change(data: Bytes, encoding: Encoding) -> Modified:
        encoding = as_written(data, encoding)
        spans = Reader(data).data_set(encoding)
        new = {tag: encoding.element(tag, vr, value) for tag, (vr, value) in values.items()}
        pieces = ((span.tag, (span.start, span.end)) for span in spans)
        return Modified((*spliced(pieces, new), (spans[-1].end, len(data))), tuple(new))

    rewrite(source, target, change, 1 << 28)
    written, meta = target.read_bytes(), read_meta(target)
    head = encode_head(FileMeta(str(header.SOPClassUID), uid, meta.transfer_syntax))
    target.write_bytes(head + written[meta.offset :])


def send(port: int, files: Iterable[Path]) -> dict[str, int]:
    """Send files with pynetdicom over one association, their data sets as they are; give the status of each."""
    metas = {path: read_meta(path) for path in files}
    ae = AE("SENDER")
    for syntaxes in sorted({(meta.sop_class_uid, meta.transfer_syntax) for meta in metas.values()}):
        ae.add_requested_context(*syntaxes)
    association = ae.associate("127.0.0.1", port, ae_title="MAGBROKER")
    statuses = {path.name: int(association.send_c_store(path).Status) for path in metas}
    association.release()
    return statuses


def described(paths: Iterable[Path]) -> list[tuple[str, str, str]]:
    """Give UID, transfer syntax and digest of the data set of each file."""
    metas = ((path, read_meta(path)) for path in paths)
    return sorted((meta.sop_instance_uid, meta.transfer_syntax, digest_of(path)) for path, meta in metas)


def test_what_is_not_sent_is_excluded_for_a_reason() -> None:
    with warnings.catch_warnings(action="ignore"):  # of pydicom, on what is odd in its samples
        found = {name_of(sample): why for sample in samples() if (why := why_not(sample))}
    assert found == EXCLUDED


def test_every_sample_is_filed_and_sent_on_bit_by_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", True)
    (tmp_path / "samples").mkdir()
    with warnings.catch_warnings(action="ignore"):  # of pydicom, on what is odd in its samples
        for sample in (sample for sample in samples() if name_of(sample) not in EXCLUDED):
            fitted(sample, tmp_path / "samples" / name_of(sample).replace("/", "-"))
    files = sorted((tmp_path / "samples").iterdir())
    with Storescp(tmp_path / "received") as destination, services_sending_to(tmp_path, destination.port) as services:
        assert send(services.dicom_port, files) == {file.name: 0 for file in files}
        until(lambda: len(destination.received()) == len(files), "every sample at the destination")
        until(lambda: len(services.filed_files()) == len(files), "every sample in its place")
        filed = [copies[0] for copies in services.filed_files().values()]
    assert described(filed) == described(files)
    assert described(tmp_path.joinpath("received").iterdir()) == described(files)
