"""HL7 messages for text gateways: the gateway pulls them by number, asks for numbers by date, and purges old ones."""

from __future__ import annotations

from math import ceil

from fileman import hl7_messages, mixed_case_date_time
from rpcs.call import Call
from rpcs.numbers import LAST_DAY, entry_number
from rpcs.registry import Access, Answer, listed, literal, procedure
from rpcs.session import AskAgain
from xwb import ResultType, m_number, m_text


@procedure(
    "MAG DICOM TEXT PROCESSING",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="ENTRY^MAGDHRS1",
    parameters=(listed("REQUEST", 32000, required=True),),
    version=3,
)
def text_processing(call: Call) -> Answer | list[str]:
    """Give the HL7 message of a number, or the first after it; an empty line when none is there in time.

    Element 2 of REQUEST is `number|seconds`: so long a message that is still to come is waited for. Answers the number, the
    nodes 0 (`date^type^moment`) and 1,0 (whose third piece counts lines), and the lines of the message; a segment of more
    than 200 characters goes on in the next line, which begins with the field separator.
    """
    number, _, patience = (call.list(0).get(2) or "").partition("|")
    found = hl7_messages.message_from(call.connection, entry_number(number))
    if found is None:
        return Answer([""], effects=(AskAgain(float(m_number(patience.partition("|")[0]))),))
    lines = found.lines
    header = f"^2006.502^{len(lines)}^{len(lines)}^{found.day}"
    return [str(found.number), f"{found.day}^{found.type}^{found.received}", header, *lines]


@procedure("MAG DICOM GET HIGHEST HL7", access=Access.READS, routine="HIGHHL7^MAGDRPC8", version=3)
def get_highest_hl7(call: Call) -> str:
    """Answer the highest number of an HL7 message; 0 when there are none."""
    return str(hl7_messages.highest_message(call.connection))


@procedure(
    "MAG DICOM HL7 POINTER ACTION",
    access=Access.READS,
    routine="HL7PTR^MAGDRPC8",
    parameters=(literal("ACTION", 30, required=True), literal("VALUE", 30, required=True)),
    version=3,
)
def hl7_pointer_action(call: Call) -> str:
    """Answer when a message came (ACTION GetDate, VALUE its number), or where to begin for a moment (ACTION DatePtr).

    GetDate gives the moment in words, or `-1,Invalid Pointer "..."`. DatePtr takes a FileMan moment and gives the number of
    the first message of the latest moment before it, 0 when nothing came before. Any other action is `-2,Invalid Request`.
    """
    action, value = call.text(0), call.text(1)
    if action == "GetDate":
        received = hl7_messages.received_at(call.connection, entry_number(value))
        return f'-1,Invalid Pointer "{value}".' if received is None else mixed_case_date_time(received)
    if action == "DatePtr":
        return str(_message_before(call, value))
    return f'-2,Invalid Request: "{action}".'


def _message_before(call: Call, value: str) -> int:
    """Find the place of a moment as $ORDER does: what is no number, empty text too, collates after every moment."""
    number = m_number(value)
    if not value or m_text(number) != value:
        return hl7_messages.message_before(call.connection, None)
    if number < LAST_DAY / 10:
        return 0
    return hl7_messages.message_before(call.connection, value if number <= LAST_DAY + 1 else None)


@procedure(
    "MAG DICOM PURGE HL7",
    access=Access.WRITES,
    routine="HL7PURGE^MAGDRPC1",
    parameters=(literal("CUTOFF", 20, required=True),),
    version=3,
)
def purge_hl7(call: Call) -> str:
    """Delete the HL7 messages of the days before CUTOFF, a FileMan date; answer how many.

    One call deletes 20000 at most, the oldest days first: who is answered so many calls again.
    """
    cutoff = min(LAST_DAY + 1, max(0, ceil(m_number(call.text(0)))))
    return str(hl7_messages.purge_messages(call.connection, cutoff))
