"""A batch answers line by line, keeps what each line says, and goes on after a bad one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from rules.trials import Defaults, TrialQueues, Trials, answer_lines, memory_database, rules_of_text

SEND = [
    "1^ACTION^SEND",
    "1^ACTION^1^A",
    "1^CONDITION^1^KW^MODALITY",
    "1^CONDITION^1^DT^CS",
    "1^CONDITION^1^OP^=",
    "1^CONDITION^1^VA^CT",
]
NOW = "SAT 3261121.030449"


@pytest.fixture
def trials() -> Iterator[Trials]:
    with memory_database() as connection:
        yield Trials(TrialQueues(connection))


def ask(trials: Trials, *lines: dict[str, Any] | str, defaults: Defaults | None = None) -> list[dict[str, Any]]:
    texts = [line if isinstance(line, str) else json.dumps({"now": NOW, **line}) for line in lines]
    return list(answer_lines(texts, trials, defaults or Defaults()))


def line(keep: Any = 0, modality: str = "CT", **more: Any) -> dict[str, Any]:
    facts = {"MODALITY": modality, "image": 2, "study_uid": "9.1", "group": 1}
    return {"id": 1, "rules": SEND, "facts": facts, "keep": keep, "semantics": "vista", **more}


def test_an_answer_has_the_promised_parts(trials: Trials) -> None:
    (answer,) = ask(trials, line())
    assert list(answer) == ["id", "rules", "log", "send", "export", "balance", "study_cache"]
    (rule,) = answer["rules"]
    assert rule == {
        "number": 1,
        "matched": True,
        "action": "SEND",
        "destinations": ["A"],
        "priority": 500,
        "conditions": [{"keyword": "MODALITY", "operator": "=", "value": "CT", "actual": "CT", "result": True}],
    }
    assert answer["log"] == ["Sat 03:04 Image 2: SEND (A)"]
    assert answer["study_cache"] == ['^XTMP("MAGEVALSTUDY",777,9.1,1)=1']
    assert answer["send"][:2] == [
        "^MAGQUEUE(2006.035,1,0)=2^1;MAG(2005.2,^ABSTRACT^1^660^",
        f"^MAGQUEUE(2006.035,1,1)=WAITING^500^{NOW[4:]}",
    ]
    assert sum(",0)=" in node for node in answer["send"]) == 5  # files of all types


def test_an_undefined_and_a_multiple_value_are_told_as_seen(trials: Trials) -> None:
    facts = {"MODALITY": ["CT", "PT"], "study_uid": "1"}
    both = ask(trials, line(facts=facts, semantics="documented"), line(facts={}, semantics="documented"))
    seen = [answer["rules"][0]["conditions"][0]["actual"] for answer in both]
    assert seen == [["CT", "PT"], None]
    assert both[1]["rules"][0]["conditions"][0]["result"] is None


@pytest.mark.parametrize(("keep", "entries", "cached"), [(0, 5, False), (1, 5, True), (2, 5, False)])
def test_keep_says_what_stays(trials: Trials, keep: int, entries: int, cached: bool) -> None:
    first, second = ask(trials, line(), line(keep, modality="MR"))
    assert sum(",0)=" in node for node in first["send"]) == entries
    assert sum(",0)=" in node for node in second["send"]) == (0 if keep == 0 else entries)
    assert second["rules"][0]["matched"] is cached  # the study's first image had decided


def test_a_number_that_was_cleared_begins_again(trials: Trials) -> None:
    *_others, last = ask(trials, line(), line(), line())
    assert last["send"][0].startswith("^MAGQUEUE(2006.035,1,0)=")


def test_balances_go_on_while_they_are_kept(trials: Trials) -> None:
    rules = ["1^ACTION^BALANCE", "1^ACTION^1^A^50", "1^ACTION^2^B^50"]
    lines = [line(2, rules=rules, facts={"image": number, "group": number, "study_uid": f"9.{number}"}) for number in (1, 2, 3)]
    found = ask(trials, *lines)
    dealt = [answer["log"][0].rpartition(" ")[2] for answer in found]
    assert dealt == ["A", "B", "A"]
    assert len(found[2]["balance"]) > len(found[0]["balance"]) > 0


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ("{", "not JSON at column 2"),
        ("[]", "not an object"),
        (line(3), "keep is 3"),
        (line("1"), "keep is"),
        (line([1]), "keep is"),
        ("[" * 100_000, "nested too deep"),
        (line(semantics="other"), "documented or vista"),
        (line(rules=[1]), "list of caret elements"),
        (line(rules="sned(A)"), "Did you mean SEND?"),
        (line(facts=[]), ""),
        (line(facts=["x"]), "object of keywords"),
        (line(now="x"), "no moment"),
    ],
)
def test_a_bad_line_is_answered_with_its_error_and_the_next_one_is_read(trials: Trials, bad: Any, told: str) -> None:
    before, answer, after = ask(trials, line(id="a"), bad, line(1, id="c"))
    assert ("error" in answer) is bool(told)
    if told:
        assert answer["error"].startswith("line 2: ")
        assert told in answer["error"]
        assert after["send"] == before["send"]  # a bad line clears nothing


def test_what_is_null_is_left_out(trials: Trials) -> None:
    nothing = dict.fromkeys(("image", "task", "location", "keep", "semantics", "priors"))
    (plain, same) = ask(trials, {"rules": SEND, "facts": None}, {"rules": SEND, **nothing})
    assert {**same, "id": 1} == plain


def test_lines_are_answered_as_they_come(trials: Trials) -> None:
    asked: list[int] = []

    def lines() -> Iterator[str]:
        for number in range(3):
            asked.append(number)
            yield json.dumps({"now": NOW, **line(id=number)})

    answers = answer_lines(lines(), trials, Defaults())
    assert next(answers)["id"] == 0
    assert asked == [0]


def test_what_a_line_leaves_out_is_the_commands(trials: Trials) -> None:
    rules = rules_of_text("send(A) when MODALITY=CT\nsend(B) when NOW={SAT 03:00 to 04:00}", "documented")
    (answer,) = ask(trials, {"facts": {"modality": "ct"}}, defaults=Defaults(lambda _semantics: rules))
    assert [rule["matched"] for rule in answer["rules"]] == [False, True]
    assert answer["id"] == 1
    assert ask(trials, json.dumps({"facts": {}}), defaults=Defaults(lambda _semantics: rules))[0]["error"].endswith(
        'add "now": "SAT 3261121.030449"'
    )


def test_a_rule_file_may_stand_in_a_line(trials: Trials) -> None:
    rules = 'destination NIGHT="UNI"\nrule "ct" send(NIGHT) when MODALITY in (CT, MR)'
    (answer,) = ask(trials, line(rules=rules, semantics="documented"))
    assert answer["rules"][0]["destinations"] == ["UNI"]


def test_what_vista_would_not_heed_is_warned_of_beside_the_answer(trials: Trials) -> None:
    rules = "send(A) when BodyPartExamined=HEAD"
    heeded, unheeded = ask(trials, line(rules=rules, semantics="documented"), line(rules=rules))
    assert "warnings" not in heeded
    assert heeded["rules"][0]["matched"] is False
    assert unheeded["rules"][0]["matched"] is True
    assert len(unheeded["warnings"]) == 1
    assert unheeded["warnings"][0].startswith("rule 1 (line 1, column 14): ")
