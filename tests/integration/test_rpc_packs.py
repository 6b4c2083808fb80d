"""RPC packs: modules and installed packages add procedures; what cannot be loaded is named."""

from __future__ import annotations

import configparser
import json
import shutil
from pathlib import Path

import pytest

from console.packs import load_packs
from tests.support.services import magbroker

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def install(folder: Path, entry_points: str) -> dict[str, str]:
    """Lay an installed package's metadata and the example out in a folder; give the environment that finds them."""
    info = folder / "zzlab-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zzlab\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[magbroker.rpc_packs]\n{entry_points}\n", encoding="utf-8")
    shutil.copy(EXAMPLES / "zzlab.py", folder)
    return {"PYTHONPATH": str(folder)}


def origins(*arguments: str, environment: dict[str, str]) -> dict[str, str]:
    done = magbroker("rpc", "list", "--json", *arguments, environment=environment)
    assert done.returncode == 0, done.stderr
    return {row["name"]: row["pack"] for row in json.loads(done.stdout)}


def test_an_installed_package_adds_its_procedures_by_itself(tmp_path: Path) -> None:
    example = configparser.ConfigParser()
    example.read(EXAMPLES / "setup.cfg", encoding="utf-8")
    environment = install(tmp_path, example["options.entry_points"]["magbroker.rpc_packs"].strip())
    found = origins(environment=environment)
    assert (found["ZZLAB ORDER"], found["XWB IM HERE"]) == ("zzlab", "magbroker")
    assert "ZZLAB ORDER" not in origins("--no-installed-packs", environment=environment)
    assert "ZZLAB ORDER" not in origins(environment={**environment, "MAGBROKER_INSTALLED_PACKS": "false"})


def test_an_entry_point_may_name_a_function_and_a_module_on_the_command_line_goes_last(tmp_path: Path) -> None:
    environment = install(tmp_path, "laboratory = zzlab:pack.register")
    (tmp_path / "mine.py").write_text(
        "from magbroker.rpc_pack import Pack\n"
        "pack = Pack('MINE')\n"
        "@pack.procedure('ZZLAB VERSION')\n"
        "def version(call):\n    '''Answer mine.'''\n    return '2.0'\n"
        "register = pack.register\n",
        encoding="utf-8",
    )
    found = origins("--rpc-pack", "mine", environment=environment)
    assert (found["ZZLAB ORDER"], found["ZZLAB VERSION"]) == ("laboratory", "mine")


@pytest.mark.parametrize(
    ("entry_points", "module", "said"),
    [
        ("broken = no_such_module", "", "RPC pack broken: it cannot be imported"),
        (
            "broken = faulty",
            "raise RuntimeError('on purpose')",
            "cannot be imported (RuntimeError: on purpose)",
        ),
        ("broken = faulty", "x = 1", "RPC pack broken: it has no function register(registry)"),
        ("broken = faulty", "def register(registry): registry.no_such()", "RPC pack broken: its register(registry) failed"),
    ],
)
def test_a_pack_that_fails_is_named_and_can_be_left_out(tmp_path: Path, entry_points: str, module: str, said: str) -> None:
    environment = install(tmp_path, entry_points)
    (tmp_path / "faulty.py").write_text(module, encoding="utf-8")
    broker = magbroker("broker", "--data", str(tmp_path / "var"), environment=environment)
    assert broker.returncode == 1
    assert said in " ".join(broker.stderr.split())
    assert "Traceback" not in broker.stderr
    assert "XWB IM HERE" in origins("--no-installed-packs", environment=environment)


HEAD = "from magbroker.rpc_pack import Pack, procedure\nimport sys\npack = Pack('MINE')\nregister = pack.register\n"


def written(folder: Path, text: str, name: str = "mine") -> None:
    (folder / f"{name}.py").write_text(HEAD + text, encoding="utf-8")


@pytest.mark.parametrize(
    ("named", "module", "said"),
    [
        (
            "mine",
            "@pack.procedure('ZZ A', returns='ARRAY')\ndef a(call): return []",
            "RPC pack mine: procedure 'ZZ A': returns='ARRAY' is no ResultType; write for example returns=ResultType.ARRAY",
        ),
        (
            "mine",
            "@pack.procedure('ZZ A')\ndef a(): return ''",
            "RPC pack mine: procedure 'ZZ A': a is called with the call alone (too many positional arguments); write def a(call)",
        ),
        (
            "mine",
            "for one in 'ab': pack.procedure('ZZ A')(lambda call: '')",
            "RPC pack mine: procedure 'ZZ A': the pack declares it twice; give one of the two another name",
        ),
        ("mine", "sys.exit(3)", "RPC pack mine: it cannot be imported (SystemExit: 3)"),
        ("mine", "def register(registry): sys.exit(3)", "RPC pack mine: its register(registry) failed (SystemExit: 3)"),
        ("mine.py", "", "RPC pack mine.py: give the module's name, without .py: mine"),
        ("./mine.py", "", "RPC pack ./mine.py: give the module's name, without .py: mine"),
    ],
)
def test_a_packs_mistake_is_named(tmp_path: Path, named: str, module: str, said: str) -> None:
    written(tmp_path, module)
    done = magbroker("rpc", "list", "--rpc-pack", named, environment={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_the_log_tells_which_procedures_are_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    written(tmp_path, "pack.procedure('XWB IM HERE')(lambda call: '2')\npack.procedure('ZZ A')(lambda call: '')", "zz_first")
    written(tmp_path, "pack.procedure('XWB IM HERE')(lambda call: '3')", "zz_second")
    monkeypatch.syspath_prepend(tmp_path)
    with caplog.at_level("INFO"):
        load_packs(["zz_first", "zz_second"], installed=False)
    assert caplog.messages == [
        "RPC pack zz_first replaces XWB IM HERE of magbroker",
        "RPC pack zz_second replaces XWB IM HERE of zz_first",
    ]


def test_a_procedure_is_shown_with_what_it_promises(tmp_path: Path) -> None:
    environment = install(tmp_path, "zzlab = zzlab")
    done = magbroker("rpc", "show", "ZZLAB ORDER", "--json", environment=environment)
    shown = json.loads(done.stdout)
    assert (shown["returns"], shown["family"], shown["pack"]) == ("SINGLE VALUE", "zzlab", "zzlab")
    assert [one["name"] for one in shown["parameters"]] == ["PATIENT", "TESTS"]
    assert (shown["routine"], shown["inactive"]) == ("ORDER^ZZLAB", "active")
    first, *_, last = shown["description"].splitlines()
    assert first == "Order tests for a patient and answer the number of the order, or `-1^reason`."
    assert last == "TESTS is a list: the subscript is the number of a test, the value a comment for the laboratory."
    unknown = magbroker("rpc", "show", "ZZLAB NOTHING")
    assert unknown.returncode == 3, "as of rpc call"
    assert "There is no procedure 'ZZLAB NOTHING'" in unknown.stderr
