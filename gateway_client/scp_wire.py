"""What pynetdicom's acceptor lacks: bounds on everything that a peer sends, and data sets that go to disk as they come."""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any

from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.transport import AssociationSocket

from gateway_client.errors import SpoolError
from gateway_client.part10 import FileMeta
from gateway_client.spool import Origin, SpoolWriter

log = logging.getLogger(__name__)

#: The longest PDU that a peer is told it may send; DCMTK sends no longer ones.
MAXIMUM_PDU = 131072
#: The longest PDU that is read at all: an association request with all its contexts may exceed the above.
PDU_LIMIT = 1 << 20
#: Bytes of a command set, and of a data set that is not a C-STORE's.
COMMAND_LIMIT, OTHER_DATA_LIMIT = 65536, 1 << 20
#: Messages that a peer may send before the first of them is answered.
AHEAD_LIMIT = 8

Begin = Callable[[FileMeta, Origin], SpoolWriter]


class TooMuch(Exception):
    """The peer sends more than this kind of message can hold."""


class BoundedSocket(AssociationSocket):
    """A socket that reads a PDU in as few steps as it can, and none that is longer than `PDU_LIMIT`."""

    def recv(self, nr_bytes: int) -> bytearray:
        """Read so many bytes, fewer when the peer closes. Raises OSError."""
        if nr_bytes > PDU_LIMIT or self.socket is None:
            raise OSError(f"The peer announces a PDU of {nr_bytes} bytes.")
        data = bytearray(nr_bytes)
        view, got = memoryview(data), 0
        while got < nr_bytes:
            count = self.socket.recv_into(view[got:])
            if not count:
                view.release()
                del data[got:]
                break
            got += count
        return data

    def _shutdown_socket(self) -> None:
        """Close, also what was never connected; pynetdicom leaves that to the garbage collector."""
        if self.socket is not None:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            self.socket.close()


class BoundedBytes(io.BytesIO):
    """Bytes in memory, up to a limit."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def write(self, data: Any, /) -> int:
        """Take bytes. Raises TooMuch."""
        if self.tell() + len(data) > self._limit:
            raise TooMuch
        return super().write(data)


class IncomingDataSet(BoundedBytes):
    """The data set of a message: a C-STORE's goes to the spool, piece by piece, any other's stays in memory.

    The command set is complete when the first piece comes (PS3.7 6.3), so the head of the file can be written first. When
    the spool fails the rest of the pieces is read and forgotten; `problem` says why, so that the request can be answered.
    """

    def __init__(self, message: DIMSEMessage, association: Association, begin: Begin) -> None:
        super().__init__(OTHER_DATA_LIMIT)
        self.writer: SpoolWriter | None = None
        self.problem: SpoolError | None = None
        self.settled = False
        self._lock = threading.Lock()
        self._message = message
        self._association = association
        self._begin = begin

    def write(self, data: Any, /) -> int:
        """Take one piece."""
        if not isinstance(self._message, C_STORE_RQ):
            return super().write(data)
        with self._lock:
            if self.problem is None:
                try:
                    if self.writer is None:
                        self.writer = self._begin(*self._describe())
                    self.writer.write(data)
                except SpoolError as problem:
                    self.problem = problem
        return len(data)

    def settle(self) -> None:
        """Leave the object to the one who answers the request; `abandon` does nothing any more."""
        with self._lock:
            self.settled = True

    def abandon(self) -> None:
        """Forget an object whose association ended before its request was looked at; may come from any thread."""
        with self._lock:
            if not self.settled and self.problem is None:
                self.problem = SpoolError("The association ended.")
                if self.writer is not None:
                    self.writer.discard()

    def _describe(self) -> tuple[FileMeta, Origin]:
        command, association = self._message.command_set, self._association
        context = association._accepted_cx.get(self._message.context_id or 0)
        if context is None:
            raise TooMuch
        request = association.requestor.primitive
        calling, called = association.requestor.ae_title.strip(), request.called_ae_title.strip() if request else ""
        meta = FileMeta(
            str(command.get("AffectedSOPClassUID", "")),
            str(command.get("AffectedSOPInstanceUID", "")),
            str(context.transfer_syntax[0]),
            calling,
            called,
        )
        return meta, Origin(calling, called, association.requestor.address)


class SpoolingProvider(DIMSEServiceProvider):
    """pynetdicom's DIMSE provider with messages whose parts are bounded."""

    def __init__(self, association: Association, begin: Begin) -> None:
        super().__init__(association)
        self._begin = begin
        self._unsettled: list[IncomingDataSet] = []

    @property
    def receiving(self) -> bool:
        """Whether a message has begun and not ended, or waits to be looked at."""
        return self.message is not None or not self.msg_queue.empty()

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take the pieces of a message; a broken one aborts the association and not, as in pynetdicom, its thread alone."""
        if self.message is None:
            self.message = DIMSEMessage()
            self.message.encoded_command_set = BoundedBytes(COMMAND_LIMIT)
            data = self.message.data_set = IncomingDataSet(self.message, self.assoc, self._begin)
            self._unsettled = [*(it for it in self._unsettled if not it.settled), data]
        try:
            if len(self._unsettled) > AHEAD_LIMIT:
                raise TooMuch
            super().receive_primitive(primitive)
        except Exception as error:  # a peer's command set can be wrong in every way that pydicom can fail on
            log.warning("A message from %s cannot be read: %r", self.assoc.requestor.ae_title, error)
            self.abandon()
            self.message = None
            self.dul.event_queue.put("Evt19")

    def abandon(self) -> None:
        """Forget the objects that nobody has answered."""
        for data in self._unsettled:
            data.abandon()


def tune(connection: socket.socket, timeout: float) -> None:
    """Send small messages at once, and let no peer hold a thread that waits for the rest of a PDU."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(timeout)
