"""Responses to many more sends than `make test` has time for, with message ids that begin anew."""

from __future__ import annotations

import pytest

from tests.integration.dul.sending import Count, send_many


@pytest.mark.parametrize(("sends", "window"), [(70_000, 1), (30_000, 8)])
def test_each_of_100000_sends_beside_busy_processes_has_its_response(sends: int, window: int) -> None:
    assert send_many(sends, window) == Count(answered=sends)
