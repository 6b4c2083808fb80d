"""The kinds of alerts: what each is called, what it means, and what a person does next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from runtime import AlertKind


@dataclass(frozen=True, slots=True)
class Kind:
    """What there is an alert of: its title, what its subject is, and what to do; `{subject}` stands there for the subject."""

    title: str
    of: str
    advice: str

    def advise(self, subject: str) -> str:
        """Say what to do about a subject."""
        return self.advice.replace("{subject}", subject)


KINDS: Mapping[str, Kind] = {
    "correct": Kind(
        "Images wait on the CORRECT list",
        "the CORRECT list",
        "Look at 'magbroker correct list'; fix or delete each study.",
    ),
    "destination": Kind(
        "A destination takes nothing",
        "a destination",
        "See that it runs and is reached ('magbroker destinations echo {subject}'); 'magbroker queues hold --destination"
        " {subject}' holds what is for it until it does.",
    ),
    "disk": Kind(
        "A disk is nearly full, or does not answer",
        "a network location, a spool, or the data directory",
        "Make room, give the location more, or take it off line ('magbroker locations'); a share that does not answer is to be"
        " mounted again.",
    ),
    "evaluation": Kind(
        "Filed images wait to be evaluated",
        "a location",
        "'magbroker queues list EVAL' shows them; 'magbroker tasks monitor' shows whether the evaluator is at work.",
    ),
    "evaluator": Kind(
        "A rule evaluator does not run",
        "a location",
        "'magbroker tasks errors' tells why it ended; 'magbroker rules start --location {subject}' starts it.",
    ),
    "gateway": Kind(
        "A gateway is silent",
        "a gateway",
        "See that the gateway runs, and reaches the broker; its log tells why not. What it received is safe in its spool.",
    ),
    "media": Kind(
        "A medium is asked for",
        "a medium's label",
        "Put it in and say 'magbroker archive mount {subject}'; 'magbroker archive requests' lists what is asked for.",
    ),
    "received": Kind(
        "Images were received and are not filed",
        "a gateway",
        "'magbroker status' shows the gateway's sessions and spool, its log what the broker answers.",
    ),
    "sending": Kind(
        "Nobody sends what is queued",
        "a location",
        "See that a gateway of the location runs, and that its user may call MAGB EXPORT NEXT; 'magbroker queues depths' shows"
        " what waits.",
    ),
    "taskman": Kind(
        "TaskMan has no worker",
        "TaskMan",
        "Start 'magbroker taskman', or the broker where it has TaskMan in it; its log tells why it ended.",
    ),
}

assert KINDS.keys() == set(get_args(AlertKind)), "settings name the same kinds"
