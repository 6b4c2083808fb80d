"""`magbroker echo` and `send`: what arrives, what is said of what does not, and the exit status."""

from __future__ import annotations

import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from dul import Answer, CommandField, InMemory, Request, Sink, answered_by
from gateway_client.objects.part10 import FileMeta, encode_head
from runtime import free_port
from tests.support.asking import storing
from tests.support.certificates import Authority
from tests.support.dicom import Storescp, data_set_bytes
from tests.support.dicom_tls import Secured
from tests.support.query_provider import QueryProvider, Table
from tests.support.terminal import Terminal
from tests.support.waiting import until

EMPTY = Table([])
LIMIT = 1 << 24


def test_a_peer_that_answers_is_measured(terminal: Terminal, tmp_path: Path) -> None:
    with Storescp(tmp_path / "scp") as scp:
        said = terminal.run("echo", f"127.0.0.1:{scp.port}", "--count", 3)
        facts = terminal.run("echo", f"127.0.0.1:{scp.port}", "--count", 3, "--json").lines
    assert (said.status, said.out.count("C-ECHO: 0000"), "3 answers" in said.out) == (0, 3, True)
    assert [(fact["implementation_version_name"], [echo["status"] for echo in fact["echoes"]]) for fact in facts] == [
        ("OFFIS_DCMTK_367", ["0000"] * 3)
    ]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("echo", "nowhere"), 2, "write HOST:PORT"),
        (("echo", "127.0.0.1:{closed}"), 4, "Connection refused"),
        (("echo", "127.0.0.1:{refusing}"), 4, "rejects the association"),
        (("echo", "127.0.0.1:{refusing}", "--called", "MORE THAN SIXTEEN"), 2, "AE title"),
        (("echo", "127.0.0.1:{refusing}", "--ca", "x.pem"), 2, "say --tls too"),
        (("echo", "127.0.0.1:{refusing}", "--tls", "--key", "x.pem"), 2, "--cert"),
        (("echo", "127.0.0.1:{refusing}", "--tls", "--ca", "none.pem"), 1, "none.pem cannot be used"),
        (("send", "127.0.0.1:{closed}", "none.dcm"), 2, "none.dcm does not exist"),
        (("send", "127.0.0.1:{closed}", "{folder}"), 3, "passed over: 1 no DICOM file"),
        (("send", "127.0.0.1:{closed}", "{folder}", "--json"), 3, '"skipped": {{"no DICOM file": 1}}'),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_is_wrong_is_said_in_a_line(
    terminal: Terminal, tmp_path: Path, words: tuple[str, ...], status: int, said: str
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "notes.txt").write_text("no image", encoding="utf-8")
    with Storescp(tmp_path / "scp", options=("--refuse",)) as refusing:
        places = {"closed": free_port(), "refusing": refusing.port, "folder": folder}
        told = terminal.run(*(word.format(**places) for word in words))
    assert (told.status, said.format() in told.words) == (status, True), told


@pytest.mark.parametrize("associations", [1, 4])
def test_what_is_found_in_folders_arrives_bit_by_bit(
    terminal: Terminal, tmp_path: Path, slices: dict[str, Path], associations: int
) -> None:
    folder = tmp_path / "study"
    (folder / "below").mkdir(parents=True)
    for number, path in enumerate(slices.values()):
        shutil.copy(path, (folder if number % 2 else folder / "below") / f"no-ending-{number}")
    shutil.copy(get_testdata_file("DICOMDIR"), folder / "DICOMDIR")
    (folder / "notes.txt").write_text("no image", encoding="utf-8")
    with Storescp(tmp_path / "scp") as scp:
        said = terminal.run("send", f"127.0.0.1:{scp.port}", folder, "--associations", associations)
        received = scp.received()
    assert (said.status, "stored 12 of 12 files; passed over" in said.out) == (0, True), said
    assert "1 no DICOM file" in said.out
    assert "1 a DICOMDIR" in said.out
    assert {uid: data_set_bytes(path) for uid, (path,) in received.items()} == {
        uid: data_set_bytes(path) for uid, path in slices.items()
    }


def test_folders_below_are_left_out_on_request(terminal: Terminal, tmp_path: Path, slices: dict[str, Path]) -> None:
    (tmp_path / "slices" / "below").mkdir()
    first = next(iter(slices.values()))
    first.rename(tmp_path / "slices" / "below" / first.name)
    with Storescp(tmp_path / "scp") as scp:
        said = terminal.run("send", f"127.0.0.1:{scp.port}", tmp_path / "slices", "--no-recursive")
    assert "stored 11 of 11 files" in said.out


def refusing(uid: str) -> Callable[[Request], Sink]:
    """Make a C-STORE service that has no room for one object."""

    def answer(request: Request, _data: bytes) -> Answer:
        if request.command.sop_instance == uid:
            return Answer(0xA700, fields={"error_comment": "the disk is full"})
        return Answer(0x0000)

    return answered_by(answer, LIMIT)


def test_what_is_refused_is_named_with_status_and_error_comment(terminal: Terminal, slices: dict[str, Path]) -> None:
    uid, path = list(slices.items())[4]
    with QueryProvider(EMPTY, services={CommandField.C_STORE_RQ: refusing(uid)}) as peer:
        said = terminal.run("send", f"127.0.0.1:{peer.port}", *slices.values())
        *rows, last = terminal.run("send", f"127.0.0.1:{peer.port}", *slices.values(), "--json").lines
    assert said.status == 1
    assert f"refused, A700 (Refused: Out of Resources): the disk is full: 1 file {path}" in said.words
    assert "stored 11 of 12 files, 1 refused" in said.out
    assert [(row["sop_instance"], row["status"], row["comment"]) for row in rows if row["result"] != "sent"] == [
        (uid, "A700", "the disk is full")
    ]
    assert len(rows) == 12
    assert (last["summary"]["sent"], last["summary"]["refused"]) == (11, 1)


def test_a_file_that_is_cut_off_is_not_sent_and_the_rest_is(terminal: Terminal, tmp_path: Path, slices: dict[str, Path]) -> None:
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(slices[next(iter(slices))].read_bytes()[:-1000])
    with Storescp(tmp_path / "received") as peer:
        said = terminal.run("send", f"127.0.0.1:{peer.port}", cut, *slices.values())
    assert said.status == 1
    assert "The data set is cut off: 1,000 bytes are missing at its end: 1 file" in said.words
    assert "stored 12 of 13 files, 1 unsent" in said.out


def test_a_warning_counts_as_stored_and_is_told(terminal: Terminal, slices: dict[str, Path]) -> None:
    with QueryProvider(EMPTY, services={CommandField.C_STORE_RQ: storing({}, 0xB000)}) as peer:
        said = terminal.run("send", f"127.0.0.1:{peer.port}", *slices.values())
    assert said.status == 0
    assert "stored with a warning, B000 (Coercion of Data Elements): 12 files" in said.words


def test_what_the_peer_has_no_context_for_is_named_and_the_rest_is_sent(
    terminal: Terminal, tmp_path: Path, slices: dict[str, Path]
) -> None:
    compressed = get_testdata_file("JPEG2000.dcm")
    with Storescp(tmp_path / "scp", options=("+x=",)) as scp:  # what is not compressed
        said = terminal.run("send", f"127.0.0.1:{scp.port}", compressed, *slices.values())
    assert said.status == 1
    assert "refused, no context for Secondary Capture Image Storage in JPEG 2000 Image Compression: 1 file" in said.words
    assert "stored 12 of 13 files, 1 refused" in said.out


def aborting(uids: Sequence[str], received: dict[str, bytes]) -> Callable[[Request], Sink]:
    """Make a C-STORE service that ends the association over some objects."""

    def service(request: Request) -> Sink:
        def done(data: bytes) -> None:
            if request.command.sop_instance in uids:
                request.exchange.abort()
            else:
                received[request.command.sop_instance or ""] = data
                request.respond(0x0000)

        return InMemory(done, LIMIT)

    return service


@pytest.mark.parametrize("bad", [[4], [0, 1], [3, 4, 11]])
def test_a_peer_that_aborts_over_objects_gets_the_others_over_other_associations(
    terminal: Terminal, slices: dict[str, Path], bad: list[int]
) -> None:
    uids = [list(slices)[number] for number in bad]
    received: dict[str, bytes] = {}
    with QueryProvider(EMPTY, services={CommandField.C_STORE_RQ: aborting(uids, received)}) as peer:
        said = terminal.run("send", f"127.0.0.1:{peer.port}", *slices.values())
    assert said.status == 1
    assert f"stored {12 - len(bad)} of 12 files, {len(bad)} doubt" in said.out
    assert all(str(slices[uid]) in said.out for uid in uids)
    assert received == {uid: data_set_bytes(file) for uid, file in slices.items() if uid not in uids}


def test_a_peer_that_answers_nothing_is_left(terminal: Terminal, slices: dict[str, Path]) -> None:
    with QueryProvider(EMPTY, services={CommandField.C_STORE_RQ: aborting(list(slices), {})}) as peer:
        *_rows, last = terminal.run("send", f"127.0.0.1:{peer.port}", *slices.values(), "--json").lines
    summary = last["summary"]
    assert (summary["doubt"], summary["unsent"], summary["associations"]) == (3, 9, 3)


def test_a_peer_that_takes_fewer_associations_gets_everything_over_those(terminal: Terminal, slices: dict[str, Path]) -> None:
    received: dict[str, bytes] = {}
    with QueryProvider(EMPTY, services={CommandField.C_STORE_RQ: storing(received)}, associations=1) as peer:
        said = terminal.run("send", f"127.0.0.1:{peer.port}", *slices.values(), "--associations", 4)
    assert (said.status, set(received)) == (0, set(slices)), said


def test_objects_do_not_wait_for_the_answers_of_others_where_the_peer_agrees(terminal: Terminal, slices: dict[str, Path]) -> None:
    waiting: list[Request] = []

    def service(request: Request) -> Sink:
        def done(_data: bytes) -> None:
            waiting.append(request)
            if len(waiting) == 4:
                for one in waiting:
                    one.respond(0x0000)
                waiting.clear()

        return InMemory(done, LIMIT)

    with QueryProvider(EMPTY, services={CommandField.C_STORE_RQ: service}, window=(8, 8)) as peer:
        said = terminal.run("send", f"127.0.0.1:{peer.port}", *slices.values(), "--timeout", 20)
    assert (said.status, "stored 12 of 12 files" in said.out) == (0, True), said


def test_ctrl_c_ends_a_sending_and_says_what_is_not_known(tmp_path: Path, slices: dict[str, Path]) -> None:
    came: list[bytes] = []
    with QueryProvider(EMPTY, services={CommandField.C_STORE_RQ: lambda _request: InMemory(came.append, LIMIT)}) as peer:
        command = [sys.executable, "-m", "console.cli.main", "send", f"127.0.0.1:{peer.port}", *map(str, slices.values())]
        with (tmp_path / "out").open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
            until(lambda: bool(came), "an object comes")
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        until(lambda: not peer.exchanges(), "the association has ended")
    said = (tmp_path / "out").read_text(encoding="utf-8")
    assert "stored 0 of 12 files, 1 doubt, 11 not tried" in said
    assert "Traceback" not in said


def test_a_peer_that_is_away_is_told_of_every_file(terminal: Terminal, slices: dict[str, Path]) -> None:
    *rows, _last = terminal.run("send", f"127.0.0.1:{free_port()}", *slices.values(), "--json").lines
    said = terminal.run("send", f"127.0.0.1:{free_port()}", *slices.values())
    assert [row["result"] for row in rows] == ["unreachable"] * 12
    assert (said.status, "stored 0 of 12 files" in said.out) == (4, True)


def test_more_kinds_of_objects_than_an_association_has_contexts_take_several(terminal: Terminal, tmp_path: Path) -> None:
    folder = tmp_path / "kinds"
    folder.mkdir()
    for number in range(130):
        sop_class, uid = f"1.2.40.0.13.99.{number + 1}", f"2.25.{number + 1}"
        data = struct.pack("<HH2sH", 8, 0x16, b"UI", 20) + sop_class.encode().ljust(20, b"\0")
        meta = FileMeta(sop_class, uid, "1.2.840.10008.1.2.1")
        (folder / f"{number:03d}").write_bytes(encode_head(meta) + data)
    received: dict[str, bytes] = {}
    with QueryProvider(EMPTY, services={CommandField.C_STORE_RQ: storing(received)}) as peer:
        *_rows, last = terminal.run("send", f"127.0.0.1:{peer.port}", folder, "--json").lines
    assert len(received) == 130
    assert (last["summary"]["sent"], last["summary"]["associations"]) == (130, 2)


class TestTLS:
    """An association is secured as both sides want it, or there is none."""

    def test_both_sides_show_certificates(
        self, terminal: Terminal, tmp_path: Path, secured: Secured, slices: dict[str, Path]
    ) -> None:
        with Storescp(tmp_path / "scp", options=secured.options) as scp:
            ours = ("--tls", "--ca", secured.authority.file, "--cert", secured.certificate, "--key", secured.key)
            said = terminal.run("send", f"localhost:{scp.port}", *slices.values(), *ours)
            received = scp.received()
            unnamed = terminal.run("echo", f"127.0.0.1:{scp.port}", *ours)
            any_name = terminal.run("echo", f"127.0.0.1:{scp.port}", *ours, "--any-name")
            clear = terminal.run("echo", f"localhost:{scp.port}")
            without = terminal.run("echo", f"localhost:{scp.port}", "--tls", "--ca", secured.authority.file)
        with QueryProvider(Table([])) as provider:
            unsecured = terminal.run("echo", f"localhost:{provider.port}", *ours)
        assert said.status == 0, said
        assert set(received) == set(slices)
        assert [one.status for one in (unnamed, any_name, clear, without, unsecured)] == [4, 0, 4, 4, 4]
        assert "TLS: its certificate names another host." in unnamed.words
        assert "TLS: it does not speak TLS." in unsecured.words

    def test_a_certificate_of_another_authority_is_not_taken(self, terminal: Terminal, tmp_path: Path, secured: Secured) -> None:
        (tmp_path / "other").mkdir()
        other = Authority.create(tmp_path / "other")
        with Storescp(tmp_path / "scp", options=(*secured.options, "--ignore-peer-cert")) as scp:
            told = terminal.run("echo", f"localhost:{scp.port}", "--tls", "--ca", other.file)
            trusted = terminal.run("echo", f"localhost:{scp.port}", "--tls", "--ca", secured.authority.file)
        assert (told.status, trusted.status) == (4, 0)
        assert "certificate verify failed" in told.words
