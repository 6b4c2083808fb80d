"""Objects, headers, frames and bulk data over HTTP, as clients accept them; and what is said where there is none."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, generate_uid
from sqlalchemy import select, update

from console.web.dicomweb.multipart import Event, MultipartReader, PartBegins, PartData, encode_end, encode_part_head
from console.web.dicomweb.outlet import Outlet
from fileman.files import ArchiveInstance
from gateway_client import change_for
from runtime import CoerceSettings, DestinationSettings
from tests.integration.web.dicomweb.conftest import FRAMES, Filled
from tests.support.dicomweb_site import STRANGER, Got, of_the_exam
from tests.support.http import Answered, Web
from tests.support.pictures import frames, picture
from tests.support.waiting import until

DICOM = 'multipart/related; type="application/dicom"'
OCTETS = 'multipart/related; type="application/octet-stream"'
RLE = str(RLELossless)


def parts(got: Got) -> list[tuple[dict[str, str], bytes]]:
    """Read a multipart answer."""
    assert got.headers["content-type"].startswith("multipart/related"), got.body
    reader = MultipartReader(got.headers["content-type"].partition("boundary=")[2])
    found: list[tuple[dict[str, str], bytes]] = []
    events: list[Event] = [*reader.receive(got.body)]
    reader.close()
    for event in events:
        if isinstance(event, PartBegins):
            found.append((dict(event.headers), b""))
        elif isinstance(event, PartData):
            found[-1] = (found[-1][0], found[-1][1] + event.data)
    return found


def read(data: bytes) -> Dataset:
    return dcmread(io.BytesIO(data))


def said(got: Got) -> str:
    return str(json.loads(got.body)["message"])


@pytest.mark.parametrize("of", ["study", "series", "instance"])
def test_objects_come_whole_in_parts(filled: Filled, of: str) -> None:
    one = filled.slices[1]
    path = filled.path(one)
    paths = {"study": filled.study, "series": path.rpartition("/instances")[0], "instance": path}
    expected = {"study": [*filled.slices, filled.multi], "series": filled.slices, "instance": [one]}[of]
    got = filled.site.get(paths[of], DICOM)
    assert got.status == 200
    found = {str(it.SOPInstanceUID): it for it in (read(data) for _headers, data in parts(got))}
    assert found.keys() == {str(it.SOPInstanceUID) for it in expected}
    for it in expected:
        same = found[str(it.SOPInstanceUID)]
        assert (same.PixelData, same.PatientName, same.file_meta.TransferSyntaxUID) == (
            it.PixelData,
            it.PatientName,
            ExplicitVRLittleEndian,
        )
    assert {headers["content-type"] for headers, _data in parts(got)} == {
        f"application/dicom; transfer-syntax={ExplicitVRLittleEndian}"
    }


def test_an_object_comes_in_the_transfer_syntax_that_is_accepted(filled: Filled) -> None:
    path, plain = filled.path(filled.slices[0]), filled.slices[0].PixelData
    for accept, syntax in (
        (f"{DICOM}; transfer-syntax={RLE}", RLE),
        (f"{DICOM}; transfer-syntax=*", ExplicitVRLittleEndian),
        (f"{DICOM}; transfer-syntax={ImplicitVRLittleEndian}, {DICOM}; transfer-syntax={RLE};q=0.5", ImplicitVRLittleEndian),
        (f"{DICOM}; transfer-syntax=1.2.840.10008.1.2.4.80, {DICOM}; q=0.1", ExplicitVRLittleEndian),
    ):
        ((headers, data),) = parts(filled.site.get(path, accept))
        it = read(data)
        assert (it.file_meta.TransferSyntaxUID, headers["content-type"]) == (
            syntax,
            f"application/dicom; transfer-syntax={syntax}",
        )
        assert it.pixel_array.tobytes() == plain
    single = filled.site.get(path, "application/dicom")
    assert (single.headers["content-type"], read(single.body).PixelData) == (
        f"application/dicom; transfer-syntax={ExplicitVRLittleEndian}",
        plain,
    )


def test_headers_come_as_json_with_addresses_of_what_is_long(filled: Filled) -> None:
    got = filled.site.get(f"{filled.study}/metadata", "application/dicom+json")
    assert (got.status, got.headers["content-type"]) == (200, "application/dicom+json")
    told = {one["00080018"]["Value"][0]: one for one in json.loads(got.body)}
    assert len(told) == len(filled.slices) + 1
    one = told[str(filled.multi.SOPInstanceUID)]
    assert one["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "DEMO^PATIENT^ONE"}]}
    assert one["00280008"] == {"vr": "IS", "Value": [FRAMES]}
    assert one["00281050"] == {"vr": "DS", "Value": [150.5]}
    assert one["00083002"] == {"vr": "UI", "Value": [str(ExplicitVRLittleEndian)]}
    assert one["7FE00010"]["vr"] == "OW"
    read_again = Dataset.from_json(one, bulk_data_uri_handler=lambda _uri: b"")
    assert (read_again.StudyInstanceUID, read_again.Rows) == (filled.multi.StudyInstanceUID, 64)
    address = one["7FE00010"]["BulkDataURI"]
    assert address == f"{filled.site.url}{filled.path(filled.multi)}/bulkdata/7FE00010"
    ((_headers, data),) = parts(filled.site.get(address.removeprefix(filled.site.url), OCTETS))
    assert data == filled.multi.PixelData
    long = next(tag for tag, it in one.items() if "BulkDataURI" in it and tag != "7FE00010")
    value = filled.site.get(one[long]["BulkDataURI"].removeprefix(filled.site.url), "application/octet-stream")
    assert value.body == filled.multi[int(long, 16)].value
    for of in (filled.path(filled.slices[0]), filled.path(filled.slices[0]).rpartition("/instances")[0]):
        assert len(json.loads(filled.site.get(f"{of}/metadata").body)) == (1 if "instances" in of else len(filled.slices))


def test_frames_come_decoded_in_the_order_that_is_asked_for(filled: Filled) -> None:
    path, size = filled.path(filled.multi), 64 * 64 * 2
    frames = [filled.multi.PixelData[at : at + size] for at in range(0, FRAMES * size, size)]
    got = filled.site.get(f"{path}/frames/3,1,3", OCTETS)
    assert [data for _headers, data in parts(got)] == [frames[2], frames[0], frames[2]]
    assert parts(got)[0][0]["content-location"] == f"{filled.site.url}{path}/frames/3"
    single = filled.site.get(f"{path}/frames/3", "application/octet-stream")
    assert (single.headers["content-type"].partition(";")[0], single.body) == ("application/octet-stream", frames[2])


@pytest.mark.parametrize(
    ("path", "accept", "status", "words"),
    [
        ("{study}", "application/dicom+xml", 406, "application/dicom"),
        ("{study}", "application/dicom", 406, "multipart/related"),
        ("{one}", f"{DICOM}; transfer-syntax=1.2.840.10008.1.2.4.80", 406, "None is stored in"),
        ("{one}/metadata", "application/dicom+xml", 406, "application/dicom+json"),
        ("{one}/frames/1", 'multipart/related; type="image/jpeg"', 406, "octet-stream"),
        ("{one}/frames/2", OCTETS, 404, "no frame 2"),
        ("{one}/frames/0", OCTETS, 400, "no list of frames"),
        ("{one}/frames/1,x", OCTETS, 400, "no list of frames"),
        ("{one}/frames/1,1", "application/octet-stream", 406, "multipart/related"),
        ("{one}/bulkdata/00100010/x", OCTETS, 404, "nothing of this name"),
        ("{one}/bulkdata/00090001", OCTETS, 404, "nothing of this name"),
        ("{one}/bulkdata/PatientName", OCTETS, 404, "nothing of this name"),
        ("{one}/nothing", "", 404, "GET /api"),
        ("/studies/1.2.3", DICOM, 404, "nothing of this name"),
        ("/studies/1.2.3/metadata", "", 404, "nothing of this name"),
        ("/studies/1.2.x", DICOM, 400, "no UID"),
    ],
)
def test_what_cannot_be_given_is_refused_in_words(filled: Filled, path: str, accept: str, status: int, words: str) -> None:
    got = filled.site.get(path.format(study=filled.study, one=filled.path(filled.slices[0])), accept)
    assert (got.status, words in said(got)) == (status, True), got.body


def test_only_who_may_gets_objects(filled: Filled) -> None:
    stranger = filled.site.sign_on(*STRANGER)
    for path in (filled.study, f"{filled.study}/metadata", f"{filled.path(filled.multi)}/frames/1"):
        assert [filled.site.get(path, token=token).status for token in ("", stranger)] == [401, 403]
    assert filled.site.get(filled.study, DICOM).status == 200
    done, refused = filled.site.audited()[:2]
    assert (done["action"], done["outcome"], done["request"]["INSTANCES"]) == ("DICOMWEB RETRIEVE", "done", "4")
    assert refused["outcome"] == "key"


def file_of(filled: Filled, dataset: Dataset) -> Path:
    uid = str(dataset.SOPInstanceUID)
    return filled.site.archive.filed([uid])[uid]


def test_files_that_are_not_there_are_told_of(filled: Filled) -> None:
    gone = file_of(filled, filled.slices[0])
    away = gone.rename(gone.with_suffix(".AWAY"))
    try:
        some = filled.site.get(filled.study, DICOM)
        assert (some.status, len(parts(some))) == (206, len(filled.slices))
        assert "1 cannot be read" in some.headers["warning"]
        none = filled.site.get(filled.path(filled.slices[0]), DICOM)
        assert (none.status, none.headers["retry-after"]) == (503, "30")
        for path in ("rendered", "frames/1", "metadata"):
            assert filled.site.get(f"{filled.path(filled.slices[0])}/{path}").status == 503
    finally:
        away.rename(gone)
    assert filled.site.get(filled.path(filled.slices[0]), DICOM).status == 200


def reject(filled: Filled, action: str) -> Answered:
    web = Web(filled.site.port, token=filled.site.token)
    reason = {"reason": "whose is it?"} if action == "reject" else {}
    return web.post(f"/api/image/{action}", study=str(filled.multi.StudyInstanceUID), **reason)


def test_what_is_rejected_is_shown_to_nobody(filled: Filled) -> None:
    paths = (filled.study, f"{filled.study}/metadata", f"{filled.path(filled.multi)}/rendered", f"{filled.study}/thumbnail")
    assert reject(filled, "reject").status == 200
    try:
        assert [filled.site.get(path).status for path in paths] == [404] * 4
        assert filled.site.get(f"/studies?StudyInstanceUID={filled.multi.StudyInstanceUID}").status == 204
    finally:
        assert reject(filled, "accept").status == 200
    assert [filled.site.get(path).status for path in paths] == [200] * 4


@pytest.fixture
def compressed(filled: Filled) -> Iterator[Dataset]:
    """Have an object of three compressed frames kept."""
    dataset = of_the_exam(frames(3), str(filled.multi.StudyInstanceUID), generate_uid(), 9)
    dataset.compress(RLE, encoding_plugin="pydicom", generate_instance_uid=False)
    content = io.BytesIO()
    dataset.save_as(content)
    head = encode_part_head("b", {"Content-Type": "application/dicom"})
    body = head + content.getvalue() + encode_end("b")
    stored = filled.site.ask("POST", "/studies", body, content_type='multipart/related; type="application/dicom"; boundary=b')
    assert stored.status == 200, stored.body
    filled.site.archive.filed([str(dataset.SOPInstanceUID)])
    until(lambda: filled.site.get(f"{filled.path(dataset)}/metadata").status == 200, "it is archived")
    yield dataset
    post = Web(filled.site.port, token=filled.site.token).post
    assert post("/api/image/reject", image=str(dataset.SOPInstanceUID), reason="only this test wants it").status == 200


def test_compressed_objects_come_as_they_are_or_decoded(filled: Filled, compressed: Dataset) -> None:
    path, size = filled.path(compressed), 64 * 64 * 2
    plain = frames(3).PixelData
    ((_headers, data),) = parts(filled.site.get(path, f"{DICOM}; transfer-syntax=*"))
    assert read(data).PixelData == compressed.PixelData
    ((_headers, data),) = parts(filled.site.get(path, DICOM))
    assert (read(data).file_meta.TransferSyntaxUID, read(data).PixelData) == (ExplicitVRLittleEndian, plain)
    decoded = parts(filled.site.get(f"{path}/frames/2,3", OCTETS))
    assert [it for _headers, it in decoded] == [plain[size : 2 * size], plain[2 * size :]]
    stored = parts(filled.site.get(f"{path}/frames/1,2", 'multipart/related; type="image/dicom-rle"'))
    assert stored[0][0]["content-type"] == f"image/dicom-rle; transfer-syntax={RLE}"
    fragments = [*generate_frames(compressed.PixelData, number_of_frames=3)]
    assert [it for _headers, it in stored] == fragments[:2]
    whole = parts(filled.site.get(f"{path}/bulkdata/7FE00010", OCTETS))
    assert b"".join(it for _headers, it in whole) == plain
    mixed = filled.site.get(filled.study, f"{DICOM}; transfer-syntax={RLE}")
    assert {headers["content-type"].rpartition("=")[2] for headers, _data in parts(mixed)} == {RLE}


def test_what_is_not_in_store_is_asked_back_and_to_be_asked_for_later(filled: Filled) -> None:
    uid = str(filled.slices[2].SOPInstanceUID)
    store = filled.site.archive.store

    def move(short_term: int, long_term: int) -> None:
        places = {"short_term": short_term, "long_term": long_term}
        change = update(ArchiveInstance).where(ArchiveInstance.sop_uid == uid).values(**places)
        store.transact(lambda connection: connection.execute(change))

    columns = select(ArchiveInstance.short_term, ArchiveInstance.long_term).where(ArchiveInstance.sop_uid == uid)
    before = store.read(lambda connection: connection.execute(columns).one())
    move(0, before.short_term)
    try:
        for path in ("", "/rendered", "/metadata", "/frames/1"):
            got = filled.site.get(filled.path(filled.slices[2]) + path)
            assert (got.status, got.headers["retry-after"].isdigit(), "not in store" in said(got)) == (503, True, True)
        assert filled.site.get(filled.study, DICOM).status == 503
        assert filled.site.get(filled.path(filled.slices[0]), DICOM).status == 200
    finally:
        move(*before)
    assert filled.site.get(filled.path(filled.slices[2]), DICOM).status == 200


def test_who_leaves_amid_a_study_does_no_harm(filled: Filled, caplog: pytest.LogCaptureFixture) -> None:
    site = filled.site
    head = f"GET /dicom-web{filled.study} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.token}\r\n\r\n"
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", site.port)) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(head.encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
    assert site.get(filled.study, DICOM).status == 200
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


def test_a_large_object_is_sent_as_it_is_read(filled: Filled) -> None:
    """No more of it is held than goes out: a client that takes none of it is waited for."""
    large = of_the_exam(picture(), str(filled.multi.StudyInstanceUID), generate_uid(), 11)
    large.Rows, large.Columns, large.NumberOfFrames = 1024, 1024, 20
    large.PixelData = bytes(1024 * 1024 * 2 * 20)
    filled.site.archive.keep([large])
    filled.site.archive.filed([str(large.SOPInstanceUID)])
    site, path = filled.site, filled.path(large)
    head = f"GET /dicom-web{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.token}\r\n\r\n"
    written = 0
    before = Outlet.write

    async def counted(outlet: Outlet, data: bytes) -> None:
        nonlocal written
        await before(outlet, data)
        written += len(data)

    with pytest.MonkeyPatch.context() as patch, socket.create_connection(("127.0.0.1", site.port)) as connection:
        patch.setattr(Outlet, "write", counted)
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        assert site.get(path + "/metadata").status == 200, "others are answered meanwhile"
        assert written < 20 << 20
    assert len(site.get(path, DICOM).body) > len(large.PixelData)
    post = Web(site.port, token=site.token).post
    assert post("/api/image/reject", image=str(large.SOPInstanceUID), reason="only this test wants it").status == 200


def test_objects_go_out_as_the_settings_of_the_destination_say(filled: Filled) -> None:
    """Headers and bulk data are changed as objects are, and are found where they are stored."""
    service, one = filled.site.service.dicom_web, filled.slices[0]
    settings = DestinationSettings(
        coerce=(
            CoerceSettings(attribute="PatientName", set="NOBODY"),
            CoerceSettings(attribute="SeriesInstanceUID", set="1.2.3"),
        )
    )
    before, service.settings = service.settings, replace(service.settings, change=lambda: change_for(settings, bytes))
    try:
        ((_headers, data),) = parts(filled.site.get(filled.path(one), DICOM))
        assert (str(read(data).PatientName), read(data).PixelData) == ("NOBODY", one.PixelData)
        (header,) = json.loads(filled.site.get(f"{filled.path(one)}/metadata").body)
        assert (header["00100010"]["Value"], header["0020000E"]["Value"]) == ([{"Alphabetic": "NOBODY"}], ["1.2.3"])
        address = header["7FE00010"]["BulkDataURI"]
        assert filled.path(one) in address
        ((_headers, pixels),) = parts(filled.site.get(address.removeprefix(filled.site.url), OCTETS))
        assert pixels == one.PixelData
        name = filled.site.get(f"{filled.path(one)}/bulkdata/00100010", "application/octet-stream")
        assert name.body.strip() == b"NOBODY"
    finally:
        service.settings = before
