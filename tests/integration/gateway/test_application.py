"""A program that listens: DCMTK sends, the application decides, and the status that DCMTK sees says what it decided."""

from __future__ import annotations

import os
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from pydicom import dcmread

from gateway_client.errors import PlacementError
from gateway_client.objects.part10 import digest_of
from gateway_client.reception import offering
from gateway_client.reception.folder import InFolder
from magbroker.gateway import Application, FileMeta, Keep, Listener, Origin, Place, Reference, StoredObject
from runtime import BadCertificate, PortInUse, PortRefused
from tests.integration.gateway import conftest
from tests.support.certificates import Authority
from tests.support.dicom import make_slices
from tests.support.dicom_tls import Secured

PATIENCE = 20.0
SUCCESS, REFUSED = "Received Store Response (Success)", "Received Store Response (Error: CannotUnderstand)"
NO_ROOM = "Received Store Response (Refused: OutOfResources)"


@dataclass
class Program(Application):
    """Does what a test says, and writes down what it was asked and told."""

    connection: Callable[[Origin], bool] = lambda _origin: True
    place: Callable[[FileMeta], Place] = lambda _meta: Keep.SPOOL
    object: Callable[[StoredObject], bool] = lambda _stored: True
    asked: list[str] = field(default_factory=list)
    stored: list[StoredObject] = field(default_factory=list)
    lost: queue.SimpleQueue[tuple[str, str]] = field(default_factory=queue.SimpleQueue)
    ended: queue.SimpleQueue[Origin] = field(default_factory=queue.SimpleQueue)
    silent: queue.SimpleQueue[Origin] = field(default_factory=queue.SimpleQueue)

    def accept_connection(self, origin: Origin) -> bool:
        self.asked.append("connection")
        return self.connection(origin)

    def choose_place(self, meta: FileMeta, origin: Origin) -> Place:
        self.asked.append("place")
        return self.place(meta)

    def accept_object(self, stored: StoredObject) -> bool:
        self.asked.append("object")
        self.stored.append(stored)
        return self.object(stored)

    def not_stored(self, meta: FileMeta, origin: Origin, why: Exception) -> None:
        self.lost.put((meta.sop_instance_uid, str(why)))

    def timed_out(self, origin: Origin) -> None:
        self.silent.put(origin)

    def disconnected(self, origin: Origin) -> None:
        self.ended.put(origin)


Start = Callable[..., Listener]


def storescu(port: int, *files: Path, options: tuple[str, ...] = ()) -> str:
    """Send files with DCMTK; gives what it said of the answers."""
    done = conftest.storescu(port, *files, options=("-v", "-aec", "MAGBROKER", *options))
    return done.stdout + done.stderr


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start listeners, each with a folder of its own."""
    listeners: list[Listener] = []

    def begin(program: Application, **settings: object) -> Listener:
        listener = Listener(program, tmp_path / f"listener{len(listeners)}", port=0, **settings)  # a test's settings
        listener.start()
        listeners.append(listener)
        return listener

    yield begin
    for listener in listeners:
        listener.stop()


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    return list(make_slices(tmp_path / "images", 3).values())


def files_of(tmp_path: Path) -> list[Path]:
    """List what lies in the listener's folder, with what it left on the way, but for its journal."""
    folder = tmp_path / "listener0"
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("journal.db"))


def uid_of(path: Path) -> str:
    return str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)


def raises(_anything: object) -> bool:
    raise RuntimeError("the application has a fault")


def exits(_anything: object) -> bool:
    raise SystemExit


def rejects(_anything: object) -> bool:
    raise PlacementError("the application does not like it")


def test_what_is_given_no_place_lies_in_the_folder_under_its_uid(start: Start, tmp_path: Path, images: list[Path]) -> None:
    program = Program()
    said = storescu(start(program).port, *images)
    assert said.count(SUCCESS) == 3
    folder = tmp_path / "listener0"
    assert files_of(tmp_path) == sorted(folder / f"{uid_of(image)}.dcm" for image in images)
    for image in images:
        assert digest_of(folder / f"{uid_of(image)}.dcm") == digest_of(image)
    assert program.asked == ["connection", *["place", "object"] * 3]
    assert program.ended.get(timeout=PATIENCE) == Origin("STORESCU", "MAGBROKER", "127.0.0.1")


def test_a_connection_is_refused_by_who_calls_whom_from_where(start: Start, images: list[Path]) -> None:
    program = Program(connection=lambda origin: origin != Origin("STORESCU", "MAGBROKER", "127.0.0.1"))
    listener = start(program)
    assert "Reason: No Reason" in storescu(listener.port, images[0])
    assert program.asked == ["connection"]
    assert SUCCESS in storescu(listener.port, images[0], options=("-aet", "ANOTHER"))


def test_who_is_not_on_the_lists_is_refused_before_the_application_is_asked(start: Start, images: list[Path]) -> None:
    program = Program()
    listener = start(program, calling_ae_titles=("CT_1",), called_ae_titles=("MAGBROKER",), hosts=("127.0.0.0/8",))
    assert "Calling AE Title Not Recognized" in storescu(listener.port, images[0])
    assert "No Reason" in storescu(start(program, hosts=("10.0.0.0/8", "2001:db8::/32")).port, images[0])
    assert program.asked == []
    assert SUCCESS in storescu(listener.port, images[0], options=("-aet", "CT_1"))


def test_a_listener_with_a_certificate_speaks_tls_only(start: Start, tmp_path: Path, images: list[Path]) -> None:
    authority = Authority.create(tmp_path)
    certificate, key = authority.issue("localhost")
    program = Program()
    listener = start(program, tls_certificate=certificate, tls_key=key, tls_client_authorities=authority.file)
    client = Secured(authority, *authority.issue("client"))
    assert SUCCESS in storescu(listener.port, images[0], options=client.options)
    nobody = ("+tla", "+cf", str(authority.file))  # without a certificate
    for options in (nobody, ()):
        assert "Association Request Failed" in storescu(listener.port, images[1], options=options)
    everybodys = start(program, tls_certificate=certificate, tls_key=key)
    assert SUCCESS in storescu(everybodys.port, images[2], options=nobody)
    assert [stored.meta.sop_instance_uid for stored in program.stored] == [uid_of(images[0]), uid_of(images[2])]


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"tls_key": Path("k.pem")}, "tls_certificate and tls_key belong together"),
        ({"tls_client_authorities": Path("a.pem")}, "tls_client_authorities needs tls_certificate and tls_key"),
        ({"hosts": ("nowhere",)}, "hosts"),
        ({"calling_ae_titles": ("SEVENTEEN LETTERS",)}, "calling_ae_titles"),
    ],
)
def test_a_listener_that_makes_no_sense_is_refused(tmp_path: Path, settings: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        Listener(Program(), tmp_path, **settings)


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    listener = Listener(Program(), tmp_path, port=0, tls_certificate=tmp_path / "no.pem", tls_key=tmp_path / "no.key")
    with pytest.raises(BadCertificate, match=r"no\.pem"):
        listener.start()


def test_a_port_that_is_taken_is_the_listeners_to_choose(tmp_path: Path, start: Start) -> None:
    port = start(Program()).port
    with pytest.raises(PortInUse, match=rf"Port {port} \(DICOM\) is taken .* choose another port: Listener\(port="):
        Listener(Program(), tmp_path / "another", port=port).start()


def test_an_address_that_is_not_this_machines_is_not_called_taken(tmp_path: Path) -> None:
    with pytest.raises(PortRefused, match=r"Cannot assign requested address; choose another port or address: Listener\("):
        Listener(Program(), tmp_path, port=0, host="192.0.2.1").start()


@pytest.mark.parametrize("decides", [raises, exits, rejects, lambda _origin: None, lambda _origin: "no"])
def test_a_connection_is_refused_when_the_application_has_a_fault(
    start: Start, images: list[Path], decides: Callable[[object], bool], caplog: pytest.LogCaptureFixture
) -> None:
    program = Program(connection=decides)
    assert "Reason: No Reason" in storescu(start(program).port, images[0])
    assert program.stored == []
    assert "the application failed" in caplog.text


@pytest.mark.parametrize(
    ("decides", "status"),
    [
        ({"object": lambda _stored: True}, SUCCESS),
        ({"object": lambda _stored: False}, REFUSED),
        ({"object": raises}, REFUSED),
        ({"place": raises}, REFUSED),
        ({"place": lambda _meta: Path("somewhere.dcm")}, NO_ROOM),  # no absolute path
        ({"place": lambda _meta: Keep.MEMORY}, SUCCESS),
        ({"place": lambda _meta: Keep.MEMORY, "object": lambda _stored: False}, REFUSED),
        ({"place": lambda _meta: Keep.MEMORY, "object": raises}, REFUSED),
        ({"place": lambda _meta: Path("/proc/none/x.dcm")}, NO_ROOM),  # cannot be written
        ({"object": lambda stored: bool(stored.move(stored.file))}, SUCCESS),  # it is there already
        ({"object": lambda stored: stored.move(Path("/proc/none/x.dcm"))}, NO_ROOM),
        ({"object": lambda stored: stored.move(Path("moved.dcm"))}, NO_ROOM),
    ],
)
def test_the_peer_sees_what_was_decided(
    start: Start, tmp_path: Path, images: list[Path], decides: dict[str, Callable[[object], object]], status: str
) -> None:
    program = Program(**decides)  # type: ignore[arg-type]  # a row of the table
    said = storescu(start(program).port, images[0])
    assert status in said
    taken_on_disk = status == SUCCESS and "place" not in decides
    assert bool(files_of(tmp_path)) is taken_on_disk


@pytest.mark.parametrize(
    ("decides", "answer"),
    [
        ({"place": lambda _meta: None}, "choose_place answered a NoneType"),
        ({"place": lambda _meta: "/tmp/x.dcm"}, "choose_place answered a str"),
        ({"place": lambda _meta: True}, "choose_place answered a bool"),
        ({"place": lambda _meta: Keep}, "choose_place answered a EnumType"),
        ({"place": lambda _meta: PurePosixPath("/x.dcm")}, "choose_place answered a PurePosixPath"),
        ({"place": exits}, "SystemExit"),
        ({"object": lambda _stored: None}, "accept_object answered a NoneType"),
        ({"object": lambda _stored: "no"}, "accept_object answered a str"),
        ({"object": exits}, "SystemExit"),
        ({"place": lambda _meta: Keep.MEMORY, "object": lambda _stored: 1}, "accept_object answered a int"),
    ],
)
def test_an_answer_that_is_none_refuses_the_object_and_the_log_names_it(
    start: Start,
    tmp_path: Path,
    images: list[Path],
    caplog: pytest.LogCaptureFixture,
    decides: dict[str, Callable[[object], object]],
    answer: str,
) -> None:
    program = Program(**decides)  # type: ignore[arg-type]  # a row of the table
    assert REFUSED in storescu(start(program).port, images[0])
    assert files_of(tmp_path) == []
    assert "Traceback" in caplog.text
    assert answer in caplog.text


def test_an_answer_that_is_none_keeps_nobody_elses_object_out(start: Start, tmp_path: Path, images: list[Path]) -> None:
    refused = uid_of(images[0])
    program = Program(place=lambda meta: None if meta.sop_instance_uid == refused else Keep.SPOOL)  # type: ignore[arg-type]  # the fault
    said = storescu(start(program).port, *images, options=("--no-halt",))
    assert (said.count(SUCCESS), said.count(REFUSED)) == (2, 1)
    assert files_of(tmp_path) == sorted(tmp_path / "listener0" / f"{uid_of(image)}.dcm" for image in images[1:])


def test_the_application_chooses_the_file(start: Start, tmp_path: Path, images: list[Path]) -> None:
    chosen = tmp_path / "mine" / "new" / "first.dcm"
    program = Program(place=lambda _meta: chosen)
    said = storescu(start(program).port, images[0])
    assert SUCCESS in said
    assert digest_of(chosen) == digest_of(images[0])
    assert [stored.file for stored in program.stored] == [chosen]
    assert files_of(tmp_path) == []


@pytest.mark.parametrize(
    ("decides", "status"), [(lambda _stored: True, SUCCESS), (lambda _stored: False, REFUSED), (raises, REFUSED)]
)
def test_the_peer_sees_what_was_decided_of_an_object_in_a_chosen_file(
    start: Start, tmp_path: Path, images: list[Path], decides: Callable[[object], bool], status: str
) -> None:
    chosen = tmp_path / "mine.dcm"
    assert status in storescu(start(Program(place=lambda _meta: chosen, object=decides)).port, images[0])
    assert chosen.exists() is (status == SUCCESS)
    assert files_of(tmp_path) == []


def test_a_file_of_another_object_is_never_replaced(start: Start, tmp_path: Path, images: list[Path]) -> None:
    chosen = tmp_path / "mine.dcm"
    listener = start(Program(place=lambda _meta: chosen))
    assert SUCCESS in storescu(listener.port, images[0])
    assert NO_ROOM in storescu(listener.port, images[1])
    assert SUCCESS in storescu(listener.port, images[0])  # the very same object
    assert digest_of(chosen) == digest_of(images[0])


def test_what_was_taken_before_outlives_a_refusal_of_the_same_object(start: Start, tmp_path: Path, images: list[Path]) -> None:
    chosen = tmp_path / "mine.dcm"
    answers = iter([True, False])
    listener = start(Program(place=lambda _meta: chosen, object=lambda _stored: next(answers)))
    assert SUCCESS in storescu(listener.port, images[0])
    assert REFUSED in storescu(listener.port, images[0])
    assert digest_of(chosen) == digest_of(images[0])


def test_the_application_may_move_a_file_before_it_takes_it(start: Start, tmp_path: Path, images: list[Path]) -> None:
    def moved(stored: StoredObject) -> bool:
        assert stored.file is not None
        stored.file.rename(tmp_path / "moved.dcm")
        return True

    assert SUCCESS in storescu(start(Program(object=moved)).port, images[0])
    assert digest_of(tmp_path / "moved.dcm") == digest_of(images[0])
    assert files_of(tmp_path) == []


def test_an_object_is_moved_by_what_is_in_it_wherever_it_was(start: Start, tmp_path: Path, images: list[Path]) -> None:
    def by_number(stored: StoredObject) -> bool:
        moved = stored.move(tmp_path / "by number" / f"{stored.dataset().InstanceNumber}.dcm")
        return moved.file is not None and moved.dataset().SOPInstanceUID == stored.meta.sop_instance_uid

    places: list[Place] = [Keep.MEMORY, Keep.SPOOL, tmp_path / "chosen.dcm"]
    said = storescu(start(Program(place=lambda _meta: places.pop(), object=by_number)).port, *images)
    assert said.count(SUCCESS) == 3
    moved = {path.name: digest_of(path) for path in (tmp_path / "by number").iterdir()}
    assert moved == {f"{dcmread(image).InstanceNumber}.dcm": digest_of(image) for image in images}
    assert files_of(tmp_path) == []
    assert not (tmp_path / "chosen.dcm").exists()


def test_what_is_moved_replaces_no_other_object(start: Start, tmp_path: Path, images: list[Path]) -> None:
    listener = start(Program(object=lambda stored: bool(stored.move(tmp_path / "one.dcm"))))
    assert SUCCESS in storescu(listener.port, images[0])
    assert NO_ROOM in storescu(listener.port, images[1])
    assert digest_of(tmp_path / "one.dcm") == digest_of(images[0])
    assert files_of(tmp_path) == []


def test_a_file_that_was_moved_away_before_it_was_refused_stays_where_it_is(
    start: Start, tmp_path: Path, images: list[Path]
) -> None:
    def set_aside(stored: StoredObject) -> bool:
        assert stored.file is not None
        stored.file.rename(tmp_path / "aside.dcm")
        return False

    assert REFUSED in storescu(start(Program(object=set_aside)).port, images[0])
    assert digest_of(tmp_path / "aside.dcm") == digest_of(images[0])


def test_an_object_in_memory_is_the_whole_object(start: Start, tmp_path: Path, images: list[Path]) -> None:
    program = Program(place=lambda _meta: Keep.MEMORY)
    assert SUCCESS in storescu(start(program).port, images[0])
    (stored,) = program.stored
    assert stored.file is None
    (tmp_path / "out.dcm").write_bytes(stored.part10())
    assert digest_of(tmp_path / "out.dcm") == digest_of(images[0])
    assert stored.dataset().SOPInstanceUID == uid_of(images[0])


def test_memory_is_bounded(start: Start, images: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offering, "MEMORY_LIMIT", 20_000)
    program = Program(place=lambda _meta: Keep.MEMORY)
    assert NO_ROOM in storescu(start(program).port, images[0])
    assert program.stored == []
    assert program.lost.get(timeout=PATIENCE) == (uid_of(images[0]), "An object in memory may have 20000 bytes.")


def test_the_application_hears_of_an_object_that_was_cut_off(start: Start, images: list[Path]) -> None:
    program = Program()
    listener = start(program)
    with socket.create_server(("127.0.0.1", 0)) as middle:
        forward = threading.Thread(target=_forward_and_cut_off, args=(middle, listener.port))
        forward.start()
        storescu(middle.getsockname()[1], images[0])
        forward.join(PATIENCE)
    assert program.lost.get(timeout=PATIENCE) == (uid_of(images[0]), "The association ended before it was whole.")
    assert program.ended.get(timeout=PATIENCE).calling == "STORESCU"
    assert program.stored == []


def test_the_peer_hears_why_without_paths_of_ours(start: Start, images: list[Path]) -> None:
    said = storescu(start(Program(place=lambda _meta: Path("/proc/none/x.dcm"))).port, images[0], options=("-d",))
    assert "A file could not be brought to its network location." in said
    assert "/proc" not in said


def test_after_a_refusal_the_association_goes_on(start: Start, images: list[Path]) -> None:
    refused = uid_of(images[0])
    program = Program(object=lambda stored: stored.meta.sop_instance_uid != refused)
    said = storescu(start(program).port, *images, options=("--no-halt",))
    assert (said.count(SUCCESS), said.count(REFUSED)) == (2, 1)


def test_after_a_refusal_the_association_of_some_titles_is_aborted(start: Start, images: list[Path]) -> None:
    program = Program(object=lambda _stored: False)
    listener = start(program, abort_after_refusal=("STORESCU",))
    said = storescu(listener.port, *images, options=("--no-halt",))
    assert said.count(REFUSED) == 1
    assert "Peer aborted Association" in said
    said = storescu(listener.port, *images, options=("--no-halt", "-aet", "ANOTHER"))
    assert said.count(REFUSED) == 3


def test_one_who_takes_his_time_keeps_nobody_else_waiting(start: Start, images: list[Path]) -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow(stored: StoredObject) -> bool:
        if stored.origin.calling == "SLOW":
            began.set()
            assert go_on.wait(PATIENCE)
        return True

    listener = start(Program(object=slow))
    said: list[str] = []
    waiting = threading.Thread(target=lambda: said.append(storescu(listener.port, images[0], options=("-aet", "SLOW"))))
    waiting.start()
    assert began.wait(PATIENCE)
    assert SUCCESS in storescu(listener.port, images[1])
    assert said == []
    go_on.set()
    waiting.join(PATIENCE)
    assert SUCCESS in said[0]


def test_the_application_hears_of_a_peer_that_is_silent(start: Start, images: list[Path]) -> None:
    program = Program()
    listener = start(program, network_timeout=0.3)
    sent = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as middle:
        forward = threading.Thread(target=_forward_and_fall_silent, args=(middle, listener.port, sent))
        forward.start()
        storescu(middle.getsockname()[1], images[0])
        forward.join(PATIENCE)
    assert sent.is_set()
    assert program.silent.get(timeout=PATIENCE).calling == "STORESCU"
    assert program.ended.get(timeout=PATIENCE).calling == "STORESCU"


def _forward_and_fall_silent(middle: socket.socket, port: int, sent: threading.Event) -> None:
    """Pass on a request for an association and its answer, and then nothing until the other side ends."""
    peer, _ = middle.accept()
    with peer, socket.create_connection(("127.0.0.1", port)) as listener:
        listener.sendall(peer.recv(65536))
        peer.sendall(listener.recv(65536))
        sent.set()
        listener.settimeout(PATIENCE)
        listener.recv(65536)  # the abort


def _forward_and_cut_off(middle: socket.socket, port: int) -> None:
    """Pass on an association, and its first object in part."""
    peer, _ = middle.accept()
    with peer, socket.create_connection(("127.0.0.1", port)) as listener:
        listener.sendall(peer.recv(65536))
        peer.sendall(listener.recv(65536))
        left = 16384
        while left > 0:
            piece = peer.recv(left)
            listener.sendall(piece)
            left -= len(piece)


def test_a_name_that_is_no_uid_makes_no_file(start: Start, tmp_path: Path) -> None:
    inside = InFolder(Program(), tmp_path)
    for name in ("../../x", "..", "1.2/3", "", "a", ".1", "1" * 65):
        with pytest.raises(Exception, match="is no UID"):
            inside.choose_place(FileMeta("1.2", name, "1.2"), Origin())
        assert not inside.commits(Reference("1.2", name), Origin())
    assert os.listdir(tmp_path) == []
