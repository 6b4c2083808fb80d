"""[atna]: the Audit Record Repository that is told what happened."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: What can be told of: processes that begin and end, sign-ons, administrative actions, images.
AtnaSource = Literal["processes", "sign-ons", "actions", "images"]


class AtnaSettings(BaseModel):
    """[atna]: where audit messages go; nothing is sent without a host."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = ""
    port: int = Field(default=6514, ge=1, le=65535)
    transport: Literal["tls", "tcp", "udp"] = "tls"
    authorities: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    enterprise_site: str = Field(default="", max_length=100)
    source: str = Field(default="magbroker", min_length=1, max_length=48, pattern=r"^[!-~]+$")
    of: tuple[AtnaSource, ...] = ("processes", "sign-ons", "actions", "images")
    from_beginning: bool = False
    timeout_seconds: float = Field(default=10.0, gt=0, le=120)

    @model_validator(mode="after")
    def _has_both(self) -> AtnaSettings:
        """See to it that a certificate comes with its key."""
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        return self
