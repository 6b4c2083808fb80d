"""What a person does with the archive: say what is kept or never archived, see what operators are asked for, mount media.

Everybody who may use the context may look; a change takes the key MAG SYSTEM. Who said what of a study or patient, and who
answered a request last, is kept with the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, delete, func, or_, select, update
from sqlalchemy.orm import aliased

from fileman import (
    ARCHIVE_RULES,
    DEFAULT_RULE,
    PATIENT_SCOPE,
    STUDY_SCOPE,
    Override,
    close_request,
    count_queued,
    list_operator_requests,
    list_overrides,
    override_of,
    set_override,
)
from fileman.files import BackgroundQueue, Image, ImagingSite, LongTermFault, NetworkLocation, Patient, Recall
from rpcs.actions import parameters as takes
from rpcs.actions.action import Act, action
from rpcs.actions.errors import BadRequest, NotFound, RefusedAction
from rpcs.actions.rules import KEY, NOTE_LIMIT
from rpcs.recall import queue_run
from rpcs.routing.destinations import set_online
from runtime import other_names

#: Entries of one list, and images that one call has looked at again.
MOST_LISTED = 1000
#: Recalls are not counted further.
COUNT_LIMIT = 100_000
_RULES = (*ARCHIVE_RULES, DEFAULT_RULE)

_GROUP = aliased(Image)
_PATIENT = select(Patient.dfn).where(Patient.dfn == bindparam("dfn_"))
_STUDY = select(Image.ien).where(Image.uid == bindparam("uid_"), Image.object_type == 11).limit(1)
_PLACES = select(ImagingSite.ien).order_by(ImagingSite.ien)
#: By scope, the images that a rule is for.
_IMAGES: dict[str, Select[Any]] = {
    STUDY_SCOPE: select(Image.ien).where(
        Image.parent.in_(select(_GROUP.ien).where(_GROUP.uid == bindparam("subject_"), _GROUP.object_type == 11))
    ),
    PATIENT_SCOPE: select(Image.ien).where(Image.patient == bindparam("dfn_")),
}
_QUEUE_AGAIN = {
    scope: update(BackgroundQueue)
    .where(
        BackgroundQueue.place == bindparam("place_"),
        BackgroundQueue.queue == "JUKEBOX",
        BackgroundQueue.image.in_(images),
        BackgroundQueue.status == "SKIPPED",
    )
    .values(status="NOT_PROCESSED", reason="")
    for scope, images in _IMAGES.items()
}
_FAULTS = (
    select(LongTermFault.image, LongTermFault.location, LongTermFault.reason, LongTermFault.found_at)
    .order_by(LongTermFault.image)
    .limit(bindparam("most"))
)
_FORGET_FAULTS = delete(LongTermFault).where(LongTermFault.image.in_(bindparam("images", expanding=True)))
_MEDIA = (
    select(NetworkLocation.ien, NetworkLocation.name, NetworkLocation.label, NetworkLocation.kind, NetworkLocation.online)
    .where(NetworkLocation.name != "", NetworkLocation.kind != "ROUTER", NetworkLocation.router.is_(False))
    .order_by(NetworkLocation.ien)
)
_NAMED = _MEDIA.add_columns(NetworkLocation.path).where(
    or_(
        func.upper(NetworkLocation.label) == bindparam("label_"),
        and_(NetworkLocation.label == "", func.upper(NetworkLocation.name) == bindparam("label_")),
    )
)
_IN_THE_WAY = select(NetworkLocation.label, NetworkLocation.name).where(
    NetworkLocation.path == bindparam("path_"), NetworkLocation.ien != bindparam("ien_"), NetworkLocation.online
)


def _count_of(*conditions: ColumnElement[bool]) -> Select[int]:
    return select(func.count()).select_from(select(Recall.image).where(*conditions).limit(COUNT_LIMIT).subquery())


_RECALLS = {state: _count_of(Recall.state == state) for state in ("WAITING", "FAILED")}


@action(
    "MAGB ARCHIVE RULE",
    takes.choice("SCOPE", "What SUBJECT names.", tuple(_IMAGES), required=True),
    takes.text("SUBJECT", "A Study Instance UID, or a patient's DFN.", required=True),
    takes.choice("RULE", "What becomes of the images.", _RULES, required=True),
    takes.text("NOTE", "Why, to be kept with it."),
    writes=True,
    key=KEY,
)
def archive_rule(act: Act) -> dict[str, Any]:
    """Say what becomes of the images of a study or patient, whatever their headers say.

    SCOPE is STUDY, whose Study Instance UID is the SUBJECT, or PATIENT, whose DFN is. RULE is KEEP (on line), RELEASE (as any
    other), NEVER-ARCHIVE, or DEFAULT, by which headers count again; NOTE says why. Of what was never to be archived and may be
    now, the copies are made again.
    """
    scope, subject, rule = act.text("SCOPE"), act.text("SUBJECT"), act.text("RULE")
    _check_subject(act, scope, subject)
    before = override_of(act.connection, scope, subject)
    override = Override(scope, subject, rule, act.text("NOTE")[:NOTE_LIMIT], act.caller.name, act.now)
    set_override(act.connection, override)
    act.changed(f"{scope.lower()} {subject}", before, override)
    again = 0 if rule == "NEVER-ARCHIVE" else _queue_again(act, scope, subject)
    return {"scope": scope, "subject": subject, "rule": rule, "queued": again}


def _check_subject(act: Act, scope: str, subject: str) -> None:
    """Raise BadRequest for a scope that there is not, NotFound for nobody's DFN and nothing's UID."""
    if scope not in _IMAGES:
        raise BadRequest(f"SCOPE is {STUDY_SCOPE} or {PATIENT_SCOPE}, not {scope[:20]!r}.")
    if scope == STUDY_SCOPE:
        if act.connection.execute(_STUDY, {"uid_": subject}).first() is None:
            raise NotFound(f"There is no study {subject[:64]!r}.")
        return
    if act.connection.execute(_PATIENT, {"dfn_": takes.read_number("SUBJECT", subject)}).first() is None:
        raise NotFound(f"There is no patient {subject}.")


def _queue_again(act: Act, scope: str, subject: str) -> int:
    """Queue the long-term copies that were skipped; give how many."""
    key: dict[str, Any] = {"subject_": subject} if scope == STUDY_SCOPE else {"dfn_": int(subject)}
    total = 0
    for place in act.connection.execute(_PLACES).scalars().all():
        count = act.connection.execute(_QUEUE_AGAIN[scope], {"place_": place, **key}).rowcount
        if count:
            count_queued(act.connection, place, "JUKEBOX", count)
        total += count
    return total


@action(
    "MAGB ARCHIVE LIST",
    takes.limit(MOST_LISTED),
    lists={
        "rules": ("scope", "subject", "rule", "set_at", "set_by", "note"),
        "media": ("ien", "name", "label", "kind", "online"),
        "faults": ("image", "location", "reason", "found_at"),
    },
)
def archive_list(act: Act) -> dict[str, Any]:
    """List rules for studies and patients, media, images that wait to come back, long-term copies at fault; LIMIT of each."""
    most = act.number("LIMIT")
    return {
        "rules": list_overrides(act.connection, most),
        "media": [dict(row._mapping) for row in act.connection.execute(_MEDIA)],
        "recalls": {state: int(act.connection.execute(it).scalar_one()) for state, it in _RECALLS.items()},
        "faults": [dict(row._mapping) for row in act.connection.execute(_FAULTS, {"most": most})],
    }


@action(
    "MAGB ARCHIVE RECHECK",
    takes.text("IMAGES", "Image numbers, parted by commas.", required=True),
    writes=True,
    key=KEY,
)
def archive_recheck(act: Act) -> dict[str, Any]:
    """Have the long-term copies of IMAGES, numbers parted by commas, read again that were found at fault; tell how many."""
    images = [int(it) for it in act.text("IMAGES").split(",") if it.isascii() and it.isdigit() and len(it) < 10]
    if not images or len(images) > MOST_LISTED:
        raise BadRequest(f"IMAGES are 1 to {MOST_LISTED} numbers, parted by commas.")
    count = act.connection.execute(_FORGET_FAULTS, {"images": images}).rowcount
    if not count:
        raise NotFound("No long-term copy of these images is at fault; MAGB ARCHIVE LIST shows which are.")
    act.changed("faults of long-term copies", {"faults": count}, None)
    return {"images": count}


@action(
    "MAGB ARCHIVE REQUESTS",
    takes.flag("CLOSED", "Those that were answered, too."),
    lists={"requests": ("label", "name", "asked_by", "asked_at", "images", "closed_at")},
)
def archive_requests(act: Act) -> dict[str, Any]:
    """List the media that operators are asked for, who asked first and when, how many images wait; CLOSED 1 answered ones too."""
    return {"requests": list_operator_requests(act.connection, closed=act.flag("CLOSED"))}


@action(
    "MAGB ARCHIVE MOUNT",
    takes.text("LABEL", "A medium's label, or the name of a location without one.", required=True),
    writes=True,
    key=KEY,
)
def archive_mount(act: Act) -> dict[str, Any]:
    """Put the medium LABEL on line, a location's label or else name: who waits for its images waits no longer than for others.

    Refused while another medium is on line at the same path.
    """
    medium = _medium(act)
    for row in act.connection.execute(_IN_THE_WAY, {"path_": medium.path, "ien_": medium.ien}):
        raise RefusedAction(f"{row.label or row.name} is on line at the same path; unmount it first.")
    set_online(act.connection, act.clock, medium.ien, online=True)
    asked = close_request(act.connection, medium.ien, act.caller.name, act.now)
    queue_run(act.connection, act.caller.duz, act.now)
    act.changed(f"location {medium.name}", {"online": bool(medium.online)}, {"online": True})
    return {"location": medium.ien, "name": medium.name, "online": True, "asked_for": asked}


@action(
    "MAGB ARCHIVE UNMOUNT",
    takes.text("LABEL", "A medium's label, or the name of a location without one.", required=True),
    writes=True,
    key=KEY,
)
def archive_unmount(act: Act) -> dict[str, Any]:
    """Take the medium LABEL off line: its images that are nowhere else are OFFLINE, and an operator is asked when wanted."""
    medium = _medium(act)
    set_online(act.connection, act.clock, medium.ien, online=False)
    act.changed(f"location {medium.name}", {"online": bool(medium.online)}, {"online": False})
    return {"location": medium.ien, "name": medium.name, "online": False}


def _medium(act: Act) -> Any:
    """Find LABEL. Raises NotFound."""
    label = act.text("LABEL").strip()
    row = act.connection.execute(_NAMED, {"label_": label.upper()}).first()
    if row is None:
        raise NotFound(f"There is no medium {label[:64]!r}.{other_names(label, _labels(act))}")
    return row


def _labels(act: Act) -> Sequence[str]:
    return [row.label or row.name for row in act.connection.execute(_MEDIA)]
