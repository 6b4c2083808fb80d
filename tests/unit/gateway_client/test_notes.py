"""Notes tell after a kill what was handed over and what was answered, and nothing that is not certain."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_client.transmission.notes import LIMIT, Mark, Noted, Notes, boot_id


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sending.notes"


@pytest.fixture
def notes(path: Path) -> Iterator[Notes]:
    notes = Notes(path, "morning")
    yield notes
    notes.close()


def read_again(path: Path, boot: str = "morning") -> dict[str, Noted] | None:
    """Read what a process left that was killed."""
    notes = Notes(path, boot)
    noted = notes.read()
    notes.close()
    return noted


def test_the_last_mark_of_each_entry_is_known(path: Path, notes: Notes) -> None:
    notes.begin([])
    for key, mark in (("1^1", Noted(Mark.HANDED_OVER)), ("1^2", Noted(Mark.HANDED_OVER)), ("1^1", Noted(Mark.SENT))):
        notes.add(key, mark)
    assert read_again(path) == {"1^1": Noted(Mark.SENT), "1^2": Noted(Mark.HANDED_OVER)}
    notes.begin([])
    assert read_again(path) == {}


@pytest.mark.parametrize(
    "noted", [Noted(Mark.SENT, "2.25.7"), Noted(Mark.SENT, remark="status B000, é\n^ ["), Noted(Mark.SENT, "2.25.7", "x")]
)
def test_what_is_told_of_an_entry_is_known(path: Path, notes: Notes, noted: Noted) -> None:
    notes.begin([])
    notes.add("1^1", noted)
    notes.add("1^2", Noted(Mark.HANDED_OVER))
    assert read_again(path) == {"1^1": noted, "1^2": Noted(Mark.HANDED_OVER)}
    content = path.read_bytes()
    end = content.index(b"\n1^2")
    for cut in range(content.index(b"1^1") + 4, end):
        path.write_bytes(content[:cut] + content[end + 1 :])
        assert read_again(path) is None


@pytest.mark.parametrize("size", range(8, 24))
def test_a_full_disk_takes_no_half_of_a_line(path: Path, size: int) -> None:
    notes = Notes(path, "morning")
    notes.begin([])
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))  # as a disk that is full
    try:
        with pytest.raises(OSError, match=r"No space|too large"):
            notes.add("1^1", Noted(Mark.HANDED_OVER))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    notes.add("1^2", Noted(Mark.SENT))
    assert notes.read() == {"1^2": Noted(Mark.SENT)}
    notes.close()


def test_what_was_noted_before_the_machine_went_down_is_not_believed(path: Path, notes: Notes) -> None:
    notes.begin([])
    notes.add("1^1", Noted(Mark.SENT))
    assert read_again(path, "noon") is None
    assert read_again(path, "") is None


@pytest.mark.parametrize("content", ["", "morning", "morning\n1^1 S\n", "morning\n1^1\n", "morning\n1^12^1 SENT x\n", "\n"])
def test_a_file_that_is_not_whole_is_not_believed(path: Path, content: str) -> None:
    path.write_text(content, encoding="ascii")
    assert read_again(path) is None


def test_half_a_line_at_the_end_says_nothing(path: Path) -> None:
    path.write_text("morning\n1^1 SENT\n1^2 HANDED", encoding="ascii")
    assert read_again(path) == {"1^1": Noted(Mark.SENT)}


def test_the_machine_names_the_time_since_it_was_started() -> None:
    assert boot_id() == boot_id() != ""


def test_what_begins_anew_is_not_what_was_noted_before(path: Path, notes: Notes) -> None:
    notes.begin(["1^1", "1^2"])
    notes.add("1^1", Noted(Mark.HANDED_OVER))
    notes.add("1^2", Noted(Mark.HANDED_OVER))
    notes.begin(["1^1"], {"1^2"})
    assert read_again(path) == {"1^1": Noted(Mark.BEGUN), "1^2": Noted(Mark.HANDED_OVER)}


def test_notes_that_have_grown_long_keep_what_is_under_way(path: Path, notes: Notes) -> None:
    notes.begin(["1^1"])
    notes.add("1^1", Noted(Mark.HANDED_OVER))
    for number in range(LIMIT // 15):
        notes.add(f"2^{number}", Noted(Mark.HANDED_OVER))
    assert path.stat().st_size > LIMIT
    notes.begin(["3^1"], {"1^1"})
    notes.add("3^1", Noted(Mark.SENT))
    assert path.stat().st_size < 100
    assert notes.read() == read_again(path) == {"1^1": Noted(Mark.HANDED_OVER), "3^1": Noted(Mark.SENT)}
