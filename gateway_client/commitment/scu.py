"""Asking a peer for storage commitment (PS3.4 annex J), and hearing of it in any of the three ways, for programs and commands.

The result comes over the association of the request, over one that the peer opens to our own port, or over our next one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from pydicom.uid import generate_uid
from twisted.internet.defer import Deferred

from dul import (
    Answer,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    CommandField,
    DulError,
    Exchange,
    Listener,
    Listening,
    Policy,
    Request,
    RequestRefused,
    Service,
    Timeouts,
    answered_by,
    connect,
    echo,
    n_action,
    negotiate,
)
from gateway_client.commitment.transaction import (
    COMMITMENT,
    COMMITMENT_INSTANCE,
    DATA_LIMIT,
    MOST_REFERENCES,
    REQUEST,
    CommitmentRequest,
    CommitmentResult,
    Reason,
    Reference,
    choose_commitment,
    commitment_proposal,
    commitment_roles,
    decode_result,
    encode_request,
    transfer_syntax_for,
)
from gateway_client.errors import BadCommitment, GatewayError, NoCommitmentResult
from gateway_client.objects.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION, read_meta
from gateway_client.query_retrieve.peer import Peer
from runtime import ReactorThread, port_problem

log = logging.getLogger(__name__)

#: Seconds after which an association over which nothing was told is given up for the next one.
NEXT_ASSOCIATION = 5.0


async def ask_for_commitment(exchange: Exchange, request: CommitmentRequest) -> None:
    """Ask over an association (N-ACTION). Raises DulError."""
    data = encode_request(request, transfer_syntax_for(exchange, as_scp=False))
    await n_action(exchange, COMMITMENT, COMMITMENT_INSTANCE, REQUEST, data)


def hearing(told: Callable[[CommitmentResult, Exchange], Awaitable[bool]]) -> Mapping[CommandField, Service]:
    """Make the service that takes results; `told` says whether it knows the transaction, and may raise GatewayError.

    One that is not known, or cannot be taken, is refused.
    """

    async def hear(request: Request, data: bytes) -> Answer:
        try:
            result = decode_result(data, request.transfer_syntax)
        except BadCommitment as error:
            raise RequestRefused(error.status, str(error)) from error
        try:
            known = await told(result, request.exchange)
        except GatewayError as error:
            log.error("a result of storage commitment cannot be taken: %s", error)
            raise RequestRefused(Reason.PROCESSING_FAILURE, str(error)) from error
        if not known:
            raise RequestRefused(Reason.PROCESSING_FAILURE, "this transaction is not known")
        return Answer(0x0000, fields={"event_type": request.command.event_type})

    return {CommandField.N_EVENT_REPORT_RQ: answered_by(hear, DATA_LIMIT)}


def answered(request: CommitmentRequest, result: CommitmentResult) -> CommitmentResult:
    """Hold a result against what was asked for: what the peer did not name, or named both ways, is not committed."""
    failed = {reference.sop_instance: reason for reference, reason in result.failed}
    committed = {reference.sop_instance for reference in result.committed} - failed.keys()
    return CommitmentResult(
        request.transaction,
        tuple(it for it in request.references if it.sop_instance in committed),
        tuple(
            (it, failed.get(it.sop_instance, Reason.PROCESSING_FAILURE))
            for it in request.references
            if it.sop_instance not in committed
        ),
    )


class CommitmentSCU:
    """Asks one peer within `with`, for one transaction after another. Its methods are for other threads than the reactor's.

    With `listen` it has a port, on all addresses, for a peer that opens an association to tell results. `heard` is called with
    each result as it comes, in the thread in which it comes. Raises PortInUse and PortRefused.
    """

    def __init__(
        self,
        peer: Peer,
        *,
        listen: int | None = None,
        heard: Callable[[CommitmentResult], None] = lambda _result: None,
        next_association: float = NEXT_ASSOCIATION,
    ) -> None:
        self.peer = peer
        self._listen = listen
        self._told = heard
        self._next_association = next_association
        self._asked: dict[str, CommitmentRequest] = {}
        self._results: dict[str, CommitmentResult] = {}
        self._came = threading.Condition()
        self._exchange: Exchange | None = None
        self._port: Any = None

    def __enter__(self) -> CommitmentSCU:
        """Begin; listen where that is wanted."""
        self._reactor = ReactorThread("commitment")
        if self._listen is not None:
            listener = Listener(Listening(_answer, {CommandField.C_ECHO_RQ: echo, **hearing(self._heard)}), self._reactor.reactor)
            try:
                self._port = self._reactor.call(listener.listen, self._listen)
            except OSError as error:
                self._reactor.stop()
                raise port_problem(error, self._listen, "storage commitment", "listen") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Release what is open."""
        self._reactor.call(self._release)
        self._reactor.stop()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._port.getHost().port)

    def ask(self, references: Iterable[Reference], transaction: str = "") -> str:
        """Ask for instances to be committed; give the transaction's UID, a new one unless it is given.

        Raises NoAssociation, PeerFailed where it refuses, and BadCommitment for no instance, or more than 10,000.
        """
        request = CommitmentRequest(transaction or str(generate_uid(prefix=None)), tuple(references))
        if not 0 < len(request.references) <= MOST_REFERENCES:
            raise BadCommitment(f"A transaction has from 1 to {MOST_REFERENCES} instances, not {len(request.references)}.")
        with self._came:
            self._asked[request.transaction] = request
        try:
            self._reactor.call(lambda: Deferred.fromCoroutine(self._ask(request)))
        except DulError as error:
            raise self.peer.told(error, begun=self._exchange is not None) from error
        return request.transaction

    def result(self, transaction: str, seconds: float) -> CommitmentResult:
        """Wait for what comes of a transaction. Raises NoCommitmentResult when it does not in time.

        What the peer did not speak of counts as failed.
        """
        request = self._asked[transaction]
        left = seconds
        while not self._has_come(transaction, min(left, self._next_association)):
            left -= self._next_association
            if left <= 0:
                raise NoCommitmentResult(f"{self.peer.called} has not told of transaction {transaction} within {seconds:g} s.")
            try:
                self._reactor.call(lambda: Deferred.fromCoroutine(self._associate_again()))
            except DulError as error:
                log.info("no association at which %s could tell: %s", self.peer.called, error)
        with self._came:
            return answered(request, self._results[transaction])

    def _has_come(self, transaction: str, seconds: float) -> bool:
        with self._came:
            return self._came.wait_for(lambda: transaction in self._results, seconds)

    async def _heard(self, result: CommitmentResult, _exchange: Exchange) -> bool:
        return self.hear(result)

    def hear(self, result: CommitmentResult) -> bool:
        """Take a result that came another way, as to the port of a `Listener`; tell whether it was asked for here."""
        with self._came:
            if result.transaction not in self._asked:
                return False
            self._results[result.transaction] = result
            self._came.notify_all()
        self._told(result)
        return True

    async def _ask(self, request: CommitmentRequest) -> None:
        if self._exchange is None or self._exchange.over:
            await self._associate_again()
        assert self._exchange is not None
        await ask_for_commitment(self._exchange, request)

    async def _associate_again(self) -> None:
        await self._released()
        peer = self.peer
        self._exchange = await connect(
            self._reactor.reactor,
            (peer.host, peer.port),
            commitment_proposal(peer.called, peer.calling, as_scp=False),
            services=hearing(self._heard),
            timeouts=Timeouts(artim=peer.timeout),
            connect_seconds=peer.timeout,
            response_seconds=peer.timeout,
            tls=peer.tls.creator(peer.host) if peer.tls is not None else None,
        )

    async def _released(self) -> None:
        released = self._release()
        if released is not None:
            await released

    def _release(self) -> Deferred[DulError | None] | None:
        exchange, self._exchange = self._exchange, None
        return exchange.release() if exchange is not None else None


def commit_instances(
    peer: Peer, references: Iterable[Reference], *, seconds: float = 60.0, listen: int | None = None
) -> CommitmentResult:
    """Ask for instances to be committed, and wait for what comes of it.

    Raises what `CommitmentSCU` does: NoAssociation, PeerFailed, BadCommitment, PortInUse, PortRefused, and NoCommitmentResult
    when the peer has not told in time.
    """
    with CommitmentSCU(peer, listen=listen) as scu:
        return scu.result(scu.ask(references), seconds)


def commit_files(peer: Peer, paths: Iterable[Path], *, seconds: float = 60.0, listen: int | None = None) -> CommitmentResult:
    """Ask for the objects of files, as `commit_instances`. Raises NotPart10 and OSError for a file that is none."""
    return commit_instances(peer, references_of(paths), seconds=seconds, listen=listen)


def references_of(paths: Iterable[Path]) -> Sequence[Reference]:
    """Read from files which instances they are. Raises NotPart10 and OSError."""
    return [Reference(meta.sop_class_uid, meta.sop_instance_uid) for meta in map(read_meta, paths)]


def _answer(request: AssociateRequest, _peer: str) -> AssociateAccept | AssociateReject:
    policy = Policy(
        choose=choose_commitment,
        roles=commitment_roles,
        implementation_class_uid=IMPLEMENTATION_CLASS_UID,
        implementation_version_name=IMPLEMENTATION_VERSION,
    )
    return negotiate(request, policy)
