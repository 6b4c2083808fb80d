"""What operators are asked for: media that are off line and hold the only copy of images which somebody wants."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select, update

from fileman.files import NetworkLocation, OperatorRequest, Recall
from fileman.upserting import upserts

#: Images are not counted further.
COUNT_LIMIT = 100_000

_OPEN = upserts(
    OperatorRequest,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[OperatorRequest.location],
        set_={
            **{name: getattr(insert.excluded, name) for name in ("label", "asked_by", "asked_at")},
            "closed_by": "",
            "closed_at": None,
        },
        where=OperatorRequest.closed_at.is_not(None),
    ),
)
_CLOSE = (
    update(OperatorRequest)
    .where(OperatorRequest.location == bindparam("of_location"), OperatorRequest.closed_at.is_(None))
    .values(closed_by=bindparam("by"), closed_at=bindparam("at"))
)
_WAITING = select(func.count()).select_from(
    select(Recall.image)
    .where(Recall.state == "WAITING", Recall.location == bindparam("of_location"))
    .limit(COUNT_LIMIT)
    .subquery()
)
_LISTED = select(
    OperatorRequest.location,
    OperatorRequest.label,
    OperatorRequest.asked_by,
    OperatorRequest.asked_at,
    OperatorRequest.closed_by,
    OperatorRequest.closed_at,
    NetworkLocation.name,
).join(NetworkLocation, NetworkLocation.ien == OperatorRequest.location, isouter=True)
_LISTED = _LISTED.order_by(OperatorRequest.asked_at, OperatorRequest.location)
_LISTED_OPEN = _LISTED.where(OperatorRequest.closed_at.is_(None))


@dataclass(frozen=True, slots=True)
class MediumWanted:
    """That a medium is to be put on line: its label, who asked first and when, and how many images are waited for.

    `closed_at` is None while it is open; times are in seconds since the epoch.
    """

    location: int
    name: str
    label: str
    asked_by: str
    asked_at: float
    images: int
    closed_by: str
    closed_at: float | None


def ask_operator(connection: Connection, location: int, label: str, asked_by: str, now: float) -> None:
    """Ask for a medium; who asks for one that is asked for already changes nothing."""
    row = {"location": location, "label": label, "asked_by": asked_by, "asked_at": now, "closed_by": "", "closed_at": None}
    connection.execute(_OPEN[connection.dialect.name], row)


def close_request(connection: Connection, location: int, by: str, now: float) -> bool:
    """Note that a medium is on line; False when nobody asked for it."""
    return connection.execute(_CLOSE, {"of_location": location, "by": by, "at": now}).rowcount == 1


def list_operator_requests(connection: Connection, *, closed: bool = False) -> list[MediumWanted]:
    """List what is asked for, the oldest first; with `closed` what was answered too."""
    return [
        MediumWanted(
            row.location,
            row.name or "",
            row.label,
            row.asked_by,
            row.asked_at,
            int(connection.execute(_WAITING, {"of_location": row.location}).scalar_one()),
            row.closed_by,
            row.closed_at,
        )
        for row in connection.execute(_LISTED if closed else _LISTED_OPEN).all()
    ]
