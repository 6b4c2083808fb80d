"""The documentation site: it builds without a warning, has every page, and asks no other host for anything."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FETCHED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=[\"']?(?:https?:)?//", re.IGNORECASE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site strictly, where a page outside the navigation and a dead link are errors too."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (built.returncode, built.stdout + built.stderr) == (0, "")
    return out


def test_every_page_is_in_the_navigation(site: Path) -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")]
    assert pages
    assert [page for page in pages if page not in navigation] == []
    assert (site / "index.html").is_file()


def test_no_page_fetches_anything_from_another_host(site: Path) -> None:
    pages = {page: page.read_text() for page in site.rglob("*.html")}
    assert pages
    # Material's script fetches a renderer from a foreign host as soon as a page has such a block
    assert [page for page, text in pages.items() if FETCHED.search(text) or 'class="mermaid"' in text] == []
