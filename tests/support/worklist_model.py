"""A plain matcher of worklist queries in Python, and made-up entries and queries to compare answers over."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from random import Random

from hypothesis import strategies as st

from fileman.worklist import complete
from fileman.worklist_attributes import ATTRIBUTES, BY_PATH, Attribute, Matching

Keys = dict[str, list[str]]
Entry = Mapping[str, object]

STEP = "00400100"
DATE, TIME, STATUS = f"{STEP}>00400002", f"{STEP}>00400003", f"{STEP}>00400020"
AE, MODALITY, NAME, PATIENT_ID = f"{STEP}>00400001", f"{STEP}>00080060", "00100010", "00100020"
SEX, BIRTH_DATE = "00100040", "00100030"

FAMILIES = ("DOE", "ROE", "Müller", "O'NEIL", "DE [X]", "YAMADA=山田=やまだ", "100%")
GIVEN = ("JANE", "JOHN", "Zoë", "")
TITLES = ("CT1", "CT2", "MR_ONE", "US?")
MODALITIES = ("CT", "MR", "US", "CR")
PRIORITIES = ("STAT", "HIGH", "ROUTINE", "")
WORDS = ("HEAD", "head", "CHEST 2 VIEWS", "ABDOMEN_ALL", "")
FIRST_DAY = date(2026, 11, 20)


def entries(count: int, seed: int = 7) -> list[dict[str, object]]:
    """Invent so many entries, whole but for their numbers."""
    random = Random(seed)
    return [complete({"source": "CSV", **_entry(random, number)}) for number in range(1, count + 1)]


def _entry(random: Random, number: int) -> dict[str, str]:
    family, *groups = random.choice(FAMILIES).split("=")
    name = "=".join(["^".join([family, random.choice(GIVEN)]).rstrip("^"), *groups])
    clock = f"{random.randrange(24):02}{random.choice(('00', '15', '30'))}{random.choice(('00', '59', '00.5'))}"
    return {
        "accession": f"ACC{number:05}",
        "step_id": f"S{number}",
        "procedure_id": f"R{number // 2}",
        "patient_id": f"{random.randrange(max(count_of_patients(number), 1)):06}",
        "patient_name": name,
        "birth_date": f"19{random.randrange(30, 99)}0{random.randrange(1, 10)}15" if number % 5 else "",
        "sex": random.choice(("M", "F", "O", "")),
        "size": random.choice(("1.75", "1.6", "")),
        "weight": random.choice(("80", "72.5", "")),
        "modality": random.choice(MODALITIES),
        "station_ae_titles": "\\".join(random.sample(TITLES, random.randrange(3))),
        "station_name": random.choice(("A2", "B4", "")),
        "start_date": f"{FIRST_DAY + timedelta(days=random.randrange(6)):%Y%m%d}",
        "start_time": clock,
        "step_description": random.choice(WORDS),
        "procedure_description": random.choice(WORDS),
        "priority": random.choice(PRIORITIES),
        "referring_physician": random.choice(("GREY^MEREDITH", "")),
        "performing_physician": random.choice(("YANG^CRISTINA", "")),
        "allergies": random.choice(("LATEX\\IODINE", "IODINE", "")),
        "pregnancy": random.choice(("1", "3", "")),
        "diagnoses": random.choice(("COUGH\\FEVER", "")),
        "institution_name": "SALT LAKE CITY",
        "status": random.choice(("SCHEDULED", "SCHEDULED", "STARTED", "COMPLETED")),
    }


def count_of_patients(number: int) -> int:
    """Give how many patients there are among so many entries: fewer than entries."""
    return number // 2


def found(entry: Entry, keys: Mapping[str, Sequence[str]], *, fold: bool = False) -> bool:
    """Tell whether an entry matches every key."""
    wanted = {path: values for path, values in keys.items() if path in BY_PATH and values and all(it.strip("*") for it in values)}
    if STATUS not in wanted and not entry["open"]:
        return False
    days, times = wanted.get(DATE, ()), wanted.get(TIME, ())
    if len(days) == len(times) == 1 and "-" in days[0] and "-" in times[0]:
        if not _in_combined(entry, days[0], times[0]):
            return False
        wanted = {path: values for path, values in wanted.items() if path not in (DATE, TIME)}
    return all(any(_matches(BY_PATH[path], entry, value, fold) for value in values) for path, values in wanted.items())


def _in_combined(entry: Entry, days: str, times: str) -> bool:
    (first_day, last_day), (first_time, last_time) = days.split("-"), times.split("-")
    moment = (str(entry["start_date"]), _clock(str(entry["start_time"])))
    after = not first_day or moment >= (first_day, _clock(first_time or "00"))
    return after and (not last_day or moment <= (last_day, _clock(last_time or "23", last=True)))


def _clock(text: str, *, last: bool = False) -> float:
    """Give a time of day in seconds; of one that leaves parts out the first or the last that it may be."""
    whole, _, fraction = text.partition(".")
    fill = "595959" if last else "000000"
    whole += fill[len(whole) :] if len(whole) < 6 else ""
    rest = float(f"0.{fraction}") if fraction else 0.999999 if last else 0.0
    return int(whole[:2]) * 3600 + int(whole[2:4]) * 60 + int(whole[4:6]) + rest


def _matches(attribute: Attribute, entry: Entry, value: str, fold: bool) -> bool:
    text = str(entry[attribute.column])
    if not text:
        return False
    match attribute.matching:
        case Matching.NAME:
            return _name_matches(text, value, fold)
        case Matching.DATE:
            first, last = value.split("-") if "-" in value else (value, value)
            return (not first or text >= first) and (not last or text <= last)
        case Matching.TIME:
            first, last = value.split("-") if "-" in value else (value, value)
            moment = _clock(text)
            return (not first or moment >= _clock(first)) and (not last or moment <= _clock(last, last=True))
        case Matching.NUMBER if re.fullmatch(r"[\d.]*-[\d.]*", value):
            first, last = value.split("-")
            return (not first or float(text) >= float(first)) and (not last or float(text) <= float(last))
        case Matching.NUMBER if re.fullmatch(r"[\d.]+", value):
            return float(text) == float(value)
        case Matching.SINGLE:
            return value in attribute.values(text)
    return any(_wild(part, value) for part in attribute.values(text))


def _name_matches(text: str, value: str, fold: bool) -> bool:
    names, wanted = text.split("="), value.split("=")
    if len(wanted) == 1:
        return any(_wild(name, value, fold) for name in names)
    padded = [*names, "", "", ""]
    return all(not want.strip("*") or _wild(padded[at], want, fold) for at, want in enumerate(wanted))


def _wild(text: str, value: str, fold: bool = False) -> bool:
    """Match by a regular expression; only tests without accents fold."""
    pattern = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in value.rstrip("^"))
    return re.fullmatch(pattern, text.rstrip("^"), re.IGNORECASE if fold else 0) is not None


def _wilded(words: Sequence[str]) -> st.SearchStrategy[str]:
    """Give one of some words, or one of which parts are replaced by wild cards."""
    some = [word for word in words if word]

    def spoil(word: str, at: int, mark: str) -> str:
        place = at % len(word)
        return {"*": word[:place] + "*", "?": word[:place] + "?" + word[place + 1 :], "**": "*" + word[place:] + "*"}.get(
            mark, word
        )

    return st.builds(spoil, st.sampled_from(some), st.integers(0, 20), st.sampled_from(["", "*", "?", "**"]))


_DAYS = st.dates(FIRST_DAY - timedelta(days=1), FIRST_DAY + timedelta(days=7)).map(lambda day: f"{day:%Y%m%d}")
_CLOCKS = st.builds(
    lambda hour, minute, length: f"{hour:02}{minute:02}00"[:length],
    st.integers(0, 23),
    st.integers(0, 59),
    st.sampled_from([2, 4, 6]),
)


def ranges(ends: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Make single values and ranges of them, closed and open ones."""
    two = st.tuples(ends, ends).map(lambda pair: "-".join(sorted(pair)))
    return st.one_of(ends, two, ends.map(lambda end: f"{end}-"), ends.map(lambda end: f"-{end}"))


_NAMES = [part for family in FAMILIES for part in (family, f"{family.split('=')[0]}^JOHN")]
#: Values for the keys that queries have.
VALUES: dict[str, st.SearchStrategy[str]] = {
    AE: st.sampled_from(TITLES),
    MODALITY: st.sampled_from(MODALITIES),
    DATE: ranges(_DAYS),
    TIME: ranges(_CLOCKS),
    NAME: _wilded(_NAMES),
    PATIENT_ID: _wilded([f"{number:06}" for number in range(40)]),
    SEX: st.sampled_from(["M", "F", "O"]),
    BIRTH_DATE: ranges(st.dates(date(1930, 1, 1), date(1999, 12, 31)).map(lambda day: f"{day:%Y%m%d}")),
    f"{STEP}>00400007": _wilded(WORDS),
    f"{STEP}>00400009": _wilded([f"S{number}" for number in range(90)]),
    f"{STEP}>00400010": _wilded(["A2", "B4"]),
    f"{STEP}>00400006": _wilded(["YANG^CRISTINA"]),
    STATUS: st.sampled_from(["SCHEDULED", "STARTED", "COMPLETED"]),
    "00400006": _wilded(["YANG^CRISTINA"]),
    "00401001": _wilded([f"R{number}" for number in range(50)]),
    "00321060": _wilded(WORDS),
    "00401003": st.sampled_from([*PRIORITIES[:3]]),
    "00080050": _wilded([f"ACC{number:05}" for number in range(90)]),
    "00080090": _wilded(["GREY^MEREDITH"]),
    "00080080": _wilded(["SALT LAKE CITY"]),
    "00081080": _wilded(["COUGH", "FEVER"]),
    "00101020": st.sampled_from(["1.75", "1.5-1.7", "1.7-", "-1.7", "1.*"]),
    "00101030": st.sampled_from(["80", "80.0", "70-75", "75-", "-75", "7*"]),
    "001021C0": st.sampled_from(["1", "3", "?"]),
    "00102110": _wilded(["LATEX", "IODINE"]),
}


def queries() -> st.SearchStrategy[Keys]:
    """Make queries of some keys, each with no value, one, or two that are alternatives."""
    keys = st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4, unique=True)

    def filled(paths: list[str]) -> st.SearchStrategy[Keys]:
        return st.fixed_dictionaries(
            {path: st.one_of(st.just([]), st.just(["*"]), st.lists(VALUES[path], min_size=1, max_size=2)) for path in paths}
        )

    return keys.flatmap(filled)


ALL_PATHS = [attribute.path for attribute in ATTRIBUTES]
