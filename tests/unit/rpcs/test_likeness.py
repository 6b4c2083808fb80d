"""Names, numbers and dates are alike when one hand wrote them wrongly, and are not when they are others."""

from __future__ import annotations

import pytest

from rpcs.likeness import PersonName, alike, dates_alike, days_near, edits, names_alike, numbers_alike, one_edit_away


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [
        ("SMITH", "SMITH", 0),
        ("SMITH", "SMYTH", 1),
        ("SMITH", "SMIHT", 1),
        ("SMITH", "SMTH", 1),
        ("SMITH", "SSMITH", 1),
        ("SMITH", "SMYTHE", 2),
        ("SMITH", "JONES", 4),
        ("SMITH", "SMITHERSON", 4),
        ("", "AB", 2),
    ],
)
def test_edits_are_counted_up_to_a_limit_and_in_either_direction(one: str, other: str, count: int) -> None:
    assert edits(one, other) == edits(other, one) == count


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("DEMO^PATIENT^ONE", ("DEMO", "PATIENT", "ONE")),
        ("DEMO~PATIENT ONE", ("DEMO", "PATIENT", "ONE")),
        ("demo, patient  one", ("DEMO", "PATIENT", "ONE")),
        ("DEMO PATIENT", ("DEMO", "PATIENT", "")),
        ("O'BRIEN-MÜLLER^ZOË", ("OBRIENMULLER", "ZOE", "")),
        ("Straße^Jørgen=STRASSE", ("STRASSE", "JORGEN", "")),
        ("DEMO", ("DEMO", "", "")),
    ],
)
def test_a_name_is_read_however_it_is_written(text: str, parts: tuple[str, ...]) -> None:
    assert PersonName.read(text).parts == parts


@pytest.mark.parametrize(
    ("given", "least", "most"),
    [
        ("JOHNSON^PETER^ADAM", 1.0, 1.0),
        ("JOHNSEN^PETER^ADAM", 0.9, 0.95),
        ("JOHNSON^PETER", 1.0, 1.0),
        ("JOHNSON^PETER^A", 0.96, 0.98),
        ("JOHNSON^P", 0.8, 0.9),
        ("PETER^JOHNSON^ADAM", 0.9, 0.9),
        ("ADAM^PETER^JOHNSON", 0.9, 0.9),
        ("JONSON^PTER", 0.8, 0.9),
        ("JOHNSON^MARY", 0.4, 0.6),
        ("WILLIAMS^MARY", 0.0, 0.1),
    ],
)
def test_names_are_alike_by_what_is_written_wrongly(given: str, least: float, most: float) -> None:
    assert least <= names_alike(PersonName.read(given), PersonName.read("JOHNSON,PETER ADAM")) <= most


@pytest.mark.parametrize(
    ("given", "least", "most"),
    [("RUIZ^ANA", 0.9, 0.9), ("FERNANDES^ANA", 0.84, 0.86), ("RUIZ-FERNANDEZ^ANA", 0.9, 0.9), ("RUIS-GOMEZ^EVA", 0.0, 0.6)],
)
def test_half_of_a_double_name_is_nearly_the_name(given: str, least: float, most: float) -> None:
    assert least <= names_alike(PersonName.read(given), PersonName.read("FERNANDEZ-RUIZ,ANA MARIA")) <= most


def test_numbers_and_dates_are_alike_by_their_digits() -> None:
    assert [numbers_alike("666001234", it) for it in ("666001234", "666001324", "666001239", "66600129", "123456789")] == [
        1.0,
        0.75,
        0.75,
        0.4,
        0.0,
    ]
    assert numbers_alike("12", "13") == 0.0, "a short number is another one"
    assert [dates_alike("19500102", it) for it in ("19500102", "19500201", "19500112", "19501231", "19600102"[:4] + "0315")] == [
        1.0,
        0.6,
        0.6,
        0.3,
        0.0,
    ]
    assert [days_near(it) for it in (0, -1, 3, 7, -30, 31)] == [1.0, 0.8, 0.5, 0.3, 0.1, 0.0]


def test_words_that_have_little_in_common_are_not_alike() -> None:
    assert alike("LI", "LO") == 0.75
    assert alike("LI", "AB") == 0.0
    assert alike("SMITH", "JONES") == 0.0
    assert alike("", "JONES") == 0.0


def test_everything_that_is_one_edit_away_is_found() -> None:
    near = one_edit_away("AB", "ABC")
    assert near[0] == "AB"
    assert {"A", "B", "BA", "AC", "CB", "ABC", "CAB", "ACB"} <= set(near)
    assert all(edits("AB", it) <= 1 for it in near)
    assert len(near) == len(set(near))
