"""Why the web answers something else than what was asked for; each with its HTTP status."""

from __future__ import annotations

from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.exceptions import NotFound as NotFoundThere

from console.errors import ConsoleError
from rpcs.actions import ActionError, BadRequest, NotAllowed, NotFound


class WebError(ConsoleError):
    """The web cannot answer this."""

    code = 500
    kind = "error"


class BadBody(WebError):
    """The body is to be one JSON object."""

    code, kind = 400, "usage"


class NotSignedOn(WebError):
    """Sign on first: POST /api/sign-on gives a token, to be sent as 'Authorization: Bearer TOKEN'."""

    code, kind = 401, "sign-on"


class VerifyCodeExpired(NotSignedOn):
    """The verify code has expired: choose another one."""


class Forged(WebError):
    """No page of this console asked for this: load the page anew and try again."""

    code, kind = 403, "forged"


class NoSuchPage(WebError):
    """There is nothing here; GET /api lists what there is."""

    code, kind = 404, "missing"


class WrongType(WebError):
    """The body is to be application/json."""

    code, kind = 415, "usage"


class TooMany(WebError):
    """Too many are at this already; try again later."""

    code, kind = 429, "busy"


class Away(WebError):
    """The database is away; try again later."""

    code, kind = 503, "away"


#: The status of each error of an action; 409 for what is refused.
_CODES: dict[type[ActionError], int] = {BadRequest: 400, NotAllowed: 403, NotFound: 404}
_DEFECT = "Something went wrong here; the log of the broker tells what."


def told(error: BaseException) -> tuple[int, str, str]:
    """Give the HTTP status, the kind and the words of an error; of a defect only that it is one."""
    if isinstance(error, WebError):
        return error.code, error.kind, str(error)
    if isinstance(error, ActionError):
        return _CODES.get(type(error), 409), error.kind, str(error)
    if isinstance(error, NotFoundThere):
        return told(NoSuchPage())
    if isinstance(error, MethodNotAllowed):
        return 405, "usage", f"This takes {' or '.join(sorted(set(error.valid_methods or ()) - {'HEAD', 'OPTIONS'}))} only."
    if isinstance(error, HTTPException) and error.code:  # what else routing found
        return error.code, "usage", str(error.description)
    return 500, "defect", _DEFECT
