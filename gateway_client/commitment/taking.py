"""Taking requests for storage commitment (N-ACTION, PS3.4 J.3.2): each is on disk before its answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from twisted.internet.threads import deferToThreadPool

from dul import Answer, AssociateRequest, CommandField, Exchange, Request, RequestRefused, Service, answered_by
from gateway_client.commitment.commitments import Commitments
from gateway_client.commitment.transaction import (
    COMMITMENT,
    COMMITMENT_INSTANCE,
    DATA_LIMIT,
    REQUEST,
    Reason,
    decode_request,
)
from gateway_client.configuration import Configuration
from gateway_client.errors import BadCommitment, GatewayError, TooManyCommitments
from runtime import Clock, ReactorThread

log = logging.getLogger(__name__)

#: PS3.7 C.5: the request is not for the well-known instance, or asks for another action.
_NO_SUCH_SOP_INSTANCE, _NO_SUCH_ACTION = 0x0112, 0x0123
#: Seconds after which the gateway looks at what another process has taken: the answer to that is out by then.
FIRST_LOOK = 1.0
TAKEN = Answer(0x0000, fields={"action_type": REQUEST})


class Taking:
    """Writes requests down. `received` says what has been received by now (`mark_of`)."""

    def __init__(self, commitments: Commitments, received: Callable[[], str], reactor: ReactorThread, clock: Clock) -> None:
        self._commitments = commitments
        self._received = received
        self._reactor = reactor.reactor
        self._clock = clock

    async def take(self, request: Request, data: bytes, pause: float = 0.0) -> int:
        """Take a request, in the reactor's thread; give its number. The gateway looks at it after a pause of so many seconds.

        Raises RequestRefused.
        """
        command = request.command
        if command.requested_sop_instance != COMMITMENT_INSTANCE or request.abstract_syntax != COMMITMENT:
            raise RequestRefused(_NO_SUCH_SOP_INSTANCE, "not the storage commitment instance")
        if command.action_type != REQUEST:
            raise RequestRefused(_NO_SUCH_ACTION, f"no action {command.action_type}")
        peer, ours = titles(request.exchange)
        received = self._received()

        def write_down() -> int:
            now = self._clock.seconds()
            wanted = decode_request(data, request.transfer_syntax)
            return self._commitments.take(peer, ours, wanted, now, received, now + pause if pause else 0.0)

        try:
            return await deferToThreadPool(self._reactor, self._reactor.getThreadPool(), write_down)
        except BadCommitment as error:
            raise RequestRefused(error.status, str(error)) from error
        except TooManyCommitments as error:
            raise RequestRefused(Reason.RESOURCE_LIMITATION, str(error)) from error
        except GatewayError as error:
            log.error("a storage commitment of %s cannot be taken: %s", peer, error)
            raise RequestRefused(Reason.PROCESSING_FAILURE, str(error)) from error


class CommitmentInProcess:
    """Storage commitment at the port of a receiving process: the gateway checks, and tells peers on new associations.

    A peer that cannot be told so is not taken; one that comes to tell its own results is, by the `results` service.
    """

    def __init__(self, configuration: Configuration, taking: Taking, results: Mapping[CommandField, Service]) -> None:
        self._configuration = configuration
        self._taking = taking
        self._results = results

    @property
    def services(self) -> Mapping[CommandField, Service]:
        """What answers at the port."""
        return {CommandField.N_ACTION_RQ: answered_by(self._act, DATA_LIMIT), **self._results}

    def takes(self, request: AssociateRequest) -> bool:
        """Tell whether a peer that asks for an association gets a context for storage commitment."""
        roles = request.roles.get(COMMITMENT)
        return self._configuration.address_of(request.calling_ae_title) is not None or (roles is not None and roles[1])

    def established(self, exchange: Exchange) -> None:
        """Do nothing: the gateway knows no association of this process."""

    async def _act(self, request: Request, data: bytes) -> Answer:
        peer, _ = titles(request.exchange)
        if self._configuration.address_of(peer) is None:
            raise RequestRefused(Reason.PROCESSING_FAILURE, f"{peer} has no address to be told at")
        await self._taking.take(request, data, FIRST_LOOK)
        return TAKEN


def titles(exchange: Exchange) -> tuple[str, str]:
    """Give the calling and the called AE title of an association at the port."""
    request = exchange.connection.association.request
    return (request.calling_ae_title, request.called_ae_title) if request is not None else ("", "")
