"""The file of a recording when the disk takes no more."""

from __future__ import annotations

import resource
from pathlib import Path

from console.traffic import Exchange, Masker, Pseudonyms, Recording, read_recording
from xwb import Cipher, encode_call


def test_a_disk_that_is_full_ends_the_recording_and_is_told(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    recording = Recording(path, Masker(Pseudonyms(b"key"), Cipher.standard()), Cipher.standard())
    exchange = Exchange(1, 1, "XWB IM HERE", encode_call(b"XWB IM HERE"), b"\0\x001\4")
    recording.write(exchange)
    assert recording.failed == ""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, hard))
    try:
        assert recording.write(exchange) == exchange
        assert recording.write(exchange) == exchange
        recording.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "r.jsonl cannot be written" in recording.failed
    assert read_recording(path) == [exchange]
