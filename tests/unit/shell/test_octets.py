"""What passed on the wire is shown byte by byte; codes are not."""

from __future__ import annotations

from console.shell.octets import Wiretap, dump
from xwb import Cipher, Literal, encode_call

CIPHER = Cipher.standard()


def test_bytes_are_shown_with_their_place_and_text() -> None:
    assert dump(b"[XWB]\x00\xff\r\n0123456789") == [
        "  0000  5b 58 57 42 5d 00 ff 0d 0a 30 31 32 33 34 35 36  [XWB]....0123456",
        "  0010  37 38 39                                         789",
    ]
    assert dump(b"") == []
    assert dump(b"x" * 20, most=16)[1:] == ["... and 4 more bytes"]


def test_calls_are_kept_only_while_somebody_wants_to_see_them() -> None:
    tap = Wiretap(CIPHER)
    tap.observe(b"before", b"", 0.0)
    tap.begin()
    tap.observe(encode_call(b"XWB IM HERE"), b"\0\x001\x04", 0.0015)
    lines = tap.end()
    assert lines[0] == "sent 32 bytes, XWB IM HERE"
    assert "received 4 bytes after 1.5 ms" in lines
    assert "before" not in "".join(lines)
    tap.observe(b"after", b"", 0.0)
    assert tap.end() == []


def test_codes_are_masked_and_data_is_not() -> None:
    tap = Wiretap(CIPHER)
    tap.begin()
    codes = CIPHER.encipher(b"DEMOMG1;1MGR!@#$")
    tap.observe(encode_call(b"XUS AV CODE", [Literal(codes)]), b"\0\x009004\r\n\x04", 0.1)
    tap.observe(encode_call(b"MAG DICOM GET PATIENT", [Literal(b"100")]), b"\0\0DEM^1^DEMO,PATIENT\x04", 0.1)
    tap.observe(encode_call(b"MAGB TOKEN MAKE"), b'\0\x001^{"token": "T0PSECRET"}\x04', 0.1)
    text = "\n".join(tap.end())
    assert codes.hex(" ")[:20] not in text
    assert "T0PSEC" not in text
    assert text.count("(codes are masked)") == 2
    assert "DEMO,PA" in text
