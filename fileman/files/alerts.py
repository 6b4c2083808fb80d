"""Alerts: what needs a person, whom it was told to, and what nobody wants to hear of."""

from __future__ import annotations

from sqlalchemy import Float, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from fileman.files.base import File, only_where


class Alert(File):
    """One condition that needs, or needed, a person. Times are in seconds since the epoch.

    It is watched from `since_at`, raised at `raised_at`, None while it has yet to last, seen last at `seen_at`. `well_at` is
    since when the condition is gone, and `cleared_at` when that had lasted; of a kind and subject one is not cleared.
    `revision` counts what changed of any alert, so that who has seen one number finds what came after.
    """

    __tablename__ = "alert"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(128))
    text: Mapped[str] = mapped_column(Text)
    since_at: Mapped[float] = mapped_column(Float(53))
    raised_at: Mapped[float | None] = mapped_column(Float(53))
    seen_at: Mapped[float] = mapped_column(Float(53))
    well_at: Mapped[float | None] = mapped_column(Float(53))
    cleared_at: Mapped[float | None] = mapped_column(Float(53))
    acknowledged_by: Mapped[str] = mapped_column(default="")
    acknowledged_at: Mapped[float | None] = mapped_column(Float(53))
    note: Mapped[str] = mapped_column(default="")
    revision: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        Index("ix_alert_open", "kind", "subject", unique=True, **only_where("cleared_at IS NULL")),
        Index(None, "kind", "ien"),
        Index(None, "revision"),
        Index(None, "cleared_at"),
    )


class AlertNotice(File):
    """Something that is told over a channel: that an alert was raised or cleared, or a test, which has no alert.

    `state` is WAITING until `due_at`, SENDING from before it is sent until that is known, then SENT, FAILED, or SKIPPED where it
    was for nobody any more. What goes out together has one `message`. `held` says why it waits: muted or quiet.
    """

    __tablename__ = "alert_notice"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    channel: Mapped[str] = mapped_column(String(40))
    alert: Mapped[int | None] = mapped_column(index=True)
    event: Mapped[str] = mapped_column(String(10))
    text: Mapped[str] = mapped_column(Text, default="")
    made_at: Mapped[float] = mapped_column(Float(53))
    due_at: Mapped[float] = mapped_column(Float(53))
    state: Mapped[str] = mapped_column(String(10))
    held: Mapped[str] = mapped_column(String(10), default="")
    message: Mapped[str] = mapped_column(String(32), default="")
    tries: Mapped[int] = mapped_column(default=0)
    told_at: Mapped[float | None] = mapped_column(Float(53))
    reason: Mapped[str] = mapped_column(default="")

    __table_args__ = (Index(None, "channel", "state", "due_at"), Index(None, "state", "made_at"))


class AlertMute(File):
    """Alerts that nobody is told of until a time, in seconds since the epoch: of a subject, or of all of a kind, or all."""

    __tablename__ = "alert_mute"

    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    subject: Mapped[str] = mapped_column(String(128), primary_key=True)
    until_at: Mapped[float] = mapped_column(Float(53))
    muted_by: Mapped[str]
    muted_at: Mapped[float] = mapped_column(Float(53))
    note: Mapped[str] = mapped_column(default="")
