"""The process that renders: one request a line on standard input, one answer a line on standard output.

Decoders are C libraries that are fed with whatever a peer sent. Here they may crash, or ask for all memory, and take nobody with
them. The process ends with its input. Somebody waits for its pictures, but images that come in go before them.
"""

from __future__ import annotations

import resource

from console.rendering.drawing import decode, render
from console.rendering.errors import NotShown
from console.rendering.wanted import Decoding, decode_request, encode_answer
from runtime import answer_requests

#: Bytes of address space: what the libraries map, and twice what the largest frame takes that is decoded.
MEMORY = 5 << 29
NICENESS = 5


def main() -> None:
    """Answer requests until there are no more."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    answer_requests(_answer, NICENESS)


def _answer(line: bytes) -> bytes:
    try:
        path, wanted = decode_request(line)
        return encode_answer(decode(path, wanted) if isinstance(wanted, Decoding) else render(path, wanted))
    except NotShown as problem:
        return encode_answer(problem)
    except Exception as error:  # whatever a library raises for a sender's bytes
        return encode_answer(NotShown(f"{type(error).__name__}: {error}"))


if __name__ == "__main__":
    main()
