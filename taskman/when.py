"""The time for which a task is asked: ZTDTH in the forms that %ZTLOAD takes."""

from __future__ import annotations

import re
from datetime import datetime

from fileman import from_fileman, from_horolog
from taskman.errors import Refused

#: "@": create the task, or edit it, without a time.
NO_TIME = "@"
_HOROLOG = re.compile(r"\d{1,5},\d{1,5}")
_FILEMAN = re.compile(r"\d{7}(\.\d{0,6})?")
_LATER = re.compile(r"(\d{1,6})([SHD])")
_SECONDS = {"S": 1, "H": 3600, "D": 86400}
#: $HOROLOG counts from 31 December 1840, and the clock of this machine from 1970: earlier times are at once.
_EPOCH_DAY = 47117

When = str | float | datetime | None


def start_time(when: When, now: float) -> float | None:
    """Read a start time, in seconds since the epoch; None is none ("@").

    Takes $HOROLOG, a FileMan date, a datetime of this site, seconds since the epoch; None is now. Raises Refused.
    """
    if when is None:
        return now
    if isinstance(when, datetime):
        return when.timestamp()
    if isinstance(when, int | float):
        return float(when)
    if when == NO_TIME:
        return None
    moment = _moment(when)
    if moment is None:
        raise Refused("Bad Date/Time")
    return moment


def requeue_time(when: When, scheduled: float | None, now: float) -> float | None:
    """Read the time for which a task is requeued; None is none ("@").

    None is the time that the task had, "" is now; nS, nH and nD are added to the time that it had, again and again until the
    result lies ahead (ZTDTH^%ZTLOAD3). Raises Refused.
    """
    if when is None:
        return now if scheduled is None else scheduled
    if when == "":
        return now
    later = _LATER.fullmatch(when) if isinstance(when, str) else None
    if later is None:
        return start_time(when, now)
    step = int(later[1]) * _SECONDS[later[2]]
    if step == 0:
        raise Refused("Bad Date/Time")
    start = now if scheduled is None else scheduled
    steps = max(1, -int((start - now) // step)) if start < now else 1
    return start + steps * step


def _moment(text: str) -> float | None:
    try:
        if _HOROLOG.fullmatch(text):
            day, _, seconds = text.partition(",")
            if int(seconds) > 86400:
                return None
            return 0.0 if int(day) <= _EPOCH_DAY else from_horolog(text).timestamp()
        if _FILEMAN.fullmatch(text):
            moment = from_fileman(text.rstrip("."))
            return 0.0 if moment.year < 1971 else moment.timestamp()
    except (ValueError, OverflowError):
        return None
    return None
