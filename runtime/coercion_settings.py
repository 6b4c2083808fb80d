"""The tables of a transmit destination that say what it gets another way than it is stored."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

#: Group, number in whichever block, and the creator of the block.
PRIVATE_ELEMENT = re.compile(r"\(([0-9A-Fa-f]{3}[13579BDFbdf]),xx([0-9A-Fa-f]{2})\) (.+)")
_TABLE = ConfigDict(extra="forbid", frozen=True)


class CoerceSettings(BaseModel):
    """[[gateway.destination."NAME".coerce]]: one attribute that is changed on sending.

    Attributes are named by keyword or as (gggg,eeee), those in a sequence as `RequestAttributesSequence>AccessionNumber`.
    """

    model_config = _TABLE

    attribute: str
    set: str | None = None
    copy_from: str | None = None
    prefix: str = ""
    suffix: str = ""
    empty: bool = False
    remove: bool = False
    when: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _does_one_thing(self) -> CoerceSettings:
        """See to it that a table says what is to be done, and one thing only."""
        given = [self.set is not None, self.copy_from is not None, self.empty, self.remove]
        affixed = bool(self.prefix or self.suffix)
        if sum(given) > 1 or (affixed and (self.empty or self.remove)) or not (any(given) or affixed):
            raise ValueError("give one of set, copy_from, empty and remove; prefix and suffix go alone, or with set or copy_from")
        return self


class DeidentificationSettings(BaseModel):
    """[gateway.destination."NAME".deidentify]: the options of the Basic Application Level Confidentiality Profile (PS3.15 E)."""

    model_config = _TABLE

    retain_uids: bool = False
    retain_device_identity: bool = False
    retain_institution_identity: bool = False
    retain_patient_characteristics: bool = False
    retain_dates: Literal["", "full", "modified"] = ""
    clean_descriptors: tuple[str, ...] = ()
    clean_structured_content: bool = False
    clean_graphics: bool = False
    safe_private: tuple[str, ...] = ()
    send_burned_in: bool = False

    @field_validator("clean_descriptors")
    @classmethod
    def _patterns_tell_texts_apart(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        """See to it that no pattern matches whatever somebody wrote."""
        for pattern in patterns:
            if not pattern.strip("*? "):
                raise ValueError(f"{pattern!r} matches texts of any kind; name those that have no identity")
        return patterns

    @field_validator("safe_private")
    @classmethod
    def _are_private_elements(cls, elements: tuple[str, ...]) -> tuple[str, ...]:
        """See to it that each is a private element of somebody's."""
        for element in elements:
            if not PRIVATE_ELEMENT.fullmatch(element):
                raise ValueError(f"{element!r} is no private element; write it as (0019,xx0A) SIEMENS MR HEADER")
        return elements
