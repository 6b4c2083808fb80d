"""The API against its own description: whatever schemathesis makes up, there is an answer, and it is one that is described."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from console.reactor_thread import in_reactor, reactor
from console.web import web_service
from console.web.openapi import description
from fileman import SiteKey, Store, apply_site, parse_site
from runtime import FixedClock
from tests.integration.rpcs.conftest import BASE, NOON
from tests.integration.rpcs.two_users import MAY
from tests.integration.web.conftest import SITE
from tests.support.broker import RunningBroker
from tests.support.http import Web

#: Requests that are made up for each operation; `make soak` says more.
EXAMPLES = int(os.environ.get("MAGBROKER_TEST_REQUESTS", "12"))
#: Making and ending tokens would end that of the test; signing on again and again locks the address.
NOT_ASKED: tuple[str, ...] = ("/api/sign-on", "/api/sign-off", "/api/token/end", "/api/call")


SCHEMA = schemathesis.openapi.from_dict(description())
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Serve the API to a manager, who holds every key."""
    data = tmp_path_factory.mktemp("data")
    key = SiteKey.load_or_create(data / "site.key")
    store = Store(f"sqlite:///{data / 'magbroker.db'}")
    clock = FixedClock(NOON)
    text = BASE.format(settings="", user="", context="", more=SITE)
    store.transact(lambda connection: apply_site(connection, parse_site(text), key, clock.now()))
    broker = RunningBroker(store, key, clock=clock)
    service = web_service(broker.service.hub, reactor, data, 0)
    in_reactor(service.start)
    port = service.ports["web"]
    token = Web(port).post("/api/sign-on", access=MAY.access, verify=MAY.verify).body["token"]
    yield Web(port, token=token)
    in_reactor(service.stop)
    broker.stop()
    store.close()


OPERATIONS = [
    (path, method)
    for path, methods in description()["paths"].items()
    for method in methods
    if path not in NOT_ASKED and path != "/api/events"
]


@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=[path for path, _method in OPERATIONS])
def test_nothing_that_is_asked_is_a_defect(address: Web, path: str, method: str) -> None:
    operation = SCHEMA[path][method]

    @given(case=operation.as_strategy())
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def ask(case: schemathesis.Case) -> None:
        headers = {"Authorization": f"Bearer {address.token}"}
        answered = case.call(base_url=f"http://127.0.0.1:{address.port}", headers=headers)
        assert answered.status_code < 500, answered.text
        assert answered.status_code != 401, "the token counts"
        case.validate_response(answered, checks=CHECKS)

    ask()


def test_the_description_is_openapi() -> None:
    SCHEMA.validate()
