"""What SQLite keeps and PostgreSQL refuses is found before it is sent there, by table, key and column."""

from __future__ import annotations

import math

import pytest
from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Integer, LargeBinary, MetaData, SmallInteger, String, Table, Text

from fileman.fit import Misfit, TableFit, decode


def fit_of(kind: object, *, nullable: bool = False) -> TableFit:
    table = Table("exam", MetaData(), Column("ien", Integer, primary_key=True), Column("part", kind, nullable=nullable))
    return TableFit.of(table)


@pytest.mark.parametrize(
    ("kind", "kept", "sent"),
    [
        (Boolean(), 0, False),
        (Boolean(), 1, True),
        (SmallInteger(), 2**15 - 1, 2**15 - 1),
        (Integer(), -(2**31), -(2**31)),
        (Integer(), 2**31 - 1, 2**31 - 1),
        (BigInteger(), 2**63 - 1, 2**63 - 1),
        (Float(53), 0.1, 0.1),
        (Float(53), math.inf, math.inf),
        (String(3), "äöü", "äöü"),
        (Text(), "\x01\x7f\\\r\n\t'\"\U0001f642\ufffe", "\x01\x7f\\\r\n\t'\"\U0001f642\ufffe"),
        (LargeBinary(), b"\0\xff", b"\0\xff"),
    ],
)
def test_what_fits_is_sent_as_it_is(kind: object, kept: object, sent: object) -> None:
    row = fit_of(kind).fitted((7, kept))
    assert row == (7, sent)
    assert type(row[1]) is type(sent)


@pytest.mark.parametrize(
    ("kind", "kept", "why"),
    [
        (Boolean(), 2, "an integer where 0 or 1 belongs"),
        (Boolean(), 1.0, "a fraction where 0 or 1 belongs"),
        (SmallInteger(), 2**15, "a number that 16 bits do not hold"),
        (Integer(), 2**31, "a number that 32 bits do not hold"),
        (Integer(), -(2**31) - 1, "a number that 32 bits do not hold"),
        (BigInteger(), 2**63, "a number that 64 bits do not hold"),
        (Integer(), 1.5, "a fraction where an integer belongs"),
        (Integer(), "secret", "text where an integer belongs"),
        (Float(53), "secret", "text where a number belongs"),
        (String(3), "secret", "6 characters where 3 have room"),
        (Text(), b"secret", "bytes where text belongs"),
        (Text(), "secret\0", "a NUL character"),
        (Text(), decode(b"secret\xed\xa0\x80"), "text that is no Unicode"),
        (Text(), decode(b"secret\xff"), "text that is no Unicode"),
        (LargeBinary(), "secret", "text where bytes belong"),
        (Text(), None, "nothing where text belongs"),
    ],
)
def test_what_does_not_fit_is_told_by_table_key_and_column_without_the_value(kind: object, kept: object, why: str) -> None:
    with pytest.raises(Misfit) as raised:
        fit_of(kind).fitted((7, kept))
    misfit = raised.value
    assert (misfit.table, misfit.key, misfit.column) == ("exam", "ien 7", "part")
    assert misfit.why.startswith(why)
    assert str(misfit).startswith(f"exam, ien 7: part holds {why}")
    assert "secret" not in str(misfit)


@pytest.mark.parametrize("kind", [Boolean(), Integer(), Float(53), String(3), LargeBinary()])
def test_nothing_fits_where_a_column_may_be_empty(kind: object) -> None:
    assert fit_of(kind, nullable=True).fitted((7, None)) == (7, None)


def test_a_key_that_does_not_fit_is_shown_escaped_and_cut() -> None:
    table = Table("lease", MetaData(), Column("name", String(5), primary_key=True), Column("place", Integer, primary_key=True))
    with pytest.raises(Misfit) as raised:
        TableFit.of(table).fitted((decode(b"\xff") + "x" * 500, 2))
    assert raised.value.key.startswith(r"name '\udcffxxx")
    assert raised.value.key.endswith("xxx, place 2")
    assert len(raised.value.key) < 120


def test_a_type_that_nothing_is_known_about_is_not_passed_on() -> None:
    with pytest.raises(TypeError, match=r"exam\.part"):
        fit_of(JSON())
