"""Rules tried on many images: a line of JSON for each, an answer line for each, and state that stays as the lines say.

A line's `keep` tells what stays of the lines before it: 0, which it is when left out, nothing; 1 everything; 2 queues and
balances, while decisions of studies and the log begin anew (so the recorded cases have it). What a line holds besides is not
read, so that a recording can be fed as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rules.judging.moment import Moment
from rules.language.ast import Rule
from rules.language.errors import RuleError
from rules.trials.errors import TrialError
from rules.trials.given import NOTHING, RESERVED, Given, lay_over, read_moment
from rules.trials.trial import DOCUMENTED, VISTA, TrialRules, Trials, rules_of_elements, rules_of_text

CLEARING: Mapping[int, Callable[[Trials], None]] = {0: Trials.clear, 1: lambda _trials: None, 2: Trials.clear_decisions}
#: What recordings of VistA call a task.
_ZTSK = "ztsk"
#: Gives an image of the site by its number, with what some rules ask of it; None when there is none.
FindImage = Callable[[int, Sequence[Rule]], Given | None]


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for a line that does not say it: the rules (under a semantics), the moment, the semantics, images of a site."""

    rules: Callable[[str], TrialRules] | None = None
    now: Callable[[], Moment] | None = None
    semantics: str = DOCUMENTED
    image: FindImage | None = None
    nothing: Given = NOTHING


def answer_lines(lines: Iterable[str | bytes], trials: Trials, defaults: Defaults) -> Iterator[dict[str, Any]]:
    """Answer each line; a bad one is answered with its `id` and `error`, changes nothing, and the next one is read.

    Lines of bytes are UTF-8.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        said: dict[str, Any] = {}
        try:
            said = _read(line)
            yield {"id": said.get("id", number)} | _answer(said, trials, defaults)
        except RuleError as error:
            yield {"id": said.get("id", number), "error": f"line {number}: {error}"}


def _read(line: str | bytes) -> dict[str, Any]:
    try:
        said = json.loads(line if isinstance(line, str) else line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise TrialError(f"not UTF-8 text: {error.reason} at byte {error.start + 1}") from None
    except RecursionError:
        raise TrialError("not JSON that a trial is given as: it is nested too deep") from None
    except json.JSONDecodeError as error:
        raise TrialError(f"not JSON at column {error.colno}: {error.msg}") from None
    if not isinstance(said, dict):
        raise TrialError('not an object: write {"id": 1, "rules": [...], "facts": {...}}')
    return said


def _answer(said: Mapping[str, Any], trials: Trials, defaults: Defaults) -> dict[str, Any]:
    keep = said.get("keep") or 0
    clear = CLEARING.get(keep) if isinstance(keep, int) else None
    if clear is None:
        raise TrialError(f"keep is {json.dumps(keep)}: it is 0, 1 or 2")
    rules = _rules(said, defaults)
    given = _given(said, rules.rules, defaults)
    now = read_moment(given.now) if given.now else defaults.now() if defaults.now else None
    if now is None:
        raise TrialError('there is no moment: add "now": "SAT 3261121.030449"')
    clear(trials)
    answer = trials.run(rules, given, now).answer()
    return answer | ({"warnings": list(rules.warnings)} if rules.warnings else {})


def _rules(said: Mapping[str, Any], defaults: Defaults) -> TrialRules:
    semantics = said.get("semantics") or defaults.semantics
    if semantics not in (DOCUMENTED, VISTA):
        raise TrialError(f"semantics is {json.dumps(semantics)}: it is {DOCUMENTED} or {VISTA}")
    match said.get("rules"):
        case None if defaults.rules is not None:
            return defaults.rules(semantics)
        case list(elements) if all(isinstance(it, str) for it in elements):
            return rules_of_elements(tuple(elements), semantics)
        case str(text):
            return rules_of_text(text, semantics)
    raise TrialError(
        '"rules" is a list of caret elements, such as ["1^ACTION^SEND", "1^ACTION^1^ARCHIVE"], or a rule file\'s text'
    )


def _given(said: Mapping[str, Any], rules: Sequence[Rule], defaults: Defaults) -> Given:
    facts = said.get("facts") or {}
    if not isinstance(facts, dict):
        raise TrialError('"facts" is an object of keywords and values, such as {"MODALITY": "CT"}')
    told = {name: said[name] for name in RESERVED if said.get(name) is not None} | facts
    if _ZTSK in said:
        told.setdefault("task", said[_ZTSK])
    number, found = told.get("image"), None
    if number is not None and defaults.image is not None:
        found = defaults.image(RESERVED["image"]("image", number), rules)
        if found is None and not facts:
            return lay_over(defaults.nothing, told | {"missing": f"-13,Image {number} is deleted"})
    return lay_over(found or defaults.nothing, told)
