"""What clients of DICOMweb send: multipart bodies, what they accept, queries; and headers of objects as JSON."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from random import Random

from console.web.dicomweb.archive import Wanted
from console.web.dicomweb.errors import BadAsked, NotAcceptable
from console.web.dicomweb.media_types import MOST_TYPES, read_accept
from console.web.dicomweb.multipart import (
    MOST_HEADERS,
    Event,
    MultipartReader,
    PartBegins,
    PartData,
    encode_end,
    encode_part_head,
)
from console.web.dicomweb.questions import read_question
from console.web.dicomweb.rendered import read_picture
from rpcs.archive import Level
from tests.fuzz.mutate import cuts

BOUNDARY = "b0undary"
BODIES = (
    encode_part_head(BOUNDARY, {"Content-Type": "application/dicom"})
    + b"DICM\r\n--b0und\r\n--"
    + encode_part_head(BOUNDARY, {"Content-Type": "application/dicom", "Content-Location": "x"})
    + encode_end(BOUNDARY),
    b"before\r\n--b0undary \t\r\nA: b\r\n c\r\n\r\n\r\n--b0undary--behind",
    b"--b0undary\r\n\r\nx\r\n--b0undaryX\r\n--b0undary--",
)
ACCEPTS = (
    b'multipart/related; type="application/dicom"; transfer-syntax=*;q=0.5, application/dicom+json, */*',
    b'multipart/related;type=application/dicom;boundary="a \\"b\\"", image/*;q=0',
)
QUERIES = (
    b"PatientName=DOE*\n00080020=20200101-20201231\nincludefield=all\nlimit=10\noffset=3\nfuzzymatching=true",
    b"00400275.00401001=A\nStudyInstanceUID=1.2,3.4\nwindow=1,2,linear\nviewport=1,2,,,3,-4\nquality=9\nframe=2",
)


def multipart(data: bytes) -> None:
    """Read a body: whole and in any cut the same parts come, or the same error, and no more is held than headers."""
    whole = _read([data])
    assert _read(cuts(data, Random(len(data)))) == whole, "another cut, another message"


def _read(pieces: Sequence[bytes]) -> tuple[list[tuple[dict[str, str], bytes]], bool]:
    reader, parts = MultipartReader(BOUNDARY), list[tuple[dict[str, str], bytes]]()
    try:
        for piece in pieces:
            for event in reader.receive(piece):
                _take(parts, event)
            assert len(reader._held) <= MOST_HEADERS + 64, "more is held than may be"
        reader.close()
    except BadAsked:
        return parts, False
    return parts, True


def _take(parts: list[tuple[dict[str, str], bytes]], event: Event) -> None:
    if isinstance(event, PartBegins):
        parts.append((dict(event.headers), b""))
    elif isinstance(event, PartData):
        assert event.data, "data without data"
        parts[-1] = (parts[-1][0], parts[-1][1] + event.data)


def accept(data: bytes) -> None:
    """Read what is accepted: what is wanted most stands first."""
    with contextlib.suppress(BadAsked):
        found = read_accept(data.decode("iso-8859-1"))
        assert len(found) <= MOST_TYPES
        assert [one.quality for one in found] == sorted((one.quality for one in found), reverse=True)


def question(data: bytes) -> None:
    """Read a query, and a picture that is asked for by the same."""
    lines = [line.partition("=") for line in data.decode("utf-8", "replace").split("\n")]
    pairs = [(name, value) for name, _, value in lines]
    for level in (Level.STUDY, Level.SERIES, Level.IMAGE):
        with contextlib.suppress(BadAsked):
            asked = read_question(level, Wanted(), pairs)
            json.dumps(asked.request)
            assert asked.conditions["keys"].keys() <= asked.request["keys"].keys()
    with contextlib.suppress(BadAsked, NotAcceptable):
        assert 1 <= read_picture(dict(pairs), read_accept(""), None).rendering.quality <= 100
