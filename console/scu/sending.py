"""C-STORE of many files over one or several associations, each object as it is."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, gatherResults

from console.scu.files import Found
from dul import CONTEXTS_LIMIT, Asked, DulError, Exchange
from gateway_client import (
    WINDOW,
    CutOff,
    NoAssociation,
    NotPart10,
    ObjectFile,
    Outcome,
    Result,
    ask_to_store,
    check_file,
    outcome_of,
    outcome_when_lost,
)
from gateway_client.query_retrieve import Peer, named

#: Associations one after another on which nothing is answered before they are lost, after which no more are tried.
_FRUITLESS = 3


@dataclass(frozen=True, slots=True)
class Sent:
    """A file, and what became of it."""

    file: Found
    outcome: Outcome

    @property
    def stored(self) -> bool:
        """Tell whether the peer has it, by its own word."""
        return self.outcome.result is Result.SENT


@dataclass(slots=True)
class Tally:
    """How far a sending is. `read` counts the bytes of data sets that are on their way or answered."""

    read: int = 0
    results: Counter[Result] = field(default_factory=Counter)
    associations: int = 0
    #: Why there was no association, or none any more: the last reason.
    trouble: str = ""

    @property
    def done(self) -> int:
        """How many files something is known of."""
        return self.results.total()


class _Counted(ObjectFile):
    """An object whose bytes are counted as they go out."""

    tally: Tally

    def read(self, count: int) -> bytes:
        data = super().read(count)
        self.tally.read += len(data)
        return data


class Sender:
    """Sends files. `told` hears what became of each, in the reactor's thread; every file is told of once."""

    def __init__(self, peer: Peer, associations: int, told: Callable[[Sent], None]) -> None:
        self.tally = Tally()
        self._peer = peer
        self._associations = associations
        self._told = told

    async def send(self, reactor: Any, files: Sequence[Found]) -> None:
        """Send files: all that one association can propose at a time, in their order."""
        for group in _groups(files):
            waiting = deque(group)
            contexts = [(sop_class, [syntax]) for sop_class, syntax in dict.fromkeys(map(_pair, group))]
            lanes = [
                Deferred.fromCoroutine(self._lane(reactor, waiting, contexts)) for _ in range(min(self._associations, len(group)))
            ]
            await gatherResults(lanes, consumeErrors=True)
            while waiting:
                result = Result.UNSENT if self.tally.associations else Result.UNREACHABLE
                self._tell(waiting.popleft(), Outcome(result, self.tally.trouble))

    async def _lane(self, reactor: Any, waiting: deque[Found], contexts: list[tuple[str, list[str]]]) -> None:
        """Send what waits over one association, and over others where that is lost, until the peer answers nothing any more."""
        fruitless = 0
        while waiting and fruitless < _FRUITLESS:
            try:
                async with self._peer.association(reactor, contexts) as exchange:
                    self.tally.associations += 1
                    answered = await self._over(exchange, waiting)
            except NoAssociation as error:
                self.tally.trouble = str(error)
                return
            fruitless = 0 if answered else fruitless + 1

    async def _over(self, exchange: Exchange, waiting: deque[Found]) -> bool:
        """Keep so many requests waiting that the next one goes out as soon as the window allows it.

        Tell whether any was answered before all were, or the association was lost.
        """
        asked: deque[tuple[Found, ObjectFile, Asked]] = deque()
        answered = False
        while waiting or asked:
            while waiting and len(asked) <= WINDOW:
                file = waiting.popleft()
                begun = self._begin(exchange, file)
                if isinstance(begun, Outcome):
                    self._tell(file, begun)
                else:
                    asked.append((file, *begun))
            if not asked:
                continue
            try:
                response = await asked[0][2].response()
            except DulError as error:
                self.tally.trouble = f"The association with {self._peer} was lost: {error}"
                self._give_up(asked, waiting, error)
                return answered
            except CancelledError:
                self._give_up(asked, waiting, DulError("It was given up."))
                raise
            answered = True
            self._tell(asked.popleft()[0], outcome_of(response))
        return answered

    def _give_up(self, asked: deque[tuple[Found, ObjectFile, Asked]], waiting: deque[Found], why: DulError) -> None:
        """Tell what became of the objects that were asked for; those that were not begun wait again."""
        for file, one, request in reversed(asked):
            outcome = outcome_when_lost(one, request, why)
            if outcome.result is Result.UNSENT:
                waiting.appendleft(file)
            else:
                self._tell(file, outcome)

    def _begin(self, exchange: Exchange, file: Found) -> tuple[ObjectFile, Asked] | Outcome:
        try:
            check_file(file.path)
            one = _Counted(file.path)
        except (CutOff, NotPart10, OSError) as error:
            return Outcome(Result.UNSENT, f"It cannot be read: {error}")
        one.tally = self.tally
        asked = ask_to_store(exchange, one)
        if asked is None:
            one.close()
            meta = file.meta
            return Outcome(Result.REFUSED, f"no context for {named(meta.sop_class_uid)} in {named(meta.transfer_syntax)}")
        return one, asked

    def _tell(self, file: Found, outcome: Outcome) -> None:
        self.tally.results[outcome.result] += 1
        self._told(Sent(file, outcome))


def _pair(file: Found) -> tuple[str, str]:
    return file.meta.sop_class_uid, file.meta.transfer_syntax


def _groups(files: Iterable[Found]) -> list[list[Found]]:
    """Part files so that the pairs of SOP class and transfer syntax of each part find room in one association."""
    groups: list[list[Found]] = []
    pairs: set[tuple[str, str]] = set()
    for file in files:
        if not groups or len(pairs | {_pair(file)}) > CONTEXTS_LIMIT:
            groups.append([])
            pairs.clear()
        pairs.add(_pair(file))
        groups[-1].append(file)
    return groups
