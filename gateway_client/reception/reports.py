"""What a receiving process reports to its gateway: each object that lies in the spool, with the header that was read.

Marshalled tuples, as pickling the objects costs three times as much; both ends are the same program.
"""

from __future__ import annotations

import marshal
import struct
from collections.abc import Iterator
from functools import partial

from gateway_client.objects.header import HeaderItem, InstanceHeader
from gateway_client.objects.part10 import FileMeta
from gateway_client.reception.spool import Origin, SpooledFile

_LENGTH = struct.Struct("<I")
#: The version of marshal's format that looks for nothing that comes twice.
_FORMAT = 2
#: Says that a process takes connections.
READY = _LENGTH.pack(0)
_header_item = partial(tuple.__new__, HeaderItem)


def encode_report(file: SpooledFile) -> bytes:
    """Write an object down."""
    meta, origin, header = file.meta, file.origin, file.header
    kind = meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax
    titles = meta.sending_ae_title, meta.receiving_ae_title, meta.offset
    sent = origin.calling, origin.called, origin.peer, origin.instrument, origin.association
    read = None if header is None else (*header[:-1], [*map(tuple, header.items)])
    report = marshal.dumps((file.name, (*kind, *titles), file.size, file.digest, file.received_at, sent, read), _FORMAT)
    return _LENGTH.pack(len(report)) + report


class ReportReader:
    """Gives the objects of what comes in pieces; the beginning of a report whose rest does not come is nothing."""

    def __init__(self) -> None:
        self._kept = b""

    def read(self, data: bytes) -> Iterator[SpooledFile]:
        """Take a piece and give the objects that are whole."""
        kept = self._kept + data
        begin, end = 0, len(kept)
        while end - begin >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(kept, begin)
            if end - begin < _LENGTH.size + length:
                break
            begin += _LENGTH.size + length
            if length:
                yield _decode(kept[begin - length : begin])
        self._kept = kept[begin:]


def _decode(report: bytes) -> SpooledFile:
    name, meta, size, digest, received_at, origin, read = marshal.loads(report)
    header = None if read is None else InstanceHeader._make((*read[:-1], tuple(map(_header_item, read[-1]))))
    return SpooledFile(name, FileMeta(*meta), size, digest, received_at, Origin(*origin), header)
