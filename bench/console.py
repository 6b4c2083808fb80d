"""What people wait for in the console, on a site with a million images: pages, the overview's first paint and its updates."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from bench.feed_cost import busy, cost_of
from bench.figures import Figure
from bench.services import Services
from console.web.pages.places import PLACES
from tests.support.pages import PageVisitor

#: Who looks, with every key.
ACCESS, VERIFY = "DEMOMG1", "1MGR!@#$"
ROUNDS, PAINTS, UPDATE_SECONDS = 10, 5, 15.0
#: Milliseconds that are wanted at most.
PAGE_WANTED, PAINT_WANTED, UPDATE_WANTED = 200, 1000, 200
VIEWERS = 1

_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
#: Notes how long after its newest event each update of the counts was drawn.
_LAGS = """window.lags = [];
document.body.addEventListener("feed-flow", ({ detail }) => {
    requestAnimationFrame(() => lags.push(Date.now() - detail.newest * 1000));
});"""


def measure_console(running: Services, directory: Path) -> Iterator[Figure]:
    """Measure on a site that was filled."""
    visitor = PageVisitor(running.web_port)
    visitor.sign_on(ACCESS, VERIFY)
    yield _pages(visitor)
    yield from _overview(running, directory)
    yield cost_of("what the console costs", running.broker_port, directory, f"{VIEWERS} overview open", "0", str(VIEWERS))


def _pages(visitor: PageVisitor) -> Figure:
    """Ask for every page of the navigation, and give the slowest."""
    paths = [path for place in PLACES for path in ([panel.path for panel in place.panels] or [place.path])]
    took = {}
    for path in paths:
        times = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            status = _asked(visitor, path)
            times.append(1000 * (time.perf_counter() - began))
            if status not in (200, 303):  # /rules leads on to its first location
                raise RuntimeError(f"{path} answered {status}")
        took[path] = statistics.median(times)
    slowest = sorted(took, key=lambda path: -took[path])[:4]
    note = f"the slowest of {len(took)}; wanted: below {PAGE_WANTED}; {', '.join(f'{it} {took[it]:.0f}' for it in slowest[1:])}"
    return Figure(f"page {slowest[0]}, on the server", took[slowest[0]], note, unit="ms")


def _asked(visitor: PageVisitor, path: str) -> int:
    connection = HTTPConnection("127.0.0.1", visitor.port, timeout=30)
    connection.request("GET", path, headers={"Cookie": visitor.cookie, "Accept": "text/html"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def _overview(running: Services, directory: Path) -> Iterator[Figure]:
    """Open the overview in Chromium beside 500 images a second."""
    address = f"http://127.0.0.1:{running.web_port}"
    with busy(running.broker_port, directory, "0"), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page: Any = browser.new_page()
        page.goto(f"{address}/sign-on")
        page.get_by_label("Access code").fill(ACCESS)
        page.get_by_label("Verify code").fill(VERIFY)
        page.get_by_role("button", name="Sign on").click()
        page.locator("main#main").wait_for()
        paints = []
        for _ in range(PAINTS):
            page.goto(address, wait_until="load")
            page.wait_for_function(f"() => ({_PAINT}) > 0")
            paints.append(float(page.evaluate(_PAINT)))
        page.evaluate(_LAGS)
        page.wait_for_timeout(1000 * UPDATE_SECONDS)
        lags = sorted(float(it) for it in page.evaluate("lags"))
        browser.close()
    note = f"median of {PAINTS} in Chromium, 500 images a second; wanted: below {PAINT_WANTED}"
    yield Figure("overview: first paint", statistics.median(paints), note, unit="ms")
    last = lags[int(len(lags) * 0.99)]
    middle = f"median of {len(lags)}, 99 % within {last:.0f} ms"
    note = f"behind the newest event, {middle}; 500 images a second; wanted: below {UPDATE_WANTED}"
    yield Figure("overview: an update is drawn", statistics.median(lags), note, unit="ms")
