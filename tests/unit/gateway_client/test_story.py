"""Events wait in the journal for their broker, and none of them holds up all that follow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_client import story
from gateway_client.journal import Journal
from gateway_client.story import report_events
from tests.unit.gateway_client.fakes import FakeBroker
from xwb import MError


class Stories:
    """A broker that takes events, but for those that it refuses; nothing is kept of a call in which one of them is."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.told: list[str] = []
        self.refused: set[str] = set()
        self.broker = FakeBroker({"MAGB IMAGE EVENTS": self._take})

    def _take(self, lines: list[str]) -> str:
        if self.refused & {*lines}:
            raise MError("M  ERROR=the event is refused")
        self.told += lines
        return str(len(lines))

    def report(self) -> None:
        """Report until nothing goes any more."""
        while report_events(self.broker, self.journal):
            pass

    def waiting(self) -> list[str]:
        return self.journal.events(100)[0]


@pytest.fixture
def stories(tmp_path: Path) -> Iterator[Stories]:
    """Give a broker with three events that wait for it."""
    journal = Journal(tmp_path / "journal.db", synchronous="NORMAL")
    journal.add_events(["one", "two", "three"])
    yield Stories(journal)
    journal.close()


@pytest.mark.parametrize("refused", ["one", "two", "three"])
def test_an_event_that_is_refused_is_left_out_as_soon_as_the_next_is_taken(
    stories: Stories, refused: str, caplog: pytest.LogCaptureFixture
) -> None:
    stories.refused = {refused}
    stories.report()
    stories.journal.add_events(["four"])
    stories.report()
    assert stories.told == [line for line in ("one", "two", "three", "four") if line != refused]
    assert stories.waiting() == []
    assert f"is left out: {refused}" in caplog.text


def test_all_wait_for_a_broker_that_takes_none(stories: Stories) -> None:
    stories.refused = {"one", "two", "three"}
    stories.report()
    assert stories.waiting() == ["one", "two", "three"]
    stories.refused = set()
    stories.report()
    assert stories.told == ["one", "two", "three"]


def test_so_many_wait_at_most(stories: Stories, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story, "EVENTS_KEPT", 2)
    stories.refused = {"one", "two", "three"}
    stories.report()
    assert stories.waiting() == ["two", "three"]
