"""A busy site with listeners: `python -m bench.feed_load BROKER_PORT DIRECTORY LISTENERS [VIEWERS]`, until SIGTERM.

A gateway reports the steps of 500 images a second, and so many listeners hear of them over the owner's socket. A viewer does what
the overview does in a browser: he listens to the flow, and fetches the picture anew every other second.
"""

from __future__ import annotations

import selectors
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from bench.load import EOT, signed_on
from console.demo import DEMO_ACCESS, DEMO_VERIFY
from console.tasks.socket_desk import connect_to_owners_socket
from xwb import ListParameter, encode_call

#: Images a second, steps of each, and calls a second that report them.
IMAGES, STEPS, CALLS = 500, ("RECEIVE", "STORE", "PROCESSED", "EVALUATE"), 20
REQUEST = b"GET %b HTTP/1.1\r\nHost: localhost\r\nHX-Request: %b\r\n\r\n"
ALL, FLOW, PICTURE = (
    REQUEST % it for it in ((b"/api/events", b"false"), (b"/api/events?kinds=flow,queues,load", b"false"), (b"/", b"true"))
)
#: Seconds after which the overview fetches its picture anew when queues change all the time.
FETCHED_EVERY = 2.0


def main() -> None:
    """Report and listen until SIGTERM."""
    port, directory, listeners, viewers = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int([*sys.argv, "0"][4])
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_ignored: ended.set())
    listening = threading.Thread(target=_listen, args=(directory, listeners, viewers, ended), daemon=True)
    listening.start()
    connection = signed_on(port, DEMO_ACCESS, DEMO_VERIFY, "MAGB GATEWAY")
    call = _call()
    print("ready", flush=True)
    while not ended.wait(1 / CALLS):
        connection.sendall(call)
        answer = b""
        while not answer.endswith(EOT):
            answer += connection.recv(65536)
    listening.join()


def _call() -> bytes:
    lines = [f"2.25.{n}^{n}^{step}^^BENCH^done^" for n in range(IMAGES // CALLS) for step in STEPS]
    pairs = tuple((str(number).encode(), line.encode()) for number, line in enumerate(lines, 1))
    return encode_call(b"MAGB IMAGE EVENTS", [ListParameter(pairs)])


def _listen(directory: Path, listeners: int, viewers: int, ended: threading.Event) -> None:
    """Take whatever comes, and forget it."""
    selector = selectors.DefaultSelector()
    for request in [ALL] * listeners + [FLOW] * viewers:
        peer: socket.socket = connect_to_owners_socket(directory)
        peer.sendall(request)
        selector.register(peer, selectors.EVENT_READ)
    pictures: list[socket.socket] = [connect_to_owners_socket(directory) for _ in range(viewers)]
    for peer in pictures:
        selector.register(peer, selectors.EVENT_READ)
    fetched = 0.0
    while listeners + viewers and not ended.is_set():
        if time.monotonic() - fetched >= FETCHED_EVERY:
            fetched = time.monotonic()
            for peer in pictures:
                peer.sendall(PICTURE)
        for key, _events in selector.select(timeout=0.2):
            key.fileobj.recv(1 << 20)  # type: ignore[union-attr]  # a socket was registered
    selector.close()


if __name__ == "__main__":
    main()
