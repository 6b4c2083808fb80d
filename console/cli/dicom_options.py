"""What the DICOM commands have in common: the peer, who calls whom, TLS, `--json`, how they end, what shows that they work."""

from __future__ import annotations

import inspect
import json
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from pydicom.config import disable_value_validation
from rich.console import RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

from console.addresses import parse_address
from console.cli.options import ConfigOption, JsonOption, err, with_options
from console.errors import ConsoleError, Unreachable, WrongUsage
from gateway_client import BadQuery, GatewayError, NoAssociation
from gateway_client.query_retrieve import Peer
from runtime import load_settings

#: What each command says besides at its end.
_EXITS = (
    "Exit status: 0 all was done, 1 the peer refused something or something failed, 2 wrong usage, 3 nothing matched, "
    "4 no association with the peer, or none any more, 130 Ctrl-C."
)
_AE_TITLE_LENGTH = 16

_PeerArgument = Annotated[str, typer.Argument(metavar="HOST:PORT", help="The peer; an IPv6 address stands in brackets.")]
_CalledOption = Annotated[str, typer.Option("--called", "-c", metavar="AE", help="AE title of the peer.")]
_CallingOption = Annotated[
    str | None,
    typer.Option(
        "--calling",
        "-g",
        metavar="AE",
        help="AE title that we call as; that of the archive's service tool where the settings have one, else MAGBROKER.",
        show_default=False,
    ),
]
_TimeoutOption = Annotated[float, typer.Option(help="Seconds to wait for an answer.", min=0.1, max=86400)]
_TlsOption = Annotated[bool, typer.Option("--tls", help="Speak TLS with the peer.")]
_AuthorityOption = Annotated[
    Path | None, typer.Option("--ca", help="Certificate authority to trust with --tls (PEM); those of the system if left out.")
]
_CertificateOption = Annotated[Path | None, typer.Option("--cert", help="Our own certificate, shown to the peer (PEM).")]
_KeyOption = Annotated[Path | None, typer.Option("--key", help="Its private key (PEM), where that has a file of its own.")]
_AnyNameOption = Annotated[
    bool, typer.Option("--any-name", help="Take a certificate that the authority signed whatever host it names.")
]


def at_peer(*, timeout: float = 30.0) -> Callable[[Callable[..., int]], Callable[..., None]]:
    """Make a command of the decorated function: its first argument, the peer, comes from the options that all share.

    The last one is `as_json`, which is theirs too. It gives the exit status.
    """

    def made(work: Callable[..., int]) -> Callable[..., None]:
        def command(**given: Any) -> None:
            address, called = given.pop("address"), given.pop("called")
            calling = _calling(given.pop("calling"), given.pop("config"))
            peer = _peer(address, called, calling, given.pop("timeout"), _secured(given))
            with _as_it_is(), _with_its_status():
                raise typer.Exit(work(peer, **given))

        _peer_itself, *own, _as_json = inspect.signature(work, eval_str=True).parameters.values()
        address = inspect.Parameter("address", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=_PeerArgument)
        return with_options(command, [address, *own, *_shared(timeout)], f"{inspect.getdoc(work)}\n\n{_EXITS}")

    return made


@contextmanager
def _as_it_is() -> Iterator[None]:
    """Let what a peer says be told as it is, without warnings, and what goes wrong by the command alone, not by logs."""
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        with disable_value_validation(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.getLogger().removeHandler(handler)


@contextmanager
def _with_its_status() -> Iterator[None]:
    """Have what goes wrong with a peer end the command as `_EXITS` says."""
    try:
        yield
    except BadQuery as error:
        raise WrongUsage(str(error)) from error
    except NoAssociation as error:
        raise Unreachable(str(error)) from error
    except GatewayError as error:
        raise ConsoleError(str(error)) from error


def _shared(timeout: float) -> list[inspect.Parameter]:
    options: dict[str, tuple[Any, Any]] = {
        "called": (_CalledOption, "ANY-SCP"),
        "calling": (_CallingOption, None),
        "config": (ConfigOption, None),
        "timeout": (_TimeoutOption, timeout),
        "tls": (_TlsOption, False),
        "authority": (_AuthorityOption, None),
        "certificate": (_CertificateOption, None),
        "key": (_KeyOption, None),
        "any_name": (_AnyNameOption, False),
        "as_json": (JsonOption, False),
    }
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [inspect.Parameter(name, keyword, default=default, annotation=kind) for name, (kind, default) in options.items()]


def _calling(given: str | None, config: Path | None) -> str:
    """Give the AE title as which we call: where none is given, that of the archive's service tool."""
    if given is not None:
        return given
    archive = load_settings(config).gateway.archive
    return "MAGBROKER" if archive is None else archive.service_tool.ae_title


def _peer(address: str, called: str, calling: str, timeout: float, secured: Any) -> Peer:
    host, port = parse_address(address)
    return Peer(host, port, ae_title(called), ae_title(calling), secured, timeout)


def ae_title(text: str) -> str:
    """Take an AE title (PS3.5 6.2). Raises WrongUsage."""
    printable = text.isascii() and text.isprintable() and "\\" not in text
    if not printable or not 0 < len(text.strip()) <= _AE_TITLE_LENGTH:
        raise WrongUsage(f"{text!r} is no AE title: it has 1 to {_AE_TITLE_LENGTH} characters of ASCII, no backslash.")
    return text.strip()


def _secured(given: dict[str, Any]) -> Any:
    """Take the options of TLS out of those that are given. Raises WrongUsage for some that go with others only."""
    tls = given.pop("tls")
    authority, certificate, key, any_name = (given.pop(name) for name in ("authority", "certificate", "key", "any_name"))
    if not tls:
        if any_name or authority or certificate or key:
            raise WrongUsage("--ca, --cert, --key and --any-name are for TLS: say --tls too.")
        return None
    if key is not None and certificate is None:
        raise WrongUsage("--key is that of --cert: give it too.")
    from gateway_client.query_retrieve import Secured  # TLS takes long to load, and few ask for it

    return Secured(authority, certificate, key, any_name)


@dataclass(frozen=True, slots=True)
class Far:
    """How far something is, of a total where that is known."""

    doing: str
    done: float
    total: float | None = None


class _Bar(Progress):
    """Looks how far it is whenever it is drawn, which costs those nothing who do the work."""

    look: Callable[[], Far]

    def get_renderables(self) -> Iterable[RenderableType]:
        if self.task_ids:
            far = self.look()
            self.update(self.task_ids[0], description=far.doing, completed=far.done, total=far.total)
        yield from super().get_renderables()


@contextmanager
def bar(look: Callable[[], Far], *columns: ProgressColumn, shown: bool = True) -> Iterator[None]:
    """Show on standard error how far something is while it is done, where that is a terminal."""
    parts = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), *columns, TimeElapsedColumn())
    progress = _Bar(*parts, console=err, transient=True, disable=not (shown and err.is_terminal))
    progress.look = look
    progress.add_task("", total=None)
    with progress:
        yield


def printed(value: object) -> None:
    """Print a line of JSON."""
    typer.echo(json.dumps(value))
