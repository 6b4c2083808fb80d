"""The OpenAPI description of the JSON API: written from what actions declare, so that it is never behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from rpcs.actions import ACTIONS, Action, Kind, Parameter

#: Below which path everything of the API is.
ROOT = "/api"
_ERRORS = {
    "400": "What was asked cannot be understood.",
    "401": "Nobody is signed on, or not any more.",
    "403": "A security key or the right to the procedure is lacking.",
    "404": "There is nothing of this name or number.",
    "409": "Things are not as the action needs them.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "429": "Too many are at this.",
    "503": "The database is away.",
}
_TYPES: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: {"type": "string"},
    Kind.TIME: {"type": "string", "examples": ["NOW", "T+1@10:30", "2026-11-24 10:30"]},
    Kind.FLAG: {"type": "boolean"},
    Kind.JSON: {"type": "object"},
    Kind.PIECES: {"type": "array", "items": {}},
}


def path_of(action: Action) -> str:
    """Give the path of an action: `MAGB EXPORT HOLD` is /api/export/hold."""
    return "/".join([ROOT, *action.name.removeprefix("MAGB ").lower().split()])


def method_of(action: Action) -> str:
    """Give the HTTP method: what only looks is got, what changes is posted."""
    return "POST" if action.writes else "GET"


def description() -> dict[str, Any]:
    """Describe the API as OpenAPI 3.1."""
    paths = {path_of(action): {method_of(action).lower(): _operation(action)} for action in ACTIONS.values()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "magbroker",
            "version": version("magbroker"),
            "description": "Every administrative action, as the procedures MAGB ... and the command line have it.",
        },
        "security": [{"token": []}],
        "tags": [{"name": name} for name in sorted({_family(action) for action in ACTIONS.values()})],
        "paths": {**OTHER_PATHS, **paths},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error", "message"],
                    "properties": {"error": {"type": "string"}, "message": {"type": "string"}},
                }
            },
        },
    }


def _family(action: Action) -> str:
    return action.name.split()[1].lower()


def _operation(action: Action) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": "_".join(action.name.removeprefix("MAGB ").lower().split()),
        "summary": action.about.split("\n")[0],
        "description": action.about + (f"\n\nNeeds the security key {action.key}." if action.key else ""),
        "tags": [_family(action)],
        "responses": _responses("What the action gives."),
    }
    if action.writes:
        told["requestBody"] = {"content": {"application/json": {"schema": _body(action.takes.values())}}}
        told["requestBody"]["required"] = any(it.required for it in action.takes.values())
    else:
        told["parameters"] = [_in_query(it) for it in action.takes.values()]
    return told


def _body(takes: Iterable[Parameter]) -> dict[str, Any]:
    takes = list(takes)
    body: dict[str, Any] = {
        "type": "object",
        "properties": {it.key: {**_schema(it), "description": it.about} for it in takes},
        "additionalProperties": False,
    }
    if needed := [it.key for it in takes if it.required]:
        body["required"] = needed
    return body


def _in_query(it: Parameter) -> dict[str, Any]:
    schema = {"type": "string"} if it.kind in (Kind.JSON, Kind.PIECES) else _schema(it)
    return {"name": it.key, "in": "query", "required": it.required, "description": it.about, "schema": schema}


def _schema(it: Parameter) -> dict[str, Any]:
    if it.kind is Kind.NUMBER:
        schema: dict[str, Any] = {"type": "integer", "minimum": it.least, "maximum": it.most}
        return {**schema, "default": int(it.default)} if it.default else schema
    schema = dict(_TYPES[it.kind])
    if it.choices:
        schema["enum"] = list(it.choices)
    if it.secret:
        schema["format"] = "password"
    return {**schema, "default": it.default} if it.default else schema


def _responses(about: str, schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    given = {"application/json": {"schema": schema or {"type": "object"}}}
    return {
        "200": {"description": about, "content": given},
        **{code: {"description": text, "content": error} for code, text in _ERRORS.items()},
    }


def _plain(about: str, kind: str) -> dict[str, Any]:
    return {"200": {"description": about, "content": {kind: {}}}}


_CODES = {
    "type": "object",
    "required": ["access", "verify"],
    "properties": {
        "access": {"type": "string", "format": "password"},
        "verify": {"type": "string", "format": "password"},
        "label": {"type": "string", "description": "What the token is for, as MAGB TOKEN LIST shows it."},
    },
    "additionalProperties": False,
}
#: What there is besides actions.
OTHER_PATHS: dict[str, Any] = {
    f"{ROOT}/sign-on": {
        "post": {
            "operationId": "sign_on",
            "summary": "Give a token for an access and a verify code, good for eight hours.",
            "security": [],
            "requestBody": {"required": True, "content": {"application/json": {"schema": _CODES}}},
            "responses": _responses("The token, to be sent as `Authorization: Bearer TOKEN`."),
        }
    },
    f"{ROOT}/sign-off": {
        "post": {
            "operationId": "sign_off",
            "summary": "End the token that this is asked with.",
            "responses": _responses("It is nobody's now."),
        }
    },
    "/healthz": {
        "get": {
            "operationId": "healthz",
            "summary": "Tell that the process lives.",
            "security": [],
            "responses": _plain("It does.", "text/plain"),
        }
    },
    "/readyz": {
        "get": {
            "operationId": "readyz",
            "summary": "Tell whether calls would be answered: the database is there, TaskMan takes tasks, the disk has room.",
            "security": [],
            "responses": {
                **_responses("All is well."),
                "503": {"description": "Something is not, and what.", "content": {"application/json": {"schema": {}}}},
            },
        }
    },
    "/metrics": {
        "get": {
            "operationId": "metrics",
            "summary": "Give counters and gauges for Prometheus.",
            "security": [],
            "responses": _plain("Metrics.", "text/plain"),
        }
    },
}
