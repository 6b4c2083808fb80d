"""Table 1, verification as SCU: `magbroker echo` in each of the transfer syntaxes, as the archive's service tool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE, evt

from tests.support.magicstore_tables import TABLE_1, ContextRow
from tests.support.terminal import Terminal

EACH = [(row, syntax) for row in TABLE_1 for syntax in row.transfer_syntaxes]


@pytest.fixture
def callers() -> list[str]:
    return []


@pytest.fixture(params=EACH, ids=lambda each: f"{each[0].name} {each[1]}")
def port(request: pytest.FixtureRequest, callers: list[str]) -> Iterator[int]:
    """Run a peer that takes the row's contexts in one transfer syntax."""
    row: ContextRow = request.param[0]

    def accepted(event: Any) -> None:
        callers.append(event.assoc.requestor.ae_title.strip())

    ae = AE("PEER")
    ae.add_supported_context(row.uid, request.param[1])
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_ACCEPTED, accepted)])
    yield server.socket.getsockname()[1]
    server.shutdown()


def test_the_service_tool_asks_in_each_transfer_syntax_and_by_its_own_title(
    port: int, callers: list[str], terminal: Terminal, tmp_path: Path
) -> None:
    settings = tmp_path / "magbroker.toml"
    settings.write_text('[gateway.archive]\nae_root = "DEPOT"\n', encoding="ascii")
    said = terminal.run("echo", f"127.0.0.1:{port}", "--config", settings)
    assert (said.status, "C-ECHO: 0000" in said.out) == (0, True), said.words
    assert callers == ["MAGBROKER_C_ECHO"]


def test_a_title_that_is_set_or_given_goes_before_and_without_an_archive_it_is_the_usual_one(
    port: int, callers: list[str], terminal: Terminal, tmp_path: Path
) -> None:
    settings = tmp_path / "magbroker.toml"
    settings.write_text('[gateway.archive]\nae_root = "D"\nservice_tool = {ae_title = "TOOL"}\n', encoding="ascii")
    for words in (("--config", settings), ("--config", settings, "--calling", "GIVEN"), ()):
        assert terminal.run("echo", f"127.0.0.1:{port}", *words).status == 0
    assert callers == ["TOOL", "GIVEN", "MAGBROKER"]
