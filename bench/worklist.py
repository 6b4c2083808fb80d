"""How long a worklist query takes over 10,000 entries: one day of one modality, by C-FIND at a gateway, from the broker."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from bench.figures import Figure
from dul import c_find, connect, propose
from fileman.worklist import add_steps
from gateway_client.archive.identifiers import Encoder
from runtime import ReactorThread
from tests.support.archive_site import ROOT, ArchiveSite
from tests.support.worklist_model import entries

MODEL, EXPLICIT = "1.2.840.10008.5.1.4.31", "1.2.840.10008.1.2.1"
ENTRIES = 10_000
#: Milliseconds that are wanted for a query at most.
WANTED = 50.0
ROUNDS, WARM_UP = 100, 10
_STEP = "00400100"
#: What a modality wants told of each step.
_TOLD = ("00080050", "00100010", "00100020", "00100030", "00100040", "0020000D", "00321060", "00401001")
_OF_STEP = ("00400001", "00400002", "00400003", "00080060", "00400007", "00400009")
QUERIES: Mapping[str, Mapping[str, list[Any]]] = {
    "of one day and station": {_STEP: [{"00400001": ["CT1"], "00080060": ["CT"], "00400002": ["20261121"]}]},
    "by patient ID": {"00100020": ["000007"]},
    "by accession number": {"00080050": ["ACC00003"]},
    "by name with a wild card": {"00100010": ["DOE^JOHN*"], _STEP: [{"00400002": ["20261121"], "00080060": ["MR"]}]},
}


def measure_worklist(directory: Path, count: int = ENTRIES) -> Iterator[Figure]:
    """Measure queries over one association; broker and gateway share a process with who asks, which is the slower way."""
    directory.mkdir(parents=True)
    with ArchiveSite(directory, {"long_term": {"match_limit": count}}) as archive:
        archive.store.transact(lambda connection: add_steps(connection, entries(count)))
        reactor = ReactorThread("worklist")
        try:
            for subject, keys in QUERIES.items():
                asking = _measured(reactor.reactor, archive.port("long_term"), _identifier(keys))
                seconds, matches = reactor.call(lambda asking=asking: Deferred.fromCoroutine(asking))
                note = f"median of {ROUNDS}, {matches} of {count:,} entries match; wanted: below {WANTED:g}"
                yield Figure(f"worklist query {subject}", 1000 * seconds, note, unit="ms", digits=1)
        finally:
            reactor.stop()


def _identifier(keys: Mapping[str, list[Any]]) -> bytes:
    (step,) = keys.get(_STEP, [{}])
    asked = {**{tag: [] for tag in _TOLD}, **keys, _STEP: [{**{tag: [] for tag in _OF_STEP}, **step}]}
    return Encoder(EXPLICIT).encode(asked)


async def _measured(reactor: Any, port: int, identifier: bytes) -> tuple[float, int]:
    """Give the median of the seconds of a query, and how many matches it has."""
    exchange = await connect(reactor, ("127.0.0.1", port), propose(f"{ROOT}DPQR", "BENCH", [(MODEL, (EXPLICIT,))]))
    taken, matches = [], 0
    try:
        for _ in range(WARM_UP + ROUNDS):
            began = time.perf_counter()
            matches = len(await c_find(exchange, MODEL, identifier).rest())
            taken.append(time.perf_counter() - began)
    finally:
        await exchange.release()
    return statistics.median(taken[WARM_UP:]), matches
