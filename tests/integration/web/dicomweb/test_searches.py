"""Queries over HTTP: what matches, how much of it is told, page by page, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.web.dicomweb.conftest import FRAMES, SLICES, Filled
from tests.support.dicomweb_site import STRANGER, Got


def found(got: Got) -> list[dict[str, Any]]:
    assert (got.status, got.headers["content-type"]) == (200, "application/dicom+json"), got.body
    return list(json.loads(got.body))


def values(matches: list[dict[str, Any]], tag: str) -> list[Any]:
    return [match[tag].get("Value", [None])[0] for match in matches]


def test_a_study_is_found_by_what_is_known_of_it(filled: Filled) -> None:
    uid = str(filled.multi.StudyInstanceUID)
    for query in (
        f"StudyInstanceUID={uid}",
        f"0020000D=1.2.3,{uid}",
        "PatientName=DEMO*ONE",
        "PatientName=demo*",
        "PatientID=666-00-1100&StudyDate=20260201-20260228",
        "AccessionNumber=021026-201&ModalitiesInStudy=CT",
        "StudyTime=1011-1012",
    ):
        matches = found(filled.site.get(f"/studies?{query}"))
        assert values(matches, "0020000D") == [uid], query
    (one,) = matches
    assert one["00081190"] == {"vr": "UR", "Value": [f"{filled.site.url}{filled.study}"]}
    assert (one["00080056"]["Value"], one["00080061"]["Value"]) == (["ONLINE"], ["CT"])
    assert (one["00201206"]["Value"], one["00201208"]["Value"]) == ([2], [SLICES + 1])
    assert one["00100010"]["Value"] == [{"Alphabetic": "DEMO^PATIENT^ONE"}]


@pytest.mark.parametrize("query", ["PatientName=NOBODY", "StudyInstanceUID=1.2.3", "StudyDate=19990101", "limit=0", "offset=1"])
def test_what_nobody_has_is_an_answer_without_content(filled: Filled, query: str) -> None:
    got = filled.site.get(f"/studies?{query}")
    assert (got.status, got.body) == (204, b"")


def test_series_and_instances_are_found_below_and_everywhere(filled: Filled) -> None:
    path = filled.path(filled.multi)
    series = path.rpartition("/instances")[0]
    assert len(found(filled.site.get(f"{filled.study}/series"))) == 2
    assert len(found(filled.site.get(f"/series?StudyInstanceUID={filled.multi.StudyInstanceUID}&Modality=CT"))) == 2
    assert len(found(filled.site.get(f"{filled.study}/instances"))) == SLICES + 1
    assert len(found(filled.site.get("/instances?InstanceNumber=1"))) == 2
    (one,) = found(filled.site.get(f"{series}/instances?includefield=all"))
    assert one["00081190"]["Value"] == [f"{filled.site.url}{path}"]
    assert (one["00280008"]["Value"], one["00100020"]["Value"]) == ([FRAMES], ["666-00-1100"])
    assert found(filled.site.get(f"{series}/instances?includefield=PatientID,SeriesNumber"))[0]["00200011"]["Value"] == [7]


def test_pages_are_turned_with_limit_and_offset(filled: Filled) -> None:
    whole = values(found(filled.site.get(f"{filled.study}/instances")), "00080018")
    turned = [
        uid
        for offset in range(0, len(whole), 3)
        for uid in values(found(filled.site.get(f"{filled.study}/instances?limit=3&offset={offset}")), "00080018")
    ]
    assert turned == whole
    assert filled.site.get(f"{filled.study}/instances?offset={len(whole)}").status == 204
    assert "warning" not in filled.site.get(f"{filled.study}/instances?limit=2").headers


def test_an_answer_that_is_cut_says_so(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.web.dicomweb.questions.MOST_MATCHES", 2)
    got = filled.site.get(f"{filled.study}/instances")
    assert (len(found(got)), "exceeded the maximum" in got.headers["warning"]) == (2, True)
    assert "exceeded" not in filled.site.get(f"{filled.study}/instances?limit=1").headers.get("warning", "")


def test_what_is_not_done_is_told_in_a_header(filled: Filled) -> None:
    got = filled.site.get("/studies?fuzzymatching=true&PatientName=DEMO*&Modality=CT")
    assert "Only literal matching has been performed" in got.headers["warning"]
    assert len(found(got)) == 1


@pytest.mark.parametrize(
    ("path", "accept", "status", "said"),
    [
        ("/studies?Nonsense=1", "", 400, "no attribute of DICOM"),
        ("/studies?StudyDate=yesterday", "", 400, "no date"),
        ("/studies?limit=many", "", 400, "whole number"),
        ("/studies?offset=20000", "", 400, "ask for pages in turn"),
        ("/studies", "application/dicom+xml", 406, "application/dicom+json"),
        ("/studies?PatientName=" + "*a" * 21, "", 413, "wild cards"),
        ("/studies/x/series", "", 400, "no UID of a study"),
        ("/nothing", "", 404, "GET /api"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(filled: Filled, path: str, accept: str, status: int, said: str) -> None:
    got = filled.site.get(path, accept)
    assert (got.status, said in json.loads(got.body)["message"]) == (status, True), got.body


def test_only_who_may_asks_and_the_audit_tells_what(filled: Filled) -> None:
    stranger = filled.site.sign_on(*STRANGER)
    assert [filled.site.get("/studies", token=token).status for token in ("", stranger)] == [401, 403]
    assert filled.site.get("/studies?PatientID=666-00-1100").status == 200
    done, refused = filled.site.audited()[:2]
    assert (done["action"], done["request"]) == ("DICOMWEB QUERY", {"QUERY": "PatientID=666-00-1100", "MATCHES": "1"})
    assert refused["outcome"] == "key"
