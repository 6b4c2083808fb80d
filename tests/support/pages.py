"""A visitor of the console's pages without a browser: signs on with the form, keeps the cookie, sends forms as browsers do."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from http.client import HTTPConnection
from urllib.parse import urlencode

_PROOF = re.compile(r'"X-CSRF-Token": "([0-9a-f]{64})"')
_REFUSED = re.compile(r'class="refused" role="alert" data-kind="([a-z-]+)"')


@dataclass(frozen=True)
class Shown:
    """A page that came back."""

    status: int
    text: str
    headers: dict[str, str]

    @property
    def refused(self) -> str:
        """The kind of refusal that it tells; "" for none."""
        found = _REFUSED.search(self.text)
        return found.group(1) if found else ""


@dataclass
class PageVisitor:
    """Asks for pages of a console on loopback."""

    port: int
    cookie: str = ""
    proof: str = ""
    headers: dict[str, str] = field(default_factory=lambda: {"Accept": "text/html"})

    def get(self, path: str, *, part: bool = False, **values: object) -> Shown:
        """Ask for a page, or for a part of one."""
        return self._ask("GET", f"{path}?{urlencode(values)}" if values else path, None, part)

    def post(self, path: str, *, part: bool = False, **values: object) -> Shown:
        """Send a form."""
        return self._ask("POST", path, urlencode(values), part)

    def sign_on(self, access: str, verify: str, **more: str) -> Shown:
        """Send the form of the sign-on page, and keep what it gives."""
        shown = self.post("/sign-on", access=access, verify=verify, **more)
        if shown.status == 303:
            self.cookie = shown.headers["Set-Cookie"].partition(";")[0]
            found = _PROOF.search(self.get("/").text)
            assert found, "the page says what is to be sent along"
            self.proof = found.group(1)
        return shown

    def _ask(self, method: str, path: str, body: str | None, part: bool) -> Shown:
        sent = dict(self.headers)
        if self.cookie:
            sent["Cookie"] = self.cookie
        if self.proof:
            sent["X-CSRF-Token"] = self.proof
        if part:
            sent["HX-Request"] = "true"
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Shown(answer.status, answer.read().decode(), dict(answer.headers.items()))
        finally:
            connection.close()
