"""What depends on clock, engine and chance is put aside in a comparison, and nothing else."""

from __future__ import annotations

import pytest

from console.traffic import NORMALISATIONS, normalise

SAME = [
    (b"M  ERROR=A+1^B, text,-%GTM-E-X\r\nLAST REF=^X(1)\x04", b"M  ERROR=<DIVIDE>A+1^B\r\nLAST REF=\x04"),
    (
        b'<error type="system" code="1" ><msg><![CDATA[\r\nA+1^B, text,-%GTM-E-X\r\n]]></msg>',
        b'<error type="system" code="1" ><msg><![CDATA[\r\n<DIVIDE>A+1^B\r\n]]></msg>',
    ),
    (b"Good morning DOC", b"Good evening DOC"),
    (b"a\r\n     You last signed on today at 06:11\r\nb", b"a\r\nb"),
    (b"a\r\nThere were 3 unsuccessful attempts since you last signed on.\r\nb", b"a\r\nb"),
    (b"You are LOCKED OUT until 11/22/26 3:37 am because", b"You are LOCKED OUT until 01/01/27 5:00 pm because"),
    (b"Your Verify code will expire in 5 days", b"Your Verify code will expire in 1 day"),
    (b"task#=1062", b"task#=7"),
    (b"-1,No task #1062", b"-1,No task #7"),
    (b"^NOV 21,2026@03:45:15^", b"^JAN 2,2027@11:00^"),
    (b"2 Nov 21 at 03:37:55", b"2 Jan 1 at 10:00:00"),
    (b"^3261121.034515^", b"^3270101^"),
    (b"67894,12345", b"68001,1"),
    (b"Sat 03:37 started", b"Mon 11:59 started"),
    (b"|2500115^JAN 15,1950|76|M", b"|2500115^JAN 15,1950|77|M"),
    (b"~1XWBAS123", b"~1XWBAS456"),
]
OTHER = [
    (b"M  ERROR=A\r\nLAST REF=\x04", b"1\x04"),
    (b'<error type="rpc" code="1" ><msg>\r\nA\r\n</msg>', b'<error type="rpc" code="1" ><msg>\r\nB\r\n</msg>'),
    (b"Good morning DOC", b"Good morning NURSE"),
    (b"You are LOCKED OUT until 11/22/26 because", b"Not a valid pair"),
    (b"task#=1062", b"-1,No task #1062"),
    (b"|2500115^JAN 15,1950|76|M", b"|2500115^JAN 15,1950|76|F"),
    (b"|2500115^", b"|2500116^"),
    (b"123", b"124"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_varies_compares_equal(one: bytes, other: bytes) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_does_not_vary_compares_different(one: bytes, other: bytes) -> None:
    assert normalise(one) != normalise(other)


def test_every_normalisation_is_tried_above() -> None:
    texts = [text for pair in SAME for text in pair]
    assert [it.what for it in NORMALISATIONS if not any(it.pattern.search(text) for text in texts)] == []
