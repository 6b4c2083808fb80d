"""What an error in a rule file says was expected, and which word was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

from rules.language.dicom_names import AE_TITLES
from rules.language.keywords import KEYWORDS

_CLOSE = 0.7

#: What a terminal of the grammar is to a person, in the order in which an error tells them.
_EXPECTED = {
    "_WHEN": "when or if",
    "STRING": "a text in quotes",
    "WORD": "a destination",
    "LOCAL": "<LOCAL>",
    "VALUE": "a value",
    "ITEM": "a value",
    "OPERATOR": "= != < > <= or >=",
    "_IN": "in",
    "_NOT_IN": "not in",
    "NAME": "a property",
    "NOT": "not",
    "OPEN": "(",
    "LPAR": "(",
    "_CLOSE": ")",
    "LBRACE": "{",
    "FRAME": "a frame such as MON 08:00 to 17:00",
    "DAY": "a weekday or HOL",
    "TIME": "a time HH:MM",
    "DATE": "a date",
    "INTEGER": "a number",
    "_TO": "to",
    "_FROM": "from",
    "_UNTIL": "until",
    "LEVEL": "LOW, MEDIUM, NORMAL or HIGH",
    "ANSWER": "YES or NO",
    "EQUAL": "=",
    "PERCENT": "%",
    "SLASH": "/",
    "_COMMA": ",",
    "_SEMICOLON": ";",
    "_CLOSE_BRACE": "}",
    "_AND": "and",
    "_OR": "or",
    "PRIORITY": "priority",
    "PRIORSTUDY": "priorstudy",
    "VALID": "valid",
    "ENABLED": "enabled",
    "SEND": "send(...)",
    "DICOM": "dicom(...)",
    "BALANCE": "balance(...)",
    "_RULE": 'rule "..."',
    "_DESTINATION": "destination",
    "_HOLIDAY": "holiday",
    "$END": "the end of the file",
}
#: The words of the language by the terminal that they are.
_WORDS: dict[str, tuple[str, ...]] = {
    "SEND": ("SEND",),
    "DICOM": ("DICOM",),
    "BALANCE": ("BALANCE",),
    "_RULE": ("RULE",),
    "_DESTINATION": ("DESTINATION",),
    "_HOLIDAY": ("HOLIDAY",),
    "_WHEN": ("WHEN", "IF"),
    "_AND": ("AND",),
    "_OR": ("OR",),
    "NOT": ("NOT",),
    "_IN": ("IN",),
    "_NOT_IN": ("NOT IN",),
    "_TO": ("TO",),
    "_FROM": ("FROM",),
    "_UNTIL": ("UNTIL",),
    "PRIORITY": ("PRIORITY",),
    "PRIORSTUDY": ("PRIORSTUDY",),
    "ENABLED": ("ENABLED",),
    "VALID": ("VALID",),
    "LEVEL": ("LOW", "MEDIUM", "NORMAL", "HIGH"),
    "ANSWER": ("YES", "NO"),
    "DAY": ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "HOL"),
    "LOCAL": ("<LOCAL>",),
    "NAME": (*KEYWORDS, *AE_TITLES),
}
#: What may stand where a condition may: a word that is close to one of these was probably meant to be it.
BETWEEN_CONDITIONS = (
    *("_AND", "_OR", "NOT", "PRIORITY", "PRIORSTUDY", "VALID", "ENABLED"),
    *("SEND", "DICOM", "BALANCE", "_RULE", "_DESTINATION", "_HOLIDAY"),
)


def expected_words(terminals: Collection[str]) -> str:
    """Say what terminals of the grammar are to a person."""
    words = list(dict.fromkeys(text for name, text in _EXPECTED.items() if name in terminals)) or ["something else"]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


def suggestion(word: str, terminals: Iterable[str]) -> str:
    """Give the word of the language that is close to this one; empty when none is, or it is one."""
    wanted = [text for name in terminals for text in _WORDS.get(name, ())]
    return close_word(word, wanted)


def is_word(text: str, terminals: Iterable[str]) -> bool:
    """Tell whether a text is one of the words that some terminals are."""
    return any(text.upper() in _WORDS.get(name, ()) for name in terminals)


def close_word(word: str, words: Collection[str]) -> str:
    """Give the one of some words, in capitals, that a person probably meant; empty when none is close, or the word is one."""
    given = word.upper()
    if not given or given in words:
        return ""
    found = difflib.get_close_matches(given, words, n=1, cutoff=_CLOSE)
    if found:
        return found[0]
    begun = [each for each in words if len(each) > 2 and given.startswith(each)]
    return begun[0] if begun else ""
