"""Every page and the form of every action, seen by each role: nothing that the browser complains of or that shuts people out."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from console.web.pages.panels import form_path
from console.web.pages.places import PLACES
from rpcs.actions import ACTIONS, Caller
from tests.browser.conftest import ROLES, Look, Sight

#: The security keys of each role in the demo.
KEYS = {
    "viewer": frozenset[str](),
    "operator": frozenset({"MAG SYSTEM", "ZTMQ"}),
    "manager": frozenset({"XUPROGMODE", "ZTMQ", "MAG SYSTEM", "XUMGR"}),
}
NARROW = {"width": 400, "height": 800}


def may(role: str, name: str) -> bool:
    """Tell whether a role may call an action; the demo's viewer has no context for TaskMan's procedures."""
    key = ACTIONS[name].key
    return (not key or key in KEYS[role]) and not (role == "viewer" and name.startswith("MAGB TASK "))


def paths_for(role: str) -> list[str]:
    """Give the pages that a role may look at."""
    caller = Caller(1, role, KEYS[role])
    found = []
    for place in PLACES:
        if place.open_to(caller, lambda name: may(role, name)):
            found += [panel.path for panel in place.tabs(lambda name: may(role, name))] or [place.path]
    return found


@pytest.mark.parametrize("role", ROLES)
def test_every_page_is_clean_and_can_be_used_by_everybody(look: Look, role: str) -> None:
    sight = look(role)
    paths = paths_for(role)
    assert len(paths) > 10
    for path in paths:
        sight.open(path)
        assert sight.page.locator("h1").first.text_content()
        assert sight.page.locator(".refused").count() == 0, f"{path}: {sight.page.locator('.refused').first.text_content()}"
        if role == "manager":  # who sees what the others see, and more
            sight.check_access()
        sight.check_console()
        sight.picture(f"{role}-{path.strip('/').replace('/', '-') or 'overview'}")


def test_what_a_role_may_not_see_is_not_in_its_navigation(look: Look) -> None:
    offered = {role: look(role).page.locator("header.top nav a").all_text_contents() for role in ("viewer", "manager")}
    assert "Audit" not in offered["viewer"]
    assert set(offered["viewer"]) < set(offered["manager"])


@pytest.mark.parametrize("role", ROLES)
def test_the_form_of_every_action_opens_for_who_holds_its_key(look: Look, role: str) -> None:
    sight = look(role)
    opened = 0
    for name in ACTIONS:
        path = form_path(name, {})
        if not may(role, name):
            answer = sight.page.request.get(sight.address + path)
            assert answer.status == 403, f"{role} {name}"
            assert "security key" in answer.text() or "context" in answer.text()
            continue
        if role == "manager":
            sight.open(path)
            assert sight.page.locator("h2").first.is_visible(), name
        else:
            assert sight.page.request.get(sight.address + path).status == 200, f"{role} {name}"
        opened += 1
    assert opened > 20
    sight.check_console()


def test_pages_fit_a_narrow_screen_in_the_dark(look: Look) -> None:
    sight = look("manager", viewport=NARROW, color_scheme="dark")
    for path in paths_for("manager"):
        sight.open(path)
        wide = sight.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{path} is {wide} pixels too wide"
        sight.check_access()
        sight.picture(f"narrow-dark{path.replace('/', '-')}")


def test_pages_are_walked_with_keys_alone(look: Look) -> None:
    sight = look("manager")
    sight.open("/")
    for letter, title in ((place.letter, place.title) for place in PLACES[1:]):
        sight.page.keyboard.press("g")
        sight.page.keyboard.press(letter)
        sight.page.wait_for_function("title => document.querySelector('h1')?.textContent === title", arg=title)
    sight.open("/destinations")
    focus_on(sight, "Add")
    sight.page.keyboard.press("Enter")
    sight.page.locator("dialog[open] form").wait_for()
    assert sight.page.evaluate("document.activeElement.closest('dialog') !== null"), "the form has the focus"
    sight.page.keyboard.press("Escape")
    sight.page.locator("dialog[open]").wait_for(state="detached")


def focus_on(sight: Sight, text: str) -> None:
    """Press Tab until something of a text has the focus."""
    for _ in range(100):
        sight.page.keyboard.press("Tab")
        if sight.page.evaluate("document.activeElement.textContent.trim()") == text:
            return
    raise AssertionError(f"{text} is not reached with Tab")


def test_an_image_is_found_looked_at_and_explained(look: Look) -> None:
    sight = look("viewer")
    page = sight.page
    sight.open("/images")
    page.get_by_label("Modality").fill("CT")
    page.wait_for_url("**modality=CT**")
    expect(page.get_by_role("row").filter(has_text="DEMO,PATIENT ONE")).to_have_count(1)
    expect(page.get_by_role("row").filter(has_text="MACDONALD")).to_have_count(0)
    page.get_by_role("link", name="DEMO,PATIENT ONE").click()
    page.locator(".pictures a").first.click()
    expect(page.get_by_role("heading", name="Series")).to_be_visible()
    page.locator(".pictures a").first.click()
    page.wait_for_function("() => document.getElementById('picture').naturalWidth > 0")
    window = page.locator("#window-told").inner_text()
    page.get_by_label("Window").select_option("40,80")
    expect(page.locator("#window-told")).to_have_text("40 / 80")
    page.locator("#viewer").focus()
    page.keyboard.press("+")
    expect(page.locator("#window-told")).to_have_text("40 / 60")
    page.keyboard.press("r")
    expect(page.locator("#window-told")).to_have_text(window)
    for step in ("RECEIVE", "STORE", "EVALUATE", "SEND"):
        expect(page.locator(".story").get_by_text(step, exact=True).first).to_be_visible()
    expect(page.get_by_text("MODALITY = CT").first).to_be_visible()
    page.get_by_text("Header", exact=True).click()
    expect(page.get_by_role("cell", name="PatientName", exact=True)).to_be_visible()
    sight.check_access()
    assert page.get_by_role("button", name="Delete").count() == 0, "who only looks is offered nothing else"


def test_an_image_of_many_frames_is_scrolled(look: Look) -> None:
    sight = look("viewer")
    page = sight.page
    sight.open("/images?accession=021926-208")
    page.get_by_role("link", name="OKONKWO").click()
    page.locator(".pictures a").first.click()
    page.locator(".pictures a").first.click()
    expect(page.locator("#frame-told")).to_contain_text("1 of ")
    page.wait_for_function("() => document.getElementById('picture').naturalWidth > 0")
    page.locator("#viewer").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#frame-told")).to_contain_text("2 of ")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#frame-told")).not_to_contain_text("1 of ")
