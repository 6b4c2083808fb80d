"""Kernel's files: parameters, institutions, people, options, holidays, sign-on log, tasks and locks."""

from __future__ import annotations

from sqlalchemy import Float, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from fileman.files.base import File


class FileHeader(File):
    """The last internal entry number of a numbered file (the third piece of a FileMan zero node). SQLite only."""

    __tablename__ = "file_header"

    file: Mapped[str] = mapped_column(String(40), primary_key=True)
    last_ien: Mapped[int]


class SiteVersion(File):
    """One row whose number grows whenever site data changes: caches compare it and are thrown away."""

    __tablename__ = "site_version"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]


class SiteSetting(File):
    """The [site] table of the site file: KERNEL SYSTEM PARAMETERS (#8989.3) and imaging-wide parameters, as JSON."""

    __tablename__ = "site_setting"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class Institution(File):
    """INSTITUTION (#4)."""

    __tablename__ = "institution"

    ien: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    station: Mapped[str] = mapped_column(default="", index=True)

    __table_args__ = (Index(None, "name", "ien"),)


class NewPerson(File):
    """NEW PERSON (#200)."""

    __tablename__ = "new_person"

    duz: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    access_hash: Mapped[str] = mapped_column(index=True)
    verify_hash: Mapped[str]
    verify_changed: Mapped[str] = mapped_column(default="")
    verify_never_expires: Mapped[bool] = mapped_column(default=False)
    terminated: Mapped[str] = mapped_column(default="")
    disuser: Mapped[bool] = mapped_column(default=False)
    locked_until: Mapped[str] = mapped_column(default="")
    default_division: Mapped[int | None]
    primary_menu: Mapped[str] = mapped_column(default="")
    nickname: Mapped[str] = mapped_column(default="")
    title: Mapped[str] = mapped_column(default="")
    service: Mapped[str] = mapped_column(default="")
    timeout: Mapped[int | None]
    last_sign_on: Mapped[str] = mapped_column(default="")
    failed_attempts: Mapped[int] = mapped_column(default=0)
    verify_history: Mapped[str] = mapped_column(Text, default="")
    multiple_sign_on: Mapped[str] = mapped_column(default="")
    prohibited_times: Mapped[str] = mapped_column(default="")
    radiology_classes: Mapped[str] = mapped_column(default="")  # codes of RAD/NUC MED CLASSIFICATION, such as ST

    __table_args__ = (Index(None, "name", "duz"),)


class UserDivision(File):
    """DIVISION multiple (#200.02)."""

    __tablename__ = "user_division"

    duz: Mapped[int] = mapped_column(ForeignKey("new_person.duz", ondelete="CASCADE"), primary_key=True)
    institution: Mapped[int] = mapped_column(primary_key=True)
    position: Mapped[int]


class UserKey(File):
    """KEYS multiple (#200.051)."""

    __tablename__ = "user_key"

    duz: Mapped[int] = mapped_column(ForeignKey("new_person.duz", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]


class UserOption(File):
    """SECONDARY MENU OPTIONS multiple (#200.03)."""

    __tablename__ = "user_option"

    duz: Mapped[int] = mapped_column(ForeignKey("new_person.duz", ondelete="CASCADE"), primary_key=True)
    option: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]


class Option(File):
    """OPTION (#19), the part that contexts need. Type B is a broker option; VistA does not check it."""

    __tablename__ = "option"

    ien: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str] = mapped_column(default="B")
    lock: Mapped[str] = mapped_column(default="")
    out_of_order: Mapped[str] = mapped_column(default="")
    reverse_lock: Mapped[str] = mapped_column(default="")
    prohibited_times: Mapped[str] = mapped_column(default="")


class OptionItem(File):
    """MENU multiple of OPTION (#19.01): the options below one, by name."""

    __tablename__ = "option_item"

    option: Mapped[int] = mapped_column(ForeignKey("option.ien", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[str]


class OptionRpc(File):
    """RPC multiple of OPTION (#19.05); `*` stands for every procedure. `key` is the RPCKEY that its caller must hold."""

    __tablename__ = "option_rpc"

    option: Mapped[int] = mapped_column(ForeignKey("option.ien", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    rpc: Mapped[str]
    key: Mapped[str] = mapped_column(default="")


class Holiday(File):
    """HOLIDAY (#40.5), found by FileMan date."""

    __tablename__ = "holiday"

    date: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]


class SignOnLog(File):
    """SIGN-ON LOG (#3.081). An entry without `signed_off` is a session as long as its broker lives."""

    __tablename__ = "sign_on_log"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    duz: Mapped[int] = mapped_column(index=True)
    signed_on: Mapped[str]
    signed_off: Mapped[str] = mapped_column(default="", index=True)
    address: Mapped[str] = mapped_column(default="")
    client: Mapped[str] = mapped_column(default="")
    transport: Mapped[str] = mapped_column(default="")
    division: Mapped[int | None]
    broker: Mapped[str] = mapped_column(default="")


class SessionEnd(File):
    """A session, by its entry of the SIGN-ON LOG, that somebody wants ended: its broker does that and takes the row away."""

    __tablename__ = "session_end"

    sign_on: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    asked_by: Mapped[str]
    asked_at: Mapped[float] = mapped_column(Float(53))


class FailedAccess(File):
    """FAILED ACCESS ATTEMPTS by address (#3.084): forgotten when nothing came for a while."""

    __tablename__ = "failed_access"

    address: Mapped[str] = mapped_column(primary_key=True)
    attempts: Mapped[int]
    last_at: Mapped[float] = mapped_column(Float(53))


class LockedAddress(File):
    """LOCKED IP or DEVICE (#3.083): an address from which nobody may sign on, until a FileMan date."""

    __tablename__ = "locked_address"

    address: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[str]


class SignOnToken(File):
    """A token that signs its bearer on once, before `expires_at` (seconds): kept as a hash."""

    __tablename__ = "sign_on_token"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    duz: Mapped[int]
    division: Mapped[int | None]
    address: Mapped[str] = mapped_column(default="")
    expires_at: Mapped[float] = mapped_column(Float(53), index=True)


class ApiToken(File):
    """A token by which a program acts as a user over the JSON API, until `expires_at`: kept as a hash.

    Times are in seconds since the epoch; `used_at` is the last time that is noted, 0 for never, `label` what the user called it.
    """

    __tablename__ = "api_token"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    duz: Mapped[int] = mapped_column(index=True)
    label: Mapped[str] = mapped_column(default="")
    address: Mapped[str] = mapped_column(default="")
    made_at: Mapped[float] = mapped_column(Float(53))
    used_at: Mapped[float] = mapped_column(Float(53), default=0.0)
    expires_at: Mapped[float] = mapped_column(Float(53), index=True)


class ErrorLog(File):
    """ERROR LOG (#3.075): what failed inside a procedure, with the traceback that the wire does not show."""

    __tablename__ = "error_log"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[str]
    text: Mapped[str] = mapped_column(Text)
    last_reference: Mapped[str] = mapped_column(default="")
    rpc: Mapped[str] = mapped_column(default="")
    duz: Mapped[int] = mapped_column(default=0)
    address: Mapped[str] = mapped_column(default="")
    context: Mapped[str] = mapped_column(default="")
    traceback: Mapped[str] = mapped_column(Text, default="")


class Fault(File):
    """A fault that a tester has set (`magbroker fault set`); `facts` is JSON."""

    __tablename__ = "fault"

    name: Mapped[str] = mapped_column(primary_key=True)
    facts: Mapped[str] = mapped_column(Text, default="{}")


class Lease(File):
    """A LOCK with a holder and an expiry, in seconds since the epoch."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    expires_at: Mapped[float] = mapped_column(Float(53))
