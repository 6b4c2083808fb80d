"""What a person does about alerts: see them, say that he knows, have nobody told for a while, and try whether people are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fileman import (
    EVERY_CHANNEL,
    AlertData,
    AlertsWanted,
    Mute,
    add_notices,
    change_alert,
    list_alerts,
    list_mutes,
    list_notices,
    lock_alerts,
    mute_alerts,
    muted_until,
    read_alert,
)
from fileman.alerts import NOTE_LIMIT, SUBJECT_LIMIT
from rpcs.actions import parameters as takes
from rpcs.actions.action import Act, action
from rpcs.actions.errors import BadRequest, NotFound
from rpcs.actions.rules import KEY
from rpcs.alerting.kinds import KINDS

#: Alerts, or notices, that one call lists.
MOST_LISTED = 500
#: Everything, as what is not to be told.
ALL = "all"
#: What a notice may be.
STATES = ("WAITING", "SENDING", "SENT", "FAILED", "SKIPPED")


def alert_facts(alert: AlertData, *, muted: bool = False) -> dict[str, Any]:
    """Tell an alert, with what its kind says of it."""
    kind = KINDS.get(alert.kind)
    return {
        "ien": alert.ien,
        "kind": alert.kind,
        "subject": alert.subject,
        "title": "" if kind is None else kind.title,
        "text": alert.text,
        "advice": "" if kind is None else kind.advise(alert.subject),
        "since_at": alert.since_at,
        "raised_at": alert.raised_at,
        "seen_at": alert.seen_at,
        "cleared_at": alert.cleared_at,
        "acknowledged_by": alert.acknowledged_by,
        "acknowledged_at": alert.acknowledged_at,
        "note": alert.note,
        "muted": muted,
    }


def _told(mutes: Sequence[Mute]) -> list[dict[str, Any]]:
    return [{**asdict(it), "kind": it.kind or ALL} for it in mutes]


@action(
    "MAGB ALERT LIST",
    takes.flag("ALL", "Those that were cleared, too."),
    takes.choice("KIND", "Only this kind.", tuple(KINDS)),
    takes.text("SUBJECT", "Only what is about this: a destination, a gateway, a location ..."),
    takes.number("BEFORE", "Older than the alert of this number, for the next page."),
    takes.limit(MOST_LISTED),
    lists={
        "alerts": ("ien", "kind", "subject", "raised_at", "cleared_at", "text", "acknowledged_by"),
        "muted": ("kind", "subject", "until_at", "muted_by", "note"),
    },
)
def alert_list(act: Act) -> dict[str, Any]:
    """List what needs a person now, the newest first, with what to do; with ALL what did before, too.

    `muted` is what nobody is told of now. `next` is what to give as BEFORE for the next page, and null on the last.
    """
    most = act.number("LIMIT")
    wanted = AlertsWanted(act.flag("ALL"), act.text("KIND"), act.text("SUBJECT"), act.number("BEFORE"))
    found = list_alerts(act.connection, wanted, most + 1)
    mutes = list_mutes(act.connection, act.now)
    page = [alert_facts(it, muted=muted_until(mutes, it.kind, it.subject) is not None) for it in found[:most]]
    return {"alerts": page, "muted": _told(mutes), "next": page[-1]["ien"] if len(found) > most else None}


@action(
    "MAGB ALERT ACKNOWLEDGE",
    takes.number("IEN", "The alert, as MAGB ALERT LIST numbers it.", required=True),
    takes.text("NOTE", "What is being done about it."),
    writes=True,
    key=KEY,
)
def alert_acknowledge(act: Act) -> dict[str, Any]:
    """Say that somebody knows of an alert and sees to it; it stays open until its condition is gone."""
    lock_alerts(act.connection)
    alert = read_alert(act.connection, act.number("IEN"))
    if alert is None:
        raise NotFound(f"There is no alert {act.number('IEN')}; MAGB ALERT LIST shows those there are.")
    note = act.text("NOTE")[:NOTE_LIMIT]
    change_alert(act.connection, alert.ien, acknowledged_by=act.caller.name, acknowledged_at=act.now, note=note or alert.note)
    before = {"acknowledged_by": alert.acknowledged_by, "note": alert.note}
    after = {"acknowledged_by": act.caller.name, "note": note or alert.note}
    act.changed(f"alert {alert.ien} {alert.kind} {alert.subject}", before, after)
    return {**alert_facts(alert), **after, "acknowledged_at": act.now}


@action(
    "MAGB ALERT QUIET",
    takes.choice("KIND", "What nobody is to be told of.", (*KINDS, ALL), required=True),
    takes.text("SUBJECT", "Only what is about this."),
    takes.time("UNTIL", "Until when, as T+1@08:00; now, if left out, which ends it."),
    takes.text("NOTE", "Why."),
    writes=True,
    key=KEY,
)
def alert_quiet(act: Act) -> dict[str, Any]:
    """Have nobody told of a KIND of alerts, or of those about one SUBJECT, until a time; they are listed all the same.

    What is still there then is told; what began and ended meanwhile is not. Without UNTIL people are told again from now on.
    """
    kind, subject = act.text("KIND"), act.text("SUBJECT")
    if len(subject) > SUBJECT_LIMIT:
        raise BadRequest(f"A subject has {SUBJECT_LIMIT} characters at most.")
    if kind == ALL and subject:
        raise BadRequest("A SUBJECT is one of a KIND; say which.")
    kind = "" if kind == ALL else kind
    now = act.now
    before = next((it for it in list_mutes(act.connection, now) if (it.kind, it.subject) == (kind, subject)), None)
    mute = Mute(kind, subject, act.time("UNTIL", now), act.caller.name, now, act.text("NOTE")[:NOTE_LIMIT])
    mute_alerts(act.connection, mute)
    after = mute if mute.until_at > now else None
    act.changed(" ".join(filter(None, ("alerts", kind or ALL, subject))), before, after)
    return {"muted": _told(list_mutes(act.connection, now))}


@action(
    "MAGB ALERT TEST",
    takes.text("TEXT", "What is said besides."),
    writes=True,
    key=KEY,
)
def alert_test(act: Act) -> dict[str, Any]:
    """Tell a test over every channel, quiet times or not, within a few seconds; MAGB ALERT NOTICES shows what became of it."""
    text = " ".join(filter(None, (f"{act.caller.name} tries whether this arrives.", act.text("TEXT")[:NOTE_LIMIT])))
    add_notices(act.connection, [EVERY_CHANNEL], "test", act.now, text=text)
    act.changed("alerts: a test", None, {"text": text})
    return {"text": text}


@action(
    "MAGB ALERT NOTICES",
    takes.choice("STATE", "Only in this state.", STATES),
    takes.text("CHANNEL", "Only of this channel."),
    takes.number("BEFORE", "Older than the notice of this number, for the next page."),
    takes.limit(MOST_LISTED),
    lists={"notices": ("ien", "channel", "event", "kind", "subject", "made_at", "state", "told_at", "tries", "reason")},
)
def alert_notices(act: Act) -> dict[str, Any]:
    """List what was told over which channel and what waits to be, the newest first; `reason` is why something was not told.

    `next` is what to give as BEFORE for the next page, and null on the last.
    """
    most = act.number("LIMIT")
    found = list_notices(act.connection, act.number("BEFORE"), most + 1, state=act.text("STATE"), channel=act.text("CHANNEL"))
    return {"notices": found[:most], "next": found[most - 1]["ien"] if len(found) > most else None}
