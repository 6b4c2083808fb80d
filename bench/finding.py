"""How long a C-FIND takes: our SCU over one association, from a table in memory, beside pynetdicom's AE with the same rows."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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


PROVIDERS: dict[str, Callable[[Table], Any]] = {"our provider": QueryProvider, "pynetdicom's AE": PynetdicomProvider}


def measure_finding() -> Iterator[Figure]:
    """Measure queries that match one row and more, out of one table."""
    for name in PROVIDERS:
        with _running(name) as port:
            medians = _measure(port)
        for count, seconds in medians.items():
            matches = "match" if count == 1 else "matches"
            note = f"median of {ROUNDS} over one association, {len(_RETURNED) + 2} attributes"
            yield Figure(f"C-FIND of {count} {matches}, {name}", 1000 * seconds, note, unit="ms", digits=2)
        few, many = MATCHES[0], MATCHES[-1]
        further = 1000 * (medians[many] - medians[few]) / (many - few)
        yield Figure(f"each further match, {name}", further, f"from {few} to {many} matches", unit="ms", digits=3)


@contextlib.contextmanager
def _running(name: str) -> Iterator[int]:
    """Run a provider in a process of its own, so that nobody waits for another's interpreter; gives its port."""
    command = [sys.executable, "-m", "bench.finding", name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None or process.stdin is None:
            raise RuntimeError("a process was started without pipes")
        yield int(process.stdout.readline())
        process.stdin.close()


def _serve(name: str) -> None:
    """Answer until the standard input ends."""
    table = Table([row for count in MATCHES for row in synthetic_rows(count, name=f"MATCHES^{count}", root=f"2.25.{count}")])
    with PROVIDERS[name](table) as provider:
        sys.stdout.write(f"{provider.port}\n")
        sys.stdout.flush()
        sys.stdin.read()


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


if __name__ == "__main__":
    _serve(sys.argv[1])
