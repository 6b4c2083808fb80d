"""How long a C-FIND takes: our SCU over one association, from a table in memory, beside pynetdicom's AE with the same rows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred

from bench.figures import Figure
from dul import Exchange, c_find, connect, propose
from runtime import ReactorThread
from tests.support.identifiers import (
    ACCESSION,
    BIRTH_DATE,
    LEVEL,
    PATIENT_ID,
    PATIENT_NAME,
    SEX,
    STUDY,
    STUDY_DATE,
    STUDY_DESCRIPTION,
    STUDY_TIME,
    SYNTAXES,
    encode_identifier,
)
from tests.support.pynetdicom_provider import PynetdicomProvider
from tests.support.query_provider import FIND, STUDY_ROOT, QueryProvider, Table, synthetic_rows

MATCHES = (1, 10, 42)
ROUNDS, WARM_UP = 200, 20
_RETURNED = (PATIENT_ID, BIRTH_DATE, SEX, STUDY, STUDY_DATE, STUDY_TIME, ACCESSION, STUDY_DESCRIPTION)


def measure_finding() -> Iterator[Figure]:
    """Measure queries that match one row and more, out of one table."""
    table = Table([row for count in MATCHES for row in synthetic_rows(count, name=f"MATCHES^{count}", root=f"2.25.{count}")])
    providers: dict[str, Callable[[], Any]] = {
        "our provider": partial(QueryProvider, table),
        "pynetdicom's AE": partial(PynetdicomProvider, table),
    }
    for name, make in providers.items():
        with make() as provider:
            medians = _measure(provider.port)
        for count, seconds in medians.items():
            matches = "match" if count == 1 else "matches"
            note = f"median of {ROUNDS} over one association, both ends in one process, {len(_RETURNED) + 2} attributes"
            yield Figure(f"C-FIND of {count} {matches}, {name}", 1000 * seconds, note, unit="ms", digits=2)
        few, many = MATCHES[0], MATCHES[-1]
        further = 1000 * (medians[many] - medians[few]) / (many - few)
        yield Figure(f"each further match, {name}", further, f"from {few} to {many} matches", unit="ms", digits=3)


def _measure(port: int) -> dict[int, float]:
    reactor = ReactorThread("finding")
    try:
        medians: dict[int, float] = reactor.call(lambda: Deferred.fromCoroutine(_medians(reactor.reactor, port)))
    finally:
        reactor.stop()
    return medians


async def _medians(reactor: Any, port: int) -> dict[int, float]:
    """Give the seconds of a query by how many matches it has."""
    model = STUDY_ROOT + FIND
    exchange = await connect(reactor, ("127.0.0.1", port), propose("TABLE", "BENCH", [(model, SYNTAXES[:1])]))
    try:
        return {count: await _median(exchange, model, count) for count in MATCHES}
    finally:
        await exchange.release()


async def _median(exchange: Exchange, model: str, count: int) -> float:
    keys = {**dict.fromkeys(_RETURNED, ""), PATIENT_NAME: f"MATCHES^{count}^*", LEVEL: "STUDY"}
    query = encode_identifier(keys, SYNTAXES[0])
    taken = []
    for _ in range(WARM_UP + ROUNDS):
        began = time.perf_counter()
        matches = await c_find(exchange, model, query).rest()
        taken.append(time.perf_counter() - began)
        if len(matches) != count:
            raise RuntimeError(f"{len(matches)} matches came in place of {count}")
    return statistics.median(taken[WARM_UP:])
