"""Bring about a recorded change of state: `python -m tests.oracle.state_hook --data DIR FILE ID`, the M text on standard input.

The change is made in the broker's database from outside, as another process would; sessions go on. Exit status 0 means
done, 1 that this change is not known.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, delete, insert

from fileman import bump_site_version, reset_imaging
from fileman.engines import writing_engine
from fileman.files import FailedAccess, SiteSetting


def _inhibit(value: bool) -> Callable[[Connection], None]:
    def change(connection: Connection) -> None:
        connection.execute(delete(SiteSetting).where(SiteSetting.name == "logons_inhibited"))
        connection.execute(insert(SiteSetting).values(name="logons_inhibited", value=json.dumps(value)))
        bump_site_version(connection)

    return change


def _reset(connection: Connection) -> None:
    reset_imaging(connection)
    connection.execute(delete(FailedAccess))
    bump_site_version(connection)


#: M text, as recorded, to what it does here.
CHANGES: dict[str, Callable[[Connection], None]] = {
    'S ^%ZIS(14.5,"LOGON","ROU")=1': _inhibit(True),
    'S ^%ZIS(14.5,"LOGON","ROU")=0': _inhibit(False),
    "D RESET^ZZORCLX": _reset,
}


def main() -> int:
    """Carry out one change."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--database", help="database URL; the SQLite file in the data directory unless given")
    parser.add_argument("file")
    parser.add_argument("id")
    options = parser.parse_args()
    change = CHANGES.get(sys.stdin.read().strip())
    if change is None:
        print(f"{options.file} {options.id}: this change of state is not known", file=sys.stderr)
        return 1
    engine = writing_engine(options.database or f"sqlite:///{options.data / 'magbroker.db'}")
    try:
        with engine.begin() as connection:
            change(connection)
    finally:
        engine.dispose()
    return 0


if __name__ == "__main__":
    sys.exit(main())
