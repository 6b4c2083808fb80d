"""What a C-MOVE could not send is in the export queue once, under its study, and a transmitter hears of doubt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from fileman import SiteKey, Store
from fileman.files import DicomExport, DicomExportImage, ImageEvent
from rpcs.export.moves import MOST_IMAGES
from runtime import FixedClock
from tests.integration.rpcs.queues import Routing, run_routing
from tests.support.query_plans import statements_of

#: The recorded group 8 holds the images 9 and 10, group 1 the images 2 and 3.
STUDY, ENTRY = "660-010123-90", (DicomExportImage.image, DicomExportImage.status, DicomExportImage.repeated)


@pytest.fixture
def routing(oracle_store: Store, site_key: SiteKey, clock: FixedClock) -> Iterator[Routing]:
    with run_routing(oracle_store, site_key, clock) as routing:
        yield routing


def put_off(routing: Routing, images: Any, **others: Any) -> str:
    request = {"application": "WORKSTATION", "location": 660, "for": "VIEWER", "images": images, **others}
    text = json.dumps(request)
    return routing.client.call("MAGB EXPORT MOVE", [text[:20], text[20:]]).text


def entries(routing: Routing) -> list[tuple[int, str, bool]]:
    return [tuple(row) for row in routing.all(select(*ENTRY).order_by(DicomExportImage.image))]


def test_images_are_queued_under_their_study_and_once_only(routing: Routing) -> None:
    assert put_off(routing, [[9, 0], [10, 1]]) == "2"
    assert put_off(routing, [[9, 0], [2, 0]]) == "2"
    assert entries(routing) == [(2, "WAITING", False), (9, "WAITING", False), (10, "WAITING", True)]
    exports = routing.all(select(DicomExport.application, DicomExport.accession, DicomExport.image_count))
    assert ("WORKSTATION", STUDY, 2) in [tuple(row) for row in exports]
    (event,) = routing.all(select(ImageEvent).where(ImageEvent.image == 9))
    assert (event.stage, event.outcome, event.detail) == (
        "SEND",
        "queued",
        "WORKSTATION, where a C-MOVE of VIEWER could not send it",
    )


def test_a_transmitter_gets_what_was_put_off(routing: Routing) -> None:
    put_off(routing, [[9, 0]])
    lines = routing.client.call("MAGB EXPORT NEXT", ["660"], [], "4", "0", ["^4"]).lines
    assert (lines[0], lines[3], lines[6]) == ("1", "WORKSTATION", "9")


def test_what_is_no_image_is_left_out(routing: Routing) -> None:
    assert put_off(routing, [[8, 0], [999_999, 0], ["²", 0], [10**30, 0]]) == "0"
    assert entries(routing) == []


@pytest.mark.parametrize(
    ("images", "others"),
    [
        ([[9, 0]], {"application": ""}),
        ([[9, 0]], {"location": 0}),
        ([[9, 0]], {"location": "x"}),
        ([[9]], {}),
        (None, {}),
        ([[number, 0] for number in range(MOST_IMAGES + 1)], {}),
    ],
)
def test_a_request_that_makes_no_sense_is_told_so_and_queues_nothing(
    routing: Routing, images: Any, others: dict[str, Any]
) -> None:
    assert put_off(routing, images, **others).startswith("-1,")
    assert entries(routing) == []


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', "null", "[" * 5000])
def test_what_is_no_request_is_told_so(routing: Routing, text: str) -> None:
    assert routing.client.call("MAGB EXPORT MOVE", [text]).text.startswith("-1,")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nothing_is_looked_for_in_every_image_or_entry(routing: Routing) -> None:
    with statements_of(routing.store) as statements:
        put_off(routing, [[9, 0], [10, 1]])
        put_off(routing, [[9, 1]])
    plans = {text: steps for text, steps in statements.plans(routing.store).items() if "dicom_export" in text or "image" in text}
    assert len(plans) > 5
    for text, steps in plans.items():
        assert not any(step.startswith("SCAN") for step in steps), (text, steps)
