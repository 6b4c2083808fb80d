"""The `magbroker` command: its table of commands, each declared in a module beside this one, and how it ends."""

from __future__ import annotations

import gc
import sys
from typing import NoReturn

import typer
from rich.markup import escape

from console.cli.family_names import FAMILIES
from console.cli.late import Late, group_of
from console.cli.options import err

#: Every command: where it is declared, and what `magbroker --help` says of it, the first paragraph of its own help.
COMMANDS = {
    "up": Late("console.cli.servers:up", "Start everything on this machine: broker, TaskMan and gateway; Ctrl-C ends it."),
    "broker": Late("console.cli.servers:broker", "Serve remote procedures; on SQLite TaskMan runs in the same process."),
    "taskman": Late("console.cli.servers:taskman", "Run TaskMan alone, as a worker beside brokers (PostgreSQL only)."),
    "gateway": Late("console.cli.servers:gateway", "Receive DICOM, file it over the broker, send on what the rules queue."),
    "demo-sink": Late("console.cli.servers:demo_sink", hidden=True),
    "status": Late(
        "console.cli.status:status",
        "Show images, queues, evaluators, gateways, today's counts by instrument, media asked for, images cut off (orphans).",
    ),
    "site": Late("console.cli.site:app", "Load the site file into a database, write it out, keep and put back states."),
    "fault": Late("console.cli.faults:app", "Set faults for client tests, and clear them; a running broker heeds them at once."),
    "rpc": Late("console.cli.procedures:app", "Show the remote procedures of a broker, those of packs included, and call them."),
    "audit": Late("console.cli.audit:app", "See who did what to this site, when, what it changed, and what was refused to whom."),
    "archive": Late(
        "console.cli.archive:app", "See and steer short-term and long-term storage: rules, media, operator requests."
    ),
    "worklist": Late("console.cli.worklist:app", "Put scheduled steps on the worklist out of a CSV file, see what is on it."),
    "rules": Late("console.cli.rules:app", "Check, try, publish and explain routing rules."),
    "tasks": Late("console.cli.tasks:app", "See and steer TaskMan: tasks, schedules, errors."),
    "record": Late("console.cli.traffic:record", "Pass a broker's connections on and record every exchange; Ctrl-C ends it."),
    "replay": Late(
        "console.cli.traffic:replay",
        "Serve a recording as a mock broker, or compare a broker with it (exit status 0 when nothing differs).",
    ),
    "shell": Late(
        "console.cli.shell:shell",
        "Work at the site as VistA people do: choose options by name, answer what they ask, call procedures, watch events.",
    ),
    "doctor": Late(
        "console.cli.traffic:doctor",
        "Connect, sign on and call, and say in plain words what is wrong (exit status 0 when all is well).",
    ),
    "echo": Late("console.cli.dicom_store:echo", "Ask a DICOM peer whether it answers (C-ECHO), how fast, and what it is."),
    "send": Late(
        "console.cli.dicom_store:send",
        "Send DICOM files to a peer as they are (C-STORE): nothing is decoded, each in the transfer syntax that it has.",
    ),
    "coerce": Late(
        "console.cli.coerce:coerce",
        "Show what a destination's settings change in files, or write the changed files (--to). Nothing is sent.",
    ),
    "find": Late(
        "console.cli.dicom_query:find", "Query a peer (C-FIND): patients, studies, series, images, or a modality worklist."
    ),
    "move": Late("console.cli.dicom_query:move", "Have a peer send objects to a third one, or to a listener of ours (C-MOVE)."),
    "get": Late(
        "console.cli.dicom_query:get",
        "Get objects of a peer over the same association (C-GET), into a folder, named by their SOP Instance UID.",
    ),
    "commit": Late(
        "console.cli.commitment:commit",
        "Ask an archive to commit to instances (storage commitment), and say which it answers for.",
    ),
    "conformance": Late(
        "console.cli.conformance:conformance",
        "Write the DICOM Conformance Statement of a gateway with these settings, as Markdown (PS3.2).",
    ),
    "dicomdir": Late("console.cli.dicomdir:app", "Make, extend, show, check and import exchange media (DICOMDIR)."),
    "backup": Late(
        "console.cli.backup:backup",
        "Copy a running site to an empty folder: database, images, and each gateway's spool and journal, of one moment.",
    ),
    "restore": Late(
        "console.cli.backup:restore",
        "Put a backup back into an empty data directory and database, of either engine, or check it (--check).",
    ),
    "migrate-store": Late(
        "console.cli.transfer:migrate_store",
        "Copy the site of the SQLite database to PostgreSQL, and compare every table and sequence.",
    ),
}
COMMANDS |= {name: Late(f"console.cli.families:{name}", told) for name, told in FAMILIES.items()}
COMMANDS["queues"] = Late("console.cli.queues:app", FAMILIES["queues"])  # which has verbs of its own besides
#: The base of each package's errors.
_ERRORS = {
    "console.errors": "ConsoleError",
    "runtime.errors": "RuntimeProblem",
    "fileman.errors": "FileManError",
    "broker.errors": "BrokerError",
    "xwb.errors": "XWBError",
    "rules.language.errors": "RuleError",
    "taskman.errors": "TaskManError",
    "gateway_client.errors": "GatewayError",
}

app = typer.Typer(cls=group_of(COMMANDS), no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def magbroker() -> None:
    """A stand-in for VistA's imaging side: RPC broker, DICOM gateway, routing rules, TaskMan."""


def _told() -> tuple[type[Exception], ...]:
    """Give the errors that are said in a line: a package that was not imported raised none."""
    return tuple(getattr(sys.modules[module], name) for module, name in _ERRORS.items() if module in sys.modules)


def main() -> NoReturn:
    """Run the command; what goes wrong is said in one line, with exit status 1."""
    gc.set_threshold(20_000, 10, 10)  # modules make many objects that stay: looking through them is a sixth of a start
    try:
        status = app(standalone_mode=False)  # typer.Exit is given back as its status here
    except _told() as error:
        err.print(f"[red]magbroker:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
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
