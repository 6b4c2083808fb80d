"""The target of the DICOM upper layer: associations in several states hear the same bytes whole and cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import dropwhile
from random import Random

from dul import Aborted, Association, CloseConnection, State, StopTimer, Write
from dul.pdata import pdv_header, split
from dul.pdus import RELEASE_RP, RELEASE_RQ, encode_abort
from tests.fuzz.mutate import cuts
from tests.unit.dul.captured import ECHOSCU, FINDSCU, STORESCP_ACCEPT, STORESCP_REJECT, STORESCU, STORESCU_IDENTITY
from tests.unit.dul.feeding import AC, RQ, acceptor, merged, requestor

_COMMAND = split(1, b"c" * 70, None, 16384)[0]
_FRAGMENTS = b"".join(pdv_header(3, 30, command=False, last=last) + b"d" * 30 for last in (False, False, True))
_SEVERAL_VALUES = b"\4\0\0\0\0\x11" + b"\0\0\0\x05\x01\x01abc" + b"\0\0\0\4\1\3de"

#: What associations hear: requests and answers of DCMTK, messages, and the ends of associations.
CORPUS = (
    *(ECHOSCU, FINDSCU, STORESCU, STORESCU_IDENTITY, RQ),
    *(STORESCP_ACCEPT, STORESCP_REJECT, AC + _COMMAND, AC + RELEASE_RQ),
    *(_COMMAND + _FRAGMENTS, _SEVERAL_VALUES, _FRAGMENTS + RELEASE_RQ, _COMMAND + encode_abort(2, 1), _FRAGMENTS * 5),
    *(RELEASE_RP, RELEASE_RQ + RELEASE_RP, _SEVERAL_VALUES + RELEASE_RP),
)
_ESTABLISHED = acceptor(RQ, "accept")
_RELEASING = acceptor(RQ, "accept", "release")
_ABORTED = acceptor(RQ, "accept", "abort")
_STARTS: tuple[Callable[[], Association], ...] = (
    acceptor,
    lambda: requestor("connected"),
    lambda: deepcopy(_ESTABLISHED),
    lambda: deepcopy(_RELEASING),
    lambda: deepcopy(_ABORTED),
)
#: The states in which a whole PDU is waited for; in the others a part of a header or of a small PDU is held at most.
_HOLDING = (State.Sta2, State.Sta5)
_SMALL_PDU = 10
#: What may follow when an association is aborted: an A-ABORT more, and the close.
_AT_THE_END = (Write, StopTimer, CloseConnection)


def upper_layer(data: bytes) -> None:
    """Hear bytes from some start on: nothing is raised, the same is told in any cut, nothing after an abort, little is held."""
    random = Random(data)
    make = random.choice(_STARTS)
    whole, cut = make(), make()
    told, told_in_pieces = _hear(whole, [data]), _hear(cut, cuts(data, random))
    assert told == told_in_pieces, f"{told} became {told_in_pieces}"
    assert (whole.state, whole.held) == (cut.state, cut.held), "the state depends on the cut"


def _hear(association: Association, pieces: Sequence[bytes]) -> list[object]:
    events = []
    for piece in pieces:
        events += association.receive(piece)
        bound = len(RQ) * 100 if association.state in _HOLDING else _SMALL_PDU
        assert association.held <= bound, f"{association.held} bytes are held in {association.state}"
    after = list(dropwhile(lambda event: not isinstance(event, Aborted), events))[1:]
    assert all(isinstance(event, _AT_THE_END) for event in after), "an association went on after an abort"
    return merged(events)
