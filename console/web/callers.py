"""Who asks: the owner over his socket, a token, or a browser's session, which shows with each change that our page asks."""

from __future__ import annotations

import hmac
import pwd
import socket
import struct
from dataclasses import dataclass
from typing import Any

from twisted.internet.address import UNIXAddress

from console.web.bodies import header
from console.web.errors import Forged, NotSignedOn
from console.web.runner import API, PAGES, Runner, owner
from rpcs.actions import Caller

#: Methods that change nothing.
SAFE = frozenset({b"GET", b"HEAD"})
#: The header, and the field of a form, that shows that a page of ours asks.
PROOF_HEADER, PROOF_FIELD = b"x-csrf-token", b"csrf"
#: How the cookie of a browser's session is called, with the port behind it: cookies are for all ports of a host.
COOKIE = "magbroker_session_"

#: struct ucred: pid, uid, gid.
_CREDENTIALS = struct.Struct("3i")
Request = Any  # twisted gives it no types


@dataclass(frozen=True, slots=True)
class Callers:
    """Finds out who asks, by whichever way he came."""

    runner: Runner

    async def caller(self, request: Request) -> Caller:
        """Give who asks. Raises NotSignedOn, and Forged for a change that no page of ours asked for."""
        peer = request.getClientAddress()
        if isinstance(peer, UNIXAddress):
            return owner(self.system_user(request))
        address = address_of(request)
        if (session := session_of(request)) and not header(request, b"authorization"):
            caller = await self.runner.signed_on(session, address, PAGES)
            if request.method not in SAFE:
                _check_proof(request, session)
            return caller
        return await self.runner.signed_on(token_of(request), address, API)

    def system_user(self, request: Request) -> str:
        """Name the system's user at the other end of the owner's socket."""
        credentials = request.channel.transport.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        _process, user, _group = _CREDENTIALS.unpack(credentials)
        try:
            return pwd.getpwuid(user).pw_name
        except KeyError:
            return str(user)


def address_of(request: Request) -> str:
    """Give the address that a request comes from."""
    return str(getattr(request.getClientAddress(), "host", ""))


def token_of(request: Request) -> str:
    """Give the token that a request came with. Raises NotSignedOn."""
    kind, _, token = header(request, b"authorization").partition(" ")
    if kind.lower() == "bearer" and token.strip():
        return token.strip()
    if session := session_of(request):
        return session
    raise NotSignedOn


def cookie_of(request: Request) -> str:
    """Name the cookie of a session with the port that is asked."""
    return f"{COOKIE}{getattr(request.getHost(), 'port', 0)}"


def session_of(request: Request) -> str:
    """Give the token in a browser's cookie; "" for none."""
    found: bytes | None = request.getCookie(cookie_of(request).encode())
    return found.decode("iso-8859-1") if found else ""


def proof_of(session: str) -> str:
    """Make what our pages send along with a change: nobody who lacks the cookie can make it, and no other site can read it."""
    return hmac.new(session.encode("iso-8859-1"), b"magbroker csrf", "sha256").hexdigest()


def _check_proof(request: Request, session: str) -> None:
    given = header(request, PROOF_HEADER) or (request.args.get(PROOF_FIELD) or [b""])[0].decode("iso-8859-1")
    if not hmac.compare_digest(given.encode(), proof_of(session).encode()):
        raise Forged
