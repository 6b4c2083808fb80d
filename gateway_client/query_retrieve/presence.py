"""Which instances a destination has already, as it says by C-FIND."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dul import Exchange, c_find
from gateway_client.configuration import Configuration
from gateway_client.errors import GatewayError
from gateway_client.query_retrieve.keys import SYNTAXES, decode, encode
from gateway_client.query_retrieve.peer import Peer
from gateway_client.query_retrieve.query import FIND, MODELS, question

log = logging.getLogger(__name__)

#: Seconds for which an answer is believed, and for which a peer that did not answer is not asked again.
BELIEVED_FOR = 60.0
#: Seconds that the queries of one run of objects may take together.
ASKED_FOR = 30.0
#: Series of a study, instances of a series and of a study, and studies, that are taken note of: what is beyond that counts as
#: not there.
MOST_SERIES, MOST_INSTANCES, MOST_OF_STUDY, MOST_STUDIES = 1_000, 10_000, 20_000, 16
_MODEL = MODELS["study"] + FIND
#: What may be asked for: of other values nobody knows what they would match.
_UID = re.compile(r"[0-9.]{1,64}")
_NONE: frozenset[str] = frozenset()


class InstanceKey(NamedTuple):
    """The unique keys of an instance, from the study down."""

    study: str
    series: str
    instance: str


@dataclass(slots=True)
class _Study:
    """What a peer has of a study: its series, each with the instances once they were asked for."""

    at: float
    series: dict[str, frozenset[str] | None] = field(default_factory=dict)

    def knows(self, series: str) -> bool:
        return self.series.get(series, _NONE) is not None

    @property
    def room(self) -> int:
        return max(0, min(MOST_INSTANCES, MOST_OF_STUDY - sum(len(it) for it in self.series.values() if it)))


def asked_for(configuration: Configuration, destination: str, ae_title: str, host: str, port: int) -> Peer | None:
    """Give the peer that says what a destination has: itself unless another is named; None where none is asked."""
    settings = configuration.destination(destination)
    if not settings.skip_present:
        return None
    if (other := configuration.peers.get(settings.query_ae_title)) is not None:
        ae_title, host, port = settings.query_ae_title, other.host, other.port
    return Peer(host, port, ae_title, configuration.calling_ae_title, timeout=configuration.dimse_timeout)


class Presence:
    """Asks peers, once for a study within a minute. It belongs to the reactor's thread."""

    def __init__(self, configuration: Configuration, reactor: Any, monotonic: Callable[[], float]) -> None:
        self._configuration = configuration
        self._reactor = reactor
        self._monotonic = monotonic
        self._studies: dict[tuple[Peer, str], _Study] = {}
        self._silent: dict[Peer, float] = {}
        self._open: set[Exchange] = set()

    async def there(self, peer: Peer, wanted: Sequence[InstanceKey]) -> set[str]:
        """Give the instances that a peer has; where it cannot be asked it has none, and the log says why."""
        now = self._monotonic()
        self._forget(now)
        series = dict.fromkeys(
            (key.study, key.series) for key in wanted if _UID.fullmatch(key.study) and _UID.fullmatch(key.series)
        )
        unknown = [one for one in series if not self._knows(peer, *one)]
        if unknown and now >= self._silent.get(peer, 0.0):
            try:
                await self._ask(peer, unknown)
            except GatewayError as error:
                self._silent[peer] = self._monotonic() + BELIEVED_FOR
                log.warning("It is not known what %s has, and everything is sent: %s", peer, error)
        return {key.instance for key in wanted if key.instance in self._instances(peer, key)}

    def close(self) -> None:
        """Abort what is being asked."""
        for exchange in [*self._open]:
            exchange.abort()

    def _knows(self, peer: Peer, study: str, series: str) -> bool:
        known = self._studies.get((peer, study))
        return known is not None and known.knows(series)

    def _instances(self, peer: Peer, key: InstanceKey) -> frozenset[str]:
        known = self._studies.get((peer, key.study))
        return (known.series.get(key.series) if known is not None else None) or _NONE

    def _forget(self, now: float) -> None:
        for key in [key for key, known in self._studies.items() if now - known.at > BELIEVED_FOR]:
            del self._studies[key]
        for peer in [peer for peer, until in self._silent.items() if now >= until]:
            del self._silent[peer]

    async def _ask(self, peer: Peer, unknown: Iterable[tuple[str, str]]) -> None:
        async with peer.association(self._reactor, [(_MODEL, SYNTAXES)]) as exchange:
            limit = self._reactor.callLater(ASKED_FOR, exchange.abort)
            self._open.add(exchange)
            try:
                for study, series in unknown:
                    await self._learn(exchange, peer, study, series)
            finally:
                self._open.discard(exchange)
                if limit.active():
                    limit.cancel()

    async def _learn(self, exchange: Exchange, peer: Peer, study: str, series: str) -> None:
        """Ask for the series of a study that is not known, and for the instances of one that is there."""
        known = self._studies.get((peer, study))
        if known is None:
            words: tuple[str, ...] = (f"StudyInstanceUID={study}", "SeriesInstanceUID")
            there = await _find(exchange, peer.syntax_for(exchange, _MODEL), "series", words, MOST_SERIES)
            known = self._studies[peer, study] = _Study(self._monotonic(), dict.fromkeys(there))
            while len(self._studies) > MOST_STUDIES:
                del self._studies[next(iter(self._studies))]
        if not known.knows(series):
            words = (f"StudyInstanceUID={study}", f"SeriesInstanceUID={series}", "SOPInstanceUID")
            there = await _find(exchange, peer.syntax_for(exchange, _MODEL), "image", words, known.room)
            known.series[series] = frozenset(there)


async def contents(reactor: Any, peer: Peer, study: str) -> dict[str, frozenset[str]]:
    """Give the instances of a study that a peer has by their series, `MOST_OF_STUDY` at most. Raises GatewayError."""
    async with peer.association(reactor, [(_MODEL, SYNTAXES)]) as exchange:
        limit = reactor.callLater(ASKED_FOR, exchange.abort)
        try:
            syntax, known = peer.syntax_for(exchange, _MODEL), _Study(0.0)
            for series in await _find(
                exchange, syntax, "series", (f"StudyInstanceUID={study}", "SeriesInstanceUID"), MOST_SERIES
            ):
                words = (f"StudyInstanceUID={study}", f"SeriesInstanceUID={series}", "SOPInstanceUID")
                known.series[series] = frozenset(await _find(exchange, syntax, "image", words, known.room))
        finally:
            if limit.active():
                limit.cancel()
    return {series: instances for series, instances in known.series.items() if instances is not None}


async def _find(exchange: Exchange, syntax: str, level: str, words: Sequence[str], most: int) -> list[str]:
    """Give what matches of the last of some keys, so many at most; then the query is cancelled."""
    asked = question(level, None, words)
    found: list[str] = []
    async with c_find(exchange, _MODEL, encode(asked.query.identifier, syntax), transfer_syntax=syntax) as answers:
        async for match in answers:
            if len(found) == most:
                break
            found.append(asked.columns[-1].text(decode(match, syntax)))
    return found
