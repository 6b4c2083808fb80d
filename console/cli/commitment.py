"""`magbroker commit`: whether an archive answers for what it was sent."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import MofNCompleteColumn

from console.addresses import LAST_PORT
from console.cli.dicom_options import Far, at_peer, bar, printed
from console.cli.options import out
from console.errors import NothingThere, WrongUsage
from console.scu.files import Search
from gateway_client import (
    MOST_REFERENCES,
    CommitmentResult,
    CommitmentSCU,
    NoCommitmentResult,
    PeerFailed,
    Reference,
    reason_text,
)
from gateway_client.query_retrieve import Peer

#: Instances of one failure reason that are named, of more the number.
SHOWN = 20
#: What to do about an archive that has not told, when it could do so on an association of ours only.
_LISTEN = "If it tells over an association that it opens itself, try --listen PORT"


@at_peer()
def commit(
    peer: Peer,
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH...", help="Files, and folders with files.", show_default=False)
    ] = None,
    uids: Annotated[
        Path | None,
        typer.Option(help="In place of files: lines of SOP Class UID and SOP Instance UID, in a file or - (standard input)."),
    ] = None,
    listen: Annotated[
        int | None,
        typer.Option(help="Port for an archive that opens an association to tell what came of it.", min=0, max=LAST_PORT),
    ] = None,
    seconds: Annotated[float, typer.Option(help="Seconds to wait for each result.", min=0.1, max=86400)] = 60.0,
    per_transaction: Annotated[int, typer.Option(help="Instances in a transaction.", min=1, max=MOST_REFERENCES)] = 1000,
    *,
    as_json: bool,
) -> int:
    """Ask an archive to commit to instances (storage commitment), and say which it answers for.

    The result is taken whichever way it comes: on the same association, on one that the archive opens to --listen, or on our
    next one. --json prints a line for each instance.

    For example: magbroker commit 127.0.0.1:11112 --called MAGBROKER /data/study
    """
    if bool(paths) == bool(uids):
        raise WrongUsage("Name files or folders, or UIDs by --uids.")
    references = list(dict.fromkeys(_listed(uids) if uids is not None else _found(paths or [])))
    if not references:
        raise NothingThere("There is no instance to ask for.")
    parts = [references[start : start + per_transaction] for start in range(0, len(references), per_transaction)]
    reasons: Counter[str] = Counter()
    done = 0
    with bar(lambda: Far("instances", done, len(references)), MofNCompleteColumn(), shown=not as_json):
        for result in _results(peer, parts, listen, seconds):
            (_print_json if as_json else _print)(result, reasons)
            done += len(result.committed) + len(result.failed)
            reasons.update(reason_text(reason) for _, reason in result.failed)
    failed = reasons.total()
    if not as_json:
        said = f"{peer} has committed {len(references) - failed} of {len(references)} instances"
        told = "".join(f", not {count} ({reason})" for reason, count in reasons.most_common())
        out.print(f"[{'red' if failed else 'green'}]{escape(said + told)}.[/]", highlight=False, soft_wrap=True)
    return 1 if failed else 0


def _results(peer: Peer, parts: Sequence[Sequence[Reference]], listen: int | None, seconds: float) -> Iterator[CommitmentResult]:
    try:
        with CommitmentSCU(peer, listen=listen) as scu:
            for part in parts:
                yield scu.result(scu.ask(part), seconds)
    except NoCommitmentResult as error:
        advice = f"{_LISTEN}; the archive has to know {peer.calling} at this host and port." if listen is None else ""
        raise PeerFailed(f"{error} {advice}".rstrip()) from error


def _listed(uids: Path) -> Iterator[Reference]:
    text = sys.stdin.read() if str(uids) == "-" else uids.read_text(encoding="ascii", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if words and len(words) != 2:
            raise WrongUsage(f"Line {number} of {uids} is not a SOP Class UID and a SOP Instance UID: {line!r}.")
        if words:
            yield Reference(*words)


def _found(paths: Sequence[Path]) -> Iterator[Reference]:
    files = Search()
    files.look_into(paths)
    for one in files.found:
        yield Reference(one.meta.sop_class_uid, one.meta.sop_instance_uid)


def _print(result: CommitmentResult, before: Counter[str]) -> None:
    """Name what is not committed, of each reason the first ones."""
    counts = before.copy()
    for reference, reason in result.failed:
        why = reason_text(reason)
        counts[why] += 1
        if counts[why] <= SHOWN:
            out.print(f"{escape(reference.sop_instance)}  {why}", highlight=False, soft_wrap=True)
        elif counts[why] == SHOWN + 1:
            out.print(f"and more, {why} (--json names all)", highlight=False, soft_wrap=True)


def _print_json(result: CommitmentResult, _before: Counter[str]) -> None:
    for reference, reason in (*((it, None) for it in result.committed), *result.failed):
        printed(
            {
                "sop_class": reference.sop_class,
                "sop_instance": reference.sop_instance,
                "transaction": result.transaction,
                "committed": reason is None,
                "reason": None if reason is None else f"{reason:04X}",
            }
        )
