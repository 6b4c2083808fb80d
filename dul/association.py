"""An association without I/O: bytes in, events out, as the state machine of PS3.8 9.2 has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

from dul.associate import (
    PROTOCOL_VERSION_NOT_SUPPORTED,
    AcceptedContext,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    accepted_contexts,
)
from dul.associate_codec import (
    decode_associate_accept,
    decode_associate_reject,
    decode_associate_request,
    encode_associate_accept,
    encode_associate_reject,
    encode_associate_request,
)
from dul.errors import LocalViolation, PeerViolation
from dul.events import (
    Aborted,
    Accepted,
    CloseConnection,
    Event,
    OpenConnection,
    Rejected,
    Released,
    ReleaseRequested,
    Requested,
    StartTimer,
    StopTimer,
    Write,
)
from dul.pdata import FragmentReader, fragment_size, split, split_fragments
from dul.pdus import (
    EVENT_OF_PDU,
    HEADER_LENGTH,
    PDU_LIMIT,
    RELEASE_RP,
    RELEASE_RQ,
    AbortReason,
    AbortSource,
    PduType,
    check_header,
    decode_abort,
    encode_abort,
    read_header,
)
from dul.states import TRANSITIONS, Action, Evt, Role, State

_ANY_LENGTH = (1 << 32) - 1
#: The states in which data is told, which the reader of fragments does.
_TAKING_DATA = frozenset(
    state
    for (event, state), (action, _) in TRANSITIONS.items()
    if event is Evt.P_DATA_PDU and action in (Action.DT_2, Action.AR_6)
)
_P_DATA = int(PduType.P_DATA_TF)  # an int, as members of enumerations are slow to look up, and to compare with, for each PDU
#: These need the type of a PDU only, whatever its body says.
_WITHOUT_BODY = frozenset((Action.AA_1, Action.AA_2, Action.AA_6, Action.AA_7, Action.AA_8))

_Announcing = TypeVar("_Announcing", AssociateRequest, AssociateAccept)


class Association:
    """One side of an association over one transport connection.

    Each method gives the events that come of it, to be heeded in their order: some are for the adapter which has the
    connection and the timer, the others for the local user. A call that the state does not allow raises LocalViolation and
    changes nothing. Whatever the peer sends, `receive` raises nothing: a violation is answered with an A-ABORT and told by
    Aborted, whose problem names the byte. What comes after a PDU that cannot be read (Evt19) is passed over; after one that
    was not to come, PDUs are heeded as in Sta13. At most one PDU which is not data is held.

    `maximum` is announced as the maximum length of a P-DATA-TF, 0 for no limit, in place of what the request or the
    acceptance says.
    """

    __slots__ = (
        "_body",
        "_contexts",
        "_data_limit",
        "_fragments",
        "_header",
        "_kind",
        "_left",
        "_maximum",
        "_peer_maximum",
        "_position",
        "_reading",
        "_request",
        "_request_pdu",
        "_role",
        "_state",
    )

    def __init__(self, role: Role, maximum: int | None = None) -> None:
        self._role = role
        self._maximum = maximum
        self._state = State.Sta1
        self._contexts: dict[int, AcceptedContext] = {}
        self._peer_maximum = 0
        self._data_limit = PDU_LIMIT
        self._request: AssociateRequest | None = None
        self._request_pdu = b""
        self._position = 0
        # How the next bytes are read: a function, not a method of this object, so that no object refers to itself.
        self._reading: _Reading = Association._ignore
        self._header = bytearray()
        self._body = bytearray()
        self._kind = 0
        self._left = 0
        self._fragments = FragmentReader()

    @property
    def role(self) -> Role:
        """The side of the association that this is."""
        return self._role

    @property
    def state(self) -> State:
        """The state of PS3.8 9.2."""
        return self._state

    @property
    def established(self) -> bool:
        """Whether the association is established and nobody has asked for its end (Sta6)."""
        return self._state is State.Sta6

    @property
    def request(self) -> AssociateRequest | None:
        """The request that was sent, or came, if there was one."""
        return self._request

    @property
    def contexts(self) -> Mapping[int, AcceptedContext]:
        """The accepted presentation contexts, by their ids."""
        return self._contexts

    @property
    def peer_maximum(self) -> int:
        """The maximum length of a P-DATA-TF that the peer announced; 0 is no limit."""
        return self._peer_maximum

    @property
    def fragment_size(self) -> int:
        """How many bytes of a data set one PDU for the peer has room for: the measure to read a file by."""
        return fragment_size(self._peer_maximum)

    @property
    def held(self) -> int:
        """How many bytes of what was received are held."""
        return len(self._header) + len(self._body) + self._fragments.held

    # What the local user and the transport say.

    def open(self, request: AssociateRequest) -> list[Event]:
        """Ask for an association (requestor)."""
        if self._role is not Role.REQUESTOR or self._request is not None:
            raise LocalViolation("One association is asked for, by its requestor.")
        announcing = self._announcing(request)
        encoded = encode_associate_request(announcing)
        events = self._happen(Evt.ASSOCIATE_REQUEST)
        self._request, self._request_pdu = announcing, encoded
        self._take_data_up_to(announcing.maximum_length)
        return events

    def connected(self) -> list[Event]:
        """Hear that the transport connection is open: the requestor's was made, the acceptor's came in."""
        if self._position or (self._role is Role.ACCEPTOR and self._request is not None):
            raise LocalViolation("An association has one connection.")
        event = Evt.TRANSPORT_CONFIRM if self._role is Role.REQUESTOR else Evt.TRANSPORT_INDICATION
        events = self._happen(event)
        self._reading = Association._read_header
        return events

    def accept(self, accept: AssociateAccept) -> list[Event]:
        """Accept the association that was asked for."""
        self._allow(Evt.ASSOCIATE_ACCEPT)
        announcing = self._announcing(accept)
        events = self._happen(Evt.ASSOCIATE_ACCEPT, encode_associate_accept(announcing))
        self._establish(announcing)
        self._take_data_up_to(announcing.maximum_length)
        return events

    def reject(self, reject: AssociateReject) -> list[Event]:
        """Reject the association that was asked for."""
        return self._happen(Evt.ASSOCIATE_REJECT, encode_associate_reject(reject))

    def send(self, context_id: int, command: bytes, data: bytes | memoryview | None = None) -> list[Event]:
        """Send a message: a command set and, unless it is None, a data set, in one write."""
        self._allow_data(context_id)
        return self._happen(Evt.P_DATA_REQUEST, split(context_id, command, data, self._peer_maximum))

    def send_fragment(self, context_id: int, data: bytes | memoryview, *, last: bool, command: bool = False) -> list[Event]:
        """Send a part of a command set or of a data set, with its headers, cut where the peer wants; `last` says that it ends."""
        self._allow_data(context_id)
        buffers = split_fragments(context_id, data, self._peer_maximum, command=command, last=last)
        return self._happen(Evt.P_DATA_REQUEST, buffers)

    def release(self) -> list[Event]:
        """Ask for the end of the association; data may still come, but no more may be sent."""
        return self._happen(Evt.RELEASE_REQUEST)

    def respond_release(self) -> list[Event]:
        """Agree to the end of the association.

        After a collision the requestor answers first; the acceptor, which hears Released then, after it.
        """
        return self._happen(Evt.RELEASE_RESPONSE)

    def abort(self, source: int = AbortSource.SERVICE_USER, reason: int = AbortReason.NOT_SPECIFIED) -> list[Event]:
        """Abort the association, or give up its opening. Nothing that the peer sends is told from then on."""
        events = self._happen(Evt.ABORT_REQUEST, (source, reason))
        self._pass_over_the_rest()
        return events

    def connection_closed(self) -> list[Event]:
        """Hear that the transport connection is closed, or could not be made."""
        return self._happen(Evt.TRANSPORT_CLOSED) if (Evt.TRANSPORT_CLOSED, self._state) in TRANSITIONS else []

    def timer_expired(self) -> list[Event]:
        """Hear that the ARTIM timer ended; one that was stopped too late means nothing."""
        return self._happen(Evt.ARTIM_EXPIRED) if (Evt.ARTIM_EXPIRED, self._state) in TRANSITIONS else []

    def receive(self, data: bytes | bytearray | memoryview) -> list[Event]:
        """Take bytes of the peer, cut anywhere. The events' views are of these very bytes."""
        events: list[Event] = []
        view = memoryview(data)
        at, end = 0, len(view)
        try:
            while at < end:
                at = self._reading(self, view, at, events)
        except PeerViolation as violation:
            events += self._happen(Evt.INVALID_PDU, violation)
            self._fall_silent()
        self._position += end
        return events

    # How bytes are read: each function takes some from a place on, adds events, and gives the place after them.

    def _read_header(self, view: memoryview, at: int, events: list[Event]) -> int:
        held = self._header
        if held or len(view) - at < HEADER_LENGTH:
            taken = min(len(view) - at, HEADER_LENGTH - len(held))
            held += view[at : at + taken]
            at += taken
            if len(held) < HEADER_LENGTH:
                return at
            kind, length = read_header(held, 0)
            held.clear()
        else:
            kind, length = read_header(view, at)
            at += HEADER_LENGTH
        if kind == _P_DATA and length <= self._data_limit and self._state in _TAKING_DATA:
            self._fragments.left = length
            if length:
                self._reading = Association._read_data
            return at
        start = self._position + at - HEADER_LENGTH
        check_header(kind, length, self._data_limit, start)
        event = EVENT_OF_PDU[kind]
        action = TRANSITIONS[event, self._state][0]
        if action in _WITHOUT_BODY:
            text = f"A PDU {PduType(kind).name} comes in state {self._state}."
            events += self._happen(event, PeerViolation(text, AbortReason.UNEXPECTED_PDU, start))
            if self._state is not State.Sta1:
                self._left = length
                self._reading = Association._skip if length else Association._read_header
        else:
            self._kind = kind
            self._left = length
            self._body += b"%c\0%b" % (kind, length.to_bytes(4, "big"))
            self._reading = Association._read_body
        return at

    def _read_data(self, view: memoryview, at: int, events: list[Event]) -> int:
        fragments = self._fragments
        at = fragments.read(view, at, events, self._contexts, self._position)
        if not fragments.left:
            self._reading = Association._read_header
        return at

    def _read_body(self, view: memoryview, at: int, events: list[Event]) -> int:
        stop = min(len(view), at + self._left)
        self._body += view[at:stop]
        self._left -= stop - at
        if not self._left:
            pdu = bytes(self._body)
            self._body.clear()
            self._reading = Association._read_header
            given = _DECODERS[self._kind](pdu, self._position + stop - len(pdu))
            events += self._happen(EVENT_OF_PDU[self._kind], given)
        return stop

    def _skip(self, view: memoryview, at: int, _events: list[Event]) -> int:
        stop = min(len(view), at + self._left)
        self._left -= stop - at
        if not self._left:
            self._reading = Association._read_header
        return stop

    def _ignore(self, view: memoryview, _at: int, _events: list[Event]) -> int:
        return len(view)

    def _fall_silent(self) -> None:
        self._reading = Association._ignore
        self._forget()

    def _pass_over_the_rest(self) -> None:
        """Go on after the PDU that is being read: what comes next may be the peer's A-ABORT."""
        left = self._fragments.left if self._reading is Association._read_data else self._left
        if self._reading in (Association._read_data, Association._read_body):
            self._reading = Association._skip
            self._forget()
            self._left = left

    def _forget(self) -> None:
        self._header.clear()
        self._body.clear()
        self._fragments = FragmentReader()
        self._left = 0

    # What is done.

    def _allow(self, event: Evt) -> tuple[Action, tuple[State, ...]]:
        transition = TRANSITIONS.get((event, self._state))
        if transition is None:
            raise LocalViolation(f"{event.name} cannot be in state {self._state}.")
        return transition

    def _allow_data(self, context_id: int) -> None:
        self._allow(Evt.P_DATA_REQUEST)
        if context_id not in self._contexts:
            raise LocalViolation(f"Presentation context {context_id} was not accepted.")

    def _happen(self, event: Evt, given: Any = None) -> list[Event]:
        """Do what the table says of an event."""
        action, following = self._allow(event)
        self._state = following[0]
        events = _ACTIONS[action](self, given)
        if self._state is State.Sta1:
            self._fall_silent()
        return events

    def _announcing(self, information: _Announcing) -> _Announcing:
        return information if self._maximum is None else replace(information, maximum_length=self._maximum)

    def _take_data_up_to(self, announced: int) -> None:
        self._data_limit = max(PDU_LIMIT, announced) if announced else _ANY_LENGTH

    def _establish(self, accept: AssociateAccept) -> None:
        assert self._request is not None
        self._contexts = accepted_contexts(self._request, accept, self._role)

    # The actions of PS3.8 tables 9-6 to 9-9 that need more than to say so.

    def _ae_3(self, accept: AssociateAccept) -> list[Event]:
        self._peer_maximum = accept.maximum_length
        self._establish(accept)
        return [Accepted(accept)]

    def _ae_6(self, request: AssociateRequest) -> list[Event]:
        self._request = request
        self._peer_maximum = request.maximum_length
        if request.protocol_version & 1:
            return [StopTimer(), Requested(request)]
        self._state = State.Sta13
        return [StopTimer(), Write([encode_associate_reject(PROTOCOL_VERSION_NOT_SUPPORTED)]), StartTimer()]

    def _ar_8(self, _given: object) -> list[Event]:
        self._state = State.Sta9 if self._role is Role.REQUESTOR else State.Sta10
        return [ReleaseRequested(collision=True)]

    def _aa_1(self, given: tuple[int, int] | PeerViolation) -> list[Event]:
        if isinstance(given, PeerViolation):  # before there is an association: the standard has the service user abort
            source, reason = AbortSource.SERVICE_USER, AbortReason.NOT_SPECIFIED
            return [Write([encode_abort(source, reason)]), StartTimer(), Aborted(source, reason, str(given))]
        return [Write([encode_abort(*given)]), StartTimer()]

    def _aa_8(self, violation: PeerViolation) -> list[Event]:
        source, reason = AbortSource.SERVICE_PROVIDER, violation.reason
        return [Write([encode_abort(source, reason)]), StartTimer(), Aborted(source, reason, str(violation))]


_Reading: TypeAlias = Callable[[Association, memoryview, int, list[Event]], int]
_Action: TypeAlias = Callable[[Association, Any], list[Event]]


def _write(_association: Association, buffers: Sequence[bytes | memoryview]) -> list[Event]:
    return [Write(buffers)]


def _nothing(_association: Association, _given: object) -> list[Event]:
    return []


_ACTIONS: dict[Action, _Action] = {
    Action.AE_1: lambda _, __: [OpenConnection()],
    Action.AE_2: lambda association, _: [Write([association._request_pdu])],
    Action.AE_3: Association._ae_3,
    Action.AE_4: lambda _, reject: [Rejected(reject), CloseConnection()],
    Action.AE_5: lambda _, __: [StartTimer()],
    Action.AE_6: Association._ae_6,
    Action.AE_7: lambda _, pdu: [Write([pdu])],
    Action.AE_8: lambda _, pdu: [Write([pdu]), StartTimer()],
    Action.DT_1: _write,
    Action.DT_2: _nothing,  # the reader of fragments tells
    Action.AR_1: lambda _, __: [Write([RELEASE_RQ])],
    Action.AR_2: lambda _, __: [ReleaseRequested()],
    Action.AR_3: lambda _, __: [Released(), CloseConnection()],
    Action.AR_4: lambda _, __: [Write([RELEASE_RP]), StartTimer()],
    Action.AR_5: lambda _, __: [StopTimer()],
    Action.AR_6: _nothing,
    Action.AR_7: _write,
    Action.AR_8: Association._ar_8,
    Action.AR_9: lambda _, __: [Write([RELEASE_RP])],
    Action.AR_10: lambda _, __: [Released()],
    Action.AA_1: Association._aa_1,
    Action.AA_2: lambda _, __: [StopTimer(), CloseConnection()],
    Action.AA_3: lambda _, given: [Aborted(*given), CloseConnection()],
    Action.AA_4: lambda _, __: [Aborted(AbortSource.SERVICE_PROVIDER, AbortReason.NOT_SPECIFIED, lost=True)],
    Action.AA_5: lambda _, __: [StopTimer()],
    Action.AA_6: _nothing,
    Action.AA_7: lambda _, violation: [Write([encode_abort(AbortSource.SERVICE_PROVIDER, violation.reason)])],
    Action.AA_8: Association._aa_8,
}

_DECODERS: dict[int, Callable[[bytes, int], object]] = {
    PduType.ASSOCIATE_RQ: decode_associate_request,
    PduType.ASSOCIATE_AC: decode_associate_accept,
    PduType.ASSOCIATE_RJ: lambda pdu, _: decode_associate_reject(pdu),
    PduType.RELEASE_RQ: lambda _, __: None,
    PduType.RELEASE_RP: lambda _, __: None,
    PduType.ABORT: lambda pdu, _: decode_abort(pdu[HEADER_LENGTH:]),
}
