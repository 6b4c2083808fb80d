"""The statement, chapter by chapter, in the outline of PS3.2 annex N."""

from __future__ import annotations

from collections.abc import Sequence

from console.conformance import attributes, networking, texts
from console.conformance.acceptors import Port, ports_of
from console.conformance.markdown import Page
from console.conformance.statuses import FAILURE_REASONS, SERVICES
from gateway_client import Configuration
from gateway_client.archive.offers import ServiceClass
from gateway_client.objects.private_elements import PRIVATE_ELEMENTS


def statement(configuration: Configuration) -> str:
    """Write the statement of a configuration."""
    page, ports = Page(), ports_of(configuration)
    page.title("DICOM Conformance Statement")
    page.say(texts.MADE)
    _overview(page, ports)
    page.section(1, "Table of contents")
    page.contents()
    page.section(1, "Introduction")
    page.say(*texts.INTRODUCTION)
    networking.write(page, configuration, ports)
    _media(page)
    _character_sets(page)
    _security(page, ports)
    _annexes(page, ports)
    return page.text()


def _overview(page: Page, ports: Sequence[Port]) -> None:
    page.section(1, "Conformance statement overview")
    page.say(texts.OVERVIEW)
    provided = _provided(ports)
    told = [
        (name, ", ".join(role for role, of in (("SCU", texts.USED), ("SCP", provided)) if classes & of), about)
        for name, (classes, about) in texts.SERVICE_CLASSES.items()
    ]
    page.table(("service class", "roles", "SOP classes"), [row for row in told if row[1]])
    page.table(("media", "roles", "profile"), texts.MEDIA)


def _media(page: Page) -> None:
    page.section(1, "Media interchange")
    page.say(texts.MEDIA_INTERCHANGE)


def _character_sets(page: Page) -> None:
    page.section(1, "Support of character sets")
    page.table(("Specific Character Set", "support"), texts.CHARACTER_SETS)
    page.say(texts.PERSON_NAMES)


def _security(page: Page, ports: Sequence[Port]) -> None:
    page.section(1, "Security")
    secured = [port.name for port in ports if port.tls]
    page.say(f"TLS at: {', '.join(secured) or 'no port of this configuration'}.", texts.SECURITY)


def _annexes(page: Page, ports: Sequence[Port]) -> None:
    page.section(1, "Annexes")
    page.section(2, "Storage SOP classes")
    page.table(("SOP class", "UID"), networking.storage_classes(ports))
    page.section(2, "Transfer syntaxes")
    page.table(("transfer syntax", "UID"), networking.transfer_syntaxes(ports))
    page.section(2, "Attributes of queries")
    page.say(texts.ATTRIBUTES)
    for title, rows in attributes.levels():
        page.section(3, title)
        page.table(
            ("attribute", "tag", "VR", "type", "matching"), [(it.name, it.tag, it.vr, it.type, it.matching) for it in rows]
        )
    page.section(3, "Told of every match")
    page.table(("attribute", "tag", "levels", "value"), texts.TOLD)
    provided = _provided(ports)
    if ServiceClass.WORKLIST in provided:
        page.section(3, "Worklist")
        page.table(
            ("attribute", "tag", "VR", "matching"), [(it.name, it.tag, it.vr, it.matching) for it in attributes.worklist()]
        )
    page.section(2, "Statuses")
    for service in (it for it in SERVICES if it.of & provided):
        page.section(3, service.title)
        page.table(("status", "when"), service.rows)
    page.section(3, "Failure Reason of Storage Commitment")
    page.table(("reason", "meaning"), [(f"{reason:04X}", text) for reason, text in FAILURE_REASONS.items()])
    page.section(2, "Private attributes")
    page.say(texts.PRIVATE_ATTRIBUTES)
    page.table(("tag", "private creator", "name", "VR", "VM"), _private_elements())
    page.section(2, "Private SOP classes and transfer syntaxes")
    page.say(texts.PRIVATE_CLASSES)


def _provided(ports: Sequence[Port]) -> frozenset[ServiceClass]:
    return frozenset(service_class for port in ports for service_class in port.provided)


def _private_elements() -> list[tuple[str, ...]]:
    return [
        (f"({tag >> 16:04X},xx{tag & 0xFF:02X})", creator, name, vr, vm)
        for creator, elements in PRIVATE_ELEMENTS.items()
        for tag, (vr, vm, name) in elements.items()
    ]
