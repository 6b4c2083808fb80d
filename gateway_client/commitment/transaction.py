"""Storage commitment (PS3.4 annex J) as values: what is asked for, what came of it, and the data sets that say so."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from dul import AS_BOTH, AS_SCP, VERIFICATION, AssociateRequest, Exchange, NoContext, Roles, n_event_report, propose
from gateway_client.errors import BadCommitment, NotAnObject
from gateway_client.objects.elements import Elements, scan
from gateway_client.objects.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION
from gateway_client.objects.spans import Encoding, encoding_of

COMMITMENT = "1.2.840.10008.1.20.1"
"""Storage Commitment Push Model SOP Class."""
COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"
"""Its well-known SOP Instance."""
#: Action Type ID (PS3.4 table J.3.2-1), and Event Type IDs (table J.3.3-1).
REQUEST, ALL_COMMITTED, SOME_FAILED = 1, 1, 2
#: Instances in a transaction, and bytes of its data set.
MOST_REFERENCES, DATA_LIMIT = 10_000, 2 << 20
IMPLICIT, EXPLICIT, EXPLICIT_BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
#: What we propose; whoever proposes big endian is taken too.
TRANSFER_SYNTAXES = (EXPLICIT, IMPLICIT)

_SOP_CLASS, _SOP_INSTANCE, _TRANSACTION = 0x00081150, 0x00081155, 0x00081195
_REASON, _FAILED, _REFERENCED = 0x00081197, 0x00081198, 0x00081199
_RETRIEVE_AE_TITLE = 0x00080054
_UID_LENGTH, _TITLE_LENGTH = 64, 16


class Reason(IntEnum):
    """Why an instance is not committed: Failure Reason (0008,1197), PS3.3 C.14.1.1."""

    PROCESSING_FAILURE = 0x0110
    NO_SUCH_OBJECT_INSTANCE = 0x0112
    CLASS_INSTANCE_CONFLICT = 0x0119
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    DUPLICATE_TRANSACTION = 0x0131
    RESOURCE_LIMITATION = 0x0213


REASONS: dict[int, str] = {
    Reason.PROCESSING_FAILURE: "processing failure",
    Reason.NO_SUCH_OBJECT_INSTANCE: "no such object instance",
    Reason.CLASS_INSTANCE_CONFLICT: "class/instance conflict",
    Reason.SOP_CLASS_NOT_SUPPORTED: "referenced SOP class not supported",
    Reason.DUPLICATE_TRANSACTION: "duplicate transaction UID",
    Reason.RESOURCE_LIMITATION: "resource limitation",
}


def reason_text(reason: int) -> str:
    """Say why an instance is not committed."""
    return f"{reason:04X} {REASONS.get(reason, '')}".rstrip()


class Reference(NamedTuple):  # there are thousands in a transaction
    """An instance, as Referenced SOP Sequence names it."""

    sop_class: str
    sop_instance: str


@dataclass(frozen=True, slots=True)
class CommitmentRequest:
    """What an SCU asks for: the action information of N-ACTION."""

    transaction: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class CommitmentResult:
    """What came of a transaction: the event information of N-EVENT-REPORT. What failed has its Failure Reason.

    The Retrieve AE Title says which AE gives back what is committed, if that is told.
    """

    transaction: str
    committed: tuple[Reference, ...]
    failed: tuple[tuple[Reference, int], ...] = ()
    retrieve_ae_title: str = ""

    @property
    def event_type(self) -> int:
        """The Event Type ID."""
        return SOME_FAILED if self.failed else ALL_COMMITTED


def encode_request(request: CommitmentRequest, transfer_syntax: str) -> bytes:
    """Write the action information."""
    encoding = encoding_of(transfer_syntax)
    items = [_reference(reference, encoding) for reference in request.references]
    return _uid(_TRANSACTION, request.transaction, encoding) + _sequence(_REFERENCED, items, encoding)


def decode_request(data: bytes, transfer_syntax: str) -> CommitmentRequest:
    """Read the action information. Raises BadCommitment, for more than `MOST_REFERENCES` too."""
    elements = _scan(data, transfer_syntax)
    request = CommitmentRequest(_transaction(elements), tuple(map(_read_reference, _items(elements, _REFERENCED))))
    if not request.references:
        raise BadCommitment("Referenced SOP Sequence (0008,1199) is missing, empty or broken.")
    return request


def encode_result(result: CommitmentResult, transfer_syntax: str) -> bytes:
    """Write the event information; a sequence without items is left out."""
    encoding = encoding_of(transfer_syntax)
    failed = [_reference(reference, encoding) + _number(_REASON, reason, encoding) for reference, reason in result.failed]
    committed = [_reference(reference, encoding) for reference in result.committed]
    title = result.retrieve_ae_title.encode("ascii", "replace")
    return (
        (encoding.element(_RETRIEVE_AE_TITLE, "AE", title) if title else b"")
        + _uid(_TRANSACTION, result.transaction, encoding)
        + (_sequence(_FAILED, failed, encoding) if failed else b"")
        + (_sequence(_REFERENCED, committed, encoding) if committed else b"")
    )


def decode_result(data: bytes, transfer_syntax: str) -> CommitmentResult:
    """Read the event information. Raises BadCommitment. A failure without a reason is a processing failure."""
    elements = _scan(data, transfer_syntax)
    transaction = _transaction(elements)
    failed = []
    for item in _items(elements, _FAILED):
        reason = item.first(_REASON)
        failed.append((_read_reference(item), int(reason) if reason.isdigit() else Reason.PROCESSING_FAILURE))
    committed = tuple(map(_read_reference, _items(elements, _REFERENCED)))
    if not (committed or failed):
        raise BadCommitment("No instance is referenced.")
    return CommitmentResult(transaction, committed, tuple(failed), elements.first(_RETRIEVE_AE_TITLE)[:_TITLE_LENGTH])


def commitment_proposal(called: str, calling: str, *, as_scp: bool) -> AssociateRequest:
    """Ask for an association for commitment alone: as SCU, to ask for it, or as SCP, to tell what came of it (PS3.7 D.3.3.4)."""
    return propose(
        called,
        calling,
        [(COMMITMENT, TRANSFER_SYNTAXES)],
        roles={COMMITMENT: AS_SCP} if as_scp else None,
        implementation_class_uid=IMPLEMENTATION_CLASS_UID,
        implementation_version_name=IMPLEMENTATION_VERSION,
    )


def choose_commitment(abstract_syntax: str, transfer_syntaxes: tuple[str, ...]) -> str | None:
    """Take a context for commitment or C-ECHO, as `Policy.choose`."""
    if abstract_syntax == VERIFICATION:
        return transfer_syntaxes[0]
    return next((it for it in TRANSFER_SYNTAXES if it in transfer_syntaxes), "") if abstract_syntax == COMMITMENT else None


def commitment_roles(abstract_syntax: str, _proposed: Roles) -> Roles | None:
    """Let a requestor have either role for commitment, as `Policy.roles`: a peer that opens an association to tell is SCP."""
    return AS_BOTH if abstract_syntax == COMMITMENT else None


def transfer_syntax_for(exchange: Exchange, *, as_scp: bool) -> str:
    """Give the transfer syntax of the context in which this side has the role. Raises NoContext."""
    for context in exchange.connection.association.contexts.values():
        if context.abstract_syntax == COMMITMENT and (context.scp if as_scp else context.scu):
            return context.transfer_syntax
    raise NoContext(f"{exchange.connection.peer} accepted no context for storage commitment in our role.")


async def report(exchange: Exchange, result: CommitmentResult) -> None:
    """Tell a result over an association (N-EVENT-REPORT). Raises DulError."""
    data = encode_result(result, transfer_syntax_for(exchange, as_scp=True))
    await n_event_report(exchange, COMMITMENT, COMMITMENT_INSTANCE, result.event_type, data)


def _scan(data: bytes, transfer_syntax: str) -> Elements:
    try:
        return scan(data, transfer_syntax)
    except NotAnObject as error:
        raise BadCommitment("The data set cannot be read.") from error


def _transaction(elements: Elements) -> str:
    uid = elements.first(_TRANSACTION)
    if not uid or len(uid) > _UID_LENGTH:
        raise BadCommitment("Transaction UID (0008,1195) is missing or too long.")
    return uid


def _items(elements: Elements, tag: int) -> Iterable[Elements]:
    items = elements.items(tag, MOST_REFERENCES + 1)
    if len(items) > MOST_REFERENCES:
        raise BadCommitment(f"More than {MOST_REFERENCES} instances are referenced.", Reason.RESOURCE_LIMITATION)
    return items


def _read_reference(item: Elements) -> Reference:
    return Reference(item.first(_SOP_CLASS)[:_UID_LENGTH], item.first(_SOP_INSTANCE)[:_UID_LENGTH])


def _reference(reference: Reference, encoding: Encoding) -> bytes:
    return _uid(_SOP_CLASS, reference.sop_class, encoding) + _uid(_SOP_INSTANCE, reference.sop_instance, encoding)


def _uid(tag: int, value: str, encoding: Encoding) -> bytes:
    data = value.encode("ascii", "replace")
    return encoding.element(tag, "UI", data + b"\0" * (len(data) % 2))


def _number(tag: int, value: int, encoding: Encoding) -> bytes:
    return encoding.element(tag, "US", struct.pack(f"{encoding.order}H", value))


def _sequence(tag: int, items: Iterable[bytes], encoding: Encoding) -> bytes:
    return encoding.element(tag, "SQ", b"".join(map(encoding.item, items)))
