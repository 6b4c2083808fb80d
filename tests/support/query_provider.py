"""A provider of C-FIND, C-MOVE, C-GET over a table of images in memory: what stands in for an archive in tests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from pydicom import dcmread

from dul import (
    AS_BOTH,
    VERIFICATION,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    Command,
    CommandField,
    Exchange,
    Instance,
    Listener,
    Listening,
    Policy,
    Request,
    RequestRefused,
    Service,
    connect,
    echo,
    found_by,
    got_by,
    may_be_stored,
    moved_by,
    negotiate,
    propose,
)
from runtime import ReactorThread
from tests.support.dicom import data_set_bytes
from tests.support.identifiers import (
    ACCESSION,
    BIRTH_DATE,
    CHARACTER_SET,
    INSTANCE_NUMBER,
    LEVEL,
    MODALITY,
    PATIENT_ID,
    PATIENT_NAME,
    RETRIEVE_AE_TITLE,
    SERIES,
    SERIES_DESCRIPTION,
    SERIES_NUMBER,
    SEX,
    SOP_CLASS,
    SOP_INSTANCE,
    STUDY,
    STUDY_DATE,
    STUDY_DESCRIPTION,
    STUDY_ID,
    STUDY_TIME,
    SYNTAXES,
    VRS,
    decode_identifier,
    encode_identifier,
)

PATIENT_ROOT, STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.1", "1.2.840.10008.5.1.4.1.2.2"
#: The services of an information model by the end of their SOP classes.
FIND, MOVE, GET = ".1", ".2", ".3"
AE_TITLE = "TABLE"
IDENTIFIER_DOES_NOT_MATCH = 0xA900
#: The unique key of each level, and what else stands at it.
LEVELS = {
    "PATIENT": (PATIENT_ID, (PATIENT_NAME, BIRTH_DATE, SEX)),
    "STUDY": (STUDY, (STUDY_DATE, STUDY_TIME, ACCESSION, STUDY_DESCRIPTION, STUDY_ID)),
    "SERIES": (SERIES, (MODALITY, SERIES_NUMBER, SERIES_DESCRIPTION)),
    "IMAGE": (SOP_INSTANCE, (SOP_CLASS, INSTANCE_NUMBER)),
}
_ATTRIBUTES = frozenset(tag for key, others in LEVELS.values() for tag in (key, *others))
#: What is known at each level: what stands at it, and at those above.
_KNOWN = {
    level: frozenset(tag for key, others in list(LEVELS.values())[: place + 1] for tag in (key, *others))
    for place, level in enumerate(LEVELS)
}
_TOP = {PATIENT_ROOT: "PATIENT", STUDY_ROOT: "STUDY"}

Row = Mapping[int, str]
Matcher = Callable[[str], bool]


@dataclass(frozen=True)
class Table:
    """A row for each image, with the attributes of its patient, study and series; files by SOP Instance UID."""

    rows: Sequence[Row]
    files: Mapping[str, Path] = field(default_factory=dict)
    levels: dict[str, list[Row]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Find the patients, studies and series."""
        for level, (key, _others) in LEVELS.items():
            self.levels[level] = list({row[key]: row for row in reversed(self.rows)}.values())[::-1]

    @classmethod
    def of_files(cls, paths: Iterable[Path]) -> Table:
        """Read the attributes of real files."""
        files: dict[str, Path] = {}
        rows = []
        for path in paths:
            dataset = dcmread(path, stop_before_pixels=True)
            rows.append({tag: str(dataset[tag].value if tag in dataset else "") for tag in _ATTRIBUTES})
            files[str(dataset.SOPInstanceUID)] = path
        return cls(rows, files)

    def match(self, level: str, keys: Mapping[int, str]) -> Iterator[Row]:
        """Give the rows of a level that have what keys ask for (PS3.4 C.2.2.2)."""
        wanted = [(tag, _matcher(VRS[tag], value)) for tag, value in keys.items() if tag in _ATTRIBUTES and value.strip("*")]
        return (row for row in self.levels[level] if all(matches(row[tag]) for tag, matches in wanted))


def synthetic_rows(count: int, *, name: str = "TABLE^TEST", root: str = "2.25.1") -> list[Row]:
    """Make rows of one study, series and image each."""
    return [
        {
            PATIENT_ID: f"P{number:05d}", PATIENT_NAME: f"{name}^{number:05d}", BIRTH_DATE: "19500131", SEX: "O",
            STUDY: f"{root}.{number}.1", STUDY_DATE: f"202601{number % 28 + 1:02d}", STUDY_TIME: "101500",
            ACCESSION: f"A{number:05d}", STUDY_DESCRIPTION: "A STUDY OF NOBODY", STUDY_ID: str(number),
            SERIES: f"{root}.{number}.2", MODALITY: "CT", SERIES_NUMBER: "1", SERIES_DESCRIPTION: "AXIAL",
            SOP_CLASS: "1.2.840.10008.5.1.4.1.1.2", SOP_INSTANCE: f"{root}.{number}.3", INSTANCE_NUMBER: "1",
        }
        for number in range(count)
    ]  # fmt: skip


def _matcher(vr: bytes, value: str) -> Matcher:
    if vr == b"UI":
        return frozenset(value.split("\\")).__contains__
    if vr in (b"DA", b"TM") and "-" in value:
        first, _, last = value.partition("-")
        return lambda of: bool(of) and first <= of and (not last or of[: len(last)] <= last)
    if "*" in value or "?" in value:
        parts = {"*": ".*", "?": "."}
        pattern = re.compile("".join(parts.get(sign) or re.escape(sign) for sign in value), re.DOTALL)
        return lambda of: pattern.fullmatch(of) is not None
    return value.__eq__


@dataclass
class QueryProvider:
    """Answers on a free port, within `with`. `destinations` are addresses by AE title; identifiers that came are in `heard`.

    `services` answer besides, or in place of the table. `tls` is for associations that come, `destination_tls` for moves.
    `window` is that of operations; beyond so many `associations` they are rejected.
    """

    table: Table
    destinations: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    services: Mapping[CommandField, Service] = field(default_factory=dict)
    tls: Any = None
    destination_tls: Any = None
    heard: list[tuple[Command, dict[int, str]]] = field(default_factory=list)
    port: int = 0
    window: tuple[int, int] = (1, 1)
    associations: int = 64

    def __enter__(self) -> QueryProvider:
        """Listen."""
        self._reactor = ReactorThread("query-provider")
        self._listener = Listener(
            Listening(self._decide, {**self._own_services(), **self.services}, self.associations), self._reactor.reactor
        )
        port = self._reactor.call(self._listener.listen, 0, "127.0.0.1", self.tls)
        self.port = port.getHost().port
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End."""
        self._reactor.stop()

    def exchanges(self) -> list[Exchange]:
        """Give the associations that are open."""
        return list(self._reactor.call(lambda: set(self._listener.exchanges)))

    def _own_services(self) -> dict[CommandField, Service]:
        return {
            CommandField.C_ECHO_RQ: echo,
            CommandField.C_FIND_RQ: found_by(self._find),
            CommandField.C_MOVE_RQ: moved_by(self._select, self._destination),
            CommandField.C_GET_RQ: got_by(self._select),
        }

    def _decide(self, request: AssociateRequest, _peer: str) -> AssociateAccept | AssociateReject:
        return negotiate(request, Policy(choose=_choose, roles=lambda _class, _proposed: AS_BOTH, operations_window=self.window))

    def _find(self, request: Request, data: bytes) -> Iterator[bytes]:
        level, keys = self._read(request, data)
        known = _KNOWN[level]
        fixed = {LEVEL: level, RETRIEVE_AE_TITLE: AE_TITLE}
        if CHARACTER_SET in keys:
            fixed[CHARACTER_SET] = "ISO_IR 100"
        for row in self.table.match(level, keys):
            answer = {tag: (row[tag] if tag in known else "") for tag in keys if tag in _ATTRIBUTES}
            yield encode_identifier({**answer, **fixed}, request.transfer_syntax)

    async def _select(self, request: Request, data: bytes) -> list[Instance]:
        _level, keys = self._read(request, data)
        unique = {tag: value for tag, value in keys.items() if tag in {key for key, _others in LEVELS.values()}}
        return [self._instance(row) for row in self.table.match("IMAGE", unique)]

    def _instance(self, row: Row) -> Instance:
        path = self.table.files.get(row[SOP_INSTANCE], Path("/nowhere"))
        syntax = str(dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID) if path.exists() else SYNTAXES[0]
        return Instance(row[SOP_CLASS], row[SOP_INSTANCE], syntax, partial(data_set_bytes, path))

    def _read(self, request: Request, data: bytes) -> tuple[str, dict[int, str]]:
        keys = decode_identifier(data, request.transfer_syntax)
        self.heard.append((request.command, keys))
        level = keys.get(LEVEL, "")
        top = _TOP[request.abstract_syntax[: len(PATIENT_ROOT)]]
        allowed = list(LEVELS)[list(LEVELS).index(top) :]
        if level not in allowed:
            raise RequestRefused(IDENTIFIER_DOES_NOT_MATCH, f"{level or 'no level'} is not one of {', '.join(allowed)}")
        return level, keys

    def _destination(self, ae_title: str) -> Callable[[Sequence[tuple[str, tuple[str, ...]]]], Any] | None:
        address = self.destinations.get(ae_title)
        if address is None:
            return None
        reactor, tls = self._reactor.reactor, self.destination_tls
        return lambda pairs: connect(reactor, address, propose(ae_title, AE_TITLE, pairs), tls=tls)


def _choose(abstract_syntax: str, transfer_syntaxes: tuple[str, ...]) -> str | None:
    """Take queries in what their identifiers can be read in, and what may be stored as it comes."""
    if abstract_syntax.startswith((PATIENT_ROOT, STUDY_ROOT)):
        return next((syntax for syntax in transfer_syntaxes if syntax in SYNTAXES), "")
    return transfer_syntaxes[0] if abstract_syntax == VERIFICATION or may_be_stored(abstract_syntax) else None
