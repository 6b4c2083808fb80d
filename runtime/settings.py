"""Settings: one TOML file, an overlay of `MAGBROKER_*` environment variables, defaults that work on one machine."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as OverlayError

from runtime.alert_settings import AlertSettings
from runtime.archive_settings import DEFAULTS, ArchiveSettings
from runtime.atna_settings import AtnaSettings
from runtime.coercion_settings import CoerceSettings, DeidentificationSettings
from runtime.dictionary_settings import ListenerSettings, ModalitySettings, UserApplicationSettings, WorklistSettings
from runtime.errors import SettingsError

Port = int
PREFIX = "MAGBROKER_"
_HINTS = {"extra_forbidden": "there is no such setting; remove it or correct its name"}


class PeerSettings(BaseModel):
    """[gateway.peer."AE TITLE"]: where a peer listens, how it hears of storage commitment and of what was not taken."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = ""
    port: Port = Field(default=0, ge=0, le=65535)
    commitment: Literal["", "new", "same", "next"] = ""
    abort_after_refusal: bool = False

    @model_validator(mode="after")
    def _can_be_called(self) -> PeerSettings:
        """See to it that a peer which is to be called has an address."""
        if bool(self.host) != bool(self.port) or (self.commitment == "new" and not self.port):
            raise ValueError('host and port go together, and commitment = "new" needs them')
        return self


class PriorSettings(BaseModel):
    """[gateway.destination."NAME".priors]: which earlier studies an archive sends there along with a new one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    archive: str = Field(min_length=1, max_length=16)
    number: int = Field(default=3, ge=1, le=50)
    years: float = Field(default=5.0, gt=0, le=200)
    same_modality: bool = False
    same_body_part: bool = False
    every_study: bool = False


class DestinationSettings(BaseModel):
    """[gateway.destination."NAME"]: how a transmit destination is sent to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    retries: int = Field(default=3, ge=0, le=10_000)
    retry_minutes: float = Field(default=10.0, ge=0, le=10_080)
    backoff: bool = False
    breaker: int = Field(default=0, ge=0, le=10_000)
    breaker_minutes: float = Field(default=10.0, ge=0, le=10_080)
    interrupt: bool = False
    warnings: tuple[Annotated[str, Field(pattern="^[0-9A-Fa-f]{4}$")], ...] = ("B000", "B006", "B007")
    restore_patient_name: bool = False
    commit: bool = False
    commit_after_seconds: float = Field(default=10.0, ge=0, le=86400)
    commit_retry_minutes: float = Field(default=60.0, gt=0, le=10_080)
    commit_hours: float = Field(default=24.0, gt=0, le=720)
    whole_folders: bool = False
    skip_present: bool = False
    query_ae_title: str = Field(default="", max_length=16)
    delete_after_commitment: tuple[str, ...] = ()
    priors: PriorSettings | None = None
    transcode: tuple[Literal["explicit", "implicit", "deflated", "rle", "jpeg-lossless", "jpeg-baseline", "jpeg-2000"], ...] = ()
    coerce: tuple[CoerceSettings, ...] = ()
    deidentify: DeidentificationSettings | None = None

    @field_validator("deidentify", mode="before")
    @classmethod
    def _basic_has_no_options(cls, value: object) -> object:
        """Take `"basic"` for the profile without options."""
        if isinstance(value, str) and value != "basic":
            raise ValueError('give "basic", or a table of options')
        return {} if value == "basic" else value


class GatewaySettings(BaseModel):
    """[gateway]: what one DICOM gateway needs to know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    machine: str = "DEMOGW1"
    location: int = 660
    instrument: str = "DEMO"
    service: Literal["RAD", "CON", "LAB"] = "RAD"
    access: str = Field(default="", repr=False)
    verify: str = Field(default="", repr=False)
    context: str = "MAGB GATEWAY"
    broker_host: str = "127.0.0.1"
    dicom_host: str = "127.0.0.1"
    dicom_port: Port = Field(default=11112, ge=0, le=65535)
    ae_title: str = Field(default="MAGBROKER", max_length=16)
    calling_ae_title: str = Field(default="MAGBROKER", max_length=16)
    batch: int = Field(default=32, ge=1, le=500)
    max_associations: int = Field(default=64, ge=1, le=10_000)
    processes: int = Field(default=1, ge=1, le=64)
    associations_per_destination: int = Field(default=2, ge=1, le=64)
    associations: int = Field(default=3, ge=0, le=1000)
    destination: dict[str, DestinationSettings] = Field(default_factory=dict)
    rules: Path | None = None
    max_object_bytes: int = Field(default=4 * 1024**3, ge=1)
    free_space_floor_bytes: int = Field(default=256 * 1024**2, ge=0)
    normalise_patient_name: bool = False
    folders: Literal["", "study", "procedure step"] = ""
    folder_merge_seconds: float = Field(default=0.0, ge=0, le=86400)
    correct_seconds: float = Field(default=10.0, ge=1, le=86400)
    originals_days: int = Field(default=30, ge=0, le=365)
    delete_after_commitment: tuple[str, ...] = ()
    placement_tries: int = Field(default=24, ge=1, le=1000)
    study_quiet_seconds: float = Field(default=0.0, ge=0, le=3600)
    dictionaries: Path | None = None
    listener: tuple[ListenerSettings, ...] = ()
    modality: tuple[ModalitySettings, ...] = ()
    worklist: tuple[WorklistSettings, ...] = ()
    user_application: tuple[UserApplicationSettings, ...] = ()
    commitment_wait_seconds: float = Field(default=600.0, ge=0)
    commitment_from: Literal["both", "short-term"] = "both"
    peer: dict[Annotated[str, Field(min_length=1, max_length=16)], PeerSettings] = Field(default_factory=dict)
    archive: ArchiveSettings | None = None

    @model_validator(mode="after")
    def _ports_differ(self) -> GatewaySettings:
        """See to it that no entity of the archive has the gateway's own port."""
        ports = {name: self.archive.port(name) for name in DEFAULTS} if self.archive is not None else {}
        for name, port in ports.items():
            if port and port == self.dicom_port:
                raise ValueError(f"dicom_port and archive.{name} have the same port, {self.dicom_port}; each needs its own")
        return self

    @model_validator(mode="after")
    def _can_be_asked(self) -> GatewaySettings:
        """See to it that what is asked by its AE title has an address."""
        for name, destination in self.destination.items():
            archive = destination.priors.archive if destination.priors is not None else ""
            for setting, title in (("query_ae_title", destination.query_ae_title), ("priors.archive", archive)):
                if title and not (title in self.peer and self.peer[title].port):
                    raise ValueError(f'{setting} of {name} needs host and port in [gateway.peer."{title}"]')
            if archive and (destination.coerce or destination.deidentify is not None):
                raise ValueError(f"priors of {name} come from the archive as they are, without its coerce and deidentify")
        return self

    @model_validator(mode="after")
    def _commitment_is_asked_for(self) -> GatewaySettings:
        """See to it that what waits for a commitment does not wait in vain, nor for one to something else."""
        tables = self.destination
        for name in {*self.delete_after_commitment, *(it for table in tables.values() for it in table.delete_after_commitment)}:
            asked = tables.get(name) or tables.get("*")
            if asked is None or not asked.commit:
                raise ValueError(f'delete_after_commitment names "{name}", which needs commit = true')
            if asked.deidentify is not None or "jpeg-baseline" in asked.transcode:
                raise ValueError(f'delete_after_commitment names "{name}", which gets less than the image')
        return self


class TaskManSettings(BaseModel):
    """[taskman]: how many tasks a worker runs, and how long it is believed in without a sign."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slots: int = Field(default=32, ge=1, le=1000)
    heartbeat_seconds: float = Field(default=2.0, ge=0.1, le=60)
    lease_seconds: float = Field(default=20.0, ge=0.5, le=600)
    dead_after_seconds: float = Field(default=15.0, ge=0.5, le=600)
    engine_database: str = Field(default="", repr=False)

    @model_validator(mode="after")
    def _times_fit(self) -> TaskManSettings:
        """See to it that two signs may be late before a worker counts as dead or a lease ends."""
        if min(self.lease_seconds, self.dead_after_seconds) < 3 * self.heartbeat_seconds:
            raise ValueError("lease_seconds and dead_after_seconds must be at least three times heartbeat_seconds")
        return self


class Settings(BaseSettings):
    """Everything that can be set (docs/reference/settings.md). Relative paths start at the current directory."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    data: Path = Path("var")
    database: str = Field(default="", repr=False)
    synchronous: Literal["FULL", "NORMAL"] = "FULL"
    site_key: Path | None = None
    lock_seconds: float = Field(default=90.0, ge=4)
    broker_host: str = "127.0.0.1"
    broker_port: Port = Field(default=9430, ge=0, le=65535)
    text_port: Port = Field(default=9431, ge=0, le=65535)
    text_transport: bool = True
    text_host: str = "127.0.0.1"
    broker_tls_port: Port | None = Field(default=None, ge=0, le=65535)
    text_tls_port: Port | None = Field(default=None, ge=0, le=65535)
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_client_authorities: Path | None = None
    proxy_protocol_from: tuple[IPvAnyNetwork, ...] = ()
    hl7_port: Port | None = Field(default=None, ge=0, le=65535)
    hl7_host: str = "127.0.0.1"
    web_port: Port | None = Field(default=None, ge=0, le=65535)
    web_host: str = "127.0.0.1"
    web_tls: bool = False
    sink_port: Port = Field(default=11113, ge=0, le=65535)
    call_back: bool = True
    installed_packs: bool = True
    cipher_table: Path | None = None
    known_cipher_tables: dict[str, Path] = Field(default_factory=dict)
    max_message_bytes: int = Field(default=32 * 1024**2, ge=1024)
    max_ahead_bytes: int = Field(default=1024**2, ge=1024)
    max_held_bytes: int = Field(default=256 * 1024**2, ge=1024**2)
    max_hl7_message_bytes: int = Field(default=1024**2, ge=1024)
    max_sessions: int = Field(default=2500, ge=1)
    max_sessions_per_address: int = Field(default=2500, ge=1)
    max_connections_per_second: float = Field(default=200.0, gt=0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["console", "json"] = "console"
    gateway: GatewaySettings = GatewaySettings()
    taskman: TaskManSettings = TaskManSettings()
    alerts: AlertSettings = AlertSettings()
    atna: AtnaSettings = AtnaSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values from nowhere by itself: `load_settings` puts file, environment and command line together."""
        return (init_settings,)

    @property
    def database_url(self) -> str:
        """Give the database's URL: the SQLite file in the data directory unless another is set."""
        return self.database or f"sqlite:///{(self.data / 'magbroker.db').resolve()}"

    @property
    def site_key_path(self) -> Path:
        """Give the file of the site's key: in the data directory unless another is set, which several brokers share."""
        return self.site_key or self.data / "site.key"

    @property
    def gateway_directory(self) -> Path:
        """Give the directory of the gateway's spool and journal."""
        return self.data / "gateway"


def load_settings(file: Path | None = None, **given: Any) -> Settings:
    """Read the settings: the file, over it the environment, over both what is given (None is not given).

    Raises SettingsError, which names each key that is wrong and what to do, a line for each.
    """
    values = _read(file) if file is not None else {}
    try:
        overlay = EnvSettingsSource(Settings)()
        return Settings(**_laid_over(values, overlay, {name: value for name, value in given.items() if value is not None}))
    except ValidationError as error:
        source = f" in {file}" if file is not None else ""
        raise SettingsError("\n".join(_told(one, source) for one in error.errors())) from error
    except OverlayError as error:
        raise SettingsError(f"The environment variables {PREFIX}* cannot be read: {error}.") from error


def _told(error: ErrorDetails, source: str) -> str:
    key = ".".join(str(part) for part in error["loc"])
    hint = _HINTS.get(error["type"], error["msg"])
    variable = PREFIX + key.upper().replace(".", "__")
    override = "" if error["type"] == "extra_forbidden" else f" ({variable} overrides it)"
    return f"Setting {key}{source}: {hint}{override}."


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"The settings file {file} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The settings file {file} is not TOML: {error}.") from error


def _laid_over(*layers: dict[str, Any]) -> dict[str, Any]:
    """Merge tables, key by key; a later layer wins."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            below = merged.get(name)
            merged[name] = _laid_over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
