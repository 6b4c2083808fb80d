"""What passed on the wire, as people read bytes: offset, hexadecimal, text. Codes are masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from console.traffic.exchange import Exchange, decode_request
from console.traffic.masking import Masker
from console.traffic.pseudonyms import Blanks
from xwb import Cipher

#: Bytes of a message that are shown, and of a line.
SHOWN, LINE = 4096, 16


def dump(data: bytes, most: int = SHOWN) -> list[str]:
    """Write bytes as lines of sixteen; what is beyond `most` is only told of."""
    lines = [_line(at, data[at : min(at + LINE, most)]) for at in range(0, min(len(data), most), LINE)]
    return [*lines, f"... and {len(data) - most} more bytes"] if len(data) > most else lines


def _line(at: int, data: bytes) -> str:
    numbers = data.hex(" ")
    text = "".join(chr(it) if 32 <= it < 127 else "." for it in data)
    return f"  {at:04x}  {numbers:<{3 * LINE}} {text}"


@dataclass(slots=True)
class Wiretap:
    """Keeps the exchanges of one call; give `observe` to the client."""

    cipher: Cipher
    _kept: list[tuple[bytes, bytes, float]] | None = None

    def observe(self, sent: bytes, received: bytes, seconds: float) -> None:
        """Keep an exchange, if somebody wants to see it."""
        if self._kept is not None:
            self._kept.append((sent, received, seconds))

    def begin(self) -> None:
        """Keep what passes from now on."""
        self._kept = []

    def end(self) -> list[str]:
        """Show what was kept, and keep no more."""
        kept, self._kept = self._kept or [], None
        masker = Masker(Blanks(), self.cipher, keep_phi=True)
        return [line for number, one in enumerate(kept) for line in _shown(masker, number, *one)]


def _shown(masker: Masker, number: int, sent: bytes, received: bytes, seconds: float) -> Sequence[str]:
    request = decode_request(sent)
    name = request.rpc if request is not None else "(unknown)"
    exchange = masker.mask(Exchange(1, number, name, sent, received or None, seconds))
    answer = exchange.received or b""
    lines = [f"sent {len(exchange.sent)} bytes, {name}", *dump(exchange.sent)]
    lines += [f"received {len(answer)} bytes after {seconds * 1000:.1f} ms", *dump(answer)]
    return [*lines, "  (codes are masked)"] if exchange.masked else lines
