"""The pages of the console, laid into the web's paths: who is not signed on is asked to, what is refused is said in words."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from klein import Klein

from console.web.callers import SAFE, Callers, address_of, proof_of, session_of
from console.web.dicomweb import DicomWeb
from console.web.errors import NotSignedOn, TooMany, told
from console.web.feed import Feed
from console.web.pages import correcting, images, logs, overview, procedures, routing, tables
from console.web.pages.assets import STATIC, Assets
from console.web.pages.frame import Frame, Route
from console.web.pages.signing import ROUTES as SIGNING
from console.web.pages.visitor import Ask, Redirect, Visitor, values_of, zone_of
from console.web.rate_limit import RateLimit
from console.web.runner import Runner

log = logging.getLogger(__name__)

Request = Any  # twisted gives it no types

#: What pages may load and do: what we serve, and nothing that stands within a page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
    "Content-Type": "text/html; charset=utf-8",
}
#: Pages that one session may ask for at once, and a second; sign-ons of an address likewise.
PAGES_AT_ONCE, PAGES_PER_SECOND = 300, 60.0
SIGN_ONS_AT_ONCE, SIGN_ONS_PER_SECOND = 10, 0.2

#: The pages of those who are signed on.
ROUTES: tuple[Route, ...] = tuple(
    route for module in (overview, images, correcting, routing, logs, procedures, tables) for route in module.ROUTES
)


@dataclass(slots=True)
class Pages:
    """Serves every page to those who may see it."""

    runner: Runner
    callers: Callers
    frame: Frame
    assets: Assets
    _pages: RateLimit = field(init=False)
    _sign_ons: RateLimit = field(init=False)

    def __post_init__(self) -> None:
        """Begin to count."""
        seconds = self.runner.dispatcher.reactor.seconds
        self._pages = RateLimit(PAGES_AT_ONCE, PAGES_PER_SECOND, seconds)
        self._sign_ons = RateLimit(SIGN_ONS_AT_ONCE, SIGN_ONS_PER_SECOND, seconds)

    def lay(self, app: Klein) -> None:
        """Lay the paths of all pages."""
        for route in (*SIGNING, *ROUTES):
            methods = [*(it for it in route.methods), *(["HEAD"] if "GET" in route.methods else [])]
            app.route(route.path, methods=methods, endpoint=f"page {route.path}")(self._page(route))
        app.route(f"{STATIC}/<path:name>", methods=["GET"], endpoint="static")(self._static)

    def refused(self, request: Request, error: BaseException) -> bytes:
        """Say on a page why something is not to be had."""
        return self._told(request, *told(error))

    async def _static(self, request: Request, name: str) -> bytes:
        return self.assets.serve(request, name)

    def _page(self, route: Route) -> Callable[..., Awaitable[bytes]]:
        async def served(request: Request, **parts: str) -> bytes:
            for name, value in _HEADERS.items():
                request.setHeader(name, value)
            try:
                self._bound(request, route)
                ask = await self._ask(request, route)
                page = await route.page(self.frame, ask, **parts)
            except NotSignedOn as error:
                return self._sign_on_first(request, error)
            except Exception as error:  # whatever it is, it is told on a page
                return self._failed(request, error)
            return self._write(request, page)

        return served

    def _bound(self, request: Request, route: Route) -> None:
        """Raise TooMany for a session that asks for too much, or an address that signs on too often."""
        asked = route.signed_on or request.method in SAFE
        limit, who = (self._pages, session_of(request)) if asked else (self._sign_ons, "")
        if not limit.allows(who or address_of(request)):
            raise TooMany("This is asked for too often; try again in a minute.")

    async def _ask(self, request: Request, route: Route) -> Ask:
        if not route.signed_on:
            return Ask(request, Visitor(self.frame.nobody, "", zone_of(request)), values_of(request))
        caller = await self.callers.caller(request)
        session = session_of(request)
        return Ask(request, Visitor(caller, proof_of(session) if session else "", zone_of(request)), values_of(request))

    def _sign_on_first(self, request: Request, _error: NotSignedOn) -> bytes:
        asked = request.uri.decode("ascii", "replace") if request.method in SAFE else "/"
        if request.getHeader("hx-request"):
            request.setHeader("HX-Redirect", "/sign-on")
            return b""
        return self._write(request, Redirect(self.frame.sign_on_path(asked)))

    def _failed(self, request: Request, error: Exception) -> bytes:
        code, kind, message = told(error)
        if code == 500:
            log.error("%s %s failed", request.method.decode("ascii", "replace"), request.path[:200], exc_info=error)
        return self._told(request, code, kind, message)

    def _told(self, request: Request, code: int, kind: str, message: str) -> bytes:
        for name, value in _HEADERS.items():
            request.setHeader(name, value)
        if request.getHeader("hx-request"):  # a part of a page says so in its place
            return self.frame.environment.get_template("_refused.html").render(kind=kind, message=message).encode()
        request.setResponseCode(code)
        return self.frame.bare("error.html", zone_of(request), code=code, message=message).encode()

    def _write(self, request: Request, page: str | bytes | Redirect) -> bytes:
        if isinstance(page, Redirect):
            if request.getHeader("hx-request"):
                request.setHeader("HX-Redirect", page.path)
            else:
                request.setResponseCode(303)
                request.setHeader("Location", page.path)
            return b""
        return page if isinstance(page, bytes) else page.encode()


def pages_of(runner: Runner, callers: Callers, feed: Feed, dicom_web: DicomWeb) -> Pages:
    """Compose the pages."""
    assets = Assets()
    return Pages(runner, callers, Frame(runner, feed, dicom_web.renderer, dicom_web.archive, assets), assets)
