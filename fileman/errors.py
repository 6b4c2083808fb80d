"""What can go wrong in the database layer."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError

#: What no second try makes good.
_OF_VALUES = (IntegrityError, DataError, ProgrammingError, NotSupportedError)
#: So many names are written out in a message.
_NAMED = 8


class FileManError(Exception):
    """The database could not do what was asked."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").splitlines()[0])


class StoreClosed(FileManError):
    """The store is closed; nothing was written."""


class StoreFailed(FileManError):
    """The database refused the transaction; nothing of it was written.

    `for_what_it_held`: the values were refused, and would be again; otherwise the database was away, busy or full.
    """

    def __init__(self, message: str = "", *, for_what_it_held: bool = False) -> None:
        super().__init__(message)
        self.for_what_it_held = for_what_it_held


class MigrationFailed(FileManError):
    """The database could not be brought to this version; it is as it was before."""


class SiteFileError(FileManError):
    """The site file has an error."""

    def __init__(self, problem: str, line: int | None = None, source: str = "site file") -> None:
        self.problem = problem
        self.line = line
        self.source = source
        where = f"{source}, line {line}" if line else source
        super().__init__(f"{where}: {problem}")


def is_of_values(error: Exception) -> bool:
    """Tell whether the database refused values, which it will refuse again, and not because of its own state."""
    return isinstance(error, _OF_VALUES) and not error.connection_invalidated


def refusal(error: Exception) -> str:
    """Say what the database refused, without the values: PostgreSQL's DETAIL quotes whole rows, patients included."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    primary = getattr(getattr(origin, "diag", None), "message_primary", None)
    return str(primary or origin)


def listed(names: Sequence[str]) -> str:
    """Write a list of names in about a line."""
    return ", ".join(names) if len(names) <= _NAMED else f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
