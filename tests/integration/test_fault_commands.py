"""`magbroker fault set` takes what a pack may bring later, and says when nothing has the name yet."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from fileman import SiteKey, Store, apply_site, parse_site, read_faults
from tests.support.services import DEMO_SITE
from tests.support.terminal import Terminal

#: A procedure of a pack, as a site names it.
MORE = """
[[context]]
name = "ZZ"
rpcs = ["ZZ PACKED"]
"""


@pytest.fixture
def data(tmp_path: Path, site_key: SiteKey) -> Path:
    store = Store(f"sqlite:///{tmp_path / 'magbroker.db'}", synchronous="NORMAL")
    site = parse_site(DEMO_SITE.read_text(encoding="utf-8") + MORE)
    store.transact(lambda it: apply_site(it, site, site_key, datetime.fromisoformat("2026-11-21T00:00")))
    store.close()
    return tmp_path


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        ("rpc=NOPE", "magbroker has no procedure NOPE, and no context of the site names one of a pack"),
        ("rpc=XWB IM HERE", ""),
        ("rpc=ZZ PACKED", ""),
        ("accession=NOPE", "images find no exam by the accession number NOPE"),
        ("accession=021026-201", ""),
    ],
)
def test_a_name_that_nothing_has_is_taken_with_a_hint(data: Path, terminal: Terminal, fact: str, said: str) -> None:
    if fact.startswith("rpc"):
        shown = terminal.run("fault", "set", "slow-answer", fact, "seconds=1", "--data", data)
    else:
        shown = terminal.run("fault", "set", "locked-exam", fact, "--data", data)
    hint = " ".join(shown.err.split())  # however wide the terminal is
    assert hint == (f"{said}; until something has that name, the fault strikes nothing" if said else "")
    assert shown.out.startswith("set: ")
    store = Store(f"sqlite:///{data / 'magbroker.db'}")
    assert [fault.subject for fault in store.read(read_faults)] == [fact.partition("=")[2]]
    store.close()
