"""The names of properties: VistA's keywords, ours, and DICOM elements by keyword, by VistA's name of them, or by tag.

One property has one name in a rule, whatever it was called in the text (`keyword_of`). Those who read headers get the way back:
which elements a keyword means (`tags_of`), and which keyword an element has (`keyword_of_path`).
"""

from __future__ import annotations

import re
from functools import lru_cache

from rules.language.keywords import KEYWORDS

#: Keywords of ours, which the gateway's header items answer: who called, and whom (PS3.10 7.1).
AE_TITLES = {"CALLING_AE_TITLE": "0002,0017", "CALLED_AE_TITLE": "0002,0018"}
_AE_TITLE_OF = {tag: keyword for keyword, tag in AE_TITLES.items()}
_AE_TITLE_NAMES = {
    "SENDING_APPLICATION_ENTITY_TITLE": "CALLING_AE_TITLE",
    "RECEIVING_APPLICATION_ENTITY_TITLE": "CALLED_AE_TITLE",
}
_TAG = r"\([0-9A-F]{4},[0-9A-F]{4}\)"
_STEP = re.compile(rf"[.>]?({_TAG}|[A-Z][A-Z0-9_]*)", re.ASCII)
_TAG_PATH = re.compile(rf"{_TAG}(>{_TAG})*", re.ASCII)


@lru_cache(maxsize=1)
def _dictionary() -> tuple[dict[str, str], dict[str, str]]:
    """Read DICOM's dictionary: tags by name (the keyword in capitals and VistA's name), and VistA's names by tag."""
    from pydicom.datadict import dictionary_description, keyword_dict  # 15 MB, which a broker without such rules does without

    tags: dict[str, str] = {}
    names: dict[str, str] = {}
    for keyword, number in keyword_dict.items():
        tag = f"{number >> 16:04X},{number & 0xFFFF:04X}"
        name = variable_name(dictionary_description(number))
        names[tag] = name
        tags.setdefault(name, tag)
        tags[keyword.upper()] = tag
    return tags, names


def variable_name(description: str) -> str:
    """Turn an element's name into a keyword, as VARNAME^MAGBRTE5 does: Patient's Name is PATIENT_S_NAME."""
    return re.sub(r"[^A-Z0-9]+", "_", description.upper()).strip("_")


@lru_cache(maxsize=4096)
def keyword_of(text: str) -> str:
    """Give the one name that a property has in rules, of whatever a person may call it.

    A name that nobody knows stays as it is, in capitals. `Modality` is VistA's MODALITY; the element is (0008,0060).
    """
    name = text.upper()
    if name in KEYWORDS or name in AE_TITLES:
        return name
    if name in _AE_TITLE_NAMES:
        return _AE_TITLE_NAMES[name]
    if "_" in name and "." not in name and "(" not in name:
        return name  # no DICOM keyword has a low line: it is VistA's name of an element, or no element at all
    tags = [_tag_of(step) for step in _STEP.findall(name)]
    return _keyword_of_tags(tuple(tags)) if all(tags) else name


def _tag_of(step: str) -> str:
    return step.strip("()") if step.startswith("(") else _dictionary()[0].get(step, "")


def _keyword_of_tags(tags: tuple[str, ...]) -> str:
    if len(tags) == 1:
        name = _AE_TITLE_OF.get(tags[0]) or _dictionary()[1].get(tags[0], "")
        if name and name not in KEYWORDS:
            return name
    return ">".join(f"({tag})" for tag in tags)


@lru_cache(maxsize=8192)
def keyword_of_path(path: str) -> str:
    """Give the keyword of an element in a header, by its path: `0010,0010`, or `0040,0275>1>0040,0007` with item numbers."""
    return _keyword_of_tags(tuple(step.upper() for step in path.split(">") if "," in step))


@lru_cache(maxsize=4096)
def tags_of(keyword: str) -> tuple[str, ...]:
    """Give the tags that lead to a keyword's element, `("0040,0275", "0040,0007")`; none when the keyword is no element's."""
    if keyword in KEYWORDS:
        return ()
    if keyword in AE_TITLES:
        return (AE_TITLES[keyword],)
    if _TAG_PATH.fullmatch(keyword):
        return tuple(step.strip("()") for step in keyword.split(">"))
    tag = _dictionary()[0].get(keyword, "")
    return (tag,) if tag else ()


def is_known(keyword: str) -> bool:
    """Tell whether a keyword, as a rule has it, is a property that something can be known of."""
    return keyword in KEYWORDS or bool(tags_of(keyword))


def dicom_keywords() -> list[str]:
    """List the keywords of DICOM's dictionary, for suggestions."""
    from pydicom.datadict import keyword_dict

    return [keyword for keyword in keyword_dict if keyword]
