"""Rendered frames and thumbnails over HTTP: what is shown, to whom, and what is said where nothing can be."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.integration.web.dicomweb.conftest import Filled
from tests.support.dicomweb_site import STRANGER, Got
from tests.support.pictures import SHOWN, near, quadrants


def shown(got: Got) -> list[int]:
    assert got.status == 200, got.body
    return quadrants(np.asarray(Image.open(io.BytesIO(got.body)).convert("L")))


def size(got: Got) -> tuple[int, int]:
    return Image.open(io.BytesIO(got.body)).size


def test_an_instance_is_rendered_as_it_is_accepted(filled: Filled) -> None:
    path = f"{filled.path(filled.slices[0])}/rendered"
    for accept, media_type in (
        ("", "image/jpeg"),
        ("image/*", "image/jpeg"),
        ("image/png", "image/png"),
        ("image/gif, image/png;q=0.5, image/jpeg;q=0.4", "image/png"),
        ("*/*", "image/jpeg"),
    ):
        got = filled.site.get(path, accept)
        assert (got.headers["content-type"], near(shown(got), SHOWN)) == (media_type, True)
        assert (got.headers["cache-control"], got.headers["x-content-type-options"]) == ("no-store", "nosniff")
    asked = filled.site.get(f"{path}?accept=image/png", "image/jpeg")
    assert asked.headers["content-type"] == "image/png", "what the query says goes before the header"


def test_a_window_and_a_viewport_are_as_they_are_asked_for(filled: Filled) -> None:
    path = f"{filled.path(filled.slices[0])}/rendered"
    plain = filled.site.get(path, "image/png")
    assert (plain.headers["x-window"], plain.headers["x-frame"]) == ("150.5,301,linear", "1/1")
    windowed = filled.site.get(f"{path}?window=100,200,linear-exact&quality=95", "image/png")
    assert (shown(windowed), windowed.headers["x-window"]) == ([0, 128, 255, 255], "100,200,linear-exact")
    assert windowed.headers["x-windows"] == "150.5,301,linear"
    cut = filled.site.get(f"{path}?viewport=20,20,32,0,32,32", "image/png")
    assert (size(cut), near(shown(cut), [85, 85, 85, 85])) == ((20, 20), True)
    left_out = filled.site.get(f"{path}?viewport=20,20,,,,&annotation=patient", "image/png")
    assert (size(left_out), "annotation" in left_out.headers["warning"]) == ((20, 20), True)


def test_frames_are_counted_from_one(filled: Filled) -> None:
    path = filled.path(filled.multi)
    assert near(shown(filled.site.get(f"{path}/rendered")), SHOWN), "that in the middle"
    assert near(shown(filled.site.get(f"{path}/frames/3/rendered")), SHOWN)
    assert shown(filled.site.get(f"{path}/frames/1/rendered", "image/png")) == [0, 0, 0, 0]
    by_query = filled.site.get(f"{path}/rendered?frame=5", "image/png")
    assert (shown(by_query), by_query.headers["x-frame"]) == ([0, 0, 0, 0], "5/5")


@pytest.mark.parametrize("of", ["study", "series", "instance", "frame"])
def test_a_thumbnail_is_small(filled: Filled, of: str) -> None:
    path = filled.path(filled.multi)
    paths = {"study": filled.study, "series": path.rpartition("/instances")[0], "instance": path, "frame": f"{path}/frames/3"}
    small = filled.site.get(f"{paths[of]}/thumbnail")
    assert (small.headers["content-type"], size(small), near(shown(small), SHOWN)) == ("image/jpeg", (128, 128), True)
    assert size(filled.site.get(f"{paths[of]}/thumbnail?viewport=40,30")) == (30, 30)


@pytest.mark.parametrize(
    ("path", "accept", "status", "said"),
    [
        ("{instance}/rendered", "image/gif", 406, "image/jpeg or image/png"),
        ("{instance}/rendered", "text", 400, "no media type"),
        ("{instance}/rendered?window=1", "", 400, "centre,width,function"),
        ("{instance}/rendered?window=a,1,linear", "", 400, "a number"),
        ("{instance}/rendered?window=nan,1,linear", "", 400, "a number"),
        ("{instance}/rendered?window=1,1,round", "", 400, "linear-exact"),
        ("{instance}/rendered?window=1,0,sigmoid", "", 400, "above 0"),
        ("{instance}/rendered?viewport=0,1", "", 400, "from 1 to"),
        ("{instance}/rendered?viewport=1,2,3", "", 400, "viewport is to be"),
        ("{instance}/rendered?viewport=8000,8000", "", 400, "pixels"),
        ("{instance}/rendered?viewport=8,8,0,0,0,1", "", 400, "a width and a height"),
        ("{instance}/rendered?viewport=8,8,900,900,1,1", "", 406, "beside the image"),
        ("{instance}/rendered?quality=0", "", 400, "from 1 to 100"),
        ("{instance}/rendered?frame=0", "", 400, "from 1"),
        ("{instance}/rendered?frame=2", "", 404, "no frame 2"),
        ("{instance}/frames/1,2/rendered", "", 400, "one frame"),
        ("{instance}/frames/0/rendered", "", 400, "one frame"),
        ("{study}/series/1.2.3/instances/1.2.3.4/rendered", "", 404, "nothing of this name"),
        ("{study}/series/x/instances/1.2.3.4/rendered", "", 400, "no UID of a series"),
        ("/studies/1.2.3/thumbnail", "", 404, "nothing of this name"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_words(filled: Filled, path: str, accept: str, status: int, said: str) -> None:
    got = filled.site.get(path.format(instance=filled.path(filled.slices[0]), study=filled.study), accept)
    assert (got.status, got.headers["content-type"]) == (status, "application/json")
    assert said in json.loads(got.body)["message"]


def test_only_who_may_sees_and_the_audit_tells_who_saw(filled: Filled) -> None:
    one = filled.slices[1]
    path = f"{filled.path(one)}/rendered"
    nobody, stranger = filled.site.get(path, token=""), filled.site.get(path, token=filled.site.sign_on(*STRANGER))
    assert (nobody.status, stranger.status) == (401, 403)
    assert filled.site.get(f"{path}?quality=7").status == 200
    seen, refused = filled.site.audited()[:2]
    assert (seen["action"], seen["outcome"], seen["via"]) == ("DICOMWEB RENDER", "done", "API")
    named = {"STUDY": one.StudyInstanceUID, "SERIES": one.SeriesInstanceUID, "INSTANCE": one.SOPInstanceUID}
    assert seen["request"] == {**named, "PATH": "/rendered", "QUERY": "quality=7"}
    assert [change["subject"] for change in seen["changes"]] == [f"study {filled.multi.StudyInstanceUID}"]
    assert (refused["outcome"], "does not have access" in refused["reason"]) == ("key", True)
