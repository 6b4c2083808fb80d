"""`magbroker broker` and `taskman`: they serve until a signal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from twisted.internet import asyncioreactor

from console.serving import Serving, compose
from runtime import DataDirectory, Settings, check_port, set_up_logs

out = Console()

_SPOKEN = {
    "broker": "[XWB]",
    "text": "text",
    "broker_tls": "[XWB] over TLS",
    "text_tls": "text over TLS",
    "hl7": "HL7",
    "web": "HTTP",
}


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
            if settings.web_port is not None:
                check_port(settings.web_port, "web", "MAGBROKER_WEB_PORT", settings.web_host)
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
