"""What goes wrong on the RPC Broker wire."""


class XWBError(Exception):
    """The RPC Broker conversation failed."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip().splitlines()[0])


class BadSubscript(XWBError):
    """A list subscript is neither a number nor a quoted string."""

    def __init__(self, subscript: bytes) -> None:
        self.subscript = subscript
        super().__init__(f"{self.__doc__} It reads {subscript.decode('iso-8859-1')!r}.")


class UndefinedNode(XWBError):
    """An array node that has descendants only was to be sent as a line."""

    def __init__(self, subscript: str) -> None:
        self.subscript = subscript
        super().__init__(f"{self.__doc__} Its subscript is {subscript!r}.")


class CannotEncode(XWBError):
    """This value has no form on the wire."""


class BadMarkup(XWBError):
    """A document is not well-formed, or declares entities."""


class BadCipherTable(XWBError):
    """A cipher table needs rows that are permutations of the same printable characters."""


class ConnectionLost(XWBError):
    """The connection to the broker was lost."""


class TimedOut(ConnectionLost):
    """The broker did not answer in time; the connection is closed, since a late answer would be taken for the next."""


class AnswerTooLong(ConnectionLost):
    """The broker's answer is longer than this client's limit; the connection is closed."""


class ConnectionRejected(ConnectionLost):
    """The broker rejected the connection: logons are inhibited, or it is full."""


class RemoteError(XWBError):
    """The broker answered with an error; the session goes on."""


class SecurityRefused(RemoteError):
    """The broker refused the call.

    The text of the security segment is in `text`; what stood in the data segment, if anything, in `data`.
    """

    def __init__(self, text: str | None = None, data: bytes = b"") -> None:
        self.text = text or "The broker refused the call."
        self.data = data
        super().__init__(self.text)


class ApplicationError(RemoteError):
    """The remote procedure reported an error.

    The text of the application segment is in `text`, the data that came with it in `data`.
    """

    def __init__(self, text: str | None = None, data: bytes = b"") -> None:
        self.text = text or "The remote procedure reported an error."
        self.data = data
        super().__init__(self.text)


class MError(RemoteError):
    """The remote procedure failed with an M error.

    `text` is what stands after `M  ERROR=`, `last_reference` the last global that the process touched.
    """

    def __init__(self, text: str | None = None, last_reference: str = "") -> None:
        self.text = text or "The remote procedure failed with an M error."
        self.last_reference = last_reference
        super().__init__(self.text)


class SignOnRefused(RemoteError):
    """The broker did not take the access and verify code.

    `locked` is the device-lock flag of the answer, `verify_must_change` tells that only the verify code has expired.
    """

    def __init__(self, text: str | None = None, *, locked: bool = False, verify_must_change: bool = False) -> None:
        self.text = text or "The broker did not take the access and verify code."
        self.locked = locked
        self.verify_must_change = verify_must_change
        super().__init__(self.text)
