"""The groups of commands that are actions and nothing more: which there are, and what each verb is called."""

from __future__ import annotations

from collections.abc import Mapping

from console.cli.action_verbs import action_app

#: By group, each verb and the action that it is, without MAGB.
GROUPS: Mapping[str, Mapping[str, str]] = {
    "correct": {"list": "CORRECT LIST", "fix": "CORRECT FIX", "delete": "CORRECT DELETE", "undo": "CORRECT UNDO"},
    "tokens": {"make": "TOKEN MAKE", "list": "TOKEN LIST", "end": "TOKEN END"},
}

correct = action_app("See what could not be filed, and fix it: the DICOM CORRECT list.", GROUPS["correct"])
tokens = action_app("Make, see and end tokens of the JSON API.", GROUPS["tokens"])
