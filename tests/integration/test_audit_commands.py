"""`magbroker audit list` shows what commands did; `--dry-run` shows what they would."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.services import DEMO_SITE, magbroker
from tests.support.terminal import Terminal


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    assert magbroker("site", "load", str(DEMO_SITE), "--data", str(folder)).returncode == 0
    return folder


@pytest.fixture
def data(tmp_path: Path, loaded: Path) -> Path:
    return Path(shutil.copytree(loaded, tmp_path / "var"))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capsys)


def test_what_commands_did_is_listed_and_what_was_refused(terminal: Terminal, data: Path) -> None:
    assert terminal.run("audit", "list", "--data", data).words == "nothing of this kind was done"
    terminal.run("queues", "hold", "--destination", "READING ROOM", "--data", data)
    terminal.run("queues", "hold", "--destination", "NOWHERE", "--data", data)
    shown = terminal.run("audit", "list", "--data", data).words
    assert "destination READING ROOM: held false to true" in shown
    assert "refused: There is no destination 'NOWHERE'" in shown
    done = json.loads(terminal.run("audit", "list", "--outcome", "done", "--json", "--data", data).out)
    assert [one["action"] for one in done["actions"]] == ["MAGB EXPORT HOLD"]
    first = terminal.run("audit", "list", "--limit", 1, "--data", data).words
    assert "There are more: --before 2." in first
    wrong = terminal.run("audit", "list", "--outcome", "good", "--data", data)
    assert (wrong.status, "OUTCOME is one of done" in wrong.err) == (2, True)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("queues", "hold", "--destination", "READING ROOM"), "destination READING ROOM: held false to true"),
        (("archive", "keep", "--patient", "100"), "patient 100: "),
        (("tasks", "schedule", "add", "MAGB RECALL IMAGES", "--frequency", "60S"), "schedule entry "),
        (("tasks", "start", "MAGB RECALL IMAGES"), "task "),
        (("tasks", "delete", "999"), "nothing would be changed"),
    ],
)
def test_a_trial_shows_what_would_be_changed_and_changes_nothing(
    terminal: Terminal, data: Path, command: tuple[str, ...], told: str
) -> None:
    done = terminal.run(*command, "--dry-run", "--data", data)
    assert done.status == 0, done.err
    assert done.out.startswith(told)
    assert done.words.endswith("Nothing was done: --dry-run.")
    assert terminal.run("audit", "list", "--data", data).words == "nothing of this kind was done"
    again = json.loads(terminal.run(*command, "--dry-run", "--json", "--data", data).out)
    assert again["dry_run"] is True
