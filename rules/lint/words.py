"""Keywords, operators and values of single conditions: what nobody knows, and what a field can never hold."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator

from rules.judging.wildcard import documented_match
from rules.language.ast import Condition, Rule, leaves
from rules.language.dicom_names import AE_TITLES, dicom_keywords, is_known
from rules.language.keywords import BASE_PRIORITY, KEYWORDS, OPERATORS
from rules.lint.finding import Raised
from rules.lint.formula import by_field, never, rule_clauses
from rules.lint.patterns import WILD
from rules.lint.scope import Scope
from rules.lint.values import (
    EQUAL,
    ORDERS,
    UNEQUAL,
    URGENCIES,
    URGENCY,
    Literal,
    impossible,
    literal,
    no_number_meets,
    number,
)
from rules.lint.values import (
    is_known as has_meaning,
)

#: DICOM's codes of modalities (PS3.3 C.7.3.1.1.1), retired ones too, and those that the VA added.
_MODALITIES = """
AR ASMT AU BDUS BI BMD CD CF CFM CP CR CS CT CTPROTOCOL DD DF DG DM DMS DOC DS DX EC ECG EEG EM EMG EOG EPS ES FA FID FS FUNDUS GM
HC HD IO IOL IVOCT IVUS KER KO LEN LP LS M3D MA MG MR MS NM OAM OCT OP OPM OPR OPT OPTBSV OPTENF OPV OSS OT PA PLAN POS PR PT PX
REG RESP RF RG RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SC SEG SM SMR SR SRF ST STAIN TEXTUREMAP TG TI
US VA VF VL XA XAPROTOCOL XC XRAY
"""
MODALITIES = tuple(_MODALITIES.split())
#: Keywords that VistA compares as pointers to other files, though the manuals speak of names.
POINTERS = frozenset(["CLASS", "TYPE", "SPECIALTY", "PROCEDURE_OR_EVENT", "ACQUISITION_DEVICE"])
#: Fields that hold capitals only.
CAPITALS = frozenset(
    ["MODALITY", "PROCEDURE", "PATIENT", "SAVED_BY", "PACKAGE", "PARENT_DATA", "OBJECT_TYPE", "ORIGIN_INDEX", "OBJECT_NAME"]
)
#: DICOM's value representations that hold numbers (PS3.5 6.2).
NUMBERS = frozenset(["DS", "IS", "FL", "FD", "SL", "SS", "UL", "US"])
RADIOLOGY = Condition("PARENT_DATA", EQUAL, "LO", "RADIOLOGY")


def words(scope: Scope) -> Iterator[Raised]:
    """Check every condition by itself; the first check that finds something speaks."""
    for rule, condition in scope.conditions:
        for code, check in _CHECKS:
            problem = check(scope, condition)
            if problem:
                yield Raised(code, problem, rule, condition.place)
                break


def _suggestion(word: str, known: list[str] | tuple[str, ...]) -> str:
    """Say which known word was probably meant."""
    by_capitals = {each.upper(): each for each in reversed(known)}
    close = difflib.get_close_matches(word.upper(), list(by_capitals), n=1, cutoff=0.75)
    return f" Did you mean {by_capitals[close[0]]}?" if close else ""


def _unknown_keyword(_scope: Scope, condition: Condition) -> str:
    if is_known(condition.keyword):
        return ""
    known = [*KEYWORDS, *AE_TITLES, *dicom_keywords()]
    return f"Nobody knows the keyword {condition.keyword}.{_suggestion(condition.keyword, known)}"


def _unknown_operator(_scope: Scope, condition: Condition) -> str:
    return "" if condition.operator in OPERATORS else f"Nobody knows the operator {condition.operator!r}."


def _no_date(_scope: Scope, condition: Condition) -> str:
    one = literal(condition, holds=True)
    if not one.is_date or has_meaning(one):
        return ""
    what = "frames take = and != only" if condition.frames else f"{condition.value!r} is no date or time that has an order"
    if condition.operator in (EQUAL, UNEQUAL):
        what = f"{condition.value!r} is no date or time"
    return f"{condition} is always undefined: {what}."


def _empty_value(_scope: Scope, condition: Condition) -> str:
    empty = not condition.frames and condition.value == "" and not literal(condition, holds=True).is_date
    return f"{condition.keyword} is compared with an empty text, and an empty field is undefined." if empty else ""


def _no_urgency(_scope: Scope, condition: Condition) -> str:
    if condition.keyword != URGENCY or condition.operator not in (EQUAL, UNEQUAL):
        return ""
    matches = documented_match(condition.value)
    if any(map(matches, URGENCIES)):
        return ""
    return f"URGENCY is never {condition.value}.{_suggestion(condition.value, URGENCIES)}"


def _small_letters(_scope: Scope, condition: Condition) -> str:
    if condition.keyword not in CAPITALS or condition.value == condition.value.upper():
        return ""
    return f"{condition.keyword} holds capitals only: {condition.value} matches nothing. Did you mean {condition.value.upper()}?"


def _no_modality(_scope: Scope, condition: Condition) -> str:
    if condition.keyword != "MODALITY" or condition.operator not in (EQUAL, UNEQUAL):
        return ""
    matches = documented_match(condition.value)
    if any(map(matches, MODALITIES)):
        return ""
    return f"There is no modality {condition.value}.{_suggestion(condition.value, MODALITIES)}"


def _no_pointer(_scope: Scope, condition: Condition) -> str:
    plain = "".join(letter for letter in condition.value if letter not in WILD)
    if condition.keyword not in POINTERS or plain.isdecimal() or not plain:
        return ""
    return f"{condition.keyword} holds the number of an entry; {condition.value} matches none."


def _number_with_text(_scope: Scope, condition: Condition) -> str:
    one = literal(condition, holds=True)
    if condition.operator not in ORDERS or one.is_date:
        return ""
    if condition.keyword in CAPITALS and number(condition.value) is not None:
        return f"{condition.keyword} holds texts, and {condition.value} is a number: they are compared letter by letter."
    if condition.keyword not in KEYWORDS and number(condition.value) is None:
        return f"{condition.value} is no number: {condition.keyword} is compared with it letter by letter."
    return ""


def _no_institution(scope: Scope, condition: Condition) -> str:
    known = scope.site.institutions if scope.site is not None else frozenset()
    if condition.keyword != "SOURCE" or not known or condition.operator not in (EQUAL, UNEQUAL):
        return ""
    matches = documented_match(condition.value)
    if any(map(matches, known)):
        return ""
    return f"The site has no institution {condition.value}.{_suggestion(condition.value, sorted(known))}"


_CHECKS: tuple[tuple[str, Callable[[Scope, Condition], str]], ...] = (
    ("R301", _unknown_keyword),
    ("R312", _unknown_operator),
    ("R205", _no_date),
    ("R308", _empty_value),
    ("R302", _no_urgency),
    ("R305", _small_letters),
    ("R303", _no_modality),
    ("R304", _no_pointer),
    ("R307", _number_with_text),
    ("R313", _no_institution),
)


def ranges(scope: Scope) -> Iterator[Raised]:
    """Find comparisons that leave no number, where an element with several values or a text could meet them all the same."""
    for rule in scope.file.rules:
        found = rule_clauses(rule)
        if found is None or never(found):
            continue
        empty = next((group for clause in found for group in by_field(clause).values() if _has_no_number(group)), None)
        if empty is not None:
            meant = {one.condition for one in empty}  # equal conditions elsewhere share these: their places are not this rule's
            said = [leaf for condition in rule.conditions for leaf in leaves(condition) if leaf in meant]
            yield Raised("R306", f"No number meets {' and '.join(map(str, said))}.", rule, said[-1].place)


def _has_no_number(group: frozenset[Literal]) -> bool:
    return no_number_meets(group) and not impossible(group)


def modifiers(scope: Scope) -> Iterator[Raised]:
    """Find words of priority and priorstudy that mean nothing, and prior studies that there never are."""
    for rule in scope.file.rules:
        if rule.priority and rule.priority.upper() not in BASE_PRIORITY:
            yield Raised("R309", f"The priority {rule.priority} is unknown and counts as NORMAL.", rule)
        if rule.prior_study not in ("", "YES", "NO"):
            yield Raised("R310", f"PRIORSTUDY {rule.prior_study} is neither YES nor NO.", rule)
        if rule.prior_study == "YES" and _is_never_radiology(rule):
            problem = "PRIORSTUDY YES does nothing: the rule fires for images of other reports than radiology's only."
            yield Raised("R311", problem, rule)


def _is_never_radiology(rule: Rule) -> bool:
    found = rule_clauses(rule)
    if found is None or never(found):
        return False
    radiology = literal(RADIOLOGY, holds=True)
    return all(impossible(by_field(clause).get("PARENT_DATA", frozenset()) | {radiology}) for clause in found)
