"""The page on backups says what is so: its commands are run on a site, and say what it shows."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.test_how_to_pages import blocks, shows
from tests.support.services import DEMO_SITE, magbroker

PAGE = "back-up-and-restore.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with a site in `var`."""
    loaded = magbroker("site", "load", str(DEMO_SITE), "--data", str(tmp_path / "var"))
    assert loaded.returncode == 0, loaded.stderr
    return tmp_path


def test_a_site_is_kept_checked_and_restored_as_the_page_shows(folder: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    commands = []
    for language, text in blocks(PAGE):
        if language != "console":
            continue
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, *shown = part.splitlines()
            done = subprocess.run(
                [sys.executable, "-m", "console.cli.main", *shlex.split(command)[1:]],
                cwd=folder,
                env={**os.environ, "PATH": path, "COLUMNS": "200"},
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert shows(shown, done.stdout), f"{command} is shown to say {shown} but says\n{done.stdout}"
            commands.append(command.split()[1])
    assert commands == ["backup", "restore", "restore"]
    assert (folder / "new" / "magbroker.db").is_file()
