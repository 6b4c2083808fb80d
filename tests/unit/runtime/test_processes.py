"""One process owns a data directory, and what is in the way is named."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from runtime import (
    DataDirectory,
    DataDirectoryInUse,
    DataDirectoryUnusable,
    NotReady,
    PortInUse,
    PortRefused,
    check_port,
    free_port,
    read_run_file,
    wait_until_ready,
    write_json,
)

OWNER = """
import sys
from pathlib import Path
from runtime import DataDirectory
directory = DataDirectory(Path(sys.argv[1]))
directory.acquire()
directory.publish(broker_port=9430)
print("owned", flush=True)
sys.stdin.read()
"""


def own(directory: Path) -> subprocess.Popen[str]:
    """Let another process own the directory until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "owned\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=10)


def test_a_directory_that_another_process_owns_is_refused_naming_it(tmp_path: Path) -> None:
    process = own(tmp_path)
    try:
        with pytest.raises(DataDirectoryInUse, match=f"belongs to process {process.pid}, which is running") as raised:
            DataDirectory(tmp_path).acquire()
        assert raised.value.pid == process.pid
        assert read_run_file(tmp_path) == {"pid": process.pid, "broker_port": 9430}
    finally:
        end(process)


def test_the_directory_of_a_killed_process_is_free_and_its_run_file_counts_no_more(tmp_path: Path) -> None:
    end(own(tmp_path))
    assert (tmp_path / "run.json").exists()
    assert read_run_file(tmp_path) is None
    directory = DataDirectory(tmp_path)
    directory.acquire()
    assert (tmp_path / "owner.lock").read_text() == str(os.getpid())
    directory.release()


def test_a_released_directory_can_be_owned_again(tmp_path: Path) -> None:
    first = DataDirectory(tmp_path / "new" / "var")
    first.acquire()
    first.publish(broker_port=1)
    assert read_run_file(first.path) == {"pid": os.getpid(), "broker_port": 1}
    first.release()
    assert read_run_file(first.path) is None
    second = DataDirectory(first.path)
    second.acquire()
    second.release()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirectoryUnusable, match="cannot be written"):
        DataDirectory(tmp_path / "file" / "var").acquire()


@pytest.mark.parametrize("text", ["", "{", "[1]", "{}", '{"pid": "x"}', '{"pid": 4194304}', "null"])
def test_a_run_file_that_tells_of_no_process_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    assert read_run_file(tmp_path) is None


def test_a_run_file_of_another_users_process_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(tmp_path / "run.json", {"pid": 1})

    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert read_run_file(tmp_path) == {"pid": 1}


def test_json_is_replaced_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_json(path, {"a": 1})
    write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 2}
    assert list(tmp_path.iterdir()) == [path]


def test_a_taken_port_is_named_with_its_purpose_and_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=rf"Port {port} \(DICOM\) is taken by another program.*MAGBROKER_X"):
            check_port(port, "DICOM", "MAGBROKER_X")
    check_port(port, "DICOM", "MAGBROKER_X")


def test_an_address_that_is_not_this_machines_is_not_called_taken() -> None:
    with pytest.raises(PortRefused, match="cannot be opened: Cannot assign requested address"):
        check_port(free_port(), "DICOM", "MAGBROKER_X", host="192.0.2.1")


def test_port_0_is_always_free() -> None:
    check_port(0, "DICOM", "MAGBROKER_X")


def test_waiting_ends_with_what_the_probe_gives() -> None:
    answers = iter([None, None, 9430])
    pauses: list[float] = []
    assert wait_until_ready(lambda: next(answers), "the broker", 10, pause=pauses.append) == 9430
    assert len(pauses) == 2


def test_waiting_gives_up_after_its_time_and_says_for_what() -> None:
    pauses: list[float] = []
    with pytest.raises(NotReady, match=r"the broker did not become ready in 2 s"):
        wait_until_ready(lambda: None, "the broker", 2, pause=pauses.append)
    assert sum(pauses) == pytest.approx(2, abs=0.1)
