"""Routing rules: the rule file, its caret elements, two semantics, evaluation."""

from rules.ast import BALANCE, DICOM, LOCAL, SEND, Condition, Frame, Rule, Share
from rules.decompile import NotInWords, decompile
from rules.elements import ElementRules, from_elements, to_elements
from rules.errors import RuleError, RuleFileErrors, RuleSyntaxError
from rules.evaluate import Action, CompiledRules, Decision, Destinations, Evaluation, compile_rules
from rules.facts import ImageFacts
from rules.moment import Moment
from rules.parse import parse_rules

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
