"""Requests and answers are read as DCMTK writes them, written so that pynetdicom reads them, and negotiated by a policy."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom import pdu

from dul import (
    AbortReason,
    AcceptedContext,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    CommonExtended,
    ContextResult,
    LocalViolation,
    PeerViolation,
    Policy,
    ProposedContext,
    Role,
    UserIdentity,
    may_be_stored,
    negotiate,
)
from dul.associate import accepted_contexts
from dul.associate_codec import (
    _read_recent_request,
    decode_associate_accept,
    decode_associate_reject,
    decode_associate_request,
    encode_associate_accept,
    encode_associate_reject,
    encode_associate_request,
)
from tests.unit.dul.captured import GETSCU, REQUESTS, STORESCP_ACCEPT, STORESCP_REJECT, STORESCU, STORESCU_IDENTITY
from tests.unit.dul.feeding import AC, ACCEPT, CT, EXPLICIT, IMPLICIT, REQUEST, RQ, TAKES_ALL, VERIFICATION

_UID = st.builds(lambda parts: ".".join(map(str, (1, *parts))), st.lists(st.integers(0, 99999), min_size=1, max_size=8))
_TITLE = st.from_regex(r"[A-Z0-9_]([A-Z0-9_ ]{0,14}[A-Z0-9_])?", fullmatch=True)
_FLAGS = st.sampled_from([(True, False), (False, True), (True, True)])
_SHARED = {
    "called_ae_title": _TITLE,
    "calling_ae_title": _TITLE,
    "maximum_length": st.just(0) | st.integers(128, 2**32 - 1),
    "implementation_class_uid": _UID,
    "implementation_version_name": st.from_regex(r"[A-Z0-9_]{0,16}", fullmatch=True),
    "operations_window": st.none() | st.tuples(st.integers(0, 65535), st.integers(0, 65535)),
    "roles": st.dictionaries(_UID, _FLAGS, max_size=3),
    "extended": st.dictionaries(_UID, st.binary(min_size=1, max_size=9), max_size=3),
}
_IDS = st.lists(st.sampled_from(range(1, 256, 2)), min_size=1, max_size=5, unique=True)
_SYNTAXES = st.lists(_UID, min_size=1, max_size=3, unique=True).map(tuple)
_IDENTITY = st.builds(UserIdentity, st.sampled_from([1, 2, 3, 4]), st.binary(min_size=1), st.binary(min_size=1), st.booleans())
REQUESTED = st.builds(
    AssociateRequest,
    contexts=_IDS.flatmap(lambda ids: st.tuples(*(st.builds(ProposedContext, st.just(it), _UID, _SYNTAXES) for it in ids))),
    common_extended=st.dictionaries(_UID, st.builds(CommonExtended, _UID, st.lists(_UID, max_size=2).map(tuple)), max_size=2),
    user_identity=st.none() | _IDENTITY.map(lambda it: it if it.type == 2 else replace(it, secondary=b"")),
    **_SHARED,  # type: ignore[arg-type]
)
ACCEPTED = st.builds(
    AssociateAccept,
    contexts=_IDS.flatmap(lambda ids: st.tuples(*(st.builds(ContextResult, st.just(it), st.integers(0, 4), _UID) for it in ids))),
    user_identity_response=st.none() | st.binary(min_size=1, max_size=9),
    **_SHARED,  # type: ignore[arg-type]
)


def _without_reserved(encoded: bytes) -> bytes:
    """Clear the bytes that are reserved in presentation contexts: DCMTK sets one, and nobody is to look at it."""
    cleared = bytearray(encoded)
    at = 74
    while at < len(cleared):
        if cleared[at] == 0x20:
            cleared[at + 5 : at + 8] = bytes(3)
        at += 4 + int.from_bytes(cleared[at + 2 : at + 4], "big")
    return bytes(cleared)


@pytest.mark.parametrize("tool", REQUESTS)
def test_a_request_of_dcmtk_is_read_and_written_as_it_was(tool: str) -> None:
    captured = REQUESTS[tool]
    request = decode_associate_request(captured)
    assert request.implementation_version_name == "OFFIS_DCMTK_367"
    assert request.called_ae_title in ("ANY-SCP", "ARCHIVE", "WORKLIST")
    again = encode_associate_request(request)
    assert decode_associate_request(again) == request
    # The order of user information is free; DCMTK has another one only where roles are selected or a window is asked for.
    assert sorted(_without_reserved(captured)) == sorted(again)


@pytest.mark.parametrize("tool", sorted(set(REQUESTS) - {"getscu"}))
def test_a_request_is_written_as_dcmtk_does(tool: str) -> None:
    captured = REQUESTS[tool]
    assert encode_associate_request(decode_associate_request(captured)) == _without_reserved(captured)


def test_what_dcmtk_proposes_is_read() -> None:
    request = decode_associate_request(STORESCU)
    assert request.contexts == (
        ProposedContext(1, CT, (EXPLICIT,)),
        ProposedContext(3, CT, request.contexts[1].transfer_syntaxes),
    )
    assert request.maximum_length == 16384
    assert request.operations_window is None
    identity = decode_associate_request(STORESCU_IDENTITY).user_identity
    assert identity == UserIdentity(2, b"alice", b"secret", True)
    assert "secret" not in repr(identity)
    roles = decode_associate_request(GETSCU).roles
    assert len(roles) == 120
    assert roles[CT] == (False, True)


def test_the_answers_of_dcmtk_are_read_and_written_as_they_were() -> None:
    accept = decode_associate_accept(STORESCP_ACCEPT)
    assert [(context.id, context.result) for context in accept.contexts] == [(1, 0), (3, 0)]
    assert encode_associate_accept(accept) == STORESCP_ACCEPT
    assert decode_associate_reject(STORESCP_REJECT) == AssociateReject(1, 1, 1)
    assert encode_associate_reject(AssociateReject(1, 1, 1)) == STORESCP_REJECT


@given(REQUESTED)
def test_a_request_is_read_as_it_was_written(request: AssociateRequest) -> None:
    encoded = encode_associate_request(request)
    assert decode_associate_request(encoded) == request
    theirs = pdu.A_ASSOCIATE_RQ()
    theirs.decode(encoded)
    assert theirs.encode() == encoded
    assert theirs.called_ae_title == request.called_ae_title
    assert [context.context_id for context in theirs.presentation_context] == [context.id for context in request.contexts]


@given(ACCEPTED)
def test_an_acceptance_is_read_as_it_was_written(accept: AssociateAccept) -> None:
    assert decode_associate_accept(encode_associate_accept(accept)) == accept


def test_items_that_have_no_meaning_are_passed_over() -> None:
    unknown = b"\x77\0\0\3abc"
    at = RQ.index(b"\x50\0", 74)
    user_information = RQ[at + 4 :]
    longer = (len(user_information) + len(unknown)).to_bytes(2, "big")
    encoded = RQ[:74] + unknown + RQ[74:at] + b"\x50\0" + longer + unknown + user_information + b"\x99\0\0\0"
    assert decode_associate_request(encoded) == REQUEST


@pytest.mark.parametrize("padding", [b"\0", b" "])
def test_padded_uids_and_titles_are_read(padding: bytes) -> None:
    encoded = RQ.replace(b"\0\x11" + IMPLICIT.encode(), b"\0\x12" + IMPLICIT.encode() + padding, 1)
    first = encoded.index(b"\x20\0", 74)
    encoded = encoded[: first + 3] + bytes((encoded[first + 3] + 1,)) + encoded[first + 4 :]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_associate_request(encoded) == REQUEST
    assert decode_associate_request(RQ[:26] + b"  CT1".ljust(16) + RQ[42:]) == REQUEST


def test_an_item_that_is_too_short_is_named() -> None:
    with pytest.raises(PeerViolation, match=r"type 20 is too short\. \(byte 174\)"):
        decode_associate_request(_contexts(b"\x20\0\0\2\1\0", _CONTEXT), 100)


def _contexts(*parts: bytes) -> bytes:
    return RQ[:74] + b"".join(parts)


_CONTEXT = RQ[RQ.index(b"\x20\0", 74) :][: 4 + RQ[RQ.index(b"\x20\0", 74) + 3]]


def _proposing(*transfer_syntaxes: bytes) -> bytes:
    """Give a presentation context for Verification."""
    return _item(
        b"\x20", b"\1\0\0\0", _item(b"\x30", VERIFICATION.encode()), *(_item(b"\x40", syntax) for syntax in transfer_syntaxes)
    )


def _item(kind: bytes, *parts: bytes) -> bytes:
    value = b"".join(parts)
    return kind + b"\0" + len(value).to_bytes(2, "big") + value


@pytest.mark.parametrize(
    "encoded",
    [
        RQ[:-1],  # an item is longer than the PDU
        RQ + b"\x20\0\0",
        RQ + b"\x20\0\0\2\1\0",  # a context that is too short
        RQ[:10] + b" " * 16 + RQ[26:],  # no called AE title
        RQ[:10] + b"\xff" * 16 + RQ[26:],
        _contexts(_CONTEXT, _CONTEXT),  # the same id twice
        _contexts(_CONTEXT[:4] + b"\2" + _CONTEXT[5:]),  # an even id
        _contexts(b"\x20\0\0\4\1\0\0\0"),  # neither abstract nor transfer syntax
        _contexts(*(_CONTEXT for _ in range(129))),
        _contexts(*(b"\x77\0\0\0" for _ in range(10_001))),
        _contexts(_proposing(*(b"1.2.%d" % number for number in range(257)))),
        _contexts(_CONTEXT, b"\x50\0\0\x08\x51\0\0\4\0\0\0\x40"),  # a maximum length of 64
        _contexts(_CONTEXT, b"\x50\0\0\x06\x51\0\0\2\0\0"),
        _contexts(_CONTEXT, b"\x50\0\0\x08\x54\0\0\4\xff\xff\0\0"),  # a role for a UID that is longer than its item
        _contexts(_CONTEXT, b"\x50\0\0\x0a\x58\0\0\6\x09\0\0\0\0\0"),  # an identity of type 9
    ],
)
def test_junk_is_an_invalid_parameter(encoded: bytes) -> None:
    with pytest.raises(PeerViolation) as raised:
        decode_associate_request(encoded, 0)
    assert raised.value.reason == AbortReason.INVALID_PARAMETER


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_a_violation(junk: bytes) -> None:
    for start, decode in ((RQ, decode_associate_request), (AC, decode_associate_accept)):
        try:
            decode(start[:74] + junk)
        except PeerViolation as violation:
            assert violation.reason == AbortReason.INVALID_PARAMETER  # noqa: PT017


def test_an_acceptance_needs_a_transfer_syntax() -> None:
    with pytest.raises(PeerViolation, match="without a transfer syntax"):
        decode_associate_accept(AC[:74] + b"\x21\0\0\4\1\0\0\0")


@pytest.mark.parametrize(
    "request_",
    [
        replace(REQUEST, called_ae_title="A" * 17),
        replace(REQUEST, calling_ae_title="Ä"),
        replace(REQUEST, contexts=(ProposedContext(2, CT, (EXPLICIT,)),)),
        replace(REQUEST, contexts=(REQUEST.contexts[0], REQUEST.contexts[0])),
        replace(REQUEST, contexts=(ProposedContext(1, "1." * 40, (EXPLICIT,)),)),
        replace(REQUEST, roles={CT: (False, False)}),
        replace(REQUEST, maximum_length=-1),
    ],
)
def test_what_cannot_be_written_is_refused(request_: AssociateRequest) -> None:
    with pytest.raises(LocalViolation):
        encode_associate_request(request_)


def test_an_acceptance_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(LocalViolation):
        encode_associate_accept(replace(ACCEPT, contexts=(ContextResult(4, 0, EXPLICIT),)))
    with pytest.raises(LocalViolation):
        encode_associate_accept(replace(ACCEPT, maximum_length=2**40))


# What a policy chooses.


def _negotiated(request: AssociateRequest, policy: Policy) -> AssociateAccept:
    answer = negotiate(request, policy)
    assert isinstance(answer, AssociateAccept)
    return answer


def test_a_policy_chooses_for_each_context() -> None:
    chosen = {VERIFICATION: None, CT: EXPLICIT}
    request = replace(
        REQUEST,
        contexts=(
            ProposedContext(1, VERIFICATION, (IMPLICIT,)),
            ProposedContext(3, CT, (IMPLICIT, EXPLICIT)),
            ProposedContext(5, CT, (IMPLICIT,)),
            ProposedContext(7, "1.2.3.4", (IMPLICIT,)),
        ),
    )
    policy = Policy(
        choose=lambda abstract_syntax, proposed: (
            chosen[abstract_syntax]
            if EXPLICIT in proposed or abstract_syntax == VERIFICATION
            else IMPLICIT
            if abstract_syntax == "1.2.3.4"
            else ""
        )
    )
    assert [(it.id, it.result, it.transfer_syntax) for it in _negotiated(request, policy).contexts] == [
        (1, 3, IMPLICIT),
        (3, 0, EXPLICIT),
        (5, 4, IMPLICIT),
        (7, 0, IMPLICIT),
    ]


def test_what_was_not_proposed_is_not_accepted() -> None:
    answer = _negotiated(REQUEST, Policy(choose=lambda _, __: "1.2.840.10008.1.2.4.90"))
    assert {context.result for context in answer.contexts} == {4}


@pytest.mark.parametrize(
    ("asked", "granted", "answered", "result", "acceptor"),
    [
        (None, (True, True), None, 0, (False, True)),
        ((True, True), None, None, 0, (False, True)),
        ((True, True), (True, True), (True, True), 0, (True, True)),
        ((True, True), (False, True), (False, True), 0, (True, False)),
        ((True, True), (True, False), (True, False), 0, (False, True)),
        ((False, True), (True, True), (False, True), 0, (True, False)),
        ((True, False), (True, True), (True, False), 0, (False, True)),
        ((False, True), (False, False), None, 1, None),
    ],
)
def test_roles_are_answered(
    asked: tuple[bool, bool] | None,
    granted: tuple[bool, bool] | None,
    answered: tuple[bool, bool] | None,
    result: int,
    acceptor: tuple[bool, bool] | None,
) -> None:
    request = replace(REQUEST, roles={} if asked is None else {CT: asked})
    answer = _negotiated(request, replace(TAKES_ALL, roles=lambda _, __: granted))
    assert answer.roles.get(CT) == answered
    assert answer.contexts[1].result == result
    ours = accepted_contexts(request, answer, Role.ACCEPTOR).get(3)
    theirs = accepted_contexts(request, answer, Role.REQUESTOR).get(3)
    assert (ours and (ours.scu, ours.scp)) == acceptor
    assert (theirs and (theirs.scp, theirs.scu)) == acceptor


def test_the_window_is_the_lesser_of_both() -> None:
    for asked, ours, answered in [
        (None, (4, 4), None),
        ((8, 1), (4, 4), (4, 1)),
        ((0, 0), (4, 1), (4, 1)),
        ((3, 0), (0, 0), (3, 0)),
    ]:
        answer = _negotiated(replace(REQUEST, operations_window=asked), replace(TAKES_ALL, operations_window=ours))
        assert answer.operations_window == answered


def test_extended_negotiation_is_answered_by_the_policy() -> None:
    request = replace(REQUEST, extended={CT: b"\1\0", VERIFICATION: b"\1"})
    policy = replace(TAKES_ALL, extended=lambda sop_class, asked: asked[:1] if sop_class == CT else None)
    assert _negotiated(request, policy).extended == {CT: b"\1"}


@pytest.mark.parametrize(
    ("request_", "policy", "reason"),
    [
        (replace(REQUEST, application_context="1.2.3"), TAKES_ALL, (1, 1, 2)),
        (REQUEST, replace(TAKES_ALL, calling_ae_titles={"MR1"}), (1, 1, 3)),
        (REQUEST, replace(TAKES_ALL, called_ae_titles=("STORE",)), (1, 1, 7)),
    ],
)
def test_a_request_is_rejected_for_what_the_policy_does_not_take(
    request_: AssociateRequest, policy: Policy, reason: tuple[int, int, int]
) -> None:
    assert negotiate(request_, policy) == AssociateReject(*reason)


@pytest.mark.parametrize("tool", REQUESTS)
def test_what_dcmtk_asks_for_can_be_accepted(tool: str) -> None:
    request = decode_associate_request(REQUESTS[tool])
    answer = _negotiated(request, replace(TAKES_ALL, roles=lambda _, asked: asked))
    assert decode_associate_accept(encode_associate_accept(answer)) == answer
    assert len(accepted_contexts(request, answer, Role.REQUESTOR)) == len(request.contexts)


def test_a_context_or_a_transfer_syntax_that_was_not_proposed_is_no_context() -> None:
    accept = replace(
        ACCEPT, contexts=(ContextResult(1, 0, EXPLICIT), ContextResult(3, 0, IMPLICIT), ContextResult(5, 0, IMPLICIT))
    )
    assert accepted_contexts(REQUEST, accept, Role.REQUESTOR) == {3: AcceptedContext(3, CT, IMPLICIT, True, False)}


@pytest.mark.parametrize("junk", [b"\xff" * 16, b"\0" * 16, b"\r\n" * 8])
def test_junk_in_place_of_a_title_is_a_violation_and_no_line_in_the_log(junk: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(PeerViolation, match="byte 5"):
        decode_associate_request(RQ[:10] + junk + RQ[26:], 5)
    assert caplog.records == []


@pytest.mark.filterwarnings("always")  # a warning is to be a line of the log, not the error that it is in other tests
def test_uids_that_are_not_quite_fill_no_log(caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder) -> None:
    syntaxes = [b"x%d" % number for number in range(255)]
    application_context = _item(b"\x10", b"1.2.840.10008.3.1.1.1")
    information = _item(b"\x50", _item(b"\x52", b"0001.x"))
    request = decode_associate_request(_contexts(application_context, _proposing(*syntaxes), information))
    assert request.contexts[0].transfer_syntaxes == tuple(syntax.decode() for syntax in syntaxes)
    accept = _negotiated(request, TAKES_ALL)
    assert decode_associate_accept(encode_associate_accept(accept)).contexts == (ContextResult(1, 0, "x0"),)
    assert may_be_stored("x0")
    assert (caplog.records, recwarn.list) == ([], [])


@pytest.mark.parametrize("reserved", [b"\0", b"\1"])
def test_a_passcode_is_not_remembered(reserved: bytes) -> None:
    identified = replace(REQUEST, user_identity=UserIdentity(2, b"alice", b"secret"))
    encoded = encode_associate_request(identified).replace(b"\x58\0", b"\x58" + reserved)
    _read_recent_request.cache_clear()
    assert decode_associate_request(encoded) == identified
    assert _read_recent_request.cache_info().currsize == 0


def test_a_request_is_remembered_though_an_ae_title_has_an_x() -> None:
    _read_recent_request.cache_clear()
    decode_associate_request(encode_associate_request(replace(REQUEST, called_ae_title="XRAY")))
    assert _read_recent_request.cache_info().currsize == 1
