"""The console's pages over HTTP: who is let in, what a page is sent with, and what no other site can have done."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from console.web.callers import COOKIE
from console.web.pages.correcting import clear_cut, compared, in_spool
from console.web.pages.service import SIGN_ONS_AT_ONCE
from console.web.pages.studies import BadSearch, search_of
from console.web.pages.values import prose
from tests.integration.rpcs.two_users import MAY, UNA, User
from tests.integration.web.conftest import Served
from tests.support.http import Web
from tests.support.pages import PageVisitor


@pytest.fixture
def visitor(served: Served) -> PageVisitor:
    return PageVisitor(served.service.ports["web"])


def signed_on(served: Served, user: User) -> PageVisitor:
    """Sign a user on at the form."""
    visitor = PageVisitor(served.service.ports["web"])
    assert visitor.sign_on(user.access, user.verify).status == 303
    return visitor


def test_who_is_not_signed_on_is_asked_to_and_comes_where_he_wanted(visitor: PageVisitor) -> None:
    asked = visitor.get("/queues/entries", queue="SEND")
    assert (asked.status, asked.headers["Location"]) == (303, "/sign-on?then=%2Fqueues%2Fentries%3Fqueue%3DSEND")
    shown = visitor.sign_on(MAY.access, MAY.verify, then="/queues/entries?queue=SEND")
    assert shown.headers["Location"] == "/queues/entries?queue=SEND"
    assert "HttpOnly" in shown.headers["Set-Cookie"]
    assert "samesite=lax" in shown.headers["Set-Cookie"].lower()
    assert visitor.get("/queues/entries", queue="SEND").status == 200


ELSEWHERE = ("https://elsewhere.example/", "//elsewhere.example/", "/\\elsewhere.example", "javascript:1", "/\r\nX: y")


@pytest.mark.parametrize("then", ELSEWHERE)
def test_nobody_is_led_to_another_site(visitor: PageVisitor, then: str) -> None:
    shown = visitor.sign_on(MAY.access, MAY.verify, then=then)
    assert shown.status == 303
    assert shown.headers["Location"] == "/"


def test_wrong_codes_are_told_in_the_brokers_words(visitor: PageVisitor) -> None:
    shown = visitor.post("/sign-on", access=MAY.access, verify="1WRONG!@")
    assert shown.status == 200
    assert "Not a valid ACCESS CODE/VERIFY CODE pair." in shown.text
    assert "1WRONG!@" not in shown.text
    assert visitor.get("/").status == 303


def test_an_expired_verify_code_is_changed_at_the_form(served: Served, visitor: PageVisitor) -> None:
    assert served.owner.post("/api/user/codes", duz=UNA.duz, verify_code="9FRESH!@#").status == 200
    asked = visitor.post("/sign-on", access=UNA.access, verify="9FRESH!@#")
    assert 'name="new"' in asked.text
    unlike = visitor.post("/sign-on", access=UNA.access, verify="9FRESH!@#", new="8NEWER!@#", again="8NEWEST!@#")
    assert "not alike" in unlike.text
    bad = visitor.post("/sign-on", access=UNA.access, verify="9FRESH!@#", new="short", again="short")
    assert 'class="refused"' in bad.text
    assert visitor.sign_on(UNA.access, "9FRESH!@#", new="8NEWER!@#", again="8NEWER!@#").status == 303
    assert PageVisitor(visitor.port).sign_on(UNA.access, "8NEWER!@#").status == 303


def test_every_page_forbids_what_it_does_not_need(visitor: PageVisitor) -> None:
    for path in ("/sign-on", "/no/such/page", "/"):
        headers = visitor.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


def test_no_page_has_what_its_policy_forbids(served: Served) -> None:
    visitor = signed_on(served, MAY)
    for path in ("/", "/queues", "/destinations", "/audit", "/logs", "/do/user/edit?duz=2"):
        text = visitor.get(path).text
        assert not re.search(r'<script(?![^>]* src="/static/)|<style|\sstyle=|\son[a-z]+=|https?://', text), path


def test_what_changes_something_is_refused_unless_one_of_our_pages_asks(served: Served) -> None:
    visitor = signed_on(served, MAY)
    proof, visitor.proof = visitor.proof, ""
    for path in ("/do/export/hold", "/sign-off"):
        shown = visitor.post(path, destination="ARCHIVE")
        assert shown.status == 403, path
        assert "load the page anew" in shown.text
    assert visitor.post("/api/export/hold", destination="ARCHIVE").status == 403
    other = signed_on(served, UNA)
    assert visitor.post("/do/export/hold", destination="ARCHIVE", csrf=other.proof).status == 403, "another session's proof"
    assert served.owner.get("/api/export/list").body["held"] == []
    assert visitor.post("/do/export/hold", destination="ARCHIVE", csrf=proof).status == 200
    assert [it["destination"] for it in served.owner.get("/api/export/list").body["held"]] == ["ARCHIVE"]


def test_another_sites_form_signs_nobody_on(visitor: PageVisitor) -> None:
    visitor.headers["Sec-Fetch-Site"] = "cross-site"
    assert visitor.post("/sign-on", access=MAY.access, verify=MAY.verify).status == 403


def test_who_signs_off_is_nobody_afterwards(served: Served) -> None:
    visitor = signed_on(served, MAY)
    assert visitor.post("/sign-off").headers["Location"] == "/sign-on"
    assert visitor.get("/").status == 303
    assert "Hx-Redirect" in visitor.get("/queues", part=True).headers


def test_what_pages_do_is_audited_as_theirs(served: Served) -> None:
    visitor = signed_on(served, MAY)
    assert 'class="done"' in visitor.post("/do/export/hold", part=True, destination="ARCHIVE").text
    (record,) = served.owner.get("/api/audit/list", action="EXPORT HOLD").body["actions"]
    assert (record["name"], record["via"], record["address"]) == (MAY.name, "WEB", "127.0.0.1")


def test_a_preview_changes_nothing(served: Served) -> None:
    visitor = signed_on(served, MAY)
    shown = visitor.post("/do/export/hold", part=True, destination="ARCHIVE", preview=1)
    assert "This would be changed" in shown.text
    assert served.owner.get("/api/export/list").body["held"] == []


def test_what_destroys_is_done_by_who_is_sure(served: Served) -> None:
    visitor = signed_on(served, MAY)
    assert visitor.post("/do/destination/remove", part=True, ien=1).refused == "usage"
    assert served.owner.get("/api/destination/show", ien=1).status == 200
    assert visitor.post("/do/destination/remove", part=True, ien=1, sure=1).refused == ""
    assert served.owner.get("/api/destination/show", ien=1).status == 404


def test_an_edit_changes_only_what_was_changed_in_the_form(served: Served) -> None:
    visitor = signed_on(served, MAY)
    form = visitor.get("/do/destination/edit", ien=1).text
    fields = {name: value for name, value in re.findall(r'name="(\w+)"[^>]*? value="([^"]*)"', form) if name != "preview"}
    assert fields["was_ae_title"] == "ARCHIVE"
    assert served.owner.post("/api/destination/edit", ien=1, host="127.0.0.2").status == 200
    shown = visitor.post("/do/destination/edit", part=True, **{**fields, "port": 104})
    assert 'class="done"' in shown.text
    entry = served.owner.get("/api/destination/show", ien=1).body
    assert (entry["host"], entry["port"]) == ("127.0.0.2", 104), "what another one changed meanwhile is left alone"


def test_times_are_on_the_visitors_clock(served: Served) -> None:
    visitor = signed_on(served, MAY)
    visitor.post("/do/export/hold", destination="ARCHIVE")
    shown = []
    for zone in ("Asia%2FTokyo", "America%2FNew_York", "No%2FWhere"):
        visitor.headers["X-Ignored"] = zone
        cookie, visitor.cookie = visitor.cookie, f"{visitor.cookie}; magbroker_zone={zone}"
        shown += re.findall(r'<time datetime="([^"]+)"', visitor.get("/audit").text)[:1]
        visitor.cookie = cookie
    assert shown[0].endswith("+09:00")
    assert shown[1].endswith(("-05:00", "-04:00"))
    assert len(shown) == 3


def test_an_address_that_tries_many_codes_has_to_wait(visitor: PageVisitor) -> None:
    answers = [visitor.post("/sign-on", access="NOBODY", verify="1NOBODY!").status for _ in range(SIGN_ONS_AT_ONCE + 2)]
    assert answers.count(429) >= 1
    assert answers[0] == 200


def test_static_files_are_kept_by_browsers_and_packed(visitor: PageVisitor) -> None:
    address = re.findall(r'"(/static/console\.css\?v=[^"]+)"', visitor.get("/sign-on").text)[0]
    connection = Web(visitor.port).connection()
    connection.request("GET", address, headers={"Accept-Encoding": "gzip"})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Content-Encoding"]) == (200, "gzip")
    assert "immutable" in answer.headers["Cache-Control"]
    assert len(answer.read()) < 10_000
    connection.close()
    assert "immutable" not in visitor.get("/static/console.css").headers["Cache-Control"]
    assert visitor.get("/static/../callers.py").status == 404


def test_a_cookie_is_no_token_for_another_port(served: Served) -> None:
    visitor = signed_on(served, MAY)
    name, _, token = visitor.cookie.partition("=")
    assert name == f"{COOKIE}{visitor.port}"
    visitor.cookie = f"{COOKIE}1={token}"
    assert visitor.get("/").status == 303


@pytest.fixture
def overview(served: Served) -> PageVisitor:
    return signed_on(served, UNA)


def test_the_overview_is_for_everybody_and_tells_what_waits(overview: PageVisitor) -> None:
    text = overview.get("/").text
    assert "Needs a person now" in text
    assert 'href="/audit"' not in text, "who lacks the key is not led there"
    part = overview.get("/", part=True).text
    assert "<html" not in part
    assert "Received" in part


def test_what_an_action_says_of_itself_is_shown_as_text(overview: PageVisitor) -> None:
    assert str(prose("The site's `NAME` & <all>\nruns on.\n\nSecond.")) == (
        "<p>The site&#39;s <code>NAME</code> &amp; &lt;all&gt; runs on.</p><p>Second.</p>"
    )
    assert "&amp;#39;" not in overview.get("/do/queue/depths").text


def test_nobody_reads_a_file_that_a_gateway_names_elsewhere(tmp_path: Path) -> None:
    spool = tmp_path / "gateway" / "spool" / "in"
    spool.mkdir(parents=True)
    (spool / "a.dcm").write_bytes(b"x")
    (tmp_path / "secret").write_bytes(b"x")
    assert in_spool(tmp_path, str(spool / "a.dcm")) == spool / "a.dcm"
    for path in ("/etc/passwd", str(spool / ".." / ".." / ".." / "secret"), str(spool), str(spool / "none")):
        assert in_spool(tmp_path, path) is None


def test_a_candidate_is_clear_cut_when_no_other_comes_near() -> None:
    assert clear_cut([{"score": 90.0}, {"score": 40.0}])
    assert clear_cut([{"score": 61.0}])
    assert not clear_cut([{"score": 90.0}, {"score": 80.0}])
    assert not clear_cut([{"score": 50.0}])
    assert not clear_cut([])
    marks = [compared({"given": given, "has": has, "score": score}).mark for given, has, score in FIELDS]
    assert marks == ["SAME", "NEARLY", "UNLIKE", "UNKNOWN", "UNKNOWN"]


def test_studies_are_searched_for_by_what_people_type() -> None:
    search = search_of(
        {"name": "doe,jane", "since": "2026-11-01", "until": "2026-11-30", "description": "*head*", "modality": "CT"}
    )
    assert search.keys == {
        "00100010": "doe^jane*",
        "00081030": "*head*",
        "00080020": "20261101-20261130",
        "00080061": "CT",
    }
    assert search_of({"since": "2026-11-01"}).keys == {"00080020": "20261101-"}
    with pytest.raises(BadSearch, match="is no day"):
        search_of({"since": "yesterday"})


FIELDS = [("A", "A", 1.0), ("A", "AB", 0.8), ("A", "B", 0.1), ("", "B", 0.0), ("A", "", 0.0)]
