"""An application whose objects lie in a folder, under their SOP Instance UIDs, where it names no other place."""

from __future__ import annotations

import re
from pathlib import Path

from gateway_client.commitment.transaction import CommitmentResult, Reference
from gateway_client.errors import GatewayError, NotAnObject, NotPart10
from gateway_client.objects.part10 import FileMeta, read_meta
from gateway_client.reception.application import Application, Keep, Place, StoredObject, place, verdict
from gateway_client.reception.spool import Origin

#: What may name a file; the standard allows no other UID (PS3.5 9.1).
_UID = re.compile(r"[0-9][0-9.]{0,63}")


class InFolder(Application):
    """Asks another application, and takes care of what that leaves to it."""

    def __init__(self, application: Application, folder: Path) -> None:
        self._application = application
        self._folder = folder.absolute()

    def accept_connection(self, origin: Origin) -> bool:
        return verdict(self._application.accept_connection, origin)

    def accept_object(self, stored: StoredObject) -> bool:
        return verdict(self._application.accept_object, stored)

    def not_stored(self, meta: FileMeta, origin: Origin, why: GatewayError) -> None:
        self._application.not_stored(meta, origin, why)

    def hear_commitment(self, result: CommitmentResult, origin: Origin) -> bool:
        return verdict(self._application.hear_commitment, result, origin)

    def timed_out(self, origin: Origin) -> None:
        self._application.timed_out(origin)

    def disconnected(self, origin: Origin) -> None:
        self._application.disconnected(origin)

    def choose_place(self, meta: FileMeta, origin: Origin) -> Place:
        """Name the file of an object that the application leaves to the folder."""
        chosen = place(self._application.choose_place, meta, origin)
        return self._file(meta.sop_instance_uid) if chosen is Keep.SPOOL else chosen

    def commits(self, reference: Reference, origin: Origin) -> bool:
        """Answer for what lies in the folder too."""
        return verdict(self._application.commits, reference, origin) or self._has(reference)

    def _has(self, reference: Reference) -> bool:
        try:
            meta = read_meta(self._file(reference.sop_instance))
        except (NotAnObject, NotPart10, OSError):
            return False
        return (meta.sop_class_uid, meta.sop_instance_uid) == reference

    def _file(self, uid: str) -> Path:
        if not _UID.fullmatch(uid):
            raise NotAnObject(f"{uid!r} is no UID.")
        return self._folder / f"{uid}.dcm"
