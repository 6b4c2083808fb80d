"""What the program proposes where it asks for an association itself, and which requests it takes over it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from console.conformance.acceptors import name_of
from console.scu.verification import PROPOSED as VERIFIED_IN
from dul import VERIFICATION
from gateway_client.archive.offers import ServiceClass
from gateway_client.commitment.transaction import COMMITMENT, TRANSFER_SYNTAXES
from gateway_client.query_retrieve.keys import SYNTAXES


@dataclass(frozen=True, slots=True)
class Proposal:
    """Presentation contexts that an entity proposes for one activity, and our role in them."""

    activity: str
    abstract_syntaxes: str
    transfer_syntaxes: str
    role: str

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """The row of a table."""
        return self.activity, self.abstract_syntaxes, self.transfer_syntaxes, self.role


def _names(uids: Iterable[str]) -> str:
    return "; ".join(map(name_of, uids))


_STORED = "the SOP class of each object"
_COMMITTED = _names(TRANSFER_SYNTAXES)
_IDENTIFIERS = _names(SYNTAXES)
#: By the entity that proposes them, as the statement names it.
PROPOSALS: dict[str, tuple[Proposal, ...]] = {
    "sender": (
        Proposal(
            "an object is sent (C-STORE)",
            _STORED,
            "that of the object, in a context of its own; those into which the destination's settings have it transcoded",
            "SCU",
        ),
        Proposal("objects of a C-MOVE are sent", _STORED, "as before, then those without compression", "SCU"),
        Proposal("commitment to what was sent is asked for", name_of(COMMITMENT), _COMMITTED, "SCU"),
    ),
    "commitment": (Proposal("a result is told on a new association (N-EVENT-REPORT)", name_of(COMMITMENT), _COMMITTED, "SCP"),),
    "service_tool": (
        Proposal("`magbroker echo`", name_of(VERIFICATION), _names(VERIFIED_IN), "SCU"),
        Proposal("`magbroker send`", _STORED, "that of the object", "SCU"),
        Proposal(
            "`magbroker find`, and studies that are fetched",
            _names((*ServiceClass.FIND.value, *ServiceClass.WORKLIST.value)),
            _IDENTIFIERS,
            "SCU",
        ),
        Proposal("`magbroker move`", _names(ServiceClass.MOVE.value), _IDENTIFIERS, "SCU"),
        Proposal("`magbroker get`", _names(ServiceClass.GET.value), _IDENTIFIERS, "SCU"),
        Proposal("the objects of a C-GET", "storage SOP classes", "those that are asked for", "SCP"),
        Proposal("`magbroker commit`", name_of(COMMITMENT), _COMMITTED, "SCU"),
    ),
}
