"""A process may have many files open, and leaves none behind that nobody needs."""

from __future__ import annotations

import gc
import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime import ReactorThread, wait_readable


@pytest.fixture
def high_socket() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give a pair of sockets, the first of which has a descriptor that select() does not know."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 1200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    ours, theirs = socket.socketpair()
    high = socket.socket(fileno=os.dup2(ours.fileno(), 1100))
    ours.close()
    with high, theirs:
        yield high, theirs


def test_a_file_beyond_the_first_thousand_is_waited_for(high_socket: tuple[socket.socket, socket.socket]) -> None:
    high, theirs = high_socket
    assert not wait_readable(high, 0.01)
    theirs.send(b"x")
    assert wait_readable(high, 30)
    assert high.recv(10) == b"x"
    theirs.close()
    assert wait_readable(high, 30), "the end is to be read too"


def test_a_reactor_that_has_ended_leaves_no_file_open() -> None:
    def open_files() -> int:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files()
    for _ in range(3):
        thread = ReactorThread("short")
        assert thread.call(lambda: "done") == "done"
        thread.stop()
        del thread
    assert open_files() == before
