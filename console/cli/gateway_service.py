"""`magbroker gateway`: it serves until a signal, or says what its dictionaries hold."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from console.errors import ConsoleError
from gateway_client import GatewayError, check_destinations, entities_of, listeners_of, read_dictionaries, run
from rules import for_elements, parse_rules, to_elements
from runtime import GatewaySettings, Settings, check_port, server_context, set_up_logs

out = Console()


def read_rule_elements(path: Path | None) -> list[tuple[str, str]]:
    """Compile a rule file into the elements that ROUTE EVAL START takes, with their subscripts."""
    if path is None:
        return []
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConsoleError(f"The rule file {path} cannot be read: {error.strerror}.") from error
    return [(str(number), element) for number, element in enumerate(to_elements(for_elements(parse_rules(text))), start=1)]


def run_gateway(settings: Settings) -> None:
    """Run the DICOM gateway in this process until SIGTERM or Ctrl-C."""
    set_up_logs(settings.log_level, settings.log_format)
    check_port(settings.gateway.dicom_port, "DICOM", "--dicom-port or MAGBROKER_GATEWAY__DICOM_PORT", settings.gateway.dicom_host)
    try:
        run(settings, read_rule_elements(settings.gateway.rules))
    except GatewayError as error:
        raise ConsoleError(str(error)) from error


def check_gateway(settings: GatewaySettings) -> None:
    """Say what a gateway's dictionaries hold. Raises ConsoleError with all that is wrong in them, each with its place.

    Raises BadCertificate for a file of a listener's that cannot be used.
    """
    try:
        check_destinations(settings.destination)
        found = read_dictionaries(settings)
        entities = entities_of(settings.archive, settings.dicom_host).values()
        certificates = [listener.tls for listener in listeners_of(settings, found.instruments)]
        for tls in (*certificates, *(entity.tls for entity in entities)):
            if tls is not None:
                server_context(tls)
    except GatewayError as error:
        raise ConsoleError(str(error)) from error
    out.print(
        f"The dictionaries are in order: {len(found.instruments)} instruments, {len(found.modalities.by_key)} modalities,"
        f" {len(found.worklists)} worklists, {len(found.user_applications)} applications.",
        highlight=False,
        soft_wrap=True,
    )
    for instrument in found.instruments:
        where = "listened for here" if instrument.sends_to(settings.machine) else f"sends to {instrument.machine}"
        line = f"  {instrument.mnemonic}: port {instrument.port}, {instrument.service}, {where}"
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    for entity in entities:
        line = (
            f"  {entity.ae_title}: {f'port {entity.port}, ' if entity.port else ''}{entity.role.replace('_', ' ')} of the archive"
        )
        out.print(line, markup=False, highlight=False, soft_wrap=True)
