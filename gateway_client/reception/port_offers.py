"""What is offered at each port of a gateway: to the gateway that opens them, and to who asks what one would answer."""

from __future__ import annotations

from collections.abc import Callable

from dul import AS_BOTH, AssociateRequest
from gateway_client.archive.offers import (
    Contexts,
    Offer,
    Providers,
    ServiceClass,
    Services,
    offer_of,
    offered_besides,
    taken_by,
    whole_storage,
)
from gateway_client.commitment.transaction import EXPLICIT_BIG, TRANSFER_SYNTAXES
from gateway_client.configuration import Configuration
from gateway_client.reception.listeners import ListenerConfiguration

_NOTHING_ANSWERS: Providers = {it: lambda _entity: {} for it in ServiceClass}


def offer_at(
    configuration: Configuration,
    listener: ListenerConfiguration,
    services: Services,
    provided: Providers,
    takes_commitment: Callable[[AssociateRequest], bool],
) -> Offer:
    """Give the offer of a port that is none of the archive's: all of storage and commitment, the default one's queries too."""
    is_default = not listener.instrument or listener.port == configuration.dicom_port
    asked = is_default and configuration.anybody_may_ask
    besides = offered_besides(configuration.default_entity, provided if asked else {})
    committed = taken_by(ServiceClass.STORAGE_COMMITMENT)
    contexts = [
        Contexts(taken_by(ServiceClass.VERIFICATION), others=True),
        Contexts(
            committed,
            (*TRANSFER_SYNTAXES, EXPLICIT_BIG),
            roles=AS_BOTH,
            when=lambda request, _uid: takes_commitment(request),
        ),
        *besides.contexts,
        Contexts(taken_by(ServiceClass.STORAGE), others=True, extended=whole_storage),
    ]
    return Offer({**services, **besides.services}, contexts)


def offers_of(configuration: Configuration) -> list[tuple[ListenerConfiguration, Offer]]:
    """Tell what a gateway offers at each of its ports, in the order in which they are opened; the offers have no services.

    Where several processes receive, storage commitment is there for peers that have an address, or want to be its SCP.
    """
    provided = _NOTHING_ANSWERS if configuration.processes == 1 else {}
    return [
        *(
            (
                listener,
                offer_at(configuration, listener, {}, provided, lambda _request: True)
                if listener.entity is None
                else offer_of(listener.entity, _NOTHING_ANSWERS),
            )
            for listener in configuration.all_listeners
        ),
        *((listener, offer_of(entity, _NOTHING_ANSWERS)) for entity, listener in configuration.archive_listeners),
    ]
