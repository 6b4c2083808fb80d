"""A-ASSOCIATE PDUs read and written, by the codec of pynetdicom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from pynetdicom import pdu, pdu_primitives
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext

from dul.associate import (
    APPLICATION_CONTEXT,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    CommonExtended,
    ContextResult,
    ProposedContext,
    UserIdentity,
    UserInformation,
    presentation_context,
)
from dul.errors import LocalViolation, PeerViolation
from dul.items import CONTEXT_AC, CONTEXT_RQ, CONTEXTS_LIMIT, known_items
from dul.pdus import HEADER_LENGTH, AbortReason, decode_reject, encode_reject
from dul.uids import IMPLICIT_VR_LITTLE_ENDIAN, any_uid

LEAST_MAXIMUM = 128
"""The least maximum PDU length that is taken: below it what is written is mostly headers, and a peer asks for a flood."""

#: How many PDUs are remembered as read or written, those up to so many bytes: with 128 contexts the codec takes milliseconds.
_RECENT, _LONG = 64, 1 << 16
#: The type of the item of a user identity (PS3.7 table D.3-14); the reserved byte that follows it may be any.
_USER_IDENTITY = b"\x58"
#: Where the items of an A-ASSOCIATE PDU begin, after the AE titles, which may have that byte as an X.
_ITEMS_AT = 74


def encode_associate_request(request: AssociateRequest) -> bytes:
    """Write an A-ASSOCIATE-RQ. Raises LocalViolation for what cannot be written."""
    _check_contexts([context.id for context in request.contexts])
    try:
        primitive = _primitive(request)
        primitive.application_context_name = request.application_context
        primitive.presentation_context_definition_list = [presentation_context(context) for context in request.contexts]
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
        primitive.presentation_context_definition_results_list = [_primitive_of(it) for it in accept.contexts]
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


def _primitive_of(result: ContextResult) -> PresentationContext:
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
