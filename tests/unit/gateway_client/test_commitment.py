"""Data sets of storage commitment, both ways, beside pydicom; other bytes are refused."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from gateway_client.commitment.transaction import (
    EXPLICIT,
    EXPLICIT_BIG,
    IMPLICIT,
    MOST_REFERENCES,
    TRANSFER_SYNTAXES,
    CommitmentRequest,
    CommitmentResult,
    Reason,
    Reference,
    decode_request,
    decode_result,
    encode_request,
    encode_result,
    reason_text,
)
from gateway_client.errors import BadCommitment

CT = "1.2.840.10008.5.1.4.1.1.2"
ONE, TWO, ODD = Reference(CT, "1.2.3"), Reference(CT, "1.2.34"), Reference(CT, "1." + "9" * 62)
REQUESTS = [CommitmentRequest("2.25.1", (ONE,)), CommitmentRequest("2.25.12", (ONE, TWO, ODD))]
RESULTS = [
    (CommitmentResult("2.25.1", (ONE, TWO)), 1),
    (CommitmentResult("2.25.12", (ONE,), ((TWO, Reason.NO_SUCH_OBJECT_INSTANCE), (ODD, 0x0110))), 2),
    (CommitmentResult("2.25.1", (), ((ONE, 0x0213),)), 2),
    (CommitmentResult("2.25.1", (ONE,), retrieve_ae_title="ARCHIVEDQRY"), 1),
]
SYNTAXES = (*TRANSFER_SYNTAXES, EXPLICIT_BIG)


def dataset(data: bytes, syntax: str) -> Dataset:
    return read_dataset(io.BytesIO(data), syntax == IMPLICIT, syntax != EXPLICIT_BIG)


def written(item: Dataset, syntax: str) -> bytes:
    file = DicomBytesIO()
    file.is_little_endian, file.is_implicit_VR = syntax != EXPLICIT_BIG, syntax == IMPLICIT
    write_dataset(file, item)
    return file.getvalue()


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_a_request_is_read_back_and_pydicom_reads_it(request_: CommitmentRequest, syntax: str) -> None:
    data = encode_request(request_, syntax)
    assert decode_request(data, syntax) == request_
    read = dataset(data, syntax)
    assert read.TransactionUID == request_.transaction
    found = [Reference(it.ReferencedSOPClassUID, it.ReferencedSOPInstanceUID) for it in read.ReferencedSOPSequence]
    assert tuple(found) == request_.references
    assert written(read, syntax) == data


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(("result", "event_type"), RESULTS, ids=str)
def test_a_result_is_read_back_and_pydicom_reads_it(result: CommitmentResult, event_type: int, syntax: str) -> None:
    assert result.event_type == event_type
    data = encode_result(result, syntax)
    assert decode_result(data, syntax) == result
    read = dataset(data, syntax)
    assert [it.FailureReason for it in read.get("FailedSOPSequence", [])] == [reason for _, reason in result.failed]
    assert len(read.get("ReferencedSOPSequence", [])) == len(result.committed)
    assert read.get("RetrieveAETitle", "") == result.retrieve_ae_title
    assert written(read, syntax) == data


@pytest.mark.parametrize("syntax", TRANSFER_SYNTAXES)
def test_sequences_without_lengths_and_with_more_in_them_are_read(syntax: str) -> None:
    items = []
    for reference in (ONE, TWO):
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = reference
        item.StorageMediaFileSetID = "DISK"
        item.is_undefined_length_sequence_item = True
        items.append(item)
    action = Dataset()
    action.TransactionUID = "2.25.1"
    action.StorageMediaFileSetID = "DISK"
    action.ReferencedSOPSequence = Sequence(items)
    action["ReferencedSOPSequence"].is_undefined_length = True
    assert decode_request(written(action, syntax), syntax) == CommitmentRequest("2.25.1", (ONE, TWO))


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (CommitmentRequest("", (ONE,)), 0x0115),
        (CommitmentRequest("1" * 65, (ONE,)), 0x0115),
        (CommitmentRequest("2.25.1", ()), 0x0115),
        (CommitmentRequest("2.25.1", (ONE,) * (MOST_REFERENCES + 1)), 0x0213),
    ],
    ids=["no transaction", "a long transaction UID", "no instance", "too many instances"],
)
def test_a_request_that_cannot_be_meant_is_refused(request_: CommitmentRequest, status: int) -> None:
    for syntax in TRANSFER_SYNTAXES:
        with pytest.raises(BadCommitment) as refused:
            decode_request(encode_request(request_, syntax), syntax)
        assert refused.value.status == status


def test_as_many_instances_as_may_be_are_read() -> None:
    request = CommitmentRequest("2.25.1", (ODD,) * MOST_REFERENCES)
    assert decode_request(encode_request(request, EXPLICIT), EXPLICIT) == request


@given(st.binary(max_size=300), st.sampled_from(TRANSFER_SYNTAXES), st.integers(0, 400))
def test_no_bytes_do_anything_but_be_refused(noise: bytes, syntax: str, cut: int) -> None:
    for data in (noise, encode_request(REQUESTS[1], syntax)[:cut] + noise, encode_result(RESULTS[1][0], syntax)[:cut] + noise):
        with contextlib.suppress(BadCommitment):
            assert decode_request(data, syntax).references
        with contextlib.suppress(BadCommitment):
            result = decode_result(data, syntax)
            assert result.committed or result.failed


def test_a_reason_is_said_in_words() -> None:
    assert reason_text(0x0112) == "0112 no such object instance"
    assert reason_text(0xA700) == "A700"
