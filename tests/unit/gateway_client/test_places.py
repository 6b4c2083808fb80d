"""The numbers that receiving processes share."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

from gateway_client.reception.places import Places


@pytest.fixture
def places() -> Iterator[Places]:
    places = Places.create(3, 2)
    yield places
    places.close()


def test_each_process_hears_what_the_others_have(places: Places) -> None:
    assert [places.beside(process, 1, number) for process, number in ((0, 2), (1, 5), (2, 1), (0, 3))] == [0, 2, 7, 6]
    assert places.beside(1, 0, 4) == 0, "another listener's are others"
    places.clear(1)
    assert places.beside(0, 1, 3) == 1
    assert places.beside(0, 0, 0) == 0


def test_connections_that_ended_are_counted_until_their_process_is_gone(places: Places) -> None:
    for process in (0, 2, 2):
        places.connection_ended(process)
    assert [places.ended(process) for process in range(3)] == [1, 0, 2]
    places.clear(2)
    assert [places.ended(process) for process in range(3)] == [1, 0, 0]


def test_what_was_reported_is_counted_beyond_the_end_of_a_process(places: Places) -> None:
    for process in (0, 2, 2):
        places.object_reported(process)
    places.clear(2)
    places.object_reported(2)
    assert places.reported() == [1, 0, 3]


TAKER = """
import sys
from gateway_client.reception.places import Places
places, process = Places(int(sys.argv[1]), 3, 2), int(sys.argv[2])
had = 0
for _ in range(300):
    taken = had + 1 + places.beside(process, 1, had + 1) <= 100
    had += taken
    places.beside(process, 1, had)
print(had)
"""


def test_no_more_are_taken_than_there_are_however_many_processes_ask(places: Places) -> None:
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(TAKER), str(places.descriptor), str(process)],
            pass_fds=[places.descriptor],
            stdout=subprocess.PIPE,
            text=True,
        )
        for process in range(3)
    ]
    assert sum(int(taker.communicate(timeout=60)[0]) for taker in takers) == 100
