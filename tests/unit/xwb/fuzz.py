"""Entry points for fuzzing: arbitrary bytes must neither raise nor be held without bound."""

import contextlib

from tests.unit.xwb.feeding import drain
from xwb import (
    BadSubscript,
    CaretDecoder,
    GlobalParameter,
    ListParameter,
    M2MAnswerDecoder,
    M2MDecoder,
    NSDecoder,
    ResponseDecoder,
    Violated,
    parse_subscripts,
)

LIMIT = 600
STEP = 7


def fuzz_ns(data: bytes) -> None:
    """Feed bytes to the server's decoder: it never raises, holds no more than it was given, and ends at a violation."""
    decoder = NSDecoder(limit_bytes=LIMIT, limit_items=20)
    given = 0
    violated = False
    for start in range(0, len(data), STEP):
        piece = data[start : start + STEP]
        decoder.receive_data(piece)
        given += len(piece)
        for event in drain(decoder):
            assert not violated
            violated = isinstance(event, Violated)
            for parameter in getattr(event, "parameters", ()):
                if isinstance(parameter, ListParameter | GlobalParameter):
                    with contextlib.suppress(BadSubscript):
                        parameter.array()
        assert decoder.held <= min(given, LIMIT)
        assert decoder.pending
    if not violated:
        decoder.receive_silence()


def fuzz_response(data: bytes) -> None:
    """Feed bytes to the client's decoder."""
    decoder = ResponseDecoder(limit_bytes=LIMIT)
    for start in range(0, len(data), STEP):
        decoder.receive_data(data[start : start + STEP])
        for response in drain(decoder):
            assert response.m_error is None or len(response.m_error) == 2
        assert decoder.held <= LIMIT


def fuzz_caret(data: bytes) -> None:
    """Feed bytes to the text transport's decoder."""
    decoder = CaretDecoder(limit_line=40, limit_lines=5, limit_bytes=100)
    for start in range(0, len(data), STEP):
        decoder.receive_data(data[start : start + STEP])
        assert all(event is not None for event in drain(decoder))
        assert decoder.held <= 42


def fuzz_m2m(data: bytes) -> None:
    """Feed bytes to the M-to-M broker's decoder: every document is a request, whose arrays can be made."""
    decoder = M2MDecoder(limit_bytes=LIMIT, limit_items=20)
    violated = False
    for start in range(0, len(data), STEP):
        decoder.receive_data(data[start : start + STEP])
        for event in drain(decoder):
            assert not violated
            violated = isinstance(event, Violated)
            for parameter in getattr(event, "parameters", ()):
                if isinstance(parameter, ListParameter):
                    assert len(parameter.array()) <= 20
        assert decoder.held <= LIMIT


def fuzz_m2m_answer(data: bytes) -> None:
    """Feed bytes to the M-to-M client's decoder."""
    decoder = M2MAnswerDecoder(limit_bytes=LIMIT)
    for start in range(0, len(data), STEP):
        decoder.receive_data(data[start : start + STEP])
        assert all(not (answer.lines and answer.error) for answer in drain(decoder))
        assert decoder.held <= LIMIT


def fuzz_subscripts(data: bytes) -> None:
    """Parse bytes as subscripts: a tuple of texts or BadSubscript."""
    with contextlib.suppress(BadSubscript):
        assert all(parse_subscripts(data))
