"""The quickstart, word for word: an image that was not filed is found, understood, corrected, and seen delivered."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.demo import running_demo
from tests.support.shown import blocks_of, commands_in, shows
from tests.support.waiting import until

PAGE = Path(__file__).parents[2] / "docs/quickstart/README.md"
#: What the image is, which the page calls 33.
ACCESSION, NUMBER = "021126-202", "33"


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Run what the page begins with, until every sample came where it belongs; give the environment of another terminal."""
    with running_demo(tmp_path) as running:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        yield {**os.environ, **running.environment, "PATH": path, "COLUMNS": "200"}


def test_the_page_is_followed_from_the_first_question_to_the_delivered_image(demo: dict[str, str], tmp_path: Path) -> None:
    said: dict[str, str] = {}

    def run(command: str) -> str:
        words = shlex.split(command)
        done = subprocess.run(words, cwd=tmp_path, env=demo, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        said[command] = done.stdout
        return done.stdout

    def number() -> str:
        """Give the number that the image got here."""
        found = json.loads(run(f"magbroker images list --accession {ACCESSION} --limit 1 --json"))
        return str(found["entries"][0]["ien"])

    commands = [it for language, text in blocks_of(PAGE) if language == "console" for it in commands_in(text)]
    assert len(commands) >= 9
    for command, shown in commands:
        text = "\n".join(shown)
        if NUMBER in command or re.search(rf"^{NUMBER} ", text, re.MULTILINE):
            until(lambda: len(run(f"magbroker images list --accession {ACCESSION}").splitlines()) > 1, "it is on file")
            command, text = (re.sub(rf"\b{NUMBER}\b", number(), it) for it in (command, text))
        if " fix " in command:
            assert shows(text.split("\n"), run(command)), said[command]
        else:
            until(lambda command=command, text=text: shows(text.split("\n"), run(command)), f"{command} says {text}", 60)
