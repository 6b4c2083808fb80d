"""The reference page of administrative actions: each with its procedure, its path in the JSON API, its key and what it takes."""

from __future__ import annotations

from collections.abc import Iterable

from console.web.openapi import OTHER_PATHS, method_of, path_of
from rpcs.actions import Action, Kind, Parameter

_INTRODUCTION = """\
# Administrative actions

What an administrator can do exists once, as an action, and is reached in four ways: as a remote procedure `MAGB ...` (a list
whose subscripts are the parameters' names), as a command (`magbroker audit list --outcome refused`), in `magbroker shell`
(`AUDIT LIST`), and over HTTP (`GET /api/audit/list?outcome=refused`). Each way asks for the same security key, checks the same
things, says the same when it refuses, and leaves the same record in the audit. This page is what `magbroker rpc actions` prints.

## Over HTTP

A broker with `web_port` serves the API. What only looks is a `GET` with a query, what changes something a `POST` with a JSON
object; names are those below. `/api/openapi.json` is the description for programs. Sign on for a token, or make one that lasts
(`magbroker tokens make`), and send it along:

```
$ curl -d '{"access": "DEMOMG1", "verify": "1MGR!@#$"}' -H 'Content-Type: application/json' http://127.0.0.1:9480/api/sign-on
$ curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:9480/api/status
```

Without TLS (`web_tls`) codes and tokens pass in clear: keep the port on loopback then. An error is a JSON object with `error`,
its kind, and `message`, what to do: 400 `usage`, 401 `sign-on`, 403 `key`, 404 `missing`, 409 `refused`, 429 `busy`, 503 `away`.
Every `POST` takes `dry_run`: nothing is done, and what would be changed is told.

| path | | |
|---|---|---|
"""

_EVENTS = """
`/api/events` is a stream of server-sent events: `image` (steps in the stories of images), `alert` (the open ones at first, then
each that is raised, changed or cleared), `queues` (how long queues are, when that changes), `rates` (steps a second, counted as
they pass) and, with the key XUMGR, `log`. `?kinds=image,rates` chooses. Who comes back with `Last-Event-ID` gets the newest 1,000
image events that he missed; who is too slow hears `lost` and how many.
Every five seconds it is looked whether he may still listen; who may not hears `ended` and why, and is cut off.

```
$ curl -N -H "Authorization: Bearer $TOKEN" 'http://127.0.0.1:9480/api/events?kinds=image'
```
"""


def action_reference(actions: Iterable[Action]) -> str:
    """Write the page."""
    families: dict[str, list[Action]] = {}
    for action in sorted(actions, key=lambda it: it.name):
        families.setdefault(action.name.split()[1], []).append(action)
    parts = [_INTRODUCTION + "\n".join(_other_paths()) + "\n" + _EVENTS]
    parts += [_family(name.capitalize(), listed) for name, listed in families.items()]
    return "\n".join(parts)


def _other_paths() -> list[str]:
    return [
        f"| `{path}` | {method.upper()} | {operation['summary']} |"
        for path, operations in OTHER_PATHS.items()
        for method, operation in operations.items()
    ]


def _family(name: str, actions: Iterable[Action]) -> str:
    return "\n".join([f"## {name}", "", *(line for action in actions for line in _action(action))])


def _action(action: Action) -> list[str]:
    key = f", key {action.key}" if action.key else ""
    lines = [f"### {action.name}", "", f"`{method_of(action)}` `{path_of(action)}`{key}", "", action.about, ""]
    takes = list(action.takes.values())
    if takes:
        lines += ["| parameter | | |", "|---|---|---|", *(_parameter(it) for it in takes), ""]
    return lines


def _parameter(it: Parameter) -> str:
    facts = [{Kind.PIECES: "list", Kind.JSON: "object"}.get(it.kind, it.kind.value)]
    facts += ["required"] if it.required else []
    facts += [f"default {it.default}"] if it.default else []
    facts += [" or ".join(f"`{one}`" for one in it.choices)] if it.choices else []
    return f"| `{it.key}` | {', '.join(facts)} | {it.about} |".replace("|  |", "| |")
