"""The process that transcodes: one request a line on standard input, one answer a line on standard output.

Codecs are C libraries that are fed with whatever a peer sent. Here they may crash, or ask for all memory, and take nobody with
them. The process ends with its input, that is with the gateway, and yields to every other.
"""

from __future__ import annotations

import os
import resource
import signal
import sys

from gateway_client.transcoding.conversion import transcode_first
from gateway_client.transcoding.requests import READY, decode_request, encode_answer

#: The lowest priority there is.
NICENESS = 19
#: Bytes of address space: what the libraries map, and how often the larger of file and decoded pixels has a place in it.
_BASE, _TIMES = 3 << 30, 6


def main() -> None:
    """Answer requests until there are no more."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a service manager may tell all processes; the gateway finishes what it sends
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a codec prints is no answer
    answers.write(READY)
    for line in sys.stdin.buffer:
        answers.write(encode_answer(transcode_first(*decode_request(line), bound_memory)))


def bound_memory(largest: int) -> None:
    """Let this process have as much memory as an object of so many bytes takes."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_BASE + _TIMES * largest, hard))


if __name__ == "__main__":
    main()
