"""What our own gateway keeps at the broker: answered requests, header data, image events, heartbeats."""

from __future__ import annotations

from sqlalchemy import Float, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from fileman.files.base import File


class GatewayMachine(File):
    """The number of a gateway's host, for MAG DICOM GET MACHINE ID."""

    __tablename__ = "gateway_machine"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    host: Mapped[str] = mapped_column(unique=True)


class AnsweredRequest(File):
    """An IMAGE PROCESSING call that began with REQUEST: its answer is repeated when the gateway asks again."""

    __tablename__ = "answered_request"

    machine: Mapped[str] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(primary_key=True)
    answered_at: Mapped[float] = mapped_column(Float(53), index=True)
    body_digest: Mapped[str] = mapped_column(String(64))
    answer: Mapped[str] = mapped_column(Text)


class ImageHeader(File):
    """Header data of one SOP Instance, as JSON: tag path to VR and values."""

    __tablename__ = "image_header"

    uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    image: Mapped[int | None] = mapped_column(index=True)
    elements: Mapped[str] = mapped_column(Text)


class ImageEvent(File):
    """One step in the story of an image."""

    __tablename__ = "image_event"

    ien: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(64), index=True)
    image: Mapped[int | None]
    stage: Mapped[str]
    at: Mapped[float] = mapped_column(Float(53))
    peer: Mapped[str] = mapped_column(default="")
    outcome: Mapped[str] = mapped_column(default="")
    detail: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (Index(None, "image", "ien"),)


class GatewayStatus(File):
    """The last heartbeat of a gateway, as JSON."""

    __tablename__ = "gateway_status"

    machine: Mapped[str] = mapped_column(primary_key=True)
    heartbeat_at: Mapped[float] = mapped_column(Float(53))
    status: Mapped[str] = mapped_column(Text)
