"""Routing rules: the rule file, its caret elements, two semantics, evaluation."""

from rules.judging.balance import Balances, Changes, Deal, Deck, Mark, balance_nodes
from rules.judging.carrying_out import Action
from rules.judging.desk import Desk, MemoryDesk, PriorStudy
from rules.judging.evaluate import CompiledRules, Evaluation, StudyMemory, compile_rules
from rules.judging.explain import ConditionExplanation, RuleExplanation, explain
from rules.judging.facts import ImageFacts
from rules.judging.moment import Moment
from rules.language import (
    ElementRules,
    NotForVista,
    NotInElements,
    NotInWords,
    RuleError,
    RuleFileErrors,
    RuleFileTooLong,
    RuleSyntaxError,
    decompile,
    for_elements,
    for_vista,
    format_rule_file,
    from_elements,
    parse_rule_file,
    parse_rules,
    resolve,
    to_elements,
)
from rules.language.ast import BALANCE, DICOM, LOCAL, SEND, Condition, Frame, Rule, RuleFile, Share

__all__ = [
    "BALANCE",
    "DICOM",
    "LOCAL",
    "SEND",
    "Action",
    "Balances",
    "Changes",
    "CompiledRules",
    "Condition",
    "ConditionExplanation",
    "Deal",
    "Deck",
    "Desk",
    "ElementRules",
    "Evaluation",
    "Frame",
    "ImageFacts",
    "Mark",
    "MemoryDesk",
    "Moment",
    "NotForVista",
    "NotInElements",
    "NotInWords",
    "PriorStudy",
    "Rule",
    "RuleError",
    "RuleExplanation",
    "RuleFile",
    "RuleFileErrors",
    "RuleFileTooLong",
    "RuleSyntaxError",
    "Share",
    "StudyMemory",
    "balance_nodes",
    "compile_rules",
    "decompile",
    "explain",
    "for_elements",
    "for_vista",
    "format_rule_file",
    "from_elements",
    "parse_rule_file",
    "parse_rules",
    "resolve",
    "to_elements",
]
