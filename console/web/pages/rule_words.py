"""The words of the routing-rule language, for an editor: taken from its grammar, and from what a site has."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from rules.language.keywords import KEYWORDS

#: A terminal whose pattern begins with words: `SEND.5: /send\\s*\\(/i`, `_WHEN.5: /(when|if)\\b\\s*/i`.
_TERMINAL = re.compile(r"^_?[A-Z_]+\.5:\s+/\(?([a-z]+(?:\|[a-z]+)*)\)?(?=\\|\()", re.MULTILINE)


@cache
def words_of_language() -> tuple[str, ...]:
    """Give the words that the grammar has, in its order."""
    text = (resources.files("rules.language") / "route.lark").read_text(encoding="utf-8")
    return tuple(dict.fromkeys(word for words in _TERMINAL.findall(text) for word in words.split("|")))


def properties() -> list[str]:
    """Give the properties that conditions may ask for besides DICOM elements."""
    return sorted(KEYWORDS)
