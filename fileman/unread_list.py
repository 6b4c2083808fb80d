"""The hook by which filing tells TeleReader's list of unread consults that an image of a consult came (MAGDTR01)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, case, insert, select, update

from fileman.dates import to_fileman
from fileman.files.radiology import Exam
from fileman.files.tele_reader import ConsultService, UnreadConsult
from fileman.locks import lock_for_transaction
from fileman.numbers import next_ien

_SERVICE = (
    select(ConsultService.site, ConsultService.specialty, ConsultService.procedure)
    .join(Exam, Exam.procedure == ConsultService.service)
    .where(Exam.service == "CON", Exam.service_ien == bindparam("consult_"))
    .limit(1)
)
_COUNT = (
    update(UnreadConsult)
    .where(UnreadConsult.consult == bindparam("consult_"))
    .values(
        images=UnreadConsult.images + 1,
        first_image=case((UnreadConsult.first_image == "", bindparam("now")), else_=UnreadConsult.first_image),
        last_image=bindparam("now"),
        last_activity=bindparam("now"),
        status=case((UnreadConsult.status == "W", "U"), else_=UnreadConsult.status),
    )
)
_ENTER = insert(UnreadConsult)
_READ_AS = (
    select(UnreadConsult.specialty, UnreadConsult.procedure)
    .where(UnreadConsult.consult == bindparam("consult_"))
    .order_by(UnreadConsult.ien)
    .limit(1)
)


def read_as(connection: Connection, consult: int) -> tuple[int, int] | None:
    """Give the specialty (#2005.84) and procedure (#2005.85) of a consult on the list; None for one that is not there."""
    row = connection.execute(_READ_AS, {"consult_": consult}).first()
    return None if row is None else (row.specialty, row.procedure)


def consult_image_came(connection: Connection, consult: int, moment: datetime) -> bool:
    """Count an image of a consult (#123) on the list; its first one enters it as unread.

    False for a consult whose service no `[[consult_service]]` of the site file has: TeleReader does not read it.
    """
    now = to_fileman(moment)
    lock_for_transaction(connection, f"unread consult:{consult}")
    if connection.execute(_COUNT, {"consult_": consult, "now": now}).rowcount:
        return True
    place = connection.execute(_SERVICE, {"consult_": consult}).mappings().first()
    if place is None:
        return False
    times = dict.fromkeys(("first_image", "last_image", "last_activity"), now)
    row = {"ien": next_ien(connection, "unread_consult"), "consult": consult, **place, **times, "images": 1, "status": "U"}
    connection.execute(_ENTER, row)
    return True
