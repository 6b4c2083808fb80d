"""An image that could not be stored: the error block to answer. What was filed before it stays, as in VistA."""

from __future__ import annotations

from collections.abc import Sequence

from rpcs.errors import RpcError
from rpcs.image_processing.messages import critical_error, local_error, plain_error

ROUTINE = "MAGDIR81"


class StoreRefused(RpcError):
    """The image was not stored."""

    def __init__(self, code: str, lines: Sequence[str]) -> None:
        self.code = code
        self.lines = list(lines)
        super().__init__(code)


def undefined_service(service: str) -> StoreRefused:
    """Refuse a service that is neither RAD, CON nor LAB."""
    return StoreRefused("4", local_error("STORE", "4", ROUTINE, [f"Undefined Imaging Service: {service}"]))


def association_problem(reason: str) -> StoreRefused:
    """Refuse an image whose exam or patient does not fit."""
    code = "-2 Image Association Problem"
    return StoreRefused(code, plain_error("STORE", code, ROUTINE, [reason]))


def locked(what: str) -> StoreRefused:
    """Refuse for now: somebody has the exam or its report locked, and the gateway is to try again."""
    code = f"-399^{what}"
    message = f'A problem was encountered by routine MAGDIR9A     Error Code: "{code}"'
    return StoreRefused(code, plain_error("STORE", code, ROUTINE, [message]))


def critical(code: str, detected_by: str, gateway: str, messages: Sequence[str], title: str = "") -> StoreRefused:
    """Refuse with an error that halts image processing."""
    return StoreRefused(code, critical_error("STORE", code, ROUTINE, detected_by, gateway, messages, title))


def last_image_problem(code: str, detected_by: str, gateway: str, what: str, number: int, last: int) -> StoreRefused:
    """Refuse because the new entry number lies below one that the gateway has seen (#-307 group, #-104 image)."""
    messages = [
        f"The internal entry number for this {what} is less than that of the",
        "last processed image.  This will cause new images to overwrite",
        "old ones and general image database inconsistency will result.",
        "",
        f"Latest internal entry number processed: {last}",
        f"Bad internal entry number of new {what}: {number}",
    ]
    return critical(code, detected_by, gateway, messages, f"{what.upper()} ENTRY NUMBER PROBLEM")
