"""The names of patients are normalised in the spool, before the journal knows an object: what is filed and told is one form."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from gateway_client.errors import ModificationError, NotPart10
from gateway_client.journal import Journal
from gateway_client.objects.elements import DEFLATED
from gateway_client.objects.patient_name import normalise, normalised
from gateway_client.objects.rewriting import Rewritten, rewrite
from gateway_client.reception.spool import Spool, SpooledFile
from runtime import sync_directory

log = logging.getLogger(__name__)

#: Files that are changed together: so many, or of so many bytes.
_AT_ONCE, _BYTES = 64, 64 << 20
_NOTE = "INSERT INTO normalised (name, received_digest) VALUES (?,?) ON CONFLICT (name) DO NOTHING"


class Normalising:
    """Normalises the names in files of the spool; it belongs to the storing worker's thread."""

    def __init__(self, spool: Spool, journal: Journal) -> None:
        self._spool = spool
        self._journal = journal

    def normalise(self, files: list[SpooledFile]) -> None:
        """Normalise the names in files; the list says then how they are, and does where JournalError is raised in the middle.

        Cut off anywhere it leaves each file as it came or as it is to be, and may be done again; the digest of what came is in
        the journal before that is changed. What cannot be changed stays as it came, and so does a deflated data set: it could
        not be sent with its name restored but by deflating it anew.
        """
        begin = 0
        for part in _parts(tuple(files)):
            files[begin : begin + len(part)] = self._normalise(part)
            begin += len(part)

    def _normalise(self, files: Sequence[SpooledFile]) -> list[SpooledFile]:
        written = {file.name: rewritten for file in files if (rewritten := self._write(file)) is not None}
        if not written:
            return list(files)
        with self._journal.transaction() as connection:
            connection.executemany(_NOTE, [(file.name, file.digest) for file in files if file.name in written])
        changed = [self._take_place(file, written[file.name]) if file.name in written else file for file in files]
        directory = self._spool.path(files[0].name).parent
        try:
            sync_directory(directory)
        except OSError as error:
            log.error("%s cannot be made durable: %s", directory, error)
        return changed

    def _write(self, file: SpooledFile) -> Rewritten | None:
        """Write a changed file beside those of the spool; None where nothing is to be changed, or can be."""
        if file.meta.transfer_syntax == DEFLATED or _is_normal(file):
            return None
        path, temporary = self._spool.path(file.name), self._temporary(file)
        try:
            return rewrite(path, temporary, normalise, self._spool.max_object_bytes)
        except (ModificationError, NotPart10, OSError) as error:
            log.warning("the patient's name in %s stays as it came: %s", path, error)
        except Exception:  # its sender was told that it is safe: whatever its header is like, it is filed as it came
            log.exception("the patient's name in %s stays as it came", path)
        with contextlib.suppress(OSError):
            temporary.unlink()
        return None

    def _take_place(self, file: SpooledFile, rewritten: Rewritten) -> SpooledFile:
        """Put a changed file in the place of the one that came."""
        path, temporary = self._spool.path(file.name), self._temporary(file)
        try:
            os.rename(temporary, path)
        except OSError as error:
            log.warning("the patient's name in %s stays as it came: %s", path, error)
            return file
        return replace(file, size=rewritten.size, digest=rewritten.digest, header=None)

    def _temporary(self, file: SpooledFile) -> Path:
        return self._spool.directory / "tmp" / f"{file.name}.named"


def _parts(files: Sequence[SpooledFile]) -> Iterator[list[SpooledFile]]:
    part: list[SpooledFile] = []
    for file in files:
        part.append(file)
        if len(part) == _AT_ONCE or sum(one.size for one in part) >= _BYTES:
            yield part
            part = []
    if part:
        yield part


def _is_normal(file: SpooledFile) -> bool:
    """Tell from the header, where it was read, that there is nothing to do."""
    if file.header is None:
        return False
    name = file.header.patient_name.partition("=")[0]
    return normalised(name) == name
