"""A backup compared with its manifest: every file there, with the bytes of then, and no other."""

from __future__ import annotations

import os
from pathlib import Path

from console.backup.copier import Gone, digest_of_file
from console.backup.errors import Damaged
from console.backup.manifest import DATABASE, MANIFEST, Manifest, read_manifest
from console.backup.taking import Progress
from fileman import check_whole, rows_of

#: So many files are named in a message.
_NAMED = 8


def check(folder: Path, progress: Progress = lambda *_: None) -> Manifest:
    """Read every file of a backup and compare it; give what the backup holds.

    Raises NoBackup for what is none, Damaged that names files which differ, are missing or do not belong there, and for a
    database that is damaged.
    """
    manifest = read_manifest(folder)
    done, total, wrong = 0, manifest.bytes, []

    def tell(more: int) -> None:
        nonlocal done
        done += more
        progress("checking the backup", done, total)

    for name, entry in manifest.files.items():
        try:
            if digest_of_file(folder / name, tell) != entry:
                wrong.append(f"{name} is not what it was")
        except Gone:
            wrong.append(f"{name} is missing")
    wrong += [f"{name} does not belong there" for name in _names(folder) - manifest.files.keys() - {MANIFEST}]
    if wrong:
        more = f", and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise Damaged(f"The backup {folder} is damaged: {', '.join(sorted(wrong)[:_NAMED])}{more}. Nothing was restored.")
    if manifest.database is not None:
        check_whole(folder / DATABASE)
        if rows_of(folder / DATABASE) != manifest.database.rows:
            raise Damaged(f"The backup {folder} is damaged: its database has other rows than the manifest counts.")
    return manifest


def _names(folder: Path) -> set[str]:
    return {Path(above, name).relative_to(folder).as_posix() for above, _, names in os.walk(folder) for name in names}
