"""The cipher of access codes, verify codes and context names (`ENCRYP^XUSRB1`, `DECRYP^XUSRB1`).

It hides a code from a glance at the wire and from nothing else: every client carries the table.
"""

import json
import random as _random
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from xwb.errors import BadCipherTable

_FIRST = 31  # a row's number goes on the wire as chr(number + 31)


class Cipher:
    """A substitution between the rows of a table.

    Rows are numbered from 1; each is a permutation of the same characters. Characters outside of them, `^` and those
    beyond ASCII, pass unchanged. Raises BadCipherTable for rows that are none.
    """

    def __init__(self, rows: Sequence[bytes]) -> None:
        if len(rows) < 2 or any(len(set(row)) != len(row) or sorted(row) != sorted(rows[0]) for row in rows):
            raise BadCipherTable
        self._rows = tuple(rows)
        self._tables: dict[tuple[int, int], bytes] = {}

    @staticmethod
    @cache
    def standard() -> "Cipher":
        """Give the cipher of the table that ships with the package, which is the one that VA systems use."""
        return Cipher(_rows(files("xwb").joinpath("cipher_table.json").read_text(encoding="utf-8")))

    @classmethod
    def from_file(cls, path: Path) -> "Cipher":
        """Read a table of one's own: a JSON object with a list of texts under `rows`, or a system's routine `XUSRB1.m`.

        Raises BadCipherTable, which names the file.
        """
        read = _rows_of_routine if path.suffix == ".m" else _rows
        try:
            return cls(read(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeError, BadCipherTable) as error:
            raise BadCipherTable(f"The cipher table {path} cannot be used: {error}") from error

    def encipher(
        self,
        text: bytes,
        identifier: int | None = None,
        associator: int | None = None,
        random: _random.Random | None = None,
    ) -> bytes:
        """Encipher with two different rows, drawn at random unless their numbers are given."""
        source = random or _random
        if identifier is None:
            identifier = source.choice([row for row in range(1, len(self._rows) + 1) if row != associator])
        if associator is None:
            associator = source.choice([row for row in range(1, len(self._rows) + 1) if row != identifier])
        return b"%c%b%c" % (
            identifier + _FIRST,
            text.translate(self._table(identifier, associator)),
            associator + _FIRST,
        )

    def decipher(self, text: bytes) -> bytes:
        """Decipher as $TRANSLATE does.

        What is no longer than the two row marks gives nothing. An unknown associator leaves the middle as it is; a
        known one with an unknown identifier deletes from it every character of the table.
        """
        if len(text) <= 2:
            return b""
        associator, identifier = text[-1] - _FIRST, text[0] - _FIRST
        if self._known(associator) and not self._known(identifier):
            return text[1:-1].translate(None, self._rows[0])
        return text[1:-1].translate(self._table(associator, identifier))

    def _known(self, row: int) -> bool:
        return 1 <= row <= len(self._rows)

    def _table(self, source: int, target: int) -> bytes:
        """Give the translation from one row to another; identity when either is no row of the table."""
        table = self._tables.get((source, target))
        if table is None:
            if not (self._known(source) and self._known(target)):
                return _IDENTITY
            table = self._tables[source, target] = bytes.maketrans(self._rows[source - 1], self._rows[target - 1])
        return table


_IDENTITY = bytes(range(256))
_AFTER_LABEL = re.compile(r"^Z[ \t][^\n]*\n(?:[ \t]+;;[^\n]*(?:\n|\Z))+", re.MULTILINE)
_ROW = re.compile(r"^[ \t]+;;([^\r\n]*)", re.MULTILINE)


def _rows(text: str) -> list[bytes]:
    try:
        rows = json.loads(text)["rows"]
        return [row.encode("ascii") for row in rows]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise BadCipherTable from error


def _rows_of_routine(text: str) -> list[bytes]:
    """Take the rows that follow the label Z of XUSRB1: lines that are nothing but `;;` and a row."""
    table = _AFTER_LABEL.search(text)
    return [row.encode("ascii") for row in _ROW.findall(table[0])] if table else []
