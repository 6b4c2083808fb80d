"""A routing rule as a value, the same whether it came from the rule file or as caret elements."""

from __future__ import annotations

from dataclasses import dataclass

SEND, DICOM, BALANCE = "SEND", "DICOM", "BALANCE"
#: A share of a balance that stays where it is.
LOCAL = "<LOCAL>"


@dataclass(frozen=True, slots=True)
class Share:
    """One parameter of an action: a destination, for BALANCE with its percentage and its cap of studies a day.

    `slot` is the parameter's number where they are not numbered 1, 2, 3...: VistA sends to number 1 and to no other.
    """

    destination: str
    percent: str = ""
    cap: str = ""
    slot: str = ""

    def __str__(self) -> str:
        """Write the parameter as VistA keeps it."""
        if self.cap:
            return f"{self.destination}^{self.percent}^{self.cap}"
        return f"{self.destination}^{self.percent}" if self.percent else self.destination


@dataclass(frozen=True, slots=True)
class Frame:
    """A range of dates and times: of `begin` and `end` the places count where `mask` has an upper-case letter.

    Places: 1-3 weekday or HOL, 4-7 year, 8-9 month, 10-11 day, 12 a point, 13-14 hour, 15-16 minute, 17-18 second.
    """

    mask: str
    begin: str
    end: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: a keyword compared with a value, or with frames of which one must hold."""

    keyword: str
    operator: str
    data_type: str
    value: str = ""
    frames: tuple[Frame, ...] = ()

    def __str__(self) -> str:
        """Write the condition for a person."""
        return f"{self.keyword}{self.operator}{self.value if not self.frames else '{...}'}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: when all conditions hold, the action is carried out."""

    number: int
    verb: str
    parameters: tuple[Share, ...] = ()
    conditions: tuple[Condition, ...] = ()
    priority: str = ""
    prior_study: str = ""

    @property
    def location(self) -> str:
        """Give the name that SEND and DICOM look up: parameter number 1, empty when there is none."""
        return next((str(share) for share in self.parameters if share.slot in ("", "1")), "")

    @property
    def action(self) -> str:
        """Write the action as the evaluator's log does: `SEND (KANSAS)`."""
        if not self.verb and not self.parameters:
            return f"Rule #{self.number}"
        return self.verb + (f" ({', '.join(str(share) for share in self.parameters)})" if self.parameters else "")
