"""The `magbroker` command: declares what can be said; the work is done in the modules beside it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.markup import escape
from rich.table import Table

from broker import BrokerError
from console.cli import faults, procedures, rules, site, tasks, traffic, transfer
from console.cli.options import (
    ConfigOption,
    DataOption,
    InstalledOption,
    JsonOption,
    PackOption,
    err,
    find_packs_here,
    out,
)
from console.cli.services import run_gateway, run_serving
from console.database import opened
from console.errors import ConsoleError
from console.road import read_status
from fileman import FileManError
from rules import RuleError
from runtime import RuntimeProblem, Settings, SystemClock, load_settings, read_run_file
from taskman import TaskManError
from xwb import XWBError

app = typer.Typer(
    help="A stand-in for VistA's imaging side: RPC broker, DICOM gateway, routing rules, TaskMan.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(site.app, name="site")
app.add_typer(faults.app, name="fault")
app.add_typer(procedures.app, name="rpc")
app.add_typer(tasks.app, name="tasks")
app.add_typer(rules.app, name="rules")
traffic.register(app)
transfer.register(app)

SiteOption = Annotated[Path | None, typer.Option("--site", help="Site file that fills an empty database.")]


@app.command()
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
    from console.demo import run_up  # its DICOM packages weigh too much for a broker

    raise typer.Exit(run_up(_settings(config, data=data), site, config, demo=demo, once=once))


@app.command()
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
    settings = _settings(config, data=data, broker_port=port, text_port=text_port, installed_packs=installed_packs)
    if rpc_pack:
        find_packs_here()
    run_serving(settings, site, rpc_pack or [], with_broker=True, with_taskman=taskman)


@app.command()
def taskman(config: ConfigOption = None, data: DataOption = None, site: SiteOption = None) -> None:
    """Run TaskMan alone, as a worker beside brokers (PostgreSQL only)."""
    settings = _settings(config, data=data)
    if settings.database_url.startswith("sqlite"):
        raise ConsoleError("On SQLite one process owns the database: 'magbroker broker' runs TaskMan too.")
    run_serving(settings, site, [], with_broker=False, with_taskman=True)


@app.command()
def gateway(
    config: ConfigOption = None,
    data: DataOption = None,
    dicom_port: Annotated[int | None, typer.Option(help="Port of the storage SCP (default 11112).")] = None,
    broker_port: Annotated[int | None, typer.Option(help="Port of the broker to file at (default 9430).")] = None,
    rules: Annotated[Path | None, typer.Option(help="Rule file to start this location's evaluator with.")] = None,
) -> None:
    """Receive DICOM, file it over the broker, send on what the rules queue."""
    settings = _settings(config, data=data, broker_port=broker_port)
    changes = {"dicom_port": dicom_port, "rules": rules}
    given = {name: value for name, value in changes.items() if value is not None}
    run_gateway(settings.model_copy(update={"gateway": settings.gateway.model_copy(update=given)}))


@app.command("demo-sink", hidden=True)
def demo_sink(
    port: Annotated[int, typer.Option(help="Port to listen on.")],
    directory: Annotated[Path, typer.Option(help="Where received objects go.")],
) -> None:
    """Receive objects by C-STORE and keep them in a directory: the demo's destination."""
    from console.demo import run_demo_sink  # its DICOM packages weigh too much for a broker

    run_demo_sink(port, directory)


@app.command()
def status(config: ConfigOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show images, queues, evaluators, gateways, and images whose gateway was cut off while filing (orphans)."""
    settings = _settings(config, data=data)
    clock = SystemClock()
    with opened(settings) as store:
        state = asdict(store.read(lambda connection: read_status(connection, clock.seconds())))
    running = read_run_file(settings.data)
    if as_json:
        out.print_json(json.dumps({"running": running, **state}))
        return
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_row("broker", f"pid {running['pid']}, port {running['broker_port']}" if running else "not running")
    for name in ("images", "correct"):
        table.add_row({"correct": "on the CORRECT list"}.get(name, name), str(state[name]))
    for name in ("queues", "exports", "tasks"):
        table.add_row(name, ", ".join(f"{key} {count}" for key, count in state[name].items()) or "empty")
    for name in ("evaluators", "brokers", "managers"):
        table.add_row(name, "\n".join(state[name]) or "none")
    for machine, facts in state["gateways"].items():
        table.add_row(f"gateway {machine}", ", ".join(f"{key} {value}" for key, value in facts.items()))
    orphans = [f"image {it['image']} stored {it['stored']} by {it['gateway']}" for it in state["orphans"]]
    table.add_row("orphans", "\n".join(orphans) or "none")
    out.print(table, highlight=False)


def _settings(config: Path | None, **given: Any) -> Settings:
    return load_settings(config, **given)


def main() -> NoReturn:
    """Run the command; what goes wrong is said in one line, with exit status 1."""
    try:
        status = app(standalone_mode=False)  # typer.Exit is given back as its status here
    except (ConsoleError, RuntimeProblem, FileManError, BrokerError, XWBError, RuleError, TaskManError) as error:
        err.print(f"[red]magbroker:[/] {escape(str(error))}", highlight=False)
        sys.exit(getattr(error, "status", 1))
    except typer.Exit as done:
        sys.exit(done.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    except FileNotFoundError as error:
        err.print(f"[red]magbroker:[/] {error.filename} does not exist.", highlight=False)
        sys.exit(1)
    except Exception as error:
        if type(error).__module__.startswith(("click", "typer")) and hasattr(error, "show"):
            error.show()
            sys.exit(2)
        raise
    sys.exit(status if isinstance(status, int) else 0)


if __name__ == "__main__":
    main()
