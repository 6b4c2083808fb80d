"""Why DICOMweb answers something else than what was asked for; each with its HTTP status (PS3.18 8.5)."""

from __future__ import annotations

from console.web.errors import WebError

#: Seconds after which a client is told to ask again.
RETRY_SECONDS = 30


class DicomWebError(WebError):
    """DICOMweb cannot answer this."""


class BadAsked(DicomWebError):
    """What is asked cannot be understood."""

    code, kind = 400, "usage"


class NotHeld(DicomWebError):
    """The archive has nothing of this name."""

    code, kind = 404, "missing"


class NotAcceptable(DicomWebError):
    """It cannot be given in a media type or transfer syntax that is accepted."""

    code, kind = 406, "usage"


class TooLarge(DicomWebError):
    """More is asked or sent than may be."""

    code, kind = 413, "usage"


class UnsupportedMedia(DicomWebError):
    """It is not taken in this media type."""

    code, kind = 415, "usage"


class NotYet(DicomWebError):
    """It cannot be had now; ask again later."""

    code, kind = 503, "away"

    def __init__(self, message: str = "", retry: int = RETRY_SECONDS) -> None:
        super().__init__(message)
        self.retry = retry
