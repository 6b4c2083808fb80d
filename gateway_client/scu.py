"""The storage SCU: sends a file's data set bit by bit as it is, over an association that is kept for its study."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pydicom.uid import UID
from twisted.internet.defer import Deferred

from dul import (
    AssociateRequest,
    AssociationRejected,
    Category,
    Command,
    CommandField,
    DulError,
    Exchange,
    ProposedContext,
    Timeouts,
    category,
    connect,
)
from gateway_client.configuration import Configuration
from gateway_client.elements import DEFLATED
from gateway_client.errors import NotPart10
from gateway_client.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION, FileMeta, read_meta
from gateway_client.scp import MAXIMUM_PDU
from runtime import ReactorThread

log = logging.getLogger(__name__)

#: Pairs of SOP class and transfer syntax that a destination is offered (PS3.8 allows 128 contexts).
_OFFERED = 64


class Result(Enum):
    """How a send ended.

    DOUBT: everything was handed over and no answer was seen. UNREACHABLE: no association. BROKEN: the association ended
    before the object was complete, so the destination cannot have it. REFUSED: the destination said no. UNSENDABLE: the
    file is no DICOM file.
    """

    SENT = "sent"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    BROKEN = "broken"
    DOUBT = "doubt"
    UNSENDABLE = "unsendable"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a send ended, and why."""

    result: Result
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Destination:
    """One entry of DICOM TRANSMIT DESTINATION (#2006.587)."""

    name: str
    ae_title: str
    host: str
    port: int
    gateway: str = ""


class StorageSCU:
    """Keeps at most one association, to one destination, for one study. Its methods are for other threads than the reactor's."""

    def __init__(
        self,
        configuration: Configuration,
        monotonic: Callable[[], float] = time.monotonic,
        reactor: ReactorThread | None = None,
    ) -> None:
        self._configuration = configuration
        self._monotonic = monotonic
        self._own = reactor is None
        self._reactor = reactor or ReactorThread("dicom-scu")
        self._exchange: Exchange | None = None
        self._key: tuple[Destination, str] | None = None
        self._offered: dict[Destination, dict[tuple[str, str], None]] = {}
        self._used_at = 0.0

    def send(self, destination: Destination, study: str, path: Path) -> Outcome:
        """Send a file; `study` is any name of its study."""
        try:
            meta = read_meta(path)
            source = _FileSource(path, meta)
        except NotPart10 as error:
            return Outcome(Result.UNSENDABLE, str(error))
        except OSError as error:
            return Outcome(Result.UNSENDABLE, f"{path}: {error.strerror}.")
        try:
            outcome: Outcome = self._reactor.call(lambda: Deferred.fromCoroutine(self._send(destination, study, meta, source)))
        finally:
            source.close()
        self._used_at = self._monotonic()
        return outcome

    def close_idle(self) -> None:
        """Release an association that was not used for a while."""
        if self._exchange is not None and self._monotonic() - self._used_at > self._configuration.association_idle_seconds:
            self._reactor.call(self._release)

    def close(self) -> None:
        """Release the association, and end."""
        self._reactor.call(self._release)
        if self._own:
            self._reactor.stop()

    def _release(self) -> Deferred[DulError | None] | None:
        exchange, self._exchange, self._key = self._exchange, None, None
        return exchange.release() if exchange is not None else None

    async def _send(self, destination: Destination, study: str, meta: FileMeta, source: _FileSource) -> Outcome:
        exchange = await self._associate(destination, study, meta)
        if isinstance(exchange, Outcome):
            return exchange
        context = exchange.context_for(meta.sop_class_uid, meta.transfer_syntax)
        if context is None:
            await _wait(self._release())
            return Outcome(Result.REFUSED, f"{destination.name} does not take {_describe(meta)}.")
        return await self._transfer(exchange, context, meta, source)

    async def _associate(self, destination: Destination, study: str, meta: FileMeta) -> Exchange | Outcome:
        """Give the association for a study, the open one where it serves; or why there is none."""
        kept = self._exchange
        if (
            kept is not None
            and not kept.over
            and self._key == (destination, study)
            and kept.context_for(meta.sop_class_uid, meta.transfer_syntax) is not None
        ):
            return kept
        await _wait(self._release())
        where = f"{destination.ae_title} at {destination.host}:{destination.port}"
        configuration = self._configuration
        try:
            exchange = await connect(
                self._reactor.reactor,
                (destination.host, destination.port),
                self._request(destination, meta),
                timeouts=Timeouts(artim=configuration.dimse_timeout, idle=configuration.network_timeout),
                connect_seconds=configuration.connect_timeout,
                response_seconds=configuration.dimse_timeout,
            )
        except AssociationRejected as error:
            return Outcome(Result.UNREACHABLE, f"{where} rejects associations: {error}.")
        except DulError as error:
            return Outcome(Result.UNREACHABLE, f"No association with {where}: {error}")
        self._exchange, self._key = exchange, (destination, study)
        return exchange

    def _request(self, destination: Destination, meta: FileMeta) -> AssociateRequest:
        """Offer each pair of SOP class and transfer syntax that this destination has been sent, this file's first."""
        pairs = self._offered.setdefault(destination, {})
        pair = (meta.sop_class_uid, meta.transfer_syntax)
        pairs.pop(pair, None)
        pairs[pair] = None
        while len(pairs) > _OFFERED:
            del pairs[next(iter(pairs))]
        return AssociateRequest(
            destination.ae_title,
            self._configuration.calling_ae_title,
            tuple(
                ProposedContext(2 * place + 1, sop_class, (syntax,)) for place, (sop_class, syntax) in enumerate(reversed(pairs))
            ),
            maximum_length=MAXIMUM_PDU,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION,
        )

    async def _transfer(self, exchange: Exchange, context: int, meta: FileMeta, source: _FileSource) -> Outcome:
        """Send one C-STORE and wait for its answer (PS3.7 9.1.1)."""
        command = Command(
            field=CommandField.C_STORE_RQ, sop_class=meta.sop_class_uid, sop_instance=meta.sop_instance_uid, priority=0
        )
        asked = exchange.ask(context, command, source=source)
        try:
            response = (await asked.response()).command
        except DulError as error:
            exchange.abort()
            self._exchange = self._key = None
            if asked.handed_over:
                return Outcome(Result.DOUBT, f"No answer was seen: {error}")
            return Outcome(Result.BROKEN, f"The connection was lost while the object was sent: {error}")
        status = response.status or 0
        if status == 0x0000:
            return Outcome(Result.SENT)
        reason = f"status {status:04X}{f', {response.error_comment}' if response.error_comment else ''}"
        return Outcome(Result.SENT if category(status) is Category.WARNING else Result.REFUSED, reason)


class _FileSource:
    """The data set of a file, as it is. Raises OSError."""

    def __init__(self, path: Path, meta: FileMeta) -> None:
        self._file = path.open("rb", buffering=0)
        self._left = os.fstat(self._file.fileno()).st_size - meta.offset
        self._file.seek(meta.offset)
        #: A deflated data set of odd length is padded (PS3.5 A.5); DCMTK takes no odd length.
        self._padding = b"\0" if meta.transfer_syntax == DEFLATED and self._left % 2 else b""
        self.size = self._left + len(self._padding)

    def read(self, count: int) -> bytes:
        """Give so many bytes. Raises OSError where the file ends before."""
        data = self._file.read(min(count, self._left))
        if len(data) < min(count, self._left):
            raise OSError(None, "the file has become shorter")
        self._left -= len(data)
        self.size -= count
        return data if len(data) == count else data + self._padding

    def close(self) -> None:
        """Close the file."""
        self._file.close()


async def _wait(deferred: Deferred[DulError | None] | None) -> None:
    if deferred is not None:
        await deferred


def _describe(meta: FileMeta) -> str:
    return f"{UID(meta.sop_class_uid).name} in {UID(meta.transfer_syntax).name}"
