"""DICOM INSTRUMENT STATISTICS (#2006.5762): what instruments send, and what is filed of it, day by day (COUNT^MAGDIR82)."""

from __future__ import annotations

from sqlalchemy import bindparam, func, insert, select, update

from fileman import lock_for_transaction, to_fileman
from fileman.files import AcquisitionCount
from rpcs.call import Call

_KEY = (
    AcquisitionCount.day == bindparam("day_"),
    AcquisitionCount.location == bindparam("location_"),
    AcquisitionCount.instrument == bindparam("instrument_"),
)
_COUNT = {
    "acquired": update(AcquisitionCount)
    .where(*_KEY)
    .values(acquired=AcquisitionCount.acquired + bindparam("more"), acquired_at=bindparam("moment")),
    "processed": update(AcquisitionCount)
    .where(*_KEY)
    .values(processed=AcquisitionCount.processed + bindparam("more"), processed_at=bindparam("moment")),
}
_LAST = select(func.max(AcquisitionCount.sequence)).where(_KEY[0], _KEY[1])
_INSERT = insert(AcquisitionCount)


def count(call: Call, location: str, instrument: str, step: str, more: int) -> None:
    """Count objects as `acquired` or `processed` today."""
    connection, now = call.connection, call.clock.now()
    moment, day = to_fileman(now), to_fileman(now.date())
    key = {"day_": day, "location_": location, "instrument_": instrument, "moment": moment, "more": more}
    if connection.execute(_COUNT[step], key).rowcount:
        return
    lock_for_transaction(connection, f"acquisition:{day}:{location}")  # another broker may be counting its first, too
    if connection.execute(_COUNT[step], key).rowcount:
        return
    last = connection.execute(_LAST, {"day_": day, "location_": location}).scalar() or 0
    first = {"acquired": 0, "processed": 0, "acquired_at": "", "processed_at": "", step: more, f"{step}_at": moment}
    connection.execute(_INSERT, {"day": day, "location": location, "instrument": instrument, "sequence": last + 1, **first})
