"""What every page is made with: its templates, the navigation around it, and the actions that it carries out."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined

from console.action_tables import words
from console.rendering import Renderer
from console.web.dicomweb import Archive
from console.web.feed import Feed
from console.web.pages.assets import Assets
from console.web.pages.panels import form_path
from console.web.pages.places import PLACES
from console.web.pages.values import Shown, age_told, grouped, prose, size_told
from console.web.pages.visitor import Ask, Redirect
from console.web.runner import Runner
from rpcs.actions import ACTIONS, Caller, NotAllowed
from rpcs.actions.parameters import request_of

Page = Callable[..., Awaitable[str | bytes | Redirect]]
SIGN_ON = "/sign-on"


@dataclass(frozen=True, slots=True)
class Route:
    """A path, the methods that it takes, and what makes its page of a frame, what is asked, and the parts of the path."""

    path: str
    page: Page
    methods: tuple[str, ...] = ("GET",)
    signed_on: bool = True


@dataclass(slots=True)
class Frame:
    """Makes pages: renders templates for a visitor, and carries actions out for him."""

    runner: Runner
    feed: Feed
    renderer: Renderer
    archive: Archive
    assets: Assets
    environment: Environment = field(init=False)
    nobody: Caller = field(default_factory=lambda: Caller(0, ""))

    def __post_init__(self) -> None:
        """Load the templates."""
        self.environment = Environment(
            loader=PackageLoader("console.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self.environment.globals |= {"asset": self.assets.address, "words": words, "form_path": form_path, "PLACES": PLACES}
        self.environment.globals |= {"address": address}
        self.environment.filters |= {"grouped": grouped, "size": size_told, "age": age_told, "prose": prose}

    def page(self, template: str, ask: Ask, **values: Any) -> str:
        """Render a page, or a part of one, for who asks."""
        visitor = ask.visitor
        shown = Shown(visitor.zone, ask.now)
        may = cache(partial(self.may, visitor.caller))
        facts = {"ask": ask, "visitor": visitor, "caller": visitor.caller, "shown": shown, "value": shown.value, "may": may}
        return self.environment.get_template(template).render(**facts, **values)

    def bare(self, template: str, zone: ZoneInfo, **values: Any) -> str:
        """Render a page that is for everybody."""
        return self.environment.get_template(template).render(shown=Shown(zone, datetime.now(zone)), caller=None, **values)

    def may(self, caller: Caller, name: str) -> bool:
        """Tell whether somebody may call an action: he has its key, and a context that opens it."""
        if ACTIONS[name].key and not caller.holds(ACTIONS[name].key):
            return False
        try:
            self.runner.check(caller, name)
        except NotAllowed:
            return False
        return True

    def require(self, ask: Ask, name: str) -> None:
        """Raise NotAllowed unless who asks may call an action."""
        caller, key = ask.visitor.caller, ACTIONS[name].key
        self.runner.check(caller, name)
        if key and not caller.holds(key):
            raise NotAllowed(f"{caller.name} needs the security key {key} for this.")

    async def run(self, name: str, ask: Ask, values: Mapping[str, object]) -> Any:
        """Carry an action out for who asks, with values by their JSON names. Raises ActionError, and Away."""
        self.runner.check(ask.visitor.caller, name)
        return await self.runner.run(name, ask.visitor.caller, request_of(ACTIONS[name].takes, values))

    def json(self, value: Any) -> str:
        """Write a value as JSON."""
        return json.dumps(value)

    def sign_on_path(self, then: str) -> str:
        """Give the path of the page that signs on and leads on to another."""
        return SIGN_ON if then == "/" else f"{SIGN_ON}?then={quote(then, safe='')}"


def address(path: str, given: Mapping[str, object]) -> str:
    """Give a path with what is asked there; what is empty is left out."""
    asked = {name: value for name, value in given.items() if value not in ("", None)}
    return f"{path}?{urlencode(asked)}" if asked else path
