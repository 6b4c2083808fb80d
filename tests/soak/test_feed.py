"""The live feed under a flood: 500 images a second reported, ten listeners, one of which takes nothing for a while."""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
from pathlib import Path

import pytest

from bench.load import EOT, signed_on
from bench.processes import resident_megabytes
from bench.services import services
from console.demo import DEMO_ACCESS, DEMO_VERIFY
from console.tasks.socket_desk import connect_to_owners_socket
from tests.support.http import Web
from tests.support.services import DEMO_SITE
from xwb import ListParameter, encode_call

SECONDS, CALLS, PER_CALL, LISTENERS = 30, 20, 100, 9
#: Megabytes by which the broker may grow: what waits for one listener is bounded by one.
GROWTH = 60.0
REQUEST = b"GET /api/events?kinds=image HTTP/1.1\r\nHost: localhost\r\n\r\n"


def hear(peer: socket.socket, heard: list[int], wanted: int) -> None:
    """Count what comes until it is as much as is wanted, or the connection ends."""
    with peer:
        rest = b""
        while heard[0] < wanted:
            data = peer.recv(1 << 18)
            if not data:
                return
            rest += data
            whole, mark, rest = rest.rpartition(b"\n\n")
            heard[0] += (whole + mark).count(b"event: image\n")


@pytest.mark.timeout(600)
def test_everybody_hears_everything_and_who_is_slow_holds_up_nobody(tmp_path: Path) -> None:
    with services(tmp_path, DEMO_SITE, gateway=False) as running:
        broker = running.pids[0]
        web = Web(directory=tmp_path)
        slow, *quick = [connect_to_owners_socket(tmp_path) for _ in range(1 + LISTENERS)]
        for peer in (slow, *quick):
            peer.sendall(REQUEST)
        total = SECONDS * CALLS * PER_CALL
        heard = [[0] for _ in quick]
        threads = [threading.Thread(target=hear, args=(peer, mine, total)) for peer, mine in zip(quick, heard, strict=True)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 20
        while web.ask("GET", "/metrics").body.count(f"magbroker_event_listeners {LISTENERS + 1}.0") == 0:
            assert time.monotonic() < deadline, "every listener is there"
        before = resident_megabytes(broker)
        connection = signed_on(running.broker_port, DEMO_ACCESS, DEMO_VERIFY, "MAGB GATEWAY")
        numbers = itertools.count(1)
        pace, begun = threading.Event(), time.monotonic()
        for turn in range(SECONDS * CALLS):
            pace.wait(max(0.0, begun + turn / CALLS - time.monotonic()))
            lines = [f"2.25.{next(numbers)}^^STORE^^SOAK^filed^".encode() for _ in range(PER_CALL)]
            pairs = tuple((str(number).encode(), line) for number, line in enumerate(lines, 1))
            connection.sendall(encode_call(b"MAGB IMAGE EVENTS", [ListParameter(pairs)]))
            answer = b""
            while not answer.endswith(EOT):
                answer += connection.recv(65536)
        connection.close()
        for thread in threads:
            thread.join(60)
        grown = resident_megabytes(broker) - before
        assert heard == [[total]] * LISTENERS
        assert grown < GROWTH
        slow.settimeout(5)
        text = b""
        while b"event: lost" not in text:
            text += slow.recv(1 << 20)
        slow.close()
        lost = json.loads(text.partition(b"event: lost\ndata: ")[2].partition(b"\n")[0])["events"]
        assert 0 < lost < total
        print(f"{total} events, {LISTENERS} listeners heard each; the slow one lost {lost}; the broker grew by {grown:.0f} MB")
