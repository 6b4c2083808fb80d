"""What clients accept: read, weighed, and what they are given for it."""

from __future__ import annotations

import pytest

from console.web.dicomweb.accepting import Frames, Objects, read_frames, read_objects
from console.web.dicomweb.errors import BadAsked, NotAcceptable
from console.web.dicomweb.media_types import MOST_TYPES, choose, read_accept, read_media_type

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
JPEG, RLE = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.5"
MULTI = "multipart/related; type="


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["*/*"]),
        ("image/png", ["image/png"]),
        ("IMAGE/PNG , image/jpeg", ["image/png", "image/jpeg"]),
        ("image/png;q=0.1, image/jpeg;q=0.5, image/gif", ["image/gif", "image/jpeg", "image/png"]),
        ("image/png;q=0, image/jpeg", ["image/jpeg"]),
        ("image/png;q=0", []),
        ('multipart/related; type="application/dicom"; x="a, b; \\"c\\"", */*', ["multipart/related", "*/*"]),
        (",image/png,, image/jpeg ,", ["image/png", "image/jpeg"]),
        ("image/png;", ["image/png"]),
    ],
)
def test_what_is_accepted_is_read_in_the_order_of_its_weight(text: str, names: list[str]) -> None:
    assert [one.name for one in read_accept(text)] == names


@pytest.mark.parametrize(
    "text", ["image", "image/", "/png", "image/png image/jpeg", "image/png;q=x", "x" * 9000, "a/b," * (MOST_TYPES + 1)]
)
def test_what_is_no_list_of_media_types_is_refused(text: str) -> None:
    with pytest.raises(BadAsked):
        read_accept(text)


def test_parameters_are_read_with_and_without_quotes() -> None:
    one = read_media_type('Multipart/Related; Type="Application/DICOM";boundary="a \\"b\\""; transfer-syntax=1.2.3')
    assert (one.name, one.inner.name, one.parameters["boundary"]) == ("multipart/related", "application/dicom", 'a "b"')
    assert one.transfer_syntax == "1.2.3"
    assert read_media_type("multipart/related;type=application/dicom").inner.name == "application/dicom"
    assert read_media_type("multipart/related").inner.name == "*/*"
    with pytest.raises(BadAsked):
        read_media_type("a/b, c/d")


def test_what_is_wanted_most_is_chosen_of_what_there_is() -> None:
    offered = ("image/jpeg", "image/png")
    for accept, chosen in (
        ("*/*", "image/jpeg"),
        ("image/*", "image/jpeg"),
        ("image/png, image/*;q=0.5", "image/png"),
        ("a/b", ""),
    ):
        assert choose(read_accept(accept), offered) == chosen


@pytest.mark.parametrize(
    ("accept", "objects"),
    [
        ("", Objects((EXPLICIT,), False)),
        ("application/dicom", Objects((EXPLICIT,), True)),
        (f'{MULTI}"application/dicom"', Objects((EXPLICIT,), False)),
        (f'{MULTI}"application/dicom"; transfer-syntax=*', Objects(("*",), False)),
        (f"{MULTI}application/dicom; transfer-syntax={RLE};q=0.2, {MULTI}application/dicom", Objects((EXPLICIT, RLE), False)),
        ("image/png, multipart/*", None),
        ("application/zip", None),
    ],
)
def test_objects_are_given_as_they_are_accepted(accept: str, objects: Objects | None) -> None:
    if objects is None:
        with pytest.raises(NotAcceptable, match="multipart/related"):
            read_objects(read_accept(accept))
    else:
        assert read_objects(read_accept(accept)) == objects


def test_what_loses_nothing_can_be_made() -> None:
    objects = Objects((JPEG, RLE, "1.2.840.10008.1.2.4.80", IMPLICIT), single=False)
    assert objects.made == [RLE, IMPLICIT]
    assert [objects.is_as_stored(syntax) for syntax in (JPEG, EXPLICIT)] == [True, False]


DECODED = Frames("application/octet-stream", EXPLICIT, False)


@pytest.mark.parametrize(
    ("accept", "stored", "frames"),
    [
        ("", JPEG, DECODED),
        (f'{MULTI}"application/octet-stream"', JPEG, DECODED),
        (f'{MULTI}"image/jpeg"', JPEG, Frames("image/jpeg", JPEG, False)),
        (f'{MULTI}"image/jpeg"; transfer-syntax={JPEG}', JPEG, Frames("image/jpeg", JPEG, False)),
        (f'{MULTI}"image/jpeg"; transfer-syntax=1.2.840.10008.1.2.4.70', JPEG, None),
        (f'{MULTI}"image/jpeg"', EXPLICIT, None),
        (f'{MULTI}"image/jpeg", {MULTI}"application/octet-stream";q=0.1', EXPLICIT, DECODED),
        (f'{MULTI}"*/*"; transfer-syntax=*', JPEG, Frames("image/jpeg", JPEG, False)),
        ("*/*; transfer-syntax=*", EXPLICIT, DECODED),
        (f'{MULTI}"image/dicom-rle"', RLE, Frames("image/dicom-rle", RLE, False)),
        ("image/jpeg", JPEG, Frames("image/jpeg", JPEG, True)),
        ("application/octet-stream", JPEG, Frames("application/octet-stream", EXPLICIT, True)),
        (f'{MULTI}"application/octet-stream"; transfer-syntax={RLE}', RLE, None),
    ],
)
def test_frames_are_given_as_they_are_accepted_and_stored(accept: str, stored: str, frames: Frames | None) -> None:
    if frames is None:
        with pytest.raises(NotAcceptable, match="octet-stream"):
            read_frames(read_accept(accept), stored)
    else:
        assert read_frames(read_accept(accept), stored) == frames
