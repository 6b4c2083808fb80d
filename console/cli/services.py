"""`magbroker broker`, `taskman` and `gateway`: one service each, until a signal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from twisted.internet import asyncioreactor

from console.errors import ConsoleError
from console.serving import Serving, compose
from rules import for_elements, parse_rules, to_elements
from runtime import DataDirectory, GatewaySettings, Settings, check_port, server_context, set_up_logs

out = Console()

_SPOKEN = {"broker": "[XWB]", "text": "text", "broker_tls": "[XWB] over TLS", "text_tls": "text over TLS", "hl7": "HL7"}


def run_serving(
    settings: Settings, site_file: Path | None, packs: Sequence[str], *, with_broker: bool, with_taskman: bool
) -> None:
    """Run broker and TaskMan in this process until SIGTERM or Ctrl-C."""
    if "twisted.internet.reactor" not in sys.modules:
        asyncioreactor.install()  # type: ignore[no-untyped-call]  # twisted gives it no types
    from twisted.internet import reactor  # only after a reactor is installed

    set_up_logs(settings.log_level, settings.log_format)
    directory = DataDirectory(settings.data)
    directory.acquire()
    try:
        if with_broker:
            check_port(settings.broker_port, "RPC broker", "--port or MAGBROKER_BROKER_PORT", settings.broker_host)
            if settings.text_transport:
                check_port(settings.text_port, "text transport", "--text-port or MAGBROKER_TEXT_PORT", settings.text_host)
            if settings.hl7_port is not None:
                check_port(settings.hl7_port, "HL7 listener", "MAGBROKER_HL7_PORT", settings.hl7_host)
        serving = compose(
            settings,
            reactor,  # type: ignore[arg-type]  # twisted types its reactor as a module
            site_file=site_file,
            packs=packs,
            with_broker=with_broker,
            with_taskman=with_taskman,
        )
        _run_reactor(reactor, serving, directory, with_taskman=with_taskman)
    finally:
        directory.release()


def _run_reactor(reactor: object, serving: Serving, directory: DataDirectory, *, with_taskman: bool) -> None:
    failure: list[Exception] = []

    def begin() -> None:
        try:
            serving.start()
        except Exception as error:
            failure.append(error)
            _call(reactor, "stop")
            return
        directory.publish(**{f"{name}_port": port for name, port in serving.ports.items()})
        told = [f"{_SPOKEN[name]} on port {port}" for name, port in serving.ports.items()]
        told += ["TaskMan"] if with_taskman else []
        out.print(f"magbroker serves {', '.join(told)}; Ctrl-C ends it", highlight=False)

    _call(reactor, "callWhenRunning", begin)
    _call(reactor, "run")
    serving.stop()
    if failure:
        raise failure[0]


def _call(reactor: object, name: str, *arguments: Callable[[], None]) -> None:
    getattr(reactor, name)(*arguments)


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
    from gateway_client import GatewayError, run  # its DICOM packages weigh too much for a broker

    try:
        run(settings, read_rule_elements(settings.gateway.rules))
    except GatewayError as error:
        raise ConsoleError(str(error)) from error


def check_gateway(settings: GatewaySettings) -> None:
    """Say what a gateway's dictionaries hold. Raises ConsoleError with all that is wrong in them, each with its place.

    Raises BadCertificate for a file of a listener's that cannot be used.
    """
    from gateway_client import (
        GatewayError,
        check_destinations,
        listeners_of,
        read_dictionaries,
    )  # its DICOM packages weigh too much for a broker

    try:
        check_destinations(settings.destination)
        found = read_dictionaries(settings)
        for listener in listeners_of(settings, found.instruments):
            if listener.tls is not None:
                server_context(listener.tls)
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
