"""[site]: the settings of a site, one row each in the database."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import ConfigDict, Field
from sqlalchemy import Connection, delete, func, insert, select

from fileman.files import SiteSetting
from fileman.locks import lock_for_transaction
from fileman.secrets import SiteKey
from fileman.site.rows import Row

_SETTINGS = select(SiteSetting.name, SiteSetting.value)


class SiteSettings(Row):
    """[site]: KERNEL SYSTEM PARAMETERS and what holds for all of imaging. The defaults are VistA's.

    What stands below a setting is what people are told of it.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)

    domain: str = "DEMO.MAGBROKER.EXAMPLE"
    """The system's name in mail."""

    volume: str = "ROU"
    """The volume set, as XUS SIGNON SETUP answers it."""

    uci: str = "VAH"
    """The namespace of routines and globals, as XUS SIGNON SETUP answers it."""

    server: str = "VISTA"
    """The server's name, as XUS SIGNON SETUP answers it."""

    device: str = "/dev/null"
    """The device of a session ($I)."""

    production: bool = False
    """Whether this is a production account."""

    signon_attempts: int = Field(default=5, ge=1)
    """Wrong codes before an address is turned away."""

    lockout_seconds: int = Field(default=900, ge=0)
    """Seconds that a lock lasts."""

    broker_timeout: int = Field(default=180, ge=1)
    """Seconds of silence after which a session is closed."""

    verify_lifetime_days: int = Field(default=90, ge=1, le=36500)
    """Days until a verify code has to be changed."""

    default_institution: int = 0
    """The institution whose site this is, and the division of users who have none."""

    site_number: int = 500
    """FileMan's site number; 500 is what VistA comes with."""

    intro: tuple[str, ...] = Field(default=(), strict=False)
    """Lines of the introductory text (XUS INTRO MSG)."""

    rule_semantics: Literal["documented", "vista"] = "documented"
    """How routing rules are judged: as documented, or as VistA does, defects included."""

    timing: Literal["prompt", "vista"] = "prompt"
    """Whether answers come at once, or pause where VistA's do."""

    m2m_context_check: bool = True
    """Whether calls over M-to-M need a context; VistA's do not."""

    consolidated: bool = True
    """Whether several divisions share the database."""

    patches: tuple[str, ...] = Field(default=(), strict=False)
    """Installed patches, for MAG DICOM GET VERSION."""

    uid_root: str = Field(default="1.2.840.113754", pattern=r"^\d+(\.\d+)*$")
    """DICOM UID ROOT (#2006.15): what the UIDs made here begin with."""

    agency: str = "V"
    """AGENCY CODE: V is Veterans Affairs, I the Indian Health Service."""

    post_sign_on: tuple[str, ...] = Field(default=(), strict=False)
    """Lines that follow the greeting at sign-on."""

    count_post_sign_on: bool = False
    """Whether the answer to a sign-on counts these lines."""

    lock_addresses: bool = False
    """Whether an address is locked after too many wrong codes."""

    lock_users: bool = False
    """Whether a user is locked out after too many wrong codes."""

    multiple_sign_on: bool = True
    """Whether a user may be signed on several times."""

    max_signed_on: int = Field(default=0, ge=0)
    """Sign-ons at one time; 0 is no bound."""

    logons_inhibited: bool = False
    """Whether nobody may sign on."""

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
    lock_for_transaction(connection, "site settings")
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
