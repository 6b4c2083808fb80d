"""`magbroker coerce`: what a destination gets of a file, shown or written."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Self

import typer
from rich.markup import escape

from console.cli.dicom_options import printed
from console.cli.options import ConfigOption, DataOption, JsonOption, err, out
from console.errors import NothingThere, WrongUsage
from console.scu.files import Search
from gateway_client import Change, Configuration, Difference, GatewayError, ObjectFile, change_for, compare, encode_head, read_key
from gateway_client.query_retrieve import printable
from runtime import DestinationSettings, Settings, load_settings, other_names

_CHUNK = 1 << 20
#: Characters of a value that are shown.
_SHOWN = 64
#: Files that are passed over and named, for each reason.
_NAMED = 20
_NAME = re.compile(r"[0-9][0-9.]{0,63}")


def coerce(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="DICOM files, and folders with files.")],
    destination: Annotated[str, typer.Option("--destination", metavar="NAME", help="The transmit destination.")] = "",
    basic: Annotated[bool, typer.Option("--deidentify", help="De-identify without options, whatever a destination has.")] = False,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Write the files there, by their SOP Instance UIDs.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a destination's settings change in files, or write the changed files (--to). Nothing is sent.

    Each element is listed that is different, but for pixels; in sequences behind the number of its item. Pseudonyms are those
    that the gateway of the data directory gives. --json prints a line for each file. What is no DICOM file is passed over, and
    named on standard error.

    A destination without a table of its own is sent to as --destination '*' shows, where the settings have that.

    Exit status 0: all was done. 1: some files cannot be changed, and it is said why. 2: wrong usage. 3: there is no DICOM file,
    or no such destination in the settings.

    For example: magbroker coerce --destination RESEARCH --to /data/research /data/studies
    """
    if bool(destination) is basic:
        raise WrongUsage("Give either --destination NAME, as the settings have it, or --deidentify.")
    settings = load_settings(config, data=data)
    chosen = DestinationSettings.model_validate({"deidentify": "basic"}) if basic else _destination(settings, destination)
    key = Configuration(settings.gateway_directory, settings.data).pseudonym_key
    change = change_for(chosen, lambda: read_key(key))
    files = Search()
    files.look_into(paths)
    if not files.found:
        raise NothingThere(f"There is no DICOM file{files.passed_over}.")
    if to is not None:
        to.mkdir(parents=True, exist_ok=True)
    problems = 0
    for found in files.found:
        outcome = _Outcome.of(found.path, change, to)
        outcome.show(as_json)
        problems += bool(outcome.problem)
    for why, passed in files.passed.items():
        more = f" and {len(passed) - _NAMED} more" if len(passed) > _NAMED else ""
        named = ", ".join(map(str, passed[:_NAMED]))
        err.print(escape(f"passed over, {why}: {len(passed)} ({named}{more})"), highlight=False, soft_wrap=True)
    if problems:
        raise typer.Exit(1)


def _destination(settings: Settings, name: str) -> DestinationSettings:
    """Give a destination's own settings, or for "*" those of all others. Raises NothingThere for any other name."""
    tables = settings.gateway.destination
    if name in tables:
        return tables[name]
    others = other_names(name, [it for it in tables if it != "*"])
    rest = " For those without a table of their own ask with --destination '*'." if "*" in tables else ""
    raise NothingThere(f"The settings have no [gateway.destination.{json.dumps(name, ensure_ascii=False)}].{others}{rest}")


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a file, or why nothing did; `file` is what was written."""

    path: Path
    sop_instance_uid: str = ""
    differences: Sequence[Difference] = ()
    file: Path | None = None
    problem: str = ""

    @classmethod
    def of(cls, path: Path, change: Change | None, to: Path | None) -> Self:
        """Change a file, in a place that is gone afterwards unless it is to be written somewhere."""
        try:
            with tempfile.TemporaryDirectory(dir=to, prefix=".coerced") as folder:
                made = Path(folder, "object")
                uid = _write(path, change, made)
                differences = compare(path, made)
                if to is None:
                    return cls(path, uid, differences)
                if not _NAME.fullmatch(uid):
                    return cls(path, problem=f"The SOP Instance UID {uid!r} is no name for a file.")
                made.replace(to / f"{uid}.dcm")
                return cls(path, uid, differences, to / f"{uid}.dcm")
        except GatewayError as error:
            return cls(path, problem=str(error))
        except OSError as error:
            return cls(path, problem=f"{error.filename or path}: {error.strerror}.")

    def show(self, as_json: bool) -> None:
        """Print it."""
        if as_json:
            changes = [asdict(it) for it in self.differences]
            file = str(self.file) if self.file is not None else None
            printed(
                {"path": str(self.path), "sop_instance_uid": self.sop_instance_uid, "file": file, "problem": self.problem}
                | {"changes": changes}
            )
            return
        told = self.problem or (f"as {self.file}" if self.file is not None else f"as {self.sop_instance_uid}")
        out.print(escape(f"{self.path} {'is not changed: ' if self.problem else ''}{told}"), highlight=False, soft_wrap=True)
        for one in self.differences if self.file is None else ():
            out.print(escape(f"  {one.name}: {_shown(one.before)} -> {_shown(one.after)}"), highlight=False, soft_wrap=True)


def _write(path: Path, change: Change | None, target: Path) -> str:
    """Write an object as it is sent, and give its SOP Instance UID."""
    one = ObjectFile(path, change)
    try:
        meta = replace(one.meta, sending_ae_title="", receiving_ae_title="")
        with target.open("wb") as file:
            file.write(encode_head(meta))
            while one.size:
                file.write(one.read(min(one.size, _CHUNK)))
    finally:
        one.close()
    return meta.sop_instance_uid


def _shown(value: str | None) -> str:
    return "missing" if value is None else printable(value[:_SHOWN]) or "empty"
