"""The tables of the settings that say what dictionaries say, as the lines that would say it there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from gateway_client.dictionaries.entries import Line
from gateway_client.dictionaries.instrument import Instrument
from runtime import ListenerSettings, ModalitySettings, UserApplicationSettings, WorklistSettings

_Table = TypeVar("_Table", ListenerSettings, ModalitySettings, WorklistSettings, UserApplicationSettings)


def listener_lines(tables: Sequence[ListenerSettings], known: Mapping[str, Instrument]) -> Iterator[Line]:
    """Give the instruments of tables; what one leaves out is as INSTRUMENT.DIC has it, where it is known there."""
    for where, table in _numbered("listener", tables):
        base = known.get(table.mnemonic.strip())
        description, institution, service, port, machine = base.fields[1:] if base else ("", "", "RAD", "", "")
        yield _line(
            where,
            table.mnemonic,
            description if table.description is None else table.description,
            institution if table.institution is None else str(table.institution),
            table.service or service,
            port if table.port is None else str(table.port),
            machine,
        )


def modality_lines(tables: Sequence[ModalitySettings]) -> Iterator[Line]:
    """Give the equipment of tables."""
    for where, it in _numbered("modality", tables):
        yield _line(where, it.manufacturer, it.model, it.modality, it.rules, it.accession, it.text_code, it.text_file, it.service)


def worklist_lines(tables: Sequence[WorklistSettings]) -> Iterator[Line]:
    """Give the worklists of tables."""
    for where, it in _numbered("worklist", tables):
        options = "/".join((it.accession, it.ssn, it.weight, it.allergies, it.reason))
        yield _line(
            where, it.calling_ae_title, str(it.institution), it.service, ",".join(it.imaging_types), options, it.description
        )


def user_application_lines(tables: Sequence[UserApplicationSettings]) -> Iterator[Line]:
    """Give the records of the applications of tables."""
    for where, it in _numbered("user_application", tables):
        name, called, calling = it.name, it.called_ae_title, it.calling_ae_title
        yield _line(where, name, called, calling, it.host, str(it.port), it.kind, str(it.priority), it.use)
        for context in it.contexts:
            for number, syntax in enumerate(context.transfer_syntaxes):
                yield _line(where, "", "" if number else context.sop_class, syntax)
        for role in it.roles:
            yield _line(where, f"~{role.service}", "Y" if role.user else "N", "Y" if role.provider else "N")


def _numbered(name: str, tables: Sequence[_Table]) -> Iterator[tuple[str, _Table]]:
    """Name each table by its number, from 1."""
    return ((f"[[gateway.{name}]] {number}", table) for number, table in enumerate(tables, start=1))


def _line(where: str, *fields: str) -> Line:
    return Line(where, tuple(field.strip() for field in fields))
