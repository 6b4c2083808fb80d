"""Headers as rows of the archive's index: dates, times, numbers and names as they compare, and whatever is broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fileman.archive_rows import (
    MOST_VALUES,
    TAIL_LEAST,
    TAIL_MOST,
    VALUE_LIMIT,
    FiledImage,
    date_of,
    describe,
    folded,
    name_group,
    name_groups,
    number_key,
    read_elements,
    tail_rows,
    time_key,
    value_rows,
)

FILED = FiledImage(
    7, 100, "1.2.3.4", "1.2.3", "1.2", 1, 2, patient_name="DEMO,PATIENT  ONE", patient_id="000001234", birth_date="2500131"
)


@pytest.mark.parametrize(
    ("text", "date"),
    [("20240610", "20240610"), ("2024.06.10", "20240610"), (" 20240610 ", "20240610"), ("", ""), ("2024", ""), ("202406101", "")],
)
def test_dates(text: str, date: str) -> None:
    assert date_of(text) == date


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("09", "090000"),
        ("0930", "093000"),
        ("093059", "093059"),
        ("09:30:59", "093059"),
        ("093059.5", "093059.5"),
        ("093059.500", "093059.5"),
        ("093050.000000", "093050"),
        ("093059.000001", "093059.000001"),
        ("", ""),
        ("9", ""),
        ("093", ""),
        ("noon", ""),
        ("093059.", ""),
    ],
)
def test_times_compare_as_texts(text: str, key: str) -> None:
    assert time_key(text) == key


@given(st.lists(st.times(), min_size=2, max_size=2))
def test_the_order_of_times_is_that_of_their_keys(times: list[object]) -> None:
    first, second = times
    texts = [f"{it:%H%M%S.%f}" for it in times]
    assert (time_key(texts[0]) < time_key(texts[1])) is (first < second)  # type: ignore[operator]  # times


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("+7", 7), ("007", 7), (" -3 ", -3), ("", None), ("1.5", None), ("2147483647", 2**31 - 1), ("2147483648", None)],
)
def test_numbers(text: str, number: int | None) -> None:
    assert number_key(text) == number


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("DOE^JOHN", {1: "DOE^JOHN"}),
        ("DOE ^ JOHN^^ ", {1: "DOE^JOHN"}),
        ("YAMADA^TAROU=山田^太郎=やまだ^たろう", {1: "YAMADA^TAROU", 2: "山田^太郎", 3: "やまだ^たろう"}),
        ("=山田", {2: "山田"}),
        ("A==C=D", {1: "A", 3: "C"}),
        ("^^=^", {}),
        ("", {}),
    ],
)
def test_groups_of_person_names(name: str, groups: dict[int, str]) -> None:
    assert name_groups(name) == groups


def test_what_means_nothing_in_a_group_goes() -> None:
    assert name_group(" A ^ B ^^") == "A^B"
    assert folded("DO\u0308E") == folded("d\xf6e")


@pytest.mark.parametrize("text", [None, "", "{", "[]", "5", "elements 1"])
def test_header_data_that_cannot_be_read_is_none(text: str | None) -> None:
    assert read_elements(text) == {}


def test_without_a_header_vistas_files_describe() -> None:
    described = describe(FILED, {})
    assert described.patient["name"] == "DEMO^PATIENT^ONE"
    assert (described.patient["patient_id"], described.patient["birth_date"]) == ("000001234", "19500131")
    assert described.instance["short_term"] == 1
    assert described.instance["matrix_rows"] is None


@pytest.mark.parametrize(("told", "name"), [("000-00-1234", "TOLD"), ("000001235", "DEMO^PATIENT^ONE"), ("", "DEMO^PATIENT^ONE")])
def test_a_header_tells_of_the_patient_whose_number_it_bears(told: str, name: str) -> None:
    elements = {"0010,0020": {"vr": "LO", "values": [told]}, "0010,0010": {"vr": "PN", "values": ["TOLD"]}}
    assert describe(FILED, elements).patient["name"] == name


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda it: st.lists(it) | st.dictionaries(st.text(), it)
)
PATHS = st.sampled_from(["0010,0010", "0010,0020", "0008,0030", "0020,0013", "0008,1060", "0040,0275>1>0040,1001", "0028,0010"])


@given(st.dictionaries(PATHS, JSON | st.fixed_dictionaries({"values": st.lists(JSON, max_size=3) | st.lists(st.text())})))
def test_whatever_a_header_says_an_image_is_described(elements: dict[str, object]) -> None:
    described = describe(FILED, elements)  # type: ignore[arg-type]  # broken on purpose
    for row in (described.patient, described.study, described.series, described.instance):
        assert all(isinstance(value, str | int | None) for value in row.values())


def test_long_values_and_many_are_cut() -> None:
    many = [f"{number}" + "x" * 2000 for number in range(100)]
    elements = {"0010,0020": {"values": ["000001234"]}, "0010,1000": {"values": many}, "0008,1060": {"values": many}}
    described = describe(FILED, elements)
    rows = value_rows("archive_patient", 1, described.patient) + value_rows("archive_study", 1, described.study)
    assert len(rows) == 2 * MOST_VALUES
    assert {len(str(row["value"])) for row in rows} == {VALUE_LIMIT}
    assert {(row["attribute"], row["part"]) for row in rows} == {("00101000", 0), ("00081060", 1)}


def test_what_several_values_of_an_entry_end_with_is_told_once() -> None:
    values = [{"attribute": "00101000", "entry": 7, "value": text.upper(), "folded": text} for text in ("abcd", "xbcd")]
    tails = [(row["entry"], row["place"], row["value"], row["folded"]) for row in tail_rows(values)]
    assert tails == [(7, 0, "ABCD", "abcd"), (7, 1, "BCD", "bcd"), (7, 2, "XBCD", "xbcd")]


@given(st.text(max_size=40), st.data())
def test_whatever_is_within_a_value_begins_one_of_its_tails(text: str, data: st.DataObject) -> None:
    row = {"attribute": "00100010", "entry": 7, "value": text, "folded": folded(text)}
    tails = tail_rows([row])
    assert all(len(str(tail[column])) <= TAIL_MOST for tail in tails for column in ("value", "folded"))
    for column in ("value", "folded"):
        whole = str(row[column])
        begin = data.draw(st.integers(0, len(whole)))
        sought = whole[begin : begin + TAIL_MOST]
        if len(sought) >= TAIL_LEAST:
            assert any(str(tail[column]).startswith(sought) for tail in tails)
