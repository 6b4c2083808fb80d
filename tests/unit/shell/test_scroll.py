"""However much comes by itself, so much is shown in a second; the rest is told of."""

from __future__ import annotations

from console.shell.scroll import LINES, Scroll


def test_what_comes_slowly_is_shown_as_it_comes() -> None:
    scroll = Scroll()
    assert scroll.take(0.0) == []
    scroll.add("one")
    assert scroll.take(0.2) == ["one"]
    scroll.add("two")
    assert (scroll.take(0.4), scroll.take(0.6)) == (["two"], [])


def test_of_a_flood_the_first_lines_are_shown_and_the_rest_is_counted() -> None:
    scroll = Scroll()
    for number in range(130):
        scroll.add(f"line {number}")
    assert scroll.take(5.0) == [*[f"line {number}" for number in range(LINES)], "... and 120 more"]
    assert scroll.take(5.2) == []


def test_a_flood_that_goes_on_stays_as_slow() -> None:
    scroll, shown = Scroll(), []
    for look in range(50):  # ten seconds
        for number in range(100):
            scroll.add(f"{look} {number}")
        shown += scroll.take(look * 0.2)
    told = [line for line in shown if line.startswith("...")]
    assert len(shown) <= 11 * (LINES + 1)
    counted = sum(int(line.split()[2]) for line in told)
    assert 5000 - 600 <= counted + len(shown) - len(told) <= 5000
