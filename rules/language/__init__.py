"""The rule language, pure: the rule file and the caret elements, read and written."""

from rules.language.elements import ElementRules, from_elements, to_elements
from rules.language.errors import NotForVista, NotInElements, Reason, RuleError, RuleFileErrors, RuleFileTooLong, RuleSyntaxError
from rules.language.layout import NotInWords, decompile, format_rule_file
from rules.language.names import resolve
from rules.language.normal_form import for_elements, for_vista, is_flat, unheeded_by_vista
from rules.language.parse import parse_rule_file, parse_rules

__all__ = [
    "ElementRules",
    "NotForVista",
    "NotInElements",
    "NotInWords",
    "Reason",
    "RuleError",
    "RuleFileErrors",
    "RuleFileTooLong",
    "RuleSyntaxError",
    "decompile",
    "for_elements",
    "for_vista",
    "format_rule_file",
    "from_elements",
    "is_flat",
    "parse_rule_file",
    "parse_rules",
    "resolve",
    "to_elements",
    "unheeded_by_vista",
]
