"""INSTRUMENT.DIC: the instruments that send images, each to a port of its own (Installation Guide B.4.2, file #2006.581)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway_client.dictionaries.entries import (
    BadEntry,
    Entry,
    Line,
    check_count,
    check_given,
    check_port,
    check_service,
    check_unique,
    raise_any,
    read_entries,
)

FILE = "INSTRUMENT.DIC"
_FIELDS = "mnemonic|description|institution|RAD, CON or LAB|port|machine"
#: Characters of a mnemonic: it becomes a part of file names and a piece between carets.
MNEMONIC_LIMIT = 40


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument. `institution` is a name, an IEN, a station number, or empty for the gateway's own.

    `machine` is the gateway that it sends to; any where it is empty.
    """

    mnemonic: str
    description: str
    institution: str
    service: str
    port: int
    machine: str = ""

    @property
    def fields(self) -> tuple[str, str, str, str, str, str]:
        """Give the fields of its line."""
        return self.mnemonic, self.description, self.institution, self.service, str(self.port), self.machine

    def sends_to(self, machine: str) -> bool:
        """Tell whether it sends to a gateway."""
        return not self.machine or self.machine.casefold() == machine.casefold()


def parse_instrument(fields: Sequence[str]) -> Instrument:
    """Read one line. Raises BadEntry."""
    mnemonic, description, institution, service, port, machine = check_count(fields, 5, 6, _FIELDS)
    check_given(mnemonic, "mnemonic")
    if len(mnemonic) > MNEMONIC_LIMIT or not mnemonic.isascii() or "^" in mnemonic:
        raise BadEntry(f"{mnemonic!r} is no mnemonic; write at most {MNEMONIC_LIMIT} ASCII characters without a caret.")
    return Instrument(mnemonic, description, institution, check_service(service), check_port(port), machine)


def read_instruments(lines: Iterable[Line]) -> list[Entry[Instrument]]:
    """Read lines. Raises DictionaryError."""
    return read_entries(lines, parse_instrument)


def check_instruments(entries: Sequence[Entry[Instrument]]) -> None:
    """See to it that mnemonics and ports are unique, over the whole site. Raises DictionaryError."""
    raise_any(
        [
            *check_unique(entries, lambda instrument: instrument.mnemonic, "mnemonic"),
            *check_unique(entries, lambda instrument: instrument.port, "port"),
        ]
    )
