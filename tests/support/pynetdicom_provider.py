"""pynetdicom's AE as a provider of find, move, get and echo over a table: what our SCU, and our speed, are measured against."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.tag import Tag
from pynetdicom import AE, StoragePresentationContexts, evt
from pynetdicom.sop_class import (
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from tests.support.identifiers import SOP_INSTANCE
from tests.support.query_provider import LEVELS, Row, Table

_MODELS = (
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)


@dataclass
class PynetdicomProvider:
    """Answers on a free port, within `with`."""

    table: Table
    destinations: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    port: int = 0

    def __enter__(self) -> PynetdicomProvider:
        """Listen."""
        ae = AE("TABLE")
        for model in _MODELS:
            ae.add_supported_context(model)
        for context in StoragePresentationContexts:
            ae.add_supported_context(context.abstract_syntax, scu_role=True, scp_role=True)
            ae.add_requested_context(context.abstract_syntax, "1.2.840.10008.1.2.1")
        handlers = [(evt.EVT_C_FIND, self._find), (evt.EVT_C_GET, self._get), (evt.EVT_C_MOVE, self._move)]
        handlers += [(evt.EVT_CONN_OPEN, _without_delay)]
        self._server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers, ssl_context=self.tls)
        self.port = self._server.socket.getsockname()[1]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End."""
        self._server.shutdown()

    def _find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        query = event.identifier
        for row in self._matches(query, query.QueryRetrieveLevel):
            if event.is_cancelled:
                yield 0xFE00, None
                return
            answer = Dataset()
            for element in query:
                answer.add_new(element.tag, element.VR, row.get(int(element.tag), ""))
            answer.QueryRetrieveLevel = query.QueryRetrieveLevel
            yield 0xFF00, answer

    def _get(self, event: evt.Event) -> Iterator[Any]:
        rows = self._wanted(event.identifier)
        yield len(rows)
        for row in rows:
            yield 0xFF00, dcmread(self.table.files[row[SOP_INSTANCE]])

    def _move(self, event: evt.Event) -> Iterator[Any]:
        rows = self._wanted(event.identifier)
        yield self.destinations.get(event.move_destination, (None, None))
        yield len(rows)
        for row in rows:
            yield 0xFF00, dcmread(self.table.files[row[SOP_INSTANCE]])

    def _wanted(self, query: Dataset) -> list[Row]:
        unique = Dataset()
        for key, _others in LEVELS.values():
            if Tag(key) in query:
                unique[key] = query[key]
        return list(self._matches(unique, "IMAGE"))

    def _matches(self, query: Dataset, level: str) -> Iterator[Row]:
        return self.table.match(level, {int(element.tag): _text(element.value) for element in query})


def _without_delay(event: evt.Event) -> None:
    """Send small messages at once, as we do: without that each answer waits for an acknowledgement."""
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _text(value: Any) -> str:
    return "\\".join(map(str, value)) if isinstance(value, list) else str(value or "")
