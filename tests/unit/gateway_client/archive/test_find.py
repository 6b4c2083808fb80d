"""C-FIND at an entity, over an association in memory, with a broker that says what the test wants."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from dul import Command, CommandField, Response
from dul.status import CANCEL, CANNOT_UNDERSTAND, OUT_OF_RESOURCES, PENDING, PENDING_WITH_WARNING, SUCCESS
from gateway_client.archive.entities import ApplicationEntity, EntityRole
from gateway_client.archive.find import QUERY, find_service
from gateway_client.archive.identifiers import Encoder, decode_identifier
from gateway_client.archive.inquiry import CALL_SECONDS, PAGE
from gateway_client.archive.sessions import TooManyQuestions
from gateway_client.broker import Answer
from tests.unit.gateway_client.archive.asking import EXPLICIT, Peer
from tests.unit.gateway_client.fakes import FakeAnswer
from xwb import ApplicationError, Argument, ConnectionLost, MError, SecurityRefused, SignOnRefused, TimedOut

STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"
FIND = Command(field=CommandField.C_FIND_RQ, sop_class=STUDY_ROOT, priority=2)
KEYS: dict[str, list[Any]] = {"00080052": ["STUDY"], "0020000D": []}

Page = tuple[dict[str, Any], list[Any]]


class Archive:
    """A broker with matches; `broken` is what a call fails with, `held` keeps calls until the test lets them go on."""

    def __init__(self, matches: int = 0, unsupported: tuple[str, ...] = ()) -> None:
        self.matches, self.unsupported = matches, unsupported
        self.asked: list[dict[str, Any]] = []
        self.pages: list[tuple[str, int]] = []
        self.broken: Exception | None = None
        self.held: list[Deferred[None]] | None = None
        self.answers: Callable[[int, int], list[str]] = self.page

    async def call(self, name: str, *arguments: Argument) -> Answer:
        """Answer MAGB QUERY."""
        assert name == QUERY
        request, after, count = arguments
        assert isinstance(request, list)
        assert isinstance(after, str)
        assert isinstance(count, int)
        self.asked.append(json.loads("".join(request)))
        self.pages.append((after, count))
        if self.held is not None:
            self.held.append(Deferred())
            await self.held[-1]
        if self.broken is not None:
            raise self.broken
        return FakeAnswer(self.answers(int(after or 0), count))

    def page(self, start: int, count: int) -> list[str]:
        """Give the lines of a page."""
        end = min(start + count, self.matches)
        head = {"more": str(end) if end < self.matches else None, "unsupported": list(self.unsupported)}
        rows = [{"tags": {"0020000D": [f"1.2.{number}"]}, "state": "INSTORE", "locations": []} for number in range(start, end)]
        return [json.dumps(head), *map(json.dumps, rows)]


def entity(**changes: Any) -> ApplicationEntity:
    return ApplicationEntity(EntityRole.SHORT_TERM, "ROOTDQRY", **changes)


class Question:
    """A C-FIND that was asked."""

    def __init__(self, archive: Archive, keys: dict[str, list[Any]] | bytes = KEYS, **changes: Any) -> None:
        peer = Peer(STUDY_ROOT, lambda reactor: {CommandField.C_FIND_RQ: find_service(entity(**changes), archive, reactor)})
        self.pair, self._peer = peer.pair, peer
        self.request = peer.ask(FIND, keys if isinstance(keys, bytes) else Encoder(EXPLICIT).encode(keys))

    def answers(self) -> list[Response]:
        """Give all answers, the last with the final status."""
        return self._peer.answers(self.request)

    def statuses(self) -> dict[int | None, int]:
        """Count the answers by their statuses."""
        counted: dict[int | None, int] = {}
        for answer in self.answers():
            counted[answer.command.status] = counted.get(answer.command.status, 0) + 1
        return counted


def test_each_match_is_told_and_then_that_there_are_no_more() -> None:
    *matches, last = Question(Archive(3)).answers()
    assert last.command.status == SUCCESS
    assert last.data is None
    assert [decode_identifier(match.data or b"", EXPLICIT) for match in matches] == [
        {
            "00080005": ["ISO_IR 100"],
            "00080052": ["STUDY"],
            "00080054": ["ROOTDQRY"],
            "0020000D": [f"1.2.{number}"],
            "00880130": ["INSTORE"],
        }
        for number in range(3)
    ]


def test_no_match_is_a_success() -> None:
    assert Question(Archive(0)).statuses() == {SUCCESS: 1}


def test_matches_come_page_by_page() -> None:
    archive = Archive(2 * PAGE + 7)
    assert Question(archive, match_limit=10_000).statuses() == {PENDING: 2 * PAGE + 7, SUCCESS: 1}
    assert archive.pages == [("", PAGE), (str(PAGE), PAGE), (str(2 * PAGE), PAGE)]


@pytest.mark.parametrize(
    ("matches", "limit", "final"), [(500, 500, SUCCESS), (501, 500, OUT_OF_RESOURCES), (9, 3, OUT_OF_RESOURCES)]
)
def test_beyond_the_limit_of_matches_the_query_fails_after_so_many(matches: int, limit: int, final: int) -> None:
    archive = Archive(matches)
    *found, last = Question(archive, match_limit=limit).answers()
    assert len(found) == limit
    assert last.command.status == final
    if final == OUT_OF_RESOURCES:
        assert last.command.error_comment == f"Match overflow: there are more than {limit} matches"
    assert sum(count for _after, count in archive.pages) == limit


@pytest.mark.parametrize(
    ("unsupported", "keys"),
    [(("00321060",), KEYS), ((), {**KEYS, "00080054": ["OTHER"]}), ((), {**KEYS, "00290010": ["X"], "00291001": []})],
)
def test_optional_keys_that_are_not_supported_are_warned_of(unsupported: tuple[str, ...], keys: dict[str, list[Any]]) -> None:
    assert Question(Archive(2, unsupported), keys).statuses() == {PENDING_WITH_WARNING: 2, SUCCESS: 1}


@pytest.mark.parametrize(
    ("keys", "changes", "status"),
    [
        ({"0020000D": []}, {}, 0xA900),
        ({"00080052": ["EXAM"]}, {}, 0xA900),
        ({"00080052": ["PATIENT"]}, {}, 0xA900),
        ({"00080052": ["SERIES"]}, {"relational": False}, 0xA900),
        ({"00080052": ["SERIES"], "0020000D": ["1.2"]}, {"study_level_only": True}, 0xA900),
        (b"\x08\x00\x52\x00CS", {}, CANNOT_UNDERSTAND),
        ({**KEYS, **{f"0018{number:04X}": [] for number in range(0x1000, 0x1200)}}, {}, OUT_OF_RESOURCES),
        ({**KEYS, **{f"0018{number:04X}": [] for number in range(0x1000, 0x2000)}}, {}, OUT_OF_RESOURCES),
    ],
)  # fmt: skip
def test_an_identifier_that_cannot_be_answered_is_refused_with_a_comment(
    keys: dict[str, list[Any]] | bytes, changes: dict[str, Any], status: int
) -> None:
    archive = Archive(1)
    (answer,) = Question(archive, keys, **changes).answers()
    assert answer.command.status == status
    assert 0 < len(answer.command.error_comment or "") <= 64
    assert not archive.asked


@pytest.mark.parametrize(
    ("broken", "status"),
    [
        (ConnectionLost(), OUT_OF_RESOURCES),
        (TimedOut(), OUT_OF_RESOURCES),
        (TooManyQuestions(), OUT_OF_RESOURCES),
        (SignOnRefused("Not a valid ACCESS CODE/VERIFY CODE pair."), OUT_OF_RESOURCES),
        (SecurityRefused("The context does not have it."), CANNOT_UNDERSTAND),
        (ApplicationError("No such level."), CANNOT_UNDERSTAND),
        (MError("<UNDEFINED>"), CANNOT_UNDERSTAND),
    ],
)
def test_what_fails_at_the_broker_fails_the_query_with_a_comment(broken: Exception, status: int) -> None:
    archive = Archive(1)
    archive.broken = broken
    (answer,) = Question(archive).answers()
    assert answer.command.status == status
    assert 0 < len(answer.command.error_comment or "") <= 64


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([], CANNOT_UNDERSTAND),
        (["-1^broken"], CANNOT_UNDERSTAND),
        (["[]"], CANNOT_UNDERSTAND),
        (['{"more":null}', "{}"], CANNOT_UNDERSTAND),
        (['{"more":null}', '"match"'], CANNOT_UNDERSTAND),
        (['{"more":null}', '{"tags":{"0010":[]}}'], CANNOT_UNDERSTAND),
        (['{"error":"no level","status":"A900"}'], 0xA900),
        (['{"error":"no level"}'], CANNOT_UNDERSTAND),
    ],
)
def test_an_answer_that_is_none_fails_the_query(lines: list[str], status: int) -> None:
    archive = Archive(1)
    archive.answers = lambda _after, _count: lines
    answer = Question(archive).answers()[-1]
    assert answer.command.status == status
    assert 0 < len(answer.command.error_comment or "") <= 64


def test_a_cursor_that_does_not_move_does_not_go_round_for_ever() -> None:
    archive = Archive(1)
    archive.answers = lambda _after, _count: ['{"more":"7"}']
    assert Question(archive).answers()[-1].command.status == CANNOT_UNDERSTAND
    assert len(archive.pages) == 2


def test_a_query_is_cancelled_while_the_broker_looks_for_matches() -> None:
    archive = Archive(1)
    archive.held = []
    question = Question(archive)
    question.request.cancel()
    question.pair.pump()
    assert question.statuses() == {CANCEL: 1}
    archive.held[0].callback(None)


def test_a_query_is_cancelled_between_its_matches() -> None:
    question = Question(Archive(5000), match_limit=10_000)
    question.request.cancel()
    statuses = question.statuses()
    assert statuses[CANCEL] == 1
    assert statuses[PENDING] < 5000


def test_a_broker_that_does_not_answer_is_not_waited_for_for_ever() -> None:
    archive = Archive(1)
    archive.held = []
    question = Question(archive)
    question.pair.reactor.advance(CALL_SECONDS)
    (answer,) = question.answers()
    assert answer.command.status == OUT_OF_RESOURCES
    assert answer.command.error_comment == "The archive did not answer within 25 s"


def test_nothing_is_written_when_the_association_ends_while_matches_are_looked_for() -> None:
    archive = Archive(1)
    archive.held = []
    question = Question(archive)
    question.pair.requestor.abort()
    question.pair.pump()
    archive.held[0].callback(None)
    question.pair.pump()
    assert question.pair.acceptor.over
    assert len(archive.pages) == 1


def test_a_peer_that_reads_slowly_holds_up_the_pages() -> None:
    archive = Archive(5000)
    question = Question(archive, match_limit=10_000)
    assert len(archive.pages) < 5000 // PAGE
    assert question.statuses() == {PENDING: 5000, SUCCESS: 1}
