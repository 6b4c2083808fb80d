"""What the archive has, as the pages of images ask it: studies, series and images that match, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from console.web.dicomweb import Asking
from console.web.errors import WebError
from gateway_client import BrokerRefused
from gateway_client.archive.pages import pieces, read_page
from rpcs.archive import Level

#: Matches of a page of studies, and of a page of images.
STUDIES, IMAGES = 25, 60
STUDY_UID, SERIES_UID, INSTANCE_UID = "0020000D", "0020000E", "00080018"
#: What is told of each, by the name that the page has for it.
TOLD: Mapping[Level, Mapping[str, str]] = {
    Level.STUDY: {
        "study": STUDY_UID,
        "name": "00100010",
        "patient_id": "00100020",
        "birth_date": "00100030",
        "sex": "00100040",
        "date": "00080020",
        "time": "00080030",
        "accession": "00080050",
        "modality": "00080061",
        "description": "00081030",
        "series": "00201206",
        "images": "00201208",
    },
    Level.SERIES: {
        "series": SERIES_UID,
        "modality": "00080060",
        "number": "00200011",
        "description": "0008103E",
        "body_part": "00180015",
        "images": "00201209",
    },
    Level.IMAGE: {"series": SERIES_UID, "instance": INSTANCE_UID, "number": "00200013", "frames": "00280008"},
}


class BadSearch(WebError):
    """This cannot be searched for."""

    code, kind = 400, "usage"


@dataclass(frozen=True, slots=True)
class Column:
    """A filter of the studies: its name in the address, what it is called, and what is typed there."""

    name: str
    title: str
    hint: str = ""


#: The filters, in the order of the columns.
COLUMNS = (
    Column("name", "Patient", "DOE* or *SMITH*"),
    Column("patient_id", "Patient ID"),
    Column("accession", "Accession"),
    Column("since", "From", "2026-11-01"),
    Column("until", "To", "2026-11-30"),
    Column("modality", "Modality", "CT"),
    Column("description", "Description", "*HEAD*"),
    Column("study", "Study UID"),
)
_MATCHED = {"name": "00100010", "patient_id": "00100020", "accession": "00080050", "modality": "00080061"}
_MATCHED |= {"description": "00081030", "study": STUDY_UID}


@dataclass(frozen=True, slots=True)
class Found:
    """A page of matches, and behind which number the next one begins; "" after the last."""

    rows: Sequence[dict[str, Any]]
    more: str = ""


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: a level, and what has to match."""

    level: Level
    keys: Mapping[str, str] = field(default_factory=dict)
    newest: bool = False

    @property
    def request(self) -> dict[str, Any]:
        """Give it as MAGB QUERY takes it."""
        keys: dict[str, list[str]] = {tag: [] for tag in TOLD[self.level].values()}
        keys |= {tag: [text] for tag, text in self.keys.items()}
        asked = {"level": self.level.name, "root": "STUDY", "relational": True, "fold_names": True, "newest": self.newest}
        return {**asked, "keys": keys}


def search_of(values: Mapping[str, str]) -> Search:
    """Read the filters of the studies. Raises BadSearch."""
    keys = {tag: values[name].strip() for name, tag in _MATCHED.items() if values.get(name, "").strip()}
    if "00100010" in keys:
        keys["00100010"] = _begins(keys["00100010"].replace(",", "^"))
    if "00081030" in keys:
        keys["00081030"] = _begins(keys["00081030"])
    first, last = (_day(values.get(name, "")) for name in ("since", "until"))
    if first or last:
        keys["00080020"] = first if first == last else f"{first}-{last}"
    return Search(Level.STUDY, keys, newest=True)


def _begins(text: str) -> str:
    """Look for what begins with a text, unless there is a wild card in it."""
    return text if "*" in text or "?" in text else f"{text}*"


def _day(text: str) -> str:
    digits = text.strip().replace("-", "")
    if digits and not (digits.isascii() and digits.isdigit() and len(digits) == 8):
        raise BadSearch(f"{text[:20]!r} is no day; write it as 2026-11-24.")
    return digits


async def find(asking: Asking, search: Search, after: str, most: int) -> Found:
    """Ask for a page of matches. Raises BadSearch, NotAllowed and Away."""
    try:
        page = read_page(await asking.call("MAGB QUERY", pieces(search.request), after, most))
    except BrokerRefused as error:
        raise BadSearch(str(error)) from error
    if "error" in page.head:
        raise BadSearch(str(page.head["error"]))
    told = TOLD[search.level]
    return Found([_told(told, match) for match in page.rows], page.more)


def _told(names: Mapping[str, str], match: Mapping[str, Any]) -> dict[str, Any]:
    tags = match["tags"]
    row: dict[str, Any] = {name: ", ".join(map(str, tags.get(tag) or ())) for name, tag in names.items()}
    if "name" in row:
        row["name"] = row["name"].partition("=")[0].replace("^", ",", 1).replace("^", " ").strip(" ,")
    if len(row.get("date", "")) == 8:
        row["date"] = f"{row['date'][:4]}-{row['date'][4:6]}-{row['date'][6:]}"
    row["state"] = match.get("state", "")
    return row
