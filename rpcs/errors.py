"""How a remote procedure fails."""

from __future__ import annotations

from collections.abc import Sequence

from rpcs.session import Effect


class RpcError(Exception):
    """A remote procedure failed."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").splitlines()[0])


class MError(RpcError):
    """An error in M: the broker answers `M  ERROR=...` and the session goes on (ETRAP^XWBTCPM).

    `text` is what $$EC^%ZOSV gives, worded as GT.M words it; `reference` the last global reference; `effects` what the
    routine had done to the session before it failed.
    """

    def __init__(self, text: str, reference: str = '^%ZTSCH("LOGRSRC")', effects: Sequence[Effect] = ()) -> None:
        self.text = text
        self.reference = reference
        self.effects = tuple(effects)
        super().__init__(text)


def undefined(place: str, variable: str, reference: str = '^%ZTSCH("LOGRSRC")', effects: Sequence[Effect] = ()) -> MError:
    """Make the error of reading an undefined local variable at `TAG+n^ROUTINE`."""
    return MError(f"{place}, Undefined local variable: {variable},150373850,-%GTM-E-UNDEF", reference, effects)


def undefined_global(place: str, node: str) -> MError:
    """Make the error of reading an undefined node of a global at `TAG+n^ROUTINE`."""
    return MError(f"{place}, Global variable undefined: {node},150372994,-%GTM-E-GVUNDEF", node)


class RequestReused(RpcError):
    """This request number was answered before, for a different request."""


class BadProcedure(RpcError):
    """A procedure is declared in a way that no broker can run."""

    def __init__(self, name: object, why: str) -> None:
        super().__init__(f"procedure {str(name)[:60]!r}: {why}")


class WrongValue(RpcError, TypeError):
    """A procedure's value does not fit its return type."""


class ProcedureStopped(RpcError):
    """A procedure raised what is meant to end the program."""
