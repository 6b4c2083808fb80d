"""Changed messages and files meet every parser: its own errors only, no more held than the bound, the same in any cut."""

from __future__ import annotations

import pytest

from tests.fuzz.__main__ import main
from tests.fuzz.run import fuzz
from tests.fuzz.targets import TARGETS

INPUTS = 10_000
SEED = 20261121


@pytest.mark.parametrize("target", TARGETS)
def test_a_parser_bears_what_comes(target: str) -> None:
    assert fuzz(target, INPUTS, SEED) == INPUTS


def test_the_command_names_its_targets(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, status in ((["--help"], 0), (["nope"], 2)):
        monkeypatch.setattr("sys.argv", ["tests.fuzz", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert ended.value.code == status
        assert all(target in said.out + said.err for target in TARGETS)


def test_the_command_fuzzes_all_targets_unless_one_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for named, count in (([], len(TARGETS)), (["cipher"], 1)):
        monkeypatch.setattr("sys.argv", ["tests.fuzz", *named, "--inputs", "1", "--seed", "1"])
        main()
        assert f"{count} targets, 1 inputs each: no finding" in capsys.readouterr().out
