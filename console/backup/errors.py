"""What goes wrong with backups."""

from __future__ import annotations

from console.errors import ConsoleError


class BackupError(ConsoleError):
    """The backup was not taken, or not restored."""


class NotEmpty(BackupError):
    """What is to be filled holds something."""


class NoBackup(BackupError):
    """The folder holds no backup, or one that was not finished."""


class Damaged(BackupError):
    """The backup is not what it was when it was taken."""
