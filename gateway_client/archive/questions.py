"""What a C-FIND asks of the archive: the keys that the broker matches, and what the entity tells of each match itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from dul import RequestRefused
from dul.status import OUT_OF_RESOURCES
from gateway_client.archive.entities import ApplicationEntity, EntityRole
from gateway_client.archive.identifiers import CHARACTER_SET, vr_of_attribute
from gateway_client.archive.levels import LEVEL, Model, check_hierarchy, is_universal, level_of, unfit
from gateway_client.archive.pages import Match

#: Keys that one question may have.
MOST_KEYS = 256
#: What says how an identifier is to be read, and asks for nothing: Specific Character Set, Timezone Offset From UTC.
NO_KEYS = frozenset((CHARACTER_SET, "00080201"))
RETRIEVE_AE_TITLE, AVAILABILITY, FILE_SET_ID = "00080054", "00080056", "00880130"
REQUEST_ATTRIBUTES, PROCEDURE_ID = "00400275", "00401001"
NESTED_PROCEDURE_ID = f"{REQUEST_ATTRIBUTES}>{PROCEDURE_ID}"
MEDCOM_HEADER = "SIEMENS MEDCOM HEADER"
_MEBIBYTE = 1 << 20
#: Instance Availability (0008,0056) by the state of what was found, Image Location Status (0029,xx53) too.
_AVAILABILITY = {"INSTORE": "ONLINE", "NEAR-LINE": "NEARLINE", "OFFLINE": "OFFLINE"}

Teller = Callable[[Match], Sequence[str]]
"""Gives the values of an attribute of a match."""


def availability(match: Match) -> list[str]:
    """Give Instance Availability (0008,0056) of a match."""
    return [_AVAILABILITY[match["state"]]] if match.get("state") in _AVAILABILITY else []


def _seconds(match: Match) -> list[str]:
    """Give Estimated Retrieve Time; below zero it says that an operator is needed."""
    return ["-1"] if match.get("state") == "OFFLINE" else [f"{match.get('seconds') or 0:g}"]


def _size(match: Match) -> list[str]:
    """Give Data Size of Retrieved Images, in megabytes of 2 to the 20th."""
    return [f"{(match.get('bytes') or 0) / _MEBIBYTE:.3f}"]


def _state(match: Match) -> list[str]:
    return [match["state"]] if match.get("state") in _AVAILABILITY else []


#: Elements of private blocks of MEDCOM_HEADER in group 0029 that are told when they are asked for: their VR, and what they say.
_MEDCOM: Mapping[int, tuple[str, Teller]] = {0x53: ("CS", availability), 0x54: ("DS", _seconds), 0x55: ("DS", _size)}


@dataclass(frozen=True, slots=True)
class Question:
    """A C-FIND. `request` is what the broker is asked, `told` what the entity adds to each match, of VRs that no dictionary has.

    `flat` are sequences' attributes, as `00400275>00401001`, that are told outside of their sequence; `incomplete` says that
    optional keys are not supported.
    """

    level: str
    request: Mapping[str, Any]
    told: Mapping[str, Teller]
    vrs: Mapping[str, str]
    flat: frozenset[str]
    incomplete: bool

    def answer(self, match: Match) -> dict[str, Sequence[Any]]:
        """Give the attributes of the identifier that tells of a match."""
        found: dict[str, Sequence[Any]] = {}
        for tag, values in match["tags"].items():
            if len(tag) == len(LEVEL):
                found[tag] = values
            elif tag in self.flat:
                found[tag.rpartition(">")[2]] = values
            else:
                _nest(found, tag, values)
        for tag, tell in self.told.items():
            found[tag] = tell(match)
        return found


def _nest(found: dict[str, Sequence[Any]], path: str, values: Sequence[str]) -> None:
    """Put the values of an attribute into the items of its sequence, each into one of its own. Raises ValueError."""
    outer, inner = path.split(">", 1)
    items: Any = found.setdefault(outer, [])
    items += [{} for _ in range(len(items), len(values))]
    for item, value in zip(items, values, strict=False):
        if ">" in inner:
            _nest(item, inner, [value])
        else:
            item[inner] = [value]


def read_question(identifier: Mapping[str, Sequence[Any]], model: Model, entity: ApplicationEntity) -> Question:
    """Read what is asked of an entity. Raises RequestRefused for what is none of the model, and where there is too much of it."""
    level = level_of(identifier, model, entity.levels)
    if not entity.relational:
        check_hierarchy(identifier, model, level)
    own = _own(level, entity)
    asked = _Asked(own)
    asked.add(identifier)
    if len(asked.keys) > MOST_KEYS:
        raise RequestRefused(OUT_OF_RESOURCES, f"More than {MOST_KEYS} keys are asked for")
    request = {
        "level": level,
        "root": model.root,
        "relational": entity.relational,
        "fold_names": entity.fold_names,
        "keys": asked.keys,
    }
    told: dict[str, Teller] = {LEVEL: lambda _match: (level,), **asked.told}
    told |= {tag: tell for tag, tell in own.items() if tag != AVAILABILITY or AVAILABILITY in identifier}
    flat = frozenset((NESTED_PROCEDURE_ID,)) if asked.flat and not entity.wrap_request_attributes else frozenset[str]()
    return Question(level, request, told, asked.vrs, flat, asked.incomplete)


def _own(level: str, entity: ApplicationEntity) -> dict[str, Teller]:
    """Give what an entity tells itself: who holds the images, and whether they are at hand.

    Of a patient's images there is no file-set, they may lie anywhere.
    """
    own: dict[str, Teller] = {RETRIEVE_AE_TITLE: partial(_retrieve_ae_titles, entity), AVAILABILITY: availability}
    return own if level == "PATIENT" else {**own, FILE_SET_ID: _state}


def _retrieve_ae_titles(entity: ApplicationEntity, match: Match) -> list[str]:
    """Give who can be asked for the images: the entity, and beside a long-term one the short-term ones that hold some."""
    if entity.role is not EntityRole.LONG_TERM:
        return [entity.ae_title]
    titles = [entity.short_term_titles.get(location, "") for location in match.get("locations", ())]
    return list(dict.fromkeys((entity.ae_title, *filter(None, titles))))


class _Asked:
    """Sorts the keys of an identifier into what the broker matches and what is told here."""

    def __init__(self, own: Mapping[str, Teller]) -> None:
        self._own = own
        self.keys: dict[str, list[str]] = {}
        self.told: dict[str, Teller] = {}
        self.vrs: dict[str, str] = {}
        self.flat = self.incomplete = False

    def add(self, identifier: Mapping[str, Sequence[Any]]) -> None:
        """Take all keys."""
        for tag, values in identifier.items():
            if tag == LEVEL or tag in NO_KEYS:
                continue
            if tag in self._own:
                self.incomplete |= not is_universal(values)
            elif int(tag[:4], 16) % 2:
                self._add_private(tag, identifier)
            elif tag == PROCEDURE_ID:  # an entity tells it in its sequence, wherever it is asked for
                self.flat = REQUEST_ATTRIBUTES not in identifier
                self._put(NESTED_PROCEDURE_ID, values)
            elif vr_of_attribute(tag) == "SQ":
                for path, nested in key_paths(tag, values):
                    self._put(path, nested)
            elif any(not isinstance(value, str) for value in values):  # a sequence that no dictionary has
                self.incomplete = True
            else:
                self._put(tag, values)

    def _put(self, path: str, values: Sequence[str]) -> None:
        if not self.keys.get(path):
            self.keys[path] = list(values)

    def _add_private(self, tag: str, identifier: Mapping[str, Sequence[Any]]) -> None:
        """Take a private key; its block's creator tells what it is, and is told with it (PS3.5 7.8.1)."""
        block = tag[4:6]
        if block == "00":
            return
        creator = f"{tag[:4]}00{block}"
        element = _MEDCOM.get(int(tag[6:], 16)) if tag[:4] == "0029" else None
        if element is None or identifier.get(creator) != [MEDCOM_HEADER]:
            self.incomplete = True
            return
        self.incomplete |= not is_universal(identifier[tag])
        self.vrs[tag], self.told[tag] = element
        self.told[creator] = lambda _match: (MEDCOM_HEADER,)


def key_paths(tag: str, items: Sequence[Any]) -> Iterator[tuple[str, Sequence[str]]]:
    """Give the attributes of a sequence's item by their paths; of one without any that attribute which is known of it.

    Raises RequestRefused for more than one item (PS3.4 C.2.2.2.6).
    """
    if len(items) > 1:
        raise unfit(f"({tag[:4]},{tag[4:]}) has more than one item")
    (item,) = items or ({},)
    if not item:
        yield NESTED_PROCEDURE_ID if tag == REQUEST_ATTRIBUTES else tag, ()
    for inner, values in item.items():
        if vr_of_attribute(inner) == "SQ":
            for path, nested in key_paths(inner, values):
                yield f"{tag}>{path}", nested
        elif all(isinstance(value, str) for value in values):
            yield f"{tag}>{inner}", values
