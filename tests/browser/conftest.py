"""Debian's Chromium in front of the demo's console, as people of three roles; what its console complains of fails the test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.demo import Demo, running_demo

#: The demo's people, by role: access and verify code.
ROLES: Mapping[str, tuple[str, str]] = {
    "viewer": ("DEMOVW1", "1VIW!@#$"),
    "operator": ("DEMOOP1", "1OPR!@#$"),
    "manager": ("DEMOMG1", "1MGR!@#$"),
}
_AXE = Path(__file__).parents[1] / "clients" / "node_modules" / "axe-core" / "axe.min.js"
#: Where pictures are kept when this says so; they stand in the documentation.
PICTURES = os.environ.get("MAGBROKER_TEST_SCREENSHOTS", "")
_FAULTS = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
    .filter((it) => ["serious", "critical"].includes(it.impact))
    .map((it) => [it.id, it.help, ...it.nodes.slice(0, 5).map((node) => node.html + " " + node.failureSummary)].join(" | "))"""


@dataclass
class Sight:
    """A page as one person sees it."""

    page: Page
    address: str
    role: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Go to a page, and wait until it is there."""
        self.page.goto(self.address + path)
        self.page.locator("main#main, main.container").first.wait_for()

    def check_access(self) -> None:
        """Fail on what keeps people from reading or using the page."""
        self.page.evaluate(_AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate(_FAULTS)
        assert not found, f"{self.page.url} as {self.role}: " + "\n".join(found)

    def picture(self, name: str) -> None:
        """Keep a picture, where pictures are wanted."""
        if PICTURES:
            self.page.screenshot(path=f"{PICTURES}/{name}.png")

    def check_console(self) -> None:
        """Fail on what the browser's console complained of."""
        said, self.complaints = self.complaints, []
        assert not said, "\n".join(said)


Look = Callable[..., Sight]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Run the demo once for the tests that change little."""
    with running_demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def seen(browser: Browser, address: str, role: str, **options: Any) -> Iterator[Sight]:
    """Sign somebody on in a browser of his own; complaints of its console are those of the test."""
    size = options.pop("viewport", {"width": 1280, "height": 900})
    context = browser.new_context(viewport=size, **options)
    page = context.new_page()
    sight = Sight(page, address, role)
    page.on(
        "console",
        lambda said: sight.complaints.append(f"{said.text} {said.location}") if said.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: sight.complaints.append(str(error)))
    page.goto(address + "/sign-on")
    access, verify = ROLES[role]
    page.get_by_label("Access code").fill(access)
    page.get_by_label("Verify code").fill(verify)
    page.get_by_role("button", name="Sign on").click()
    page.locator("main#main").wait_for()
    try:
        yield sight
        sight.check_console()
    finally:
        context.close()


@pytest.fixture
def look(demo: Demo, chromium: Browser) -> Iterator[Look]:
    """Give what signs somebody on at the demo."""
    open_now: list[Any] = []

    def signed_on(role: str, **options: Any) -> Sight:
        entered = seen(chromium, demo.address, role, **options)
        open_now.append(entered)
        return entered.__enter__()

    yield signed_on
    for entered in reversed(open_now):
        entered.__exit__(None, None, None)
