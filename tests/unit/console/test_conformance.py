"""The conformance statement says what the tables of the program say, and the page in docs is that of its example."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli.main import app
from console.conformance import statement
from console.conformance.attributes import levels, worklist
from console.conformance.markdown import Page
from console.conformance.statuses import QUERY, RETRIEVAL, STORAGE
from dul import status as dimse
from fileman.worklist_attributes import BY_PATH
from gateway_client import Configuration
from gateway_client.reception import receiving
from rpcs.archive.attributes import ATTRIBUTES
from runtime import load_settings

ROOT = Path(__file__).parents[3]
EXAMPLE, PAGE = ROOT / "docs" / "examples" / "archive-gateway.toml", ROOT / "docs" / "conformance.md"
SETTINGS = """
[gateway]
dicom_port = 11112

[gateway.archive]
ae_root = "MAGISTORE1"
"""
#: What is answered with of itself, whatever a request comes to.
OF_THE_SERVICE = {dimse.SUCCESS, dimse.PENDING, dimse.CANCEL}


def of(text: str, directory: Path) -> str:
    file = directory / "settings.toml"
    file.write_text(text, encoding="utf-8")
    return statement(Configuration.from_settings(load_settings(file)))


def named_in(*modules: str) -> Iterator[int]:
    """Give the statuses of DIMSE whose constants modules import."""
    for module in modules:
        for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "dul.status":
                yield from (value for name in node.names if isinstance(value := getattr(dimse, name.name), int))


def test_the_page_is_what_the_command_writes(tmp_path: Path) -> None:
    """`magbroker conformance --config docs/examples/archive-gateway.toml docs/conformance.md` writes it again."""
    written = CliRunner().invoke(app, ["conformance", "--config", str(EXAMPLE)])
    assert written.exit_code == 0
    assert written.stdout == PAGE.read_text(encoding="utf-8")
    assert CliRunner().invoke(app, ["conformance", "--config", str(EXAMPLE), str(tmp_path / "page.md")]).exit_code == 0
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == written.stdout


def test_the_statement_is_that_of_its_settings(tmp_path: Path) -> None:
    changed = of(
        f"""{SETTINGS}
[gateway.archive.short_term]
ae_title = "ASKME"
port = 4100
match_limit = 77
transfer_syntaxes = ["implicit"]
""",
        tmp_path,
    )
    page = PAGE.read_text(encoding="utf-8")
    for told in ("| ASKME | 4100 |", "| matches of a query | 77 |", "| Implicit VR Little Endian | SCU | relational |"):
        assert told in changed
        assert told not in page


def test_a_gateway_without_an_archive_has_its_own_port_only(tmp_path: Path) -> None:
    alone = of(SETTINGS.partition("[gateway.archive]")[0], tmp_path)
    assert "#### 4.2.1 default" in alone
    assert "#### 4.2.2" not in alone


def test_a_gateway_of_several_processes_answers_no_queries_at_its_own_port(tmp_path: Path) -> None:
    several = of(SETTINGS.replace("[gateway]", "[gateway]\nprocesses = 3"), tmp_path)
    default = several.partition("#### 4.2.1 default")[2].partition("#### 4.2.2")[0]
    assert "Storage Commitment" in default
    assert "Query/Retrieve" not in default
    assert "Query/Retrieve" in several


@pytest.mark.parametrize("limit", ['calling_ae_titles = ["VIEWER"]', 'hosts = ["10.0.0.0/8"]'])
@pytest.mark.parametrize("table", ["short_term", "long_term"])
def test_where_an_entity_names_who_may_ask_the_gateways_own_port_answers_no_queries(
    tmp_path: Path, table: str, limit: str
) -> None:
    plain = SETTINGS.partition("[gateway.archive]")[0] + '[gateway.archive]\nae_root = "ROOT"\n'
    closed = of(f"{plain}[gateway.archive.{table}]\n{limit}\n", tmp_path)
    assert "Query/Retrieve" not in closed.partition("#### 4.2.1 default")[2].partition("#### 4.2.2")[0]
    assert "Query/Retrieve" in of(plain, tmp_path).partition("#### 4.2.1 default")[2].partition("#### 4.2.2")[0]


@pytest.mark.parametrize(
    ("service", "modules"),
    [
        (
            QUERY,
            (
                "gateway_client/archive/find.py",
                "gateway_client/archive/inquiry.py",
                "gateway_client/archive/questions.py",
                "gateway_client/archive/levels.py",
            ),
        ),
        (
            RETRIEVAL,
            (
                "gateway_client/archive/retrieve.py",
                "gateway_client/archive/retrieval.py",
                "gateway_client/archive/wanted.py",
                "gateway_client/archive/levels.py",
                "dul/retrieval.py",
            ),
        ),
    ],
    ids=["C-FIND", "C-MOVE and C-GET"],
)
def test_the_statuses_of_the_statement_are_those_with_which_the_program_answers(service: Any, modules: tuple[str, ...]) -> None:
    assert set(service.statuses) == OF_THE_SERVICE | set(named_in(*modules))


def test_the_statuses_of_storage_are_those_of_the_receiver() -> None:
    assert set(STORAGE.statuses) == {receiving.SUCCESS, *receiving._STATUS.values()}


def test_every_attribute_that_can_be_asked_for_has_a_row() -> None:
    assert {it.path: (it.vr, it.type) for _title, rows in levels() for it in rows} == {
        tag: (it.vr, it.type) for tag, it in ATTRIBUTES.items()
    }
    assert {it.path for it in worklist()} >= set(BY_PATH)


def test_sections_are_numbered_by_their_depth_and_a_bar_in_a_cell_stays_one() -> None:
    page = Page()
    for depth, name in ((1, "one"), (2, "one of one"), (2, "two of one"), (3, "below"), (1, "two"), (2, "one of two")):
        page.section(depth, name)
    page.table(("a", "b"), [("x|y", 1)])
    assert [line for line in page.lines if line.startswith("#")] == [
        "## 1 one",
        "### 1.1 one of one",
        "### 1.2 two of one",
        "#### 1.2.1 below",
        "## 2 two",
        "### 2.1 one of two",
    ]
    assert "| x\\|y | 1 |" in page.text()
