"""Objects that are stored over HTTP: nothing is acknowledged that the gateway does not have, and everything is told of."""

from __future__ import annotations

import io
import json
import os
import socket
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dicomweb_client import DICOMwebClient
from pydicom import Dataset, dcmwrite
from pydicom.uid import generate_uid
from requests import Session

from console.reactor_thread import in_reactor
from console.web.dicomweb import DicomWebSettings
from console.web.dicomweb.multipart import encode_end, encode_part_head
from gateway_client.query_retrieve import Peer
from runtime import free_port
from tests.integration.web.dicomweb.conftest import Filled
from tests.support.dicomweb_site import LOOKER, DicomWebSite, Got, of_the_exam
from tests.support.pictures import SIDE, frames, picture
from tests.support.waiting import until

BOUNDARY = "part of the body"
TYPE = f'multipart/related; type="application/dicom"; boundary="{BOUNDARY}"'
STORED, FAILED, OTHERS, URL = "00081199", "00081198", "0008119A", "00081190"
FAILURE = "00081197"


def written(dataset: Dataset) -> bytes:
    content = io.BytesIO()
    dcmwrite(content, dataset)
    return content.getvalue()


def body(parts: Iterable[bytes], kind: str = "application/dicom") -> bytes:
    head = encode_part_head(BOUNDARY, {"Content-Type": kind})
    return b"".join(head + part for part in parts) + encode_end(BOUNDARY)


def objects(count: int, study: str = "") -> list[Dataset]:
    study, series = study or generate_uid(), generate_uid()
    return [of_the_exam(picture(), study, series, number + 1) for number in range(count)]


def post(site: DicomWebSite, content: Any, path: str = "/studies", kind: str = TYPE, **more: Any) -> Got:
    return site.ask("POST", path, content, content_type=kind, **more)


def told(got: Got) -> Any:
    return json.loads(got.body)


def uids(answer: Any, sequence: str) -> list[str]:
    return [item["00081155"]["Value"][0] for item in answer.get(sequence, {}).get("Value", [])]


def left_over(site: DicomWebSite) -> list[Path]:
    folders = os.walk(site.directory / "dicomweb" / "storing")  # what goes meanwhile is no error there
    return [Path(folder, name) for folder, _folders, names in folders for name in names]


def test_what_is_acknowledged_can_be_retrieved_where_the_answer_says(filled: Filled) -> None:
    site, slices = filled.site, objects(3)
    got = post(site, body(map(written, slices)))
    assert (got.status, got.headers["content-type"]) == (200, "application/dicom+json")
    answer = told(got)
    assert sorted(uids(answer, STORED)) == sorted(str(it.SOPInstanceUID) for it in slices)
    assert answer[URL] == {"vr": "UR", "Value": [f"{site.url}/studies/{slices[0].StudyInstanceUID}"]}
    assert (FAILED in answer, left_over(site)) == (False, [])
    site.archive.filed([str(it.SOPInstanceUID) for it in slices])
    for item in answer[STORED]["Value"]:
        address = item[URL]["Value"][0].removeprefix(site.url)
        until(lambda at=address: site.get(f"{at}/metadata").status == 200, "it can be retrieved")
    seen = next(one for one in site.audited() if one["action"] == "DICOMWEB STORE")
    assert (seen["request"]["STORED"], seen["request"]["STUDIES"]) == ("3", str(slices[0].StudyInstanceUID))
    assert [change["subject"] for change in seen["changes"]] == [f"study {slices[0].StudyInstanceUID}"]


def test_what_fails_is_told_beside_what_is_stored(filled: Filled) -> None:
    good, stray = objects(1), objects(1)
    study = str(good[0].StudyInstanceUID)
    nameless = objects(1, study)
    del nameless[0].SeriesInstanceUID
    parts = [written(good[0]), written(stray[0]), b"no object", written(nameless[0])]
    got = post(filled.site, body(parts), f"/studies/{study}")
    answer = told(got)
    assert (got.status, uids(answer, STORED)) == (202, [str(good[0].SOPInstanceUID)])
    reasons = {item["00081155"]["Value"][0]: item[FAILURE]["Value"] for item in answer[FAILED]["Value"]}
    assert reasons == {str(stray[0].SOPInstanceUID): [0xA900], str(nameless[0].SOPInstanceUID): [0xC000]}
    assert [item[FAILURE]["Value"] for item in answer[OTHERS]["Value"]] == [[0xC000]]
    none = post(filled.site, body([b"no object"]))
    assert (none.status, list(told(none))) == (409, [OTHERS])
    assert left_over(filled.site) == []


@pytest.mark.parametrize(
    ("content", "kind", "status", "said"),
    [
        (body([]), TYPE, 400, "No object"),
        (b"", TYPE, 400, "ends before the first part"),
        (body([b"x"])[:-30], TYPE, 400, "ends in"),
        (body([b"x"]), TYPE.partition("; boundary")[0], 400, "boundary"),
        (body([b"x"], "image/jpeg"), TYPE, 415, "image/jpeg"),
        (b"{}", "application/json", 415, "multipart/related"),
        (body([b"x"]), TYPE.replace("application/dicom", "application/dicom+xml"), 415, "multipart/related"),
        (body([b"x"]), "nonsense", 400, "no media type"),
    ],
)
def test_a_body_that_is_none_is_refused_in_words(filled: Filled, content: bytes, kind: str, status: int, said: str) -> None:
    got = post(filled.site, content, kind=kind)
    assert (got.status, said in told(got)["message"]) == (status, True), got.body
    assert left_over(filled.site) == []


def test_only_who_may_stores(filled: Filled) -> None:
    stranger = filled.site.sign_on(*LOOKER)
    before = filled.site.archive.archived()
    content = body(map(written, objects(1)))
    assert [post(filled.site, content, token=token).status for token in ("", stranger)] == [401, 403]
    long = content + bytes(8 << 20)
    with pytest.raises((ConnectionError, AssertionError)):
        assert post(filled.site, long, token="").status in (200, 202), "nobody reads megabytes of a stranger"
    assert (left_over(filled.site), filled.site.archive.archived()) == ([], before)


@pytest.fixture
def changed(filled: Filled) -> Iterator[Any]:
    """Let a test change the settings of the service."""
    storing = filled.site.service.dicom_web
    before = storing.settings

    def change(**settings: Any) -> None:
        storing.settings = replace(before, **settings)
        storing._stow = None

    yield change
    storing.settings, storing._stow = before, None


def test_without_a_gateway_it_is_to_be_tried_later(filled: Filled, changed: Any) -> None:
    changed(peer=Peer("127.0.0.1", free_port(), "MAGBROKER", "DICOMWEB"))
    got = post(filled.site, body(map(written, objects(2))))
    assert (got.status, got.headers["retry-after"], left_over(filled.site)) == (503, "30", [])
    assert "No gateway takes objects" in told(got)["message"]


def test_an_object_that_is_too_large_fails_alone(filled: Filled, changed: Any) -> None:
    changed(max_object_bytes=SIDE * SIDE * 2 * 3)
    study, series = generate_uid(), generate_uid()
    small, large = of_the_exam(picture(), study, series), of_the_exam(frames(9), study, series)
    got = post(filled.site, body(map(written, (small, large, small))))
    answer = told(got)
    assert (got.status, [item[FAILURE]["Value"] for item in answer[OTHERS]["Value"]]) == (202, [[0xA700]])
    assert set(uids(answer, STORED)) == {str(small.SOPInstanceUID)}
    assert left_over(filled.site) == []


def test_a_full_disk_stores_nothing(filled: Filled, changed: Any) -> None:
    changed(free_space_floor=1 << 60)
    got = post(filled.site, body(map(written, objects(1))))
    assert (got.status, told(got)[OTHERS]["Value"][0][FAILURE]["Value"]) == (409, [0xA700])


def test_who_leaves_leaves_nothing_behind(filled: Filled) -> None:
    site = filled.site
    head = f"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.token}\r\n"
    head += f"Content-Type: {TYPE}\r\nContent-Length: 1000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", site.port)) as connection:
        connection.sendall(head.encode() + encode_part_head(BOUNDARY, {}) + b"x" * 5000)
        until(lambda: len(left_over(site)) == 1, "its file is there")
    until(lambda: left_over(site) == [], "its file is gone")
    storing = site.service.dicom_web.storing
    until(lambda: in_reactor(lambda: len(storing._under_way)) == 0, "it is forgotten")


def test_a_body_may_come_in_chunks_of_any_size(filled: Filled) -> None:
    content = body(map(written, objects(1)))
    chunks = (content[at : at + 7] for at in range(0, len(content), 7))
    assert post(filled.site, chunks).status == 200


def test_too_many_at_once_are_told_to_come_later(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.web.dicomweb.storing.MOST_STORING", 0)
    got = post(filled.site, body(map(written, objects(1))))
    assert (got.status, got.headers["retry-after"]) == (503, "5")


def client(site: DicomWebSite) -> DICOMwebClient:
    session = Session()
    session.headers["Authorization"] = f"Bearer {site.token}"
    session.trust_env = False
    return DICOMwebClient(site.url, session=session)


def test_dicomweb_client_stores_finds_and_retrieves_a_study(filled: Filled) -> None:
    site, web = filled.site, client(filled.site)
    study, series = generate_uid(), generate_uid()
    kept = [*(of_the_exam(picture(), study, series, number + 1) for number in range(2)), of_the_exam(frames(3), study, series, 3)]
    answer = web.store_instances(kept)
    assert len(answer.ReferencedSOPSequence) == 3
    site.archive.filed([str(it.SOPInstanceUID) for it in kept])
    until(lambda: len(web.search_for_instances(study, series)) == 3, "all are found")
    (found,) = web.search_for_studies(search_filters={"StudyInstanceUID": study, "PatientName": "demo*"})
    assert (found["00201208"]["Value"], found["00080061"]["Value"]) == ([3], ["CT"])
    assert web.search_for_studies(search_filters={"StudyInstanceUID": generate_uid()}) == []
    (told_of,) = web.search_for_series(study)
    assert told_of["0020000E"]["Value"] == [series]
    by_uid = {str(it.SOPInstanceUID): it for it in web.retrieve_study(study)}
    assert {uid: it.PixelData for uid, it in by_uid.items()} == {str(it.SOPInstanceUID): it.PixelData for it in kept}
    one = web.retrieve_instance(study, series, str(kept[0].SOPInstanceUID))
    assert one.PatientName == kept[0].PatientName
    assert len(web.retrieve_series(study, series)) == 3
    assert len(web.retrieve_study_metadata(study)) == 3
    header = Dataset.from_json(web.retrieve_instance_metadata(study, series, str(kept[2].SOPInstanceUID)), lambda _uri: b"")
    assert header.NumberOfFrames == 3
    first, third = web.retrieve_instance_frames(study, series, str(kept[2].SOPInstanceUID), [1, 3])
    assert (first, third) == (bytes(SIDE * SIDE * 2), kept[2].PixelData[-SIDE * SIDE * 2 :])
    picture_of = web.retrieve_instance_rendered(study, series, str(kept[0].SOPInstanceUID), ("image/png",))
    assert picture_of.startswith(b"\x89PNG")
    (bulk,) = web.retrieve_bulkdata(
        f"{site.url}/studies/{study}/series/{series}/instances/{kept[0].SOPInstanceUID}/bulkdata/7FE00010"
    )
    assert bulk == kept[0].PixelData


def test_settings_name_the_gateway() -> None:
    assert str(DicomWebSettings().peer) == "MAGBROKER at 127.0.0.1:11112"
