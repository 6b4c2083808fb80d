"""What an application entity answers: its requests, and the presentation contexts that it takes for them (PS3.8 7.1.1.13)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial

from dul import (
    AS_BOTH,
    AS_SCP,
    VERIFICATION,
    AssociateRequest,
    CommandField,
    Policy,
    Request,
    Roles,
    Service,
    Sink,
    may_be_stored,
)
from dul.operations import Refusal
from gateway_client.archive.entities import EXPLICIT_LITTLE, IMPLICIT_LITTLE, ApplicationEntity, EntityRole
from gateway_client.commitment.transaction import COMMITMENT
from gateway_client.objects.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION

#: The longest PDU that a peer is told it may send; DCMTK sends no longer ones.
MAXIMUM_PDU = 131072
#: PS3.7 C.5: the request is none of the SOP class of its presentation context.
SOP_CLASS_NOT_SUPPORTED = 0x0122
_MODELS = ("1.2.840.10008.5.1.4.1.2.1", "1.2.840.10008.5.1.4.1.2.2", "1.2.840.10008.5.1.4.1.2.3")
#: Level of support 2, level of digital signature support not said, elements may be coerced; each with a reserved byte.
_LEVEL_2 = bytes((2, 0, 0, 0, 1, 0))
#: In what objects go by C-GET where the requestor leaves the choice: whatever they are stored in can be brought into it.
_RETRIEVED = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)


class ServiceClass(Enum):
    """A service class, by the abstract syntaxes of its contexts; those of storage are told by `may_be_stored`."""

    VERIFICATION = (VERIFICATION,)
    STORAGE = ()
    STORAGE_COMMITMENT = (COMMITMENT,)
    FIND = tuple(f"{model}.1" for model in _MODELS)
    MOVE = tuple(f"{model}.2" for model in _MODELS)
    GET = tuple(f"{model}.3" for model in _MODELS)
    WORKLIST = ("1.2.840.10008.5.1.4.31",)
    PERFORMED_STEP = ("1.2.840.10008.3.1.2.3.3",)


#: Those whose contexts are taken in a transfer syntax too that no setting names, when the requestor has no other.
_ANY_SYNTAX = frozenset((ServiceClass.VERIFICATION, ServiceClass.STORAGE))
_RETRIEVE = (ServiceClass.FIND, ServiceClass.MOVE, ServiceClass.GET)
#: The service classes of which an entity is SCP, by its role.
SERVICE_CLASSES: Mapping[EntityRole, tuple[ServiceClass, ...]] = {
    EntityRole.RECEIVER: (ServiceClass.VERIFICATION, ServiceClass.STORAGE),
    EntityRole.SENDER: (),
    EntityRole.COMMITMENT: (ServiceClass.VERIFICATION, ServiceClass.STORAGE_COMMITMENT),
    EntityRole.SHORT_TERM: (ServiceClass.VERIFICATION, *_RETRIEVE),
    EntityRole.LONG_TERM: (ServiceClass.VERIFICATION, *_RETRIEVE, ServiceClass.WORKLIST, ServiceClass.PERFORMED_STEP),
    EntityRole.SERVICE_TOOL: (),
}
#: What the gateway's own port answers besides what it always does.
AT_THE_DEFAULT_PORT = (*_RETRIEVE, ServiceClass.WORKLIST, ServiceClass.PERFORMED_STEP)

Services = Mapping[CommandField, Service]
Provider = Callable[[ApplicationEntity], Services]
"""Gives what answers the requests of a service class at an entity."""
Providers = Mapping[ServiceClass, Provider]


@dataclass(frozen=True, slots=True)
class Contexts:
    """Presentation contexts that are taken: of which abstract syntaxes, in which transfer syntaxes, the preferred first.

    With `others` those that are not named come after them, in the requestor's order. `roles` are what a requestor may have that
    asks for some, None for no answer. `extended` answers its extended negotiation. Only of requests for which `when` is true.
    """

    takes: Callable[[str], bool]
    transfer_syntaxes: Sequence[str] = ()
    others: bool = False
    roles: Roles | None = None
    extended: Callable[[bytes], bytes | None] = lambda _asked: None
    when: Callable[[AssociateRequest, str], bool] = lambda _request, _uid: True

    def choose(self, proposed: Sequence[str]) -> str:
        """Give a transfer syntax out of those proposed, "" where none will do."""
        chosen = next((syntax for syntax in self.transfer_syntaxes if syntax in proposed), "")
        return chosen or (proposed[0] if self.others and proposed else "")


@dataclass(frozen=True, slots=True)
class Offer:
    """What is answered at a port; of `contexts` the first counts that takes an abstract syntax."""

    services: Services
    contexts: Sequence[Contexts]

    def policy(
        self, request: AssociateRequest, called: Collection[str] | None = None, calling: Collection[str] | None = None
    ) -> Policy:
        """Say how a request for an association is answered; titles are taken all where they are None."""

        def found(uid: str) -> Contexts | None:
            return next((it for it in self.contexts if it.takes(uid) and it.when(request, uid)), None)

        def choose(uid: str, proposed: tuple[str, ...]) -> str | None:
            contexts = found(uid)
            return None if contexts is None else contexts.choose(proposed)

        def roles(uid: str, _proposed: Roles) -> Roles | None:
            contexts = found(uid)
            return None if contexts is None else contexts.roles

        def extended(uid: str, asked: bytes) -> bytes | None:
            contexts = found(uid)
            return None if contexts is None else contexts.extended(asked)

        return Policy(
            choose=choose,
            roles=roles,
            extended=extended,
            called_ae_titles=called,
            calling_ae_titles=calling,
            maximum_length=MAXIMUM_PDU,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION,
        )


def offer_of(entity: ApplicationEntity, providers: Providers) -> Offer:
    """Give what an entity answers: of the service classes of its role those that are provided."""
    provided = [it for it in SERVICE_CLASSES[entity.role] if it in providers]
    return _offer(entity, provided, providers, AS_SCP)


def offered_besides(entity: ApplicationEntity, providers: Providers) -> Offer:
    """Give what the gateway's own port answers besides what it always does, as an entity of these settings would."""
    return _offer(entity, [it for it in AT_THE_DEFAULT_PORT if it in providers], providers, AS_BOTH)


def _offer(entity: ApplicationEntity, provided: Sequence[ServiceClass], providers: Providers, got_as: Roles) -> Offer:
    """Put an offer together; `got_as` are the roles of a peer in the contexts in which objects come to it by C-GET."""
    contexts = [_contexts(it, entity) for it in provided]
    if ServiceClass.GET in provided:
        contexts.append(Contexts(may_be_stored, _RETRIEVED, others=True, roles=got_as, when=_is_got))
    return Offer(_dispatched({it: providers[it](entity) for it in provided}), contexts)


def _is_got(request: AssociateRequest, uid: str) -> bool:
    """Tell whether objects of a SOP class are to come by C-GET: the requestor wants to be their SCP (PS3.4 C.5.3)."""
    return request.roles.get(uid, (True, False))[1]


def _contexts(service_class: ServiceClass, entity: ApplicationEntity) -> Contexts:
    others = service_class in _ANY_SYNTAX
    roles = AS_BOTH if service_class is ServiceClass.STORAGE_COMMITMENT else None  # who opens one to tell a result is SCP
    relational = entity.relational or service_class is not ServiceClass.FIND
    extended = {
        ServiceClass.STORAGE: whole_storage,
        **dict.fromkeys(_RETRIEVE, _relational if relational else _hierarchical),
    }.get(service_class, _unanswered)
    return Contexts(taken_by(service_class), entity.transfer_syntaxes, others, roles, extended)


def _unanswered(_asked: bytes) -> bytes | None:
    return None


def _relational(asked: bytes) -> bytes | None:
    """Answer the extended negotiation of queries (PS3.4 C.5.1.1) and retrievals: relational ones are taken, nothing else is."""
    return bytes([asked[0] & 1, *bytes(len(asked) - 1)]) if asked else None


def _hierarchical(asked: bytes) -> bytes | None:
    """Answer it where relational queries are not taken either."""
    return bytes(len(asked)) if asked else None


def whole_storage(_asked: bytes) -> bytes | None:
    """Answer the extended negotiation of storage (PS3.4 B.3.1): level 2, every element is kept, and names may be coerced."""
    return _LEVEL_2


def taken_by(service_class: ServiceClass) -> Callable[[str], bool]:
    """Give what tells whether an abstract syntax is one of a service class."""
    return may_be_stored if service_class is ServiceClass.STORAGE else frozenset(service_class.value).__contains__


def _dispatched(provided: Mapping[ServiceClass, Services]) -> dict[CommandField, Service]:
    """Give the services by their commands; of several for one command that of the presentation context's service class."""
    by_command: dict[CommandField, list[tuple[Callable[[str], bool], Service]]] = {}
    for service_class, services in provided.items():
        for command, service in services.items():
            by_command.setdefault(command, []).append((taken_by(service_class), service))
    return {command: partial(_dispatch, choices) for command, choices in by_command.items()}


def _dispatch(choices: Sequence[tuple[Callable[[str], bool], Service]], request: Request) -> Sink:
    for takes, service in choices:
        if takes(request.abstract_syntax):
            return service(request)
    return Refusal(request, SOP_CLASS_NOT_SUPPORTED)
