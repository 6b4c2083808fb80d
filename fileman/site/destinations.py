"""Where DICOM objects are sent to, and which applications may ask for what."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pydantic import Field
from sqlalchemy import Connection, select

from fileman.files import AeSecurity, File, TransmitDestination, TransmitService
from fileman.site.rows import FileManDate, Ien, Row, ServiceInRole, TransmitServiceName
from fileman.site.sections import Columns, Section, Shown, always, fill


class TransmitDestinationRow(Row):
    """[[transmit_destination]]: DICOM TRANSMIT DESTINATION (#2006.587)."""

    ien: Ien
    name: str
    ae_title: str = Field(max_length=16)
    host: str
    port: int = Field(ge=1, le=65535)
    gateway: str = ""
    location: int
    gateway_ae_title: str = Field(default="", max_length=16)
    updated: FileManDate = ""
    services: tuple[TransmitServiceName, ...] = Field(default=(), strict=False)


class AeSecurityRow(Row):
    """[[ae_security]]: DICOM AE SECURITY MATRIX (#2006.9192)."""

    ien: Ien
    name: str
    ae_title: str = Field(max_length=16)
    local_title: str = Field(default="", max_length=16)
    location: int
    host: str = ""
    port: int | None = Field(default=None, ge=1, le=65535)
    services: tuple[ServiceInRole, ...] = Field(default=(), strict=False)
    flags: dict[str, str] = Field(default_factory=dict)
    force_reconciliation: str = ""
    origin: str = ""
    response_delay: int | None = Field(default=None, ge=0)
    response_retries: int | None = Field(default=None, ge=0)


#: Children before parents.
DESTINATION_FILES: tuple[type[File], ...] = (TransmitService, TransmitDestination, AeSecurity)

_SERVICES = select(TransmitService.destination, TransmitService.service, TransmitService.user, TransmitService.provider).order_by(
    TransmitService.destination, TransmitService.service
)


def fill_destinations(
    connection: Connection, destinations: Sequence[TransmitDestinationRow], matrix: Sequence[AeSecurityRow]
) -> None:
    """Fill the files of destinations and of the security matrix."""
    fill(connection, TransmitDestination, [row.model_dump(exclude={"services"}) for row in destinations])
    fill(connection, TransmitService, services_of(destinations))
    fill(connection, AeSecurity, [_ae_security(row) for row in matrix])


def services_of(rows: Sequence[TransmitDestinationRow]) -> list[Columns]:
    """Give the rows of the services of destinations."""
    named = [(row.ien, service.split()) for row in rows for service in row.services]
    return [
        {"destination": ien, "service": words[0], "user": "SCU" in words[1:], "provider": "SCP" in words[1:]}
        for ien, words in named
    ]


def _ae_security(row: AeSecurityRow) -> Columns:
    columns = row.model_dump()
    columns["flags"] = json.dumps(row.flags)
    columns["services"] = json.dumps(["^".join(service.rsplit(" ", 1)) for service in row.services])
    return columns


def _named_services(connection: Connection) -> Shown:
    services: dict[object, list[str]] = {}
    for ien, service, scu, scp in connection.execute(_SERVICES):
        services.setdefault(ien, []).append(" ".join([service, *["SCU"] * scu, *["SCP"] * scp]))
    return lambda row: {"services": services.get(row["ien"], [])}


def _permitted(row: Columns) -> Columns:
    services = [service.replace("^", " ") for service in json.loads(str(row["services"]))]
    return {"services": services, "flags": json.loads(str(row["flags"]))}


DESTINATIONS = (
    Section("transmit_destination", TransmitDestination, TransmitDestinationRow, more=_named_services),
    Section("ae_security", AeSecurity, AeSecurityRow, more=always(_permitted)),
)
