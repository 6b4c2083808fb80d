"""Asking for the checksums of what is installed, as gateways do in their daily report."""

from __future__ import annotations

from sqlalchemy import select

from fileman import lock_for_transaction, to_fileman, upserts
from fileman.files import GatewayParameter
from rpcs.call import Call
from rpcs.registry import Access, Answer, literal, procedure
from rpcs.session import StartTask
from taskman import api as taskman

ENTRY_POINT = "CHECK^MAGVCHK"
#: Under which name the day of the last ones is kept.
LAST = "LAST CHECKSUM"

_DAY = select(GatewayParameter.value).where(GatewayParameter.name == LAST)
_KEEP = upserts(
    GatewayParameter,
    lambda insert: insert.on_conflict_do_update(index_elements=[GatewayParameter.name], set_={"value": insert.excluded.value}),
)


@procedure(
    "MAG VISTA CHECKSUMS",
    access=Access.WRITES,
    routine="GATEWAY^MAGVCHK",
    parameters=(literal("MAGDBB", 100, required=True),),
    word_wrap=False,
    version=3,
    unavailable="0",
)
def vista_checksums(call: Call) -> Answer | str:
    """Start the task that tells what is installed, once a day; answer its number, or 0.

    MAGDBB has to be a mail address, as VistA asks for one. No mail is sent: the task's log tells.
    """
    address = call.text(0)
    if not call.site.places or "@" not in address or not call.environment.engine_accepts():
        return "0"
    lock_for_transaction(call.connection, LAST)
    today = to_fileman(call.clock.now().date())
    if (call.connection.execute(_DAY).scalar() or "") >= today:
        return "0"
    call.connection.execute(_KEEP[call.connection.dialect.name], {"name": LAST, "value": today})
    number = taskman.load(
        call.connection,
        ENTRY_POINT,
        arguments={"MAGDBB": address},
        description="Imaging Checksum Collection",
        duz=call.session.duz,
        now=call.clock.seconds(),
    )
    return Answer(str(number), effects=(StartTask(number, "0"),))
