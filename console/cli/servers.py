"""`magbroker up`, `broker`, `taskman` and `gateway`: what they take. Each imports what it runs, which no other one needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.cli.options import ConfigOption, DataOption, InstalledOption, PackOption, find_packs_here
from console.errors import ConsoleError
from runtime import load_settings

SiteOption = Annotated[Path | None, typer.Option("--site", help="Site file that fills an empty database.")]


def up(
    config: ConfigOption = None,
    data: DataOption = None,
    site: SiteOption = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Load the demo site, send real images through, show what happened.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="Stop after the demonstration; exit status 0 if all arrived.")] = False,
) -> None:
    """Start everything on this machine: broker, TaskMan and gateway; Ctrl-C ends it."""
    from console.demo import run_up

    raise typer.Exit(run_up(load_settings(config, data=data), site, config, demo=demo, once=once))


def broker(
    config: ConfigOption = None,
    data: DataOption = None,
    site: SiteOption = None,
    port: Annotated[int | None, typer.Option(help="Port of [XWB]; 0 lets the system choose (default 9430).")] = None,
    text_port: Annotated[int | None, typer.Option(help="Port of the text transport, loopback only (default 9431).")] = None,
    rpc_pack: PackOption = None,
    installed_packs: InstalledOption = None,
    taskman: Annotated[bool, typer.Option(help="Run TaskMan in the same process (always needed on SQLite).")] = True,
) -> None:
    """Serve remote procedures; on SQLite TaskMan runs in the same process."""
    from console.cli.services import run_serving

    settings = load_settings(config, data=data, broker_port=port, text_port=text_port, installed_packs=installed_packs)
    if rpc_pack:
        find_packs_here()
    run_serving(settings, site, rpc_pack or [], with_broker=True, with_taskman=taskman)


def taskman(config: ConfigOption = None, data: DataOption = None, site: SiteOption = None) -> None:
    """Run TaskMan alone, as a worker beside brokers (PostgreSQL only)."""
    from console.cli.services import run_serving

    settings = load_settings(config, data=data)
    if settings.database_url.startswith("sqlite"):
        raise ConsoleError("On SQLite one process owns the database: 'magbroker broker' runs TaskMan too.")
    run_serving(settings, site, [], with_broker=False, with_taskman=True)


def gateway(
    config: ConfigOption = None,
    data: DataOption = None,
    dicom_port: Annotated[int | None, typer.Option(help="Port of the storage SCP (default 11112).")] = None,
    broker_port: Annotated[int | None, typer.Option(help="Port of the broker to file at (default 9430).")] = None,
    rules: Annotated[Path | None, typer.Option(help="Rule file to start this location's evaluator with.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Say what the dictionaries hold, or what is wrong, and end.")] = False,
) -> None:
    """Receive DICOM, file it over the broker, send on what the rules queue."""
    from console.cli.gateway_service import check_gateway, run_gateway

    settings = load_settings(config, data=data, broker_port=broker_port)
    if check:
        check_gateway(settings.gateway)
        return
    changes = {"dicom_port": dicom_port, "rules": rules}
    given = {name: value for name, value in changes.items() if value is not None}
    run_gateway(settings.model_copy(update={"gateway": settings.gateway.model_copy(update=given)}))


def demo_sink(
    port: Annotated[int, typer.Option(help="Port to listen on.")],
    directory: Annotated[Path, typer.Option(help="Where received objects go.")],
) -> None:
    """Receive objects by C-STORE and keep them in a directory: the demo's destination."""
    from console.demo import run_demo_sink

    run_demo_sink(port, directory)
