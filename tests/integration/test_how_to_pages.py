"""The how-to pages say what is so: their code is the examples' own, and their commands do what they show."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fileman.faults import KINDS
from runtime import free_port
from tests.support.shown import blocks_of, shows
from tests.support.waiting import until

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = DOCS / "examples"
PAGES = ["rpc-pack.md", "see-and-steer-tasks.md", "test-a-client.md"]
CODE = {"python", "toml", "ini"}


def blocks(page: str) -> list[tuple[str, str]]:
    """Give language and text of a page's code blocks."""
    return blocks_of(DOCS / "how-to" / page)


@pytest.mark.parametrize("page", PAGES)
def test_code_on_a_page_is_the_text_of_an_example(page: str) -> None:
    examples = [file.read_text(encoding="utf-8") for file in EXAMPLES.iterdir() if file.is_file()]
    code = [text for language, text in blocks(page) if language in CODE]
    assert code
    for text in code:
        assert any(text in example for example in examples), text


@dataclass
class Shell:
    """Runs what a page's reader types, in a copy of the examples, on free ports."""

    folder: Path
    port: int = field(default_factory=free_port)
    broker: subprocess.Popen[bytes] | None = None

    def run(self, command: str, shown: list[str]) -> None:
        """Run one command; the page must show what it says."""
        words = shlex.split(command.replace("9430", str(self.port)))
        if words[0] == "cd":
            assert Path(words[1]).resolve() == EXAMPLES.relative_to(DOCS.parent).resolve()
        elif words[:2] == ["magbroker", "broker"]:
            self._serve(words, shown)
        else:
            done = subprocess.run(
                words, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120, check=False
            )
            assert done.returncode == 0, f"{command}: {done.stderr}"
            self._compare(command, done.stdout, shown)

    @property
    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        ports = {"MAGBROKER_BROKER_PORT": str(self.port), "MAGBROKER_TEXT_PORT": "0"}
        return {**os.environ, **ports, "PATH": path, "COLUMNS": "200"}

    def _serve(self, words: list[str], shown: list[str]) -> None:
        log = self.folder / "broker.log"
        with log.open("wb") as file:
            self.broker = subprocess.Popen(words, cwd=self.folder, env=self.environment, stdout=file, stderr=file)

        def serves() -> bool:
            assert self.broker is not None
            assert self.broker.poll() is None, log.read_text()
            return re.search(r"magbroker serves.*\n", log.read_text()) is not None

        until(serves, "the broker serves")
        said = log.read_text().replace(str(self.port), "9430")
        self._compare(" ".join(words), said[: said.index("\n", said.index("magbroker serves"))], shown)

    def _compare(self, command: str, said: str, shown: list[str]) -> None:
        assert shows(shown, said), f"{command} is shown to say\n{chr(10).join(shown)}\nbut says\n{said}"


@pytest.mark.parametrize(
    ("shown", "said", "right"),
    [
        (["a  b", "c"], " a b \nc\n\n", True),
        (["a"], "a b", False),  # cut without a word
        (["a..."], "a b", True),
        (["a"], "a\nb", False),
        (["a", "..."], "a\nb\nc", True),
        (["a", "..."], "a", True),
        (["...", "c", "..."], "a\nb\nc\nd", True),
        (["...", "d..."], "a\nb\nc", False),
        ([], "", True),
        ([], "a", False),
        (["... b"], "a b", True),
        (["... b"], "a c", False),
        (["... b..."], "a b c", True),
    ],
)
def test_a_page_shows_what_is_said_or_marks_what_it_leaves_out(shown: list[str], said: str, right: bool) -> None:
    assert shows(shown, said) is right


@contextmanager
def shell(folder: Path) -> Iterator[Shell]:
    """Copy the examples; end the broker that was started there."""
    copy = folder / "examples"
    shutil.copytree(EXAMPLES, copy, ignore=shutil.ignore_patterns("__pycache__", "var"))
    running = Shell(copy)
    try:
        yield running
    finally:
        if running.broker is not None:
            running.broker.terminate()
            running.broker.wait(30)


@pytest.mark.parametrize("page", PAGES)
def test_commands_on_a_page_do_what_it_shows(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DOCS.parent)
    sessions = [text for language, text in blocks(page) if language == "console"]
    assert sessions
    with shell(tmp_path) as running:
        for text in sessions:
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, *shown = part.splitlines()
                running.run(command, shown)


def test_the_examples_own_tests_pass(tmp_path: Path) -> None:
    copy = tmp_path / "examples"
    shutil.copytree(EXAMPLES, copy, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_the_page_knows_every_fault() -> None:
    page = (DOCS / "how-to" / "test-a-client.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `") and line.endswith(" |")]
    for kind in KINDS.values():
        facts = ", ".join(f"`{fact}`" for fact in (kind.subject, *kind.facts) if fact)
        assert f"| `{kind.name}` | {facts} | {kind.effect} |".replace("|  |", "| |") in rows
