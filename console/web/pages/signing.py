"""Signing on and off in a browser, and the change of a verify code that has expired."""

from __future__ import annotations

from console.web.callers import address_of, cookie_of, session_of
from console.web.errors import Forged, NotSignedOn, VerifyCodeExpired
from console.web.pages.frame import SIGN_ON, Frame, Route
from console.web.pages.visitor import Ask, Redirect, local_path
from console.web.runner import SIGN_ON_SECONDS

#: What the console calls itself in the sign-on log, and characters of a code.
LABEL, CODE_LIMIT = "web console", 60


async def sign_on(frame: Frame, ask: Ask) -> str | Redirect:
    """Ask for the codes, and sign on with them."""
    then = local_path(ask.values.get("then", "/"))
    if not ask.posted:
        return _form(frame, ask, then)
    _check_origin(ask)
    access, verify, new, again = (ask.values.get(name, "")[:CODE_LIMIT] for name in ("access", "verify", "new", "again"))
    if not (access and verify):
        return _form(frame, ask, then, "Give your access code and your verify code.")
    address = address_of(ask.request)
    try:
        if new or again:
            if new != again:
                return _form(frame, ask, then, "The two new verify codes are not alike.", expired=True)
            await frame.runner.change_verify_code(access, verify, new, address, LABEL)
            verify = new
        signed = await frame.runner.sign_on(access, verify, address, LABEL)
    except VerifyCodeExpired as error:
        return _form(frame, ask, then, str(error), expired=True)
    except NotSignedOn as error:
        return _form(frame, ask, then, str(error), expired=bool(new or again))
    ask.request.addCookie(
        cookie_of(ask.request),
        signed.token,
        path="/",
        max_age=str(int(SIGN_ON_SECONDS)),
        secure=ask.request.isSecure(),
        httpOnly=True,
        sameSite="lax",
    )
    return Redirect(then)


def _form(frame: Frame, ask: Ask, then: str, message: str = "", *, expired: bool = False) -> str:
    return frame.bare(
        "sign_on.html", ask.visitor.zone, then=then, message=message, expired=expired, access=ask.values.get("access", "")
    )


def _check_origin(ask: Ask) -> None:
    """Raise Forged where another site's page signs somebody on; browsers tell so."""
    if (ask.request.getHeader("sec-fetch-site") or "same-origin") not in ("same-origin", "none"):
        raise Forged


async def sign_off(frame: Frame, ask: Ask) -> str | Redirect:
    """End the session."""
    session = session_of(ask.request)
    if session:
        await frame.runner.sign_off(session)
    ask.request.addCookie(cookie_of(ask.request), "", path="/", max_age="0", httpOnly=True, sameSite="lax")
    return Redirect(SIGN_ON)


ROUTES = (
    Route(SIGN_ON, sign_on, ("GET", "POST"), signed_on=False),
    Route("/sign-off", sign_off, ("POST",)),
)
