"""What goes wrong in a DICOM gateway."""

from __future__ import annotations

from pathlib import Path


class GatewayError(Exception):
    """The gateway cannot do what it was asked to do."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").splitlines()[0])

    @property
    def comment(self) -> str:
        """Say in an Error Comment (0000,0902), of 64 characters, what kind of problem it is: messages may have paths of ours."""
        return (type(self).__doc__ or "").splitlines()[0][:64]


class SpoolError(GatewayError):
    """The spool did not take the object."""


class SpoolFull(SpoolError):
    """There is no room in the spool."""


class SpoolShort(SpoolError):
    """The spool is short of open files or memory, for now."""


class ObjectTooLarge(SpoolError):
    """The object is larger than this gateway takes."""


class NotAnObject(GatewayError):
    """The bytes are not a DICOM data set that can be identified."""


class UIDMismatch(NotAnObject):
    """The data set is not the one that the C-STORE request names."""


class CutOff(NotAnObject):
    """The data set ends within an element."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The data set is cut off: {why}.")


class NotAccepted(GatewayError):
    """The application does not take the object."""


class NotTakenCompressed(GatewayError):
    """The compressed object's pixels are none that are taken."""

    def __init__(self, what: str) -> None:
        self._comment = f"not taken: {what}"[:64]
        super().__init__(f"{what} is not taken.")

    @property
    def comment(self) -> str:
        """Say which pixels are not taken."""
        return self._comment


class NotPart10(GatewayError):
    """The file does not begin with DICOM file meta information."""

    def __init__(self, path: Path | str, why: str = "") -> None:
        self.path = path
        super().__init__(f"{path} has no file meta information that can be read{f': {why}' if why else '.'}")


class CannotTranscode(GatewayError):
    """The object cannot be brought into another transfer syntax."""


class LotError(GatewayError):
    """A lot of imported objects cannot be read."""


class JournalError(GatewayError):
    """The journal cannot be read or written."""


class AnswerMismatch(GatewayError):
    """The answer of IMAGE PROCESSING does not fit the request."""


class PlacementError(GatewayError):
    """A file could not be brought to its network location."""


class PlaceTaken(PlacementError):
    """Another file is in the place where an object was to go."""


class UnknownShare(PlacementError):
    """No network location of the site has this path."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"No network location of the site holds {path!r}.")


class ModificationError(GatewayError):
    """The object cannot be changed as it was corrected."""


class MayShowIdentity(ModificationError):
    """The object cannot be de-identified, as its pixels may show whose they are."""


class CoercionError(GatewayError):
    """What a destination is to get another way than it is stored cannot be done as the settings say it."""


class PseudonymKeyError(GatewayError):
    """The key of the pseudonyms cannot be read or made."""


class UnknownInstitution(GatewayError):
    """The broker knows no institution of this name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"The broker knows no institution {name!r}; correct it in INSTRUMENT.DIC or [[gateway.listener]].")


class BrokerRefused(GatewayError):
    """The broker answered a procedure that the gateway needs with something else."""


class BadIdentifier(GatewayError):
    """The identifier of a query cannot be read."""


class IdentifierTooLarge(BadIdentifier):
    """The identifier of a query is larger than any question is."""


class BadCommitment(GatewayError):
    """The data set of a storage commitment cannot be understood; `status` is that with which N-ACTION is answered (PS3.7 C.5)."""

    def __init__(self, message: str, status: int = 0x0115) -> None:
        super().__init__(message)
        self.status = status


class TooManyCommitments(GatewayError):
    """Too many transactions of storage commitment are open."""


class NoCommitmentResult(GatewayError):
    """The peer did not tell in time what came of a storage commitment."""


class BadQuery(GatewayError):
    """What is asked for cannot be understood."""


class NoAssociation(GatewayError):
    """There is no association with the peer, or none any more."""


class PeerFailed(GatewayError):
    """The peer did not do what it was asked."""
