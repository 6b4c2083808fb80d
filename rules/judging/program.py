"""Rules compiled: conditions as closures, shared ones judged once, equalities as an index from values to rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rules.judging.reading import Reading, Verdict
from rules.judging.semantics import Semantics, Test
from rules.language.ast import AllOf, AnyOf, Condition, Expression, Not, Rule, leaves

#: Values by keyword: when an expression is true, each of these keywords has one of its values.
_Needs = dict[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class _Index:
    """The rules that want one of some values of a keyword; `all_rules` for when every equality on it passes."""

    keyword: str
    rules: dict[str, tuple[int, ...]]
    all_rules: tuple[int, ...]


class Program:
    """Rules in a form that tells quickly which of them an image meets; they are known by their place from 0."""

    def __init__(self, rules: Sequence[Rule], semantics: Semantics) -> None:
        self._semantics = semantics
        self._rules = tuple(rules)
        self._dated = frozenset(place for place, rule in enumerate(rules) if rule.valid is not None)
        self._cells = _cells(rules, semantics)
        self._indexes, self._others, indexed = _index(rules, semantics)
        self._tests: tuple[tuple[Test, ...], ...] = tuple(
            tuple(self._compile(part) for part in rule.conditions if part is not indexed.get(place))
            for place, rule in enumerate(rules)
        )

    def met(self, reading: Reading) -> list[int]:
        """Give the places of the rules that an image meets, in order."""
        blocking, tests = self._semantics.blocking, self._tests
        found = []
        for place in self._candidates(reading):
            for test in tests[place]:
                if test(reading) in blocking:
                    break
            else:
                found.append(place)
        if self._dated:
            day = reading.now.day
            found = [place for place in found if place not in self._dated or self._semantics.is_valid(self._rules[place], day)]
        found.sort()
        return found

    def _candidates(self, reading: Reading) -> Iterable[int]:
        candidates = [*self._others]
        for index in self._indexes:
            values = self._semantics.equals(reading, index.keyword)
            if values is None:
                candidates += index.all_rules
            elif len(values) == 1:
                candidates += index.rules.get(values[0], ())
            else:
                candidates += {place for value in values for place in index.rules.get(value, ())}
        return candidates

    def _compile(self, expression: Expression) -> Test:
        match expression:
            case Condition():
                return self._cells[expression]
            case AllOf(parts):
                return _all_of([self._compile(part) for part in parts])
            case AnyOf(parts):
                return _any_of([self._compile(part) for part in parts])
            case Not(part):
                return _negation(self._compile(part))


def verdict_of(expression: Expression, verdicts: dict[Condition, Verdict]) -> Verdict:
    """Work an expression out from the verdicts of its conditions (Kleene's three-valued logic)."""
    match expression:
        case Condition():
            return verdicts[expression]
        case Not(part):
            verdict = verdict_of(part, verdicts)
            return None if verdict is None else not verdict
        case AllOf(parts):
            found = {verdict_of(part, verdicts) for part in parts}
            return False if False in found else None if None in found else True
        case AnyOf(parts):
            found = {verdict_of(part, verdicts) for part in parts}
            return True if True in found else None if None in found else False


def _all_of(parts: Sequence[Test]) -> Test:
    def all_of(reading: Reading) -> Verdict:
        result: Verdict = True
        for part in parts:
            verdict = part(reading)
            if verdict is False:
                return False
            if verdict is None:
                result = None
        return result

    return all_of


def _any_of(parts: Sequence[Test]) -> Test:
    def any_of(reading: Reading) -> Verdict:
        result: Verdict = False
        for part in parts:
            verdict = part(reading)
            if verdict:
                return True
            if verdict is None:
                result = None
        return result

    return any_of


def _negation(part: Test) -> Test:
    def negation(reading: Reading) -> Verdict:
        verdict = part(reading)
        return None if verdict is None else not verdict

    return negation


def _cells(rules: Sequence[Rule], semantics: Semantics) -> dict[Condition, Test]:
    """Compile each distinct condition; one that stands in several places remembers its verdict while an image is read."""
    count = Counter(leaf for rule in rules for part in rule.conditions for leaf in leaves(part))
    return {
        condition: semantics.test(condition) if times == 1 else _remembering(number, semantics.test(condition))
        for number, (condition, times) in enumerate(count.items())
    }


def _remembering(number: int, test: Test) -> Test:
    def remembering(reading: Reading) -> Verdict:
        verdicts = reading.verdicts
        if number not in verdicts:
            verdicts[number] = test(reading)
        return verdicts[number]

    return remembering


def _index(rules: Sequence[Rule], semantics: Semantics) -> tuple[tuple[_Index, ...], tuple[int, ...], dict[int, Expression]]:
    """Enter each rule under the part that the fewest rules share; give the indexes, the other rules, and the parts used up.

    A part is used up when finding the rule by it says all that it says: an equality, or several on one keyword.
    """
    options = [list(_options(rule, semantics)) for rule in rules]
    shared = Counter((keyword, value) for each in options for _part, keyword, values in each for value in values)
    entries: dict[str, dict[str, list[int]]] = {}
    members: dict[str, list[int]] = {}
    others: list[int] = []
    used_up: dict[int, Expression] = {}
    for place, each in enumerate(options):
        if not each:
            others.append(place)
            continue
        costs = [sum(shared[keyword, value] for value in values) for _part, keyword, values in each]
        part, keyword, values = each[costs.index(min(costs))]
        for value in values:
            entries.setdefault(keyword, {}).setdefault(value, []).append(place)
        members.setdefault(keyword, []).append(place)
        if _says_no_more(part, keyword, semantics):
            used_up[place] = part
    indexes = tuple(
        _Index(keyword, {value: tuple(places) for value, places in entry.items()}, tuple(members[keyword]))
        for keyword, entry in entries.items()
    )
    return indexes, tuple(others), used_up


def _options(rule: Rule, semantics: Semantics) -> Iterator[tuple[Expression, str, frozenset[str]]]:
    for part in rule.conditions:
        for keyword, values in _needs(part, semantics).items():
            yield part, keyword, values


def _needs(expression: Expression, semantics: Semantics) -> _Needs:
    match expression:
        case Condition():
            return {expression.keyword: frozenset([expression.value])} if semantics.is_equality(expression) else {}
        case Not():
            return {}
        case AllOf(parts):
            return {keyword: values for part in reversed(parts) for keyword, values in _needs(part, semantics).items()}
        case AnyOf(parts):
            each = [_needs(part, semantics) for part in parts]
            common = [keyword for keyword in each[0] if all(keyword in needs for needs in each)]
            return {keyword: frozenset().union(*(needs[keyword] for needs in each)) for keyword in common}


def _says_no_more(part: Expression, keyword: str, semantics: Semantics) -> bool:
    """Tell whether a part is nothing but equalities on a keyword of which one has to hold."""
    parts = part.parts if isinstance(part, AnyOf) else (part,)
    return all(isinstance(it, Condition) and it.keyword == keyword and semantics.is_equality(it) for it in parts)
