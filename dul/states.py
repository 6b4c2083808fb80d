"""The state machine of the upper layer (PS3.8 9.2): states, events, actions and the table of transitions.

An event (Evt) is a request of the local user, something that the transport tells, a PDU of the peer or the end of the ARTIM
timer. In a state (Sta) it has one action, after which there is one next state; two actions have a choice of two. A pair that
the table leaves blank cannot be: a request which the local user must not make then, or a word of the transport that comes
late and means nothing. `Association` knows what the actions do, and no more of the machine than this table.
"""

from __future__ import annotations

from enum import Enum, IntEnum, StrEnum


class Role(Enum):
    """Which side of an association: the one that asks for it, or the one that answers."""

    REQUESTOR = "requestor"
    ACCEPTOR = "acceptor"


class State(StrEnum):
    """The states of PS3.8 tables 9-1 to 9-5."""

    Sta1 = "Sta1"
    """Idle."""
    Sta2 = "Sta2"
    """The transport connection is open; an A-ASSOCIATE-RQ is awaited."""
    Sta3 = "Sta3"
    """The local user is to accept or reject."""
    Sta4 = "Sta4"
    """The transport connection is being opened."""
    Sta5 = "Sta5"
    """An A-ASSOCIATE-AC or -RJ is awaited."""
    Sta6 = "Sta6"
    """The association is established: data may flow."""
    Sta7 = "Sta7"
    """An A-RELEASE-RP is awaited."""
    Sta8 = "Sta8"
    """The local user is to answer a release."""
    Sta9 = "Sta9"
    """Release collision, the requestor's side: the local user is to answer."""
    Sta10 = "Sta10"
    """Release collision, the acceptor's side: an A-RELEASE-RP is awaited."""
    Sta11 = "Sta11"
    """Release collision, the requestor's side: an A-RELEASE-RP is awaited."""
    Sta12 = "Sta12"
    """Release collision, the acceptor's side: the local user is to answer."""
    Sta13 = "Sta13"
    """The association is no more; the transport connection is to be closed by the peer."""


class Evt(IntEnum):
    """The events of PS3.8 table 9-10, numbered as there."""

    ASSOCIATE_REQUEST = 1
    TRANSPORT_CONFIRM = 2
    ASSOCIATE_AC_PDU = 3
    ASSOCIATE_RJ_PDU = 4
    TRANSPORT_INDICATION = 5
    ASSOCIATE_RQ_PDU = 6
    ASSOCIATE_ACCEPT = 7
    ASSOCIATE_REJECT = 8
    P_DATA_REQUEST = 9
    P_DATA_PDU = 10
    RELEASE_REQUEST = 11
    RELEASE_RQ_PDU = 12
    RELEASE_RP_PDU = 13
    RELEASE_RESPONSE = 14
    ABORT_REQUEST = 15
    ABORT_PDU = 16
    TRANSPORT_CLOSED = 17
    ARTIM_EXPIRED = 18
    INVALID_PDU = 19


class Action(StrEnum):
    """The actions of PS3.8 tables 9-6 to 9-9."""

    AE_1 = "AE-1"
    """Connect."""
    AE_2 = "AE-2"
    """Send an A-ASSOCIATE-RQ."""
    AE_3 = "AE-3"
    """Tell that the association is accepted."""
    AE_4 = "AE-4"
    """Tell that it is rejected; close."""
    AE_5 = "AE-5"
    """Start ARTIM."""
    AE_6 = "AE-6"
    """Stop ARTIM; tell that an association is asked for, or, when it cannot be, send an A-ASSOCIATE-RJ and start ARTIM."""
    AE_7 = "AE-7"
    """Send an A-ASSOCIATE-AC."""
    AE_8 = "AE-8"
    """Send an A-ASSOCIATE-RJ; start ARTIM."""
    DT_1 = "DT-1"
    """Send a P-DATA-TF."""
    DT_2 = "DT-2"
    """Tell of data."""
    AR_1 = "AR-1"
    """Send an A-RELEASE-RQ."""
    AR_2 = "AR-2"
    """Tell that the release is asked for."""
    AR_3 = "AR-3"
    """Tell that the association is released; close."""
    AR_4 = "AR-4"
    """Send an A-RELEASE-RP; start ARTIM."""
    AR_5 = "AR-5"
    """Stop ARTIM."""
    AR_6 = "AR-6"
    """Tell of data."""
    AR_7 = "AR-7"
    """Send a P-DATA-TF."""
    AR_8 = "AR-8"
    """Tell that the release is asked for by both."""
    AR_9 = "AR-9"
    """Send an A-RELEASE-RP."""
    AR_10 = "AR-10"
    """Tell that the association is released."""
    AA_1 = "AA-1"
    """Send an A-ABORT of the service user; start ARTIM anew."""
    AA_2 = "AA-2"
    """Stop ARTIM; close."""
    AA_3 = "AA-3"
    """Tell that the peer aborted; close."""
    AA_4 = "AA-4"
    """Tell that the connection is lost."""
    AA_5 = "AA-5"
    """Stop ARTIM."""
    AA_6 = "AA-6"
    """Pass over the PDU."""
    AA_7 = "AA-7"
    """Send an A-ABORT."""
    AA_8 = "AA-8"
    """Send an A-ABORT of the service provider, tell of it; start ARTIM."""


_NEXT: dict[Action, tuple[State, ...]] = {
    Action.AE_1: (State.Sta4,),
    Action.AE_2: (State.Sta5,),
    Action.AE_3: (State.Sta6,),
    Action.AE_4: (State.Sta1,),
    Action.AE_5: (State.Sta2,),
    Action.AE_6: (State.Sta3, State.Sta13),
    Action.AE_7: (State.Sta6,),
    Action.AE_8: (State.Sta13,),
    Action.DT_1: (State.Sta6,),
    Action.DT_2: (State.Sta6,),
    Action.AR_1: (State.Sta7,),
    Action.AR_2: (State.Sta8,),
    Action.AR_3: (State.Sta1,),
    Action.AR_4: (State.Sta13,),
    Action.AR_5: (State.Sta1,),
    Action.AR_6: (State.Sta7,),
    Action.AR_7: (State.Sta8,),
    Action.AR_8: (State.Sta9, State.Sta10),
    Action.AR_9: (State.Sta11,),
    Action.AR_10: (State.Sta12,),
    Action.AA_1: (State.Sta13,),
    Action.AA_2: (State.Sta1,),
    Action.AA_3: (State.Sta1,),
    Action.AA_4: (State.Sta1,),
    Action.AA_5: (State.Sta1,),
    Action.AA_6: (State.Sta13,),
    Action.AA_7: (State.Sta13,),
    Action.AA_8: (State.Sta13,),
}

_OPEN = (3, 5, 6, 7, 8, 9, 10, 11, 12)
"""The states in which an association is, or is being established, over an open connection, but for Sta2."""

# PS3.8 table 9-10, a row for each event: the states that have an action. A later entry of a row takes the place of an earlier
# one: what is special after what is common.
_ROWS: dict[Evt, dict[Action, tuple[int, ...]]] = {
    Evt.ASSOCIATE_REQUEST: {Action.AE_1: (1,)},
    Evt.TRANSPORT_CONFIRM: {Action.AE_2: (4,)},
    Evt.ASSOCIATE_AC_PDU: {Action.AA_8: _OPEN, Action.AA_1: (2,), Action.AE_3: (5,), Action.AA_6: (13,)},
    Evt.ASSOCIATE_RJ_PDU: {Action.AA_8: _OPEN, Action.AA_1: (2,), Action.AE_4: (5,), Action.AA_6: (13,)},
    Evt.TRANSPORT_INDICATION: {Action.AE_5: (1,)},
    Evt.ASSOCIATE_RQ_PDU: {Action.AA_8: _OPEN, Action.AE_6: (2,), Action.AA_7: (13,)},
    Evt.ASSOCIATE_ACCEPT: {Action.AE_7: (3,)},
    Evt.ASSOCIATE_REJECT: {Action.AE_8: (3,)},
    Evt.P_DATA_REQUEST: {Action.DT_1: (6,), Action.AR_7: (8,)},
    Evt.P_DATA_PDU: {Action.AA_8: _OPEN, Action.AA_1: (2,), Action.DT_2: (6,), Action.AR_6: (7,), Action.AA_6: (13,)},
    Evt.RELEASE_REQUEST: {Action.AR_1: (6,)},
    Evt.RELEASE_RQ_PDU: {Action.AA_8: _OPEN, Action.AA_1: (2,), Action.AR_2: (6,), Action.AR_8: (7,), Action.AA_6: (13,)},
    Evt.RELEASE_RP_PDU: {
        Action.AA_8: _OPEN,
        Action.AA_1: (2,),
        Action.AR_3: (7, 11),
        Action.AR_10: (10,),
        Action.AA_6: (13,),
    },
    Evt.RELEASE_RESPONSE: {Action.AR_4: (8, 12), Action.AR_9: (9,)},
    Evt.ABORT_REQUEST: {Action.AA_1: _OPEN, Action.AA_2: (4,)},
    Evt.ABORT_PDU: {Action.AA_3: _OPEN, Action.AA_2: (2, 13)},
    Evt.TRANSPORT_CLOSED: {Action.AA_4: (*_OPEN, 4), Action.AA_5: (2,), Action.AR_5: (13,)},
    Evt.ARTIM_EXPIRED: {Action.AA_2: (2, 13)},
    Evt.INVALID_PDU: {Action.AA_8: _OPEN, Action.AA_1: (2,), Action.AA_7: (13,)},
}

TRANSITIONS: dict[tuple[Evt, State], tuple[Action, tuple[State, ...]]] = {
    (event, State(f"Sta{number}")): (action, _NEXT[action])
    for event, row in _ROWS.items()
    for action, numbers in row.items()
    for number in numbers
}
"""What an event does in a state: the action, and the state or the states that may come next."""
