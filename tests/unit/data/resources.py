"""The demo's resources, read the way the product reads them."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any


def resource(name: str) -> str:
    """Read a text of the `magbroker_data` package."""
    return resources.files("magbroker_data").joinpath(name).read_text(encoding="utf-8")


def demo_site() -> dict[str, Any]:
    """Parse the demo site file."""
    return tomllib.loads(resource("demo.toml"))
