"""Arbitrary bytes meet every decoder."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fuzz.run import finding
from tests.fuzz.targets import TARGETS, Fuzzed
from tests.unit.xwb.feeding import CUTS, decode

WORDS = st.sampled_from(
    [
        b"[XWB]",
        b"11302",
        b"10304",
        b"\x051.108",
        b"\x0bXWB IM HERE",
        b"5",
        b"4f",
        b"0003abcf",
        b"20011",
        b"001x",
        b"t",
        b"f",
        b"\x04",
        b"#BYE#",
        b"1E2",
        b"999",
        b"3",
        b"2",
        b"7",
        b"\xff",
        b"\n",
        b"^@",
        b"1=2",
        b'"a"',
        b"\\c",
        b"OK 3\n",
        b"{XWB}00000|\x010",
        b"00010",
        b"007XWB;;;;",
        b"~BSE~",
        b'<?xml version="1.0" ?>',
        b'<vistalink type="Gov.VA.Med.RPC.Request" mode="RPCBroker" >',
        b"<vistalink type='Gov.VA.Med.Foundations.CloseSocketRequest' >",
        b'<rpc uri="A" ><params>',
        b'<param type="array" position="1" ><indices>',
        b'<param type="string" position="2" >',
        b'<index name="1" >',
        b"</index>",
        b"</param>",
        b"</params></rpc>",
        b"</vistalink>\x04",
        b'<results type="array" ><![CDATA[',
        b"]]></results>",
        b'<error code="1" ><msg>',
        b"</msg></error>",
        b"<!--",
        b"<!DOCTYPE v [",
        b"&#65;",
        b"&amp;",
        b"&x;",
    ]
)
mixed = st.lists(WORDS | st.binary(max_size=8), max_size=40).map(b"".join)


@given(mixed)
@example(b"[XWB]11302\x051.108\x0bXWB IM HERE5" + b"20011001x" + b"t0011001x" * 60)
@example(b"[XWB]1130" + b"3" * 1000)
@example(b"[XWB]119025" + b"0999999999")
@example(b'<vistalink type="Gov.VA.Med.RPC.Request" >' + b"<a>" * 500 + b"\x04")
@pytest.mark.parametrize("target", ["ns", "responses", "caret", "old", "bse", "m2m", "m2m-answers", "subscripts"])
def test_arbitrary_bytes_never_raise_and_are_never_held_without_bound(target, data):
    assert finding(target, data) is None


@given(mixed)
def test_arbitrary_bytes_give_the_same_events_however_they_are_cut(data):
    events = [decode(data, cut, check=refuse_some) for cut in CUTS]
    assert events[0] == events[1] == events[2]


def refuse_some(what, text):
    return "refused" if text.endswith(b"x") else None


def test_what_a_target_raises_is_a_finding(monkeypatch):
    def broken(_data):
        raise AssertionError("held too much")

    monkeypatch.setitem(TARGETS, "ns", Fuzzed(broken, list))
    assert str(finding("ns", b"")) == "held too much"
