"""Writing rules as a rule file."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rules.ast import LOCAL, Condition, Rule, Share
from rules.frames import frame_text

_PLAIN = re.compile(r"[A-Z0-9_*?.\-]+")


class NotInWords(ValueError):
    """A rule has something that the rule file has no words for."""


def decompile(rules: Iterable[Rule]) -> str:
    """Write rules as text. Raises NotInWords for masks that only elements can carry."""
    return "\n".join(_rule(rule) for rule in rules) + "\n"


def _quoted(text: str) -> str:
    if '"' in text or "\n" in text:
        raise NotInWords(text)
    return f'"{text}"'


def _rule(rule: Rule) -> str:
    parameters = ", ".join(_share(share) for share in rule.parameters)
    parts = [f"{rule.verb.lower()}({parameters}) when {' '.join(_condition(condition) for condition in rule.conditions)}"]
    if rule.priority:
        parts.append(f"priority {rule.priority}")
    if rule.prior_study:
        parts.append(f"priorstudy {rule.prior_study}")
    return " ".join(parts)


def _share(share: Share) -> str:
    name = LOCAL if share.destination == LOCAL else _quoted(share.destination)
    if not share.percent:
        return name
    return f"{name}={share.percent}%" + (f"/{share.cap}" if share.cap else "")


def _condition(condition: Condition) -> str:
    if not condition.frames:
        value = condition.value if _PLAIN.fullmatch(condition.value) else _quoted(condition.value)
        return f"{condition.keyword}{condition.operator}{value}"
    texts = [frame_text(frame) for frame in condition.frames]
    known = [text for text in texts if text is not None]
    if len(known) < len(texts):
        raise NotInWords(str(condition))
    return f"{condition.keyword}{condition.operator}{{{'; '.join(known)}}}"
