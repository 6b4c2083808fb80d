"""The tables of [gateway.archive]: the application entities of an archive, each with its own AE title and port."""

from __future__ import annotations

from itertools import combinations
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from runtime.dictionary_settings import AdmissionSettings

_TABLE = ConfigDict(extra="forbid", frozen=True)
#: What follows the root in an AE title, so many characters at most.
_ROOT_LENGTH = 12


def _is_ae_title(text: str) -> str:
    """See to it that a text may be an AE title (PS3.5 6.2)."""
    if text and not (text.isascii() and text.isprintable() and "\\" not in text and text == text.strip()):
        raise ValueError(f"{text!r} is no AE title: printable ASCII without a backslash, no space at either end")
    return text


EntityTitle = Annotated[str, Field(min_length=1, max_length=16), AfterValidator(_is_ae_title)]
PortNumber = Annotated[int, Field(ge=0, le=65535)]
#: A transfer syntax by a name of ours or by its UID.
StorageSyntax = Annotated[
    str,
    Field(
        pattern=r"^(implicit|explicit|big-endian|deflated|jpeg-baseline|jpeg-extended|jpeg-lossless|rle|jpeg-2000|[0-2](\.\d+)+)$"
    ),
]
IdentifierSyntax = Literal["big-endian", "explicit", "implicit"]


class EntitySettings(AdmissionSettings):
    """What every application entity that listens has; what is left out comes from the root and from `[gateway]`."""

    ae_title: EntityTitle | None = None
    port: PortNumber | None = None
    host: str = ""
    max_associations: int = Field(default=10, ge=1, le=10_000)
    any_called_ae_title: bool = False


class ReceiverSettings(EntitySettings):
    """[gateway.archive.receiver]: the SCP of storage (DRCV)."""

    transfer_syntaxes: tuple[StorageSyntax, ...] | None = None
    abort_after_refusal: bool = True
    check_compressed: bool = True


class SenderSettings(BaseModel):
    """[gateway.archive.sender]: the SCU of storage (FOS), which has the receiver's AE title."""

    model_config = _TABLE

    ae_title: EntityTitle | None = None


class CommitmentEntitySettings(EntitySettings):
    """[gateway.archive.commitment]: the SCP of storage commitment (DNES)."""

    transfer_syntaxes: tuple[IdentifierSyntax, ...] | None = None


class QueryEntitySettings(EntitySettings):
    """What both entities have that are asked and retrieve."""

    transfer_syntaxes: tuple[IdentifierSyntax, ...] | None = None
    fold_names: bool = False
    match_limit: int = Field(default=500, ge=1, le=1_000_000)
    wrap_request_attributes: bool = True
    max_retrievals: int = Field(default=4, ge=1, le=1000)
    recall_seconds: float = Field(default=60.0, ge=0, le=86400)
    implicit_only: bool = False
    pending_and_close: bool = False


class ShortTermSettings(QueryEntitySettings):
    """[gateway.archive.short_term]: the SCP of query and retrieve over the short-term store (DQRY)."""

    relational: bool = True


class LongTermSettings(QueryEntitySettings):
    """[gateway.archive.long_term]: the SCP of query and retrieve over both stores, and of the worklist (DPQR)."""

    relational: bool = False
    study_level_only: bool = True
    short_term_titles: dict[str, EntityTitle] = Field(default_factory=dict)


class ServiceToolSettings(BaseModel):
    """[gateway.archive.service_tool]: as what the DICOM commands call."""

    model_config = _TABLE

    ae_title: EntityTitle = "MAGBROKER_C_ECHO"


#: By the table of an entity that listens, what follows the root in its AE title, and its port.
DEFAULTS: dict[str, tuple[str, int]] = {
    "receiver": ("DRSP", 50082),
    "commitment": ("DNES", 60034),
    "short_term": ("DQRY", 50089),
    "long_term": ("DPQR", 50090),
}


class ArchiveSettings(BaseModel):
    """[gateway.archive]: with it the entities are opened; AE titles begin with `ae_root` unless they are given."""

    model_config = _TABLE

    ae_root: Annotated[str, Field(min_length=1, max_length=_ROOT_LENGTH), AfterValidator(_is_ae_title)]
    receiver: ReceiverSettings = ReceiverSettings()
    sender: SenderSettings = SenderSettings()
    commitment: CommitmentEntitySettings = CommitmentEntitySettings()
    short_term: ShortTermSettings = ShortTermSettings()
    long_term: LongTermSettings = LongTermSettings()
    service_tool: ServiceToolSettings = ServiceToolSettings()

    def table(self, name: str) -> EntitySettings:
        """Give the table of an entity that listens, by its name in `DEFAULTS`."""
        found: EntitySettings = getattr(self, name)
        return found

    def title(self, name: str) -> str:
        """Give the AE title of an entity that listens; receiver and sender share theirs, whichever table says it."""
        shared = self.sender.ae_title if name == "receiver" else None
        return self.table(name).ae_title or shared or self.ae_root + DEFAULTS[name][0]

    def port(self, name: str) -> int:
        """Give the port of an entity that listens; 0 lets the system choose."""
        port = self.table(name).port
        return DEFAULTS[name][1] if port is None else port

    @model_validator(mode="after")
    def _are_told_apart(self) -> ArchiveSettings:
        """See to it that each entity is told by its title and by its port, and that the sender is the receiver's other side."""
        if self.sender.ae_title not in (None, self.title("receiver")):
            raise ValueError(f"receiver and sender share one AE title; give {self.receiver.ae_title} or {self.sender.ae_title}")
        for one, other in combinations(DEFAULTS, 2):
            if self.title(one) == self.title(other):
                raise ValueError(f"{one} and {other} have the same AE title, {self.title(one)}; each needs its own")
            if self.port(one) and self.port(one) == self.port(other):
                raise ValueError(f"{one} and {other} have the same port, {self.port(one)}; each needs its own")
        return self
