"""`original/` of the spool: objects as they were received, of those that were changed since, until their time is over."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from gateway_client.errors import SpoolError
from gateway_client.objects.rewriting import Rewritten, rewrite
from gateway_client.objects.splicing import Change
from gateway_client.reception.spool import Spool
from runtime import make_directories, sync_directory


class Originals:
    """What the correcting task does to the files of the spool. Everything raises OSError."""

    def __init__(self, spool: Spool) -> None:
        """Make the directory. Raises SpoolError."""
        self.directory = spool.directory / "original"
        self._spool = spool
        try:
            make_directories(self.directory)
        except OSError as error:
            raise SpoolError(f"{self.directory} cannot be made: {error.strerror}.") from error

    def path(self, name: str) -> Path:
        """Give the path of an object's original."""
        return self.directory / name

    def correct(self, name: str, change: Change) -> Rewritten | None:
        """Change an object of the spool as it was received; None if nothing of that is to be changed.

        Whatever was corrected before is undone by that. Killed at any moment, this leaves the original, under one name or both,
        and can be done again. Raises ModificationError and NotPart10, with everything as it was.
        """
        path, original = self._spool.path(name), self.path(name)
        temporary = self._spool.directory / "tmp" / f"{name}.corrected"
        source = original if original.exists() else path
        try:
            rewritten = rewrite(source, temporary, change, self._spool.max_object_bytes)
            if rewritten is not None:
                self._keep(path, original)
            elif source is original:
                with contextlib.suppress(FileNotFoundError):
                    temporary.unlink()
                os.link(original, temporary)
            if temporary.exists():
                os.rename(temporary, path)
                sync_directory(path.parent)
        finally:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
        return rewritten

    def _keep(self, path: Path, original: Path) -> None:
        with contextlib.suppress(FileExistsError):
            os.link(path, original)
        sync_directory(self.directory)

    def erase(self, names: Sequence[str]) -> dict[str, OSError]:
        """Remove every copy of objects, for good; what is gone already is no error. Gives those of which something is left."""
        left, directories = dict[str, OSError](), set[Path]()
        for name in names:
            # a file is only ever moved to where it is looked for last
            for path in (self.path(name), self._spool.path(name), self._spool.held_path(name)):
                try:
                    path.unlink()
                except FileNotFoundError:
                    pass
                except OSError as error:
                    left[name] = error
                directories.add(path.parent)
        for directory in directories:
            sync_directory(directory)
        return left

    def remove(self, names: Sequence[str]) -> None:
        """Remove originals; what is gone already is no error."""
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                self.path(name).unlink()
        sync_directory(self.directory)
