"""The process that transcodes: one request a line on standard input, one answer a line on standard output.

Codecs are C libraries that are fed with whatever a peer sent. Here they may crash, or ask for all memory, and take nobody with
them. The process ends with its input, that is with the gateway, and yields to every other.
"""

from __future__ import annotations

import resource
import signal

from gateway_client.transcoding.conversion import transcode_first
from gateway_client.transcoding.requests import decode_request, encode_answer
from runtime import answer_requests

#: The lowest priority there is.
NICENESS = 19
#: Bytes of address space: what the libraries map, and how often the larger of file and decoded pixels has a place in it.
_BASE, _TIMES = 3 << 30, 6


def main() -> None:
    """Answer requests until there are no more."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a service manager may tell all processes; the gateway finishes what it sends
    answer_requests(lambda line: encode_answer(transcode_first(*decode_request(line), bound_memory)), NICENESS)


def bound_memory(largest: int) -> None:
    """Let this process have as much memory as an object of so many bytes takes."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_BASE + _TIMES * largest, hard))


if __name__ == "__main__":
    main()
