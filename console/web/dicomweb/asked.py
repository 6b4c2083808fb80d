"""One request to DICOMweb, read: who asks, for what, what he accepts, and the query."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from console.web.bodies import header
from console.web.dicomweb.archive import Wanted
from console.web.dicomweb.errors import BadAsked
from console.web.dicomweb.media_types import MediaType, read_accept
from console.web.runner import Runner
from rpcs.actions import Caller

#: UIDs as senders write them, some with components that begin with a zero (PS3.5 9.1).
_UID = re.compile(r"[0-9.]{1,64}")
#: What a path names by UIDs.
_UIDS = {"study": "study", "series": "series", "sop_instance": "instance"}
#: Characters of a query, and names and values in it.
MOST_CHARACTERS, MOST_PARAMETERS = 200_000, 2000


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. `segments` are the variable parts of its path, `parameters` the query in its order."""

    request: Any  # twisted gives it no types
    caller: Caller
    wanted: Wanted
    segments: Mapping[str, str]
    parameters: Sequence[tuple[str, str]]
    accepted: Sequence[MediaType]
    root: str
    #: How the audit names what is done.
    action: str

    @property
    def query(self) -> dict[str, str]:
        """The query, of what is told more than once the last."""
        return dict(self.parameters)

    @property
    def facts(self) -> dict[str, str]:
        """What the audit keeps of it."""
        wanted = self.wanted
        path = self.request.path.decode("ascii", "replace").rpartition(f"/{wanted.path}")[2] if wanted.path else ""
        query = self.request.uri.partition(b"?")[2].decode("ascii", "replace")
        told = {"STUDY": wanted.study, "SERIES": wanted.series, "INSTANCE": wanted.instance, "PATH": path, "QUERY": query}
        return {name: text for name, text in told.items() if text}

    async def note(self, runner: Runner, refused: str = "", **facts: object) -> None:
        """Write down that it was done, before anything is shown, or why it may not be. Raises Away."""
        told = {**self.facts, **{name.upper(): str(value) for name, value in facts.items()}}
        subject = f"study {self.wanted.study}" if self.wanted.study else ""
        await runner.record(self.caller, self.action, told, subject, refused)


def read_request(request: Any, caller: Caller, segments: Mapping[str, str], root: str, action: str) -> Asked:
    """Read a request. Raises BadAsked."""
    uids = {name: segments[segment] for segment, name in _UIDS.items() if segment in segments}
    for name, uid in uids.items():
        if not _UID.fullmatch(uid):
            raise BadAsked(f"{uid[:70]!r} is no UID of a {name}.")
    parameters = _parameters(request.args)
    told = [value for name, value in parameters if name == "accept"]
    accepted = read_accept(",".join(told) or _accept(request))
    return Asked(request, caller, Wanted(**uids), segments, parameters, accepted, f"{_host(request)}{root}", action)


def _parameters(args: Mapping[bytes, Sequence[bytes]]) -> list[tuple[str, str]]:
    pairs = [(name.decode("utf-8", "replace"), value.decode("utf-8", "replace")) for name, it in args.items() for value in it]
    if len(pairs) > MOST_PARAMETERS or sum(len(name) + len(value) for name, value in pairs) > MOST_CHARACTERS:
        raise BadAsked("The query is too long.")
    return pairs


def _accept(request: Any) -> str:
    values = request.requestHeaders.getRawHeaders(b"accept") or []
    return ",".join(value.decode("iso-8859-1") for value in values)


def _host(request: Any) -> str:
    """Give the beginning of an address here as the client has it; over a socket, or from one that told none, a path."""
    host = header(request, b"host")
    if not re.fullmatch(r"[A-Za-z0-9.\-:\[\]]{1,255}", host):
        return ""
    return f"{'https' if request.isSecure() else 'http'}://{host}"
