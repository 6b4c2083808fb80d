"""What our own gateway keeps at the broker: answered requests, header data, image events, heartbeats."""

from __future__ import annotations

from sqlalchemy import BigInteger, Float, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from fileman.files.base import File


class GatewayMachine(File):
    """The number of a gateway's host, for MAG DICOM GET MACHINE ID."""

    __tablename__ = "gateway_machine"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    host: Mapped[str] = mapped_column(unique=True)


class DicomWorkstation(File):
    """DICOM WORKSTATION (#2006.83): which version a gateway runs, and when it last said so (a FileMan date)."""

    __tablename__ = "dicom_workstation"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    station: Mapped[str] = mapped_column(unique=True)
    version: Mapped[str] = mapped_column(default="")
    reported: Mapped[str] = mapped_column(default="")


class GatewayInformation(File):
    """DICOM GATEWAY INFORMATION (#2006.87): files and versions that a gateway has told of, as JSON by their names."""

    __tablename__ = "gateway_information"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    host: Mapped[str] = mapped_column(unique=True)
    location: Mapped[int]
    entries: Mapped[str] = mapped_column(Text, default="{}")


class AeSecurity(File):
    """DICOM AE SECURITY MATRIX (#2006.9192): an application that we talk to, and what it may do in which role.

    `services` is a JSON list of `SERVICE^ROLE`, `flags` a JSON object. The delay is in minutes, as VistA keeps it.
    """

    __tablename__ = "ae_security"

    ien: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    local_title: Mapped[str] = mapped_column(default="")
    location: Mapped[int]
    host: Mapped[str] = mapped_column(default="")
    port: Mapped[int | None]
    ae_title: Mapped[str]
    force_reconciliation: Mapped[str] = mapped_column(default="")
    origin: Mapped[str] = mapped_column(default="")
    flags: Mapped[str] = mapped_column(Text, default="{}")
    services: Mapped[str] = mapped_column(Text, default="[]")
    response_delay: Mapped[int | None]
    response_retries: Mapped[int | None]


class QueryResult(File):
    """DICOM QUERY RETRIEVE RESULT (#2006.5732): one C-FIND query. `status` is IP, OK or X; `changed` a FileMan date."""

    __tablename__ = "query_result"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    status: Mapped[str]
    changed: Mapped[str] = mapped_column(index=True)
    task: Mapped[int | None]


class QueryResultLine(File):
    """TAG multiple (#2006.57321): `tag^value`, in the order in which clients get them."""

    __tablename__ = "query_result_line"

    result: Mapped[int] = mapped_column(ForeignKey("query_result.ien", ondelete="CASCADE"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)


class AnsweredRequest(File):
    """An IMAGE PROCESSING call that began with REQUEST: its answer is repeated when the gateway asks again."""

    __tablename__ = "answered_request"

    machine: Mapped[str] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(primary_key=True)
    answered_at: Mapped[float] = mapped_column(Float(53), index=True)
    body_digest: Mapped[str] = mapped_column(String(64))
    answer: Mapped[str] = mapped_column(Text)


class ImageHeader(File):
    """Header data of one SOP Instance, as JSON: tag path to VR and values. `size` is its data set's in bytes, 0 when not told."""

    __tablename__ = "image_header"

    uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    image: Mapped[int | None] = mapped_column(index=True)
    elements: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger, default=0)


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
