"""Sessions: the broker beside a bare echo server, whole sign-on cycles, and what idle sessions weigh."""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure
from bench.load import run_load, signed_on
from bench.processes import resident_megabytes
from bench.services import services
from bench.slow_senders import slow_senders
from console.demo import DEMO_ACCESS, DEMO_VERIFY
from fileman import check_verify_code, hash_verify_code
from runtime import free_port, wait_until_ready
from xwb import encode_bye, encode_call, encode_connect

SECONDS = 4.0
CONNECTIONS = (1, 32)
CONTEXT = "MAG DICOM GATEWAY FULL"
CYCLES = 100
IDLE = 2000
SLOW = 500
SLOW_BYTES = 10_000
HERE = encode_call(b"XWB IM HERE")
CONNECT = encode_connect(b"127.0.0.1", b"bench")


def measure_sessions(directory: Path, site: Path) -> Iterator[Figure]:
    """Measure a trivial procedure and an echo in one run, sign-on cycles, and the memory of idle sessions."""
    with services(directory / "idle", site, gateway=False) as running:
        yield _idle(running.broker_port, running.directory)
    with services(directory, site, gateway=False) as running, echo_server() as echo_port:
        for count in CONNECTIONS:
            yield from _beside_echo(running.broker_port, echo_port, count)
        yield from _among_slow_senders(running.broker_port)
        yield _cycles(running.broker_port)


@contextlib.contextmanager
def echo_server() -> Iterator[int]:
    """Run a Twisted server that sends back what it gets, in a process of its own."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.echo_server", str(port)])
    try:
        wait_until_ready(lambda: _listens(port), "the echo server", 30)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool | None:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return None


def _beside_echo(broker_port: int, echo_port: int, count: int) -> Iterator[Figure]:
    where = f"{count} connections" if count > 1 else "1 connection"
    plain = [socket.create_connection(("127.0.0.1", echo_port)) for _ in range(count)]
    with contextlib.ExitStack() as stack:
        for connection in plain:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stack.enter_context(connection)
        echo = run_load(plain, itertools.repeat(HERE), SECONDS, HERE.__eq__)
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(signed_on(broker_port, DEMO_ACCESS, DEMO_VERIFY, CONTEXT)) for _ in range(count)]
        calls = run_load(sessions, itertools.repeat(HERE), SECONDS, b"\0\x001\x04".__eq__)
    yield Figure("bare Twisted echo of the same bytes", echo.per_second, where)
    ratio = calls.per_second / echo.per_second
    note = f"{where}; {ratio:.0%} of the echo; median {calls.median_ms:.2f} ms, 99 % in {calls.p99_ms:.2f} ms"
    yield Figure("XWB IM HERE, in a context", calls.per_second, note)


def _among_slow_senders(port: int) -> Iterator[Figure]:
    """Measure one session's calls alone, and again while others send one byte a second in the middle of a message."""
    for senders in (0, SLOW):
        with slow_senders(port, senders, SLOW_BYTES), signed_on(port, DEMO_ACCESS, DEMO_VERIFY, CONTEXT) as session:
            calls = run_load([session], itertools.repeat(HERE), SECONDS, b"\0\x001\x04".__eq__)
        beside = f"beside {senders} senders of 1 byte/s" if senders else "alone"
        note = f"1 connection; median {calls.median_ms:.2f} ms, 99 % in {calls.p99_ms:.2f} ms"
        yield Figure(f"XWB IM HERE, {beside}", calls.per_second, note)


def _cycles(port: int) -> Figure:
    """Connect, set up, sign on, enter a context, take leave; the password hash is measured apart and taken off."""
    took = []
    for _ in range(CYCLES):
        started = time.perf_counter()
        with signed_on(port, DEMO_ACCESS, DEMO_VERIFY, CONTEXT) as session:
            session.sendall(encode_bye())
            session.recv(64)
        took.append(time.perf_counter() - started)
    hashed = hash_verify_code(DEMO_VERIFY)
    checks = []
    for _ in range(20):
        started = time.perf_counter()
        check_verify_code(hashed, DEMO_VERIFY)
        checks.append(time.perf_counter() - started)
    whole, check = 1000 * statistics.median(took), 1000 * statistics.median(checks)
    note = f"1 at a time; median {whole:.1f} ms, {whole - check:.1f} ms besides the password hash of {check:.1f} ms"
    return Figure("full sign-on cycle", CYCLES / sum(took), note)


def _idle(port: int, directory: Path) -> Figure:
    """Let signed-on sessions do nothing, and look at the broker's memory before and with them."""
    pid = int(re.findall(r'"pid": (\d+)', (directory / "run.json").read_text())[0])
    before = resident_megabytes(pid)
    with contextlib.ExitStack() as stack:
        for _ in range(IDLE):
            connection = socket.create_connection(("127.0.0.1", port), timeout=30)
            stack.enter_context(connection)
            connection.sendall(CONNECT)
            connection.recv(64)
        after = resident_megabytes(pid)
    each = 1024 * (after - before) / IDLE
    return Figure(f"memory with {IDLE:,} idle sessions", after, f"{before:.0f} MB before them; {each:.1f} KB each", unit="MB")
