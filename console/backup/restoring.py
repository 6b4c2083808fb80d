"""A backup put back where nothing is: in an empty data directory, and on PostgreSQL in an empty database.

From the first file to the last `restoring.json` lies there, and nobody starts on what is not whole; a restore that was cut off is
begun again and writes the same once more.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from console.backup.checking import check
from console.backup.copier import Copier, digest_of_file
from console.backup.errors import BackupError, Damaged, NotEmpty
from console.backup.manifest import DATABASE, KeptPlace, Manifest, read_manifest
from console.backup.taking import SITE_KEY, Progress, gateway_directory
from fileman import Outcome, Step, Transfer, check_empty, make_ready, rows_of, shown_target, sqlite_file
from runtime import RESTORE_FILE, RUN_FILE, Clock, DataDirectory, Settings, sync_directory

#: What may lie in an empty data directory: who owns it, and the beginning of a restore.
_LEFT_BY_OWNERS = {"owner.lock", RUN_FILE, RESTORE_FILE, f".{RESTORE_FILE}.part"}
_STAGED = "restoring.db"
#: So many names are written out in a message.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and where to."""

    manifest: Manifest
    directories: tuple[Path, ...]
    database: str
    rows: int


@dataclass(slots=True)
class Restoring:
    """One backup that is put back. `others` are data directories for the other gateways of the backup, in its order.

    `elsewhere` says for network locations outside of the data directory, by name, in which folder they shall lie.
    """

    settings: Settings
    source: Path
    clock: Clock
    others: Sequence[Path] = ()
    elsewhere: Mapping[str, Path] = field(default_factory=dict)
    progress: Progress = lambda *_: None
    _copier: Copier = field(default_factory=Copier)
    _ours: bool = False

    def restore(self) -> Restored:
        """Check the backup, put it in place, and count what is there.

        Raises NoBackup, Damaged, NotEmpty, DataDirectoryInUse and other errors of the packages below. Until the check is over
        nothing is changed; what is cut off later may be begun again.
        """
        manifest = read_manifest(self.source)
        paths = self._paths(manifest)
        self._check_free(manifest, paths)
        check(self.source, self.progress)
        with contextlib.ExitStack() as undo:
            for path in self._claimed(paths):
                self._copier.make_directory(path)
                directory = DataDirectory(path)
                directory.acquire_to_restore()
                undo.callback(directory.release)
            self._ours = True
            self._check_free(manifest, paths)
            undo.callback(self._copier.close)
            rows = self._fill(manifest, paths)
        url = self.settings.database_url if manifest.database is not None else ""
        file = sqlite_file(url) if url else None
        shown = "" if not url else str(file) if file is not None else shown_target(url)
        return Restored(manifest, tuple(paths), shown, rows)

    def _paths(self, manifest: Manifest) -> list[Path]:
        """Give a directory for each that is in the backup."""
        paths = [self.settings.data, *self.others]
        if len(paths) != len(manifest.directories):
            was = "".join(f"\n  {it.path}" for it in manifest.directories[1:])
            wanted = f"Give --gateway for each of the others, in this order:{was}" if was else "Leave --gateway out."
            raise BackupError(f"The backup holds {len(manifest.directories)} data directories. {wanted}")
        if len({path.resolve() for path in paths}) != len(paths):
            raise BackupError("A data directory is named twice.")
        unknown = self.elsewhere.keys() - {place.name for place in manifest.places if not place.directory}
        if unknown:
            raise BackupError(f"The backup holds no network location {', '.join(sorted(unknown))} outside of a data directory.")
        return paths

    def _check_free(self, manifest: Manifest, paths: Sequence[Path]) -> None:
        """Raise NotEmpty for what holds anything but the beginning of this very restore."""
        begun = _begun(paths[0])
        for path in paths[:1] if begun is not None and begun.get("whole") else paths:
            self._check_directory(path, manifest)
        self._check_places(manifest, paths, set((begun or {}).get("places", ())))
        if begun is not None:
            return
        key, entry = self.settings.site_key_path, manifest.files.get(SITE_KEY)
        if key.exists() and entry is not None and digest_of_file(key, lambda _: None) != entry:
            raise NotEmpty(f"{key} is another site's key: name another place for it (site_key), or move it out of the way.")
        if manifest.database is None:
            return
        file = sqlite_file(self.settings.database_url)
        if file is not None and file.exists():
            raise NotEmpty(f"The database {file} is there already. Nothing is written over: name another one, or move it away.")
        if file is None:
            check_empty(self.settings.database_url)

    def _check_directory(self, path: Path, manifest: Manifest) -> None:
        """Raise DataDirectoryInUse for a directory that somebody runs on, NotEmpty for one that holds anything else."""
        for owned in self._claimed([path]):
            if (owned / "owner.lock").exists() and not self._ours:
                directory = DataDirectory(owned)
                directory.acquire_to_restore()  # who is there is named
                directory.release()
        begun = _begun(path)
        if begun is not None:
            if begun.get("id") != manifest.id:
                raise NotEmpty(f"The restore of another backup was begun in {path}: end that one, or empty the directory.")
            return
        gateway = gateway_directory(self.settings, path)
        names = [it for it in _names(path) if path / it != gateway] + [f"{gateway.name}/{it}" for it in _names(gateway)]
        if names:
            shown = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
            raise NotEmpty(
                f"The data directory {path} is not empty: it holds {shown}. Nothing is written over: name another one (--data),"
                " or move it out of the way."
            )

    def _check_places(self, manifest: Manifest, paths: Sequence[Path], claimed: Collection[str]) -> None:
        """Raise NotEmpty for a folder outside of the data directory that holds anything, unless this restore put it there."""
        for place in manifest.places:
            target = self._target(place, paths)
            if not place.directory and str(target) not in claimed and _names(target):
                raise NotEmpty(
                    f"{target}, where network location {place.name} lies, is not empty: name another folder for it,"
                    f" --location '{place.name}=FOLDER'."
                )

    def _fill(self, manifest: Manifest, paths: Sequence[Path]) -> int:
        """Put everything in place, between the first mark and the last; count the rows of the database."""
        claim = _begun(paths[0]) or {
            "id": manifest.id,
            "at": datetime.fromtimestamp(self.clock.seconds(), UTC).isoformat(),
            "places": [str(self._target(place, paths)) for place in manifest.places if not place.directory],
        }
        if not claim.get("whole"):
            for path in self._claimed(paths):
                _mark(path, claim)
            self._copy_files(manifest, paths)
            claim["rows"] = 0
            if manifest.database is not None:
                claim["rows"] = self._restore_database(manifest, paths, datetime.fromisoformat(claim["at"]))
            _mark(paths[0], claim | {"whole": True})  # from here on gateways may start: nothing is written again
        self._end(paths)
        return int(claim["rows"])

    def _claimed(self, paths: Sequence[Path]) -> Iterator[Path]:
        for path in paths:
            yield path
            yield gateway_directory(self.settings, path)

    def _end(self, paths: Sequence[Path]) -> None:
        """Let it be used: the site's own directory last, as it says what was begun."""
        for path in reversed(list(self._claimed(paths))):
            (path / RESTORE_FILE).unlink(missing_ok=True)
            sync_directory(path)
        for path in paths:
            gateway = gateway_directory(self.settings, path)
            if not _names(gateway):  # there was no gateway
                (gateway / "owner.lock").unlink(missing_ok=True)
                gateway.rmdir()

    def _target(self, place: KeptPlace, paths: Sequence[Path]) -> Path:
        if place.directory:
            return paths[place.directory - 1] / place.path
        return self.elsewhere.get(place.name, Path(place.path))

    def _copy_files(self, manifest: Manifest, paths: Sequence[Path]) -> None:
        done, total = 0, manifest.bytes

        def tell(more: int) -> None:
            nonlocal done
            done += more
            self.progress("restoring files", done, total)

        self._copier.tell = tell
        targets = _Targets(self, manifest, paths)
        for name, entry in manifest.files.items():
            target = targets.of(name)
            if self._copier.copy(self.source / name, target) != entry:
                raise Damaged(f"{self.source / name} is not what it was a moment ago. Run the command again.")
        for place in manifest.places:
            self._copier.make_directory(self._target(place, paths))
        self._copier.finish()

    def _restore_database(self, manifest: Manifest, paths: Sequence[Path], begun_at: datetime) -> int:
        """Put the database in place and count its rows."""
        assert manifest.database is not None
        staged = self._staged()
        make_ready(staged, (begun_at - manifest.taken_at).total_seconds(), self._moved(manifest, paths))
        file = sqlite_file(self.settings.database_url)
        if file is None:
            rows = self._to_postgresql(staged)
            staged.unlink()
        else:
            _put(staged, file)
            rows = rows_of(file)
        differing = [name for name, count in manifest.database.rows.items() if rows.get(name, count) != count]
        if differing:
            raise BackupError(f"What was restored has other numbers of rows than the backup, in {', '.join(differing)}.")
        total = sum(rows.values())
        self.progress("database: counted", total, total)
        return total

    def _staged(self) -> Path:
        """Say where the database's copy is made ready: beside the file that it becomes."""
        file = sqlite_file(self.settings.database_url)
        return (self.settings.data if file is None else file.parent) / _STAGED

    def _to_postgresql(self, staged: Path) -> dict[str, int]:
        def tell(step: Step) -> None:
            self.progress(f"database: {step.doing}", step.done, step.total)

        moved = Transfer(staged, self.settings.database_url, tell).perform()
        if moved.outcome is Outcome.DIFFERS:
            differing = ", ".join(it.name for it in moved.tables if not it.equal)
            raise BackupError(f"What PostgreSQL gave back differs, in {differing}. It is as empty as before.")
        return {it.name: it.target_rows for it in moved.tables}

    def _moved(self, manifest: Manifest, paths: Sequence[Path]) -> Callable[[str], str]:
        """Say where a network location lies that is told by an absolute path."""
        told = [it for it in manifest.places if it.told and (it.directory or it.name in self.elsewhere)]
        new = {it.told: str(self._target(it, paths).resolve()) for it in told}
        roots = [(Path(it.path), paths[it.number - 1].resolve()) for it in manifest.directories]

        def moved(path: str) -> str:
            if path in new:
                return new[path]
            home = next((pair for pair in roots if os.path.isabs(path) and Path(path).is_relative_to(pair[0])), None)
            return path if home is None else str(home[1] / Path(path).relative_to(home[0]))

        return moved


@dataclass(frozen=True, slots=True)
class _Targets:
    """Says for the files of a backup where each belongs."""

    restoring: Restoring
    manifest: Manifest
    paths: Sequence[Path]

    def of(self, name: str) -> Path:
        """Give a file's place. Raises Damaged for one that has none."""
        settings = self.restoring.settings
        if name == DATABASE:
            return self.restoring._staged()
        if name == SITE_KEY:
            return settings.site_key_path
        if name.startswith("site/"):
            return settings.data / name.removeprefix("site/")
        for directory in self.manifest.directories:
            if (inside := _below(name, f"{directory.folder}/gateway")) is not None:
                return gateway_directory(settings, self.paths[directory.number - 1]) / inside
        for place in self.manifest.places:
            if (inside := _below(name, place.folder)) is not None:
                return self.restoring._target(place, self.paths) / inside
        raise Damaged(f"It is not known where {name} of the backup belongs.")


def _mark(path: Path, claim: Mapping[str, Any]) -> None:
    """Write down what is restored to a directory, before anything is, or that all of it is there."""
    try:
        temporary = path / f".{RESTORE_FILE}.part"
        temporary.write_text(json.dumps(claim), encoding="utf-8")
        temporary.rename(path / RESTORE_FILE)
        sync_directory(path)
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error.strerror}.") from error


def _names(folder: Path) -> list[str]:
    """Name what is in a folder, but for what owners leave there."""
    try:
        return sorted(name for name in os.listdir(folder) if name not in _LEFT_BY_OWNERS)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BackupError(f"{folder} cannot be read: {error.strerror}.") from error


def _below(name: str, folder: str) -> str | None:
    return name.removeprefix(f"{folder}/") if name.startswith(f"{folder}/") else None


def _begun(path: Path) -> dict[str, Any] | None:
    """Read what a restore that was cut off wrote down."""
    try:
        begun = json.loads((path / RESTORE_FILE).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BackupError(f"{path / RESTORE_FILE} cannot be read: empty the directory.") from error
    return begun if isinstance(begun, dict) else {}


def _put(staged: Path, file: Path) -> None:
    try:
        staged.replace(file)
        sync_directory(file.parent)
    except OSError as error:
        raise BackupError(f"{file} cannot be written: {error.strerror}.") from error
