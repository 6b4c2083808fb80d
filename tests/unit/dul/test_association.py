"""An association tells the same however its bytes are cut, answers each violation as it should, and holds little."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dul import (
    DEFAULT_MAXIMUM,
    Aborted,
    AbortReason,
    AbortSource,
    Accepted,
    AcceptedContext,
    AssociateRequest,
    Association,
    CloseConnection,
    Fragment,
    LocalViolation,
    PeerViolation,
    Rejected,
    Released,
    ReleaseRequested,
    Requested,
    Role,
    StartTimer,
    State,
    StopTimer,
    Write,
)
from dul.associate_codec import encode_associate_accept, encode_associate_request
from dul.pdata import pdv_header, split
from dul.pdus import PDU_LIMIT, RELEASE_RP, RELEASE_RQ, encode_abort
from tests.unit.dul.captured import REQUESTS
from tests.unit.dul.feeding import (
    ABORT,
    AC,
    ACCEPT,
    CT,
    CUTS,
    DATA,
    EXPLICIT,
    IMPLICIT,
    LOCAL,
    REJECT,
    REQUEST,
    RJ,
    RQ,
    VERIFICATION,
    acceptor,
    feed,
    in_every_state,
    merged,
    requestor,
    written,
)

STORE = b"".join(split(3, b"c" * 90, b"d" * 40_000, 16384))
STORED = [(3, True, True, b"c" * 90), (3, False, True, b"d" * 40_000)]
ECHOED = (1, True, True, b"\1\2\3\4")

# A start, what the peer sends then, and what is told.
SCENARIOS: dict[str, tuple[Callable[[], Association], bytes, list[object]]] = {
    "a request": (acceptor, RQ, [StopTimer(), Requested(REQUEST)]),
    "an acceptance": (lambda: requestor("connected"), AC, [Accepted(ACCEPT)]),
    "a rejection": (lambda: requestor("connected"), RJ, [Rejected(REJECT), CloseConnection()]),
    "an acceptance and a message": (lambda: requestor("connected"), AC + DATA, [Accepted(ACCEPT), ECHOED]),
    "two messages and a release": (
        lambda: acceptor(RQ, "accept"),
        DATA + STORE + RELEASE_RQ,
        [ECHOED, *STORED, ReleaseRequested()],
    ),
    "an empty P-DATA-TF": (lambda: acceptor(RQ, "accept"), b"\4\0\0\0\0\0" + DATA, [ECHOED]),
    "a message of several fragments": (
        lambda: acceptor(RQ, "accept"),
        b"\4\0\0\0\0\x11" + b"\0\0\0\x05\x01\x01abc" + b"\0\0\0\4\1\3de" + DATA,
        [(1, True, True, b"abcde"), ECHOED],
    ),
    "an abort in the midst of a message": (
        lambda: acceptor(RQ, "accept"),
        pdv_header(3, 4, command=True, last=False) + b"abcd" + encode_abort(2, 5),
        [(3, True, False, b"abcd"), Aborted(2, 5), CloseConnection()],
    ),
    "data after a release was asked for": (
        lambda: requestor("connected", AC, "release"),
        DATA + RELEASE_RP,
        [ECHOED, Released(), CloseConnection()],
    ),
    "a release that both ask for, at the requestor": (
        lambda: requestor("connected", AC, "release", RELEASE_RQ, "respond_release"),
        RELEASE_RP,
        [Released(), CloseConnection()],
    ),
    "a release that both ask for, at the acceptor": (
        lambda: acceptor(RQ, "accept", "release"),
        RELEASE_RQ + RELEASE_RP,
        [ReleaseRequested(collision=True), Released()],
    ),
    "data after our abort": (
        lambda: acceptor(RQ, "accept", "abort"),
        STORE + RELEASE_RQ + ABORT,
        [StopTimer(), CloseConnection()],
    ),
    "a request after our rejection": (
        lambda: acceptor(RQ, "reject"),
        RQ + RJ + ABORT,
        [encode_abort(2, 2), StopTimer(), CloseConnection()],
    ),
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_is_told_does_not_depend_on_the_cuts(scenario: str, cut: Callable[[bytes], list[bytes]]) -> None:
    make, data, expected = SCENARIOS[scenario]
    association = make()
    assert feed(association, cut(data)) == expected
    assert association.held == 0


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_trails_is_told_by_itself(scenario: str) -> None:
    make, data, expected = SCENARIOS[scenario]
    association, twin = make(), make()
    told = feed(association, [data + DATA[:9]])
    assert told[: len(expected)] == expected
    feed(twin, [data])
    assert told[len(expected) :] == feed(twin, [DATA[:9]])
    assert association.held == twin.held
    assert association.state is twin.state


@given(st.data())
def test_what_is_told_does_not_depend_on_any_cut(data: st.DataObject) -> None:
    sent = RQ
    places = data.draw(st.lists(st.integers(0, len(sent)), max_size=8).map(sorted))
    pieces = [sent[start:stop] for start, stop in zip([0, *places], [*places, len(sent)], strict=True)]
    assert feed(acceptor(), pieces) == [StopTimer(), Requested(REQUEST)]
    stored = DATA + STORE + RELEASE_RQ
    places = data.draw(st.lists(st.integers(0, 200) | st.integers(0, len(stored)), max_size=12).map(sorted))
    pieces = [stored[start:stop] for start, stop in zip([0, *places], [*places, len(stored)], strict=True)]
    assert feed(acceptor(RQ, "accept"), pieces) == [ECHOED, *STORED, ReleaseRequested()]


@pytest.mark.parametrize("tool", REQUESTS)
def test_a_request_of_dcmtk_is_asked_for(tool: str) -> None:
    _, requested = feed(acceptor(), [REQUESTS[tool]])
    assert isinstance(requested, Requested)
    assert encode_associate_request(requested.request)[:74] == REQUESTS[tool][:74]


# Violations. In Sta2 nobody has an association yet, and the standard's action AA-1 aborts as a service user.
_ESTABLISHED = {"acceptor": lambda: acceptor(RQ, "accept"), "requestor": lambda: requestor("connected", AC)}
VIOLATIONS: dict[str, tuple[bytes, AbortReason, int]] = {
    "a type that is none": (b"GET / HTTP/1.1\r\n", AbortReason.UNRECOGNIZED_PDU, 0),
    "a second request": (RQ, AbortReason.UNEXPECTED_PDU, 0),
    "an acceptance": (AC, AbortReason.UNEXPECTED_PDU, 0),
    "a release response that nobody asked for": (DATA + RELEASE_RP, AbortReason.UNEXPECTED_PDU, len(DATA)),
    "a request of 4 GiB": (b"\1\0\xff\xff\xff\xff" + RQ[6:], AbortReason.INVALID_PARAMETER, 0),
    "data of 4 GiB": (b"\4\0\xff\xff\xff\xff" + DATA[6:], AbortReason.INVALID_PARAMETER, 0),
    "a release of 4 GiB": (b"\5\0\xff\xff\xff\xff\0\0\0\0", AbortReason.INVALID_PARAMETER, 0),
    "an abort of 4 GiB": (b"\7\0\xff\xff\xff\xff\0\0\0\0", AbortReason.INVALID_PARAMETER, 0),
    "a value of 4 GiB": (b"\4\0\0\0\0\x0a\xff\xff\xff\xff\1\3\1\2\3\4", AbortReason.INVALID_PARAMETER, 6),
    "a context that was not accepted": (
        DATA + pdv_header(5, 2, command=True, last=True) + b"ab",
        AbortReason.INVALID_PARAMETER,
        len(DATA) + 6,
    ),
    "a value without a control header": (b"\4\0\0\0\0\6\0\0\0\1\1\3", AbortReason.INVALID_PARAMETER, 6),
    "values that do not fill their PDU": (DATA[:5] + b"\x0b" + DATA[6:] + b"\0", AbortReason.INVALID_PARAMETER, 16),
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("role", _ESTABLISHED)
@pytest.mark.parametrize("violation", VIOLATIONS)
def test_a_violation_is_answered_with_its_reason(violation: str, role: str, cut: Callable[[bytes], list[bytes]]) -> None:
    sent, reason, position = VIOLATIONS[violation]
    association = _ESTABLISHED[role]()
    before = len(RQ if role == "acceptor" else AC)
    *told, abort, timer, aborted = feed(association, cut(sent))
    assert told == ([ECHOED] if sent.startswith(DATA) or position == 16 else [])
    assert abort == encode_abort(AbortSource.SERVICE_PROVIDER, reason)
    assert timer == StartTimer()
    assert isinstance(aborted, Aborted)
    assert (aborted.source, aborted.reason, aborted.lost) == (2, reason, False)
    assert aborted.problem.endswith(f"(byte {before + position})")
    assert association.state is State.Sta13
    assert association.held == 0
    if reason is AbortReason.UNEXPECTED_PDU:
        assert feed(association, [DATA, ABORT, b"junk"]) == [StopTimer(), CloseConnection()], "it could be read, and so can these"
    else:
        assert feed(association, [DATA, ABORT, b"junk"]) == [], "what comes after a violation cannot be read"


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("start", ["before an association", "within one"])
def test_after_an_unexpected_pdu_each_is_answered_by_the_table(start: str, cut: Callable[[bytes], list[bytes]]) -> None:
    """PS3.8 table 9-10, Sta13: a second request is aborted too (AA-7), others are passed over (AA-6), an abort closes (AA-2)."""
    association = acceptor(AC) if start == "before an association" else acceptor(RQ, "accept", AC)
    assert association.state is State.Sta13
    after = RQ + AC + RJ + RELEASE_RQ + RELEASE_RP + ABORT + DATA
    assert feed(association, cut(after)) == [encode_abort(2, 2), StopTimer(), CloseConnection()]
    assert association.state is State.Sta1


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\3\1\2\0\1\0\1\xfc", b"\1\0\xff\xff\xff\xff" + RQ[6:], RQ[:-4] + b"\xff" * 4, AC]
)
def test_junk_in_place_of_a_request_is_aborted(sent: bytes, cut: Callable[[bytes], list[bytes]]) -> None:
    association = acceptor()
    abort, timer, aborted = feed(association, cut(sent))
    assert (abort, timer) == (encode_abort(0, 0), StartTimer())
    assert isinstance(aborted, Aborted)
    assert aborted.problem
    assert association.held == 0


def test_an_acceptance_that_cannot_be_read_is_aborted() -> None:
    abort, _, aborted = feed(requestor("connected"), [AC[:-4] + b"\xff" * 4])
    assert abort == encode_abort(2, AbortReason.INVALID_PARAMETER)
    assert isinstance(aborted, Aborted)


def test_an_abort_can_come_at_any_byte() -> None:
    for end in (*range(130), len(STORE) - 1):
        association = acceptor(RQ, "accept", STORE[:end])
        assert merged(association.abort()) == [ABORT, StartTimer()]
        assert association.held < 6
        assert feed(association, [STORE[end:] + DATA + ABORT]) == [StopTimer(), CloseConnection()]
    for end in range(len(AC)):
        association = requestor("connected", AC[:end])
        assert merged(association.abort()) == [ABORT, StartTimer()]
        assert association.held < 6
        assert feed(association, [AC[end:] + ABORT]) == [StopTimer(), CloseConnection()]


def test_the_peer_can_abort_in_every_state() -> None:
    for state, association in in_every_state():
        told = feed(association, [encode_abort(2, 1), DATA])
        if state in (State.Sta1, State.Sta4):
            assert told == []
        elif state in (State.Sta2, State.Sta13):
            assert told == [StopTimer(), CloseConnection()]
        else:
            assert told == [Aborted(2, 1), CloseConnection()]
        assert association.connection_closed() == ([] if state is not State.Sta4 else [Aborted(2, 0, lost=True)])
        assert association.held == 0


def test_an_abort_of_ours_can_be_that_of_the_provider() -> None:
    assert merged(acceptor(RQ, "accept").abort(2, 6)) == [encode_abort(2, 6), StartTimer()]


def test_the_end_of_the_connection_is_told_in_every_state() -> None:
    for state, association in in_every_state():
        told = association.connection_closed()
        quiet = {State.Sta1: [], State.Sta2: [StopTimer()], State.Sta13: [StopTimer()]}
        assert told == quiet.get(state, [Aborted(2, 0, lost=True)])
        assert association.state is State.Sta1
        assert feed(association, [RQ, b"more"]) == []


def test_an_association_has_one_life() -> None:
    for association in (acceptor(RQ, "accept", ABORT), requestor("connected", AC, ABORT)):
        assert association.state is State.Sta1
        for again in ("open", "connected", "abort", "release"):
            with pytest.raises(LocalViolation):
                LOCAL[again](association)


def test_a_release_collision_ends_in_order_at_both_sides() -> None:
    ours, theirs = requestor("connected"), acceptor(RQ)
    ours.receive(written(theirs.accept(ACCEPT)[0]))
    asked, asked_too = written(ours.release()[0]), written(theirs.release()[0])
    assert ours.receive(asked_too) == [ReleaseRequested(collision=True)]
    assert theirs.receive(asked) == [ReleaseRequested(collision=True)]
    with pytest.raises(LocalViolation):
        theirs.respond_release()
    (first,) = ours.respond_release()
    assert theirs.receive(written(first)) == [Released()]
    second, timer = theirs.respond_release()
    assert timer == StartTimer()
    assert ours.receive(written(second)) == [Released(), CloseConnection()]
    assert theirs.connection_closed() == [StopTimer()]
    assert ours.state is theirs.state is State.Sta1


# What is held.


def test_endless_fragments_are_not_held() -> None:
    association = acceptor(RQ, "accept")
    endless = (pdv_header(3, 1000, command=False, last=False) + bytes(1000)) * 60
    for _ in range(200):
        assert sum(len(event.data) for event in association.receive(endless) if isinstance(event, Fragment)) == 60_000
        assert association.held == 0


def test_a_long_request_is_held_to_its_end_only() -> None:
    association = acceptor()
    association.receive(b"\1\0" + PDU_LIMIT.to_bytes(4, "big"))
    for _ in range(PDU_LIMIT // 65536):
        assert association.held <= PDU_LIMIT
        events = association.receive(b"\x77\0\xff\xfc" + bytes(65532))
    assert association.held == 0
    assert isinstance(events[-1], Aborted)


def test_data_longer_than_was_announced_is_taken_up_to_a_bound() -> None:
    length = PDU_LIMIT
    header = b"\4\0" + length.to_bytes(4, "big") + (length - 4).to_bytes(4, "big") + b"\1\2"
    association = acceptor(RQ, "accept")
    (fragment,) = association.receive(header + bytes(length - 6))
    assert isinstance(fragment, Fragment)
    assert fragment.last
    unlimited = Association(Role.ACCEPTOR, maximum=0)
    unlimited.connected()
    unlimited.receive(RQ)
    unlimited.accept(ACCEPT)
    assert unlimited.receive(b"\4\0\xff\xff\xff\xff\xff\xff\xff\xfb\1\2") == []


# What the local user says.


def test_the_maximum_is_announced_in_place_of_the_users() -> None:
    association = Association(Role.REQUESTOR, 32768)
    association.open(REQUEST)
    assert written(association.connected()[0]) == encode_associate_request(replace(REQUEST, maximum_length=32768))
    association = Association(Role.ACCEPTOR, 32768)
    association.connected()
    association.receive(RQ)
    assert written(association.accept(ACCEPT)[0]) == encode_associate_accept(replace(ACCEPT, maximum_length=32768))


def test_an_association_knows_its_contexts_and_the_peers_maximum() -> None:
    for association, scu in ((requestor("connected", AC), True), (acceptor(RQ, "accept"), False)):
        assert association.established
        assert association.request == REQUEST
        assert association.peer_maximum == DEFAULT_MAXIMUM
        assert association.fragment_size == DEFAULT_MAXIMUM - 6
        assert association.contexts == {
            1: AcceptedContext(1, VERIFICATION, IMPLICIT, scu, not scu),
            3: AcceptedContext(3, CT, EXPLICIT, scu, not scu),
        }


def test_a_message_is_one_write() -> None:
    data = bytes(526_000)
    (write,) = requestor("connected", AC).send(3, b"command!", data)
    assert isinstance(write, Write)
    peer = acceptor(RQ, "accept")
    assert feed(peer, [written(write)]) == [(3, True, True, b"command!"), (3, False, True, data)]
    assert sum(isinstance(buffer, memoryview) for buffer in write.data) == 5


def test_a_data_set_is_sent_as_it_is_read_from_a_file() -> None:
    association = requestor("connected", AC)
    writes = association.send(3, b"command!")
    pieces = [b"a" * association.fragment_size, b"b" * 200_000, b"c" * 10]
    for number, piece in enumerate(pieces, start=1):
        writes += association.send_fragment(3, piece, last=number == len(pieces))
    told = feed(acceptor(RQ, "accept"), map(written, writes))
    assert told == [(3, True, True, b"command!"), (3, False, True, b"".join(pieces))]


def test_nothing_is_sent_on_a_context_that_was_not_accepted() -> None:
    association = requestor("connected", AC)
    with pytest.raises(LocalViolation):
        association.send(5, b"command!")
    with pytest.raises(LocalViolation):
        association.send_fragment(5, b"data", last=True)


def test_a_call_that_is_refused_changes_nothing() -> None:
    for state, association in in_every_state():
        if state not in (State.Sta6, State.Sta8):
            with pytest.raises(LocalViolation):
                association.send(1, b"command!")
        if state is not State.Sta3:
            with pytest.raises(LocalViolation):
                association.accept(ACCEPT)
            with pytest.raises(LocalViolation):
                association.reject(REJECT)
        assert association.state is state


def test_what_cannot_be_written_can_be_asked_for_again() -> None:
    association = Association(Role.REQUESTOR)
    with pytest.raises(LocalViolation):
        association.open(AssociateRequest("", "CT1", ()))
    association.open(REQUEST)
    waiting = acceptor(RQ)
    with pytest.raises(LocalViolation):
        waiting.accept(replace(ACCEPT, maximum_length=-1))
    assert waiting.state is State.Sta3
    waiting.accept(ACCEPT)


def test_an_acceptor_does_not_ask() -> None:
    with pytest.raises(LocalViolation):
        Association(Role.ACCEPTOR).open(REQUEST)


def test_a_violation_names_its_byte() -> None:
    violation = PeerViolation("No.", AbortReason.INVALID_PARAMETER, 17)
    assert (str(violation), violation.position) == ("No. (byte 17)", 17)
