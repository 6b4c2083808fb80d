"""Rules compared with each other: those that are there twice, those that add nothing, balances that deal the same studies."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from rules.judging.semantics.base import DEFAULT_PRIORITY
from rules.language.ast import BALANCE, LOCAL, Rule
from rules.language.keywords import BASE_PRIORITY
from rules.lint.finding import Raised
from rules.lint.formula import Clause, all_imply, never, rule_clauses, unmeetable
from rules.lint.scope import Scope
from rules.lint.values import is_single

#: Pairs of rules that one run compares: some seconds at the most.
MOST_PAIRS = 100_000

_Anchor = tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class _Case:
    """A rule that may cover another, or be covered: when it fires, and what it does at least."""

    at: int
    rule: Rule
    clauses: tuple[Clause, ...]

    @property
    def priority(self) -> int:
        return BASE_PRIORITY.get(self.rule.priority.upper(), DEFAULT_PRIORITY)

    def does_as_much_as(self, other: _Case) -> bool:
        """Tell whether this rule's action leaves nothing for the other's to add."""
        priors = self.rule.prior_study == "YES" or other.rule.prior_study != "YES"
        return priors and self.priority >= other.priority


def compared(scope: Scope) -> Iterator[Raised]:
    """Find rules that another one makes superfluous, and balances that deal the same studies twice."""
    once: dict[Hashable, Rule] = {}
    groups: dict[Hashable, list[_Case]] = defaultdict(list)
    balances: list[_Case] = []
    for at, rule in enumerate(scope.file.rules):
        first = once.setdefault(_meaning(scope, rule), rule)
        if first is not rule:
            yield Raised("R105", f"Rule {first.number} is the same.", rule)
            continue
        found = rule_clauses(rule)
        if not rule.enabled or found is None or never(found):
            continue
        case = _Case(at, rule, tuple(clause for clause in found if not unmeetable(clause)))
        if rule.verb == BALANCE:
            balances.append(case)
        else:
            groups[rule.verb, scope.destination(rule.location)].append(case)
    budget = _Budget(MOST_PAIRS)
    for group in groups.values():
        yield from _covered(group, budget)
    yield from _dealt_twice(scope, balances, budget)
    if budget.left < 0:
        yield Raised("R109", f"Only {MOST_PAIRS} pairs of rules were compared.")


def _meaning(scope: Scope, rule: Rule) -> Hashable:
    shares = tuple((scope.destination(share.destination), share.percent, share.cap, share.slot) for share in rule.parameters)
    how = (rule.priority.upper(), rule.prior_study.upper(), rule.valid, rule.enabled)
    return rule.verb, shares, frozenset(rule.conditions), how


@dataclass(slots=True)
class _Budget:
    left: int

    def spend(self) -> bool:
        """Take one comparison; False when none is left."""
        self.left -= 1
        return self.left >= 0


def _anchors(clause: Clause) -> list[tuple[str, str]]:
    return [(one.field, one.exact) for one in clause if one.exact is not None]


def _covered(group: list[_Case], budget: _Budget) -> Iterator[Raised]:
    """Compare each rule of a destination with those only that ask for no other value than it does."""
    common = Counter(anchor for case in group for clause in case.clauses for anchor in _anchors(clause))
    by_anchor: dict[_Anchor, dict[int, _Case]] = defaultdict(dict)
    for case in group:
        for clause in case.clauses:
            anchor = min(_anchors(clause), key=lambda it: (common[it], it), default=None)
            by_anchor[anchor][case.at] = case
    for case in group:
        sought: Iterable[_Anchor] = (*_anchors(case.clauses[0]), None)
        fields, exact = {one.field for one in case.clauses[0]}, dict(_anchors(case.clauses[0]))
        candidates = {at: other for anchor in sought for at, other in by_anchor[anchor].items()}
        for at in sorted(candidates):
            other = candidates[at]
            asks_less = any(_asks_less(clause, fields, exact) for clause in other.clauses)
            if other is case or not asks_less or not other.does_as_much_as(case):
                continue
            if not budget.spend():
                return
            if all_imply(case.clauses, other.clauses) and not _goes_first(case, other):
                yield _shadow(case, other)
                break


def _asks_less(clause: Clause, fields: set[str], exact: Mapping[str, str]) -> bool:
    """Tell whether an alternative asks for no other field than these, and for no other value of them than is wanted exactly."""
    return all(one.field in fields and one.exact in (None, exact.get(one.field, one.exact)) for one in clause)


def _goes_first(case: _Case, other: _Case) -> bool:
    """Tell whether two rules cover each other and this one stands first, so that the other is the one too many."""
    return case.at < other.at and case.does_as_much_as(other) and all_imply(other.clauses, case.clauses)


def _shadow(case: _Case, other: _Case) -> Raised:
    higher = f", with priority {other.rule.priority or 'NORMAL'}" if other.priority > case.priority else ""
    problem = f"Rule {other.rule.number} does the same for every image that this rule fires for{higher}: it adds nothing."
    return Raised("R106", problem, case.rule)


def _dealt_twice(scope: Scope, balances: list[_Case], budget: _Budget) -> Iterator[Raised]:
    decks = {case.at: _deck(scope, case.rule) for case in balances}
    told: set[int] = set()
    for first, second in _perhaps_together(balances):
        shared = sorted(decks[first.at] & decks[second.at])
        if not shared or second.at in told:
            continue
        if not budget.spend():
            return
        if not all(unmeetable(left | right) for left in first.clauses for right in second.clauses):
            told.add(second.at)
            problem = f"Rule {first.rule.number} deals to {', '.join(shared)} too, and both may take the same study."
            yield Raised("R414", problem, second.rule)


def _perhaps_together(cases: list[_Case]) -> Iterator[tuple[_Case, _Case]]:
    """Give pairs of rules, in the order of the file, that may fire for the same image.

    Left out are those that want different values of one field: the field that tells most rules apart.
    """
    asked = {case.at: _values_by_field(case) for case in cases}
    spread: dict[str, set[str]] = defaultdict(set)
    for values in asked.values():
        for name, wanted in values.items():
            spread[name] |= wanted
    telling = max(spread, key=lambda name: (len(spread[name]), name), default="")
    by_value: dict[str, list[_Case]] = defaultdict(list)
    others: list[_Case] = []
    for case in cases:
        for before in others:
            yield before, case
        values = asked[case.at]
        if telling not in values:
            yield from ((before, case) for before in cases if before.at < case.at and telling in asked[before.at])
            others.append(case)
            continue
        met = {before.at: before for value in values[telling] for before in by_value[value]}
        yield from ((before, case) for _at, before in sorted(met.items()))
        for value in values[telling]:
            by_value[value].append(case)


def _values_by_field(case: _Case) -> dict[str, set[str]]:
    """Give the fields that every alternative wants one value of, with those values; VistA's fields have one at most."""
    exact = [{name: value for name, value in _anchors(clause) if is_single(name)} for clause in case.clauses]
    shared = set(exact[0]).intersection(*exact[1:])
    return {name: {values[name] for values in exact} for name in shared}


def _deck(scope: Scope, rule: Rule) -> frozenset[str]:
    names = (scope.destination(share.destination) for share in rule.parameters if share.destination != LOCAL)
    return frozenset(name for name in names if name)
