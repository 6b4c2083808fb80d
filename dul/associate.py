"""Asking for an association and answering: A-ASSOCIATE as values, and the negotiation, which is pynetdicom's for each context."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import Any

from pynetdicom.presentation import PresentationContext, negotiate_as_acceptor

from dul.pdus import DEFAULT_MAXIMUM
from dul.states import Role
from dul.uids import VERIFICATION, any_uid

# What pynetdicom cannot read is told by a PeerViolation; it would log it as well, with a traceback that a peer can ask for.
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"

Roles = tuple[bool, bool]
"""Whether the requestor is SCU, and whether it is SCP."""
_DEFAULT_ROLES: Roles = (True, False)

#: How many proposals of transfer syntaxes are remembered with what came of them: a peer can make each of them 30 kB long.
_RECENT_CONTEXTS = 256
#: What stands for the abstract syntax of a context that is negotiated by itself.
_ANY_SYNTAX = VERIFICATION


class ContextOutcome(IntEnum):
    """What became of a proposed presentation context (PS3.8 table 9-18)."""

    ACCEPTANCE = 0
    USER_REJECTION = 1
    NO_REASON = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """A presentation context that the requestor proposes; the id is odd."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContextResult:
    """What the acceptor says to a proposed context; the transfer syntax means something for an accepted one only."""

    id: int
    result: int
    transfer_syntax: str = ""

    @property
    def accepted(self) -> bool:
        return self.result == ContextOutcome.ACCEPTANCE


@dataclass(frozen=True, slots=True)
class AcceptedContext:
    """A presentation context of an association, and the roles that this side has in it."""

    id: int
    abstract_syntax: str
    transfer_syntax: str
    scu: bool
    scp: bool


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """Who the requestor's user is (PS3.7 D.3.3.7): 1 a name, 2 a name and a passcode, 3 Kerberos, 4 SAML, 5 a JSON web token."""

    type: int
    primary: bytes
    secondary: bytes = field(default=b"", repr=False)
    response_requested: bool = False


@dataclass(frozen=True, slots=True)
class CommonExtended:
    """The service class and the related general SOP classes of a SOP class (PS3.7 D.3.3.6)."""

    service_class: str
    related: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UserInformation:
    """What both sides say of themselves (PS3.7 D.3.3).

    `maximum_length` is that of the P-DATA-TFs which the side takes, 0 is no limit; `operations_window` the operations invoked
    and performed at a time, None is one of each.
    """

    maximum_length: int = DEFAULT_MAXIMUM
    implementation_class_uid: str = ""
    implementation_version_name: str = ""
    operations_window: tuple[int, int] | None = None
    roles: Mapping[str, Roles] = field(default_factory=dict, hash=False)
    extended: Mapping[str, bytes] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class AssociateRequest(UserInformation):
    """A-ASSOCIATE-RQ."""

    called_ae_title: str
    calling_ae_title: str
    contexts: tuple[ProposedContext, ...]
    common_extended: Mapping[str, CommonExtended] = field(default_factory=dict, hash=False)
    user_identity: UserIdentity | None = None
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1


@dataclass(frozen=True, slots=True)
class AssociateAccept(UserInformation):
    """A-ASSOCIATE-AC. The AE titles are those of the request, and not to be tested."""

    called_ae_title: str
    calling_ae_title: str
    contexts: tuple[ContextResult, ...]
    user_identity_response: bytes | None = None


@dataclass(frozen=True, slots=True)
class AssociateReject:
    """A-ASSOCIATE-RJ, with the result, source and reason of PS3.8 table 9-21."""

    result: int
    source: int
    reason: int

    @property
    def text(self) -> str:
        """Say why."""
        return _REJECTIONS.get(self, f"reason {self.reason}")


NO_REASON = AssociateReject(1, 1, 1)
PROTOCOL_VERSION_NOT_SUPPORTED = AssociateReject(1, 2, 2)
APPLICATION_CONTEXT_NOT_SUPPORTED = AssociateReject(1, 1, 2)
CALLING_AE_TITLE_NOT_RECOGNIZED = AssociateReject(1, 1, 3)
CALLED_AE_TITLE_NOT_RECOGNIZED = AssociateReject(1, 1, 7)
LOCAL_LIMIT_EXCEEDED = AssociateReject(2, 3, 2)
_REJECTIONS = {
    NO_REASON: "no reason given",
    APPLICATION_CONTEXT_NOT_SUPPORTED: "application context name not supported",
    CALLED_AE_TITLE_NOT_RECOGNIZED: "called AE title not recognized",
    CALLING_AE_TITLE_NOT_RECOGNIZED: "calling AE title not recognized",
    LOCAL_LIMIT_EXCEEDED: "local limit exceeded",
    PROTOCOL_VERSION_NOT_SUPPORTED: "protocol version not supported",
}


def _no_roles(_sop_class: str, _proposed: Roles) -> Roles | None:
    return None


def _no_extended(_sop_class: str, _information: bytes) -> bytes | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What an acceptor takes.

    `choose` gives the transfer syntax for an abstract syntax out of the proposed ones, "" when none of them will do, None
    when the abstract syntax is not taken. `roles` gives the roles that a requestor which proposes roles may have, None for
    no answer, which leaves it SCU. `extended` answers a SOP class's extended negotiation, None for no answer. Titles are
    taken all when they are None. An operations window is answered with the lesser of both, where 0 is no limit.
    """

    choose: Callable[[str, tuple[str, ...]], str | None]
    roles: Callable[[str, Roles], Roles | None] = _no_roles
    extended: Callable[[str, bytes], bytes | None] = _no_extended
    called_ae_titles: Collection[str] | None = None
    calling_ae_titles: Collection[str] | None = None
    maximum_length: int = DEFAULT_MAXIMUM
    implementation_class_uid: str = ""
    implementation_version_name: str = ""
    operations_window: tuple[int, int] = (1, 1)


def negotiate(request: AssociateRequest, policy: Policy) -> AssociateAccept | AssociateReject:
    """Answer a request as a policy has it. An association in which no context is accepted is accepted all the same."""
    rejections = (
        (request.application_context != APPLICATION_CONTEXT, APPLICATION_CONTEXT_NOT_SUPPORTED),
        (_refuses(policy.called_ae_titles, request.called_ae_title), CALLED_AE_TITLE_NOT_RECOGNIZED),
        (_refuses(policy.calling_ae_titles, request.calling_ae_title), CALLING_AE_TITLE_NOT_RECOGNIZED),
    )
    for rejected, rejection in rejections:
        if rejected:
            return rejection
    granted = {uid: roles for uid, asked in request.roles.items() if (roles := policy.roles(uid, asked)) is not None}
    results = []
    answered: dict[str, Roles] = {}
    for proposed in request.contexts:
        uid, transfer_syntaxes = proposed.abstract_syntax, proposed.transfer_syntaxes
        chosen = policy.choose(uid, transfer_syntaxes)
        result, transfer_syntax, answer = _negotiate_one(transfer_syntaxes, chosen, request.roles.get(uid), granted.get(uid))
        results.append(ContextResult(proposed.id, result, transfer_syntax))
        if answer is not None:
            answered[uid] = answer
    extended = {uid: policy.extended(uid, information) for uid, information in request.extended.items()}
    return AssociateAccept(
        request.called_ae_title,
        request.calling_ae_title,
        tuple(results),
        maximum_length=policy.maximum_length,
        implementation_class_uid=policy.implementation_class_uid,
        implementation_version_name=policy.implementation_version_name,
        operations_window=_window(request.operations_window, policy.operations_window),
        roles=answered,
        extended={uid: answer for uid, answer in extended.items() if answer is not None},
    )


@lru_cache(maxsize=_RECENT_CONTEXTS)
@any_uid()
def _negotiate_one(
    transfer_syntaxes: tuple[str, ...], chosen: str | None, asked: Roles | None, granted: Roles | None
) -> tuple[int, str, Roles | None]:
    """Negotiate a context by itself: what is chosen may differ from one context to another of the same abstract syntax.

    Which abstract syntax it is does not matter. Gives the result, the transfer syntax, and the answer where roles were asked for.
    """
    supported = [] if chosen is None else [_supported(_ANY_SYNTAX, chosen, granted)]
    roles: dict[Any, Any] = {} if asked is None or granted is None else {_ANY_SYNTAX: asked}
    proposed = presentation_context(ProposedContext(1, _ANY_SYNTAX, transfer_syntaxes))
    (context,), answers = negotiate_as_acceptor([proposed], supported, roles)
    assert context.result is not None
    answered = [(bool(answer.scu_role), bool(answer.scp_role)) for answer in answers]
    return context.result, str(context.transfer_syntax[0]), answered[0] if answered else None


def presentation_context(proposed: ProposedContext) -> PresentationContext:
    """Give a proposed context as pynetdicom has it."""
    context = PresentationContext()
    context.context_id = proposed.id
    context.abstract_syntax = proposed.abstract_syntax
    context.transfer_syntax = list(proposed.transfer_syntaxes)
    return context


def _refuses(titles: Collection[str] | None, title: str) -> bool:
    return titles is not None and title not in titles


def _window(asked: tuple[int, int] | None, ours: tuple[int, int]) -> tuple[int, int] | None:
    if asked is None:
        return None
    invoked, performed = (min(filter(None, pair), default=0) for pair in zip(asked, ours, strict=True))
    return invoked, performed


def _supported(abstract_syntax: str, chosen: str, roles: Roles | None) -> PresentationContext:
    context = PresentationContext()
    context.abstract_syntax = abstract_syntax
    context.transfer_syntax = [chosen] if chosen else []
    if roles is not None:
        context.scu_role, context.scp_role = roles
    return context


def accepted_contexts(request: AssociateRequest, accept: AssociateAccept, role: Role) -> dict[int, AcceptedContext]:
    """Give the contexts of an association by their id, with the roles of one of its sides (PS3.7 D.3.3.4).

    What was not proposed cannot be accepted, neither a context nor its transfer syntax, and no role.
    """
    proposed = {context.id: context for context in request.contexts}
    found = {}
    for result in accept.contexts:
        context = proposed.get(result.id)
        if context is None or not result.accepted or result.transfer_syntax not in context.transfer_syntaxes:
            continue
        asked = request.roles.get(context.abstract_syntax)
        answer = accept.roles.get(context.abstract_syntax)
        scu, scp = _DEFAULT_ROLES if asked is None or answer is None else (asked[0] and answer[0], asked[1] and answer[1])
        ours = (scu, scp) if role is Role.REQUESTOR else (scp, scu)
        found[result.id] = AcceptedContext(result.id, context.abstract_syntax, result.transfer_syntax, *ours)
    return found
