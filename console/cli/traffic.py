"""`magbroker record`, `replay` and `doctor`: what they say on a terminal, and their exit status."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from twisted.internet import asyncioreactor

from console.addresses import LAST_PORT, parse_address
from console.cli.options import AccessOption, VerifyOption
from console.doctor import Doctor, Plan, State, Step
from console.errors import ConsoleError
from console.traffic import (
    BadRecording,
    Codes,
    Compared,
    Comparison,
    Exchange,
    Masker,
    MockBroker,
    Playback,
    Pseudonyms,
    Recorder,
    Recording,
    Summary,
    Verdict,
    error_of,
    read_recording,
)
from runtime import format_address, set_up_logs
from xwb import BadCipherTable, Cipher

out, err = Console(), Console(stderr=True)

#: Bytes of the key of a recording's pseudonyms.
KEY_BYTES = 32
#: Differences that are printed in full.
SHOWN = 20

CipherOption = Annotated[
    Path | None, typer.Option("--cipher-table", help="Cipher table of the broker (JSON or XUSRB1.m), where it is not the VA's.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
HostOption = Annotated[str, typer.Option("--host", help="Address to listen on.")]

STATES = {State.GOOD: "[green]ok", State.WARNING: "[yellow]look", State.BAD: "[red]wrong", State.SKIPPED: "[dim]-"}


def record(
    upstream: Annotated[str, typer.Option(help="The broker to pass connections on to, HOST:PORT.")],
    listen: Annotated[int, typer.Option(help="Port for clients; 0 lets the system choose.", min=0, max=LAST_PORT)],
    out_file: Annotated[Path, typer.Option("--out", help="The recording, a new file (JSON lines).")],
    host: HostOption = "127.0.0.1",
    keep_phi: Annotated[
        bool, typer.Option("--keep-phi", help="Keep names, SSN, DFN, ICN and birth dates. Credentials are masked anyway.")
    ] = False,
    cipher_table: CipherOption = None,
) -> None:
    """Pass a broker's connections on and record every exchange; Ctrl-C ends it."""
    target, cipher, reactor = parse_address(upstream), _cipher(cipher_table), _reactor()
    masker = Masker(Pseudonyms(secrets.token_bytes(KEY_BYTES)), cipher, keep_phi=keep_phi)
    recording = Recording(out_file, masker, cipher)
    recorder = Recorder(reactor, target, recording, _tell)
    _serve(
        reactor,
        recorder,
        listen,
        host,
        lambda port: f"records {format_address(*target)} on {format_address(host, port)} into {out_file}",
    )
    _summary(recorder.summary, out_file)
    if recording.failed:
        raise ConsoleError(recording.failed)


def replay(
    file: Annotated[Path, typer.Argument(help="The recording.")],
    port: Annotated[
        int | None, typer.Option(help="Serve the recording on this port; 0 lets the system choose.", min=0, max=LAST_PORT)
    ] = None,
    against: Annotated[str | None, typer.Option(help="Send the recording to this broker, HOST:PORT, and compare.")] = None,
    host: HostOption = "127.0.0.1",
    access: AccessOption = None,
    verify: VerifyOption = None,
    cipher_table: CipherOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve a recording as a mock broker, or compare a broker with it (exit status 0 when nothing differs)."""
    if (port is None) == (against is None):
        raise ConsoleError("Say either --port, to serve the recording, or --against, to compare a broker with it.")
    exchanges, cipher = read_recording(file, _tell_torn), _cipher(cipher_table)
    if not exchanges:
        raise ConsoleError(f"{file} holds no exchange.")
    if against is not None:
        codes = Codes(access, verify) if access is not None and verify is not None else None
        raise typer.Exit(_compare(Comparison(exchanges, parse_address(against), cipher, codes), as_json=as_json))
    reactor = _reactor()
    playback = Playback(exchanges, cipher)
    if playback.unservable:
        _print(f"[yellow]{playback.unservable} of {len(exchanges)} exchanges are no requests with answers that can be served")
    broker = MockBroker(reactor, playback, lambda name: _print(f"[yellow]not recorded:[/] {escape(name)}"))
    _serve(reactor, broker, port or 0, host, lambda chosen: f"serves {file} on {format_address(host, chosen)}")


def doctor(
    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="The broker to examine.")],
    access: AccessOption = None,
    verify: VerifyOption = None,
    context: Annotated[str | None, typer.Option(help="Context (option) to enter.")] = None,
    rpc: Annotated[str | None, typer.Option(help="Procedure to call in the context, without parameters.")] = None,
    sign_on: Annotated[bool, typer.Option(help="Sign on; without, only the connection is examined.")] = True,
    tls: Annotated[bool, typer.Option("--tls", help="Speak TLS.")] = False,
    authority: Annotated[Path | None, typer.Option("--ca", help="Certificate authority to trust with --tls (PEM).")] = None,
    certificate: Annotated[Path | None, typer.Option("--cert", help="Client certificate for --tls (PEM).")] = None,
    key: Annotated[
        Path | None, typer.Option("--key", help="Key of the client certificate (PEM), where --cert does not hold it.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for each answer.", min=0.1, max=600)] = 15.0,
    cipher_table: CipherOption = None,
    as_json: JsonOption = False,
) -> None:
    """Connect, sign on and call, and say in plain words what is wrong (exit status 0 when all is well)."""
    host, port = parse_address(address)
    if key is not None and certificate is None:
        raise ConsoleError("--key is the key of a certificate: give that with --cert.")
    if (authority or certificate) is not None and not tls:
        raise ConsoleError("--ca, --cert and --key are for TLS: say --tls too.")
    if sign_on and sys.stdin.isatty() and not as_json:
        access = access if access is not None else typer.prompt("Access code", hide_input=True)
        verify = verify if verify is not None else typer.prompt("Verify code", hide_input=True)
    codes = (access, verify) if access is not None and verify is not None else None
    plan = Plan(
        host,
        port,
        codes=codes,
        sign_on=sign_on,
        context=context or "",
        rpc=rpc or "",
        tls=tls,
        authority=authority,
        certificate=certificate,
        key=key,
        timeout=timeout,
        cipher=_cipher(cipher_table),
    )
    steps = list(Doctor(plan).examine())
    well = all(step.state is not State.BAD for step in steps)
    if as_json:
        found = {"address": format_address(host, port), "well": well, "steps": [step.as_dict() for step in steps]}
        out.print_json(json.dumps(found))
    else:
        _diagnosis(steps, format_address(host, port), well=well)
    raise typer.Exit(0 if well else 1)


def _tell_torn(error: BadRecording) -> None:
    text = f"{error} It is the last one, and has no end: the recorder was stopped while it wrote. The others are used."
    err.print(f"[yellow]{escape(text)}", highlight=False, soft_wrap=True)


def _cipher(path: Path | None) -> Cipher:
    if path is None:
        return Cipher.standard()
    try:
        return Cipher.from_file(path)
    except BadCipherTable as error:
        raise ConsoleError(f"The cipher table cannot be used: {error}") from error


def _reactor() -> Any:
    if "twisted.internet.reactor" not in sys.modules:
        asyncioreactor.install()  # type: ignore[no-untyped-call]  # twisted gives it no types
    from twisted.internet import reactor  # only after a reactor is installed

    set_up_logs("WARNING")
    return reactor


def _serve(reactor: Any, service: Recorder | MockBroker, port: int, host: str, said: Callable[[int], str]) -> None:
    """Run a service until SIGTERM or Ctrl-C."""
    chosen = service.start(port, host)
    _print(f"magbroker {escape(said(chosen))}; Ctrl-C ends it")
    reactor.addSystemEventTrigger("before", "shutdown", service.stop)
    reactor.run()


def _print(text: str) -> None:
    out.print(text, highlight=False, soft_wrap=True)
    sys.stdout.flush()


def _tell(what: Exchange | str) -> None:
    """Write a line for an exchange: its place, name, sizes, time; never a value."""
    if isinstance(what, str):
        _print(f"[dim]{escape(what)}")
        return
    sizes = f"{len(what.sent)} B, {len(what.received or b'')} B back"
    notes = [error_of(what), "server closed" if what.closed else "", "cut" if what.cut else ""]
    noted = ", ".join(filter(None, notes))
    line = f"{what.conn}.{what.seq:<4} {escape(what.rpc):<34} {sizes:<22} {what.elapsed:.3f} s"
    _print(f"{line}  [yellow]{noted}[/]" if noted else line)


def _summary(summary: Summary, file: Path) -> None:
    table = Table("name", "times", "failed", "mean seconds", box=None, padding=(0, 2))
    for name, count in sorted(summary.calls.items(), key=lambda item: -item[1]):
        table.add_row(escape(name), str(count), str(summary.errors[name] or ""), f"{summary.seconds[name] / count:.3f}")
    out.print(table, highlight=False)
    masked = ", ".join(f"{kind} {count}" for kind, count in summary.masked.most_common()) or "nothing"
    _print(f"{summary.connections} connections, {summary.exchanges} exchanges in {escape(str(file))}; masked: {masked}")


def _compare(comparison: Comparison, *, as_json: bool) -> int:
    table = Table("place", "name", "comparison", "recorded", "answered", box=None, padding=(0, 2))
    rows: list[dict[str, Any]] = []
    with comparison:
        for it in comparison.run():
            rows.append(_row(it))
            if it.verdict is not Verdict.EQUAL and table.row_count < SHOWN:
                table.add_row(*(escape(str(value)) for value in _shown(it)))
    counts = {verdict.value: count for verdict, count in comparison.counts.items()}
    if as_json:
        out.print_json(json.dumps({"equal": comparison.equal, "counts": counts, "exchanges": rows}))
    else:
        if table.row_count:
            out.print(table, highlight=False)
        _print(f"{len(rows)} exchanges: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    return 0 if comparison.equal else 1


def _row(compared: Compared) -> dict[str, Any]:
    recorded, came = compared.difference
    it = compared.exchange
    place = {"conn": it.conn, "seq": it.seq, "rpc": it.rpc, "comparison": compared.verdict.value}
    return {**place, "recorded": recorded, "answered": came, "why": compared.why}


def _shown(compared: Compared) -> Iterable[str]:
    it = compared.exchange
    recorded, came = compared.difference
    return f"{it.conn}.{it.seq}", it.rpc, compared.verdict.value, compared.why or recorded, came


def _diagnosis(steps: list[Step], address: str, *, well: bool) -> None:
    table = Table("step", "", "found", "seconds", title=f"{address}", title_justify="left", box=None, padding=(0, 2))
    for step in steps:
        told = escape(step.found) + (f"\n[bold]{escape(step.advice)}[/]" if step.advice else "")
        table.add_row(step.name, STATES[step.state], told, f"{step.seconds:.3f}" if step.seconds else "")
    out.print(table, highlight=False)
    _print("[green]All is well.[/]" if well else "[red]Something is wrong.[/]")
