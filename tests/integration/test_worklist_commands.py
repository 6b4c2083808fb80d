"""`magbroker worklist`: a table goes onto the worklist whole, or says which line and column is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.services import DEMO_SITE, magbroker
from tests.support.terminal import Terminal

HEADER = "accession,step_id,patient_id,patient_name,modality,start_date,start_time,station_ae_titles\n"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    assert magbroker("site", "load", str(DEMO_SITE), "--data", str(folder)).returncode == 0
    return folder


@pytest.fixture
def data(tmp_path: Path, loaded: Path) -> Path:
    return Path(shutil.copytree(loaded, tmp_path / "var"))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capsys)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "list.csv"


def test_a_file_is_imported_and_listed(terminal: Terminal, data: Path, file: Path) -> None:
    lines = [f"T{number:04},,P{number},NAME^{number},CT,2026-11-24,10:30,CT1\\CT2" for number in range(250)]
    file.write_text("\ufeff" + HEADER + "\r\n".join(lines) + "\r\n", encoding="utf-8")
    for _ in range(2):
        done = terminal.run("worklist", "import", file, "--data", data)
        assert (done.status, done.words) == (0, f"{file}: 250 steps are on the worklist")
    listed = json.loads(terminal.run("worklist", "list", "--json", "--limit", 1000, "--data", data).out)
    of_file = [one for one in listed["entries"] if one["source"] == "CSV"]
    assert (len(of_file), of_file[0]["station_ae_titles"]) == (250, "CT1\\CT2")
    assert [one for one in listed["entries"] if one["source"] == "EXAM"], "the demo site's exams"
    terminal.monkeypatch.setenv("COLUMNS", "200")
    assert "WASHINGTON^JAMES^A" in terminal.run("worklist", "list", "--data", data).out


def test_a_file_with_a_wrong_line_changes_nothing(terminal: Terminal, data: Path, file: Path) -> None:
    file.write_text(HEADER + "T1,S1,P1,N,CT,20261124,1030,CT1\nT2,S1,P1,N,ct,20261124,,\n", encoding="utf-8")
    done = terminal.run("worklist", "import", file, "--data", data)
    assert done.status == 1
    assert f'{file}, line 3, column modality: "ct" is no code' in done.words
    listed = json.loads(terminal.run("worklist", "list", "--json", "--limit", 1000, "--data", data).out)
    assert "T1" not in [one["accession"] for one in listed["entries"]]


def test_a_step_of_another_patient_is_told_with_its_line_and_what_was_done_before(
    terminal: Terminal, data: Path, file: Path
) -> None:
    lines = [f"T{number:04},,P{number},N,CT,20261124,," for number in range(150)]
    file.write_text(HEADER + "\n".join(lines), encoding="utf-8")
    terminal.run("worklist", "import", file, "--data", data)
    file.write_text(HEADER + "\n".join([*lines[:120], "T0120,,P7,N,CT,20261124,,"]), encoding="utf-8")
    done = terminal.run("worklist", "import", file, "--data", data)
    assert done.status == 2
    wrong = "line 122, column patient_id: step T0120 of T0120 is another patient's"
    assert f"{wrong}; the 100 steps before line 102 are on the worklist." in done.words


def test_a_file_that_is_not_utf_8_is_told(terminal: Terminal, data: Path, file: Path) -> None:
    file.write_bytes(HEADER.encode() + b"T1,S1,P1,M\xfcLLER,CT,20261124,,\n")
    done = terminal.run("worklist", "import", "--check", file, "--data", data)
    assert f"{file}, line 2: this is not UTF-8 text." in done.words


def test_a_file_may_be_read_without_being_imported(terminal: Terminal, data: Path, file: Path) -> None:
    file.write_text(HEADER + "CHECKED,S1,P1,N,CT,20261124,,\n", encoding="utf-8")
    done = json.loads(terminal.run("worklist", "import", "--check", "--json", file, "--data", data).out)
    assert done == {"entries": 1, "imported": 0}
    assert "CHECKED" not in terminal.run("worklist", "list", "--json", "--limit", 1000, "--data", data).out


def test_a_file_that_is_not_there_is_told(terminal: Terminal, data: Path, file: Path) -> None:
    done = terminal.run("worklist", "import", file, "--data", data)
    assert (done.status, done.words) == (1, f"magbroker: {file} cannot be read: No such file or directory.")


def test_a_file_is_checked_without_a_database(terminal: Terminal, tmp_path: Path, file: Path) -> None:
    file.write_text(HEADER + "A1,,P1,NAME,CT,2026-13-24,10:30,CT1\n", encoding="utf-8")
    done = terminal.run("worklist", "import", "--check", file, "--data", tmp_path / "none")
    assert (done.status, "line 2, column start_date" in done.err) == (1, True)
    assert not (tmp_path / "none").exists()


def test_a_list_fits_a_terminal_and_says_that_there_is_more(terminal: Terminal, data: Path, file: Path) -> None:
    lines = [f"T{number:04},,P{number},NAME^{number},CT,2026-11-24,10:30,CT1" for number in range(20)]
    file.write_text(HEADER + "\n".join(lines), encoding="utf-8")
    terminal.run("worklist", "import", file, "--data", data)
    terminal.monkeypatch.setenv("COLUMNS", "80")
    listed = terminal.run("worklist", "list", "--limit", 10, "--data", data)
    assert "There are more: --after" in listed.words
    heading, *rows = listed.out.splitlines()
    assert heading.split() == ["entry", "status", "when", "for", "accession", "patient", "name"], "no word is broken"
    assert all("SCHEDULED" in row for row in rows if row.strip()[0].isdigit() and row[:5].strip()), "nor cut"
    assert max(map(len, rows)) <= 80
