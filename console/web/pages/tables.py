"""Panels as pages, and the form of each action: what is asked, what would be changed, what was done."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from console.web.errors import Away, NoSuchPage
from console.web.pages.forms import asked_of, before_of, fields_of
from console.web.pages.frame import Frame, Route, address
from console.web.pages.panels import DO, Panel, Place
from console.web.pages.places import PANELS
from console.web.pages.visitor import Ask, Redirect
from rpcs.actions import ACTIONS, Action, ActionError, BadRequest
from rpcs.actions.parameters import DRY_RUN

#: Parameters that a table sets by itself.
_PAGING = frozenset({"after", "before", "limit", "sort", "descending"})
#: Rows of a page of a table.
ROWS = 50


async def panel_page(place: Place, panel: Panel, frame: Frame, ask: Ask) -> str:
    """Show a panel with its filters as they stand in the address."""
    action = panel.reads
    takes = {parameter.key for parameter in action.takes.values()}
    asked = {**panel.start, **{name: text for name, text in ask.values.items() if name in takes and text}, **panel.always}
    limit = {"limit": str(ROWS)} if "limit" in takes else {}
    answer: Any = None
    refused = None
    try:
        answer = await frame.run(panel.action, ask, {**limit, **asked})
    except ActionError as error:
        refused = error
    return frame.page(
        "panel_table.html" if ask.partial else "panel.html",
        ask,
        place=place,
        panel=panel,
        asked=asked,
        answer=answer if isinstance(answer, dict) else {},
        refused=refused,
        filters=[field for field in fields_of(action, asked) if field.parameter.key not in _PAGING | set(panel.always)],
        next_page=_next_page(panel, asked, answer),
        sorts="sort" in takes,
    )


def _next_page(panel: Panel, asked: Mapping[str, str], answer: Any) -> str:
    """Give the address of the page behind this one; "" for none."""
    following = answer.get("next") if isinstance(answer, dict) else None
    if following is None or not panel.pager:
        return ""
    return address(panel.path, {**asked, panel.pager: following})


async def action_page(frame: Frame, ask: Ask, name: str) -> str | Redirect:
    """Show the form of an action, or what it gives; carry it out when it is sent."""
    action = ACTIONS.get("MAGB " + name.upper().replace("/", " "))
    if action is None:
        raise NoSuchPage
    if action.writes and ask.posted:
        return await _carried_out(frame, ask, action)
    frame.require(ask, action.name)
    return await (_form(frame, ask, action) if action.writes else _looked_up(frame, ask, action))


async def _form(frame: Frame, ask: Ask, action: Action, **more: Any) -> str:
    entry = None
    before = before_of(action)
    if before is not None:
        numbers = {it.key: ask.values[it.key] for it in before.takes.values() if it.required and ask.values.get(it.key)}
        try:
            entry = await frame.run(before.name, ask, numbers) if numbers else None
        except ActionError as error:
            more.setdefault("refused", error)
    facts = {"refused": None, "done": None, "previewed": None, **more}
    return _shown(frame, ask, action, fields_of(action, ask.values, entry), facts)


async def _carried_out(frame: Frame, ask: Ask, action: Action) -> str:
    asked = asked_of(action, ask.values)
    preview = ask.values.get("preview") == "1"
    if action.destroys and not preview and ask.values.get("sure") != "1":
        return await _form(frame, ask, action, refused=BadRequest("Say that you are sure."))
    try:
        answer = await frame.run(action.name, ask, {**asked, **({"dry_run": True} if preview else {})})
    except (ActionError, Away) as error:
        return await _form(frame, ask, action, refused=error)
    if preview:
        return await _form(frame, ask, action, previewed=answer)
    ask.request.setHeader("HX-Trigger", "done")
    return await _form(frame, ask, action, done=answer)


async def _looked_up(frame: Frame, ask: Ask, action: Action) -> str:
    asked = asked_of(action, ask.values)
    fields = fields_of(action, ask.values)
    answer, refused = None, None
    if all(asked.get(field.parameter.key) for field in fields if field.parameter.required):
        try:
            answer = await frame.run(action.name, ask, asked)
        except ActionError as error:
            refused = error
    facts = {"refused": refused, "done": answer, "previewed": None}
    return _shown(frame, ask, action, fields, facts)


def _shown(frame: Frame, ask: Ask, action: Action, fields: list[Any], facts: Mapping[str, Any]) -> str:
    template = "action_form.html" if ask.partial else "action.html"
    return frame.page(template, ask, action=action, fields=fields, previews=DRY_RUN in action.takes, **facts)


ROUTES = (
    *(Route(path, partial(panel_page, place, panel)) for path, (place, panel) in PANELS.items()),
    Route(f"{DO}/<path:name>", action_page, ("GET", "POST")),
)
