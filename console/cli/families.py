"""The groups of commands that are actions and nothing more: which there are, and what each verb is called."""

from __future__ import annotations

from console.cli.action_verbs import action_app

correct = action_app(
    "See what could not be filed, and fix it: the DICOM CORRECT list.",
    {"list": "CORRECT LIST", "fix": "CORRECT FIX", "delete": "CORRECT DELETE", "undo": "CORRECT UNDO"},
)
tokens = action_app(
    "Make, see and end tokens of the JSON API.",
    {"make": "TOKEN MAKE", "list": "TOKEN LIST", "end": "TOKEN END"},
)
