"""The storage SCU: sends a file's data set bit by bit as it is, over an association that is kept for its study."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from pydicom.uid import UID
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE

from gateway_client.configuration import Configuration
from gateway_client.elements import DEFLATED
from gateway_client.errors import NotPart10
from gateway_client.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION, FileMeta, read_meta
from gateway_client.scp_wire import MAXIMUM_PDU, BoundedSocket, tune
from gateway_client.scu_guard import guard

log = logging.getLogger(__name__)

#: PDUs that wait to be written; a sender pauses above this, so that no object is in memory as a whole.
QUEUED_PDUS = 16
#: The longest fragment that is sent to a peer which takes any length.
_LONGEST = 1 << 20
_MESSAGE_IDS = 65535
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


class _Entity(AE):
    """An application entity whose connections are bounded and closed."""

    def _create_socket(self, assoc: Association, address: Any, tls_args: Any) -> BoundedSocket:
        connection = BoundedSocket(assoc, address=address)
        connection.tls_args = tls_args
        return connection


class StorageSCU:
    """Keeps at most one association, to one destination, for one study."""

    def __init__(self, configuration: Configuration, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._configuration = configuration
        self._monotonic = monotonic
        self._association: Association | None = None
        self._key: tuple[Destination, str] | None = None
        self._offered: dict[Destination, dict[tuple[str, str], None]] = {}
        self._message_id = 0
        self._used_at = 0.0

    def send(self, destination: Destination, study: str, path: Path) -> Outcome:
        """Send a file; `study` is any name of its study."""
        try:
            meta = read_meta(path)
        except NotPart10 as error:
            return Outcome(Result.UNSENDABLE, str(error))
        except OSError as error:
            return Outcome(Result.UNSENDABLE, f"{path}: {error.strerror}.")
        association, refusal = self._associate(destination, study, meta)
        if association is None:
            return refusal
        context = _context_for(association, meta)
        if context is None:
            self.close()
            return Outcome(Result.REFUSED, f"{destination.name} does not take {_describe(meta)}.")
        outcome = self._transfer(association, context, meta, path)
        self._used_at = self._monotonic()
        if outcome.result in (Result.DOUBT, Result.BROKEN):
            self._abort()
        return outcome

    def close_idle(self) -> None:
        """Release an association that was not used for a while."""
        if self._association is not None and self._monotonic() - self._used_at > self._configuration.association_idle_seconds:
            self.close()

    def close(self) -> None:
        """Release the association."""
        association, self._association, self._key = self._association, None, None
        if association is not None and association.is_established:
            association.release()

    def _abort(self) -> None:
        association, self._association, self._key = self._association, None, None
        if association is not None:
            association.abort()

    def _associate(self, destination: Destination, study: str, meta: FileMeta) -> tuple[Association | None, Outcome]:
        """Give the association for a study, the open one where it serves; or why there is none."""
        kept = self._association
        if (
            kept is not None
            and kept.is_established
            and self._key == (destination, study)
            and _context_for(kept, meta) is not None
        ):
            return kept, Outcome(Result.SENT)
        self.close()
        entity = self._application_entity(destination, meta)
        refusals: list[str] = []
        association = entity.associate(
            destination.host,
            destination.port,
            ae_title=destination.ae_title,
            max_pdu=MAXIMUM_PDU,
            evt_handlers=[(evt.EVT_CONN_OPEN, self._opened), (evt.EVT_ACSE_RECV, _note_refusal, [refusals])],
        )
        if not association.is_established:
            where = f"{destination.ae_title} at {destination.host}:{destination.port}"
            if association.rejected_contexts:
                return None, Outcome(Result.REFUSED, f"{destination.name} does not take {_describe(meta)}.")
            if association.is_rejected:
                return None, Outcome(Result.UNREACHABLE, f"{where} rejects associations: {''.join(refusals) or 'no reason'}.")
            return None, Outcome(Result.UNREACHABLE, f"No association with {where}.")
        guard(association)
        self._association, self._key = association, (destination, study)
        return association, Outcome(Result.SENT)

    def _application_entity(self, destination: Destination, meta: FileMeta) -> AE:
        """Offer each pair of SOP class and transfer syntax that this destination has been sent, this file's first."""
        pairs = self._offered.setdefault(destination, {})
        pair = (meta.sop_class_uid, meta.transfer_syntax)
        pairs.pop(pair, None)
        pairs[pair] = None
        while len(pairs) > _OFFERED:
            del pairs[next(iter(pairs))]
        entity = _Entity(self._configuration.calling_ae_title)
        entity.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
        entity.implementation_version_name = IMPLEMENTATION_VERSION
        entity.requested_contexts = [build_context(*offered) for offered in reversed(pairs)]
        entity.connection_timeout = self._configuration.connect_timeout
        entity.acse_timeout = self._configuration.dimse_timeout
        entity.dimse_timeout = self._configuration.dimse_timeout
        entity.network_timeout = self._configuration.network_timeout
        return entity

    def _opened(self, event: Any) -> None:
        tune(event.assoc.dul.socket.socket, self._configuration.network_timeout)

    def _transfer(self, association: Association, context: int, meta: FileMeta, path: Path) -> Outcome:
        """Send one C-STORE and wait for its answer (PS3.7 9.1.1)."""
        request = self._request(meta, path)
        association._reactor_checkpoint.clear()
        try:
            while not association._is_paused:
                if not association.is_established:
                    return Outcome(Result.BROKEN, "The association ended.")
                time.sleep(0.0001)
            if not self._write(association, context, request):
                return Outcome(Result.BROKEN, "The connection was lost while the object was sent.")
            _, response = association.dimse.get_msg(block=True)
        finally:
            association._reactor_checkpoint.set()
        status = getattr(response, "Status", None)
        if response is None or status is None:
            return Outcome(Result.DOUBT, "No answer was seen.")
        if status == 0x0000:
            return Outcome(Result.SENT)
        comment = getattr(response, "ErrorComment", None)
        reason = f"status {status:04X}{f', {comment}' if comment else ''}"
        return Outcome(Result.SENT if status >> 12 == 0xB else Result.REFUSED, reason)

    def _request(self, meta: FileMeta, path: Path) -> C_STORE:
        self._message_id = self._message_id % _MESSAGE_IDS + 1
        request = C_STORE()
        request.MessageID = self._message_id
        request.Priority = 0
        request.AffectedSOPClassUID = meta.sop_class_uid
        request.AffectedSOPInstanceUID = meta.sop_instance_uid
        if meta.transfer_syntax == DEFLATED and (path.stat().st_size - meta.offset) % 2:
            request.DataSet = io.BytesIO(path.read_bytes()[meta.offset :] + b"\0")  # PS3.5 A.5; DCMTK takes no odd length
        else:
            request._dataset_path = (path, meta.offset)
        return request

    def _write(self, association: Association, context: int, request: C_STORE) -> bool:
        """Hand all fragments to the connection; False when it was lost before the last one was handed over."""
        message = C_STORE_RQ()
        message.primitive_to_message(request)
        message.context_id = context
        longest = min(association.dimse.maximum_pdu_size or _LONGEST, _LONGEST) & ~1  # fragments are of even length
        queue = association.dul.to_provider_queue
        for fragment in message.encode_msg(context, longest):
            while queue.qsize() >= QUEUED_PDUS:
                if not association.is_established or not association.dul.is_alive():
                    return False
                time.sleep(0.0005)
            association.dul.send_pdu(fragment)
        return True


def _context_for(association: Association, meta: FileMeta) -> int | None:
    """Find the presentation context that a file goes over without a change to it."""
    for context in association.accepted_contexts:
        if context.abstract_syntax == meta.sop_class_uid and context.transfer_syntax[0] == meta.transfer_syntax:
            return context.context_id
    return None


def _note_refusal(event: Any, refusals: list[str]) -> None:
    primitive = event.primitive
    if getattr(primitive, "result", None) in (1, 2):
        refusals.append(getattr(primitive, "reason_str", "") or f"reason {primitive.diagnostic}")


def _describe(meta: FileMeta) -> str:
    return f"{UID(meta.sop_class_uid).name} in {UID(meta.transfer_syntax).name}"
