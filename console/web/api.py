"""The JSON API: each action at its path, sign-on and sign-off, and the owner's way over the socket of the data directory."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from klein import Klein
from twisted.internet.address import UNIXAddress

from console.web.bodies import header, json_body
from console.web.callers import Callers, address_of, token_of
from console.web.errors import BadBody, NoSuchPage, told
from console.web.feed import Feed, kinds_for
from console.web.gauges import Gauges
from console.web.health import Health
from console.web.openapi import ROOT, description, method_of, path_of
from console.web.runner import Runner, owner
from rpcs.actions import ACTIONS, Action
from rpcs.actions.parameters import read_number, request_of
from runtime.metrics import METRICS_TYPE, metrics_page

if TYPE_CHECKING:
    from console.web.pages import Pages

log = logging.getLogger(__name__)

#: Characters of a code that somebody signs on with, and of what he calls his token.
CODE_LIMIT, LABEL_LIMIT = 60, 60
#: Whoever may call this may listen to the feed.
EVENTS_LIKE = "MAGB STATUS"

Request = Any  # twisted gives it no types
Page = Callable[[Request], Awaitable[Any]]


@dataclass(slots=True)
class Api:
    """Answers HTTP requests. Over the owner's socket everything is the owner's; over TCP everything is a token's."""

    runner: Runner
    callers: Callers
    health: Health
    feed: Feed
    gauges: Gauges
    pages: Pages | None = None
    app: Klein = field(default_factory=Klein)

    def __post_init__(self) -> None:
        """Lay the paths."""
        pages: list[tuple[str, str, Page]] = [
            (ROOT, "GET", self._index),
            (f"{ROOT}/openapi.json", "GET", self._description),
            (f"{ROOT}/sign-on", "POST", self._sign_on),
            (f"{ROOT}/sign-off", "POST", self._sign_off),
            (f"{ROOT}/call", "POST", self._call),
            ("/readyz", "GET", self._ready),
            *[(path_of(action), method_of(action), self._page(action)) for action in ACTIONS.values()],
        ]
        for path, method, page in pages:
            self.app.route(path, methods=[method], endpoint=path)(_json(page))
        for path, plain in (("/healthz", self._alive), ("/metrics", self._metrics), (f"{ROOT}/events", self._events)):
            self.app.route(path, methods=["GET"], endpoint=path)(plain)
        self.app.handle_errors(Exception)(self._refused)

    def add(self, pages: Pages) -> None:
        """Have pages beside, on which a browser is told, too, why it is refused something."""
        self.pages = pages
        pages.lay(self.app)

    def _page(self, action: Action) -> Page:
        async def page(request: Request) -> Any:
            caller = await self.callers.caller(request)
            self.runner.check(caller, action.name)
            values = json_body(request) if action.writes else _query(request)
            return await self.runner.run(action.name, caller, request_of(action.takes, values))

        return page

    def _refused(self, request: Request, failure: Any) -> bytes:
        """Say why something is not to be had: to a browser that wants a page on a page."""
        if self.pages is not None and "text/html" in header(request, b"accept") and not request.path.startswith(ROOT.encode()):
            return self.pages.refused(request, failure.value)
        return _refused(request, failure)

    async def _index(self, _request: Request) -> Any:
        listed = [
            {"path": path_of(it), "method": method_of(it), "procedure": it.name, "key": it.key, "about": it.about.split("\n")[0]}
            for it in ACTIONS.values()
        ]
        return {"actions": listed, "description": f"{ROOT}/openapi.json"}

    async def _description(self, _request: Request) -> Any:
        return description()

    async def _ready(self, request: Request) -> Any:
        found = await self.health.look()
        if not found["ready"]:
            request.setResponseCode(503)
        return found

    async def _alive(self, request: Request) -> bytes:
        request.setHeader("Content-Type", "text/plain; charset=utf-8")
        return b"alive\n"

    async def _metrics(self, request: Request) -> bytes:
        await self.gauges.set()
        request.setHeader("Content-Type", METRICS_TYPE)
        return metrics_page()

    async def _events(self, request: Request) -> bytes:
        async def may() -> Collection[str]:
            caller = await self.callers.caller(request)
            self.runner.check(caller, EVENTS_LIKE)
            return kinds_for(caller, _query(request).get("kinds", ""))

        last = header(request, b"last-event-id")
        await self.feed.listen(request, may, read_number("Last-Event-ID", last) if last else None)
        return b""

    async def _sign_on(self, request: Request) -> Any:
        body = json_body(request)
        access, verify, label = (_code(body, name) for name in ("access", "verify", "label"))
        if set(body) - {"access", "verify", "label"} or not (access and verify):
            raise BadBody("The body is to be an object with access and verify, and label if wanted.")
        signed = await self.runner.sign_on(access, verify, address_of(request), label or "sign-on")
        facts = signed.facts
        return {"token": signed.token, "duz": facts.duz, "name": facts.name, "seconds": round(facts.expires_at - facts.made_at)}

    async def _sign_off(self, request: Request) -> Any:
        json_body(request)
        await self.callers.caller(request)
        await self.runner.sign_off(token_of(request))
        return {"signed_off": True}

    async def _call(self, request: Request) -> Any:
        """Carry an action out by its procedure's name, for the owner: what commands send."""
        if not isinstance(request.getClientAddress(), UNIXAddress):
            raise NoSuchPage
        body = json_body(request)
        procedure, asked = body.get("procedure"), body.get("request")
        if procedure not in ACTIONS or not isinstance(asked, dict) or not all(isinstance(it, str) for it in asked.values()):
            raise BadBody("The body is to be an object with procedure and request, names and texts.")
        return await self.runner.run(procedure, owner(self.callers.system_user(request)), asked)


def _code(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > CODE_LIMIT:
        raise BadBody(f"{name} is to be a text of at most {CODE_LIMIT} characters.")
    return value


def _query(request: Request) -> dict[str, str]:
    return {name.decode("utf-8", "replace"): values[-1].decode("utf-8", "replace") for name, values in request.args.items()}


def _json(page: Page) -> Callable[[Request], Awaitable[bytes]]:
    """Write what a page gives as JSON."""

    async def written(request: Request) -> bytes:
        return write_json(request, await page(request))

    return written


def write_json(request: Request, value: Any) -> bytes:
    """Give a value as the body of an answer that nobody keeps, with its headers."""
    request.setHeader("Content-Type", "application/json")
    request.setHeader("Cache-Control", "no-store")
    request.setHeader("X-Content-Type-Options", "nosniff")
    return json.dumps(value).encode()


def _refused(request: Request, failure: Any) -> bytes:
    """Say why something was not done; a defect is told in the log, not to who asked."""
    code, kind, message = told(failure.value)
    if code == 500:
        log.error("%s %s failed", request.method.decode("ascii", "replace"), request.path[:200], exc_info=failure.value)
    request.setResponseCode(code)
    if code == 401:
        request.setHeader("WWW-Authenticate", 'Bearer realm="magbroker"')
    return write_json(request, {"error": kind, "message": message})
