"""`magbroker status`: what the database knows of the site at this moment."""

from __future__ import annotations

import json

from rich.markup import escape
from rich.table import Table

from console.cli.options import (
    AccessOption,
    AuthorityOption,
    BrokerOption,
    ConfigOption,
    DataOption,
    JsonOption,
    TlsOption,
    VerifyOption,
    out,
)
from console.tasks.desk import open_desk
from console.way import Way
from runtime import load_settings, read_run_file


def status(
    config: ConfigOption = None,
    data: DataOption = None,
    access: AccessOption = None,
    verify: VerifyOption = None,
    broker: BrokerOption = None,
    tls: TlsOption = False,
    authority: AuthorityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show images, queues, evaluators, gateways, today's counts by instrument, media asked for, images cut off (orphans)."""
    settings = load_settings(config, data=data)
    with open_desk(Way(settings, access, verify, broker, tls, authority)) as desk:
        state = desk.ask("MAGB STATUS")
    running = read_run_file(settings.data)
    if as_json:
        out.print_json(json.dumps({"running": running, **state}))
        return
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_row("broker", f"pid {running['pid']}, port {running['broker_port']}" if running else "not running")
    for name in ("images", "correct"):
        table.add_row({"correct": "on the CORRECT list"}.get(name, name), str(state[name]))
    table.add_row("alerts", ", ".join(f"{kind} {count}" for kind, count in state.get("alerts", {}).items()) or "none")
    for name in ("queues", "exports", "tasks"):
        table.add_row(name, ", ".join(f"{key} {count}" for key, count in state[name].items()) or "empty")
    for name in ("held", "evaluators", "brokers", "managers"):
        table.add_row({"held": "held destinations"}.get(name, name), "\n".join(state[name]) or "none")
    for machine, facts in state["gateways"].items():
        table.add_row(f"gateway {machine}", ", ".join(f"{key} {value}" for key, value in facts.items()))
    counts = [f"{name} {it['acquired']} acquired, {it['processed']} processed" for name, it in state["instruments"].items()]
    table.add_row("instruments today", "\n".join(counts) or "none")
    table.add_row("media asked for", "\n".join(map(escape, state["media"])) or "none")
    if state["long_term_faults"]:
        table.add_row("long-term copies at fault", str(state["long_term_faults"]))
    orphans = [f"image {it['image']} stored {it['stored']} by {it['gateway']}" for it in state["orphans"]]
    table.add_row("orphans", "\n".join(orphans) or "none")
    out.print(table, highlight=False)
