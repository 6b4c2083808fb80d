"""Pseudonyms keep persons apart."""

from __future__ import annotations

import pytest

from console.traffic import Kind, Pseudonyms, pseudonyms


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Kind.DFN, [str(number) for number in range(20_000)]),
        (Kind.IDENTIFIER, [f"{number:04d}" for number in range(10_000)]),
        (Kind.IDENTIFIER, [f"666{number:02d}{serial:04d}" for serial in (1, 7777) for number in range(100)]),
        (Kind.IDENTIFIER, [f"{number:05d}0001" for number in range(3_000)]),
        (Kind.IDENTIFIER, [f"{letter}{number}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for number in range(10)]),
        (Kind.ICN, [f"{1_000_000_000 + number}" for number in range(120_000)]),
        (Kind.CHANGE, [f"CODE{number}" for number in range(20_000)]),
    ],
)
def test_two_numbers_never_get_the_same_pseudonym(kind: Kind, values: list[str]) -> None:
    drawn = Pseudonyms(b"key")
    made = [drawn.of(kind, value) for value in values]
    assert len(set(made)) == len(values)
    assert [drawn.of(kind, value) for value in values] == made


def test_more_values_than_numbers_are_replaced_all_the_same() -> None:
    drawn = Pseudonyms(b"key")
    made = [drawn.of(Kind.IDENTIFIER, f"{number:05d}0001") for number in range(10_100)]
    assert all(len(it) == 9 and it[0] == "9" for it in made)
    assert len(set(made)) == 10_000


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pseudonyms, "REMEMBERED", 10)
    drawn = Pseudonyms(b"key")
    made = [drawn.of(Kind.DFN, str(number)) for number in range(100)]
    assert [drawn.of(Kind.DFN, str(number)) for number in range(100)] == made


def test_a_number_of_any_length_is_replaced() -> None:
    digits = "7" * 10_000
    made = Pseudonyms(b"key").of(Kind.IDENTIFIER, digits)
    assert len(made) == len(digits)
    assert made != digits


def test_an_ssn_keeps_its_form_and_its_last_four_digits_their_pseudonym() -> None:
    drawn = Pseudonyms(b"key")
    bare, dashed, blanks, serial = (drawn.of(Kind.IDENTIFIER, it) for it in ("666000001", "666-00-0001", "666 00 0001", "0001"))
    assert dashed == f"{bare[:3]}-{bare[3:5]}-{bare[5:]}"
    assert blanks == dashed.replace("-", " ")
    assert bare.endswith(serial)
    assert bare.startswith("9")
