"""The parameters of a remote procedure call, as they stand in the message (`PRS5^XWBPRS`)."""

from dataclasses import dataclass

from xwb.array import Evaluate, LocalArray

Pairs = tuple[tuple[bytes, bytes], ...]
"""Subscript texts and values as they came: the order, doubles and faults of the sender are all still there."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A value (type 0)."""

    value: bytes


@dataclass(frozen=True, slots=True)
class Reference:
    """An M expression that the server evaluates (type 1), for example `DUZ`."""

    value: bytes


@dataclass(frozen=True, slots=True)
class ListParameter:
    """A local array, passed by reference (type 2).

    Its root node is empty; on the M-to-M wire it is undefined, which None says.
    """

    pairs: Pairs = ()
    root: bytes | None = b""

    def array(self, evaluate: Evaluate | None = None) -> LocalArray[bytes]:
        """Build the array; see `parse_subscripts` for `evaluate`. Raises BadSubscript."""
        return LocalArray.from_pairs(self.pairs, self.root, evaluate)


@dataclass(frozen=True, slots=True)
class GlobalParameter:
    """Nodes of a scratch global, whose name is passed (type 3)."""

    pairs: Pairs = ()

    def array(self, evaluate: Evaluate | None = None) -> LocalArray[bytes]:
        """Build the nodes below the scratch global, its root node empty. Raises BadSubscript."""
        return LocalArray.from_pairs(self.pairs, evaluate=evaluate)


@dataclass(frozen=True, slots=True)
class Empty:
    """Nothing (type 4): it adds no argument, so that the arguments after it move up; decoders of `[XWB]` never give one.

    On the M-to-M wire, where an empty value is none, it is an argument that is undefined.
    """


Parameter = Literal | Reference | ListParameter | GlobalParameter | Empty
