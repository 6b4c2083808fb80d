"""Writing rules as a rule file."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rules.language.ast import BALANCE, DICOM, LOCAL, SEND, Condition, Rule, Share
from rules.language.errors import RuleError
from rules.language.frames import frame_text
from rules.language.keywords import BASE_PRIORITY, OPERATORS, data_type_of

_PLAIN = re.compile(r"[A-Z0-9_*?.\-]+")
_UNQUOTABLE = re.compile('["\u201c\u201d\u201e\u201f^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]')
_NAME = re.compile(r"[A-Z][A-Z0-9_]*", re.ASCII)


class NotInWords(RuleError):
    """A rule has something that the rule file has no words for."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"{self.__doc__} It is {what!r}.")


def decompile(rules: Iterable[Rule]) -> str:
    """Write rules as text. Raises NotInWords for masks that only elements can carry."""
    return "\n".join(_rule(rule) for rule in rules) + "\n"


def _quoted(text: str) -> str:
    if _UNQUOTABLE.search(text):
        raise NotInWords(text)
    return f'"{text}"'


def _rule(rule: Rule) -> str:
    whole = len(rule.parameters) == 1 if rule.verb in (SEND, DICOM) else rule.verb == BALANCE and rule.parameters
    if not whole or any(share.slot or bool(share.percent) is not (rule.verb == BALANCE) for share in rule.parameters):
        raise NotInWords(rule.action)
    if not rule.conditions:
        raise NotInWords(f"rule {rule.number} without conditions")
    if rule.priority not in ("", *BASE_PRIORITY) or rule.prior_study not in ("", "YES", "NO"):
        raise NotInWords(f"{rule.priority} {rule.prior_study}".strip())
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
    if not (share.percent.isdecimal() and (share.cap or "0").isdecimal()):
        raise NotInWords(str(share))
    return f"{name}={share.percent}%" + (f"/{share.cap}" if share.cap else "")


def _condition(condition: Condition) -> str:
    spoken = condition.operator in OPERATORS and _NAME.fullmatch(condition.keyword)
    if not spoken or condition.data_type != ("DT" if condition.frames else data_type_of(condition.keyword)):
        raise NotInWords(str(condition))
    if not condition.frames:
        value = condition.value if _PLAIN.fullmatch(condition.value) else _quoted(condition.value)
        return f"{condition.keyword}{condition.operator}{value}"
    texts = [frame_text(frame) for frame in condition.frames]
    known = [text for text in texts if text is not None]
    if len(known) < len(texts):
        raise NotInWords(str(condition))
    return f"{condition.keyword}{condition.operator}{{{'; '.join(known)}}}"
