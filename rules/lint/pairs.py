"""Rules compared with each other: those that are there twice, those that add nothing, balances that deal the same studies."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from rules.judging.semantics.base import DEFAULT_PRIORITY
from rules.language.ast import BALANCE, LOCAL, Rule
from rules.language.keywords import BASE_PRIORITY
from rules.lint.finding import Raised
from rules.lint.formula import Clause, all_imply, never, rule_clauses, unmeetable
from rules.lint.scope import Scope

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
        fields = {one.field for one in case.clauses[0]}
        candidates = {at: other for anchor in sought for at, other in by_anchor[anchor].items()}
        for at in sorted(candidates):
            other = candidates[at]
            asks = any(all(one.field in fields for one in clause) for clause in other.clauses)
            if other is case or not asks or not other.does_as_much_as(case):
                continue
            if not budget.spend():
                return
            if all_imply(case.clauses, other.clauses) and not _goes_first(case, other):
                yield _shadow(case, other)
                break


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
    for first, second in combinations(balances, 2):
        shared = sorted(decks[first.at] & decks[second.at])
        if not shared or second.at in told:
            continue
        if not budget.spend():
            return
        if not all(unmeetable(left | right) for left in first.clauses for right in second.clauses):
            told.add(second.at)
            problem = f"Rule {first.rule.number} deals to {', '.join(shared)} too, and both may take the same study."
            yield Raised("R414", problem, second.rule)


def _deck(scope: Scope, rule: Rule) -> frozenset[str]:
    names = (scope.destination(share.destination) for share in rule.parameters if share.destination != LOCAL)
    return frozenset(name for name in names if name)
