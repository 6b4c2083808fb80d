"""`magbroker echo` and `send`: whether a peer answers, and objects for it."""

from __future__ import annotations

from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

from console.cli.dicom_options import Far, at_peer, bar, printed
from console.cli.options import out
from console.errors import NothingThere, Unreachable
from console.scu.files import Search
from console.scu.sending import Sender, Sent, Tally
from console.scu.verification import Echo, Greeting, verify
from gateway_client import Result
from gateway_client.query_retrieve import STORAGE, Peer, printable, run, told_status

#: Files of one trouble that are named, of more the number.
SHOWN = 20
_MILLI = 1000


@at_peer()
def echo(
    peer: Peer,
    count: Annotated[int, typer.Option("--count", "-n", help="C-ECHOs over the one association.", min=1, max=1_000_000)] = 1,
    *,
    as_json: bool,
) -> int:
    """Ask a DICOM peer whether it answers (C-ECHO), how fast, and what it is.

    For example: magbroker echo 127.0.0.1:11112 --called MAGBROKER --count 5
    """
    told: list[Greeting | Echo] = []

    def tell(heard: Greeting | Echo) -> None:
        told.append(heard)
        if not as_json:
            out.print(_greeting(peer, heard) if isinstance(heard, Greeting) else _answer(heard), highlight=False, soft_wrap=True)

    run(lambda reactor: verify(reactor, peer, count, tell))
    (greeting,) = (heard for heard in told if isinstance(heard, Greeting))
    echoes = [heard for heard in told if isinstance(heard, Echo)]
    seconds = [heard.seconds for heard in echoes]
    if as_json:
        printed(
            {
                "peer": str(peer),
                "implementation_class_uid": greeting.implementation_class_uid,
                "implementation_version_name": greeting.implementation_version_name,
                "maximum_pdu": greeting.maximum_pdu,
                "association_seconds": round(greeting.seconds, 6),
                "echoes": [
                    {"status": f"{it.status:04X}", "seconds": round(it.seconds, 6)} for it in echoes if isinstance(it, Echo)
                ],
            }
        )
    elif count > 1:
        low, middle, high = (f"{value * _MILLI:.1f}" for value in (min(seconds), mean(seconds), max(seconds)))
        out.print(f"{count} answers: least {low}, mean {middle}, most {high} ms", highlight=False)
    return 0


def _greeting(peer: Peer, heard: Greeting) -> str:
    limit = f"PDUs of up to {heard.maximum_pdu} bytes" if heard.maximum_pdu else "PDUs of any length"
    name = printable(heard.implementation_version_name or heard.implementation_class_uid)
    return escape(f"{peer} ({name}) accepts the association in {heard.seconds * _MILLI:.1f} ms, and takes {limit}")


def _answer(heard: Echo) -> str:
    return f"C-ECHO: {told_status(heard.status)} in {heard.seconds * _MILLI:.1f} ms"


@at_peer()
def send(
    peer: Peer,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files, and folders with files.", show_default=False)],
    associations: Annotated[
        int, typer.Option("--associations", "-a", help="Associations side by side, at most.", min=1, max=64)
    ] = 1,
    recursive: Annotated[bool, typer.Option(help="Look into folders below folders.")] = True,
    *,
    as_json: bool,
) -> int:
    """Send DICOM files to a peer as they are (C-STORE): nothing is decoded, each in the transfer syntax that it has.

    DICOM files are found by their head, whatever their name; others are passed over and counted. Where the peer agrees to it
    (asynchronous operations window), objects do not wait for the answers of those before. --json prints a line for each file,
    and one for all.

    For example: magbroker send 127.0.0.1:11112 --called MAGBROKER --associations 4 /data/studies
    """
    files = Search()
    with bar(lambda: Far(f"{len(files.found)} DICOM files found", 0), shown=not as_json):
        files.look_into(paths, recursive=recursive)
    if not files.found:
        if as_json:
            printed({"summary": _counts(Tally(), files)})
        raise NothingThere(f"There is no DICOM file to be sent{files.passed_over}.")
    told: list[Sent] = []

    def tell(sent: Sent) -> None:
        if sent.outcome.reason:
            told.append(sent)
        if as_json:
            printed(_row(sent))

    sender = Sender(peer, associations, tell)
    tally = sender.tally

    def far() -> Far:
        return Far(f"{tally.done} of {len(files.found)} files", tally.read, files.size)

    try:
        with bar(far, DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(), shown=not as_json):
            run(lambda reactor: sender.send(reactor, files.found))
    finally:
        if as_json:
            printed({"summary": _counts(tally, files)})
        else:
            _show(peer, tally, files, told)
    return _status(tally, files)


def _row(sent: Sent) -> dict[str, Any]:
    meta, outcome = sent.file.meta, sent.outcome
    answered = sent.stored or outcome.status
    return {
        "file": str(sent.file.path),
        "sop_class": meta.sop_class_uid,
        "sop_instance": meta.sop_instance_uid,
        "transfer_syntax": meta.transfer_syntax,
        "bytes": sent.file.size,
        "result": outcome.result.value,
        "status": f"{outcome.status:04X}" if answered else None,
        "comment": outcome.comment,
        "reason": outcome.reason,
    }


def _counts(tally: Tally, files: Search) -> dict[str, Any]:
    results = {result.value: tally.results[result] for result in Result}
    return {
        "files": len(files.found),
        **results,
        "bytes": tally.read,
        "associations": tally.associations,
        "skipped": files.skipped,
    }


def _show(peer: Peer, tally: Tally, files: Search, told: list[Sent]) -> None:
    """Print what was not stored, or with a warning, by the reason, and how many were."""
    groups: dict[str, list[Sent]] = {}
    for sent in told:
        groups.setdefault(_trouble(sent), []).append(sent)
    for trouble, group in groups.items():
        out.print(f"[bold]{escape(trouble)}[/]: {len(group)} file{'s' * (len(group) > 1)}", highlight=False, soft_wrap=True)
        for sent in group[:SHOWN]:
            out.print(escape(f"    {sent.file.path}"), highlight=False, soft_wrap=True)
        if len(group) > SHOWN:
            out.print(f"    and {len(group) - SHOWN} more (--json names all)", highlight=False)
    stored, total = tally.results[Result.SENT], len(files.found)
    words = [
        f"{tally.results[result]} {result.value}" for result in Result if result is not Result.SENT and tally.results[result]
    ]
    if tally.done < total:
        words.append(f"{total - tally.done} not tried")
    noun = "file" if total == 1 else "files"
    said = f"{peer} stored {stored} of {total} {noun}{''.join(f', {word}' for word in words)}{files.passed_over}."
    out.print(f"[{'green' if stored == total else 'red'}]{escape(said)}[/]", highlight=False, soft_wrap=True)


def _trouble(sent: Sent) -> str:
    """Say what a file has in common with others: its result, and status and Error Comment or another reason."""
    outcome = sent.outcome
    why = told_status(outcome.status, outcome.comment, STORAGE) if outcome.status else printable(outcome.reason).removesuffix(".")
    return f"{'stored with a warning' if sent.stored else outcome.result.value}, {why}"


def _status(tally: Tally, files: Search) -> int:
    if tally.results[Result.SENT] == len(files.found):
        return 0
    return 1 if tally.associations else Unreachable.status
