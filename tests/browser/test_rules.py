"""The rule editor in a browser: what is typed is checked, tried, replayed, published and rolled back."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import Look

LOCATION = "/rules/661"
FIRST, SECOND = 'send("RESEARCH") when MODALITY="CT"', 'dicom("RESEARCH") when MODALITY="MR"'


def write(page: Page, text: str) -> None:
    """Put a text into the editor."""
    page.evaluate("text => document.querySelector('.CodeMirror').CodeMirror.setValue(text)", text)


def publish(page: Page, text: str, why: str) -> None:
    write(page, text)
    page.get_by_label("Why it is published").fill(why)
    page.get_by_role("button", name="Publish").click()
    expect(page.locator("#rules-result")).to_contain_text("Published as")


def test_what_is_typed_is_checked_and_completed(look: Look) -> None:
    sight = look("operator")
    page = sight.page
    sight.open("/rules/660")
    expect(page.locator("#rules-told")).to_contain_text("10 rules", timeout=20_000)
    expect(page.locator(".cm-keyword").first).to_be_visible()
    write(page, 'dicom("NOWHERE AT ALL") when MODALITY="CT"')
    expect(page.locator("#rules-told")).to_contain_text("NOWHERE AT ALL")
    write(page, 'dicom("RESEARCH when')
    expect(page.locator("#rules-told")).to_contain_text("not understood")
    write(page, "")
    page.locator(".CodeMirror").click()
    page.keyboard.type("MODA")
    expect(page.locator(".CodeMirror-hints")).to_contain_text("MODALITY")
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelector('.CodeMirror').CodeMirror.getValue()") == "MODALITY"
    sight.check_access()


def test_rules_are_tried_on_an_image_and_on_past_days(look: Look) -> None:
    sight = look("viewer")
    page = sight.page
    sight.open("/rules/660")
    write(page, SECOND)
    page.get_by_label("Image to try the rules on").fill("2")
    page.get_by_role("button", name="Try on an image").click()
    expect(page.locator("#rules-result")).to_contain_text("MODALITY is CT")
    page.get_by_label("Replay from this day on").fill("2020-01-01")
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page.locator("#rules-result")).to_contain_text("DICOM READING ROOM", timeout=20_000)
    expect(page.locator("#rules-result td.lost").first).to_contain_text("-")
    assert page.get_by_role("button", name="Publish").count() == 0


def test_rules_are_published_compared_and_rolled_back(look: Look) -> None:
    sight = look("operator")
    page = sight.page
    sight.open(LOCATION)
    publish(page, FIRST.replace("send", "dicom"), "the first")
    publish(page, SECOND, "the second")
    rows = page.locator("#rules-versions tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("the second")
    rows.nth(1).get_by_role("button", name="Differs how").click()
    expect(page.locator(".difference .gained").last).to_contain_text("MR")
    rows.nth(1).get_by_role("button", name="Roll back").click()
    page.locator("dialog[open]").get_by_role("button", name="Rollback").click()
    expect(page.locator("dialog[open]")).to_contain_text("Done.")
    page.keyboard.press("Escape")
    expect(rows).to_have_count(3)
    sight.open(LOCATION)
    assert "CT" in page.evaluate("document.querySelector('.CodeMirror').CodeMirror.getValue()")
