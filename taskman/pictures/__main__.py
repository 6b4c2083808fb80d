"""The process that paints: one request a line on standard input, one answer a line on standard output.

Decoders are C libraries that are fed with whatever a peer sent. Here they may crash, or ask for all memory, and take nobody with
them. The process ends with its input, that is with whoever started it. It yields to every other: nobody waits for a picture as
senders wait for their images to be taken.
"""

from __future__ import annotations

import os
import resource
import sys

from taskman.pictures.drawing import paint
from taskman.pictures.requests import READY, decode_request, encode_answer

#: Bytes of address space: what the libraries map, and twice what the largest frame takes that is decoded.
MEMORY = 5 << 29
#: The lowest priority there is.
NICENESS = 19


def main() -> None:
    """Answer requests until there are no more."""
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a decoder prints is no answer
    answers.write(READY)
    for line in sys.stdin.buffer:
        answers.write(encode_answer(paint(*decode_request(line))))


if __name__ == "__main__":
    main()
