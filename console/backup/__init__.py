"""Backups: a running site kept in a folder, whole and of one moment; checked, and put back where nothing is."""

from console.backup.checking import check
from console.backup.errors import BackupError, NoBackup, NotEmpty
from console.backup.manifest import MANIFEST, Manifest, read_manifest
from console.backup.restoring import Restored, Restoring
from console.backup.taking import Taking

__all__ = [
    "MANIFEST",
    "BackupError",
    "Manifest",
    "NoBackup",
    "NotEmpty",
    "Restored",
    "Restoring",
    "Taking",
    "check",
    "read_manifest",
]
