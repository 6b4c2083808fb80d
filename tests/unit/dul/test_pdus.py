"""Release, rejection and abort are written and read as pynetdicom does; a header that no PDU has is a violation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom import pdu

from dul import DEFAULT_MAXIMUM, AbortReason, PeerViolation
from dul.pdus import (
    PDU_LIMIT,
    RELEASE_RP,
    RELEASE_RQ,
    PduType,
    check_header,
    decode_abort,
    decode_reject,
    encode_abort,
    encode_reject,
    read_header,
)

SMALL = st.integers(0, 255)


@pytest.mark.parametrize(("ours", "theirs"), [(RELEASE_RQ, pdu.A_RELEASE_RQ), (RELEASE_RP, pdu.A_RELEASE_RP)])
def test_releases_are_as_pynetdicom_writes_and_reads_them(ours: bytes, theirs: type[pdu.PDU]) -> None:
    assert theirs().encode() == ours
    read = theirs()
    read.decode(ours)
    assert read == theirs()


@given(SMALL)
def test_an_abort_of_the_provider_is_as_pynetdicom_writes_and_reads_it(reason: int) -> None:
    theirs = pdu.A_ABORT_RQ()
    theirs.source, theirs.reason_diagnostic = 2, reason
    ours = encode_abort(2, reason)
    assert theirs.encode() == ours
    read = pdu.A_ABORT_RQ()
    read.decode(ours)
    assert (read.source, read.reason_diagnostic) == decode_abort(ours[6:]) == (2, reason)


def test_an_abort_of_the_user_has_no_reason() -> None:
    assert decode_abort(encode_abort(0, 6)[6:]) == (0, 0)


@given(SMALL, SMALL, SMALL)
def test_a_rejection_is_as_pynetdicom_writes_and_reads_it(result: int, source: int, reason: int) -> None:
    theirs = pdu.A_ASSOCIATE_RJ()
    theirs.result, theirs.source, theirs.reason_diagnostic = result, source, reason
    ours = encode_reject(result, source, reason)
    assert theirs.encode() == ours
    read = pdu.A_ASSOCIATE_RJ()
    read.decode(ours)
    assert (read.result, read.source, read.reason_diagnostic) == decode_reject(ours[6:]) == (result, source, reason)


@pytest.mark.parametrize("ours", [RELEASE_RQ, RELEASE_RP, encode_abort(0, 0), encode_reject(1, 1, 1)])
def test_a_header_is_read_at_its_place(ours: bytes) -> None:
    assert read_header(b"x" + ours, 1) == (ours[0], 4)


@pytest.mark.parametrize("kind", [0, 8, 0x16, 0x47, 255])
def test_a_type_that_is_none_is_not_recognized(kind: int) -> None:
    with pytest.raises(PeerViolation) as raised:
        check_header(kind, 4, DEFAULT_MAXIMUM, 17)
    assert raised.value.reason == AbortReason.UNRECOGNIZED_PDU
    assert raised.value.position == 17


@pytest.mark.parametrize(
    ("kind", "length"),
    [
        (PduType.ASSOCIATE_RQ, 67),
        (PduType.ASSOCIATE_RQ, PDU_LIMIT + 1),
        (PduType.ASSOCIATE_AC, 2**32 - 1),
        (PduType.ASSOCIATE_RJ, 5),
        (PduType.P_DATA_TF, DEFAULT_MAXIMUM + 1),
        (PduType.P_DATA_TF, 2**32 - 1),
        (PduType.RELEASE_RQ, 0),
        (PduType.RELEASE_RP, 2**32 - 1),
        (PduType.ABORT, 3),
    ],
)
def test_a_length_that_no_pdu_of_the_type_has_is_invalid(kind: PduType, length: int) -> None:
    with pytest.raises(PeerViolation) as raised:
        check_header(kind, length, DEFAULT_MAXIMUM, 0)
    assert raised.value.reason == AbortReason.INVALID_PARAMETER
