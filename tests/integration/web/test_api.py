"""The JSON API: who asks, what he may, what he is told, and that the audit knows it."""

from __future__ import annotations

import os
import socket
import stat
from typing import Any

import pytest
from sqlalchemy import select, update

from console.web.bodies import BODY_LIMIT
from console.web.openapi import method_of, path_of
from fileman.files import ApiToken, AuditRecord, NewPerson
from rpcs.actions import ACTIONS
from rpcs.actions.tokens import DAY
from runtime import SOCKET
from tests.integration.rpcs.two_users import MAY, UNA
from tests.integration.web.conftest import Served
from tests.support.http import Web


def audited(served: Served) -> list[Any]:
    columns = (AuditRecord.action, AuditRecord.outcome, AuditRecord.name, AuditRecord.via, AuditRecord.address)
    return [tuple(row) for row in served.store.read(lambda it: it.execute(select(*columns).order_by(AuditRecord.ien)).all())]


def test_a_signed_on_user_with_the_key_does_it_and_is_audited(served: Served) -> None:
    may = served.user(MAY)
    done = may.post("/api/export/hold", destination="ARCHIVE")
    assert (done.status, done.body["entries"]) == (200, 0)
    assert [one["destination"] for one in may.get("/api/export/list").body["held"]] == ["ARCHIVE"]
    assert audited(served) == [("MAGB EXPORT HOLD", "done", MAY.name, "API", "127.0.0.1")]


def test_a_user_without_the_key_is_refused_and_audited(served: Served) -> None:
    refused = served.user(UNA).post("/api/export/hold", destination="ARCHIVE")
    assert (refused.status, refused.body["error"]) == (403, "key")
    assert "MAG SYSTEM" in refused.body["message"]
    assert audited(served) == [("MAGB EXPORT HOLD", "key", UNA.name, "API", "127.0.0.1")]


def test_a_user_without_the_context_is_refused_as_the_broker_refuses_him(served: Served) -> None:
    refused = served.user(UNA).get("/api/task/list")
    assert (refused.status, refused.body["error"]) == (403, "key")
    assert "does not have access to option MAGB TASKMAN. Have the option added" in refused.body["message"]


def test_who_misses_a_path_or_its_method_is_told_where_to_look(served: Served) -> None:
    missed, mistaken = served.user(MAY).get("/api/images"), served.user(MAY).get("/api/export/hold")
    assert (missed.status, missed.body["error"]) == (404, "missing")
    assert "GET /api lists" in missed.body["message"]
    assert (mistaken.status, mistaken.body) == (405, {"error": "usage", "message": "This takes POST only."})


def test_nothing_is_told_to_who_is_not_signed_on(served: Served) -> None:
    for web in (served.nobody, Web(served.service.ports["web"], token="magb_x"), Web(served.service.ports["web"], token="ü")):
        refused = web.get("/api/status")
        assert (refused.status, refused.body["error"]) == (401, "sign-on")
        assert refused.headers["WWW-Authenticate"] == 'Bearer realm="magbroker"'
    assert audited(served) == []


@pytest.mark.parametrize(
    ("codes", "status"),
    [
        ({"access": MAY.access, "verify": "WRONG1!!"}, 401),
        ({"access": "", "verify": MAY.verify}, 400),
        ({"access": MAY.access}, 400),
        ({"access": MAY.access, "verify": 7}, 400),
        ({"access": "A" * 61, "verify": MAY.verify}, 400),
        ({"access": MAY.access, "verify": MAY.verify, "more": ""}, 400),
    ],
)
def test_wrong_codes_give_no_token(served: Served, codes: dict[str, Any], status: int) -> None:
    refused = served.nobody.post("/api/sign-on", **codes)
    assert refused.status == status
    assert "token" not in refused.body
    assert served.store.read(lambda it: it.execute(select(ApiToken.ien)).all()) == []


def test_an_address_that_guesses_is_locked_out_as_at_the_broker(served: Served) -> None:
    said = [served.nobody.post("/api/sign-on", access=MAY.access, verify=f"WRONG{n}!!").body["message"] for n in range(3)]
    assert said[0] == "Not a valid ACCESS CODE/VERIFY CODE pair."
    assert "locked due to too many invalid signon attempts" in said[2]
    right = served.nobody.post("/api/sign-on", access=MAY.access, verify=MAY.verify)
    assert (right.status, "locked" in right.body["message"]) == (401, True)


def test_a_token_ends_with_its_time_its_user_or_by_hand(served: Served) -> None:
    may, other = served.user(MAY), served.user(MAY)
    assert may.ask("POST", "/api/sign-off").body == {"signed_off": True}
    assert (may.get("/api/status").status, other.get("/api/status").status) == (401, 200)
    made = other.post("/api/token/make", label="monitoring", days=1).body
    monitoring = Web(served.service.ports["web"], token=made["token"])
    assert monitoring.get("/api/status").status == 200
    served.clock.advance(DAY + 1)
    assert monitoring.get("/api/status").status == 401
    third = served.user(MAY)
    disuser = update(NewPerson).where(NewPerson.duz == MAY.duz).values(disuser=True)
    served.store.transact(lambda it: it.execute(disuser))
    assert third.get("/api/status").status == 401


def test_a_token_is_kept_as_a_hash_and_no_audit_has_it(served: Served) -> None:
    made = served.user(MAY).post("/api/token/make", label="monitoring").body
    tokens = served.store.read(lambda it: it.execute(select(ApiToken.token_hash)).scalars().all())
    requests = served.store.read(lambda it: it.execute(select(AuditRecord.request)).scalars().all())
    assert (len(tokens), requests) == (2, ['{"LABEL": "monitoring"}'])
    assert made["token"] not in tokens
    listed = served.user(UNA).get("/api/token/list").body["entries"]
    assert [one["label"] for one in listed] == ["sign-on"], "his own only"
    assert served.user(UNA).get("/api/token/list", all=1).status == 403
    assert served.user(UNA).post("/api/token/end", ien=made["ien"]).status == 403
    assert served.user(MAY).post("/api/token/end", ien=made["ien"]).status == 200
    assert Web(served.service.ports["web"], token=made["token"]).get("/api/status").status == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("GET", "/api/nothing", None, 404, "missing"),
        ("GET", "/elsewhere", None, 404, "missing"),
        ("GET", "/api/call", None, 405, "usage"),
        ("POST", "/api/status", {}, 405, "usage"),
        ("GET", "/api/export/hold", None, 405, "usage"),
        ("POST", "/api/export/hold", b"{", 400, "usage"),
        ("POST", "/api/export/hold", [], 400, "usage"),
        ("POST", "/api/export/hold", {"destination": ["ARCHIVE"]}, 400, "usage"),
        ("POST", "/api/export/hold", {"destinatoin": "ARCHIVE"}, 400, "usage"),
        ("POST", "/api/export/hold", {"destination": "NOWHERE"}, 404, "missing"),
        ("POST", "/api/rules/start", {"location": 660}, 404, "missing"),
        ("POST", "/api/rules/start", {"location": "many"}, 400, "usage"),
        ("GET", "/api/export/list?limit=0", None, 400, "usage"),
        ("GET", "/api/export/list?status=GONE", None, 400, "usage"),
        ("POST", "/api/call", {"procedure": "MAGB STATUS", "request": {}}, 404, "missing"),
    ],
)
def test_what_cannot_be_done_is_said(served: Served, method: str, path: str, body: Any, status: int, said: str) -> None:
    refused = served.user(MAY).ask(method, path, body)
    assert (refused.status, refused.body["error"]) == (status, said)
    assert refused.body["message"]


def test_a_body_is_json_and_not_too_large(served: Served) -> None:
    may = served.user(MAY)
    assert may.ask("POST", "/api/export/hold", b"destination=ARCHIVE", content_type="text/plain").status == 415
    with socket.create_connection(("127.0.0.1", served.service.ports["web"])) as peer:
        peer.sendall(b"POST /api/sign-on HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (BODY_LIMIT + 1))
        assert peer.recv(100).startswith(b"HTTP/1.1 413 ")
    with socket.create_connection(("127.0.0.1", served.service.ports["web"])) as peer:
        peer.sendall(b"POST /api/sign-on HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"%x\r\n%s\r\n" % (65536, b" " * 65536)
        for _ in range(BODY_LIMIT // 65536 + 1):
            peer.sendall(chunk)
        assert peer.recv(100).startswith(b"HTTP/1.1 413 ")


def test_what_is_tried_is_told_and_not_done(served: Served) -> None:
    tried = served.user(MAY).post("/api/export/hold", destination="ARCHIVE", dry_run=True).body
    assert tried["changes"][0]["subject"] == "destination ARCHIVE"
    assert served.user(MAY).get("/api/export/list").body["held"] == []


def test_a_task_that_is_started_is_handed_to_taskman(served: Served) -> None:
    started = served.owner.post("/api/task/start", what="MAGB RESTART EVALUATORS")
    assert started.status == 200
    assert served.broker.engine.taken == [started.body["number"]]
    served.broker.engine.refuses = True
    refused = served.owner.post("/api/task/start", what="MAGB RESTART EVALUATORS")
    assert (refused.status, "did not take" in refused.body["message"]) == (409, True)


def test_the_socket_is_the_owners_alone_and_he_may_everything(served: Served) -> None:
    path = served.data / SOCKET
    mode = path.stat().st_mode
    assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode)) == (True, 0o600)
    asked = {"procedure": "MAGB EXPORT HOLD", "request": {"DESTINATION": "ARCHIVE"}}
    assert served.owner.ask("POST", "/api/call", asked).status == 200
    assert served.owner.post("/api/export/release", destination="ARCHIVE").status == 200
    owner = f"owner {os.environ.get('USER') or 'root'}"
    assert [row[2:4] for row in audited(served)] == [(owner, "OWNER"), (owner, "OWNER")]
    assert served.owner.ask("POST", "/api/call", {"procedure": "MAGB X", "request": {}}).status == 400


def test_the_description_has_every_action(served: Served) -> None:
    described = served.nobody.get("/api/openapi.json").body
    for action in ACTIONS.values():
        operation = described["paths"][path_of(action)][method_of(action).lower()]
        assert operation["summary"], action.name
        assert (action.key in operation["description"]) if action.key else True
    assert {one["procedure"] for one in served.nobody.get("/api").body["actions"]} == set(ACTIONS)


def test_an_idle_disk_and_database_are_well(served: Served) -> None:
    assert served.nobody.ask("GET", "/healthz").body == "alive\n"
    ready = served.nobody.get("/readyz")
    assert (ready.status, ready.body["ready"]) == (200, True)
    served.broker.engine.up = False
    unready = served.nobody.get("/readyz")
    assert (unready.status, unready.body["checks"]["taskman"]) == (503, "TaskMan takes no tasks now.")


def test_a_database_that_is_away_is_said(served: Served) -> None:
    may = served.user(MAY)
    served.store.close()
    assert may.get("/api/status").status == 503
    assert served.nobody.get("/readyz").body["checks"]["database"] != ""
    assert served.nobody.get("/healthz").status == 200
