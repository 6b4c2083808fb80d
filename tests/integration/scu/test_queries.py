"""`magbroker find`, `move` and `get`: at DCMTK's servers, at Orthanc, and at providers that refuse, fail and go on for ever."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from io import StringIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from rich.console import Console
from rich.text import Text

from console.cli import dicom_query
from dul import Answer, CommandField, Instance, Request, RequestRefused, answered_by, found_by, got_by
from tests.support import dcmtk_archive, orthanc
from tests.support.dcmtk_archive import Dcmqrscp, Wlmscpfs
from tests.support.dicom import Storescp, data_set_bytes
from tests.support.identifiers import CHARACTER_SET, PATIENT_ID, PATIENT_NAME, STUDY, SYNTAXES, encode_identifier
from tests.support.orthanc import Orthanc
from tests.support.query_provider import QueryProvider, Table, synthetic_rows
from tests.support.terminal import Terminal
from tests.support.waiting import until

ARCHIVE = ("--called", dcmtk_archive.AE_TITLE)
CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture
def study(slices: dict[str, Path]) -> Dataset:
    """Give the header of one of the images."""
    return dcmread(next(iter(slices.values())), stop_before_pixels=True)


def values(answers: list[dict[str, dict[str, list[str]]]], tag: str) -> list[str]:
    return [answer[tag]["Value"][0] for answer in answers]


def test_each_level_of_an_archive_is_found(terminal: Terminal, tmp_path: Path, slices: dict[str, Path], study: Dataset) -> None:
    keys = [f"StudyInstanceUID={study.StudyInstanceUID}", f"SeriesInstanceUID={study.SeriesInstanceUID}"]
    with Dcmqrscp(tmp_path / "archive") as port:
        peer = f"127.0.0.1:{port}"
        assert terminal.run("send", peer, *slices.values(), *ARCHIVE).status == 0
        patients = terminal.run("find", peer, "--level", "patient", "PatientID=666*", "--json", *ARCHIVE)
        studies = terminal.run("find", peer, "PatientName=DEMO*", "--json", *ARCHIVE)
        series = terminal.run("find", peer, "--level", "series", keys[0], "--json", *ARCHIVE)
        images = terminal.run("find", peer, "--level", "image", *keys, "--json", *ARCHIVE)
        rooted = terminal.run("find", peer, "--model", "patient", f"PatientID={study.PatientID}", "--json", *ARCHIVE)
    assert values(json.loads(patients.out), "00100020") == [study.PatientID]
    assert values(json.loads(studies.out), "0020000D") == [study.StudyInstanceUID]
    assert values(json.loads(series.out), "0020000E") == [study.SeriesInstanceUID]
    assert sorted(values(json.loads(images.out), "00080018")) == sorted(slices)
    assert values(json.loads(rooted.out), "0020000D") == [study.StudyInstanceUID]


def test_a_table_has_the_columns_that_were_asked_for(terminal: Terminal) -> None:
    rows = synthetic_rows(3)
    with QueryProvider(Table(rows)) as provider:
        said = terminal.run("find", f"127.0.0.1:{provider.port}", "PatientID=P0000?", "StudyInstanceUID", "StudyDate")
    heading, *lines = said.out.splitlines()
    assert (said.status, heading.split()) == (0, ["PatientID", "StudyInstanceUID", "StudyDate"])
    assert [line.split() for line in lines] == [[row[PATIENT_ID], row[STUDY], row[0x00080020]] for row in rows]
    assert not any(line.endswith(" ") for line in (heading, *lines)), "a pipe gets no blanks at the end"


@pytest.mark.parametrize(("width", "lines"), [(200, 7), (60, 20)])
def test_a_match_that_is_wider_than_the_terminal_has_lines_of_its_own(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, width: int, lines: int
) -> None:
    screen = Console(file=StringIO(), force_terminal=True, width=width)
    monkeypatch.setattr(dicom_query, "out", screen)
    with QueryProvider(Table(synthetic_rows(2))) as provider:
        assert terminal.run("find", f"127.0.0.1:{provider.port}").status == 0
    shown = Text.from_ansi(screen.file.getvalue()).plain.splitlines()
    assert len(shown) == lines
    assert max(map(len, shown)) <= width
    assert [uid for uid in ("2.25.1.0.1", "2.25.1.1.1") if any(uid in line.split() for line in shown)] == [
        "2.25.1.0.1",
        "2.25.1.1.1",
    ]


def test_what_a_peer_says_does_not_steer_the_terminal(terminal: Terminal) -> None:
    def find(request: Request, _data: bytes) -> Iterator[bytes]:
        yield encode_identifier({PATIENT_ID: "A\x1b[2JB"}, request.transfer_syntax)
        raise RequestRefused(0xA700, "C\x1b[2JD")

    with QueryProvider(Table([]), services={CommandField.C_FIND_RQ: found_by(find)}) as provider:
        said = terminal.run("find", f"127.0.0.1:{provider.port}", "PatientID")
    assert "A [2JB" in said.out
    assert "C [2JD" in said.err
    assert "\x1b" not in said.out + said.err


def test_an_answer_that_cannot_be_read_ends_the_query_in_a_line(terminal: Terminal) -> None:
    def find(request: Request, _data: bytes) -> Iterator[bytes]:
        yield encode_identifier({PATIENT_ID: "P1"}, request.transfer_syntax)
        yield b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff"

    with QueryProvider(Table([]), services={CommandField.C_FIND_RQ: found_by(find)}) as provider:
        said = terminal.run("find", f"127.0.0.1:{provider.port}", "PatientID")
    assert (said.status, said.out.split(), "cannot be read" in said.err) == (1, ["PatientID", "P1"], True), said


def test_a_worklist_is_asked_by_the_items_of_its_sequence(terminal: Terminal, tmp_path: Path) -> None:
    entries = []
    for number, modality in enumerate(("CT", "MR", "CT")):
        step, entry = Dataset(), Dataset()
        step.Modality, step.ScheduledStationAETitle = modality, f"ROOM{number}"
        step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime = "20260210", "101500"
        entry.PatientName, entry.PatientID, entry.AccessionNumber = f"DEMO^PATIENT^{number}", f"P{number}", f"A{number}"
        entry.StudyInstanceUID, entry.ScheduledProcedureStepSequence = f"2.25.{number}", [step]
        entries.append(entry)
    with Wlmscpfs(tmp_path / "worklist", entries=tuple(entries)) as port:
        peer = (f"127.0.0.1:{port}", "--level", "worklist", *ARCHIVE)
        said = terminal.run("find", *peer, "ScheduledProcedureStepSequence[0].Modality=CT")
        by_tag = terminal.run("find", *peer, "0040,0100[0].0008,0060=MR", "PatientID", "0040,0100[0].ScheduledStationAETitle")
    assert said.status == 0
    assert [name for name in ("P0", "P1", "P2", "ROOM0", "ROOM1", "ROOM2") if name in said.out] == ["P0", "P2", "ROOM0", "ROOM2"]
    assert by_tag.out.splitlines()[1].split() == ["MR", "P1", "ROOM1"]


def endless(asked: list[Request]) -> QueryProvider:
    """Make a provider whose matches come to an end by C-CANCEL only."""

    def find(request: Request, _data: bytes) -> Iterator[bytes]:
        asked.append(request)
        return (encode_identifier({PATIENT_ID: f"P{number}"}, request.transfer_syntax) for number in itertools.count())

    return QueryProvider(Table([]), services={CommandField.C_FIND_RQ: found_by(find)})


def test_a_limit_cancels_the_query(terminal: Terminal) -> None:
    asked: list[Request] = []
    with endless(asked) as provider:
        said = terminal.run("find", f"127.0.0.1:{provider.port}", "PatientID", "--limit", 3)
    assert (said.status, said.out.split()) == (0, ["PatientID", "P0", "P1", "P2"])
    assert "stopped after 3" in said.err
    assert [request.cancelled for request in asked] == [True]


def test_ctrl_c_cancels_the_query_and_ends_the_association(tmp_path: Path) -> None:
    asked: list[Request] = []
    with endless(asked) as provider:
        command = [sys.executable, "-m", "console.cli.main", "find", f"127.0.0.1:{provider.port}", "PatientID"]
        with (tmp_path / "out").open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
            until(lambda: bool(asked), "the query comes")
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        until(lambda: not provider.exchanges(), "the association has ended")
    assert [request.cancelled for request in asked] == [True]
    assert b"Traceback" not in (tmp_path / "out").read_bytes()


def test_names_that_are_not_ascii_are_asked_in_utf_8_and_shown(terminal: Terminal) -> None:
    def find(request: Request, _data: bytes) -> Iterator[bytes]:
        name = "Müller^Ägid".encode().decode("latin-1")
        yield encode_identifier({CHARACTER_SET: "ISO_IR 192", PATIENT_NAME: name}, request.transfer_syntax)

    with QueryProvider(Table([]), services={CommandField.C_FIND_RQ: found_by(find)}) as provider:
        said = terminal.run("find", f"127.0.0.1:{provider.port}", "PatientName=M*")
    assert "Müller^Ägid" in said.out


def test_a_query_that_fails_says_with_what(terminal: Terminal) -> None:
    def find(_request: Request, _data: bytes) -> Iterator[bytes]:
        raise RequestRefused(0xA900, "no such level")

    with QueryProvider(Table([]), services={CommandField.C_FIND_RQ: found_by(find)}) as provider:
        said = terminal.run("find", f"127.0.0.1:{provider.port}")
        worklist = terminal.run("find", f"127.0.0.1:{provider.port}", "--level", "worklist")
    assert (said.status, "A900 (Identifier does not match SOP class): no such level" in said.words) == (1, True)
    assert (worklist.status, "does not take Modality Worklist Information Model" in worklist.words) == (1, True)


def test_what_matches_nothing_has_an_exit_status_of_its_own(terminal: Terminal) -> None:
    with QueryProvider(Table([])) as provider:
        peer = f"127.0.0.1:{provider.port}"
        said = [
            terminal.run("find", peer),
            terminal.run("get", peer, "StudyInstanceUID=1.2"),
            terminal.run("find", peer, "--json"),
        ]
    assert [(one.status, "found nothing" in one.err) for one in said] == [(3, True)] * 3
    assert json.loads(said[2].out) == []


def test_an_archive_that_fails_over_what_it_does_not_have_has_nothing(terminal: Terminal, tmp_path: Path) -> None:
    with Orthanc(tmp_path / "archive") as running:
        said = terminal.run(
            "get", f"127.0.0.1:{running.port}", "--called", orthanc.AE_TITLE, "StudyInstanceUID=1.2.3", "-o", tmp_path
        )
    assert (said.status, "found nothing" in said.err) == (3, True), said


def test_an_archive_moves_a_study(terminal: Terminal, tmp_path: Path, slices: dict[str, Path], study: Dataset) -> None:
    wanted = f"StudyInstanceUID={study.StudyInstanceUID}"
    with Storescp(tmp_path / "sink") as sink, Dcmqrscp(tmp_path / "archive", {"SINK": sink.port}) as port:
        peer = f"127.0.0.1:{port}"
        terminal.run("send", peer, *slices.values(), *ARCHIVE)
        moved = terminal.run("move", peer, "SINK", wanted, "--json", *ARCHIVE)
        unknown = terminal.run("move", peer, "NOBODY", wanted, *ARCHIVE)
        received = sink.received()
    (facts,) = moved.lines
    assert (moved.status, facts["status"], facts["completed"], facts["failed_uids"]) == (0, "0000", 12, [])
    assert set(received) == set(slices)
    assert (unknown.status, "A801 (Move destination unknown)" in unknown.words) == (1, True)


def test_objects_that_could_not_be_moved_are_named(terminal: Terminal, slices: dict[str, Path]) -> None:
    table = Table.of_files(slices.values())
    refused = list(slices)[3]

    def store(request: Request, _data: bytes) -> Answer:
        return Answer(0xA700 if request.command.sop_instance == refused else 0x0000)

    sink = QueryProvider(Table([]), services={CommandField.C_STORE_RQ: answered_by(store, 1 << 24)})
    with sink, QueryProvider(table, {"SINK": ("127.0.0.1", sink.port)}) as provider:
        wanted = f"StudyInstanceUID={table.rows[0][STUDY]}"
        said = terminal.run("move", f"127.0.0.1:{provider.port}", "SINK", wanted)
        (facts,) = terminal.run("move", f"127.0.0.1:{provider.port}", "SINK", wanted, "--json").lines
    assert said.status == 1
    assert f"failed: {refused}" in said.out
    assert "11 objects sent to SINK, 1 failed; B000" in said.out
    assert (facts["status"], facts["completed"], facts["failed"], facts["failed_uids"]) == ("B000", 11, 1, [refused])


@pytest.fixture(params=["DCMTK", "Orthanc"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[object, ...]]:
    """Run an archive, and give how it is addressed."""
    if request.param == "DCMTK":
        with Dcmqrscp(tmp_path / "archive") as port:
            yield (f"127.0.0.1:{port}", *ARCHIVE)
    else:
        with Orthanc(tmp_path / "archive") as running:
            yield (f"127.0.0.1:{running.port}", "--called", orthanc.AE_TITLE)


def test_an_archive_gives_a_study_bit_by_bit_named_by_uid(
    terminal: Terminal, tmp_path: Path, slices: dict[str, Path], study: Dataset, archive: tuple[object, ...]
) -> None:
    folder = tmp_path / "got" / "study"
    terminal.run("send", *archive, *slices.values())
    said = terminal.run("get", *archive, f"StudyInstanceUID={study.StudyInstanceUID}", "--output", folder)
    assert (said.status, f"12 objects kept in {folder}" in said.words) == (0, True), said
    assert {path.name: data_set_bytes(path) for path in folder.iterdir()} == {
        f"{uid}.dcm": data_set_bytes(path) for uid, path in slices.items()
    }


def test_what_is_compressed_comes_as_it_is(terminal: Terminal, tmp_path: Path) -> None:
    sent = dcmread(get_testdata_file("JPEG2000.dcm"))
    with Orthanc(tmp_path / "archive") as running:
        peer = (f"127.0.0.1:{running.port}", "--called", orthanc.AE_TITLE)
        terminal.run("send", *peer, sent.filename)
        (facts,) = terminal.run("get", *peer, f"PatientID={sent.PatientID}", "-o", tmp_path / "got", "--json").lines
    (path,) = facts["kept"]
    assert dcmread(path).file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
    assert dcmread(path).PixelData == sent.PixelData


def giving(instances: Sequence[Instance]) -> QueryProvider:
    """Make a provider that gives some objects whatever is asked."""

    async def select(_request: Request, _data: bytes) -> Sequence[Instance]:
        return instances

    return QueryProvider(Table([]), services={CommandField.C_GET_RQ: got_by(select)})


def test_a_uid_that_would_leave_the_folder_is_refused(terminal: Terminal, tmp_path: Path, slices: dict[str, Path]) -> None:
    uid, path = next(iter(slices.items()))
    read = partial(data_set_bytes, path)
    instances = [Instance(CT, uid, SYNTAXES[0], read), Instance(CT, "../evil", SYNTAXES[0], read)]
    folder = tmp_path / "got" / "below"
    with giving(instances) as provider:
        said = terminal.run("get", f"127.0.0.1:{provider.port}", "StudyInstanceUID=1.2", "--output", folder)
    assert (said.status, "not kept: ../evil" in said.out) == (1, True), said
    assert [path.name for path in (tmp_path / "got").rglob("*") if path.is_file()] == [f"{uid}.dcm"]


class Endless:
    """An object that takes for ever."""

    size = 1 << 40

    def read(self, count: int) -> bytes:
        """Give zeros."""
        self.size -= count
        return bytes(count)

    def close(self) -> None:
        """Do nothing."""


def test_a_get_that_is_killed_leaves_whole_objects_under_their_names(tmp_path: Path, slices: dict[str, Path]) -> None:
    uid, path = next(iter(slices.items()))
    instances = [Instance(CT, uid, SYNTAXES[0], partial(data_set_bytes, path)), Instance(CT, "2.25.1", SYNTAXES[0], Endless)]
    folder = tmp_path / "got"
    with giving(instances) as provider:
        words = ("get", f"127.0.0.1:{provider.port}", "StudyInstanceUID=1.2", "--output", str(folder))
        with subprocess.Popen([sys.executable, "-m", "console.cli.main", *words]) as process:
            until((folder / ".2.25.1.part").exists, "the second object comes")
            process.kill()
    assert {path.name for path in folder.iterdir()} == {f"{uid}.dcm", ".2.25.1.part"}
    assert data_set_bytes(folder / f"{uid}.dcm") == data_set_bytes(path)


def test_an_association_that_is_lost_leaves_whole_objects_only(
    terminal: Terminal, tmp_path: Path, slices: dict[str, Path]
) -> None:
    uid, path = next(iter(slices.items()))

    class Breaking:
        """Is lost half way."""

        size = 1 << 20

        def read(self, count: int) -> bytes:
            if self.size < 1 << 19:
                raise OSError(None, "half way")
            self.size -= count
            return bytes(count)

        def close(self) -> None:
            """Do nothing."""

    instances = [Instance(CT, uid, SYNTAXES[0], partial(data_set_bytes, path)), Instance(CT, "2.25.1", SYNTAXES[0], Breaking)]
    folder = tmp_path / "got"
    with giving(instances) as provider:
        said = terminal.run("get", f"127.0.0.1:{provider.port}", "StudyInstanceUID=1.2", "--output", folder)
    assert (said.status, "was lost" in said.err) == (4, True), said
    assert [path.name for path in folder.iterdir()] == [f"{uid}.dcm"]


def test_a_folder_that_cannot_be_is_told_of_before_anything_is_asked(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = terminal.run("get", "127.0.0.1:1", "StudyInstanceUID=1.2", "--output", tmp_path / "file" / "below")
    assert (said.status, "cannot be written" in said.err) == (1, True)
