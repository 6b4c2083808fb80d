"""The caret elements of MAG DICOM ROUTE EVAL START, both ways (EVAL^MAGBRTE4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile

from rules.language.ast import Condition, Frame, Rule, Share
from rules.language.errors import NotInElements, Reason
from rules.language.parse import element_shape
from xwb import collation_key, is_canonical, m_number

_WHOLE = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class ElementRules:
    """What came of an array of elements: the rules, and what VistA logs about elements that it drops."""

    rules: tuple[Rule, ...]
    log: tuple[str, ...]


@dataclass(slots=True)
class _Draft:
    """A rule while its elements come in, in any order."""

    verb: str = ""
    priority: str = ""
    prior_study: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    conditions: dict[str, _ConditionDraft] = field(default_factory=dict)

    def condition(self, number: str) -> _ConditionDraft:
        return self.conditions.setdefault(number, _ConditionDraft())


@dataclass(slots=True)
class _ConditionDraft:
    fields: dict[str, str] = field(default_factory=dict)
    frames: dict[str, dict[str, str]] = field(default_factory=dict)


def from_elements(pairs: Iterable[tuple[str, str]]) -> ElementRules:
    """Read elements, given as subscript and text. Subscripts that are no numbers are left out, as VistA leaves them out.

    Rule numbers are whole here; VistA would evaluate a rule 1.5 or 1A too, which the log says is left out.
    """
    drafts: dict[str, _Draft] = {}
    log: list[str] = []
    for _subscript, text in sorted((pair for pair in pairs if is_canonical(pair[0])), key=lambda pair: collation_key(pair[0])):
        pieces = text.split("^")
        shape = element_shape(text)
        if shape == "LOGGED":
            qualifier = pieces[1] if len(pieces) > 1 else ""
            log.append(f'Rule {pieces[0]} has a qualifier "{qualifier}".')
            continue
        _take(drafts.setdefault(pieces[0], _Draft()), shape, pieces)
    reached = _reached(drafts)
    log += (f"Rule {number} is left out: its number is not whole." for number in reached if not _WHOLE.fullmatch(number))
    rules = tuple(_finish(int(number), drafts[number]) for number in reached if _WHOLE.fullmatch(number))
    return ElementRules(rules, tuple(log))


def _reached(keys: Iterable[str]) -> list[str]:
    """Give the keys that VistA's loops reach: M's order from 0 on, up to the first that is no number to M."""
    above = sorted((key for key in keys if key and (not is_canonical(key) or m_number(key) > 0)), key=collation_key)
    return list(takewhile(m_number, above))


def _take(draft: _Draft, shape: str, pieces: list[str]) -> None:
    match shape:
        case "ACTION_VERB":
            draft.verb = pieces[2]
        case "ACTION_PARAMETER":
            draft.parameters[pieces[2]] = "^".join(pieces[3:])
        case "PRIORITY":
            draft.priority = pieces[2]
        case "PRIORSTUDY":
            draft.prior_study = pieces[2]
        case "CONDITION_FIELD":
            draft.condition(pieces[2]).fields[pieces[3]] = pieces[4]
        case "CONDITION_FRAME" if pieces[3] == "VA":
            draft.condition(pieces[2]).frames.setdefault(pieces[5], {})[pieces[4]] = pieces[6] if len(pieces) > 6 else ""


def _finish(number: int, draft: _Draft) -> Rule:
    slots = _reached(draft.parameters)
    plain = slots == [str(place) for place in range(1, len(slots) + 1)]
    parameters = [_share(draft.parameters[slot], "" if plain else slot) for slot in slots]
    conditions = []
    for key in _reached(draft.conditions):
        fields, frames = draft.conditions[key].fields, draft.conditions[key].frames
        if not fields.get("KW"):
            continue
        ranges = tuple(
            Frame(frames[index].get("M", ""), frames[index].get("B", ""), frames[index].get("E", ""))
            for index in _reached(frames)
        )
        conditions.append(Condition(fields["KW"], fields.get("OP", ""), fields.get("DT", ""), fields.get("VA", ""), ranges))
    return Rule(number, draft.verb, tuple(parameters), tuple(conditions), draft.priority, draft.prior_study)


def _share(text: str, slot: str) -> Share:
    """Read a parameter so that it is written as it was: `KANSAS^25^40` is a share, `KANSAS^` a name with a caret."""
    destination, percent, cap = [*text.split("^"), "", ""][:3]
    share = Share(destination, percent, cap, slot)
    return share if str(share) == text else Share(text, slot=slot)


def to_elements(rules: Iterable[Rule]) -> list[str]:
    """Write flat rules, as `for_elements` and `for_vista` give them, as elements, one string each.

    Raises NotInElements for others.
    """
    return [element for rule in rules for element in _elements(rule, _flat(rule))]


def _flat(rule: Rule) -> list[Condition]:
    conditions = [part for part in rule.conditions if isinstance(part, Condition)]
    if len(conditions) < len(rule.conditions) or rule.valid is not None or not rule.enabled:
        raise NotInElements([Reason.of(rule, "its alternatives, validity or state are not yet said in flat rules")])
    return conditions


def _elements(rule: Rule, conditions: Iterable[Condition]) -> Iterator[str]:
    number = rule.number
    yield f"{number}^ACTION^{rule.verb}"
    for index, share in enumerate(rule.parameters, start=1):
        yield f"{number}^ACTION^{share.slot or index}^{share}"
    for index, condition in enumerate(conditions, start=1):
        stem = f"{number}^CONDITION^{index}"
        yield f"{stem}^KW^{condition.keyword}"
        yield f"{stem}^OP^{condition.operator}"
        yield f"{stem}^DT^{condition.data_type}"
        if condition.value or not condition.frames:
            yield f"{stem}^VA^{condition.value}"
        for place, frame in enumerate(condition.frames, start=1):
            yield f"{stem}^VA^M^{place}^{frame.mask}"
            yield f"{stem}^VA^B^{place}^{frame.begin}"
            yield f"{stem}^VA^E^{place}^{frame.end}"
    if rule.priority:
        yield f"{number}^PRIORITY^{rule.priority}"
    if rule.prior_study:
        yield f"{number}^PRIORSTUDY^{rule.prior_study}"
