"""A site with a user who holds a key and one who holds none, both in one context."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple


class User(NamedTuple):
    """A user, and the codes by which he signs on."""

    duz: int
    name: str
    access: str
    verify: str


#: The one holds the key, the other does not.
MAY, UNA = User(2, "MANAGER,MAY", "MAY1", "1MAYM!@#$"), User(3, "USER,UNA", "UNA1", "1UNAU!@#$")


def site_of_two_users(context: str, rpcs: Iterable[str], *keys: str) -> str:
    """Give the lines of the site file, the keys being the one user's; the imaging site is that of institution 660."""
    users = "".join(_user(user, context, held) for user, held in ((MAY, [*keys]), (UNA, [])))
    return f"""{users}
[[imaging_site]]
ien = 1
institution = 660
namespace = "SL"

[[context]]
name = "{context}"
rpcs = {json.dumps(list(rpcs))}
"""


def _user(user: User, context: str, keys: list[str]) -> str:
    return f"""
[[user]]
duz = {user.duz}
name = "{user.name}"
access = "{user.access}"
verify = "{user.verify}"
divisions = [660]
contexts = ["{context}"]
keys = {json.dumps(keys)}
"""
