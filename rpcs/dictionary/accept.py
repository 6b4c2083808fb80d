"""What a caller may write into fields that may be changed (input transforms)."""

from __future__ import annotations

from collections.abc import Mapping

from rpcs.dictionary.view import Accept


class NotAccepted(ValueError):
    """The value is none that the field takes."""


def one_of(codes: Mapping[str, object]) -> Accept:
    """Take a code or its words, in any letter case."""

    def accept(text: str) -> object:
        if text.upper() not in codes:
            raise NotAccepted(text)
        return codes[text.upper()]

    return accept


def text_up_to(most: int) -> Accept:
    """Take so many printable characters and no caret."""

    def accept(text: str) -> object:
        if not 0 < len(text) <= most or "^" in text or not text.isprintable():
            raise NotAccepted(text)
        return text

    return accept


def number_between(least: int, most: int) -> Accept:
    """Take a whole number."""

    def accept(text: str) -> object:
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most):
            raise NotAccepted(text)
        return int(text)

    return accept
