"""The places of the console, in the order of its navigation: most are tables of panels, a few have pages of their own."""

from __future__ import annotations

from console.web.pages.panels import Button, Panel, Place

_QUEUED = {"queue": "queue", "entries": "entry"}
_IMAGE = "/images/image/{image}"


def _entry(noun: str, number: str, *more: Button) -> tuple[Button, ...]:
    """Give the buttons that every kind of entry of the site has."""
    its = {number: number}
    return (*more, Button("Edit", f"MAGB {noun} EDIT", its), Button("Remove", f"MAGB {noun} REMOVE", its))


def _entries(path: str, title: str, noun: str, number: str, *more: Button, removes: bool = True) -> Panel:
    """Give the panel of a kind of entry of the site."""
    return Panel(
        path,
        title,
        f"MAGB {noun} LIST",
        "entries",
        links={
            number: f"/do/{noun.lower()}/show?{number}={{{number}}}",
            "name": f"/do/{noun.lower()}/show?{number}={{{number}}}",
        },
        buttons=_entry(noun, number, *more) if removes else (*more, Button("Edit", f"MAGB {noun} EDIT", {number: number})),
        above=(Button("Add", f"MAGB {noun} ADD"),),
    )


_QUEUES = Place(
    "/queues",
    "Queues",
    "q",
    (
        Panel(
            "/queues",
            "Depths",
            "MAGB QUEUE DEPTHS",
            "queues",
            links={"entries": "/queues/entries?queue={queue}&location={location}&destination={destination}&status={status}"},
            live="queues",
        ),
        Panel(
            "/queues/entries",
            "Entries",
            "MAGB QUEUE LIST",
            "entries",
            start={"queue": "EXPORT"},
            links={"image": _IMAGE},
            chosen=(
                Button("Let wait again", "MAGB QUEUE REQUEUE", _QUEUED),
                Button("Hurry", "MAGB QUEUE PRIORITY", _QUEUED),
                Button("Redirect", "MAGB QUEUE DESTINATION", _QUEUED),
                Button("Hold", "MAGB EXPORT HOLD", {"entries": "entry"}, when=("queue", ("EXPORT",))),
                Button("Release", "MAGB EXPORT RELEASE", {"entries": "entry"}, when=("queue", ("EXPORT",))),
                Button("Delete", "MAGB QUEUE PURGE", _QUEUED),
            ),
            live="queues",
        ),
        Panel(
            "/queues/held",
            "Held destinations",
            "MAGB EXPORT LIST",
            "held",
            start={"status": "HOLD"},
            buttons=(Button("Release", "MAGB EXPORT RELEASE", {"destination": "destination"}),),
            above=(Button("Hold a destination", "MAGB EXPORT HOLD"),),
            live="queues",
        ),
    ),
)
_DESTINATIONS = Place(
    "/destinations",
    "Destinations",
    "d",
    (
        _entries(
            "/destinations",
            "Transmit destinations",
            "DESTINATION",
            "ien",
            Button("Echo", "MAGB DESTINATION ECHO", {"destination": "name"}),
            Button("Hold", "MAGB EXPORT HOLD", {"destination": "name"}),
            Button("Release", "MAGB EXPORT RELEASE", {"destination": "name"}),
        ),
        _entries(
            "/destinations/locations",
            "Network locations",
            "LOCATION",
            "ien",
            Button("Check", "MAGB LOCATION CHECK", {"ien": "ien"}),
            Button("Off line", "MAGB LOCATION OFFLINE", {"ien": "ien"}, when=("online", (True,))),
            Button("On line", "MAGB LOCATION ONLINE", {"ien": "ien"}, when=("online", (False,))),
        ),
        Panel(
            "/destinations/archive",
            "Archive rules",
            "MAGB ARCHIVE LIST",
            "rules",
            above=(
                Button("Set a rule", "MAGB ARCHIVE RULE"),
                Button("Mount", "MAGB ARCHIVE MOUNT"),
                Button("Unmount", "MAGB ARCHIVE UNMOUNT"),
                Button("Check again", "MAGB ARCHIVE RECHECK"),
            ),
        ),
        Panel(
            "/destinations/media",
            "Media asked for",
            "MAGB ARCHIVE REQUESTS",
            "requests",
            buttons=(Button("Mount", "MAGB ARCHIVE MOUNT", {"label": "label"}),),
        ),
    ),
)
_TASK = {"numbers": "number"}
_TASKS = Place(
    "/tasks",
    "Tasks",
    "t",
    (
        Panel(
            "/tasks",
            "Tasks",
            "MAGB TASK LIST",
            "tasks",
            links={"number": "/do/task/show?number={number}"},
            chosen=(
                Button("Stop", "MAGB TASK STOP", _TASK),
                Button("Queue again", "MAGB TASK REQUEUE", _TASK),
                Button("Take out", "MAGB TASK DEQUEUE", _TASK),
                Button("Delete", "MAGB TASK DELETE", _TASK),
            ),
            above=(Button("Start a task", "MAGB TASK START"), Button("Clean", "MAGB TASK CLEAN")),
            live="queues",
        ),
        Panel(
            "/tasks/schedule",
            "Schedule",
            "MAGB TASK SCHEDULE LIST",
            "schedules",
            links={"option": "/do/task/schedule/preview?ien={ien}"},
            buttons=(
                Button("Next runs", "MAGB TASK SCHEDULE PREVIEW", {"ien": "ien"}),
                Button("Run now", "MAGB TASK SCHEDULE RUN", {"ien": "ien"}),
                Button("Edit", "MAGB TASK SCHEDULE EDIT", {"ien": "ien"}),
                Button("Remove", "MAGB TASK SCHEDULE REMOVE", {"ien": "ien"}),
            ),
            above=(Button("Schedule an option", "MAGB TASK SCHEDULE ADD"),),
        ),
        Panel(
            "/tasks/errors",
            "Errors",
            "MAGB TASK ERRORS",
            "errors",
            links={"task": "/do/task/show?number={task}"},
            above=(Button("Clear", "MAGB TASK ERRORS CLEAR"),),
        ),
        Panel(
            "/tasks/flags",
            "Sync flags",
            "MAGB TASK FLAGS",
            "flags",
            links={"task": "/do/task/show?number={task}"},
            buttons=(Button("Free", "MAGB TASK FLAG CLEAR", {"name": "name"}),),
        ),
        Panel("/tasks/monitor", "Monitor", "MAGB TASK MONITOR", live="queues"),
    ),
)
_DUZ = {"duz": "duz"}
_PEOPLE = Place(
    "/people",
    "People",
    "p",
    (
        Panel(
            "/people",
            "Sessions",
            "MAGB SESSION LIST",
            "entries",
            links={"duz": "/do/user/show?duz={duz}", "name": "/do/user/show?duz={duz}"},
            buttons=(Button("End", "MAGB SESSION END", {"ien": "ien"}),),
        ),
        Panel(
            "/people/history",
            "Sign-ons",
            "MAGB SESSION HISTORY",
            "entries",
            links={"duz": "/do/user/show?duz={duz}", "name": "/do/user/show?duz={duz}"},
        ),
        _entries(
            "/people/users",
            "Users",
            "USER",
            "duz",
            Button("Codes", "MAGB USER CODES", _DUZ),
            Button("Unlock", "MAGB USER UNLOCK", _DUZ),
        ),
        Panel(
            "/people/keys",
            "Security keys",
            "MAGB KEY LIST",
            "entries",
            links={"name": "/do/user/show?duz={duz}"},
            buttons=(Button("Revoke", "MAGB KEY REVOKE", {"duz": "duz", "key": "key"}),),
            above=(Button("Grant", "MAGB KEY GRANT"),),
        ),
        _entries(
            "/people/contexts",
            "Contexts",
            "CONTEXT",
            "name",
            Button("Grant", "MAGB CONTEXT GRANT", {"name": "name"}),
            Button("Revoke", "MAGB CONTEXT REVOKE", {"name": "name"}),
        ),
        Panel(
            "/people/addresses",
            "Locked addresses",
            "MAGB ADDRESS LIST",
            "entries",
            buttons=(Button("Unlock", "MAGB ADDRESS UNLOCK", {"address": "address"}),),
        ),
        Panel(
            "/people/tokens",
            "Tokens",
            "MAGB TOKEN LIST",
            "entries",
            buttons=(Button("End", "MAGB TOKEN END", {"ien": "ien"}),),
            above=(Button("Make a token", "MAGB TOKEN MAKE"),),
        ),
    ),
)
_AUDIT = Place(
    "/audit",
    "Audit",
    "a",
    (
        Panel(
            "/audit",
            "Audit",
            "MAGB AUDIT LIST",
            "actions",
            columns=("ien", "at", "name", "action", "outcome", "reason", "changes"),
        ),
    ),
)
_ALERTS = Place(
    "/alerts",
    "Alerts",
    "n",
    (
        Panel(
            "/alerts",
            "Alerts",
            "MAGB ALERT LIST",
            "alerts",
            columns=("ien", "kind", "subject", "raised_at", "cleared_at", "text", "advice", "acknowledged_by", "note"),
            buttons=(
                Button("Acknowledge", "MAGB ALERT ACKNOWLEDGE", {"ien": "ien"}),
                Button("Quiet", "MAGB ALERT QUIET", {"kind": "kind", "subject": "subject"}),
            ),
            live="alert",
        ),
        Panel(
            "/alerts/muted",
            "Muted",
            "MAGB ALERT LIST",
            "muted",
            buttons=(Button("Tell again", "MAGB ALERT QUIET", {"kind": "kind", "subject": "subject"}),),
            above=(Button("Quiet", "MAGB ALERT QUIET"),),
            live="alert",
        ),
        Panel(
            "/alerts/notices",
            "What was told",
            "MAGB ALERT NOTICES",
            "notices",
            above=(Button("Try the channels", "MAGB ALERT TEST"),),
            live="alert",
        ),
    ),
)
_CONFIGURATION = Place(
    "/configuration",
    "Configuration",
    "c",
    (
        Panel(
            "/configuration",
            "Site",
            "MAGB SITE SHOW",
            "settings",
            buttons=(Button("Edit", "MAGB SITE EDIT", {"name": "name", "value": "value"}),),
        ),
        _entries("/configuration/places", "Imaging places", "PLACE", "ien", removes=False),
        _entries("/configuration/institutions", "Institutions", "INSTITUTION", "ien"),
        Panel(
            "/configuration/patients",
            "Patients",
            "MAGB PATIENT LIST",
            "entries",
            buttons=(
                Button("Update", "MAGB PATIENT UPDATE", {"dfn": "dfn"}),
                Button("Merge", "MAGB PATIENT MERGE", {"dfn": "dfn"}),
            ),
        ),
        Panel("/configuration/worklist", "Worklist", "MAGB WORKLIST LIST", "entries"),
        Panel(
            "/configuration/faults",
            "Faults",
            "MAGB FAULT LIST",
            "entries",
            buttons=(Button("Clear", "MAGB FAULT CLEAR", {"fault": "fault"}),),
            above=(Button("Set a fault", "MAGB FAULT SET"),),
        ),
    ),
)

#: The whole navigation.
PLACES: tuple[Place, ...] = (
    Place("/", "Overview", "o"),
    Place("/images", "Images", "i"),
    Place("/correct", "Correct", "k"),
    Place("/rules", "Rules", "r"),
    _ALERTS,
    _QUEUES,
    _DESTINATIONS,
    _TASKS,
    _PEOPLE,
    _AUDIT,
    Place("/logs", "Logs", "l", key="XUMGR"),
    _CONFIGURATION,
    Place("/rpc", "RPC", "x"),
)

#: Every panel by its path, with its place.
PANELS: dict[str, tuple[Place, Panel]] = {panel.path: (place, panel) for place in PLACES for panel in place.panels}
