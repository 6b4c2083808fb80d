"""What can go wrong between two application entities."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dul.operations import Response

#: Characters of a value of LO.
COMMENT_LENGTH = 64


def commented(text: str) -> str:
    """Give an Error Comment (0000,0902); of one that is too long the beginning, with dots behind."""
    return text if len(text) <= COMMENT_LENGTH else f"{text[: COMMENT_LENGTH - 3]}..."


class DulError(Exception):
    """The peer could not be talked to."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").splitlines()[0])


class PeerViolation(DulError):
    """The peer broke the protocol.

    `position` is the byte of the connection, from 0, at which it did, None where that is for the caller to say (`at`); `reason`
    is that of the A-ABORT which answers it (PS3.8 9.3.8, source 2), one of `AbortReason`.
    """

    def __init__(self, message: str, reason: int, position: int | None = None) -> None:
        super().__init__(message if position is None else f"{message} (byte {position})")
        self.reason = reason
        self.position = position

    def at(self, position: int) -> PeerViolation:
        """Say at which byte it was, where that was not said."""
        return self if self.position is not None else PeerViolation(str(self), self.reason, position)


class LocalViolation(DulError):
    """The state that the association is in does not allow this."""


class AssociationRejected(DulError):
    """The peer rejected the association; `result`, `source` and `reason` are those of PS3.8 table 9-21."""

    def __init__(self, message: str, result: int, source: int, reason: int) -> None:
        super().__init__(message)
        self.result, self.source, self.reason = result, source, reason


class AssociationAborted(DulError):
    """The association was aborted: by the peer's user (`source` 0) or by its provider (2), for a `reason` (PS3.8 table 9-26)."""

    def __init__(self, message: str, source: int, reason: int) -> None:
        super().__init__(message)
        self.source, self.reason = source, reason


class ConnectionLost(DulError):
    """The connection ended without a release or an abort."""


class PeerTimedOut(DulError):
    """The peer did not answer in time."""


class BadCommand(DulError):
    """The command set cannot be understood (PS3.7 6.3)."""


class NoContext(DulError):
    """The peer accepted no presentation context for this, or not in the role that it takes."""


class RequestFailed(DulError):
    """The peer answered a request with a failure; `response` is that answer, with what its command set says besides."""

    def __init__(self, response: Response) -> None:
        command = response.command
        comment = f": {command.error_comment}" if command.error_comment else ""
        super().__init__(f"The peer answered with status {command.status or 0:04X}{comment}.")
        self.response = response
        self.status = command.status or 0
        self.comment = command.error_comment or ""


class RequestRefused(DulError):
    """A service raises this to answer a request with a failure, and what error comment (0000,0902) and ID (0000,0903) are."""

    def __init__(self, status: int, comment: str = "", error_id: int | None = None) -> None:
        super().__init__(comment or f"The request is refused with status {status:04X}.")
        self.status, self.comment, self.error_id = status, commented(comment), error_id
