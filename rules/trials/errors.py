"""What is wrong with a trial, in words that say what to do next."""

from __future__ import annotations

from rules.language.errors import RuleError


class TrialError(RuleError):
    """What was given for the trial cannot be used. A command ends with `status` for it."""

    status = 2
