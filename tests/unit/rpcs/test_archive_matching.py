"""The keys of queries, read: what is compared how, what matches everything, what is too much."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpcs.archive import ATTRIBUTES
from rpcs.archive.attributes import ROOTS, UNIQUE_KEYS, Level
from rpcs.archive.errors import BadQuestion
from rpcs.archive.matching import Alternative, Compare, Key, read_key
from rpcs.archive.statements import statement_of

NAME, TEXT, DATE, TIME, NUMBER, UID = "00100010", "00081030", "00080020", "00080030", "00200011", "0020000D"


def whole(compare: Compare, *values: object) -> tuple[tuple[object, ...], tuple[Alternative, ...]]:
    return (), (Alternative(((0, (compare, values)),)),)


READ = [
    (TEXT, ["HEAD"], (("HEAD",), ())),
    (TEXT, [" HEAD ", "HEAD", ""], (("HEAD",), ())),
    (TEXT, ["HE*"], whole(Compare.BEGINS, "HE")),
    (TEXT, ["HE**"], whole(Compare.BEGINS, "HE")),
    (TEXT, ["HE*D"], whole(Compare.PATTERN, "HE*D")),
    (TEXT, ["HE?"], whole(Compare.PATTERN, "HE?")),
    (TEXT, ["H?*"], whole(Compare.PATTERN, "H?*")),
    (TEXT, ["*AD"], whole(Compare.ANYWHERE, "*AD")),
    (TEXT, ["?*"], whole(Compare.ANYWHERE, "?*")),
    (UID, ["1.2", "1.3"], (("1.2", "1.3"), ())),
    (UID, ["1.2*"], (("1.2*",), ())),
    (DATE, ["20240610"], (("20240610",), ())),
    (DATE, ["2024.06.10"], (("20240610",), ())),
    (DATE, ["20240610-20240611"], whole(Compare.RANGE, "20240610", "20240611")),
    (DATE, ["20240610-"], whole(Compare.RANGE, "20240610", "99999999")),
    (DATE, [" - 20240610"], whole(Compare.RANGE, "0", "20240610")),
    (TIME, ["0930"], whole(Compare.RANGE, "093000", "093059.999999")),
    (TIME, ["09-10"], whole(Compare.RANGE, "090000", "105959.999999")),
    (TIME, ["-093000.5"], whole(Compare.RANGE, "000000", "093000.599999")),
    (TIME, ["09:30:00-"], whole(Compare.RANGE, "093000", "235959.999999")),
    (NUMBER, ["07"], ((7,), ())),
    (NUMBER, ["-5--2"], whole(Compare.RANGE, -5, -2)),
    (NAME, ["DOE^J*"], whole(Compare.BEGINS, "DOE^J")),
    (NAME, ["DOE^^"], (("DOE",), ())),
    (NAME, ["DOE=山*="], ((), (Alternative(((1, (Compare.EQUAL, ("DOE",))), (2, (Compare.BEGINS, ("山",))))),))),
    (NAME, ["*=山田"], ((), (Alternative(((2, (Compare.EQUAL, ("山田",))),)),))),
]


@pytest.mark.parametrize(("tag", "values", "expected"), READ)
def test_keys_are_read(tag: str, values: list[str], expected: tuple[tuple[object, ...], tuple[Alternative, ...]]) -> None:
    assert read_key(ATTRIBUTES[tag], values) == Key(ATTRIBUTES[tag], *expected)


@pytest.mark.parametrize("values", [[], [""], ["*"], ["**"], ["", "*"], ["*", "X"], ["\0 "]])
@pytest.mark.parametrize("tag", [NAME, TEXT, DATE, TIME, NUMBER, UID])
def test_universal_keys(tag: str, values: list[str]) -> None:
    assert read_key(ATTRIBUTES[tag], values) is None


@pytest.mark.parametrize("value", ["^", "=", "^^=^", "*=*", "==*"])
def test_a_name_of_which_no_group_says_anything_matches_everything(value: str) -> None:
    assert read_key(ATTRIBUTES[NAME], [value, "DOE"]) is None


def test_names_fold_and_nothing_else_does() -> None:
    key = read_key(ATTRIBUTES[NAME], ["D\xd6E"], fold_names=True)
    assert key is not None
    assert (key.equal, key.fold) == (("d\xf6e",), True)
    assert read_key(ATTRIBUTES[TEXT], ["HEAD"], fold_names=True) == Key(ATTRIBUTES[TEXT], ("HEAD",))


@given(
    st.sampled_from(sorted(ATTRIBUTES)),
    st.lists(st.text(st.sampled_from("0123459.:-*?=^ABa é山\\%_[]")), max_size=4),
    st.booleans(),
)
def test_any_key_becomes_a_statement_or_is_refused(tag: str, values: list[str], fold: bool) -> None:
    try:
        key = read_key(ATTRIBUTES[tag], values, fold_names=fold)
    except BadQuestion as error:
        refused = error.status
    else:
        refused = None
    if refused is not None:
        assert refused in ("A900", "A700")
        return
    for dialect in ("sqlite", "postgresql"):
        statement, parameters = statement_of(Level.IMAGE, [tag], [key] if key else [], dialect)
        assert statement.compile().params.keys() >= parameters.keys()


#: Tables 6 to 10 of the MagicStore statement: tags and types.
TABLES = {
    Level.PATIENT: {"00100010": "R", "00100020": "U", "00100030": "O", "00100040": "O", "00101000": "O"},
    Level.STUDY: {
        "00080020": "R", "00080030": "R", "00080050": "R", "00080061": "O", "00200010": "R", "0020000D": "U", "00080090": "O",
        "00081030": "O", "00081060": "O", "00201208": "O",
    },
    Level.SERIES: {
        "00080060": "R", "0008103E": "O", "00200011": "R", "0020000E": "U", "00180015": "O", "00400244": "O", "00400245": "O",
        "00400250": "O", "00400251": "O", "00401001": "O", "00400275>00401001": "O",
    },
    Level.IMAGE: {
        "00200013": "R", "00080016": "O", "00080018": "U", "00080023": "O", "00080033": "O", "00280010": "O", "00280011": "O",
        "00280008": "O", "00280100": "O", "00280101": "O", "00700080": "O", "00700081": "O", "00700082": "O", "00700083": "O",
        "00700084": "O",
    },
}  # fmt: skip


@pytest.mark.parametrize("level", TABLES)
def test_every_attribute_of_the_statements_tables_is_there_with_its_type(level: Level) -> None:
    assert {tag: ATTRIBUTES[tag].type for tag in TABLES[level]} == TABLES[level]
    assert {ATTRIBUTES[tag].level for tag in TABLES[level]} == {level}
    assert [tag for tag, it in ATTRIBUTES.items() if it.level is level and it.type == "U"] == [UNIQUE_KEYS[level]]


def test_each_root_has_its_levels() -> None:
    assert {root: sorted(it.name for it in levels) for root, levels in ROOTS.items()} == {
        "PATIENT": ["IMAGE", "PATIENT", "SERIES", "STUDY"],
        "STUDY": ["IMAGE", "SERIES", "STUDY"],
        "PATIENT/STUDY": ["PATIENT", "STUDY"],
    }
