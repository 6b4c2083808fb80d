"""What administrators did: who, when, from where, what it changed, or why it was refused."""

from __future__ import annotations

from sqlalchemy import Float, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from fileman.files.base import File


class AuditRecord(File):
    """One administrative action that was asked for.

    `via` is the way it came, as RPC or OWNER, `address` where from. `request` is JSON, long values cut and secret ones left out.
    `outcome` is `done`, or the kind of the error of which `reason` is the text.
    """

    __tablename__ = "audit_record"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[float] = mapped_column(Float(53), index=True)
    duz: Mapped[int] = mapped_column(default=0)
    name: Mapped[str] = mapped_column(default="")
    via: Mapped[str] = mapped_column(String(16), default="")
    address: Mapped[str] = mapped_column(default="")
    action: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text, default="")
    request: Mapped[str] = mapped_column(Text, default="{}")

    __table_args__ = (Index(None, "name", "ien"), Index(None, "action", "ien"), Index(None, "outcome", "ien"))


class AuditChange(File):
    """One thing that an action changed: `subject` names it, `before` and `after` are JSON, null where there was or is nothing."""

    __tablename__ = "audit_change"

    record: Mapped[int] = mapped_column(ForeignKey("audit_record.ien"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    subject: Mapped[str] = mapped_column(String(128))
    before: Mapped[str] = mapped_column(Text, default="null")
    after: Mapped[str] = mapped_column(Text, default="null")

    __table_args__ = (Index(None, "subject", "record"),)


class SecurityEvent(File):
    """What auditors want to know and no other log has: processes that began (START) and ended (STOP), sign-ons that FAILED.

    `name` is the process, or who tried, empty where nobody is known; `at` is in seconds since the epoch.
    """

    __tablename__ = "security_event"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[float] = mapped_column(Float(53))
    event: Mapped[str] = mapped_column(String(10))
    duz: Mapped[int] = mapped_column(default=0)
    name: Mapped[str] = mapped_column(default="")
    address: Mapped[str] = mapped_column(default="")
    detail: Mapped[str] = mapped_column(default="")


class AtnaPosition(File):
    """How far a log was told to the Audit Record Repository: up to entry `last`; of what is found by a moment, to `moment`."""

    __tablename__ = "atna_position"

    source: Mapped[str] = mapped_column(String(20), primary_key=True)
    last: Mapped[int] = mapped_column(default=0)
    moment: Mapped[str] = mapped_column(default="")
    sent_at: Mapped[float] = mapped_column(Float(53))
