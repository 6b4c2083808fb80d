"""CURRENT IMAGE (#2006.5715): the image that a gateway is working on (SAVEUID^MAGDIR81)."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, select, update

from fileman import lock_for_transaction, next_ien
from fileman.files import CurrentImage

_CURRENT = select(CurrentImage.uid).where(CurrentImage.machine == bindparam("machine"))
_SET = update(CurrentImage).where(CurrentImage.machine == bindparam("of_machine")).values(uid=bindparam("new_uid"))
_ADD = insert(CurrentImage)


def current_image(connection: Connection, machine: str) -> str | None:
    """Give the UID of the image that a gateway was working on last; empty when it had done with it."""
    uid: str | None = connection.execute(_CURRENT, {"machine": machine}).scalar()
    return uid


def set_current_image(connection: Connection, machine: str, uid: str) -> None:
    """Record which image a gateway is working on; none when it is done."""
    now = {"of_machine": machine, "new_uid": uid}
    if connection.execute(_SET, now).rowcount:
        return
    # its first image, and perhaps its second at another broker
    if lock_for_transaction(connection, f"current image:{machine}") and connection.execute(_SET, now).rowcount:
        return
    connection.execute(_ADD, {"ien": next_ien(connection, "current_image"), "machine": machine, "uid": uid})
