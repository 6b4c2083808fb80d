"""Routing rules: the rule file, its caret elements, two semantics, evaluation."""

from rules.judging.evaluate import Action, CompiledRules, Decision, Destinations, Evaluation, compile_rules
from rules.judging.facts import ImageFacts
from rules.judging.moment import Moment
from rules.language.ast import BALANCE, DICOM, LOCAL, SEND, Condition, Frame, Rule, Share
from rules.language.elements import ElementRules, from_elements, to_elements
from rules.language.errors import RuleError, RuleFileErrors, RuleSyntaxError
from rules.language.layout import NotInWords, decompile
from rules.language.parse import parse_rules

__all__ = [
    "BALANCE",
    "DICOM",
    "LOCAL",
    "SEND",
    "Action",
    "CompiledRules",
    "Condition",
    "Decision",
    "Destinations",
    "ElementRules",
    "Evaluation",
    "Frame",
    "ImageFacts",
    "Moment",
    "NotInWords",
    "Rule",
    "RuleError",
    "RuleFileErrors",
    "RuleSyntaxError",
    "Share",
    "compile_rules",
    "decompile",
    "from_elements",
    "parse_rules",
    "to_elements",
]
