"""`MAGB RULES ...`: a holder of MAG SYSTEM publishes, goes back, starts and stops; everybody in the context may look and ask."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import select

from fileman import Store
from fileman.files import RulePublication, Task
from rpcs.actions import ACTIONS, BadRequest, NotAllowed, NotFound, RefusedAction, answer_of
from rules.evaluator.versions import FILE, publish, store_version
from runtime import FixedClock
from taskman import api
from tests.integration.rpcs.conftest import MakeBroker
from tests.integration.rpcs.two_users import MAY, UNA, site_of_two_users
from tests.support.broker import RecordingEngine, RunningBroker
from xwb import BrokerClient

SITE = site_of_two_users("MAGB GATEWAY", (name for name in ACTIONS if name.startswith("MAGB RULES ")), "MAG SYSTEM")
FIRST = 'dicom("READING ROOM") when MODALITY=CT\n'
SECOND = '# night\ndicom("READING ROOM") when MODALITY=MR priority HIGH\n'


class Desk:
    """A signed-on user who asks."""

    def __init__(self, client: BrokerClient) -> None:
        self.client = client

    def ask(self, name: str, /, **asked: object) -> Any:
        """Call a procedure."""
        request = {key.upper(): str(value) for key, value in asked.items()}
        return answer_of(self.client.call(f"MAGB RULES {name}", request).text)


@pytest.fixture
def broker(make_broker: MakeBroker) -> RunningBroker:
    return make_broker(more=SITE, engine=RecordingEngine())


@pytest.fixture
def sign_on(broker: RunningBroker) -> Iterator[Callable[[str, str], Desk]]:
    clients: list[BrokerClient] = []

    def sign_on(access: str, verify: str) -> Desk:
        clients.append(broker.client(access, verify, "MAGB GATEWAY"))
        return Desk(clients[-1])

    yield sign_on
    for client in clients:
        client.bye()


@pytest.fixture
def may(sign_on: Callable[[str, str], Desk]) -> Desk:
    return sign_on(MAY.access, MAY.verify)


@pytest.fixture
def una(sign_on: Callable[[str, str], Desk]) -> Desk:
    return sign_on(UNA.access, UNA.verify)


def test_a_rule_file_is_published_listed_shown_and_gone_back_from(may: Desk, una: Desk) -> None:
    first = may.ask("PUBLISH", location=660, text=FIRST, note="to begin with")
    assert (first["sequence"], first["rules"], first["semantics"], first["evaluator"]) == (1, 1, "documented", False)
    second = may.ask("PUBLISH", location=660, text=SECOND)
    listed = una.ask("VERSIONS", location=660)["versions"]
    assert [it["version"] for it in listed] == [second["version"], first["version"]]
    assert (listed[1]["published_by"], listed[1]["note"]) == ("MANAGER,MAY", "to begin with")
    assert una.ask("SHOW", version=second["version"][:8])["text"] == SECOND, "as it was written, comments too"
    back = may.ask("ROLLBACK", location=660)
    assert (back["version"], back["note"]) == (first["version"], f"back from {second['version']}")


def test_a_long_rule_file_arrives_whole(may: Desk) -> None:
    text = "".join(f'dicom("READING ROOM") when MODALITY=CT SOURCE="SITE {number} é"\n' for number in range(300))
    made = may.ask("PUBLISH", location=660, text=text)
    assert made["rules"] == 300
    assert may.ask("SHOW", version=made["version"])["text"] == text


def test_a_file_with_errors_is_refused_with_all_of_them(may: Desk, broker: RunningBroker) -> None:
    with pytest.raises(BadRequest) as refused:
        may.ask("PUBLISH", location=660, text='send("A") whne MODALITY=CT\nsend("B") when MODALITY==\n')
    assert "line 1, column 11" in str(refused.value)
    assert "line 2" in str(refused.value)
    assert broker.store.read(lambda it: it.execute(select(RulePublication)).all()) == []


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        (("PUBLISH", {"location": 660, "text": "# nothing\n"}), BadRequest, "no rule"),
        (("PUBLISH", {"location": 4711, "text": FIRST}), NotFound, "no institution 4711"),
        (("VERSIONS", {"location": "x"}), BadRequest, "LOCATION is a number"),
        (("SHOW", {"version": "abcd"}), NotFound, "no version"),
        (("ROLLBACK", {"location": 660}), NotFound, "No rules are published"),
        (("START", {"location": 660}), NotFound, "No rules are published"),
        (("STOP", {"location": 660}), NotFound, "No rule evaluator"),
        (("EXPLAIN", {"image": 4711}), NotFound, "No rules were asked"),
    ],
)
def test_what_cannot_be_done_says_why(may: Desk, asked: Any, error: type[Exception], told: str) -> None:
    name, request = asked
    with pytest.raises(error, match=told):
        may.ask(name, **request)


def test_going_back_from_the_only_version_is_refused(may: Desk) -> None:
    may.ask("PUBLISH", location=660, text=FIRST)
    with pytest.raises(RefusedAction, match="no other rules before"):
        may.ask("ROLLBACK", location=660)


@pytest.mark.parametrize("name", ["PUBLISH", "ROLLBACK", "START", "STOP"])
def test_a_change_takes_the_key(una: Desk, name: str) -> None:
    with pytest.raises(NotAllowed, match="MAG SYSTEM"):
        una.ask(name, location=660, text=FIRST)


def test_an_evaluator_is_started_with_what_is_published_and_stopped(may: Desk, store: Store, clock: FixedClock) -> None:
    store.transact(lambda it: publish(it, 660, store_version(it, FIRST, FILE, "documented", "x", 0.0), "x", 0.0))
    made = may.ask("START", location=660)
    arguments = store.read(lambda it: it.execute(select(Task.arguments).where(Task.number == made["number"])).scalar())
    assert json.loads(arguments or "") == {"location": 660, "rules": [], "published": 0}
    (stopped,) = may.ask("STOP", location=660)["tasks"]
    assert (stopped["number"], stopped["done"]) == (made["number"], True)
    assert store.read(lambda it: api.stat(it, made["number"])).code in ("D", "F")
