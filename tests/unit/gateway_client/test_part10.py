"""Heads of files, both ways: what pydicom reads, and what is no head."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.data import get_testdata_file

from gateway_client.errors import NotPart10
from gateway_client.objects.part10 import FileMeta, decode_head, digest_of, encode_head, read_meta

EXPLICIT = "1.2.840.10008.1.2.1"
TABLE = [
    FileMeta("1.2.840.10008.5.1.4.1.1.2", "1.2.3", EXPLICIT, "MODALITY", "MAGBROKER"),
    FileMeta("1.2.840.10008.5.1.4.1.1.2", "1.2.34", EXPLICIT, ""),
    FileMeta("1.2.840.10008.5.1.4.1.1.128", "1." + "9" * 62, "1.2.840.10008.1.2.4.90", "ODD"),
    FileMeta("1.2.840.10008.5.1.4.1.1.2", "1.2.345", EXPLICIT, "", "GATEWAY 2"),
]


@pytest.mark.parametrize("meta", TABLE)
def test_a_head_is_read_back_with_the_offset_of_its_data_set(meta: FileMeta) -> None:
    head = encode_head(meta)
    for trailing in (b"", b"\x08\x00\x05\x00CS\x00\x00", b"\x08"):
        found = decode_head(head + trailing, "x")
        assert (found.sop_class_uid, found.sop_instance_uid) == (meta.sop_class_uid, meta.sop_instance_uid)
        assert found.transfer_syntax == meta.transfer_syntax
        assert (found.sending_ae_title, found.receiving_ae_title) == (meta.sending_ae_title, meta.receiving_ae_title)
        assert found.offset == len(head)


@pytest.mark.parametrize("meta", TABLE)
def test_pydicom_reads_our_heads(meta: FileMeta) -> None:
    file_meta = dcmread(io.BytesIO(encode_head(meta))).file_meta
    assert file_meta.MediaStorageSOPInstanceUID == meta.sop_instance_uid
    assert file_meta.TransferSyntaxUID == meta.transfer_syntax
    titles = (file_meta.get("SendingApplicationEntityTitle", ""), file_meta.get("ReceivingApplicationEntityTitle", ""))
    assert titles == (meta.sending_ae_title, meta.receiving_ae_title)
    assert file_meta.FileMetaInformationGroupLength == len(encode_head(meta)) - 132 - 12


def test_an_older_head_names_the_sender_as_the_source() -> None:
    head = bytearray(encode_head(FileMeta("1.2.840.10008.5.1.4.1.1.2", "1.2.3", EXPLICIT, "MODALITY")))
    del head[head.index(b"\x02\x00\x17\x00AE") :]
    assert decode_head(bytes(head), "x").sending_ae_title == "MODALITY"


@pytest.mark.parametrize("meta", TABLE)
def test_a_head_that_is_cut_off_is_refused(meta: FileMeta) -> None:
    head = encode_head(meta)
    needed = head.index(meta.transfer_syntax.encode()) + len(meta.transfer_syntax)
    for length in range(needed):
        with pytest.raises(NotPart10):
            decode_head(head[:length], "x")


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_RLE.dcm", "image_dfl.dcm", "JPEG2000.dcm", "ExplVR_BigEnd.dcm"])
def test_heads_that_others_wrote(name: str) -> None:
    path = Path(str(get_testdata_file(name, download=False)))
    meta, file_meta = read_meta(path), dcmread(path, stop_before_pixels=True).file_meta
    assert meta.transfer_syntax == file_meta.TransferSyntaxUID
    assert meta.sop_instance_uid == file_meta.MediaStorageSOPInstanceUID


@given(st.binary(max_size=400))
def test_no_bytes_do_anything_but_be_refused(data: bytes) -> None:
    for head in (data, bytes(128) + b"DICM" + data):
        with contextlib.suppress(NotPart10):
            assert decode_head(head, "x").transfer_syntax


def test_the_digest_is_of_the_data_set_alone(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(encode_head(TABLE[0]) + b"\x08\x00data set")
    two.write_bytes(encode_head(TABLE[2]) + b"\x08\x00data set")
    assert digest_of(one) == digest_of(two)
    two.write_bytes(encode_head(TABLE[2]) + b"\x08\x00other")
    assert digest_of(one) != digest_of(two)
