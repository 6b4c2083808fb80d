"""Who is signed on, and ending a session."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, select

from fileman import from_fileman
from fileman.files import Lease, NewPerson, SignOnLog
from rpcs.actions import parameters as takes
from rpcs.actions.action import Act, action
from rpcs.actions.errors import NotFound
from rpcs.actions.tokens import MANAGER
from rpcs.numbers import LARGEST
from rpcs.sign_on.ending import ask_to_end

_COLUMNS = (
    SignOnLog.ien,
    SignOnLog.duz,
    NewPerson.name,
    SignOnLog.signed_on,
    SignOnLog.address,
    SignOnLog.client,
    SignOnLog.transport,
    SignOnLog.broker,
)
_ALIVE = select(Lease.name).where(Lease.expires_at > bindparam("now"))
_OPEN = (
    select(*_COLUMNS)
    .join(NewPerson, NewPerson.duz == SignOnLog.duz, isouter=True)
    .where(SignOnLog.signed_off == "", SignOnLog.broker.in_(_ALIVE))
)
_PAGE = _OPEN.where(SignOnLog.ien > bindparam("after")).order_by(SignOnLog.ien).limit(bindparam("most"))
_ONE = _OPEN.where(SignOnLog.ien == bindparam("ien_"))
_HISTORY = (
    select(*_COLUMNS, SignOnLog.signed_off)
    .join(NewPerson, NewPerson.duz == SignOnLog.duz, isouter=True)
    .where(SignOnLog.ien < bindparam("before"))
    .order_by(SignOnLog.ien.desc())
    .limit(bindparam("most"))
)
_HISTORY_OF_ONE = _HISTORY.where(SignOnLog.duz == bindparam("duz_"))


@action(
    "MAGB SESSION LIST",
    takes.after(),
    takes.limit(500),
    key=MANAGER,
    lists={"entries": ("ien", "duz", "name", "since", "address", "client", "transport")},
)
def session_list(act: Act) -> dict[str, Any]:
    """List who is signed on now, at whichever broker, since when and from where."""
    most = act.number("LIMIT")
    asked = {"now": act.now, "after": act.number("AFTER"), "most": most + 1}
    rows = act.connection.execute(_PAGE, asked).mappings().all()
    page = [_told(dict(row)) for row in rows[:most]]
    return {"entries": page, "next": page[-1]["ien"] if len(rows) > most else None}


@action(
    "MAGB SESSION HISTORY",
    takes.number("DUZ", "Only this user's."),
    takes.number("BEFORE", "Older than the session of this number, for the next page."),
    takes.limit(500),
    key=MANAGER,
    lists={"entries": ("ien", "duz", "name", "since", "until", "address", "client", "transport")},
)
def session_history(act: Act) -> dict[str, Any]:
    """List sessions, the newest first: who signed on, when, from where, and until when; `until` is null while it lasts."""
    most, duz = act.number("LIMIT"), act.number("DUZ")
    asked = {"before": act.number("BEFORE") or LARGEST, "most": most + 1}
    found = act.connection.execute(_HISTORY_OF_ONE, {**asked, "duz_": duz}) if duz else act.connection.execute(_HISTORY, asked)
    rows = found.mappings().all()
    page = [{**_told(dict(row)), "until": _moment(str(row["signed_off"]))} for row in rows[:most]]
    return {"entries": page, "next": page[-1]["ien"] if len(rows) > most else None}


@action(
    "MAGB SESSION END",
    takes.number("IEN", "The session, as MAGB SESSION LIST numbers it.", required=True),
    writes=True,
    key=MANAGER,
)
def session_end(act: Act) -> dict[str, Any]:
    """End a session: its broker closes the connection within a second or two. What it is at is finished, its answer lost."""
    ien = act.number("IEN")
    row = act.connection.execute(_ONE, {"ien_": ien, "now": act.now}).mappings().first()
    if row is None:
        raise NotFound(f"There is no session {ien} now; MAGB SESSION LIST shows those there are.")
    ask_to_end(act.connection, ien, act.caller.name, act.now)
    told = _told(dict(row))
    act.changed(f"session {ien} of {told['name']}", told, None)
    return told


def _moment(date: str) -> str | None:
    return f"{from_fileman(date):%Y-%m-%d %H:%M:%S}" if date else None


def _told(row: dict[str, Any]) -> dict[str, Any]:
    since = _moment(row.pop("signed_on"))
    row.pop("signed_off", None)
    return {
        **row,
        "since": since,
        "broker": row["broker"].removeprefix("broker ").rpartition(" ")[0],
    }
