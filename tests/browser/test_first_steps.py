"""What a new user does first: sign on at the page that is printed, fix the sample that fits nobody, see it arrive."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, expect

from tests.browser.conftest import PICTURES, Sight, seen
from tests.support.demo import Demo

#: Milliseconds for the gateway to carry out what was asked, for the image to be judged, and for it to be sent.
PATIENCE = 60_000
STUDY, PATIENT, RIGHT_EXAM = "3", "WASHINGTON,JAMES A", "660-021126-202"


def printed(demo: Demo) -> tuple[str, str, str]:
    """Give the address of the console and the codes, as the demo prints them."""
    text = demo.printed.read_text(encoding="utf-8")
    address = re.search(r"web console +(http://\S+)", text)
    codes = re.search(r"sign on with +(\S+) / (\S+) \(web console", text)
    assert address, text
    assert codes, text
    return address.group(1), codes.group(1), codes.group(2)


def test_an_image_that_fits_nobody_is_fixed_and_seen_to_arrive_without_a_reload(demo: Demo, chromium: Browser) -> None:
    address, access, verify = printed(demo)
    context = chromium.new_context()
    page, overview = context.new_page(), context.new_page()
    complaints: list[str] = []
    for one in (page, overview):
        one.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(address)
    page.get_by_label("Access code").fill(access)
    page.get_by_label("Verify code").fill(verify)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Needs a person now")).to_be_visible()
    expect(page.locator(".at-to-correct .count")).to_have_text("4")
    before = int(page.locator(".at-delivered .count").inner_text())
    overview.goto(address)
    page.locator(".at-to-correct").click()
    row = page.get_by_role("row").filter(has_text=PATIENT)
    expect(row).to_contain_text("No exam has this accession number")
    row.get_by_role("link", name=PATIENT).click()
    expect(page.locator("figure img")).to_be_visible()
    page.wait_for_function("() => document.querySelector('figure img').naturalWidth > 0")
    expect(page.get_by_role("row").filter(has_text="accession").first).to_contain_text(RIGHT_EXAM)
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/correct-study.png")
    page.evaluate("window.sameDocument = true")
    page.get_by_role("button", name="This one").first.click()
    form = page.locator("dialog[open]")
    form.get_by_role("button", name="Show what would be changed").click()
    expect(form.get_by_text("This would be changed")).to_be_visible()
    form.get_by_role("button", name="Fix", exact=True).click()
    expect(form.get_by_text("Done.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Filed as image")).to_be_visible(timeout=PATIENCE)
    for step in ("CORRECT", "PROCESSED", "EVALUATE", "SEND"):
        expect(page.locator(".story").get_by_text(step, exact=True).first).to_be_visible(timeout=PATIENCE)
    assert page.evaluate("window.sameDocument"), "nothing was loaded anew"
    expect(overview.locator(".at-delivered .count")).not_to_have_text(str(before), timeout=PATIENCE)
    expect(overview.locator(".at-to-correct .count")).to_have_text("3", timeout=PATIENCE)
    assert not complaints
    context.close()


def test_several_studies_are_fixed_at_once_where_it_is_clear_whose_they_are(demo: Demo, chromium: Browser) -> None:
    with seen(chromium, demo.address, "operator") as sight:
        sight.open("/correct")
        tick(sight, "DEMO,PATIENT TWO", "MACDONALD,FIONA")
        sight.page.get_by_role("button", name="Delete").click()
        form = sight.page.locator("dialog[open]")
        expect(form.get_by_role("row")).to_have_count(3)
        sight.page.keyboard.press("Escape")
        sight.page.get_by_role("button", name="Fix with the likeliest").click()
        expect(form.get_by_role("row").filter(has_text="MACDONALD,FIONA")).to_contain_text("% like")
        sight.check_access()


def tick(sight: Sight, *patients: str) -> None:
    """Tick the rows of some patients."""
    for patient in patients:
        sight.page.get_by_role("row").filter(has_text=patient).get_by_role("checkbox").check()
