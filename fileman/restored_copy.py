"""The copy of a site that was kept, made ready to be the site again, later and perhaps elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import SQLAlchemyError

from fileman.engines import writing_engine
from fileman.errors import FileManError, refusal
from fileman.files import AnsweredRequest, NetworkLocation
from fileman.migrate import fold_log, migrate

_LATER = update(AnsweredRequest).values(answered_at=AnsweredRequest.answered_at + bindparam("later"))
_PATHS = select(NetworkLocation.ien, NetworkLocation.path)
_MOVE = update(NetworkLocation).where(NetworkLocation.ien == bindparam("location")).values(path=bindparam("new_path"))


class NotReadied(FileManError):
    """The copy cannot be made ready to be restored."""


def make_ready(file: Path, later: float, moved: Callable[[str], str]) -> None:
    """Bring a SQLite copy to this version's schema, for a start so many seconds `later` than it was taken.

    What gateways were answered counts as answered that much later: they may send a request once more that was in doubt when the
    copy was taken, and get the answer of then, however long ago that was. `moved` tells for a network location's path where it
    lies now. Raises NotReadied, and MigrationFailed.
    """
    url = f"sqlite:///{file}"
    migrate(url)
    for left in file.parent.glob(f"{file.name}.before-*"):
        left.unlink()
    engine = writing_engine(url)
    try:
        with engine.begin() as connection:
            connection.execute(_LATER, {"later": max(later, 0.0)})
            for ien, path in connection.execute(_PATHS).all():
                if (new := moved(path)) != path:
                    connection.execute(_MOVE, {"location": ien, "new_path": new})
    except SQLAlchemyError as error:
        raise NotReadied(f"The copy {file} cannot be made ready: {refusal(error)}.") from error
    finally:
        engine.dispose()
    fold_log(file)
    with contextlib.suppress(FileNotFoundError):
        file.with_name(f"{file.name}-wal").unlink()
