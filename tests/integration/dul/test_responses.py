"""No response is lost, and none goes to another request, beside processes that take all the time they get."""

from __future__ import annotations

import pytest

from tests.integration.dul.sending import Count, send_many


@pytest.mark.parametrize(("sends", "window"), [(2_500, 1), (2_500, 8)])
def test_each_of_5000_sends_beside_busy_processes_has_its_response(sends: int, window: int) -> None:
    assert send_many(sends, window) == Count(answered=sends)
