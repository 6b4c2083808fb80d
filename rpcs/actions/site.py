"""What the site consists of, for administrators: users, contexts, places, network locations, destinations, and its settings."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from sqlalchemy import bindparam, or_, select

from fileman import (
    CONTEXT,
    DESTINATION,
    IMAGING_SITE,
    INSTITUTION,
    NETWORK_LOCATION,
    USER,
    SiteSettings,
    bump_site_version,
    entries,
    lock_for_transaction,
    put_setting,
    site_settings,
)
from fileman.files import Exam, ImagingSite, NewPerson, UserKey, UserOption
from rpcs.actions import parameters as takes
from rpcs.actions.action import Act, action
from rpcs.actions.entries import Entry, Family, entry_actions
from rpcs.actions.errors import BadRequest, NotFound
from rpcs.actions.people_entries import (
    CONTEXT_AMENDS,
    USER_FILTERS,
    amended_context,
    more_of_context,
    more_of_user,
    unknown_procedures,
)
from rpcs.actions.place_guards import lie_in, relied_upon, renamed_away, to_be_copied, unsent
from rpcs.actions.rules import KEY
from rpcs.actions.tokens import MANAGER
from runtime import other_names

#: The setting that says which key the site's hashes need: nobody sets it by hand.
_FIXED = frozenset({"key_fingerprint"})
_WRITTEN_TO = select(ImagingSite.ien).where(
    or_(
        *(
            column == bindparam("ien_")
            for column in (ImagingSite.write_location, ImagingSite.pacs_write_location, ImagingSite.jukebox_location)
        )
    )
)
_PLACES_OF = select(ImagingSite.ien).where(ImagingSite.institution == bindparam("ien_"))
_EXAMS_AT = select(Exam.ien).where(Exam.location == bindparam("ien_")).limit(1)
_USERS_OF = select(UserOption.duz).where(UserOption.option == bindparam("name_")).limit(1)
_OTHER_MANAGERS = (
    select(UserKey.duz)
    .join(NewPerson, NewPerson.duz == UserKey.duz)
    .where(UserKey.key == MANAGER, UserKey.duz != bindparam("duz_"), NewPerson.disuser.is_(False), NewPerson.terminated == "")
    .where(NewPerson.access_hash != "", NewPerson.verify_hash != "")
    .limit(1)
)


def _missing(act: Act, entry: Entry, fields: dict[str, Any]) -> str:
    """Say which entry that is named is not there; empty when all are. Names are looked up among the entries of a kind."""
    for field, kind in fields.items():
        value = entry.get(field)
        wanted = value if isinstance(value, list | tuple) else [value] if value not in (None, "") else []
        there = {it[kind.number] for it in entries(act.connection, kind)} if wanted else set()
        for one in wanted:
            if one not in there:
                return f"{field.upper().replace('_', ' ')} names {kind.section.name} {one}, which is not there."
    return ""


def _lies_there(act: Act, entry: Entry) -> str:
    key = {"ien_": entry["ien"]}
    if lie_in(act, entry["ien"]):
        return f"Files of images lie in {entry['name']}; it can be put off line, not be removed."
    if (place := act.connection.execute(_WRITTEN_TO, key).scalar()) is not None:
        return f"Place {place} writes to {entry['name']}; MAGB PLACE EDIT gives it another location before."
    return ""


def _used_institution(act: Act, entry: Entry) -> str:
    key = {"ien_": entry["ien"]}
    if (place := act.connection.execute(_PLACES_OF, key).scalar()) is not None:
        return f"Place {place} is at {entry['name']}."
    return "" if act.connection.execute(_EXAMS_AT, key).first() is None else f"There are exams at {entry['name']}."


def _used_context(act: Act, entry: Entry) -> str:
    user = act.connection.execute(_USERS_OF, {"name_": entry["name"]}).scalar()
    return (
        ""
        if user is None
        else f"User {user}, at least, has the context {entry['name']}; MAGB CONTEXT REVOKE takes it away before."
    )


def last_manager(act: Act, entry: Entry) -> str:
    """Say that nobody would be left who manages users; empty when somebody is."""
    lock_for_transaction(act.connection, MANAGER)
    gone = entry.get("disuser") or entry.get("terminated") or MANAGER not in entry.get("keys", ())
    if not gone or act.connection.execute(_OTHER_MANAGERS, {"duz_": entry.get("duz", 0)}).first() is not None:
        return ""
    held: Entry | None = next((it for it in entries(act.connection, USER) if it["duz"] == entry.get("duz")), None)
    was = held is not None and MANAGER in held["keys"] and not held["disuser"] and not held["terminated"]
    return f"Nobody else holds the security key {MANAGER}: then nobody could manage users any more." if was else ""


def _unfit_user(act: Act, given: Entry, whole: Entry) -> str:
    missing = _missing(act, given, {"divisions": INSTITUTION, "default_division": INSTITUTION, "contexts": CONTEXT})
    return missing or last_manager(act, whole)


FAMILIES = (
    Family(
        "DESTINATION",
        "transmit destination",
        DESTINATION,
        KEY,
        {
            "name": "What it is called, as rules and queues name it.",
            "ae_title": "Its AE title.",
            "host": "Its host.",
            "port": "Its port.",
            "location": "The institution whose images go there.",
            "gateway": "The gateway that sends, by its machine name; any if empty.",
            "gateway_ae_title": "The calling AE title; the gateway's own if empty.",
            "services": "What it does, as 'C-STORE SCP,C-ECHO SCU SCP'.",
        },
        ("ien", "name", "ae_title", "host", "port", "gateway", "location"),
        unfit=lambda act, given, whole: _missing(act, given, {"location": INSTITUTION}) or renamed_away(act, whole),
        needed=unsent,
    ),
    Family(
        "LOCATION",
        "network location",
        NETWORK_LOCATION,
        KEY,
        {
            "name": "What it is called.",
            "physical": "The share, as procedures answer it.",
            "path": "Where the share lies on this machine, relative to the data directory or whole.",
            "kind": "Short-term, long-term, or another site's router.",
            "router": "Whether files are copied there for others.",
            "site": "The place that it belongs to.",
            "hash": "Whether files lie in directories by their numbers.",
            "send": "File types that are copied there, as FULL,DICOM.",
            "retention_days": "Days for which copies are kept there.",
            "retry_connect": "Minutes between attempts to connect.",
            "retry_transmit": "Attempts to copy a file.",
            "user": "The user name for the share.",
            "password": "The password for the share.",
            "subdirectory": "A directory below the share.",
            "compression": "How files are compressed for it.",
            "label": "The medium's label, where media are changed.",
            "high_watermark": "How full it may get before images are released, as 90% or 500 GB.",
            "low_watermark": "How full it is afterwards.",
            "retrieve_seconds": "How long an image takes to come from there.",
        },
        ("ien", "name", "kind", "online", "label", "path", "physical"),
        unfit=lambda act, given, whole: _missing(act, given, {"site": IMAGING_SITE}) or relied_upon(act, whole),
        needed=lambda act, entry: _lies_there(act, entry) or to_be_copied(act, entry),
    ),
    Family(
        "PLACE",
        "imaging place",
        IMAGING_SITE,
        MANAGER,
        {
            "institution": "The institution that it is at.",
            "namespace": "The letters that files' names begin with.",
            "site_code": "The site code; the namespace if empty.",
            "write_location": "The network location that images are written to.",
            "pacs_write_location": "The one that a PACS's images are written to.",
            "jukebox_location": "The one that long-term copies are written to.",
            "pacs": "Whether there is a PACS.",
            "pacs_retention_days": "Days for which a PACS's images are kept.",
            "pacs_minimum_space": "Percent of the disk that are kept free.",
            "gateway_access": "The access code by which gateways sign on.",
            "gateway_verify": "The verify code by which gateways sign on.",
        },
        ("ien", "institution", "namespace", "site_code", "write_location", "jukebox_location"),
        unfit=lambda act, given, _whole: _missing(
            act,
            given,
            {
                "institution": INSTITUTION,
                "write_location": NETWORK_LOCATION,
                "pacs_write_location": NETWORK_LOCATION,
                "jukebox_location": NETWORK_LOCATION,
            },
        ),
        needed=None,  # it holds counters and queues
    ),
    Family(
        "INSTITUTION",
        "institution",
        INSTITUTION,
        MANAGER,
        {"name": "Its name.", "station": "Its station number."},
        ("ien", "name", "station"),
        needed=_used_institution,
    ),
    Family(
        "CONTEXT",
        "context",
        CONTEXT,
        MANAGER,
        {
            "rpcs": "Its remote procedures, parted by commas; * is every one.",
            "items": "Options below it, whose procedures it has too.",
            "lock": "A security key that its users must hold.",
            "reverse_lock": "A security key that its users must not hold.",
            "out_of_order": "Why it cannot be used now.",
            "prohibited_times": "When it cannot be used, as MO-FR@0800-1630.",
            "rpc_keys": "Security keys that single procedures need, as a JSON object.",
        },
        ("name", "lock", "out_of_order", "prohibited_times"),
        looks=MANAGER,
        unfit=lambda act, given, _whole: _missing(act, given, {"items": CONTEXT}),
        needed=_used_context,
        more=more_of_context,
        warns=unknown_procedures,
        amends=CONTEXT_AMENDS,
        amended=amended_context,
    ),
    Family(
        "USER",
        "user",
        USER,
        MANAGER,
        {
            "name": "The name, as LAST,FIRST MIDDLE.",
            "divisions": "Institutions in which the user may sign on.",
            "default_division": "The one that counts unless another is chosen.",
            "contexts": "Contexts that the user may create.",
            "keys": "Security keys that the user holds.",
            "title": "The title.",
            "service": "The service or section.",
            "nickname": "How the greeting says the name.",
            "timeout": "Seconds of silence after which a session ends; the site's if empty.",
            "primary_menu": "The primary menu option.",
            "disuser": "Whether the user may not sign on.",
            "terminated": "The day from which the user may not, as 2026-11-24.",
            "verify_never_expires": "Whether the verify code need never be changed.",
            "multiple_sign_on": "Whether the user may be signed on several times.",
            "prohibited_times": "When the user may not sign on, as MO-FR@0800-1630.",
            "radiology_classes": "Classifications in radiology, as ST.",
        },
        ("duz", "name", "title", "keys", "contexts", "disuser", "terminated", "locked_until"),
        looks=MANAGER,
        unfit=_unfit_user,
        needed=lambda act, entry: last_manager(act, {**entry, "disuser": True}),
        filters=USER_FILTERS,
        more=more_of_user,
    ),
)
LOCATIONS, USERS = FAMILIES[1], FAMILIES[-1]
for _family in FAMILIES:
    entry_actions(_family)


@action(
    "MAGB SITE SHOW",
    key=MANAGER,
    lists={"settings": ("name", "value", "about"), "places": ("ien", "institution", "namespace", "write_location")},
)
def site_show(act: Act) -> dict[str, Any]:
    """Show the site's settings, kernel system parameters and what holds for all of imaging, and its imaging places."""
    settings = site_settings(act.connection).model_dump(mode="json")
    told = {name: field.description for name, field in SiteSettings.model_fields.items() if name not in _FIXED}
    return {
        "settings": [{"name": name, "value": settings[name], "about": told[name]} for name in sorted(told)],
        "places": list(entries(act.connection, IMAGING_SITE)),
    }


@action(
    "MAGB SITE EDIT",
    takes.text("NAME", "The setting, as MAGB SITE SHOW names it.", required=True),
    takes.text("VALUE", "Its value: text, a number, true or false, or JSON.", required=True),
    writes=True,
    key=MANAGER,
)
def site_edit(act: Act) -> dict[str, Any]:
    """Change one of the site's settings; every broker heeds it at once."""
    name = act.text("NAME")
    names = sorted(set(SiteSettings.model_fields) - _FIXED)
    if name not in names:
        raise NotFound(f"There is no setting {name[:60]!r}.{other_names(name, names)}")
    before = getattr(site_settings(act.connection), name)
    try:
        after = put_setting(act.connection, name, act.text("VALUE"))
    except ValidationError as error:
        raise BadRequest(f"{name}: {error.errors()[0]['msg'].removeprefix('Value error, ')}.") from error
    bump_site_version(act.connection)
    act.changed(f"site setting {name}", before, after)
    return {"name": name, "value": after}
