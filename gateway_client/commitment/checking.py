"""Checking before storage is committed: each instance is filed, its bytes are on disk, and they are those that were received."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dul import may_be_stored
from gateway_client.broker import Broker
from gateway_client.commitment.commitments import COMMITTED
from gateway_client.commitment.transaction import Reason, Reference
from gateway_client.errors import NotPart10, UnknownShare
from gateway_client.journal import UNDER_WAY, Instance, Journal, State
from gateway_client.locations import NetworkLocations
from gateway_client.objects.part10 import digest_of, read_meta
from xwb import RemoteError

log = logging.getLogger(__name__)

#: Bytes of files that are read in one go, before what was found out is written down.
READ_AT_ONCE = 256 << 20
#: States of an object of which the broker may yet hear, or a person decide.
_PENDING = (State.RECEIVED, State.WAITING, *UNDER_WAY, State.CORRECT)
#: By what commitment_from says: what the broker is asked beside the UIDs.
STORES: Mapping[str, tuple[str, ...]] = {"both": (), "short-term": ("SHORT-TERM",)}
_SHORT_OF = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out of a reference: COMMITTED, a failure reason, or None as long as it is on its way.

    `ien` is its image's, where it has one; `detail` says what is wrong, for the log and for the image's story.
    """

    reference: Reference
    outcome: int | None
    ien: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Filed:
    """Where a filed object lies, and the digest that it should have; empty where that is not known."""

    ien: int | None
    digest: str
    path: Path | None


class Checking:
    """Finds out what can be committed, of the stores that are one of `STORES`.

    It belongs to the worker's thread, as it reads files whole.
    """

    def __init__(self, journal: Journal, data: Path, stores: Sequence[str] = STORES["both"]) -> None:
        self._journal = journal
        self._data = data
        self._stores = stores
        self._locations = NetworkLocations()
        self._asks_broker = True

    def connected(self, broker: Broker) -> None:
        """Begin on a new session."""
        self.learn(broker)
        self._asks_broker = True

    def learn(self, broker: Broker) -> None:
        """Ask where the network locations lie."""
        self._locations = NetworkLocations.parse(broker.call("MAGB NETWORK LOCATIONS").lines, self._data)

    def findings(self, broker: Broker, references: Sequence[Reference]) -> Iterator[Finding]:
        """Check references in their order, as many as may be at once, the first one at least. Raises XWBError.

        What came last under a UID counts: as long as that is on its way or held, an earlier one that is filed is not what the
        sender wants to be sure of.
        """
        filed = self._filed(broker, [reference.sop_instance for reference in references])
        left = READ_AT_ONCE
        for reference in references:
            if left <= 0:
                return
            if not may_be_stored(reference.sop_class):
                yield Finding(reference, Reason.SOP_CLASS_NOT_SUPPORTED, detail="no storage SOP class")
                continue
            known = self._journal.with_uid(reference.sop_instance, tuple(State)) if reference.sop_instance else []
            one = filed.get(reference.sop_instance) if self._asks_broker else _by_journal(known)
            if known and known[-1].state in _PENDING:
                yield Finding(reference, None, known[-1].ien, "it is not filed yet")
            elif known and known[-1].state is State.REFUSED:
                yield Finding(reference, Reason.PROCESSING_FAILURE, known[-1].ien, f"it is held: {known[-1].reason}")
            elif one is None:
                yield Finding(reference, Reason.NO_SUCH_OBJECT_INSTANCE, detail="it is not on file")
            else:
                yield self._check(broker, reference, one)
                left -= _size(one.path)

    def _check(self, broker: Broker, reference: Reference, filed: _Filed) -> Finding:
        """Check a file; one that is gone may have been released after the broker said where it lay. Raises XWBError."""
        finding = _check_file(reference, filed)
        if finding.outcome != Reason.NO_SUCH_OBJECT_INSTANCE:
            return finding
        now = self._filed(broker, [reference.sop_instance]).get(reference.sop_instance)
        return finding if now is None or now.path == filed.path else _check_file(reference, now)

    def _filed(self, broker: Broker, uids: Sequence[str]) -> dict[str, _Filed]:
        """Ask the broker where instances lie; a VistA, which has no procedure for it, leaves it to the journal."""
        if not self._asks_broker:
            return {}
        try:
            lines = broker.call("MAGB INSTANCE FILES", list(uids), *self._stores).lines
        except RemoteError as error:
            log.warning("the broker does not tell where instances lie, the journal does: %s", error)
            self._asks_broker = False
            return {}
        found = {}
        for line in lines:
            uid, ien, digest, path = [*line.split("^", 3), "", "", ""][:4]
            if ien.isdigit():
                found[uid] = _Filed(int(ien), digest, self._local(path))
        return found

    def _local(self, path: str) -> Path | None:
        """Say where a file lies; None where that is on no share of the site, or on one that is away with all that lies there."""
        try:
            return self._locations.local_path(path) if path and self._locations.find(path).is_there else None
        except UnknownShare:
            return None


def _by_journal(known: Sequence[Instance]) -> _Filed | None:
    """Give the newest object that is filed."""
    filed = [one for one in known if one.state is State.FILED and one.placed]
    return _Filed(filed[-1].ien, filed[-1].digest, Path(filed[-1].placed)) if filed else None


def _check_file(reference: Reference, filed: _Filed) -> Finding:
    def failed(reason: Reason, detail: str) -> Finding:
        return Finding(reference, reason, filed.ien, detail)

    if filed.path is None:
        return failed(Reason.PROCESSING_FAILURE, "its file lies on no network location that counts, is here and on line")
    try:
        meta = read_meta(filed.path)
        if meta.sop_class_uid != reference.sop_class:
            return failed(Reason.CLASS_INSTANCE_CONFLICT, f"it is of SOP class {meta.sop_class_uid}")
        digest = digest_of(filed.path)
    except FileNotFoundError:
        return failed(Reason.NO_SUCH_OBJECT_INSTANCE, f"{filed.path} is not there")
    except OSError as error:
        short = error.errno in _SHORT_OF
        return failed(
            Reason.RESOURCE_LIMITATION if short else Reason.PROCESSING_FAILURE, f"{filed.path} cannot be read: {error.strerror}"
        )
    except NotPart10 as error:
        return failed(Reason.PROCESSING_FAILURE, str(error))
    if digest != filed.digest if filed.digest else meta.sop_instance_uid != reference.sop_instance:
        return failed(Reason.PROCESSING_FAILURE, f"{filed.path} is not what was received")
    return Finding(reference, COMMITTED, filed.ien)


def _size(path: Path | None) -> int:
    try:
        return path.stat().st_size if path is not None else 0
    except OSError:
        return 0
