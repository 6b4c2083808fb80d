"""The recorder's proxy cannot be told from the broker behind it."""

from __future__ import annotations

import json
import os
import random
import threading
from pathlib import Path

import pytest

from console.errors import ConsoleError
from console.traffic import Kind, Masker, Pseudonyms, Recording
from runtime import free_port
from tests.integration.traffic.sockets import (
    abort,
    accept,
    connect,
    cut_at_once,
    gone,
    listening,
    port_of,
    read,
    read_all,
    recording,
)
from xwb import Cipher, Literal, encode_call, encode_response


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_bytes_pass_at_once_unchanged_and_in_any_cut(tmp_path: Path) -> None:
    source = random.Random(7)
    with listening() as upstream, recording(port_of(upstream), tmp_path / "r.jsonl") as proxy:
        client = connect(proxy.port)
        server = accept(upstream)
        for _ in range(200):
            sender, receiver = (client, server) if source.random() < 0.5 else (server, client)
            sent = source.randbytes(source.choice([1, 3, 40, 5000]))
            sender.sendall(sent)
            assert read(receiver, len(sent)) == sent
        client.close()
        server.close()


def test_much_passes_in_both_directions_at_the_same_time(tmp_path: Path) -> None:
    there, back = os.urandom(4_000_000), os.urandom(4_000_000)
    got: list[bytes] = []
    with listening() as upstream, recording(port_of(upstream), tmp_path / "r.jsonl") as proxy:
        client = connect(proxy.port)
        server = accept(upstream)
        threads = [
            threading.Thread(target=client.sendall, args=(there,)),
            threading.Thread(target=server.sendall, args=(back,)),
            threading.Thread(target=lambda: got.append(read(server, len(there)))),
        ]
        for thread in threads:
            thread.start()
        assert read(client, len(back)) == back
        for thread in threads:
            thread.join(30)
        assert got == [there]
        client.close()
        server.close()


def test_an_end_of_sending_passes_and_the_answer_still_comes(tmp_path: Path) -> None:
    with listening() as upstream, recording(port_of(upstream), tmp_path / "r.jsonl") as proxy:
        client = connect(proxy.port)
        server = accept(upstream)
        client.sendall(b"question")
        client.shutdown(1)
        assert read_all(server) == b"question"
        server.sendall(b"answer")
        server.close()
        assert read_all(client) == b"answer"
        client.close()


def test_a_server_that_ends_first_still_hears_its_client(tmp_path: Path) -> None:
    with listening() as upstream, recording(port_of(upstream), tmp_path / "r.jsonl") as proxy:
        client = connect(proxy.port)
        server = accept(upstream)
        server.sendall(b"enough")
        server.shutdown(1)
        assert read_all(client) == b"enough"
        client.sendall(b"one more thing")
        client.close()
        assert read_all(server) == b"one more thing"
        server.close()


def test_a_reset_passes_as_a_reset_in_both_directions(tmp_path: Path) -> None:
    with listening() as upstream, recording(port_of(upstream), tmp_path / "r.jsonl") as proxy:
        client = connect(proxy.port)
        server = accept(upstream)
        abort(server)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        client.close()
        client = connect(proxy.port)
        server = accept(upstream)
        abort(client)
        with pytest.raises(ConnectionResetError):
            server.recv(1)
        server.close()


def test_a_client_of_a_broker_that_is_away_is_cut_and_it_is_said_why(tmp_path: Path) -> None:
    with recording(free_port(), tmp_path / "r.jsonl") as proxy:
        assert cut_at_once(proxy.port)
    assert any(isinstance(it, str) and "cannot be reached" in it for it in proxy.told)


def test_exchanges_are_written_while_the_connection_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    call, answer = encode_call(b"XWB IM HERE"), encode_response(b"1")
    with listening() as upstream, recording(port_of(upstream), path) as proxy:
        client = connect(proxy.port)
        server = accept(upstream)
        for _ in range(2):
            client.sendall(call)
            assert read(server, len(call)) == call
            server.sendall(answer)
            assert read(client, len(answer)) == answer
        client.sendall(call[:3])
        assert read(server, 3) == call[:3]
        assert [line["rpc"] for line in lines(path)][:1] == ["XWB IM HERE"]
        server.close()
        assert gone(client)
    assert [(line["rpc"], line["closed"]) for line in lines(path)] == [
        ("XWB IM HERE", False),
        ("XWB IM HERE", False),
        ("(raw)", True),
    ]


class Faulty:
    """Substitutes that fail."""

    def of(self, kind: Kind, value: str) -> str:
        raise RuntimeError("a fault")


def test_a_fault_of_the_recorder_does_not_reach_the_connection(tmp_path: Path) -> None:
    call, answer = encode_call(b"MAG DICOM GET PATIENT", (Literal(b"1"),)), encode_response(b"1")
    with listening() as upstream, recording(port_of(upstream), tmp_path / "r.jsonl", substitutes=Faulty()) as proxy:
        client = connect(proxy.port)
        server = accept(upstream)
        for _ in range(3):
            client.sendall(call)
            assert read(server, len(call)) == call
            server.sendall(answer)
            assert read(client, len(answer)) == answer
        client.close()
        server.close()
    assert any(isinstance(it, str) and "not recorded any more" in it for it in proxy.told)


def test_more_clients_than_the_bound_are_not_taken(tmp_path: Path) -> None:
    with listening() as upstream, recording(port_of(upstream), tmp_path / "r.jsonl", most=1) as proxy:
        first = connect(proxy.port)
        server = accept(upstream)
        assert cut_at_once(proxy.port)
        first.sendall(b"still here")
        assert read(server, 10) == b"still here"
        first.close()
        server.close()


def test_a_recording_is_not_mixed_with_another_and_is_nobody_else_s(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    masker = Masker(Pseudonyms(b"key"), Cipher.standard())
    Recording(path, masker, Cipher.standard()).close()
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConsoleError, match=r"exists, and .*name a new file with --out"):
        Recording(path, masker, Cipher.standard())
    with pytest.raises(ConsoleError, match="cannot be written"):
        Recording(tmp_path / "none" / "r.jsonl", masker, Cipher.standard())
