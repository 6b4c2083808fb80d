"""The chapter on networking: each application entity with its policies and presentation contexts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydicom.uid import UID

from console.conformance import dicom_web, texts
from console.conformance.acceptors import Accepted, Port, class_of, name_of
from console.conformance.markdown import Page
from console.conformance.proposals import PROPOSALS
from gateway_client import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION, WINDOW, Configuration
from gateway_client.archive.entities import ApplicationEntity, EntityRole
from gateway_client.archive.offers import MAXIMUM_PDU, ServiceClass

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
EVERY_STORAGE_CLASS = "every storage SOP class, and those that nobody knows"
ANY_OTHER = "any other, in the peer's order"
_YES = {True: "yes", False: "no"}
_IDENTITY = (
    ("Implementation Class UID", IMPLEMENTATION_CLASS_UID),
    ("Implementation Version Name", IMPLEMENTATION_VERSION),
)


def write(page: Page, configuration: Configuration, ports: Sequence[Port]) -> None:
    """Write the chapter."""
    calling = dict(_calling(configuration))
    page.section(1, "Networking")
    page.section(2, "Implementation model")
    page.table(
        ("entity", "AE title", "port", "what it does"),
        [(it.name, _titles(it), it.number or "any", _services(it)) for it in ports]
        + [(name, title, "", texts.CALLERS[name]) for name, title in calling.items()],
    )
    page.say(texts.SEQUENCING)
    page.section(2, "Application entities that accept associations")
    for port in ports:
        page.section(3, port.name)
        _acceptor(page, port, configuration)
    page.section(2, "Application entities that initiate associations")
    for name, title in calling.items():
        page.section(3, name)
        _initiator(page, name, title, configuration)
    page.section(3, "results of storage commitment")
    page.table(("activity", "abstract syntax", "transfer syntaxes", "our role"), [it.cells for it in PROPOSALS["commitment"]])
    dicom_web.write(page, configuration)
    page.section(2, "Network interfaces")
    page.say(texts.INTERFACES)
    page.section(2, "Configuration")
    page.say(texts.SETTINGS)


def storage_classes(ports: Sequence[Port]) -> list[tuple[str, str]]:
    """Give the storage SOP classes that any port accepts."""
    found = dict.fromkeys(it.uid for port in ports for it in port.accepted if class_of(it.uid) is ServiceClass.STORAGE)
    return [(f"{name_of(uid)} (retired)" if UID(uid).is_retired else name_of(uid), uid) for uid in found]


def transfer_syntaxes(ports: Sequence[Port]) -> list[tuple[str, str]]:
    """Give the transfer syntaxes that are named."""
    found = dict.fromkeys(uid for port in ports for it in port.accepted for uid in it.transfer_syntaxes)
    return [(name_of(uid), uid) for uid in found]


def _calling(configuration: Configuration) -> Iterator[tuple[str, str]]:
    """Give the AE titles of those that call."""
    yield EntityRole.SENDER, configuration.calling_ae_title
    tool = configuration.entities.get(EntityRole.SERVICE_TOOL)
    yield EntityRole.SERVICE_TOOL, configuration.calling_ae_title if tool is None else tool.ae_title


def _acceptor(page: Page, port: Port, configuration: Configuration) -> None:
    policies: list[tuple[str, object]] = [
        ("called AE titles", _titles(port)),
        ("application context", APPLICATION_CONTEXT),
        ("associations at a time", port.associations),
        ("maximum PDU length", port.maximum_length),
        ("operations outstanding at a time", 1),
        *_IDENTITY,
        ("TLS", _YES[port.tls]),
        *(_settings(_asked(port, configuration)) if ServiceClass.FIND in port.provided else ()),
    ]
    page.table(("policy", "value"), policies)
    page.say("A further association is rejected: local limit exceeded, presentation, transient.")
    page.say("Accepted presentation contexts, the preferred transfer syntax first:")
    page.table(
        ("SOP class", "UID", "transfer syntaxes", "role of the peer", "extended negotiation"), list(_contexts(port.accepted))
    )
    if configuration.processes > 1 and port.name not in configuration.entities:
        page.say(texts.ONE_PORT)


def _asked(port: Port, configuration: Configuration) -> ApplicationEntity:
    """Say as which entity a port answers queries."""
    found = [entity for role, entity in configuration.entities.items() if role == port.name]
    return found[0] if found else configuration.default_entity


def _settings(entity: ApplicationEntity) -> Iterator[tuple[str, object]]:
    """Tell how an entity answers queries and retrievals."""
    yield "levels", ", ".join(entity.levels)
    yield "relational queries", _YES[entity.relational]
    yield "relational retrievals", "yes"
    yield "case of names counts", _YES[not entity.fold_names]
    yield "matches of a query", entity.match_limit
    yield "priority", "ignored"
    yield "Requested Procedure ID in its sequence, wherever it was asked for", _YES[entity.wrap_request_attributes]
    yield "retrievals at a time", entity.max_retrievals
    yield "objects are sent as", "Implicit VR Little Endian" if entity.implicit_only else "stored, else without compression"
    yield "what is put off ends with", "Pending (FF00), and the association" if entity.pending_and_close else "B000"


def _contexts(accepted: Sequence[Accepted]) -> Iterator[tuple[str, ...]]:
    """Give the rows of SOP classes; those of storage that are accepted in the same way have one."""
    told = set()
    for it in accepted:
        row = (_syntaxes(it), it.role, it.extended or "none")
        if class_of(it.uid) is not ServiceClass.STORAGE:
            yield (name_of(it.uid), it.uid, *row)
        elif row not in told:
            told.add(row)
            yield (EVERY_STORAGE_CLASS, "see the annex", *row)


def _syntaxes(accepted: Accepted) -> str:
    return "; ".join([*map(name_of, accepted.transfer_syntaxes), *([ANY_OTHER] if accepted.others else [])])


def _initiator(page: Page, name: str, title: str, configuration: Configuration) -> None:
    limits: tuple[tuple[str, object], ...] = ()
    if name == EntityRole.SENDER:
        limits = (
            ("associations with one destination", configuration.associations_per_destination),
            ("associations beyond the first of each destination, in all", configuration.associations),
            ("operations outstanding at a time", f"up to {WINDOW}, where the peer agrees"),
        )
    page.table(
        ("policy", "value"),
        [
            ("calling AE title", title),
            ("application context", APPLICATION_CONTEXT),
            ("maximum PDU length", MAXIMUM_PDU),
            *limits,
            *_IDENTITY,
        ],
    )
    page.table(("activity", "abstract syntax", "transfer syntaxes", "our role"), [it.cells for it in PROPOSALS[name]])


def _titles(port: Port) -> str:
    return ", ".join(port.ae_titles) or "any"


def _services(port: Port) -> str:
    found = [name for name, (classes, _about) in texts.SERVICE_CLASSES.items() if classes & port.provided]
    return f"SCP of {', '.join(found)}"
