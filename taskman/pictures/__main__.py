"""The process that paints: one request a line on standard input, one answer a line on standard output.

Decoders are C libraries that are fed with whatever a peer sent. Here they may crash, or ask for all memory, and take nobody with
them. The process ends with its input, that is with whoever started it. It yields to every other: nobody waits for a picture as
senders wait for their images to be taken.
"""

from __future__ import annotations

import resource

from runtime import answer_requests
from taskman.pictures.drawing import paint
from taskman.pictures.requests import decode_request, encode_answer

#: Bytes of address space: what the libraries map, and twice what the largest frame takes that is decoded.
MEMORY = 5 << 29
#: The lowest priority there is.
NICENESS = 19


def main() -> None:
    """Answer requests until there are no more."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    answer_requests(lambda line: encode_answer(paint(*decode_request(line))), NICENESS)


if __name__ == "__main__":
    main()
