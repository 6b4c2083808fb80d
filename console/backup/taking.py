"""A backup taken while broker, TaskMan and gateway go on.

First the files of images are copied, which takes long. Then comes the cut: gateways hold on to spool and journal, the database to
its state, all within the milliseconds in which no gateway takes a step; that is what a kill of everything at that moment would
leave, and what starts from it goes on as after one. Then the files of images that came since the first copying are copied.

So an image that is filed in the database's copy has its file here, or in the spool's copy from where it is placed: files come
before the database hears of them, and go after it does.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from console.backup.copier import Copier, Gone, digest_of_file
from console.backup.errors import BackupError, NotEmpty
from console.backup.manifest import (
    DATABASE,
    MANIFEST,
    Entry,
    KeptDatabase,
    KeptDirectory,
    KeptPlace,
    Manifest,
    write_manifest,
)
from console.backup.places import Found, Place, places_of
from fileman import Folder, FrozenSite, SiteReader, Step, read_site, rows_of, sqlite_file
from gateway_client import FrozenGateway, freeze_gateway
from runtime import Clock, Settings

#: What is being done, how much of it is done, and how much there is; the units are bytes, or pages or rows of a database.
Progress = Callable[[str, int, int], None]

SITE_KEY, SITE_FILES = "site/site.key", ("site-file.toml",)
SNAPSHOTS = "snapshots"


def gateway_directory(settings: Settings, data: Path) -> Path:
    """Give a gateway's directory in a data directory."""
    return settings.model_copy(update={"data": data}).gateway_directory


@dataclass(slots=True)
class _Meter:
    """Adds up bytes."""

    progress: Progress
    doing: str
    total: int
    done: int = 0

    def __call__(self, more: int) -> None:
        self.done += more
        self.progress(self.doing, self.done, max(self.total, self.done))


@dataclass(slots=True)
class Taking:
    """One backup of a site into an empty folder.

    `others` are data directories of other gateways that file at this site's brokers, `outside` takes network locations too that
    lie outside of all data directories.
    """

    settings: Settings
    to: Path
    clock: Clock
    others: Sequence[Path] = ()
    outside: bool = False
    progress: Progress = lambda *_: None
    _files: dict[str, Entry] = field(default_factory=dict)
    _left_out: dict[str, None] = field(default_factory=dict)
    _copied: dict[str, tuple[int, int]] = field(default_factory=dict)
    _copier: Copier = field(default_factory=Copier)

    def take(self) -> Manifest:
        """Take the backup. Raises BackupError, and errors of the packages below, with nothing left in the folder."""
        directories = self._directories()
        with contextlib.ExitStack() as undo:
            reader = undo.enter_context(read_site(self.settings.database_url)) if self._has_database() else None
            if reader is None and not any(it.gateway for it in directories):
                raise BackupError(f"There is neither a database nor a gateway in {self.settings.data}; use --data, or --config.")
            self._begin()
            try:
                manifest = self._take(reader, directories)
                write_manifest(self.to, manifest)
            except BaseException:
                self._copier.close()
                self._forget()
                raise
            return manifest

    def _directories(self) -> tuple[KeptDirectory, ...]:
        paths = [self.settings.data, *self.others]
        for path in paths:
            if not path.is_dir():
                raise BackupError(f"There is no data directory {path}.")
        resolved = [path.resolve() for path in paths]
        if len(set(resolved)) != len(resolved):
            raise BackupError("A data directory is named twice.")
        inside = next((path for path in resolved if self.to.resolve().is_relative_to(path)), None)
        if inside is not None:
            raise BackupError(f"{self.to} lies in {inside}, which is backed up: name a folder outside of it.")
        return tuple(
            KeptDirectory(number, str(path), gateway_directory(self.settings, path).is_dir())
            for number, path in enumerate(resolved, 1)
        )

    def _gateway(self, directory: KeptDirectory) -> Path:
        return gateway_directory(self.settings, Path(directory.path))

    def _has_database(self) -> bool:
        file = sqlite_file(self.settings.database_url)
        return file is None or file.is_file()

    def _begin(self) -> None:
        """Make the folder, or see that it is empty. Raises NotEmpty and BackupError."""
        try:
            if self.to.is_dir() and any(self.to.iterdir()):
                whole = (self.to / MANIFEST).exists()
                unfinished = "" if whole else " It holds no finished backup: remove it if one was cut off."
                raise NotEmpty(f"{self.to} is not empty; name a folder that is, or that is not there yet.{unfinished}")
            self.to.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.to.chmod(0o700)
        except OSError as error:
            raise BackupError(f"{self.to} cannot be made: {error.strerror}.") from error

    def _forget(self) -> None:
        """Remove what was written; the folder was empty."""
        for entry in self.to.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    entry.unlink()

    def _take(self, reader: SiteReader | None, directories: Sequence[KeptDirectory]) -> Manifest:
        kept: dict[str, KeptPlace] = {}
        if reader is not None:
            with reader.moment() as before:
                places = self._places(before, directories)
            self._copy_places(places, kept)
        database, later = None, list[Place]()
        with contextlib.ExitStack() as held:
            gateways = [(it, held.enter_context(freeze_gateway(self._gateway(it)))) for it in directories if it.gateway]
            site = held.enter_context(reader.moment()) if reader is not None else None
            for _, gateway in gateways:
                gateway.go_on()
            taken_at = datetime.fromtimestamp(self.clock.seconds(), UTC)
            for directory, gateway in gateways:
                self._copy_gateway(directory, gateway)
            if site is not None:
                database = self._copy_database(site)
                later = self._places(site, directories)
        self._copy_places(later, kept)
        self._copy_site_files()
        self._copier.finish()
        return Manifest(
            uuid.uuid4().hex,
            taken_at,
            metadata.version("magbroker"),
            database,
            tuple(directories),
            tuple(kept.values()),
            tuple(self._left_out),
            self._files,
        )

    def _places(self, site: FrozenSite, directories: Sequence[KeptDirectory]) -> list[Place]:
        paths = {it.number: Path(it.path) for it in directories}
        folders: dict[int, list[Folder]] = {number: list(site.folders(path).values()) for number, path in paths.items()}
        own = [it for path in paths.values() for it in (gateway_directory(self.settings, path), path / SNAPSHOTS)]
        places, left_out = places_of(folders, paths, [*own, self.to], outside=self.outside)
        self._left_out |= dict.fromkeys(left_out)
        return places

    def _copy_places(self, places: Sequence[Place], kept: dict[str, KeptPlace]) -> None:
        """Copy the files of images that were not copied yet, or are other ones now; what is gone meanwhile stays where it was."""
        kept |= {place.kept.folder: place.kept for place in places}
        total = sum(found.size for _, found in self._wanted(places))
        self._copier.tell = _Meter(self.progress, "copying images", total)
        for name, found in self._wanted(places):
            if not found.plain:
                self._left_out[f"{found.path}: it is no plain file"] = None
                continue
            with contextlib.suppress(Gone):
                self._files[name] = self._copier.copy(Path(found.path), self.to / name)
                self._copied[name] = found.size, found.changed_at

    def _wanted(self, places: Sequence[Place]) -> Iterator[tuple[str, Found]]:
        for place in places:
            beginning = len(str(place.root)) + 1
            for found in place.files():
                name = f"{place.kept.folder}/{found.path[beginning:]}"
                if self._copied.get(name) != (found.size, found.changed_at):
                    yield name, found

    def _copy_gateway(self, directory: KeptDirectory, gateway: FrozenGateway) -> None:
        folder = f"{directory.folder}/gateway"
        if gateway.has_journal:
            journal = self.to / folder / "journal.db"
            self._copier.make_directory(journal.parent)
            gateway.copy_journal(journal)
            self._files[f"{folder}/{journal.name}"] = digest_of_file(journal, lambda _: None)
        files = list(gateway.files())
        total = sum(path.stat().st_size for _, path in files)
        self._copier.tell = _Meter(self.progress, "copying the spool", total)
        for name, path in files:
            self._files[f"{folder}/{name}"] = self._copier.copy(path, self.to / folder / name)

    def _copy_database(self, site: FrozenSite) -> KeptDatabase:
        file = self.to / DATABASE

        def tell(step: Step) -> None:
            self.progress(f"database: {step.doing}", step.done, step.total)

        site.copy(file, tell)
        rows = rows_of(file)
        differing = [name for name, count in site.counts().items() if rows.get(name) != count]
        if differing:
            raise BackupError(f"The copy of the database differs from what was read, in {', '.join(differing)}.")
        meter = _Meter(self.progress, "reading the copy", os.path.getsize(file))
        self._files[DATABASE] = digest_of_file(file, meter)
        return KeptDatabase(site.engine, site.revision, rows)

    def _copy_site_files(self) -> None:
        """Copy the site's key, the site file that was loaded, and snapshots: each is replaced whole where it is."""
        data = self.settings.data
        self._copier.tell = lambda _: None
        wanted = {SITE_KEY: self.settings.site_key_path} | {f"site/{name}": data / name for name in SITE_FILES}
        wanted |= {f"site/{SNAPSHOTS}/{path.name}": path for path in sorted((data / SNAPSHOTS).glob("[!.]*")) if path.is_file()}
        for name, path in wanted.items():
            with contextlib.suppress(Gone):
                self._files[name] = self._copier.copy(path, self.to / name)
