"""The tables of a transmit destination that say what it gets another way than it is stored."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

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
    clean_descriptors: tuple[Annotated[str, Field(pattern=r"[^*?\s]")], ...] = ()
    clean_structured_content: bool = False
    clean_graphics: bool = False
    safe_private: tuple[Annotated[str, Field(pattern=r"^\([0-9A-Fa-f]{3}[13579BDFbdf],xx[0-9A-Fa-f]{2}\) .+$")], ...] = ()
    send_burned_in: bool = False
