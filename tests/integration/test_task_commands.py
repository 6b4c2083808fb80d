"""`magbroker tasks` on a real broker: its owner and signed-on users see and steer what runs there."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from console.cli.main import main
from console.processes import Child
from runtime import free_port
from tests.support.services import DEMO_SITE
from tests.support.waiting import until

MANAGER = {"MAGBROKER_ACCESS": "DEMOMG1", "MAGBROKER_VERIFY": "1MGR!@#$"}
VIEWER = {"MAGBROKER_ACCESS": "DEMOVW1", "MAGBROKER_VERIFY": "1VIW!@#$"}
#: A pack whose routines run until they are asked to stop, or fail.
PACK = '''
from pathlib import Path

from taskman import TaskContext, routine


@routine("LOOP^ZZPACK", option="ZZ LOOP", frequency="1D", variables={"place": 1})
def loop(task: TaskContext) -> None:
    """Go round."""
    task.say(f"round and round {task.arguments.get('place')}")
    while not task.stop_requested():
        task.pause(0.02)


@routine("DEAF^ZZPACK")
def deaf(task: TaskContext) -> None:
    while not Path(task.arguments["until"]).exists():
        task.pause(0.02)


@routine("FAIL^ZZPACK")
def fail(task: TaskContext) -> None:
    raise ValueError("no such thing")


def register(registry):
    pass
'''


@dataclass(frozen=True)
class Said:
    """What a command wrote, and what it ended with."""

    out: str
    err: str
    status: int


@dataclass
class Site:
    """A broker with the pack, and who asks there: commands run in this process, which spares each of them the start of one."""

    data: Path
    capture: pytest.CaptureFixture[str] | None = None

    def run(self, *words: str, status: int = 0, user: dict[str, str] | None = None) -> Said:
        """Run a command about tasks, which ends as expected."""
        said = self.command("tasks", *words, user=user)
        assert said.status == status, said
        return said

    def command(self, *words: str, user: dict[str, str] | None = None) -> Said:
        """Run a command and give what it said, its lines put together."""
        assert self.capture is not None
        self.capture.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["magbroker", *words])
            for name, value in {"MAGBROKER_DATA": str(self.data), **(user or {})}.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
        shown = self.capture.readouterr()
        return Said(shown.out, " ".join(shown.err.split()), int(ended.value.code or 0))

    def ask(self, *words: str, status: int = 0, user: dict[str, str] | None = None) -> Any:
        """Run a command and read its JSON."""
        return json.loads(self.run(*words, "--json", status=status, user=user).out)

    def status(self, number: int) -> str:
        """Give a task's status."""
        return str(self.ask("show", str(number))["task"]["meaning"])

    def start(self, *words: str) -> int:
        """Start a task as the manager and wait until it runs."""
        number = int(self.ask("start", *words, user=MANAGER)["number"])
        until(lambda: self.status(number) not in ("waiting", "scheduled"), f"task {number} began")
        return number


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Run a broker; give its data directory."""
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "zzpack.py").write_text(PACK, encoding="utf-8")
    data, port = folder / "var", free_port()
    words = ["broker", "--data", str(data), "--port", str(port), "--text-port", "0", "--site", str(DEMO_SITE)]
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    broker = Child("broker", [*words, "--rpc-pack", "zzpack"], port, folder / "broker.log", {"PYTHONPATH": path})
    broker.start()
    broker.await_ready()
    until((data / "run.json").exists, "run.json tells the port")
    yield data
    broker.stop()


@pytest.fixture
def site(running: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    return Site(running, capsys)


def test_a_manager_starts_a_task_sees_it_run_and_stops_it(site: Site) -> None:
    number = site.start("ZZ LOOP", "--arg", "place=7", "--description", "a long walk")
    listed = site.ask("list", "--status", "running", "--option", "ZZ LOOP", user=MANAGER)["tasks"]
    assert [(one["number"], one["creator"], one["description"]) for one in listed] == [(number, "MANAGER,IRIS", "a long walk")]
    until(lambda: "round and round 7" in site.run("show", str(number)).out, "it says something")
    stopped = site.ask("stop", str(number), "--wait", user=MANAGER)
    assert stopped == {"tasks": [{"number": number, "done": True, "found": True, "outcome": "Asked to stop"}]}
    shown = site.ask("show", str(number))["task"]
    assert (shown["meaning"], shown["stopped_by"], shown["arguments"]) == ("stopped by the user", "MANAGER,IRIS", {"place": 7})
    assert number in [one["number"] for one in site.ask("list", "--status", "unsuccessful", "--mine", user=MANAGER)["tasks"]]


def test_the_owner_steers_tasks_beside_the_running_broker(site: Site) -> None:
    later = site.ask("start", "LOOP^ZZPACK", "--at", "+2H", "--description", "later")["number"]
    assert site.status(later) == "scheduled"
    assert later in [one["number"] for one in site.ask("list", "--status", "future", "--routine", "^ZZPACK")["tasks"]]
    site.run("dequeue", str(later))
    assert site.status(later) == "unscheduled"
    site.run("requeue", str(later), "--at", "now")
    until(lambda: site.status(later) == "running", "it runs")
    site.run("stop", str(later), "--wait")
    refused = site.run("delete", str(later), status=1)
    assert "--yes" in refused.err
    assert str(later) not in refused.err, "nobody was asked, so there is nothing to show"
    assert site.ask("delete", str(later), "--yes")["tasks"][0]["outcome"] == "deleted"
    assert site.run("show", str(later), status=3).out == ""
    assert "knows a routine QUICK^NOPE" in site.run("start", "QUICK^NOPE", "--at", "+2H").out


def test_the_evaluator_of_a_location_is_stopped_by_it(site: Site) -> None:
    evaluator = site.start("EVAL^MAGBRTE4", "--arg", "location=661", "--arg", 'rules=[["1", "1^ACTION^DICOM"]]')
    until(lambda: site.ask("show", str(evaluator))["log"] != [], "it logs")
    assert site.ask("stop", "--location", "661", "--wait")["tasks"][0]["number"] == evaluator
    assert site.status(evaluator) == "stopped by the user"
    site.run("stop", "--location", "661", status=3)


def test_a_stop_that_is_waited_for_in_vain_says_so(site: Site, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    number = site.start("DEAF^ZZPACK", "--arg", f"until={ready}")
    refused = site.run("stop", str(number), "--wait", "--timeout", "0.2", status=1)
    assert f"still running: {number}. They were asked to stop" in refused.err
    ready.touch()
    until(lambda: site.status(number) == "completed", "it ends")
    assert "Finished running" in site.run("stop", str(number), status=1).out


def test_errors_are_shown_with_their_tracebacks_and_cleared(site: Site) -> None:
    number = site.start("FAIL^ZZPACK")
    until(lambda: site.status(number) == "error", "it fails")
    assert "no such thing" in site.run("errors", "--task", str(number)).out
    assert "zzpack.py" in site.run("show", str(number), "--traceback").out
    assert "zzpack.py" not in site.run("show", str(number)).out
    assert site.ask("errors", user=MANAGER)["errors"][0]["task"] == number
    assert "--yes" in site.run("errors", "--clear", status=1).err
    assert site.ask("errors", "--clear", "--kind", "ValueError", "--yes", user=MANAGER)["cleared"] >= 1
    assert site.ask("errors") == {"errors": []}


def test_an_option_is_scheduled_looked_at_and_run(site: Site) -> None:
    made = site.ask("schedule", "add", "ZZ LOOP", "--frequency", "D@02:00", "--variable", "place=3", user=MANAGER)
    ien = str(made["ien"])
    assert made["means"] == "on weekdays at 02:00"
    assert re.search(rf"^ +{ien} ZZ LOOP .* D@02:00\b", site.run("schedule").out, re.MULTILINE)
    listed = site.ask("schedule")["schedules"]
    assert listed == site.ask("schedule", "list")["schedules"]
    assert [one["ien"] for one in listed if one["option"] == "ZZ LOOP"] == [made["ien"]]
    assert len(site.ask("schedule", "preview", ien, "--count", "3")["runs"]) == 3
    assert "Monday" in site.run("schedule", "preview", "M@08:00", "--count", "1").out
    assert site.ask("schedule", "pause", ien)["paused"] is True
    assert site.ask("schedule", "resume", ien)["paused"] is False
    assert site.ask("schedule", "edit", ien, "--no-catch-up", "--frequency", "2H")["means"] == "every 2 hours"
    task = site.ask("schedule", "run", ien, user=MANAGER)["number"]
    until(lambda: site.status(task) == "running", "it runs")
    site.run("stop", str(task), "--wait")
    site.run("schedule", "remove", ien)
    assert "ZZ LOOP" not in [one["option"] for one in site.ask("schedule")["schedules"]]
    assert site.ask("flags") == {"flags": []}


def test_the_monitor_prints_one_screen_and_one_snapshot(site: Site) -> None:
    number = site.start("LOOP^ZZPACK", "--description", "to be seen")
    screen = site.run("monitor", "--once").out
    for said in ("TaskMan is running", "workers", "RUN", "schedule", "waiting", "LOOP^ZZPACK", "queues", "errors"):
        assert said in screen
    told = site.ask("monitor", user=MANAGER)["monitor"]
    assert number in [one["number"] for one in told["running"]]
    assert [worker["state"] for worker in told["workers"]] == ["RUN"]
    site.run("stop", str(number), "--wait")


@pytest.mark.parametrize("key", ["q", "Ctrl-C"])
def test_the_live_monitor_helps_and_ends_by_a_key(site: Site, key: str) -> None:
    screen, other = pty.openpty()
    command = [sys.executable, "-m", "console.cli.main", "tasks", "monitor", "--data", str(site.data)]
    terminal = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "60"}
    process = subprocess.Popen(command, stdin=other, stdout=other, stderr=other, env=terminal)
    os.close(other)
    try:
        shows(screen, "TaskMan is .*running")
        os.write(screen, b"?")
        shows(screen, "stop N ends it")
        if key == "q":
            os.write(screen, b"q")
        else:  # the terminal is not the one that controls the process
            process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait(10)
        os.close(screen)


def shows(terminal: int, pattern: str) -> None:
    """Wait until a terminal shows something."""
    shown, deadline = "", time.monotonic() + 60
    while re.search(pattern, shown) is None:
        assert time.monotonic() < deadline, shown
        if select.select([terminal], [], [], 0.2)[0]:
            shown += os.read(terminal, 65536).decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("words", "user", "status", "said"),
    [
        (("show", "4711"), {}, 3, "There is no task 4711"),
        (("stop", "4711"), {}, 3, ""),
        (("start", "ZZ NONE"), MANAGER, 3, "There are: "),
        (("start", "A^B^C"), {}, 1, "Bad Routine"),
        (("start", "A^B", "--at", "soon"), {}, 2, "write now, 08:30"),
        (("start", "A^B", "--arg", "x"), {}, 2, "KEY=VALUE"),
        (("list", "--status", "asleep"), {}, 2, "unsuccessful"),
        (("list", "--numbers", "1", "--from", "2"), {}, 2, "--numbers"),
        (("list", "--no-such"), {}, 2, "--no-such"),
        (("stop",), {}, 2, "--location"),
        (("delete",), {}, 2, "--finished-before"),
        (("errors", "--kind", "ValueError"), {}, 2, "--clear"),
        (("schedule", "preview", "1X"), {}, 2, "Examples: "),
        (("schedule", "run", "4711"), {}, 3, "'magbroker tasks schedule' lists them"),
        (("schedule", "edit", "1"), {}, 2, "Say what to change"),
        (("flags", "--clear", "ZZ~"), {}, 3, "'magbroker tasks flags'"),
        (("list", "--access", "DEMOMG1"), {}, 2, "both --access and --verify"),
        (("list", "--broker", "127.0.0.1:1"), {}, 2, "give --access and --verify"),
        (("list", "--broker", "127.0.0.1:1"), MANAGER, 1, "magbroker doctor 127.0.0.1:1"),
        (("list",), {**MANAGER, "MAGBROKER_VERIFY": "1NOT!@#$"}, 1, "access code or the verify code is wrong"),
        (("list",), VIEWER, 1, "MAGB TASKMAN"),
        (("list", "--tls"), MANAGER, 2, "--broker HOST:PORT"),
        (("list", "--ca", "none.pem"), MANAGER, 2, "--tls"),
        (("list", "--tls", "--ca", "none.pem", "--broker", "127.0.0.1:1"), MANAGER, 1, "none.pem"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_is_refused_says_what_to_do(
    site: Site, words: tuple[str, ...], user: dict[str, str], status: int, said: str
) -> None:
    refused = site.run(*words, status=status, user=user)
    assert said in refused.err


def test_a_list_fits_a_screen_80_columns(site: Site) -> None:
    number = site.ask("start", "LOOP^ZZPACK", "--at", "+2H", "--description", "word " * 40, user=MANAGER)["number"]
    shown = site.run("list", "--numbers", str(number)).out.splitlines()
    first = next(line for line in shown if line.startswith(str(number)))
    assert re.match(rf"{number} scheduled +\S.*MANAGER,IRIS +LOOP\^ZZPACK +word word", first), shown
    assert max(len(line) for line in shown) <= 80


def test_without_a_broker_the_owner_opens_the_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = Site(tmp_path, capsys)
    assert "There is no database" in site.run("list", status=1).err
    assert site.command("site", "load", str(DEMO_SITE)).status == 0
    assert "TaskMan does not run now" in " ".join(site.run("start", "A^B").out.split())
    assert "TaskMan is not running" in site.run("monitor", "--once").out
    assert site.ask("list")["tasks"][0]["entry_point"] == "A^B"


def test_options_of_the_bare_list_stand_after_a_command(site: Site) -> None:
    refused = site.run("schedule", "--json", "list", status=2)
    assert "Options come after the command" in refused.err
