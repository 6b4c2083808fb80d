"""The page on the DICOM commands says what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from console.cli.main import COMMANDS

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "dicom-tools.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["echo", "send", "find", "move", "get"])
def test_the_page_names_every_command_and_option(name: str) -> None:
    command: Any = COMMANDS[name].load(name)
    options = {option for one in command.params for option in one.opts if option.startswith("--")} - {"--help", "--recursive"}
    assert f"magbroker {name} HOST:PORT" in PAGE
    assert [option for option in sorted(options) if f"`{option}" not in PAGE and f" {option} " not in PAGE] == []
