"""How long VistA waits, and when: the only place that knows.

`timing = "vista"` of the site file keeps VistA's pauses, and throws away what a client sent ahead of a refusal; `"prompt"`
answers at once and throws nothing away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rpcs import Delay


def silence(nominal: float) -> float:
    """Give the seconds of silence that a nominal time-out comes to: BREAD^XWBRW reads on in slices of two seconds."""
    return nominal + 4.0


#: Seconds that a connection may be silent, slices included.
BEFORE_CONNECT = silence(10.0)
BEFORE_SIGN_ON = silence(180.0)
#: The same for old-style clients, for those so old that they know no time-out, and before a list that may be missing.
BEFORE_OLD_SIGN_ON = silence(90.0)
OLD_IDLE = 36000.0
OLD_LIST = 19.0
#: Within so many seconds the port that an old-style client listens on has to answer.
CALL_BACK = 10.0
HALF_A_HEADER = 10.0
MID_MESSAGE = 8.8
MID_MESSAGE_CUT = 2.8
#: An M-to-M session may be silent as long as VistA's reader waits; VistA waits for the rest of a document for ever.
M2M_IDLE = 36000.0
M2M_MID_DOCUMENT = 60.0


@dataclass(frozen=True, slots=True)
class Timing:
    """The pauses of one kind of timing, in seconds, and what becomes of bytes that VistA loses.

    `swallows`: a refusal throws away what was sent ahead (CLRBUF^XWBPRS). `desynchronises`: after an M error while a
    message is read, its rest is taken for the next message, as GT.M does. `apart` is the pause before the next of
    several requests that came together, as of a process that reads, answers and flushes one at a time.
    """

    delays: Mapping[Delay, float]
    swallows: bool
    desynchronises: bool
    apart: float = 0.0


TIMINGS = {
    "prompt": Timing(dict.fromkeys(Delay, 0.0), swallows=False, desynchronises=False),
    "vista": Timing(
        {
            Delay.REFUSAL: 2.0,
            Delay.M_ERROR: 1.0,
            Delay.LOCKOUT: 5.0,
            Delay.M2M_READER: 2.0,
            Delay.OLD_REFUSAL: 5.0,
            Delay.MISSING_IMAGES: 5.0,
        },
        swallows=True,
        desynchronises=True,
        apart=0.01,
    ),
}


def timing_of(name: str) -> Timing:
    """Give the timing that a site file names; an unknown name is prompt."""
    return TIMINGS.get(name, TIMINGS["prompt"])
