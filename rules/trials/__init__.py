"""Trials: rules tried on an image, on the lines of a batch, and on the images of some days. Nothing is queued or remembered."""

from rules.trials.batch import Defaults, answer_lines
from rules.trials.errors import TrialError
from rules.trials.given import Given
from rules.trials.places import Places
from rules.trials.queues import TrialQueues, memory_database
from rules.trials.replay import Side, replay
from rules.trials.report import Report
from rules.trials.stored import Window, stored_images, window_of
from rules.trials.trial import Outcome, TrialRules, Trials, rules_of_elements, rules_of_text

__all__ = [
    "Defaults",
    "Given",
    "Outcome",
    "Places",
    "Report",
    "Side",
    "TrialError",
    "TrialQueues",
    "TrialRules",
    "Trials",
    "Window",
    "answer_lines",
    "memory_database",
    "replay",
    "rules_of_elements",
    "rules_of_text",
    "stored_images",
    "window_of",
]
