"""Whoever changes something is written down with what it was and is; so is who was refused; a trial changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import func, select

from fileman import Audited, AuditWanted, Change, Store, list_audit, write_audit
from fileman.audit import CHANGE_LIMIT, MOST_CHANGES, VALUE_LIMIT
from fileman.files import AuditRecord, HeldDestination
from rpcs.actions import ACTIONS, Act, BadRequest, Caller, NotAllowed, NotFound, answer_of, carry_out
from runtime import FixedClock
from tests.integration.rpcs.conftest import MakeBroker
from tests.integration.rpcs.two_users import MAY, UNA, User, site_of_two_users
from tests.support.query_plans import statements_of
from xwb import BrokerClient

SITE = site_of_two_users("MAGB GATEWAY", ACTIONS, "MAG SYSTEM") + "".join(
    f"""
[[transmit_destination]]
ien = {ien}
name = "{name}"
ae_title = "{name}"
host = "127.0.0.1"
port = 11113
location = 660
"""
    for ien, name in ((1, "ARCHIVE"), (2, "VIEWER"))
)
Ask = Callable[..., Any]


@pytest.fixture
def ask(make_broker: MakeBroker) -> Iterator[Ask]:
    broker = make_broker(more=SITE)
    clients: dict[User, BrokerClient] = {}

    def ask(user: User, name: str, /, **asked: object) -> Any:
        """Call a procedure as a user; `dry_run` names DRY RUN."""
        if user not in clients:
            clients[user] = broker.client(user.access, user.verify, "MAGB GATEWAY")
        request = {key.upper().replace("_", " "): str(value) for key, value in asked.items()}
        return answer_of(clients[user].call(f"MAGB {name}", request).text)

    yield ask
    for client in clients.values():
        client.bye()


def held(store: Store) -> list[str]:
    return list(store.read(lambda it: it.execute(select(HeldDestination.application)).scalars().all()))


def records(store: Store) -> int:
    return int(store.read(lambda it: it.execute(select(func.count()).select_from(AuditRecord)).scalar_one()))


def test_who_changed_what_is_told_with_what_it_was(ask: Ask, clock: FixedClock) -> None:
    ask(MAY, "EXPORT HOLD", destination="ARCHIVE")
    (one,) = ask(MAY, "AUDIT LIST")["actions"]
    assert (one["name"], one["duz"], one["via"], one["address"]) == (MAY.name, MAY.duz, "RPC", "127.0.0.1")
    assert (one["action"], one["outcome"], one["reason"]) == ("MAGB EXPORT HOLD", "done", "")
    assert one["request"] == {"DESTINATION": "ARCHIVE"}
    assert one["at"].startswith(f"{clock.now():%Y-%m-%dT%H:%M:%S}")
    assert one["changes"] == [
        {"subject": "destination ARCHIVE", "before": {"held": False}, "after": {"held": True, "entries": 0}}
    ]


def test_what_is_refused_is_told_with_the_reason_and_has_changed_nothing(ask: Ask, store: Store) -> None:
    with pytest.raises(NotAllowed):
        ask(UNA, "EXPORT HOLD", destination="ARCHIVE")
    with pytest.raises(NotFound):
        ask(MAY, "EXPORT HOLD", destination="NOWHERE")
    with pytest.raises(BadRequest):
        ask(MAY, "EXPORT HOLD", destination="ARCHIVE", entries="1^1")
    found = ask(MAY, "AUDIT LIST")["actions"]
    assert [(one["name"], one["outcome"], one["changes"]) for one in found] == [
        (MAY.name, "usage", []),
        (MAY.name, "missing", []),
        (UNA.name, "key", []),
    ]
    assert "MAG SYSTEM" in found[2]["reason"]
    assert held(store) == []


def test_the_owner_of_the_database_is_audited_alike(store: Store, clock: FixedClock, ask: Ask) -> None:
    owner = Caller(0, "owner root", owner=True)
    for destination, outcome in (("VIEWER", "done"), ("NOWHERE", "missing")):
        request = {"DESTINATION": destination}
        done = store.transact(lambda it, asked=request: carry_out(ACTIONS["MAGB EXPORT HOLD"], Act(it, owner, clock, asked)))
        assert (done.refused is None) == (outcome == "done")
        (one, *_others) = ask(MAY, "AUDIT LIST")["actions"]
        assert (one["name"], one["via"], one["outcome"]) == ("owner root", "OWNER", outcome)


def test_a_trial_tells_what_would_be_changed_and_changes_nothing(ask: Ask, store: Store) -> None:
    told = ask(MAY, "EXPORT HOLD", destination="ARCHIVE", dry_run=1)
    assert told["dry_run"] is True
    assert [change["subject"] for change in told["changes"]] == ["destination ARCHIVE"]
    assert told["answer"] == {"entries": 0, "more": False, "left": []}
    assert (held(store), records(store)) == ([], 0)
    with pytest.raises(NotAllowed):
        ask(UNA, "EXPORT HOLD", destination="ARCHIVE", dry_run=1)


def test_looking_is_not_written_down(ask: Ask, store: Store) -> None:
    ask(MAY, "EXPORT LIST")
    with pytest.raises(NotAllowed):
        ask(UNA, "AUDIT LIST")
    assert records(store) == 0


def test_actions_are_found_by_who_what_outcome_and_time(ask: Ask, clock: FixedClock) -> None:
    for destination in ("ARCHIVE", "VIEWER"):
        ask(MAY, "EXPORT HOLD", destination=destination)
        clock.advance(60)
    with pytest.raises(NotAllowed):
        ask(UNA, "EXPORT RELEASE", destination="VIEWER")

    def found(**wanted: object) -> list[int]:
        return [one["ien"] for one in ask(MAY, "AUDIT LIST", **wanted)["actions"]]

    assert found() == [3, 2, 1]
    assert found(user=UNA.name) == [3]
    assert found(action="export hold") == found(action="MAGB EXPORT HOLD") == [2, 1]
    assert found(subject="destination VIEWER") == [2]
    assert found(outcome="key") == [3]
    moment = f"{clock.now():%Y-%m-%d %H:%M}"
    assert found(since=moment) == [3]
    assert found(until=moment) == [2, 1]
    page = ask(MAY, "AUDIT LIST", limit=2)
    assert ([one["ien"] for one in page["actions"]], page["next"]) == ([3, 2], 2)
    assert ask(MAY, "AUDIT LIST", limit=2, before=2)["next"] is None
    for wrong in ({"action": "NO SUCH"}, {"outcome": "good"}, {"since": "someday"}, {"limit": 501}):
        with pytest.raises(BadRequest):
            found(**wrong)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_audit_is_found_by_an_index(ask: Ask, store: Store) -> None:
    ask(MAY, "EXPORT HOLD", destination="ARCHIVE")
    with statements_of(store) as statements:
        for wanted in ({}, {"user": "X"}, {"action": "EXPORT HOLD"}, {"subject": "X"}, {"outcome": "key"}, {"before": 5}):
            ask(MAY, "AUDIT LIST", **wanted)
    plans = {text: steps for text, steps in statements.plans(store).items() if "audit_" in text}
    assert len(plans) >= 7
    steps = [step for steps in plans.values() for step in steps]
    assert not any("TEMP B-TREE" in step for step in steps), plans
    assert {step for step in steps if step.startswith("SCAN audit")} == {"SCAN audit_record"}, "from its newest end"


def test_a_request_is_not_kept_at_any_length(store: Store) -> None:
    request = {"TEXT": "x" * 5000, "NAME": "ARCHIVE"}
    changes = [Change(f"entry {number}", None, {"text": "y" * 30_000}) for number in range(MOST_CHANGES + 3)]
    audited = Audited(1.0, 2, "NAME", "RPC", "", "MAGB X", request, changes=changes)
    number = store.transact(lambda it: write_audit(it, audited))
    (kept,) = store.read(lambda it: list_audit(it, AuditWanted(), 5))
    assert (kept.ien, kept.request["NAME"]) == (number, "ARCHIVE")
    assert kept.request["TEXT"] == "x" * VALUE_LIMIT + "... (5000 characters)"
    assert len(kept.changes) == MOST_CHANGES + 1
    assert kept.changes[-1].subject == "3 more"
    assert len(kept.changes[0].after) < CHANGE_LIMIT
