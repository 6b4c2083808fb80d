"""The file of HL7 messages (#2006.5): messages enter it, gateways pull them by number, old ones go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Integer, bindparam, delete, func, insert, select

from fileman.dates import to_fileman
from fileman.files.text import Hl7Message
from fileman.locks import lock_for_transaction
from fileman.numbers import next_ien

#: Characters of a line; a longer segment goes on in the next, which begins with the field separator (MAGDHLS).
LINE = 200
#: Messages that one purge deletes.
PURGED_AT_ONCE = 20_000

_INSERT = insert(Hl7Message)
_AT_OR_AFTER = (
    select(Hl7Message.ien, Hl7Message.day, Hl7Message.type, Hl7Message.received, Hl7Message.text)
    .where(Hl7Message.ien >= bindparam("number"))
    .order_by(Hl7Message.ien)
    .limit(1)
)
_HIGHEST = select(func.max(Hl7Message.ien))
_RECEIVED = select(Hl7Message.received).where(Hl7Message.ien == bindparam("number"))
_LATEST_BEFORE = select(func.max(Hl7Message.received)).where(Hl7Message.received < bindparam("moment"))
_LATEST = select(func.max(Hl7Message.received))
_FIRST_AT = select(func.min(Hl7Message.ien)).where(Hl7Message.received == bindparam("moment"))
_PURGE = delete(Hl7Message).where(
    Hl7Message.ien.in_(
        select(Hl7Message.ien)
        .where(Hl7Message.day < bindparam("cutoff"))
        .order_by(Hl7Message.day)
        .limit(bindparam("most", type_=Integer))
    )
)


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message of the file, as its nodes have it."""

    number: int
    day: int
    type: str
    received: str
    text: str

    @property
    def lines(self) -> list[str]:
        """The segments, long ones over several lines."""
        return [line for segment in self.text.split("\r") for line in _cut(segment)]


def _cut(segment: str) -> list[str]:
    separator = "|" if not segment.startswith("MSH") else segment[3:4] or "|"
    first, *fields = segment.split(separator)
    lines, line = [], first
    for field in fields:
        if len(line) + len(field) > LINE and line:
            lines.append(line)
            line = ""
        line += separator + field
    return [*lines, line]


def file_message(connection: Connection, segments: str, kind: str, control: str, now: datetime) -> int:
    """Enter a message whose segments are apart by CR; give its number.

    Numbers are given and committed in one order, so that no message appears below one that a gateway has pulled already.
    """
    lock_for_transaction(connection, "hl7_message")
    number = next_ien(connection, "hl7_message")
    row = {"ien": number, "day": int(to_fileman(now.date())), "type": kind, "received": to_fileman(now)}
    connection.execute(_INSERT, {**row, "control": control, "text": segments})
    return number


def message_from(connection: Connection, number: int) -> StoredMessage | None:
    """Give the message of a number, or the first after it."""
    row = connection.execute(_AT_OR_AFTER, {"number": number}).first()
    return None if row is None else StoredMessage(*row)


def highest_message(connection: Connection) -> int:
    """Give the highest number there is; 0 without messages."""
    return int(connection.execute(_HIGHEST).scalar() or 0)


def received_at(connection: Connection, number: int) -> str | None:
    """Give when a message came (FileMan's); None when there is none of this number."""
    received: str | None = connection.execute(_RECEIVED, {"number": number}).scalar()
    return received


def message_before(connection: Connection, moment: str | None) -> int:
    """Give the first message of the latest moment before one, or of the latest of all for None; 0 when there is none."""
    query = _LATEST if moment is None else _LATEST_BEFORE
    latest = connection.execute(query, {} if moment is None else {"moment": moment}).scalar()
    return 0 if latest is None else int(connection.execute(_FIRST_AT, {"moment": latest}).scalar_one())


def purge_messages(connection: Connection, cutoff: int) -> int:
    """Delete messages of the days before a FileMan day, the oldest days first, at most `PURGED_AT_ONCE`; tell how many."""
    return connection.execute(_PURGE, {"cutoff": cutoff, "most": PURGED_AT_ONCE}).rowcount
