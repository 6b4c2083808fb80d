"""The statuses with which requests are answered, by service: the constants of the program, and when each of them comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dul import status as dimse
from gateway_client.archive.offers import SOP_CLASS_NOT_SUPPORTED, ServiceClass
from gateway_client.commitment.transaction import REASONS, Reason
from gateway_client.reception.receiving import CANNOT_UNDERSTAND, MISMATCH, OUT_OF_RESOURCES, SUCCESS
from rpcs.worklist import performed


@dataclass(frozen=True, slots=True)
class Service:
    """The statuses of a service, by their numbers: when each is answered. It is that of some service classes."""

    title: str
    of: frozenset[ServiceClass]
    statuses: dict[int, str]

    @property
    def rows(self) -> Sequence[tuple[str, str]]:
        """The rows of a table."""
        return [(f"{status:04X}", when) for status, when in self.statuses.items()]


STORAGE = Service(
    "C-STORE",
    frozenset((ServiceClass.STORAGE,)),
    {
        SUCCESS: "the object is on disk",
        OUT_OF_RESOURCES: "no room for it, or it is larger than an object may be",
        MISMATCH: "the data set is another object than the request names",
        CANNOT_UNDERSTAND: "it is no data set, or a compressed one that the receiver does not take",
    },
)
QUERY = Service(
    "C-FIND",
    frozenset((ServiceClass.FIND, ServiceClass.WORKLIST)),
    {
        dimse.SUCCESS: "matching is complete",
        dimse.PENDING: "a match; every optional key is supported",
        dimse.PENDING_WITH_WARNING: "a match; some optional keys are not supported",
        dimse.CANCEL: "the peer cancelled",
        dimse.OUT_OF_RESOURCES: "more matches than the entity may answer, too large an identifier, or an archive out of reach",
        dimse.IDENTIFIER_DOES_NOT_MATCH: "the identifier does not fit the SOP class: its level, or unique keys of those above",
        dimse.CANNOT_UNDERSTAND: "the identifier cannot be read, or the archive cannot work with it",
    },
)
RETRIEVAL = Service(
    "C-MOVE and C-GET",
    frozenset((ServiceClass.MOVE, ServiceClass.GET)),
    {
        dimse.SUCCESS: "all objects were sent",
        dimse.PENDING: "sub-operations go on, with their counts",
        dimse.CANCEL: "the peer cancelled; with counts and Failed SOP Instance UID List",
        dimse.SUBOPERATIONS_FAILED: "some objects were not sent, or were put off; Failed SOP Instance UID List names them",
        dimse.UNABLE_TO_COUNT_MATCHES: "the archive does not answer, or more is asked for at once than it takes",
        dimse.UNABLE_TO_PERFORM_SUBOPERATIONS: "no object could be sent, or the gateway stops",
        dimse.MOVE_DESTINATION_UNKNOWN: "nobody knows the move destination (C-MOVE)",
        dimse.IDENTIFIER_DOES_NOT_MATCH: "the identifier does not fit the SOP class",
        dimse.CANNOT_UNDERSTAND: "the identifier cannot be read, or the archive cannot work with it",
    },
)
COMMITMENT = Service(
    "N-ACTION and N-EVENT-REPORT of Storage Commitment",
    frozenset((ServiceClass.STORAGE_COMMITMENT,)),
    {
        dimse.SUCCESS: "the transaction, or its result, is on disk",
        Reason.PROCESSING_FAILURE: "it is not, or cannot be read, or is not known",
        Reason.RESOURCE_LIMITATION: "too many transactions wait",
    },
)
PERFORMED_STEP = Service(
    "N-CREATE and N-SET of Modality Performed Procedure Step",
    frozenset((ServiceClass.PERFORMED_STEP,)),
    {
        int(performed.SUCCESS, 16): "the step is on disk",
        int(performed.INVALID_VALUE, 16): "an attribute has a value that it cannot have",
        int(
            performed.PROCESSING_FAILURE, 16
        ): "the step has ended and may no longer be changed (error ID A710), or the archive fails",
        int(performed.DUPLICATE, 16): "a step of this UID is known",
        int(performed.NO_SUCH_INSTANCE, 16): "no step of this UID is known",
        int(performed.INVALID_INSTANCE, 16): "the UID is none",
        int(performed.MISSING_ATTRIBUTE, 16): "an attribute is missing that has to be there",
        int(performed.MISSING_VALUE, 16): "an attribute has no value that has to have one",
    },
)
ANY = Service(
    "Any service", frozenset(ServiceClass), {SOP_CLASS_NOT_SUPPORTED: "the request is none of its presentation context"}
)
SERVICES = (STORAGE, QUERY, RETRIEVAL, COMMITMENT, PERFORMED_STEP, ANY)
#: Failure Reason (0008,1197) of what is not committed.
FAILURE_REASONS = {int(reason): text for reason, text in REASONS.items()}
