"""PATIENT SAFETY: have the entry numbers of images and reports gone down since a gateway last looked? (MAGDIR84)"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import Select, func, select

from fileman import mixed_case_date_time, to_fileman
from fileman.files import Image, ImageAudit, Report
from rpcs.call import Call
from rpcs.image_processing.messages import Results
from rpcs.image_processing.request import Item
from xwb import m_number, m_text

ROUTINE = "MAGDIR84"

_LAST_IMAGE = select(func.max(Image.ien))
_LAST_DELETED = select(func.max(ImageAudit.ien))
_LAST_REPORT = select(func.max(Report.ien))


def patient_safety(call: Call, item: Item, results: Results) -> bool:
    """Check the last image and the last report that a gateway has seen against those on file; tells whether VistA would wait.

    A number that grew, or that is one less after a deletion, is answered with its moment; what did not change as it was given,
    and nothing at all when neither did. Lower numbers are critical errors: a copy of the database was put back. Deleted images
    count as on file; before it looks for them VistA waits for other gateways.
    """
    _status, last_image, last_report, gateway, _mail = item.pieces(5)
    messages = results.messages
    highest = _last(call, _LAST_IMAGE)
    image = _compared(call, highest, last_image)
    waits = image is None
    if image is None:
        if max(highest, _last(call, _LAST_DELETED)) < m_number(last_image):
            messages.begin(
                "",
                "The ^MAG(2005) file has been corrupted so that new images will",
                "overwrite old ones and general image database inconsistency",
                "will result.",
                "",
                f"Latest internal entry number processed: {last_image}",
                f"Bad ^MAG(2005,0) internal entry number: {highest}",
            )
            messages.critical_error(ROUTINE, gateway, "IMAGE FILE CORRUPTION")
            results.error("PATIENT SAFETY", "-1 IMAGE FILE CORRUPTION", ROUTINE)
            return waits
        image = last_image
    highest = _last(call, _LAST_REPORT)
    report = _compared(call, highest, last_report)
    if report is None:
        messages.begin(
            "",
            "The RAD REPORT file has been corrupted so that new reports will",
            "overwrite old ones and general image/report database inconsistency",
            "will result.",
            "",
            f"Latest internal entry number processed: {m_text(m_number(last_report))}",
            f"Bad ^RARPT(0) internal entry number: {highest}",
        )
        messages.critical_error(ROUTINE, gateway, "^RARPT FILE CORRUPTION")
        results.error("PATIENT SAFETY", "-2 RAD REPORT FILE CORRUPTION", ROUTINE)
        return waits
    answer = f"0|{image}|{report}"
    if answer != "|".join(item.arguments.split("|")[:3]):
        results.add("PATIENT SAFETY", answer)
    return waits


def _last(call: Call, statement: Select[Any]) -> int:
    return int(call.connection.execute(statement).scalar() or 0)


def _compared(call: Call, highest: int, seen: str) -> str | None:
    """Give what a gateway is to remember from now on; None when the number has gone down by more than one."""
    last: Decimal = m_number(seen)
    if highest == last:
        return seen
    if highest > last or highest == last - 1:
        day, _, clock = mixed_case_date_time(to_fileman(call.clock.now())).partition("@")
        return f"{highest} {day.partition(',')[0]} at {clock}"
    return None
