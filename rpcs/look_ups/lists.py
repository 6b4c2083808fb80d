"""What the searches of radiology's files have in common (LOOKUP^MAGDRPCB)."""

from __future__ import annotations

#: Entries that a search answers; of more, none.
LIMIT = 100
#: Characters of a name that FileMan's index holds.
_INDEXED = 30


def search_text(text: str) -> str:
    """Give what a search looks for: upper case, without wild cards, as long as the index."""
    return text.replace("*", "").replace("?", "").upper()[:_INDEXED]


def too_many() -> str:
    """Say that more was found than is answered."""
    return f"-2,More than {LIMIT} matches; please specify more characters in the name."
