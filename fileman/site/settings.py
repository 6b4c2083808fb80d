"""[site]: the settings of a site, one row each in the database."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import Field
from sqlalchemy import Connection, delete, func, insert, select

from fileman.files import SiteSetting
from fileman.secrets import SiteKey
from fileman.site.rows import Row

_SETTINGS = select(SiteSetting.name, SiteSetting.value)


class SiteSettings(Row):
    """[site]: KERNEL SYSTEM PARAMETERS and what holds for all of imaging. The defaults are VistA's."""

    domain: str = "DEMO.MAGBROKER.EXAMPLE"
    volume: str = "ROU"
    uci: str = "VAH"
    server: str = "VISTA"
    device: str = "/dev/null"
    production: bool = False
    signon_attempts: int = Field(default=5, ge=1)
    lockout_seconds: int = Field(default=900, ge=0)
    broker_timeout: int = Field(default=180, ge=1)
    verify_lifetime_days: int = Field(default=90, ge=1, le=36500)
    default_institution: int = 0
    site_number: int = 500
    """FileMan's site number; 500 is what VistA comes with."""

    intro: tuple[str, ...] = Field(default=(), strict=False)
    rule_semantics: Literal["documented", "vista"] = "documented"
    timing: Literal["prompt", "vista"] = "prompt"
    m2m_context_check: bool = True
    consolidated: bool = True
    patches: tuple[str, ...] = Field(default=(), strict=False)
    uid_root: str = Field(default="1.2.840.113754", pattern=r"^\d+(\.\d+)*$")
    """DICOM UID ROOT (#2006.15): what the UIDs made here begin with."""

    agency: str = "V"
    """AGENCY CODE: V is Veterans Affairs, I the Indian Health Service."""

    post_sign_on: tuple[str, ...] = Field(default=(), strict=False)
    count_post_sign_on: bool = False
    lock_addresses: bool = False
    lock_users: bool = False
    multiple_sign_on: bool = True
    max_signed_on: int = Field(default=0, ge=0)
    logons_inhibited: bool = False
    key_fingerprint: str = ""
    """Which site key the hashes and enciphered codes of a dump need; the database's own key is written here."""

    def device_of(self, transport: str) -> str:
        """Give $I as a session of a transport sees it: M-to-M sessions run on principal device 0."""
        return "0" if transport == "M2M" else self.device


def is_empty(connection: Connection) -> bool:
    """Tell whether no site file was ever loaded."""
    return connection.execute(select(func.count()).select_from(SiteSetting)).scalar_one() == 0


def site_settings(connection: Connection) -> SiteSettings:
    """Read the [site] table."""
    return SiteSettings.model_validate({name: json.loads(value) for name, value in connection.execute(_SETTINGS)})


def put_setting(connection: Connection, name: str, text: str) -> object:
    """Set one setting: a text as it is where the setting is one, else JSON. Gives its value; raises ValidationError."""
    settings = site_settings(connection)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    given = text if SiteSettings.model_fields[name].annotation is str else value
    made = SiteSettings.model_validate({**settings.model_dump(), name: given})
    written = made.model_dump(mode="json")[name]
    connection.execute(delete(SiteSetting).where(SiteSetting.name == name))
    connection.execute(insert(SiteSetting).values(name=name, value=json.dumps(written)))
    return written


def fill_settings(connection: Connection, settings: SiteSettings, key: SiteKey) -> None:
    """Put settings in place of those that were there, with the fingerprint of the site's key."""
    connection.execute(delete(SiteSetting))
    values = {**settings.model_dump(mode="json"), "key_fingerprint": key.fingerprint()}
    connection.execute(insert(SiteSetting), [{"name": name, "value": json.dumps(value)} for name, value in values.items()])
