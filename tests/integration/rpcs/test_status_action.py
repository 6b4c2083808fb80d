"""The status of a site: what it tells, and that telling it does not grow with what is stored."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from fileman import Event, Store, record_events
from fileman.files import Image
from rpcs.actions.status import MOST_ORPHANS, ORPHAN_AFTER, read_status
from tests.support.query_plans import statements_of
from tests.support.rows import invented_rows

NOW = 1_000_000.0


def store_images(store: Store, count: int, *, processed: int) -> None:
    """Put images on file, the first of which were reported in their places."""
    rows = [{**row, "parent": 1} for row in invented_rows(Image.__table__, count)]
    stored = [Event(f"1.{row['ien']}", int(str(row["ien"])), "STORE", NOW - ORPHAN_AFTER - 1, "GW", "filed") for row in rows]
    done = [Event(f"1.{number}", number, "PROCESSED", NOW, "GW", "done") for number in range(1, processed + 1)]
    store.transact(lambda it: it.execute(insert(Image), rows))
    store.transact(lambda it: record_events(it, [*stored, *done]))


def test_images_that_were_cut_off_are_told_the_first_of_them_by_number(store: Store) -> None:
    store_images(store, MOST_ORPHANS + 50, processed=40)
    status = store.read(lambda it: read_status(it, NOW))
    assert status.images == MOST_ORPHANS + 50
    assert [one["image"] for one in status.orphans] == list(range(41, 41 + MOST_ORPHANS))
    assert status.orphans[0]["gateway"] == "GW"
    young = store.read(lambda it: read_status(it, NOW - 2))
    assert young.orphans == [], "a gateway has a minute"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_list_of_entries_or_events_is_read_from_end_to_end(store: Store) -> None:
    store_images(store, 20, processed=5)
    with statements_of(store) as statements:
        store.read(lambda it: read_status(it, NOW))
    steps = [step for plan in statements.plans(store).values() for step in plan]
    scanned = [step for step in steps if step.startswith("SCAN")]
    assert len(steps) > 15
    for table in ("image_event", "stored", "done", "dicom_export_image", "background_queue", "send_queue"):
        assert not any(step.split()[1] == table for step in scanned), scanned
