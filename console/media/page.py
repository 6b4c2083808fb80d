"""The page of a medium (INDEX.HTM): patients, studies, series and pictures, for any browser, without a network.

It is built as a tree of elements, so that no text of a header can be anything but text. Without scripts it is a page of links.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable
from importlib import resources
from xml.etree.ElementTree import Element, SubElement, tostring

from console.media.directory import Directory, Record
from console.media.records import NO_DATE

#: What tells our page from another program's.
GENERATOR = "magbroker"
#: Objects up to which the page begins with all series open.
_OPEN = 500
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), " ")
_SEXES = {"M": "male", "F": "female", "O": "other"}
_NOTE = "Pictures are reduced, and shown in one grey scale: they are not for diagnosis. The images themselves are DICOM files."

#: Gives the addresses of an object's small and large picture, relative to the page; None where it has none.
Pictures = Callable[[Record], tuple[str, str] | None]


def make_page(directory: Directory, pictures: Pictures) -> bytes:
    """Give the page of a DICOMDIR."""
    script, style = (resources.files(__package__).joinpath(name).read_text(encoding="utf-8") for name in ("page.js", "page.css"))
    html = Element("html", lang="en")
    head = SubElement(html, "head")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": _policy(script, style)})
    SubElement(head, "meta", name="generator", content=GENERATOR)
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    title = _clean(str(directory.prologue.get("FileSetID") or "")) or "Images"
    SubElement(head, "title").text = title
    SubElement(head, "style").text = style
    body = SubElement(html, "body")
    top = SubElement(body, "header")
    SubElement(top, "h1").text = title
    counts = {"PATIENT": "patients", "STUDY": "studies", "SERIES": "series"}
    found = list(directory.records())
    said = [f"{sum(record.type == kind for record in found)} {name}" for kind, name in counts.items()]
    objects = sum(1 for record in found if record.file_id)
    SubElement(top, "p").text = ", ".join([*said, f"{objects} objects"])
    _add_level(SubElement(body, "main"), directory.roots, pictures, is_open=objects <= _OPEN)
    SubElement(body, "footer").text = _NOTE
    dialog = SubElement(body, "dialog")
    SubElement(dialog, "img", alt="")
    SubElement(dialog, "p")
    SubElement(body, "script").text = script
    return f"<!DOCTYPE html>\n{tostring(html, encoding='unicode', method='html')}\n".encode()


def _policy(script: str, style: str) -> str:
    """Let the page load its own script and style, and pictures that lie beside it, and nothing from elsewhere."""
    sources = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (script, style))
    allowed_script, allowed_style = (f"'sha256-{source}'" for source in sources)
    return f"default-src 'none'; img-src 'self' file:; script-src {allowed_script}; style-src {allowed_style}"


def _add_level(
    above: Element, records: Iterable[Record], pictures: Pictures, where: tuple[str, ...] = (), *, is_open: bool
) -> None:
    """Add records; `where` names those above them, which a picture alone would not tell."""
    leaves = None
    for record in records:
        if record.file_id:
            leaves = SubElement(above, "ul") if leaves is None else leaves
            _add_object(SubElement(leaves, "li"), record, pictures, where)
            continue
        attributes = {"class": _clean(record.type).lower()} | ({"open": "open"} if is_open else {})
        details = SubElement(above, "details", attributes)
        summary = SubElement(details, "summary")
        name, *facts = _DESCRIBED.get(record.type, _any)(record)
        summary.text = name or "without a name"
        SubElement(summary, "span", {"class": "dim"}).text = "".join(f" · {fact}" for fact in facts if fact)
        _add_level(details, record.below, pictures, (*where, summary.text), is_open=is_open)


def _add_object(item: Element, record: Record, pictures: Pictures, where: tuple[str, ...]) -> None:
    number = _clean(record.text("InstanceNumber"))
    found = pictures(record)
    if found is None:
        box = SubElement(item, "div")
        box.text = f"{_clean(record.type)} {number}"
        SubElement(box, "br").tail = _clean(record.text("ContentLabel") or record.text("DocumentTitle") or _concept(record))
        SubElement(box, "br").tail = "/".join(record.file_id)
        return
    small, large = found
    link = SubElement(item, "a", href=large, title=" · ".join((*where, f"image {number}", "/".join(record.file_id))))
    SubElement(link, "img", src=small, loading="lazy", alt=f"{_clean(record.type)} {number}")
    link[-1].tail = number


def _patient(record: Record) -> tuple[str, ...]:
    sex = record.text("PatientSex")
    return (
        person_name(record.text("PatientName")),
        _clean(record.text("PatientID")),
        f"born {written_date(record.text('PatientBirthDate'))}" if record.text("PatientBirthDate") else "",
        _SEXES.get(sex, _clean(sex)),
    )


def _study(record: Record) -> tuple[str, ...]:
    description, accession = _clean(record.text("StudyDescription")), _clean(record.text("AccessionNumber"))
    return f"{written_date(record.text('StudyDate'))} {description}".strip() or "study", accession


def _series(record: Record) -> tuple[str, ...]:
    named = f"{_clean(record.text('Modality'))} {_clean(record.text('SeriesNumber'))}"
    count = sum(1 for it in record.walk() if it.file_id)
    return named, _clean(record.text("SeriesDescription")), f"{count} object{'' if count == 1 else 's'}"


def _any(record: Record) -> tuple[str, ...]:
    return (_clean(record.type),)


_DESCRIBED = {"PATIENT": _patient, "STUDY": _study, "SERIES": _series}


def person_name(text: str) -> str:
    """Write a PN for people: of each of its groups the family name first, `DEMO, PATIENT ONE`."""
    groups = []
    for group in text.split("="):
        family, *others = (_clean(part) for part in group.split("^"))
        given = " ".join(part for part in others if part)
        groups.append(", ".join(part for part in (family, given) if part))
    return " = ".join(group for group in groups if group)


def written_date(text: str) -> str:
    """Write a DA with hyphens; what is none stays as it is, and nothing is written for a record's stand-in."""
    if text == NO_DATE:
        return ""
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 and text.isdigit() else _clean(text)


def _concept(record: Record) -> str:
    """Give the title of a document."""
    items = record.dataset.get("ConceptNameCodeSequence") or ()
    return str(items[0].get("CodeMeaning") or "") if items else ""


def _clean(text: str) -> str:
    return text.translate(_CONTROLS).strip()
