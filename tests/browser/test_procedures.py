"""Remote procedures in a browser: found, read of, called with the exact bytes shown, saved as a recording."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import Look


def test_a_procedure_is_found_called_and_saved_as_a_recording(look: Look, tmp_path: Path) -> None:
    sight = look("manager")
    page = sight.page
    sight.open("/rpc")
    page.get_by_label("Name or routine").fill("get machine id")
    expect(page.locator("#procedures")).to_contain_text("1 procedure")
    page.get_by_role("link", name="MAG DICOM GET MACHINE ID").click()
    page.get_by_label("Context").select_option("MAG DICOM GATEWAY FULL")
    page.get_by_label("Value of parameter 1").fill("BROWSER1")
    page.get_by_role("button", name="Call", exact=True).click()
    answer = page.locator("#answer")
    expect(answer).to_contain_text("Answer, after")
    expect(answer.locator(".octets").first).to_contain_text("[XWB]11302")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as a recording").click()
    file = tmp_path / "call.jsonl"
    saved.value.save_as(file)
    kept = json.loads(file.read_text(encoding="utf-8"))
    assert kept["rpc"] == "MAG DICOM GET MACHINE ID"
    assert bytes.fromhex(kept["sent_hex"]).startswith(b"[XWB]")
    assert bytes.fromhex(kept["received_hex"]).endswith(b"\x04")
    sight.check_access()


def test_lists_are_sent_node_by_node_and_what_is_wrong_is_told(look: Look) -> None:
    sight = look("manager")
    page = sight.page
    sight.open("/rpc/call/MAGB STATUS")
    page.get_by_label("Context").select_option("MAGB GATEWAY")
    page.get_by_label("Value of parameter 1").fill("no node")
    page.get_by_role("button", name="Call", exact=True).click()
    expect(page.locator("#answer .refused")).to_contain_text("is not written as KEY=VALUE")
    page.get_by_label("Value of parameter 1").fill("")
    page.get_by_role("button", name="Call", exact=True).click()
    expect(page.locator("#answer pre").first).to_contain_text('1^{"images"')


def test_who_lacks_the_right_is_refused_as_by_the_broker(look: Look) -> None:
    sight = look("viewer")
    page = sight.page
    sight.open("/rpc/call/MAG DICOM IMAGE PROCESSING")
    page.get_by_label("Context").select_option("none")
    page.get_by_role("button", name="Call", exact=True).click()
    expect(page.locator("#answer .refused").first).to_contain_text("context")
    sight.open("/rpc/call/XUS AV CODE")
    expect(page.get_by_text("a session of its own")).to_be_visible()
