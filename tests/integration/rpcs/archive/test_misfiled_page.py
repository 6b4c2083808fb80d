"""The page about misfiled studies says what is so: its calls, one after the other, do what they are shown to do."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path

from fileman.files import Image, Patient
from tests.integration.rpcs.acting import Person
from tests.integration.rpcs.archive.asking import Archive
from tests.integration.rpcs.archive.test_index import HEADER

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "correct-a-misfiled-study.md"


def calls() -> list[tuple[str, dict[str, str]]]:
    """Give the actions of the page's commands, with what they ask."""
    found = []
    for line in re.findall(r"^\$ (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE):
        words = shlex.split(line)
        assert words[:3] == ["magbroker", "rpc", "call"]
        assert words[-2:] == ["--context", "MAGB GATEWAY"]
        asked = dict(value.split("=", 1) for flag, value in itertools.pairwise(words) if flag == "--list")
        found.append((words[3].removeprefix("MAGB "), asked))
    return found


def test_the_calls_of_the_page_do_what_it_shows(archive: Archive) -> None:
    person = Person(archive.gateway.store)
    archive.file("5.1", HEADER)
    patients = []
    for name, asked in calls():
        answer = person.do(name, **{key.replace(" ", "_").lower(): value for key, value in asked.items()})
        if name == "IMAGE LIST":
            assert [it["uid"] for it in answer["entries"]] == ["5.1"]
        patients += [row["patient"] for row in person.rows(Image) if row["uid"] == "5.1"]
    assert patients == [1] * 6 + [2], "moved, and deleted then"
    assert [row["dfn"] for row in person.rows(Patient) if row["dfn"] < 3] == [2]
