"""What text gateways live on: HL7 messages that came in, and how many messages of which class went through a gateway."""

from __future__ import annotations

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from fileman.files.base import File


class Hl7Message(File):
    """PACS MESSAGE (#2006.5): an HL7 message, its segments apart by CR. `day` and `received` are FileMan's."""

    __tablename__ = "hl7_message"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    day: Mapped[int] = mapped_column(index=True)
    type: Mapped[str] = mapped_column(default="")
    received: Mapped[str] = mapped_column(index=True)
    control: Mapped[str] = mapped_column(default="")
    text: Mapped[str] = mapped_column(Text)


class TextMessageCount(File):
    """DICOM MESSAGE STATISTICS (#2006.5761): messages of a class per day and location; days and `latest` are FileMan's."""

    __tablename__ = "text_message_count"

    day: Mapped[str] = mapped_column(primary_key=True)
    location: Mapped[str] = mapped_column(primary_key=True)
    message: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    latest: Mapped[str]


class GatewayParameter(File):
    """DICOM GATEWAY PARAMETER (#2006.563), what procedures keep there by name."""

    __tablename__ = "gateway_parameter"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(default="")
