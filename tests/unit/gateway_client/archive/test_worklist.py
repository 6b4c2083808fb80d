"""C-FIND of the worklist at an entity, over an association in memory, with a broker that says what the test wants."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dul import Command, CommandField, Response
from dul.status import CANNOT_UNDERSTAND, IDENTIFIER_DOES_NOT_MATCH, OUT_OF_RESOURCES, PENDING, PENDING_WITH_WARNING, SUCCESS
from gateway_client.archive.entities import ApplicationEntity, EntityRole
from gateway_client.archive.identifiers import Encoder, decode_identifier
from gateway_client.archive.questions import MOST_KEYS
from gateway_client.archive.worklist import WORKLIST, worklist_service
from gateway_client.broker import Answer
from tests.unit.gateway_client.archive.asking import EXPLICIT, Peer
from tests.unit.gateway_client.fakes import FakeAnswer
from xwb import Argument, ConnectionLost

MODEL = "1.2.840.10008.5.1.4.31"
FIND = Command(field=CommandField.C_FIND_RQ, sop_class=MODEL, priority=0)
NOTHING: dict[str, Any] = {"more": None, "unsupported": []}
STEP, MODALITY, ACCESSION = "00400100", "00080060", "00080050"


class Broker:
    """Answers MAGB WORKLIST with lines; keeps what it was asked."""

    def __init__(self, *lines: dict[str, Any], broken: Exception | None = None) -> None:
        self.asked: list[dict[str, Any]] = []
        self._lines = [json.dumps(line) for line in lines or (NOTHING,)]
        self._broken = broken

    async def call(self, name: str, *arguments: Argument) -> Answer:
        """Answer a page."""
        assert name == WORKLIST
        request, _after, _count = arguments
        assert isinstance(request, list)
        self.asked.append(json.loads("".join(request)))
        if self._broken is not None:
            raise self._broken
        return FakeAnswer(self._lines)


def ask(broker: Broker, keys: dict[str, list[Any]] | bytes, **changes: Any) -> list[Response]:
    """Ask for the worklist; give all answers, the last with the final status."""
    entity = ApplicationEntity(EntityRole.LONG_TERM, "ROOTDPQR", **changes)
    peer = Peer(MODEL, lambda reactor: {CommandField.C_FIND_RQ: worklist_service(entity, broker, reactor)})
    return peer.answers(peer.ask(FIND, keys if isinstance(keys, bytes) else Encoder(EXPLICIT).encode(keys)))


@pytest.mark.parametrize(
    ("identifier", "keys"),
    [
        ({ACCESSION: ["A-1"], "00100010": ["DOE^*"]}, {ACCESSION: ["A-1"], "00100010": ["DOE^*"]}),
        ({STEP: [{MODALITY: ["CT"], "00400002": []}]}, {f"{STEP}>{MODALITY}": ["CT"], f"{STEP}>00400002": []}),
        ({STEP: []}, {STEP: []}),
        ({STEP: [{}]}, {STEP: []}),
        ({STEP: [{"00400008": [{"00080100": ["HEAD"]}]}]}, {f"{STEP}>00400008>00080100": ["HEAD"]}),
        ({STEP: [{"00400008": []}]}, {f"{STEP}>00400008": []}),
        ({"00080201": ["+0100"], STEP: [{"00080005": ["ISO_IR 100"], MODALITY: []}]}, {f"{STEP}>{MODALITY}": []}),
        ({"00091001": []}, {"00091001": []}),
    ],
)
def test_keys_are_asked_for_by_the_tags_that_lead_to_them(identifier: dict[str, list[Any]], keys: dict[str, list[str]]) -> None:
    broker = Broker()
    (last,) = ask(broker, identifier)
    assert last.command.status == SUCCESS
    assert broker.asked == [{"ae_title": "CT1", "keys": keys, "fold_names": False}]


def test_the_case_of_names_counts_as_the_entity_is_set() -> None:
    broker = Broker()
    ask(broker, {"00100010": ["doe*"]}, fold_names=True)
    assert broker.asked[0]["fold_names"] is True


def test_a_match_is_told_as_the_broker_lays_it_out() -> None:
    tags = {ACCESSION: ["A-1"], STEP: [{MODALITY: ["CT"], "00400002": ["20261123"]}], "00100010": ["DOE^ZO\u00cb"]}
    match, last = ask(Broker(NOTHING, {"tags": tags}), {ACCESSION: [], STEP: []})
    assert match.command.status == PENDING
    assert decode_identifier(match.data or b"", EXPLICIT) == {"00080005": ["ISO_IR 100"], **tags}
    assert (last.command.status, last.data) == (SUCCESS, None)


def test_matches_warn_of_keys_that_are_not_supported() -> None:
    head = {"more": None, "unsupported": ["00091001"]}
    match, last = ask(Broker(head, {"tags": {}}), {"00091001": []})
    assert match.command.status == PENDING_WITH_WARNING
    assert last.command.status == SUCCESS


@pytest.mark.parametrize(
    ("identifier", "status", "comment"),
    [
        (b"\x08\0", CANNOT_UNDERSTAND, "The identifier ends within an element."),
        ({STEP: [{}, {}]}, IDENTIFIER_DOES_NOT_MATCH, "(0040,0100) has more than one item"),
        (
            {f"0009{number:04X}": [] for number in range(0x1000, 0x1001 + MOST_KEYS)},
            OUT_OF_RESOURCES,
            f"More than {MOST_KEYS} keys are asked for",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_comment(
    identifier: dict[str, list[Any]] | bytes, status: int, comment: str
) -> None:
    broker = Broker()
    (last,) = ask(broker, identifier)
    assert (last.command.status, last.command.error_comment) == (status, comment)
    assert broker.asked == []


@pytest.mark.parametrize(
    ("broker", "status", "comment"),
    [
        (Broker({"error": "no such date", "status": "A900"}), IDENTIFIER_DOES_NOT_MATCH, "no such date"),
        (Broker({"error": "no such date"}), CANNOT_UNDERSTAND, "no such date"),
        (Broker(NOTHING, {"found": 1}), CANNOT_UNDERSTAND, "The archive answered what is no match"),
        (Broker(broken=ConnectionLost()), OUT_OF_RESOURCES, "The archive cannot be reached, ask again later"),
        (Broker({"more": "3"}, {"tags": {}}, {"tags": {}}), OUT_OF_RESOURCES, "Match overflow: there are more than 2 matches"),
    ],
)
def test_where_the_broker_has_no_answer_the_peer_is_told_why(broker: Broker, status: int, comment: str) -> None:
    last = ask(broker, {ACCESSION: []}, match_limit=2)[-1]
    assert (last.command.status, last.command.error_comment) == (status, comment)
