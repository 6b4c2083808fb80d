"""`magbroker rpc`: procedures are shown as file 8994 has them, and called at a running broker."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import insert

from console.cli.main import main
from console.real_broker import RealBroker, SiteTemplate
from fileman.files import DicomFailedImage
from rpcs import Answer, Call, MError, Pack
from tests.support.services import magbroker
from xwb import LocalArray, ResultType, format_subscripts

DOCS = Path(__file__).parents[2] / "docs"
USER = {"MAGBROKER_ACCESS": "DEMOGW1", "MAGBROKER_VERIFY": "1GWY!@#$", "MAGBROKER_CONTEXT": "MAGB GATEWAY"}
#: One image on the CORRECT list.
TO_BE_CORRECTED = {
    "ien": 1,
    "file_path": "1.dcm",
    "study_uid": "8.1",
    "image_uid": "8.1.1",
    "first_of_study": True,
    "reason": "BAD CASE #",
    "entered": "3261121",
    "machine": "GWA",
    "location": "660",
}
pack = Pack("ZZCALL")


@pack.procedure("ZZ SHOW", returns=ResultType.ARRAY, parameters=("FIRST", "SECOND", "THIRD"))
def show(call: Call) -> list[str]:
    """Answer each parameter as it came."""
    lines = []
    for value in call.arguments:
        if isinstance(value, LocalArray):
            lines += [f"({format_subscripts(key).decode('ascii')})={node}" for key, node in value.items()]
        else:
            lines.append(f"[{value}]")
    return lines


@pack.procedure("ZZ COMPLAIN")
def complain(_call: Call) -> Answer:
    """Answer data and an error in the application segment."""
    return Answer("half of it", application="the rest is missing")


@pack.procedure("ZZ FAIL")
def fail(_call: Call) -> str:
    """Fail."""
    raise MError("FAIL+1^ZZCALL, Undefined local variable: X")


@dataclass(frozen=True)
class Said:
    """What a command wrote, and what it ended with."""

    out: str
    err: str
    status: int


@dataclass
class Terminal:
    """Runs commands in this process at one broker, as one user."""

    broker: RealBroker
    monkeypatch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]

    def call(self, *words: str, **user: str) -> Said:
        for name, value in {**USER, **user}.items():
            self.monkeypatch.setenv(name, value)
        self.monkeypatch.setattr("sys.argv", ["magbroker", "rpc", "call", *words, "--broker", f"127.0.0.1:{self.broker.port}"])
        self.capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        written = self.capture.readouterr()
        return Said(written.out, " ".join(written.err.split()), int(str(ended.value.code)))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealBroker]:
    folder = tmp_path_factory.mktemp("broker")
    with RealBroker(SiteTemplate(folder / "template"), folder / "data") as broker:
        broker.add(pack, context="MAGB GATEWAY")
        broker.store.transact(lambda connection: connection.execute(insert(DicomFailedImage), TO_BE_CORRECTED))
        yield broker


@pytest.fixture
def terminal(broker: RealBroker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(broker, monkeypatch, capsys)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["a", "", "c"], ["[a]", "[]", "[c]"]),
        (["--list", "1=x", "--list", "FILE=2005=y"], ["(1)=x", '("FILE")=2005=y']),
        (["a", "--list", "2=x"], ["[a]", "(2)=x"]),
        (["@", "b", "--list", "FROM,1=x"], ['("FROM",1)=x', "[b]"]),
        (["@@", "b", "--list", "007=x"], ["[@]", "[b]", '("007")=x']),
    ],
)
def test_arguments_and_the_list_arrive_in_their_places(terminal: Terminal, words: list[str], shown: list[str]) -> None:
    said = terminal.call("ZZ SHOW", *words)
    assert (said.out.splitlines(), said.err, said.status) == (shown, "", 0)


def test_json_tells_the_answer_as_text_and_as_lines(terminal: Terminal) -> None:
    said = terminal.call("ZZ SHOW", "a", "b", "--json")
    assert json.loads(said.out) == {"procedure": "ZZ SHOW", "text": "[a]\r\n[b]\r\n", "lines": ["[a]", "[b]"], "error": ""}


def test_a_single_value_is_one_line(terminal: Terminal) -> None:
    assert terminal.call("MAG DICOM GET DOMAIN").out == "DEMO.MAGBROKER.EXAMPLE\n"


def test_what_the_application_reports_is_printed_beside_the_data(terminal: Terminal) -> None:
    said = terminal.call("ZZ COMPLAIN")
    assert (said.out, said.err, said.status) == ("half of it\n", "the rest is missing", 1)


@pytest.mark.parametrize(
    ("words", "user", "status", "said"),
    [
        (["ZZ FAIL"], {}, 1, "The procedure failed: FAIL+1^ZZCALL, Undefined local variable: X"),
        (["ZZ NOTHING"], {}, 3, "The broker has no procedure 'ZZ NOTHING'"),
        (["ZZ SHOW"], {"MAGBROKER_CONTEXT": ""}, 1, "Name the context of your application with --context."),
        (["ZZ SHOW"], {"MAGBROKER_CONTEXT": "NOWHERE"}, 1, "There is no such context"),
        (["ZZ SHOW"], {"MAGBROKER_VERIFY": "WRONG"}, 1, "The access code or the verify code is wrong."),
        (["ZZ SHOW", "@"], {}, 2, "stands for the one list that --list gives"),
        (["ZZ SHOW", "@", "@", "--list", "1=a"], {}, 2, "stands for the one list that --list gives"),
        (["ZZ SHOW", "--list", "a"], {}, 2, "'a' is not written as KEY=VALUE."),
        (["ZZ SHOW", "--list", "=a"], {}, 2, "'=a' is not written as KEY=VALUE."),
    ],
)
def test_what_is_refused_is_explained(terminal: Terminal, words: list[str], user: dict[str, str], status: int, said: str) -> None:
    ended = terminal.call(*words, **user)
    assert ended.status == status, ended
    assert said in ended.err


@pytest.mark.parametrize(
    ("page", "answers"),
    [
        ("reference/correction.md", [r'1\^.*"image_uid": "8\.1\.1"', r'1\^{"study": 1, "queued": "FIXED", "images": 1}']),
        ("how-to/copy-to-shares.md", ["0"]),
    ],
)
def test_calls_that_the_pages_show_are_answered_at_the_demo(
    broker: RealBroker, tmp_path: Path, page: str, answers: list[str]
) -> None:
    commands = re.findall(r"^(?:    |\$ )((?:export|magbroker) .*)$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-ec", "\n".join(commands)],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "MAGBROKER_BROKER_PORT": str(broker.port)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.splitlines()
    assert len(said) == len(answers)
    for one, shown in zip(said, answers, strict=True):
        assert re.match(shown, one), one


def test_a_refusal_that_a_procedure_answers_is_an_answer(terminal: Terminal) -> None:
    said = terminal.call("MAGB CORRECT DELETE", "--list", "STUDY=1")
    assert (said.out.partition("^")[0], said.err, said.status) == ("0", "", 0)
    assert "MAG SYSTEM" in said.out


def test_without_codes_a_call_says_what_it_needs(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in USER:
        monkeypatch.delenv(name, raising=False)
    done = magbroker("rpc", "call", "MAG DICOM GET DOMAIN", "--broker", f"127.0.0.1:{terminal.broker.port}")
    assert done.returncode == 2
    assert "give --access and --verify" in " ".join(done.stderr.split())


def test_a_broker_that_is_away_is_told_of_with_what_to_do() -> None:
    done = magbroker("rpc", "call", "XWB IM HERE", "--broker", "127.0.0.1:1", environment=USER)
    assert done.returncode == 1
    assert "'magbroker doctor 127.0.0.1:1' says what is wrong there" in " ".join(done.stderr.split())


def test_a_broker_is_found_by_its_data_directory(tmp_path: Path) -> None:
    done = magbroker("rpc", "call", "XWB IM HERE", "--data", str(tmp_path), environment={**USER, "MAGBROKER_BROKER_PORT": "1"})
    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stderr
    (tmp_path / "run.json").write_text(json.dumps({"pid": 1, "broker_port": 2}), encoding="utf-8")
    done = magbroker("rpc", "call", "XWB IM HERE", "--data", str(tmp_path), environment={**USER, "MAGBROKER_BROKER_PORT": "1"})
    assert "127.0.0.1:2" in done.stderr
    assert done.returncode == 1


def test_a_procedure_is_shown_with_every_field_of_the_file() -> None:
    done = magbroker("rpc", "show", "MAG DICOM ROUTE EVAL START", "--json")
    shown = json.loads(done.stdout)
    assert shown.pop("description").startswith("Start the rule evaluator")
    assert shown.pop("parameters") == [
        {"sequence": 1, "name": "LOCATION", "type": "LITERAL", "length": 30, "required": True},
        {"sequence": 2, "name": "RULES", "type": "LIST", "length": 0, "required": True},
    ]
    assert shown == {
        "name": "MAG DICOM ROUTE EVAL START",
        "family": "routing",
        "returns": "SINGLE VALUE",
        "access": "writes",
        "inactive": "active",
        "availability": "RESTRICTED",
        "version": 3,
        "word_wrap": True,
        "client_manager": False,
        "taken": [],
        "routine": "START^MAGDRPC5",
        "pack": "magbroker",
    }
