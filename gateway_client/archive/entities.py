"""The application entities of an archive: which there are, and what is set of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

from gateway_client.transcoding.syntaxes import SYNTAXES
from runtime import ArchiveSettings, TLSFiles, tls_files

IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
#: Transfer syntaxes by the names that the settings have for them.
SYNTAX_NAMES: Mapping[str, str] = {
    **SYNTAXES,
    "big-endian": EXPLICIT_BIG,
    "jpeg-extended": "1.2.840.10008.1.2.4.51",
}
#: Of identifiers, and of whatever else has no pixel data, the preferred first.
IDENTIFIER_SYNTAXES = (EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE)
#: Of what is stored, the preferred first: JPEG Baseline, Extended and Lossless, then those without compression.
STORAGE_SYNTAXES = (
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.70",
    *IDENTIFIER_SYNTAXES,
)
#: Query/Retrieve levels (0008,0052), from above.
LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")


class EntityRole(StrEnum):
    """What an application entity of the archive is there for."""

    RECEIVER = "receiver"
    SENDER = "sender"
    COMMITMENT = "commitment"
    SHORT_TERM = "short_term"
    LONG_TERM = "long_term"
    SERVICE_TOOL = "service_tool"


#: Those that listen.
LISTENING = (EntityRole.RECEIVER, EntityRole.COMMITMENT, EntityRole.SHORT_TERM, EntityRole.LONG_TERM)


@dataclass(frozen=True, slots=True)
class ApplicationEntity:
    """One application entity. `transfer_syntaxes` are an acceptor's, the preferred first; port 0 lets the system choose.

    Called by another AE title it takes no association, unless `any_called_ae_title`. A receiver aborts the association
    `abort_after_refusal` of an object, and checks compressed ones. What is asked and retrieves has the rest: whether queries
    may be relational, whether the case of names counts, how many matches a query may have, whether a Requested Procedure ID
    comes in Request Attributes Sequence, whether nothing below a study is asked for, and which AE title holds the images of a
    network location; how many retrievals it carries out at a time, how long near-line images may take to come back into store,
    whether objects go in implicit VR only, and whether what is put off ends with a pending answer and the association.
    """

    role: EntityRole
    ae_title: str
    port: int = 0
    host: str = "127.0.0.1"
    max_associations: int = 10
    transfer_syntaxes: tuple[str, ...] = IDENTIFIER_SYNTAXES
    any_called_ae_title: bool = False
    calling_ae_titles: tuple[str, ...] = ()
    hosts: tuple[IPv4Network | IPv6Network, ...] = ()
    tls: TLSFiles | None = None
    abort_after_refusal: bool = True
    check_compressed: bool = True
    relational: bool = True
    fold_names: bool = False
    match_limit: int = 500
    wrap_request_attributes: bool = True
    study_level_only: bool = False
    short_term_titles: Mapping[str, str] = field(default_factory=dict, hash=False)
    max_retrievals: int = 4
    recall_seconds: float = 60.0
    implicit_only: bool = False
    pending_and_close: bool = False

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels that it answers."""
        return LEVELS[:2] if self.study_level_only else LEVELS

    @property
    def setting(self) -> str:
        """Say where its port is chosen, and whom it lets in."""
        return f"[gateway.archive.{self.role}]"


#: Settings that do not stand in an entity as they are.
_MADE_OTHERWISE = frozenset(
    ("ae_title", "port", "host", "transfer_syntaxes", "tls_certificate", "tls_key", "tls_client_authorities")
)

Entities = Mapping[EntityRole, ApplicationEntity]


def entities_of(settings: ArchiveSettings | None, host: str = "127.0.0.1") -> dict[EntityRole, ApplicationEntity]:
    """Give the application entities by their roles, none where there is no archive; they listen at `host` unless it is set."""
    if settings is None:
        return {}
    found = {role: _listening(settings, role, host) for role in LISTENING}
    title = found[EntityRole.RECEIVER].ae_title
    found[EntityRole.SENDER] = ApplicationEntity(EntityRole.SENDER, title, transfer_syntaxes=STORAGE_SYNTAXES)
    found[EntityRole.SERVICE_TOOL] = ApplicationEntity(EntityRole.SERVICE_TOOL, settings.service_tool.ae_title)
    return found


def _listening(settings: ArchiveSettings, role: EntityRole, host: str) -> ApplicationEntity:
    table = settings.table(role)
    given = {name: value for name, value in table if name not in _MADE_OTHERWISE}
    names = getattr(table, "transfer_syntaxes", None)
    usual = STORAGE_SYNTAXES if role is EntityRole.RECEIVER else IDENTIFIER_SYNTAXES
    return ApplicationEntity(
        role,
        settings.title(role),
        settings.port(role),
        table.host or host,
        transfer_syntaxes=usual if names is None else tuple(SYNTAX_NAMES.get(name, name) for name in names),
        tls=tls_files(table),
        **given,
    )
