"""REQUEST lists: the pieces of STORE1 and STORE2, header values with every character, and what the broker makes of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_client.acquisition.store_request import (
    Station,
    StoreItem,
    clean,
    clean_name,
    escape,
    fileman_moment,
    processed_lines,
    request_list,
    store_lines,
    unescape,
)
from gateway_client.objects.header import HeaderItem, InstanceHeader
from rpcs.image_processing.header_data import split_escaped
from rpcs.image_processing.request import Item, StoreRequest

STATION = Station(660, "DEMOGW1", "CT1", "RAD")
HEADER = InstanceHeader(
    sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
    sop_instance_uid="1.2.3.4",
    study_uid="1.2",
    series_uid="1.2.3",
    patient_id="666-00-1100",
    patient_name="DEMO^PATIENT^ONE=IDEO^GRAPHIC",
    accession="021026-201",
    study_date="20260210",
    study_time="101500",
    modality="CT",
    series_number="4",
    instance_number="5",
    manufacturer="ACME|CARET^CO",
    model="X\r\n1",
    items=(HeaderItem("0040,0275>1>0040,1001", "SH", 1, "a|b\\c\r\nd"),),
)
MOMENT = datetime.fromisoformat("2026-11-21T09:30")
ITEM = StoreItem(STATION, HEADER, "021026-201", "/var/spool/x.dcm", MOMENT, "ab12", 1234)


def test_the_lines_of_one_object() -> None:
    assert store_lines("u-1", [ITEM]) == [
        "REQUEST|u-1",
        "ACQUIRED||660|CT1",
        "STORE1||660|DEMOGW1|RAD|CT1|/var/spool/x.dcm|666-00-1100|DEMO^PATIENT^ONE|021026-201|021026-201|20260210|101500|0|CT||"
        "<DICOM>|4|5|660|0|DEMOGW1|",
        "STORE2|1.2|1.2.3|1.2.3.4|1.2.840.10008.5.1.4.1.1.2|0|1|ACME CARET CO|X  1|3261121.093|V||",
        r"HEADER|1.2.3.4|0040,0275>1>0040,1001|SH|1|a\|b\\c\r\nd",
        "DIGEST|1.2.3.4|ab12|1234",
    ]


def test_the_broker_reads_back_what_the_gateway_wrote() -> None:
    lines = store_lines("u-1", [ITEM])
    items = [Item(number, *line.split("|", 1)) for number, line in enumerate(lines, 2)]
    request = StoreRequest.read(items[2], items[3])
    assert (request.patient_name, request.case_number, request.image_uid) == ("DEMO^PATIENT^ONE", "021026-201", "1.2.3.4")
    assert (request.parameters, request.origin, request.last_image, request.machine) == ("<DICOM>", "V", "0", "DEMOGW1")
    assert lines[2].count("|") == lines[2].count("|")
    assert len(items[2].arguments.split("|")) == 22
    assert len(items[3].arguments.split("|")) == 12


def test_an_object_that_is_tried_again_is_not_counted_as_acquired_again() -> None:
    again = StoreItem(STATION, HEADER, "", "x", MOMENT, "ab", first_try=False)
    assert not any(line.startswith("ACQUIRED") for line in store_lines("u", [again]))


def test_an_object_of_an_instrument_elsewhere_says_so() -> None:
    item = replace(ITEM, station=Station(660, "DEMOGW1", "EYE-2", "CON", 500))
    _, acquired, store1, *_ = store_lines("u", [item])
    assert acquired == "ACQUIRED||660|EYE-2"
    pieces = store1.split("|")
    assert (pieces[2], pieces[4], pieces[5], pieces[19]) == ("660", "CON", "EYE-2", "500")


def test_the_extracted_number_finds_the_exam_and_the_headers_own_stands_beside_it() -> None:
    store1 = store_lines("u", [replace(ITEM, case_number="9|9", parameters="b12 R8/<DICOM>")])[2]
    pieces = store1.split("|")
    assert (pieces[9], pieces[10], pieces[16]) == ("9 9", "021026-201", "b12 R8/<DICOM>")


def test_released_images_and_the_count_of_the_elements() -> None:
    lines = processed_lines("u-2", STATION, [("", 12), ("MR1", 14)])
    assert lines == ["REQUEST|u-2", "PROCESSED||660|CT1|12|1|1|DEMOGW1", "PROCESSED||660|MR1|14|1|1|DEMOGW1"]
    assert request_list(lines) == ["4", *lines]


ESCAPED = [
    ("plain", "plain"),
    ("", ""),
    ("a|b", r"a\|b"),
    ("\\", r"\\"),
    ("\\|", r"\\\|"),
    ("a\r\nb", r"a\r\nb"),
    ("\\r", r"\\r"),
    ("caret^stays", "caret^stays"),
    ("\xe9\xff", "\xe9\xff"),
    ("\u0100", r"\u{100}"),
    ("山|😀", r"\u{5C71}\|\u{1F600}"),
    (r"\u{100}", r"\\u{100}"),
]


@pytest.mark.parametrize(("plain", "escaped"), ESCAPED)
def test_escapes_both_ways(plain: str, escaped: str) -> None:
    assert escape(plain) == escaped
    assert unescape(escaped) == plain


@given(
    st.text(
        st.characters(exclude_categories=("Cs",), min_codepoint=32).filter(lambda c: not 127 <= ord(c) < 160)
        | st.sampled_from("|\\\r\n")
    )
)
def test_any_value_comes_back_here_and_in_the_broker(value: str) -> None:
    assert unescape(escape(value)) == value
    assert split_escaped(f"uid|{escape(value)}") == ["uid", value]


@pytest.mark.parametrize("control", ["\0", "\t", "\x1f", "\x7f", "\x80", "\x9f"])
def test_a_control_character_is_a_blank_wherever_it_stands(control: str) -> None:
    assert escape(f"{control}a{control}\xa0") == " a \xa0"
    assert clean(f"{control}a{control}b{control}") == "a b"


@given(st.text())
def test_no_value_can_add_a_piece_or_a_control_character(value: str) -> None:
    for cleaned in (clean(value), clean_name(value), escape(value)):
        assert not any(ord(character) < 32 for character in cleaned)
    assert not set(clean(value)) & set("|^")
    assert "|" not in clean_name(value)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ((2026, 11, 21, 9, 30), "3261121.093"),
        ((2026, 11, 21, 0, 0), "3261121"),
        ((1999, 1, 2, 23, 59, 59), "2990102.235959"),
        ((2026, 11, 21, 10, 0), "3261121.1"),
    ],
)
def test_moments_as_fileman_writes_them(moment: tuple[int, ...], text: str) -> None:
    assert fileman_moment(datetime(*moment)) == text  # noqa: DTZ001  a moment without a zone
