"""Rules are published again and again while thousands of images stream through an evaluator."""

from __future__ import annotations

from fileman import Store
from tests.integration.rules.recorded_site import fill_recorded_images
from tests.integration.rules.test_versions import check_stream


def test_rules_published_while_5000_images_stream_through_lose_none(oracle_store: Store) -> None:
    oracle_store.transact(fill_recorded_images)
    check_stream(oracle_store, studies=500, changes=40)
