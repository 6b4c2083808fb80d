"""How long a C-FIND takes in a full archive: ours and Orthanc with the same objects, and ours with very many, asked in turn."""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import track
from twisted.internet.defer import Deferred

from bench.archived import PER_DAY, RELATED, Size, day, family, fill_index, fill_orthanc, patient_id
from bench.figures import Figure
from bench.filled import study_uid, written
from bench.interleaved import in_memory
from bench.peers import ORTHANC_AE_TITLE, orthanc
from bench.services import services
from dul import Exchange, c_find, connect, propose
from fileman import SiteKey, Store, apply_site, read_site_file
from runtime import ReactorThread, SystemClock, free_port
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
    STUDY_ID,
    STUDY_TIME,
    SYNTAXES,
    encode_identifier,
)
from tests.support.query_provider import FIND, STUDY_ROOT

OURS, ORTHANC, LARGE = "magbroker", "Orthanc", "magbroker, large"
#: What every study is told with; Orthanc has all of it in its database.
_RETURNED = (PATIENT_NAME, PATIENT_ID, BIRTH_DATE, SEX, STUDY, STUDY_DATE, STUDY_TIME, ACCESSION, STUDY_DESCRIPTION, STUDY_ID)
_LIST = 20
_MANY = 500
_MODEL = STUDY_ROOT + FIND
#: Studies that Orthanc gets at once.
_PART = 20
#: What more there may be of time where more is archived.
_GROWN = 1.3

Keys = Mapping[int, str]
T = TypeVar("T")


class WrongAnswer(Exception):
    """An archive answered otherwise than with what it holds."""


@dataclass(frozen=True, slots=True)
class Query:
    """A kind of query: the keys by which some studies are found, beginning with one, how many of them, and what is wanted.

    `times` is how much faster than Orthanc, `milliseconds` the longest; 0 where nothing is wanted.
    """

    name: str
    keys: Callable[[int], Keys]
    matches: int
    times: float = 0.0
    milliseconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured: both archives, the large one of ours, and how often each query is asked."""

    both: Size
    large: Size
    rounds: int
    warm_up: int


SIZES = Sizes(Size(1_000, 50), Size(20_000, 50), rounds=60, warm_up=10)


def _dates(days: int) -> Callable[[int], Keys]:
    return lambda study: {STUDY_DATE: f"{day(study)}-{day(study + PER_DAY * (days - 1))}"}


QUERIES = (
    Query("exact Patient ID", lambda study: {PATIENT_ID: patient_id(study)}, 1, times=1.0),
    Query("exact Study UID", lambda study: {STUDY: study_uid(study)}, 1, times=1.0),
    Query("name, * behind", lambda study: {PATIENT_NAME: f"{family(study)}*"}, RELATED, times=2.0),
    Query("name, * within", lambda study: {PATIENT_NAME: f"{family(study)}*7"}, 1, times=2.0),
    Query("name, * before", lambda study: {PATIENT_NAME: f"*{family(study)[3:]}^*"}, RELATED, times=2.0),
    Query("range of dates", _dates(2), 2 * PER_DAY, times=2.0),
    Query("list of Study UIDs", lambda study: {STUDY: "\\".join(study_uid(study + further) for further in range(_LIST))}, _LIST),
    Query(f"{_MANY} matches", _dates(_MANY // PER_DAY), _MANY, milliseconds=100.0),
)


def measure_querying(directory: Path, site: Path, sizes: Sizes = SIZES) -> Iterator[Figure]:
    """Fill the archives, then ask them over associations that are kept; each must find what is there."""
    directory.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=in_memory(directory, 3_000)) as folder, contextlib.ExitStack() as running:
        root, ports = Path(folder), {}
        for name, size in ((OURS, sizes.both), (LARGE, sizes.large)):
            began = time.perf_counter()
            ports[name] = running.enter_context(_own(root / name.replace(", ", "-"), site, size)), "MAGBROKER"
            yield Figure(f"{size.instances:,} instances archived", time.perf_counter() - began, "as rows", unit="s", digits=1)
        ports[ORTHANC] = running.enter_context(_orthanc(root / "orthanc", sizes.both)), ORTHANC_AE_TITLE
        os.sync()
        yield from _figures(sizes, asked(ports, sizes))


def _figures(sizes: Sizes, medians: Mapping[str, Mapping[Query, float]]) -> Iterator[Figure]:
    for query in QUERIES:
        ours, theirs, large = (1000 * medians[name][query] for name in (OURS, ORTHANC, LARGE))
        matches = _counted(query.matches)
        wanted = f"; wanted {query.milliseconds:g}" if query.milliseconds else ""
        subject = f"C-FIND, {query.name}"
        yield Figure(f"{subject}: {OURS}", ours, f"{matches} in {sizes.both.instances:,} instances{wanted}", unit="ms", digits=2)
        yield Figure(f"{subject}: {ORTHANC}", theirs, "the same, asked in turn", unit="ms", digits=2)
        faster = f"wanted {query.times:g}" if query.times else ""
        yield Figure(f"{subject}: faster than {ORTHANC}", theirs / ours, faster, unit="x", digits=2)
        note = f"{large:.2f} ms in {sizes.large.instances:,} instances; wanted at most {_GROWN:g}"
        yield Figure(f"{subject}: where more is archived", large / ours, note, unit="x", digits=2)


@contextlib.contextmanager
def _own(directory: Path, site: Path, size: Size) -> Iterator[int]:
    """Run our broker and gateway with an archive; gives the gateway's port."""
    directory.mkdir(parents=True)
    database, site_key = directory / "magbroker.db", SiteKey.load_or_create(directory / "site.key")
    with contextlib.closing(Store(f"sqlite:///{database}")) as store:
        store.transact(lambda connection: apply_site(connection, read_site_file(site), site_key, SystemClock().now()))
    with written(database) as connection:
        fill_index(connection, size)
    with services(directory, site) as running:
        yield running.dicom_port


@contextlib.contextmanager
def _orthanc(directory: Path, size: Size) -> Iterator[int]:
    """Run Orthanc with an archive; gives its port."""
    http = free_port()
    settings = {"DicomAlwaysAllowFind": True, "SyncStorageArea": False}
    with orthanc(directory, settings, http_port=http) as peer:
        parts = range(0, size.studies, _PART)
        for first in track(parts, description="filling Orthanc", console=Console(stderr=True), transient=True):
            fill_orthanc(http, range(first, min(first + _PART, size.studies)), size.per_study)
        assert peer.taken() == size.instances, f"Orthanc has {peer.taken()} of {size.instances} instances"
    with orthanc(directory, settings) as peer:  # as ours, it is started with all that it is asked for
        yield peer.port


def asked(ports: Mapping[str, tuple[int, str]], sizes: Sizes) -> dict[str, dict[Query, float]]:
    """Give the medians of seconds by the name of who is asked, at a port and under an AE title. Raises WrongAnswer."""
    reactor = ReactorThread("querying")
    try:
        medians: dict[str, dict[Query, float]] = reactor.call(
            lambda: Deferred.fromCoroutine(_medians(reactor.reactor, ports, sizes))
        )
    finally:
        reactor.stop()
    return medians


async def _medians(reactor: Any, ports: Mapping[str, tuple[int, str]], sizes: Sizes) -> dict[str, dict[Query, float]]:
    exchanges: dict[str, Exchange] = {}
    try:
        for name, (port, title) in ports.items():
            exchanges[name] = await connect(reactor, ("127.0.0.1", port), propose(title, "BENCH", [(_MODEL, SYNTAXES[:1])]))
        taken: dict[str, dict[Query, list[float]]] = {name: {query: [] for query in QUERIES} for name in ports}
        for turn in range(sizes.warm_up + sizes.rounds):
            for query in _rotated(QUERIES, turn):
                for name in _rotated(tuple(ports), turn):
                    taken[name][query].append(await _seconds(exchanges[name], query, _beginning(turn, query, sizes)))
    finally:
        for exchange in exchanges.values():
            await exchange.release()
    return {
        name: {query: statistics.median(found[sizes.warm_up :]) for query, found in by_query.items()}
        for name, by_query in taken.items()
    }


def _rotated(all_of: Sequence[T], turn: int) -> Sequence[T]:
    """Begin with another one each turn: nobody always comes after the same one."""
    first = turn % len(all_of)
    return (*all_of[first:], *all_of[:first])


def _beginning(turn: int, query: Query, sizes: Sizes) -> int:
    """Choose the study with which a query's begin: another one each turn, the first of a family and of a day."""
    families = (sizes.both.studies - query.matches) // RELATED + 1
    return turn * 37 % families * RELATED


async def _seconds(exchange: Exchange, query: Query, study: int) -> float:
    """Ask once. Raises WrongAnswer."""
    keys = {**dict.fromkeys(_RETURNED, ""), **query.keys(study), LEVEL: "STUDY"}
    identifier = encode_identifier(keys, SYNTAXES[0])
    began = time.perf_counter()
    matches = await c_find(exchange, _MODEL, identifier).rest()
    seconds = time.perf_counter() - began
    if len(matches) != query.matches:
        raise WrongAnswer(f"{query.name}: {_counted(len(matches))} came in place of {query.matches}.")
    return seconds


def _counted(matches: int) -> str:
    return "1 match" if matches == 1 else f"{matches} matches"
