"""An image that could not be stored: the code of the refusal and its messages. What was filed before it stays, as in VistA."""

from __future__ import annotations

from collections.abc import Sequence

from rpcs.errors import RpcError
from rpcs.image_processing.messages import Messages

ROUTINE = "MAGDIR81"
DUPLICATE = "-1 Image already in database"
ASSOCIATION_PROBLEM = "-2 Image Association Problem"


class StoreRefused(RpcError):
    """The image was not stored; the messages of the call say why."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class GaveUp(RpcError):
    """A part of the filing gave up. Its messages stand in the call's; the caller adds which part it was."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def undefined_service(messages: Messages, service: str) -> StoreRefused:
    """Refuse a service that is neither RAD, CON nor LAB."""
    messages.begin(f"Undefined Imaging Service: {service}")
    messages.local_error(ROUTINE)
    return StoreRefused("4")


def locked(what: str) -> GaveUp:
    """Give up for now: somebody has the exam or its report locked, and the gateway is to try again. Adds no message."""
    return GaveUp(f"-399^{what}")


def not_filed(messages: Messages, code: str, routine: str, gateway: str, what: str, why: str) -> GaveUp:
    """Give up because the database takes no such entry (#-103 image, #-306 group)."""
    messages.begin(f"{what} CREATION ERROR:", why)
    messages.critical_error(routine, gateway)
    return GaveUp(code)


def critical(messages: Messages, code: str, routine: str, gateway: str, title: str, lines: Sequence[str]) -> GaveUp:
    """Give up with an error that halts image processing."""
    messages.begin("", *lines)
    messages.critical_error(routine, gateway, title)
    return GaveUp(code)


def last_image_problem(messages: Messages, code: str, routine: str, gateway: str, what: str, number: int, last: str) -> GaveUp:
    """Give up because the new entry number lies below one that the gateway has seen (#-307 group, #-104 image)."""
    lines = [
        f"The internal entry number for this {what} is less than that of the",
        "last processed image.  This will cause new images to overwrite",
        "old ones and general image database inconsistency will result.",
        "",
        f"Latest internal entry number processed: {last}",
        f"Bad internal entry number of new {what}: {number}",
    ]
    return critical(messages, code, routine, gateway, f"{what.upper()} ENTRY NUMBER PROBLEM", lines)
