"""[alerts]: when people are told that something needs them, and over which channels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from runtime.quiet_times import QuietTime

#: What there are alerts of.
AlertKind = Literal[
    "correct", "destination", "disk", "evaluation", "evaluator", "gateway", "media", "received", "sending", "taskman"
]
Quiet = tuple[Annotated[str, Field(max_length=40)], ...]


class ChannelSettings(BaseModel):
    """What every channel has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    quiet: Quiet = ()
    kinds: tuple[AlertKind, ...] = ()
    timeout_seconds: float = Field(default=10.0, gt=0, le=120)

    @field_validator("quiet")
    @classmethod
    def _are_times(cls, quiet: Quiet) -> Quiet:
        """See to it that quiet times can be read."""
        for text in quiet:
            QuietTime.parse(text)
        return quiet

    @property
    def quiet_times(self) -> tuple[QuietTime, ...]:
        """The quiet times, read."""
        return tuple(QuietTime.parse(text) for text in self.quiet)


class MailSettings(ChannelSettings):
    """[alerts.mail."NAME"]: e-mail by SMTP."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    authorities: Path | None = None
    user: str = ""
    password: str = Field(default="", repr=False)
    sender: str = Field(pattern=r"^[^@\s<>]+@[^@\s<>]+$")
    to: tuple[Annotated[str, Field(pattern=r"^[^@\s<>]+@[^@\s<>]+$")], ...] = Field(min_length=1, max_length=50)

    @model_validator(mode="after")
    def _keeps_the_password(self) -> MailSettings:
        """See to it that no password goes over the wire in clear."""
        if self.user and self.security == "none":
            raise ValueError('user and password need security = "starttls" or "tls"')
        return self


class WebhookSettings(ChannelSettings):
    """[alerts.webhook."NAME"]: JSON by HTTP POST."""

    url: str
    authorities: Path | None = None
    secret: str = Field(default="", repr=False)
    headers: dict[str, str] = Field(default_factory=dict, repr=False)

    @field_validator("url")
    @classmethod
    def _is_a_url(cls, url: str) -> str:
        """See to it that it can be posted to."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
            raise ValueError("url is http://HOST/... or https://HOST/..., without user or fragment")
        if not url.isascii() or any(it.isspace() for it in url):
            raise ValueError("url is written in ASCII, without spaces")
        return url

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        """See to it that headers can be sent."""
        for name, value in headers.items():
            if not name.replace("-", "").isalnum() or not name.isascii() or not value.isprintable() or not value.isascii():
                raise ValueError(f'"{name[:40]}" is no header, or has a value that cannot be sent')
        return headers


class AlertSettings(BaseModel):
    """[alerts]: what is looked for, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    look_seconds: float = Field(default=5.0, ge=0.1, le=300)
    stage_minutes: float = Field(default=10.0, gt=0, le=10_080)
    destination_minutes: float = Field(default=10.0, gt=0, le=10_080)
    destination_failures: int = Field(default=5, ge=1, le=1000)
    evaluator_minutes: float = Field(default=3.0, gt=0, le=10_080)
    correct_images: int = Field(default=100, ge=1, le=10_000)
    correct_hours: float = Field(default=24.0, gt=0, le=8760)
    disk_percent: float = Field(default=10.0, ge=0, le=90)
    gateway_seconds: float = Field(default=120.0, ge=5, le=86400)
    gateway_days: float = Field(default=30.0, gt=0, le=3650)
    taskman_seconds: float = Field(default=60.0, ge=5, le=86400)
    clear_seconds: float = Field(default=120.0, ge=0, le=86400)
    keep_days: int = Field(default=90, ge=1, le=3650)
    critical: tuple[AlertKind, ...] = ("disk", "evaluator", "gateway", "received", "taskman")
    mail: dict[str, MailSettings] = Field(default_factory=dict, max_length=10)
    webhook: dict[str, WebhookSettings] = Field(default_factory=dict, max_length=10)

    @model_validator(mode="after")
    def _names_differ(self) -> AlertSettings:
        """See to it that each channel has a name of its own, which tables can show."""
        for name in (*self.mail, *self.webhook):
            if not 1 <= len(name) <= 40 or not name.isprintable():
                raise ValueError("a channel's name has 1 to 40 characters")
        if both := self.mail.keys() & self.webhook.keys():
            raise ValueError(f'"{min(both)}" is the name of two channels')
        return self
