"""Asking for an association and answering: A-ASSOCIATE as values, through the codec and the negotiation of pynetdicom."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import lru_cache
from typing import Any

from pynetdicom import pdu, pdu_primitives
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext, negotiate_as_acceptor

from dul.errors import LocalViolation, PeerViolation
from dul.items import CONTEXT_AC, CONTEXT_RQ, CONTEXTS_LIMIT, known_items
from dul.pdus import DEFAULT_MAXIMUM, HEADER_LENGTH, AbortReason, decode_reject, encode_reject
from dul.states import Role
from dul.uids import any_uid

# What the codec cannot read is told by a PeerViolation; it would log it as well, with a traceback that a peer can ask for.
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
LEAST_MAXIMUM = 128
"""The least maximum PDU length that is taken: below it what is written is mostly headers, and a peer asks for a flood."""

Roles = tuple[bool, bool]
"""Whether the requestor is SCU, and whether it is SCP."""
_DEFAULT_ROLES: Roles = (True, False)

#: How many PDUs are remembered as read or written, those up to so many bytes: with 128 contexts the codec takes milliseconds.
_RECENT, _LONG = 64, 1 << 16
#: How many proposals of transfer syntaxes are remembered with what came of them: a peer can make each of them 30 kB long.
_RECENT_CONTEXTS = 256
#: The type of the item of a user identity (PS3.7 table D.3-14); the reserved byte that follows it may be any.
_USER_IDENTITY = b"\x58"
#: Where the items of an A-ASSOCIATE PDU begin, after the AE titles, which may have that byte as an X.
_ITEMS_AT = 74
#: What stands for the abstract syntax of a context that is negotiated by itself.
_ANY_SYNTAX = "1.2.840.10008.1.1"


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


PROTOCOL_VERSION_NOT_SUPPORTED = AssociateReject(1, 2, 2)
APPLICATION_CONTEXT_NOT_SUPPORTED = AssociateReject(1, 1, 2)
CALLING_AE_TITLE_NOT_RECOGNIZED = AssociateReject(1, 1, 3)
CALLED_AE_TITLE_NOT_RECOGNIZED = AssociateReject(1, 1, 7)
LOCAL_LIMIT_EXCEEDED = AssociateReject(2, 3, 2)


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
    proposed = _primitive_of(ProposedContext(1, _ANY_SYNTAX, transfer_syntaxes))
    (context,), answers = negotiate_as_acceptor([proposed], supported, roles)
    assert context.result is not None
    answered = [(bool(answer.scu_role), bool(answer.scp_role)) for answer in answers]
    return context.result, str(context.transfer_syntax[0]), answered[0] if answered else None


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


def encode_associate_request(request: AssociateRequest) -> bytes:
    """Write an A-ASSOCIATE-RQ. Raises LocalViolation for what cannot be written."""
    _check_contexts([context.id for context in request.contexts])
    try:
        primitive = _primitive(request)
        primitive.application_context_name = request.application_context
        primitive.presentation_context_definition_list = [_primitive_of(context) for context in request.contexts]
        primitive.user_information += [*_common_extended(request.common_extended), *_identity(request.user_identity)]
        encoded = pdu.A_ASSOCIATE_RQ(primitive)
        encoded.protocol_version = request.protocol_version
        return bytes(encoded.encode())
    except Exception as error:  # whatever the codec raises, it is this request that cannot be written
        raise LocalViolation(f"The request cannot be written: {error}") from error


@lru_cache(maxsize=_RECENT)
@any_uid()
def encode_associate_accept(accept: AssociateAccept) -> bytes:
    """Write an A-ASSOCIATE-AC. Raises LocalViolation for what cannot be written."""
    _check_contexts([context.id for context in accept.contexts])
    try:
        primitive = _primitive(accept)
        primitive.application_context_name = APPLICATION_CONTEXT
        primitive.presentation_context_definition_results_list = [_primitive_of_result(it) for it in accept.contexts]
        encoded = pdu.A_ASSOCIATE_AC(primitive)
        if accept.user_identity_response is not None:
            identity = pdu_primitives.UserIdentityNegotiation()
            identity.server_response = accept.user_identity_response
            information: Any = encoded.user_information
            information.user_data.append(identity.from_primitive())
        return bytes(encoded.encode())
    except Exception as error:  # as for a request: whatever the codec raises, it is this acceptance that cannot be written
        raise LocalViolation(f"The acceptance cannot be written: {error}") from error


def encode_associate_reject(reject: AssociateReject) -> bytes:
    """Write an A-ASSOCIATE-RJ."""
    return encode_reject(reject.result, reject.source, reject.reason)


def decode_associate_request(data: bytes, position: int = 0) -> AssociateRequest:
    """Read an A-ASSOCIATE-RQ, its header included, which begins at a byte of the connection. Raises PeerViolation.

    A peer asks with the same bytes again and again, of which the latest are known; those that may hold a passcode are not kept.
    """
    kept = len(data) <= _LONG and data.find(_USER_IDENTITY, _ITEMS_AT) < 0
    return (_read_recent_request if kept else _read_request)(data, position)


def _read_request(data: bytes, position: int) -> AssociateRequest:
    decoded = pdu.A_ASSOCIATE_RQ()
    primitive = _decoded(decoded, data, CONTEXT_RQ, position)
    contexts = tuple(_proposed(context, position) for context in primitive.presentation_context_definition_list)
    _check_ids([context.id for context in contexts], position)
    information = _by_class(primitive)
    request = AssociateRequest(
        primitive.called_ae_title,
        primitive.calling_ae_title,
        contexts,
        {
            _uid(item.sop_class_uid): CommonExtended(
                _uid(item.service_class_uid), tuple(map(_uid, item.related_general_sop_class_identification))
            )
            for item in information.get("SOPClassCommonExtendedNegotiation", ())
        },
        application_context=_uid(primitive.application_context_name),
        protocol_version=decoded.protocol_version,
        **_user_information(information, position),
    )
    for identity in information.get("UserIdentityNegotiation", ()):
        return replace(
            request,
            user_identity=UserIdentity(
                identity.user_identity_type or 0,
                identity.primary_field or b"",
                identity.secondary_field or b"",
                bool(identity.positive_response_requested),
            ),
        )
    return request


_read_recent_request = lru_cache(maxsize=_RECENT)(_read_request)


def decode_associate_accept(data: bytes, position: int = 0) -> AssociateAccept:
    """Read an A-ASSOCIATE-AC, its header included, which begins at a byte of the connection. Raises PeerViolation."""
    primitive = _decoded(pdu.A_ASSOCIATE_AC(), data, CONTEXT_AC, position)
    contexts = tuple(
        ContextResult(context.context_id, context.result, _uid(context.transfer_syntax[0]) if context.transfer_syntax else "")
        for context in primitive.presentation_context_definition_results_list
    )
    _check_ids([context.id for context in contexts], position)
    for context in contexts:
        if context.accepted and not context.transfer_syntax:
            raise _invalid(f"Presentation context {context.id} is accepted without a transfer syntax.", position)
    information = _by_class(primitive)
    responses = [item.server_response for item in information.get("UserIdentityNegotiation", ())]
    return AssociateAccept(
        primitive.called_ae_title,
        primitive.calling_ae_title,
        contexts,
        responses[0] if responses else None,
        **_user_information(information, position),
    )


def decode_associate_reject(data: bytes) -> AssociateReject:
    """Read an A-ASSOCIATE-RJ, its header included."""
    return AssociateReject(*decode_reject(data[HEADER_LENGTH:]))


def _check_contexts(ids: list[int]) -> None:
    if len(ids) > CONTEXTS_LIMIT or len(set(ids)) < len(ids) or not all(number % 2 and 0 < number < 256 for number in ids):
        raise LocalViolation("Presentation contexts have ids that are odd, differ, and are below 256.")


def _check_ids(ids: list[int], position: int) -> None:
    if len(set(ids)) < len(ids):
        raise _invalid("Presentation contexts have the same id.", position)


def _primitive(information: AssociateRequest | AssociateAccept) -> Any:
    primitive = A_ASSOCIATE()
    primitive.called_ae_title = information.called_ae_title
    primitive.calling_ae_title = information.calling_ae_title
    primitive.user_information = list(_information_items(information))
    return primitive


def _information_items(information: UserInformation) -> Iterator[Any]:
    length = pdu_primitives.MaximumLengthNotification()
    length.maximum_length_received = information.maximum_length
    yield length
    if information.implementation_class_uid:
        implementation = pdu_primitives.ImplementationClassUIDNotification()
        implementation.implementation_class_uid = information.implementation_class_uid
        yield implementation
    if information.operations_window is not None:
        window = pdu_primitives.AsynchronousOperationsWindowNegotiation()
        window.maximum_number_operations_invoked, window.maximum_number_operations_performed = information.operations_window
        yield window
    for sop_class, (scu, scp) in information.roles.items():
        role = pdu_primitives.SCP_SCU_RoleSelectionNegotiation()
        role.sop_class_uid, role.scu_role, role.scp_role = sop_class, scu, scp
        yield role
    if information.implementation_version_name:
        version = pdu_primitives.ImplementationVersionNameNotification()
        version.implementation_version_name = information.implementation_version_name
        yield version
    for sop_class, application_information in information.extended.items():
        extended = pdu_primitives.SOPClassExtendedNegotiation()
        extended.sop_class_uid, extended.service_class_application_information = sop_class, application_information
        yield extended


def _common_extended(negotiated: Mapping[str, CommonExtended]) -> Iterator[Any]:
    for sop_class, common in negotiated.items():
        item = pdu_primitives.SOPClassCommonExtendedNegotiation()
        item.sop_class_uid, item.service_class_uid = sop_class, common.service_class
        item.related_general_sop_class_identification = list(common.related)
        yield item


def _identity(identity: UserIdentity | None) -> Iterator[Any]:
    if identity is not None:
        item = pdu_primitives.UserIdentityNegotiation()
        item.user_identity_type = identity.type
        item.primary_field, item.secondary_field = identity.primary, identity.secondary
        item.positive_response_requested = identity.response_requested
        yield item


def _primitive_of(proposed: ProposedContext) -> PresentationContext:
    context = PresentationContext()
    context.context_id = proposed.id
    context.abstract_syntax = proposed.abstract_syntax
    context.transfer_syntax = list(proposed.transfer_syntaxes)
    return context


def _primitive_of_result(result: ContextResult) -> PresentationContext:
    context = PresentationContext()
    context.context_id, context.result = result.id, int(result.result)
    # A rejected context has a transfer syntax too, which nobody is to test (PS3.8 table 9-18).
    context.transfer_syntax = [result.transfer_syntax or IMPLICIT_VR_LITTLE_ENDIAN]
    return context


def _decoded(decoded: Any, data: bytes, context_type: int, position: int) -> Any:
    known = known_items(data, context_type, position)
    try:
        with any_uid():  # whoever chooses contexts knows none that is not quite one
            decoded.decode(known)
            return decoded.to_primitive()
    except Exception as error:  # on bytes that are no PDU the codec raises whatever its parts raise
        raise _invalid(f"The PDU cannot be read ({type(error).__name__}: {error}).", position) from error


def _proposed(context: Any, position: int) -> ProposedContext:
    if not context.abstract_syntax or not context.transfer_syntax:
        raise _invalid(f"Presentation context {context.context_id} has no abstract or no transfer syntax.", position)
    return ProposedContext(context.context_id, _uid(context.abstract_syntax), tuple(map(_uid, context.transfer_syntax)))


def _by_class(primitive: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for item in primitive.user_information:
        found.setdefault(type(item).__name__, []).append(item)
    return found


def _user_information(information: Mapping[str, list[Any]], position: int) -> dict[str, Any]:
    lengths = [item.maximum_length_received for item in information.get("MaximumLengthNotification", ())]
    if lengths and 0 < lengths[0] < LEAST_MAXIMUM:
        raise _invalid(f"A maximum PDU length of {lengths[0]} is below {LEAST_MAXIMUM}.", position)
    implementations = information.get("ImplementationClassUIDNotification", ())
    versions = information.get("ImplementationVersionNameNotification", ())
    windows = information.get("AsynchronousOperationsWindowNegotiation", ())
    return {
        "maximum_length": next(iter(lengths), 0),
        "implementation_class_uid": next((_uid(item.implementation_class_uid) for item in implementations), ""),
        "implementation_version_name": next((item.implementation_version_name or "" for item in versions), ""),
        "operations_window": next(
            ((it.maximum_number_operations_invoked, it.maximum_number_operations_performed) for it in windows), None
        ),
        "roles": {
            _uid(item.sop_class_uid): (bool(item.scu_role), bool(item.scp_role))
            for item in information.get("SCP_SCU_RoleSelectionNegotiation", ())
        },
        "extended": {
            _uid(item.sop_class_uid): item.service_class_application_information or b""
            for item in information.get("SOPClassExtendedNegotiation", ())
        },
    }


def _uid(value: str | None) -> str:
    """Give a UID as text; the codec has taken off the padding that some put after it."""
    return str(value or "")


def _invalid(message: str, position: int) -> PeerViolation:
    return PeerViolation(message, AbortReason.INVALID_PARAMETER, position)
