"""The tables of [gateway] that say what the gateway's dictionaries say: instruments, modalities, worklists, applications."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, model_validator

ImagingService = Literal["RAD", "CON", "LAB"]
AETitle = Annotated[str, Field(min_length=1, max_length=16)]
_TABLE = ConfigDict(extra="forbid", frozen=True)


class AdmissionSettings(BaseModel):
    """Whom a port of the gateway's lets in, and how it speaks TLS; empty lists allow all."""

    model_config = _TABLE

    calling_ae_titles: tuple[AETitle, ...] = ()
    hosts: tuple[IPvAnyNetwork, ...] = ()
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_client_authorities: Path | None = None

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        """See to it that there is a key for a certificate, and both for authorities of clients."""
        if (self.tls_certificate is None) is not (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together; give both or neither")
        if self.tls_client_authorities is not None and self.tls_certificate is None:
            raise ValueError("tls_client_authorities needs tls_certificate and tls_key")
        return self


class ListenerSettings(AdmissionSettings):
    """[[gateway.listener]]: an instrument, as in INSTRUMENT.DIC; what is not given is as it stands there.

    What else is not given is as for the default listener.
    """

    mnemonic: str
    description: str | None = None
    institution: int | str | None = None
    service: ImagingService | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    address: str | None = None
    ae_titles: tuple[AETitle, ...] = ()
    max_associations: int | None = Field(default=None, ge=1, le=10_000)


class ModalitySettings(BaseModel):
    """[[gateway.modality]]: a kind of equipment, as in MODALITY.DIC."""

    model_config = _TABLE

    manufacturer: str = "DEFAULT"
    model: str = "DEFAULT"
    modality: str = "DEFAULT"
    rules: str = "<DICOM>"
    accession: str = "CORRECT"
    text_code: str = ""
    text_file: str = "DATAMISC.DIC"
    service: Literal["", "RAD", "CON", "LAB"] = ""


class WorklistSettings(BaseModel):
    """[[gateway.worklist]]: the worklist of a calling AE title, as in WORKLIST.DIC."""

    model_config = _TABLE

    calling_ae_title: str
    institution: int | str = ""
    service: ImagingService = "RAD"
    imaging_types: tuple[str, ...]
    accession: Literal["LONG", "SHORT"] = "LONG"
    ssn: Literal["DASH", "NODASH"] = "DASH"
    weight: Literal["WEIGHT", "NOWEIGHT"] = "WEIGHT"
    allergies: Literal["", "ALLERGIES", "MEDICAL ALERTS"] = ""
    reason: Literal["", "COMMENT", "HISTORY"] = ""
    description: str = ""


class ContextSettings(BaseModel):
    """A presentation context of an application."""

    model_config = _TABLE

    sop_class: str
    transfer_syntaxes: tuple[str, ...] = Field(min_length=1)


class RoleSettings(BaseModel):
    """A role of an application."""

    model_config = _TABLE

    service: str
    user: bool = False
    provider: bool = False


class UserApplicationSettings(BaseModel):
    """[[gateway.user_application]]: an application that the gateway speaks to, as in SCU_LIST.DIC."""

    model_config = _TABLE

    name: str
    called_ae_title: str
    calling_ae_title: str
    host: str
    port: int
    kind: Literal["", "GE", "KODAK"] = ""
    priority: int = 500
    use: Literal["", "STORE", "WORKLIST"] = ""
    contexts: tuple[ContextSettings, ...] = ()
    roles: tuple[RoleSettings, ...] = ()
