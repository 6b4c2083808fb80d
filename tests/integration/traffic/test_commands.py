"""`magbroker record` and `replay` as a person runs them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from console.traffic import read_recording
from tests.integration.traffic.sockets import listening, port_of
from tests.support.broker import RunningBroker
from tests.support.services import magbroker
from xwb import ApplicationError, BrokerClient

CODES = ("FAKEDOC1", "1DOC!@#$")
IN_ENVIRONMENT = {"MAGBROKER_ACCESS": CODES[0], "MAGBROKER_VERIFY": CODES[1]}
SECONDS = 60.0


@dataclass
class Command:
    """A command that runs until Ctrl-C; its lines are read as they come."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()

    def await_line(self, pattern: str) -> re.Match[str]:
        """Wait for a line."""
        with self._changed:
            assert self._changed.wait_for(lambda: any(re.search(pattern, it) for it in self.lines), SECONDS), self.lines
            return next(match for it in self.lines if (match := re.search(pattern, it)))


@contextmanager
def running(*arguments: str) -> Iterator[Command]:
    """Run a command, and end it with Ctrl-C."""
    process = subprocess.Popen(
        [sys.executable, "-m", "console.cli.main", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    command = Command(process)
    reader = threading.Thread(target=command.read, daemon=True)
    reader.start()
    try:
        yield command
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(SECONDS)
        finally:
            process.kill()
            reader.join(SECONDS)
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture(scope="module")
def recorded(broker: RunningBroker, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Command]:
    """Record a session with the command."""
    path = tmp_path_factory.mktemp("recorded") / "session.jsonl"
    upstream = f"127.0.0.1:{broker.port}"
    with running("record", "--upstream", upstream, "--listen", "0", "--out", str(path)) as command:
        port = int(command.await_line(r"records .* on 127\.0\.0\.1:(\d+) into")[1])
        with BrokerClient("127.0.0.1", port) as client:
            client.sign_on(*CODES)
            client.create_context("ZZ ORACLE TEST")
            client.call("ZZ ORACLE ARRAY", "x")
        command.await_line(r"^1\.\d+ +\(command\) #BYE#")
    return path, command


def test_record_tells_each_exchange_and_sums_up_at_the_end(recorded: tuple[Path, Command]) -> None:
    path, command = recorded
    assert command.process.returncode == 0
    text = "\n".join(command.lines)
    assert "connection 1 from 127.0.0.1" in text
    assert re.search(r"^1\.5 +ZZ ORACLE ARRAY +\d+ B, \d+ B back +\d\.\d{3} s$", text, re.MULTILINE)
    assert re.search(r"^ *ZZ ORACLE ARRAY +1 +0\.\d{3}", text, re.MULTILINE)
    assert re.search(r"1 connections, [67] exchanges in .*session\.jsonl; masked: .*codes 1", text)
    assert not any(code in text for code in CODES)
    names = [it.rpc for it in read_recording(path) if not it.rpc.startswith("(")]
    assert names == ["XUS SIGNON SETUP", "XUS AV CODE", "XWB CREATE CONTEXT", "ZZ ORACLE ARRAY"]


def test_a_recording_is_not_overwritten(recorded: tuple[Path, Command]) -> None:
    again = magbroker("record", "--upstream", "127.0.0.1:9430", "--listen", "0", "--out", str(recorded[0]))
    assert again.returncode == 1
    assert "exists" in again.stderr


def test_replay_compares_and_says_so_with_its_exit_status(
    broker: RunningBroker, recorded: tuple[Path, Command], tmp_path: Path
) -> None:
    path, _ = recorded
    against = ("--against", f"127.0.0.1:{broker.port}")
    same = magbroker("replay", str(path), *against, environment=IN_ENVIRONMENT)
    assert same.returncode == 0, same.stdout + same.stderr
    assert re.search(r"[67] exchanges: [67] equal", same.stdout)
    changed = tmp_path / "changed.jsonl"
    lines = path.read_text(encoding="utf-8").replace(b"one\r\n".hex(), b"two\r\n".hex())
    changed.write_text(lines, encoding="utf-8")
    other = magbroker("replay", str(changed), *against, "--access", CODES[0], "--verify", CODES[1])
    assert other.returncode == 1
    assert re.search(r"1\.5 +ZZ ORACLE ARRAY +different +two +one", other.stdout)
    as_json = magbroker("replay", str(changed), *against, "--json", environment=IN_ENVIRONMENT)
    assert as_json.returncode == 1
    found = json.loads(as_json.stdout)
    assert [it["rpc"] for it in found["exchanges"] if it["comparison"] == "different"] == ["ZZ ORACLE ARRAY"]
    for run in (same, other, as_json):
        assert not any(code in run.stdout + run.stderr for code in CODES)


def test_replay_says_what_it_lacks(recorded: tuple[Path, Command], tmp_path: Path) -> None:
    path = str(recorded[0])
    neither = magbroker("replay", path)
    assert (neither.returncode, "--against" in neither.stderr) == (1, True)
    codes = magbroker("replay", path, "--against", "127.0.0.1:1")
    assert (codes.returncode, "--access" in codes.stderr) == (1, True)
    away = magbroker("replay", path, "--against", "127.0.0.1:1", environment=IN_ENVIRONMENT)
    assert (away.returncode, "cannot be reached" in away.stderr) == (1, True)
    (tmp_path / "bad.jsonl").write_text("{\n", encoding="utf-8")
    bad = magbroker("replay", str(tmp_path / "bad.jsonl"), "--port", "0")
    assert (bad.returncode, "line 1" in bad.stderr) == (1, True)


def test_replay_serves_a_recording(recorded: tuple[Path, Command]) -> None:
    with running("replay", str(recorded[0]), "--port", "0") as command:
        port = int(command.await_line(r"serves .* on 127\.0\.0\.1:(\d+)")[1])
        with BrokerClient("127.0.0.1", port) as client:
            assert client.sign_on("ANYBODY", "AT1ALL!!").duz == 9001
            client.create_context("ZZ ORACLE TEST")
            assert client.call("ZZ ORACLE ARRAY", "x").lines == ["one", "", "x", "last"]
            with pytest.raises(ApplicationError, match="does not hold XWB IM HERE at all"):
                client.call("XWB IM HERE")
        command.await_line("not recorded: XWB IM HERE")
    assert command.process.returncode == 0


@pytest.mark.parametrize("port", ["99999", "-5"])
def test_a_port_that_is_none_is_said_so(recorded: tuple[Path, Command], tmp_path: Path, port: str) -> None:
    new = tmp_path / "new.jsonl"
    record = magbroker("record", "--upstream", "127.0.0.1:9430", "--listen", port, "--out", str(new))
    replay = magbroker("replay", str(recorded[0]), "--port", port)
    for run in (record, replay):
        assert run.returncode == 2
        assert "Input should be" in run.stderr
        assert "Traceback" not in run.stderr
    assert not new.exists()


def test_a_recording_that_could_not_begin_does_not_block_the_next_try(tmp_path: Path) -> None:
    new = tmp_path / "new.jsonl"
    with listening() as taken:
        port = str(port_of(taken))
        run = magbroker("record", "--upstream", "127.0.0.1:9430", "--listen", port, "--out", str(new))
    assert run.returncode == 1
    assert f"Port {port} cannot be listened on" in run.stderr
    assert not new.exists()


def test_replay_uses_what_is_whole_of_a_torn_recording(
    broker: RunningBroker, recorded: tuple[Path, Command], tmp_path: Path
) -> None:
    torn = tmp_path / "torn.jsonl"
    torn.write_bytes(recorded[0].read_bytes()[:-20])
    run = magbroker("replay", str(torn), "--against", f"127.0.0.1:{broker.port}", environment=IN_ENVIRONMENT)
    assert run.returncode == 0, run.stdout + run.stderr
    count = len(read_recording(recorded[0]))
    assert f"torn.jsonl, line {count}: " in run.stderr
    assert f"{count - 1} exchanges" in run.stdout
