"""Changing messages by chance: what becomes of a seed is always the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

#: What protocols and their readers stumble over.
SPICES = (
    b"\x04",
    b"\0",
    b"\xff",
    b"\x01",
    b"f",
    b"t",
    b"0",
    b"000",
    b"999",
    b"99999",
    b"1E9",
    b"-1",
    b"[XWB]11302",
    b"{XWB}",
    b"#BYE#",
    b"\r\n",
    b"\n\n",
    b"^",
    b"@",
    b"=",
    b"\\",
    b'"',
    b"<",
    b"&#91;",
    b"]]>",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b"5",
    b"54f",
    b"[" * 1500,
    b"{a=" * 1200,
    b"(" * 300,
    b"9" * 4500,
    b"|\x051.108",
    b"00000",
    b"\r",
    b"#",
)
#: The longest input that is made.
LONGEST = 6000


def inputs(corpus: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Give so many inputs, made from a corpus; the same for the same seed."""
    random = Random(seed)
    for _ in range(count):
        data = bytearray(random.choice(corpus))
        for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
            _change(data, corpus, random)
        yield bytes(data[:LONGEST])


def _change(data: bytearray, corpus: Sequence[bytes], random: Random) -> None:
    place = random.randrange(len(data) + 1)
    length = random.choice((1, 1, 2, 5, 20, 100))
    match random.randrange(8):
        case 0:
            data[place : place + 1] = bytes((random.randrange(256),))
        case 1:
            data[place:place] = random.choice(SPICES)
        case 2:
            data[place : place + length] = b""
        case 3:
            data[place:place] = data[place : place + length] * random.choice((1, 2, 10))
        case 4:
            data[place : place + len(SPICES[0])] = random.choice(SPICES)
        case 5:
            other = random.choice(corpus)
            data[place:] = other[random.randrange(len(other) + 1) :]
        case 6:
            del data[place:]
        case _:
            data += random.choice(corpus)


def cuts(data: bytes, random: Random) -> list[bytes]:
    """Cut an input into pieces."""
    pieces = []
    start = 0
    while start < len(data):
        length = random.choice((1, 1, 2, 3, 7, 50, 500))
        pieces.append(data[start : start + length])
        start += length
    return pieces
