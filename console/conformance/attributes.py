"""The attributes of queries as the statement tells them, from the tables by which the archive matches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydicom.datadict import dictionary_description

from fileman.worklist_attributes import ATTRIBUTES as WORKLIST_ATTRIBUTES
from fileman.worklist_attributes import REFERENCED_PATIENT, REFERENCED_STUDY
from fileman.worklist_attributes import Matching as WorklistMatching
from rpcs.archive.attributes import ATTRIBUTES, Level, Matching

_SINGLE = "single value"
_MATCHING = {
    Matching.TEXT: f"{_SINGLE}, wild card",
    Matching.VALUES: f"{_SINGLE}, wild card, of each value",
    Matching.NAME: f"{_SINGLE}, wild card, of each component group",
    Matching.UID: "list of UID",
    Matching.DATE: f"{_SINGLE}, range",
    Matching.TIME: f"{_SINGLE}, range",
    Matching.NUMBER: f"{_SINGLE}, range",
    Matching.MODALITIES: f"{_SINGLE}, wild card, of any series",
    Matching.CLASSES: "list of UID, of any instance",
    Matching.COUNT: f"{_SINGLE}, range",
}
_WORKLIST_MATCHING = {
    WorklistMatching.SINGLE: _SINGLE,
    WorklistMatching.WILD: f"{_SINGLE}, wild card",
    WorklistMatching.DATE: f"{_SINGLE}, range",
    WorklistMatching.TIME: f"{_SINGLE}, range",
    WorklistMatching.NUMBER: f"{_SINGLE}, range",
    WorklistMatching.NAME: f"{_SINGLE}, wild card, of each component group",
}
_ROWS = {
    Level.PATIENT: "Patient level",
    Level.STUDY: "Study level",
    Level.SERIES: "Series level",
    Level.IMAGE: "Image level",
}


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of queries; `path` leads to it through sequences, as `ggggeeee>ggggeeee`."""

    path: str
    vr: str
    type: str
    matching: str

    @property
    def name(self) -> str:
        """Its name, behind those of the sequences that it stands in."""
        return " > ".join(dictionary_description(int(tag, 16)) for tag in self.path.split(">"))

    @property
    def tag(self) -> str:
        """Its tag, behind those of the sequences that it stands in."""
        return " > ".join(f"({tag[:4]},{tag[4:]})" for tag in self.path.split(">"))


def levels() -> Iterator[tuple[str, Sequence[Attribute]]]:
    """Give each level of the Query/Retrieve models with its attributes, from above."""
    for level, name in _ROWS.items():
        found = [it for it in ATTRIBUTES.values() if it.level is level]
        yield name, [Attribute(it.tag, it.vr, it.type, _MATCHING[it.matching]) for it in found]


def worklist() -> Sequence[Attribute]:
    """Give those of the worklist, at every place at which they are told."""
    found = [
        Attribute(path, it.vr, "", f"{_WORKLIST_MATCHING[it.matching]}{', of each value' if it.multiple else ''}")
        for it in WORKLIST_ATTRIBUTES
        for path in (it.path, *it.aliases)
    ]
    return [*found, *(Attribute(tag, "SQ", "", "none; told empty") for tag in (REFERENCED_STUDY, REFERENCED_PATIENT))]
