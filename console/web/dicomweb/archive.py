"""The archive's procedures as somebody asks them over the web: with his rights, in this process, without a session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from twisted.internet.defer import Deferred

from console.web.dicomweb.errors import DicomWebError, NotHeld, NotYet
from console.web.errors import Away
from console.web.runner import Runner
from fileman import FileManError
from gateway_client import BrokerRefused, NetworkLocations, UnknownShare
from gateway_client.archive.instances import IN_STORE, OFF_LINE, WAITING, Held, Recalled, instances, recall
from rpcs import Session
from rpcs.actions import Caller, context_of
from xwb import LocalArray

#: Seconds for which it is believed where network locations lie.
LEARN_AGAIN = 5.0
#: Who is said to have asked for images to come back into store.
ASKED_BY = "DICOMWEB"
QUERY, RETRIEVE, RECALL, LOCATIONS = "MAGB QUERY", "MAGB RETRIEVE", "MAGB RECALL", "MAGB NETWORK LOCATIONS"
#: Images that one request asks back at most, and one call.
MOST_RECALLED, _RECALLED_AT_ONCE = 10_000, 1000


@dataclass(frozen=True, slots=True)
class Answered:
    """What a procedure answered."""

    lines: list[str]

    @property
    def text(self) -> str:
        """The data as one text."""
        return "\r\n".join(self.lines)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is named by its UIDs, of which the last that is given says the level."""

    study: str = ""
    series: str = ""
    instance: str = ""

    @property
    def request(self) -> dict[str, object]:
        """Give it as MAGB RETRIEVE takes it."""
        level = "IMAGE" if self.instance else "SERIES" if self.series else "STUDY"
        keys = {"0020000D": self.study, "0020000E": self.series, "00080018": self.instance}
        return {"level": level, "relational": True, "keys": {tag: [uid] for tag, uid in keys.items() if uid}}

    @property
    def path(self) -> str:
        """Name it as a path below the service's root."""
        names = ("studies", self.study), ("series", self.series), ("instances", self.instance)
        return "/".join(f"{name}/{uid}" for name, uid in names if uid)


@dataclass(slots=True)
class Archive:
    """Asks the archive; all of it belongs to the reactor's thread. Network locations with relative paths lie below `data`."""

    runner: Runner
    data: Path
    _locations: NetworkLocations = field(default_factory=NetworkLocations)
    _learnt_at: float = float("-inf")

    def for_caller(self, caller: Caller) -> Asking:
        """Ask as somebody may."""
        return Asking(self.runner, caller)

    async def pages(self, caller: Caller, wanted: Wanted) -> AsyncIterator[list[Held]]:
        """Give the instances of something, some at a time. Raises NotAllowed, DicomWebError, and Away."""
        try:
            async for page in instances(self.for_caller(caller), wanted.request):
                if page:
                    yield page
        except BrokerRefused as error:
            raise DicomWebError(str(error)) from error

    async def one(self, caller: Caller, wanted: Wanted) -> Held:
        """Give one instance that is at hand. Raises NotHeld, NotYet where it is not in store, and as `pages`."""
        async for page in self.pages(caller, wanted):
            await self.bring_back(caller, [held for held in page[:1] if held.state != IN_STORE])
            return page[0]
        raise NotHeld

    async def bring_back(self, caller: Caller, away: Sequence[Held]) -> None:
        """Have images brought back into store. Raises NotYet, which says how that stands, unless there are none."""
        if not away:
            return
        states = [one.state for one in away]
        asked, answers = [held.image for held in away[:MOST_RECALLED]], list[Recalled]()
        try:
            for at in range(0, len(asked), _RECALLED_AT_ONCE):
                answers += await recall(self.for_caller(caller), asked[at : at + _RECALLED_AT_ONCE], ASKED_BY, 0.0)
        except BrokerRefused as error:
            raise NotYet(f"{len(away)} of its images are not in store: {error}") from error
        media = sorted({answer.detail for answer in answers if answer.state == OFF_LINE})
        failed = [answer for answer in answers if answer.state not in (IN_STORE, WAITING, OFF_LINE)]
        told = f"{len(away)} of its images are not in store, and were asked for"
        if failed:
            raise NotYet(f"{told}; {failed[0].state}: {failed[0].detail}".rstrip(": "))
        if media or OFF_LINE in states:
            raise NotYet(f"{told}; an operator has to mount {', '.join(media) or 'a medium'}.", retry=600)
        raise NotYet(f"{told}; ask again in a while.")

    async def path_of(self, caller: Caller, held: Held) -> Path:
        """Say where the file of an instance lies here. Raises NotYet where none does."""
        if not held.path:
            raise NotHeld(f"No file holds {held.sop_instance} as it was received.")
        locations = await self.locations(caller)
        try:
            return locations.local_path(held.path)
        except UnknownShare as error:
            raise NotYet(f"{held.sop_instance} lies where this machine cannot reach it.") from error

    async def locations(self, caller: Caller) -> NetworkLocations:
        """Say where network locations lie here."""
        now = self.runner.dispatcher.reactor.seconds()
        if now - self._learnt_at > LEARN_AGAIN:
            lines = (await self.for_caller(caller).call(LOCATIONS)).lines
            self._locations, self._learnt_at = NetworkLocations.parse(lines, self.data), now
        return self._locations


@dataclass(frozen=True, slots=True)
class Asking:
    """Calls procedures for somebody who may, as the gateway's archive asks the broker."""

    runner: Runner
    caller: Caller

    async def call(self, name: str, *arguments: object) -> Answered:
        """Call a procedure. Raises NotAllowed, Away, and DicomWebError for what the procedure fails with."""
        caller = self.caller
        self.runner.check(caller, name)
        session = Session(address=caller.address, duz=caller.duz, name=caller.name, context=context_of(name))
        given = [_argument(it) for it in arguments]
        try:
            result = self.runner.dispatcher.carry_out(session, name, given)
            outcome = await result if isinstance(result, Deferred) else result
        except FileManError as error:
            raise Away from error
        if outcome.error is not None:
            raise DicomWebError(f"{name}: {outcome.error[1].decode('iso-8859-1')}")
        return Answered([line.decode("iso-8859-1") for line in outcome.lines])


def _argument(value: object) -> str | LocalArray[str]:
    if isinstance(value, Mapping):
        return LocalArray.from_mapping(value, "")
    if isinstance(value, list | tuple):
        return LocalArray.from_mapping(dict(enumerate(value, 1)), "")
    return str(value)
