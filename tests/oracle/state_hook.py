"""Bring about a recorded change of state: `python -m tests.oracle.state_hook --data DIR FILE ID`, the M text on standard input.

The change is made in the broker's database from outside, as another process would; sessions go on. Exit status 0 means
done, 1 that this change is not known.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from sqlalchemy import Connection, delete, insert, update

from fileman import SiteKey, apply_site, bump_site_version
from fileman.engines import writing_engine
from fileman.files import FailedAccess, LockedAddress, NewPerson, SiteSetting
from tests.oracle import changes
from tests.oracle.changes import Change, all_of
from tests.oracle.changes.filing import FILING
from tests.oracle.changes.look_ups import LOOK_UPS
from tests.oracle.changes.routing import ROUTING


def setting(**settings: object) -> Change:
    """Set something of the [site] table."""

    def change(connection: Connection, _key: SiteKey) -> None:
        for name, value in settings.items():
            connection.execute(delete(SiteSetting).where(SiteSetting.name == name))
            connection.execute(insert(SiteSetting).values(name=name, value=json.dumps(value)))
        bump_site_version(connection)

    return change


def _clear_locks(connection: Connection, _key: SiteKey) -> None:
    connection.execute(delete(FailedAccess))
    connection.execute(delete(LockedAddress))


def _unlock_alexander(connection: Connection, _key: SiteKey) -> None:
    connection.execute(update(NewPerson).where(NewPerson.duz == 9001).values(failed_attempts=0, locked_until=""))


def _load_site(connection: Connection, key: SiteKey) -> None:
    """Put codes, their dates and locks back to what the site file says."""
    apply_site(connection, changes.site(), key, changes.CLOCK.now())


_NO_FAILURES = (
    'K ^XUSEC(3),^XUSEC(4) S ^XUSEC(3,0)="LOCKED IP or DEVICE^3.083^^",^XUSEC(4,0)="FAILED ACCESS ATTEMPTS COUNT^3.084^^"'
)

#: M text, as recorded, to what it does here; those of one theme stand in a module of their own.
CHANGES: dict[str, Change] = {
    **FILING,
    **ROUTING,
    **LOOK_UPS,
    'S ^%ZIS(14.5,"LOGON","ROU")=1': setting(logons_inhibited=True),
    'S ^%ZIS(14.5,"LOGON","ROU")=0': setting(logons_inhibited=False),
    'S ^MAG(2006.1,"CONSOLIDATED")="NO"': setting(consolidated=False),
    'S ^MAG(2006.1,"CONSOLIDATED")="YES"': setting(consolidated=True),
    _NO_FAILURES: _clear_locks,
    f'{_NO_FAILURES} S ^XTV(8989.3,1,405)="y^^^y"': all_of(_clear_locks, setting(lock_addresses=True, lock_users=True)),
    f'{_NO_FAILURES} K ^XTV(8989.3,1,405) S $P(^VA(200,9001,1.1),"^",2)="",$P(^VA(200,9001,1.1),"^",5)=""': all_of(
        _clear_locks, setting(lock_addresses=False, lock_users=False), _unlock_alexander
    ),
    f"D USERS^ZZORCL {_NO_FAILURES}": all_of(_load_site, _clear_locks),
    'S ^ZZORCL("XWB")=^XTV(8989.3,1,"XWB"),^XTV(8989.3,1,"XWB")=10': setting(broker_timeout=10),
    'S ^XTV(8989.3,1,"XWB")=^ZZORCL("XWB")': setting(broker_timeout=180),
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
    key = SiteKey.load_or_create(options.data / "site.key")
    engine = writing_engine(options.database or f"sqlite:///{options.data / 'magbroker.db'}")
    try:
        with engine.begin() as connection:
            change(connection, key)
    finally:
        engine.dispose()
    return 0


if __name__ == "__main__":
    sys.exit(main())
