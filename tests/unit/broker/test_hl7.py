"""HL7 over MLLP: frames come out of bytes however they are cut, headers are read, acknowledgements go back to the sender."""

from __future__ import annotations

from datetime import datetime

import pytest

from broker.hl7 import Hl7Error, MllpDecoder, acknowledge, parse

ORDER = b"MSH|^~\\&|RIS|SLC|VISTA|660|20260101||ORM^O01|C1|P|2.3\rPID|1||100\rORC|NW\r"
NOW = datetime.fromisoformat("2026-11-21T22:00:01")

FRAMES = [
    (b"\x0bA\x1c\r", [b"A"]),
    (b"\x0bA\x1c\r\x0bB\rC\r\x1c\r", [b"A", b"B\rC\r"]),
    (b"noise\x0bA\x1c\rnoise", [b"A"]),
    (b"\x0bA\x1cB\x1c\r", [b"A\x1cB"]),
    (b"\x0bA\x1c", []),
    (b"noise", []),
    (b"\x0b\x1c\r", [b""]),
]


def decoded(chunks: list[bytes]) -> list[bytes]:
    decoder, found = MllpDecoder(), []
    for chunk in chunks:
        decoder.receive_data(chunk)
        while (frame := decoder.next_frame()) is not None:
            found.append(frame)
    return found


@pytest.mark.parametrize(("data", "frames"), FRAMES)
def test_frames_come_out_of_bytes_whole_and_one_at_a_time(data: bytes, frames: list[bytes]) -> None:
    assert decoded([data]) == frames
    assert decoded([data[at : at + 1] for at in range(len(data))]) == frames


def test_noise_between_frames_is_not_kept() -> None:
    decoder = MllpDecoder()
    decoder.receive_data(b"x" * 1000)
    assert decoder.next_frame() is None
    assert decoder.held == 0


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_segments_are_apart_by_whatever_ends_lines(end: bytes) -> None:
    message = parse(ORDER.replace(b"\r", end))
    assert message.segments.split("\r") == [line.decode() for line in ORDER.split(b"\r")[:-1]]
    assert (message.type, message.control) == ("ORM", "C1")


def test_the_separators_are_those_of_the_header() -> None:
    message = parse(b"MSH#*~\\&#A#B#C#D#20260101##ADT*A08#7#P#2.4\rEVN#A08")
    assert (message.type, message.control, message.field(3)) == ("ADT", "7", "A")
    assert acknowledge(message, "AA", NOW).startswith(b"\x0bMSH#*~\\&#C#D#A#B#20261121220001##ACK*A08#")


@pytest.mark.parametrize("frame", [b"", b"PID|1", b"MSH", b"MSH|^~\\", b"MSH\rPID|1|2", b"MSH|\nPID|1|2", b"\x00\x01"])
def test_what_has_no_header_is_no_message(frame: bytes) -> None:
    with pytest.raises(Hl7Error):
        parse(frame)


@pytest.mark.parametrize("frame", [ORDER.replace(b"|C1|", b"||"), ORDER.replace(b"ORM^O01", b""), ORDER + b"NTE|\x00\r"])
def test_what_can_never_be_filed_says_why(frame: bytes) -> None:
    assert not parse(ORDER).fault
    assert parse(frame).fault


def test_a_character_set_is_heeded() -> None:
    header = b"MSH|^~\\&|A|B|C|D|1||ADT^A08|1|P|2.4||||||%s\rPID|1|||"
    assert parse(header % b"UNICODE UTF-8" + "Müller".encode()).segments.endswith("Müller")
    assert parse(header % b"8859/1" + "Müller".encode("latin-1")).segments.endswith("Müller")
    with pytest.raises(Hl7Error, match="not in UNICODE UTF-8"):
        parse(header % b"UNICODE UTF-8" + "Müller".encode("latin-1"))


def test_an_acknowledgement_names_the_message_and_why() -> None:
    answer = acknowledge(parse(ORDER), "AE", NOW, "no")
    header, acknowledged = answer.strip(b"\x0b\x1c\r").split(b"\r")
    assert header.split(b"|")[2:6] == [b"VISTA", b"660", b"RIS", b"SLC"]
    assert header.split(b"|")[8] == b"ACK^O01"
    assert acknowledged == b"MSA|AE|C1|no"
