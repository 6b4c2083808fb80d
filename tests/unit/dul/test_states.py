"""The state machine is that of PS3.8 9.2, cell by cell, and its actions do what the standard says."""

from __future__ import annotations

import pytest

from dul import (
    TRANSITIONS,
    Aborted,
    Accepted,
    Action,
    Association,
    CloseConnection,
    Event,
    Evt,
    LocalViolation,
    OpenConnection,
    Rejected,
    Released,
    ReleaseRequested,
    Requested,
    Role,
    StartTimer,
    State,
    StopTimer,
)
from dul.pdus import RELEASE_RP, RELEASE_RQ
from tests.unit.dul.feeding import ABORT, AC, ACCEPT, DATA, IN_STATE, LOCAL, REJECT, REQUEST, RJ, RQ, merged

# PS3.8 table 9-10, the columns Sta1 to Sta13.
TABLE_9_10 = """
        1     2     3     4     5     6     7     8     9     10    11    12    13
Evt1    AE-1  -     -     -     -     -     -     -     -     -     -     -     -
Evt2    -     -     -     AE-2  -     -     -     -     -     -     -     -     -
Evt3    -     AA-1  AA-8  -     AE-3  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
Evt4    -     AA-1  AA-8  -     AE-4  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
Evt5    AE-5  -     -     -     -     -     -     -     -     -     -     -     -
Evt6    -     AE-6  AA-8  -     AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-7
Evt7    -     -     AE-7  -     -     -     -     -     -     -     -     -     -
Evt8    -     -     AE-8  -     -     -     -     -     -     -     -     -     -
Evt9    -     -     -     -     -     DT-1  -     AR-7  -     -     -     -     -
Evt10   -     AA-1  AA-8  -     AA-8  DT-2  AR-6  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
Evt11   -     -     -     -     -     AR-1  -     -     -     -     -     -     -
Evt12   -     AA-1  AA-8  -     AA-8  AR-2  AR-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
Evt13   -     AA-1  AA-8  -     AA-8  AA-8  AR-3  AA-8  AA-8  AR-10 AR-3  AA-8  AA-6
Evt14   -     -     -     -     -     -     -     AR-4  AR-9  -     -     AR-4  -
Evt15   -     -     AA-1  AA-2  AA-1  AA-1  AA-1  AA-1  AA-1  AA-1  AA-1  AA-1  -
Evt16   -     AA-2  AA-3  -     AA-3  AA-3  AA-3  AA-3  AA-3  AA-3  AA-3  AA-3  AA-2
Evt17   -     AA-5  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AR-5
Evt18   -     AA-2  -     -     -     -     -     -     -     -     -     -     AA-2
Evt19   -     AA-1  AA-8  -     AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-7
"""
# PS3.8 tables 9-6 to 9-9, the next states.
NEXT = """
AE-1 4   AE-2 5   AE-3 6   AE-4 1   AE-5 2   AE-6 3,13   AE-7 6   AE-8 13   DT-1 6   DT-2 6
AR-1 7   AR-2 8   AR-3 1   AR-4 13  AR-5 1   AR-6 7      AR-7 8   AR-8 9,10 AR-9 11  AR-10 12
AA-1 13  AA-2 1   AA-3 1   AA-4 1   AA-5 1   AA-6 13     AA-7 13  AA-8 13
"""
ROWS = [line.split() for line in TABLE_9_10.strip().splitlines()[1:]]
CELLS = [(Evt(int(row[0][3:])), State(f"Sta{number}"), cell) for row in ROWS for number, cell in enumerate(row[1:], start=1)]
NEXT_STATES = {
    action: tuple(State(f"Sta{number}") for number in numbers.split(","))
    for action, numbers in zip(NEXT.split()[::2], NEXT.split()[1::2], strict=True)
}

#: What makes each event happen: bytes of the peer, or a method.
CAUSES: dict[Evt, bytes | str] = {
    Evt.ASSOCIATE_REQUEST: "open",
    Evt.TRANSPORT_CONFIRM: "connected",
    Evt.ASSOCIATE_AC_PDU: AC,
    Evt.ASSOCIATE_RJ_PDU: RJ,
    Evt.TRANSPORT_INDICATION: "connected",
    Evt.ASSOCIATE_RQ_PDU: RQ,
    Evt.ASSOCIATE_ACCEPT: "accept",
    Evt.ASSOCIATE_REJECT: "reject",
    Evt.P_DATA_REQUEST: "send",
    Evt.P_DATA_PDU: DATA,
    Evt.RELEASE_REQUEST: "release",
    Evt.RELEASE_RQ_PDU: RELEASE_RQ,
    Evt.RELEASE_RP_PDU: RELEASE_RP,
    Evt.RELEASE_RESPONSE: "respond_release",
    Evt.ABORT_REQUEST: "abort",
    Evt.ABORT_PDU: ABORT,
    Evt.TRANSPORT_CLOSED: "connection_closed",
    Evt.ARTIM_EXPIRED: "timer_expired",
    Evt.INVALID_PDU: b"\x0b\0\0\0\0\4\0\0\0\0",
}
UNEXPECTED_ABORT = bytes.fromhex("07000000000400000202")
UNRECOGNIZED_ABORT = bytes.fromhex("07000000000400000201")

#: What each action gives; writes are their bytes, and `Aborted` stands for one with whatever problem.
DOES: dict[Action, list[object]] = {
    Action.AE_1: [OpenConnection()],
    Action.AE_2: [RQ],
    Action.AE_3: [Accepted(ACCEPT)],
    Action.AE_4: [Rejected(REJECT), CloseConnection()],
    Action.AE_5: [StartTimer()],
    Action.AE_6: [StopTimer(), Requested(REQUEST)],
    Action.AE_7: [AC],
    Action.AE_8: [RJ, StartTimer()],
    Action.DT_1: [DATA],
    Action.DT_2: [(1, True, True, b"\1\2\3\4")],
    Action.AR_1: [RELEASE_RQ],
    Action.AR_2: [ReleaseRequested()],
    Action.AR_3: [Released(), CloseConnection()],
    Action.AR_4: [RELEASE_RP, StartTimer()],
    Action.AR_5: [StopTimer()],
    Action.AR_6: [(1, True, True, b"\1\2\3\4")],
    Action.AR_7: [DATA],
    Action.AR_8: [ReleaseRequested(collision=True)],
    Action.AR_9: [RELEASE_RP],
    Action.AR_10: [Released()],
    Action.AA_1: [ABORT, StartTimer()],
    Action.AA_2: [StopTimer(), CloseConnection()],
    Action.AA_3: [Aborted(0, 0), CloseConnection()],
    Action.AA_4: [Aborted(2, 0, lost=True)],
    Action.AA_5: [StopTimer()],
    Action.AA_6: [],
    Action.AA_7: [UNEXPECTED_ABORT],
    Action.AA_8: [UNEXPECTED_ABORT, StartTimer()],
}


def _cause(association: Association, event: Evt) -> list[Event]:
    cause = CAUSES[event]
    return association.receive(cause) if isinstance(cause, bytes) else LOCAL[cause](association)


def _fits(association: Association, event: Evt) -> bool:
    """Tell whether an association's role is one that an event is for."""
    role = {
        Evt.ASSOCIATE_REQUEST: Role.REQUESTOR,
        Evt.TRANSPORT_CONFIRM: Role.REQUESTOR,
        Evt.TRANSPORT_INDICATION: Role.ACCEPTOR,
    }.get(event)
    return role is None or association.role is role


@pytest.mark.parametrize(("event", "state", "cell"), CELLS)
def test_a_transition_is_that_of_the_standard(event: Evt, state: State, cell: str) -> None:
    expected = None if cell == "-" else (Action(cell), NEXT_STATES[cell])
    assert TRANSITIONS.get((event, state)) == expected


def test_the_grid_has_all_events_states_and_actions() -> None:
    assert len(CELLS) == len(Evt) * len(State)
    assert set(NEXT_STATES) == set(Action) == {cell for _, _, cell in CELLS if cell != "-"}


@pytest.mark.parametrize(("event", "state", "cell"), [cell for cell in CELLS if cell[2] != "-"])
def test_an_action_does_what_the_standard_says(event: Evt, state: State, cell: str) -> None:
    action = Action(cell)
    walked = 0
    for association in (make() for make in IN_STATE[state]):
        if not _fits(association, event):
            continue
        walked += 1
        assert association.state is state
        events = merged(_cause(association, event))
        expected = DOES[action]
        if event is Evt.INVALID_PDU:
            expected = [UNRECOGNIZED_ABORT if item == UNEXPECTED_ABORT else item for item in expected]
        if action in (Action.AA_1, Action.AA_8) and isinstance(CAUSES[event], bytes):
            told = events.pop()
            assert isinstance(told, Aborted)
            assert told.problem.endswith("(byte 0)" if state in (State.Sta2, State.Sta5) else ")")
            assert (told.source, told.reason) == tuple(expected[0][-2:])  # type: ignore[index]
        assert events == expected
        assert association.state in NEXT_STATES[cell]
        assert not association.held
    assert walked


@pytest.mark.parametrize(("event", "state", "cell"), [cell for cell in CELLS if cell[2] == "-"])
def test_what_the_table_leaves_blank_changes_nothing(event: Evt, state: State, cell: str) -> None:
    cause = CAUSES[event]
    late = cause in ("connection_closed", "timer_expired") or isinstance(cause, bytes)
    for association in (make() for make in IN_STATE[state]):
        if not _fits(association, event):
            continue
        if late:
            assert _cause(association, event) == []
        else:
            with pytest.raises(LocalViolation):
                _cause(association, event)
        assert association.state is state


def test_a_protocol_version_that_is_not_ours_is_rejected_by_the_provider() -> None:
    association = Association(Role.ACCEPTOR)
    association.connected()
    assert merged(association.receive(RQ[:7] + b"\2" + RQ[8:])) == [
        StopTimer(),
        bytes.fromhex("03000000000400010202"),
        StartTimer(),
    ]
    assert association.state is State.Sta13


@pytest.mark.parametrize(("role", "state"), [(Role.REQUESTOR, State.Sta9), (Role.ACCEPTOR, State.Sta10)])
def test_a_release_collision_has_two_sides(role: Role, state: State) -> None:
    (association,) = (it for it in (make() for make in IN_STATE[State.Sta7]) if it.role is role)
    association.receive(RELEASE_RQ)
    assert association.state is state
