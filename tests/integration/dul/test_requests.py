"""Our SCU finds, moves and gets: from our provider and from pynetdicom's, with TLS and without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, gatherResults

from dul import (
    AS_SCP,
    VERIFICATION,
    Answers,
    AssociateRequest,
    Category,
    CommandField,
    Exchange,
    NoContext,
    Progress,
    Request,
    RequestFailed,
    Response,
    c_echo,
    c_find,
    c_get,
    c_move,
    c_store,
    found_by,
    propose,
)
from runtime import free_port
from tests.support.asking import Asking, storing
from tests.support.dicom import Storescp, data_set_bytes
from tests.support.dicom_tls import Secured
from tests.support.identifiers import (
    FAILED_LIST,
    LEVEL,
    PATIENT_ID,
    PATIENT_NAME,
    SOP_CLASS,
    SOP_INSTANCE,
    STUDY,
    SYNTAXES,
    decode_identifier,
    encode_identifier,
)
from tests.support.pynetdicom_provider import PynetdicomProvider
from tests.support.query_provider import FIND, GET, MOVE, PATIENT_ROOT, STUDY_ROOT, QueryProvider, Table, synthetic_rows

EXPLICIT, IMPLICIT = SYNTAXES
CT, SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.7"


@dataclass
class Peer:
    """A provider to be asked, as a test wants it."""

    make: Any
    asking: Asking
    tls: Secured | None

    def on(self, table: Table, **more: Any) -> AbstractContextManager[Any]:
        provider: AbstractContextManager[Any] = self.make(table, **more)
        return provider

    def ask(self, provider: Any, request: AssociateRequest, ask: Any, services: Any = None) -> Any:
        return self.asking.over(provider.port, request, ask, services, tls=self.tls)


@pytest.fixture(params=["our provider", "pynetdicom"])
def peer(request: pytest.FixtureRequest, secured: Secured | None, asking: Asking) -> Peer:
    """Give each provider in turn."""
    if request.param == "pynetdicom":
        return Peer(partial(PynetdicomProvider, tls=secured and secured.context()), asking, secured)
    return Peer(partial(QueryProvider, tls=secured), asking, secured)


def largest_study(table: Table) -> tuple[str, set[str]]:
    studies: dict[str, set[str]] = {}
    for row in table.rows:
        studies.setdefault(row[STUDY], set()).add(row[SOP_INSTANCE])
    return max(studies.items(), key=lambda study: len(study[1]))


def asked_for(*models: str, syntax: str = EXPLICIT) -> AssociateRequest:
    return propose("TABLE", "ASKER", [(model, [syntax]) for model in (VERIFICATION, *models)])


def to_get(table: Table) -> AssociateRequest:
    classes = sorted({row[SOP_CLASS] for row in table.rows})
    contexts = [(PATIENT_ROOT + GET, [EXPLICIT]), *((sop_class, [EXPLICIT]) for sop_class in classes)]
    return propose("TABLE", "ASKER", contexts, roles=dict.fromkeys(classes, AS_SCP))


def by_study(study: str, syntax: str = EXPLICIT) -> bytes:
    return encode_identifier({LEVEL: "STUDY", PATIENT_ID: "", STUDY: study}, syntax)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_query_gives_each_match_once_and_in_order(peer: Peer, table: Table, syntax: str) -> None:
    query = encode_identifier({LEVEL: "STUDY", STUDY: "", PATIENT_NAME: "", PATIENT_ID: "7765*"}, syntax)

    async def find(exchange: Exchange) -> tuple[list[bytes], Response | None]:
        answers = c_find(exchange, STUDY_ROOT + FIND, query)
        return await answers.rest(), answers.final

    with peer.on(table) as provider:
        matches, final = peer.ask(provider, asked_for(STUDY_ROOT + FIND, syntax=syntax), find)
    found = [decode_identifier(match, syntax)[STUDY] for match in matches]
    assert found == [row[STUDY] for row in table.levels["STUDY"] if row[PATIENT_ID].startswith("7765")]
    assert len(found) > 1
    assert final is not None
    assert final.category is Category.SUCCESS


def test_a_study_is_gotten_over_the_association_that_asks(peer: Peer, table: Table) -> None:
    study, wanted = largest_study(table)
    received: dict[str, bytes] = {}

    async def get(exchange: Exchange) -> tuple[list[Progress], Response | None]:
        answers = c_get(exchange, PATIENT_ROOT + GET, by_study(study))
        return await answers.rest(), answers.final

    with peer.on(table) as provider:
        progress, final = peer.ask(provider, to_get(table), get, {CommandField.C_STORE_RQ: storing(received)})
    assert received.keys() == wanted
    assert final is not None
    assert Progress.of(final) == Progress(completed=len(wanted))
    assert [one.remaining for one in progress][:2] == [len(wanted) - 1, len(wanted) - 2]


def test_a_study_is_moved_to_a_third_party(peer: Peer, table: Table, tmp_path: Path) -> None:
    study, wanted = largest_study(table)

    async def move(exchange: Exchange) -> Response | None:
        answers = c_move(exchange, PATIENT_ROOT + MOVE, "THIRD", by_study(study))
        await answers.rest()
        return answers.final

    with (
        Storescp(tmp_path / "received") as destination,
        peer.on(table, destinations={"THIRD": ("127.0.0.1", destination.port)}) as provider,
    ):
        final = peer.ask(provider, asked_for(PATIENT_ROOT + MOVE), move)
        assert destination.received().keys() == wanted
    assert Progress.of(final) == Progress(completed=len(wanted))


def test_an_unknown_destination_is_a_failure_with_its_status(peer: Peer, table: Table) -> None:
    study, _wanted = largest_study(table)

    async def move(exchange: Exchange) -> None:
        with pytest.raises(RequestFailed, match="A801") as raised:
            await c_move(exchange, PATIENT_ROOT + MOVE, "NOBODY", by_study(study)).rest()
        assert raised.value.status == 0xA801
        await c_echo(exchange)

    with peer.on(table) as provider:
        peer.ask(provider, asked_for(PATIENT_ROOT + MOVE), move)


def endless() -> QueryProvider:
    def find(request: Request, _data: bytes) -> Iterator[bytes]:
        return (encode_identifier({LEVEL: "STUDY", STUDY: f"1.{number}"}, request.transfer_syntax) for number in count())

    return QueryProvider(Table([]), services={CommandField.C_FIND_RQ: found_by(find)})


def test_leaving_a_query_cancels_it_and_the_association_goes_on(asking: Asking) -> None:
    async def find(exchange: Exchange) -> Answers[bytes]:
        async with c_find(exchange, STUDY_ROOT + FIND, by_study("")) as answers:
            async for match in answers:
                if decode_identifier(match, EXPLICIT)[STUDY] == "1.100":
                    break
        await c_echo(exchange)
        return answers

    with endless() as provider:
        answers = asking.over(provider.port, asked_for(STUDY_ROOT + FIND), find)
    assert answers.final is not None
    assert answers.final.category is Category.CANCEL


def test_a_wait_that_is_given_up_loses_no_match(asking: Asking) -> None:
    """The match that would have come to who gave up comes to the next who waits."""

    async def find(exchange: Exchange) -> list[str]:
        async with c_find(exchange, STUDY_ROOT + FIND, by_study("")) as answers:
            waiting = Deferred.fromCoroutine(answers.__anext__())
            waiting.addErrback(lambda _failure: None)
            waiting.cancel()
            while not answers._asked.unread:
                await exchange.breath()
            return [decode_identifier(await answers.__anext__(), EXPLICIT)[STUDY] for _ in range(3)]

    with endless() as provider:
        assert asking.over(provider.port, asked_for(STUDY_ROOT + FIND), find) == ["1.0", "1.1", "1.2"]


def test_leaving_a_retrieval_leaves_the_rest_unsent(asking: Asking, table: Table) -> None:
    received: dict[str, bytes] = {}

    async def get(exchange: Exchange) -> Answers[Progress]:
        query = encode_identifier({LEVEL: "PATIENT", PATIENT_ID: ""}, EXPLICIT)
        async with c_get(exchange, PATIENT_ROOT + GET, query) as answers:
            await answers.__anext__()
        return answers

    with QueryProvider(table) as provider:
        answers = asking.over(provider.port, to_get(table), get, {CommandField.C_STORE_RQ: storing(received)})
    assert answers.final is not None
    assert answers.final.category is Category.CANCEL
    told = Progress.of(answers.final)
    assert told.remaining > 0
    assert told.completed == len(received)
    assert told.remaining + told.completed + told.failed == len(table.rows)


def test_what_was_gotten_is_what_was_filed(asking: Asking, table: Table) -> None:
    """Objects in other transfer syntaxes than the proposed ones fail, and are named; the others come byte for byte."""
    received: dict[str, bytes] = {}

    async def get(exchange: Exchange) -> Response | None:
        answers = c_get(exchange, PATIENT_ROOT + GET, encode_identifier({LEVEL: "PATIENT", PATIENT_ID: ""}, EXPLICIT))
        await answers.rest()
        return answers.final

    with QueryProvider(table) as provider:
        final = asking.over(provider.port, to_get(table), get, {CommandField.C_STORE_RQ: storing(received)})
    assert final is not None
    assert final.command.status == 0xB000
    failed = decode_identifier(final.data or b"", EXPLICIT)[FAILED_LIST].split("\\")
    assert {row[SOP_INSTANCE] for row in table.rows} == {*received, *failed}
    assert len(failed) == 2
    for uid, data in received.items():
        assert data == data_set_bytes(table.files[uid])


def test_without_the_role_nothing_can_be_gotten(asking: Asking, table: Table) -> None:
    study, wanted = largest_study(table)
    request = propose("TABLE", "ASKER", [(PATIENT_ROOT + GET, [IMPLICIT]), (CT, [EXPLICIT])])

    async def get(exchange: Exchange) -> None:
        await c_get(exchange, PATIENT_ROOT + GET, by_study(study, IMPLICIT)).rest()

    with QueryProvider(table) as provider, pytest.raises(RequestFailed, match="A702") as raised:
        asking.over(provider.port, request, get)
    named = decode_identifier(raised.value.response.data or b"", IMPLICIT)[FAILED_LIST]
    assert set(named.split("\\")) == wanted


def test_a_destination_that_cannot_be_reached_fails_all_and_says_why(asking: Asking, table: Table) -> None:
    study, wanted = largest_study(table)

    async def move(exchange: Exchange) -> None:
        await c_move(exchange, PATIENT_ROOT + MOVE, "THIRD", by_study(study)).rest()

    with (
        QueryProvider(table, {"THIRD": ("127.0.0.1", free_port())}) as provider,
        pytest.raises(RequestFailed, match="A702: No connection") as raised,
    ):
        asking.over(provider.port, asked_for(PATIENT_ROOT + MOVE), move)
    assert Progress.of(raised.value.response).failed == len(wanted)


def test_nothing_to_be_moved_is_a_success(asking: Asking, table: Table) -> None:
    async def move(exchange: Exchange) -> Response | None:
        answers = c_move(exchange, PATIENT_ROOT + MOVE, "THIRD", by_study("1.2.3.4"))
        assert await answers.rest() == []
        return answers.final

    with QueryProvider(table, {"THIRD": ("127.0.0.1", free_port())}) as provider:
        final = asking.over(provider.port, asked_for(PATIENT_ROOT + MOVE), move)
    assert final is not None
    assert (final.category, Progress.of(final)) == (Category.SUCCESS, Progress())


def test_an_object_whose_file_is_gone_fails_and_the_others_come(asking: Asking, table: Table) -> None:
    study, wanted = largest_study(table)
    gone = min(wanted)
    received: dict[str, bytes] = {}

    async def get(exchange: Exchange) -> Response | None:
        answers = c_get(exchange, PATIENT_ROOT + GET, by_study(study))
        await answers.rest()
        return answers.final

    files = {uid: path for uid, path in table.files.items() if uid != gone}
    with QueryProvider(Table(table.rows, files)) as provider:
        final = asking.over(provider.port, to_get(table), get, {CommandField.C_STORE_RQ: storing(received)})
    assert received.keys() == wanted - {gone}
    assert final is not None
    assert final.command.status == 0xB000
    assert decode_identifier(final.data or b"", EXPLICIT) == {FAILED_LIST: gone}


def test_a_status_that_is_a_failure_is_raised_with_its_comment(asking: Asking, table: Table) -> None:
    async def find(exchange: Exchange) -> None:
        await c_find(exchange, STUDY_ROOT + FIND, encode_identifier({LEVEL: "PATIENT"}, EXPLICIT)).rest()

    with QueryProvider(table) as provider, pytest.raises(RequestFailed, match="A900: PATIENT is not one of") as raised:
        asking.over(provider.port, asked_for(STUDY_ROOT + FIND), find)
    assert raised.value.comment == "PATIENT is not one of STUDY, SERIES, IMAGE"


def test_queries_asked_at_once_each_get_their_own_matches(asking: Asking) -> None:
    async def one(exchange: Exchange, number: int) -> list[str]:
        query = encode_identifier({LEVEL: "STUDY", STUDY: "", PATIENT_ID: f"P0000{number}"}, EXPLICIT)
        matches = await c_find(exchange, STUDY_ROOT + FIND, query).rest()
        return [decode_identifier(match, EXPLICIT)[PATIENT_ID] for match in matches]

    async def find(exchange: Exchange) -> list[list[str]]:
        return await gatherResults([Deferred.fromCoroutine(one(exchange, number)) for number in range(9)])

    with QueryProvider(Table(synthetic_rows(9))) as provider:
        found = asking.over(provider.port, asked_for(STUDY_ROOT + FIND), find)
    assert found == [[f"P0000{number}"] for number in range(9)]


class Unread:
    """A source that tells whether it was closed."""

    size = 2
    closed = False

    def read(self, count: int) -> bytes:
        self.size -= count
        return b"\0" * count

    def close(self) -> None:
        self.closed = True


def test_an_object_is_stored_by_the_context_of_its_transfer_syntax(asking: Asking, table: Table, tmp_path: Path) -> None:
    rows = {row[PATIENT_ID]: row for row in table.rows}
    single = [(rows["1CT1"], CT, EXPLICIT), (rows["8NM1"], SECONDARY_CAPTURE, "1.2.840.10008.1.2.4.91")]
    contexts = [(CT, [IMPLICIT]), (CT, [EXPLICIT]), (SECONDARY_CAPTURE, [EXPLICIT]), (SECONDARY_CAPTURE, [single[1][2]])]

    async def store(exchange: Exchange) -> None:
        for row, sop_class, syntax in single:
            uid = row[SOP_INSTANCE]
            response = await c_store(exchange, sop_class, uid, syntax, data_set_bytes(table.files[uid]))
            assert response.command.sop_instance == uid

    with Storescp(tmp_path / "received") as destination:
        asking.over(destination.port, propose("ANY", "ASKER", contexts), store)
        for uid, (path,) in destination.received().items():
            assert data_set_bytes(path) == data_set_bytes(table.files[uid])
        assert destination.received().keys() == {row[SOP_INSTANCE] for row, _sop_class, _syntax in single}


def test_what_has_no_context_is_not_sent_and_its_source_closed(asking: Asking, table: Table) -> None:
    source = Unread()

    async def store(exchange: Exchange) -> None:
        with pytest.raises(NoContext, match=CT):
            await c_store(exchange, CT, "1.2.3", EXPLICIT, source)
        await c_echo(exchange)

    with QueryProvider(table) as provider:
        asking.over(provider.port, asked_for(), store)
    assert source.closed
