"""How a question to the archive is refused."""

from __future__ import annotations

from rpcs.errors import RpcError

#: Status codes of C-FIND and C-MOVE (PS3.4 C.4.1.1.4): the identifier does not fit, and out of resources.
DOES_NOT_FIT, OUT_OF_RESOURCES = "A900", "A700"


class BadQuestion(RpcError):
    """The question cannot be answered as it is put."""

    status = DOES_NOT_FIT


class TooMuch(BadQuestion):
    """More is asked than one question may ask."""

    status = OUT_OF_RESOURCES
